"""Writes graphs of one to four random operations before trees or a comparison, and what onnxruntime
decides.

    python scripts/make_random_steps.py               # the recorded ones
    python scripts/make_random_steps.py DIR 200 7     # as many others elsewhere, by this seed

crates/prover/tests/prover/steps.rs reads random_steps/*.onnx; expected.json is as that of
make_step_fixtures.py. Thresholds are what the operations make of points of the grid; inputs stand on such
points and next to them. Needs scripts/requirements-trees.txt. With the folder of a second run,
VERDICT_RANDOM_STEPS=DIR makes the test of random graphs take that.
"""

import json
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto as T, helper, numpy_helper

from make_step_fixtures import ML, session
from make_tree_fixtures import GRID, MODES, attributes, grid_value

OUT = Path(__file__).resolve().parent.parent / "crates" / "prover" / "tests" / "fixtures" / "random_steps"
FLOATS = {T.FLOAT: np.float32, T.DOUBLE: np.float64}
WITH_CONSTANT = ["Add", "Sub", "Mul", "Div", "Max", "Min", "From"]
PLAIN = "Neg Abs Relu LeakyRelu Floor Ceil Round Square Twice Clip Scaler Root Under Sign Power".split()
CASTS = [T.INT32, T.INT64, T.INT8, T.FLOAT16, T.BOOL]


class Chain:
    """Operations on z, each with constants of their own."""

    def __init__(self, rng, dtype):
        self.rng, self.dtype, self.nodes, self.constants, self.z = rng, dtype, [], [], "x"

    def constant(self, values, dtype=None):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(values, dtype=dtype or FLOATS[self.dtype]), name))
        return name

    def op(self, kind, *inputs, **more):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=f"{kind.lower()}_{name}", **more))
        return name

    def vector(self):
        values = float(self.rng.choice([0.1, 1, 37])) * self.rng.uniform(-1, 1, len(GRID))
        return self.constant(np.round(values, 1) + 0.1 if self.rng.random() < 0.4 else values)

    def step(self):
        kinds = [self.by_constant, self.by_plain, self.by_cast, self.by_where, self.by_double]
        self.rng.choice(kinds, p=[0.4, 0.3, 0.12, 0.12, 0.06])()

    def by_constant(self):
        kind, c = str(self.rng.choice(WITH_CONSTANT)), self.vector()
        self.z = self.op("Sub", c, self.z) if kind == "From" else self.op(kind, self.z, c)

    def by_plain(self):
        z, uniform = self.z, self.rng.uniform
        special = {
            "LeakyRelu": lambda: self.op("LeakyRelu", z, alpha=float(uniform(-0.5, 1.5))),
            "Square": lambda: self.op("Mul", z, z),
            "Twice": lambda: self.op("Add", z, z),
            "Clip": lambda: self.op("Clip", z, *map(self.constant, np.sort(uniform(-3, 20, 2)))),
            "Scaler": lambda: z if self.dtype == T.DOUBLE else self.op(
                "Scaler", z, offset=uniform(-9, 9, 4).tolist(), scale=uniform(-2, 2, 4).tolist(), **ML),
            "Root": lambda: self.op("Sqrt", self.op("Abs", z)),
            "Under": lambda: self.op("Div", self.vector(), self.op("Add", self.op("Abs", z), self.constant(0.7))),
            "Power": lambda: self.op("Pow", z, self.constant(2.0)),
        }
        kind = str(self.rng.choice(PLAIN))
        self.z = special.get(kind, lambda: self.op(kind, z))()

    def by_cast(self):
        self.z = self.op("Cast", self.op("Cast", self.z, to=int(self.rng.choice(CASTS))), to=self.dtype)

    def by_where(self):
        asked = self.op(str(self.rng.choice(["Greater", "Less", "GreaterOrEqual", "Equal"])), self.z, self.vector())
        asked = self.op("Not", asked) if self.rng.random() < 0.3 else asked
        sides = [self.z, self.vector(), self.op("Mul", self.z, self.vector())]
        a, b = self.rng.choice(3, 2, replace=False)
        self.z = self.op("Where", asked, sides[a], sides[b])

    def by_double(self):
        self.dtype = T.DOUBLE if self.dtype == T.FLOAT else T.FLOAT
        self.z = self.op("Cast", self.z, to=self.dtype)

    def model(self, output):
        ends = [("x", self.takes, [1, len(GRID)]), (output, T.FLOAT, None)]
        taken, given = ([helper.make_tensor_value_info(*end)] for end in ends)
        graph = helper.make_graph(self.nodes, "random", taken, given, initializer=self.constants)
        return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18),
                                                                     helper.make_opsetid("ai.onnx.ml", 3)])


def random_graph(rng):
    """A model, and points of the grid that thresholds are made of; nothing if these are no numbers."""
    chain = Chain(rng, T.FLOAT if rng.random() < 0.8 else T.DOUBLE)
    chain.takes = chain.dtype
    for _ in range(rng.integers(1, 5)):
        chain.step()
    # Also of a Scaler that is left out of float64.
    if chain.dtype == T.DOUBLE or chain.z == "x":
        chain.z = chain.op("Cast", chain.z, to=T.FLOAT)
    prefix, dtype = session(chain.model(chain.z)), FLOATS[chain.takes]
    rows = [[grid_value(feature, rng) for feature in range(len(GRID))] for _ in range(8)]
    images = [prefix.run(None, {"x": np.array([row], dtype=dtype)})[0].ravel() for row in rows]
    if not np.isfinite(images).all():
        return None
    if rng.random() < 0.25:
        kind = str(rng.choice(["Greater", "Less", "GreaterOrEqual", "LessOrEqual"]))
        greater = chain.op(kind, chain.z, chain.constant(images[0], np.float32))
        return chain.model(chain.op("Cast", greater, to=T.FLOAT)), rows[:1]
    # Of each tree the leaf's own weight tells which way it went.
    trees = [(number % 4, MODES[number % len(MODES)], float(image[number % 4]), [(0, 2.0**number)], [(0, 0.0)])
             for number, image in enumerate(images)]
    listed = attributes(trees, "target")
    return chain.model(chain.op("TreeEnsembleRegressor", chain.z, n_targets=1, **listed, **ML)), rows


def samples(model, rows, rng, count):
    runtime, dtype = session(model), FLOATS[model.graph.input[0].type.tensor_type.elem_type]
    for number in range(count):
        steps = rng.choice([0, -1, 1], len(GRID))
        row = [round(min(max(value + step / 10**decimals, low), high), decimals)
               for value, step, (low, high, decimals) in zip(rows[number % len(rows)], steps, GRID)]
        found = runtime.run(None, {"x": np.array([row], dtype=dtype)})
        yield {"inputs": [row], "outputs": [np.asarray(o, dtype=float).ravel().tolist() for o in found]}


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    count, seed = (int(value) for value in sys.argv[2:4] or (60, 14))
    rng = np.random.default_rng(seed)
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    while len(lines) < count:
        found = random_graph(rng)
        if not found:
            continue
        name = f"random_{len(lines):03}"
        (out / f"{name}.onnx").write_bytes(found[0].SerializeToString())
        case = {"ranges": [end[:2] for end in GRID], "decimals": [end[2] for end in GRID],
                "samples": list(samples(*found, rng, 24 if out == OUT else 120))}
        lines.append(f'"{name}": {json.dumps(case, separators=(",", ":"))}')
    (out / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
