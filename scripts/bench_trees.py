"""Figures of tree ensembles: a proof's time, memory, rows and gas, as one table.

    python scripts/bench_trees.py [--runs 5] [--only 100x6] [--verdict target/release/verdict]

A random forest of 20 trees of depth 5, boosted trees 50×4, 100×6 and 500×8 with a sigmoid after them (those of
scripts/compare/trees.py: 20 features, inputs of five decimals), and 500 complete trees of depth 8, which nothing trained,
each planned for gas, balanced and for time; and a batch of 64 through 100×6 beside as many single proofs. Times are those of a whole process from the input to the proof, the
median of the runs; memory is the largest of the proof's processes. Gas is that of a bare verification, as `inspect` says it.
Needs scripts/requirements-trees.txt.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts" / "compare"))
import trees  # noqa: E402

ENSEMBLES = {"20x5": ("forest", 20, 5), "50x4": ("boosted", 50, 4), "100x6": ("boosted", 100, 6), "500x8": ("boosted", 500, 8)}
COMPLETE = {"complete-500x8": (500, 8)}
BATCH = 64


def complete(rng, count, depth):
    """Trees with every node that their depth has, as one TreeEnsembleRegressor: random features, thresholds and leaves."""
    inner, each = 2**depth - 1, 2 ** (depth + 1) - 1
    nodes = np.tile(np.arange(each), count)
    of = np.repeat(np.arange(count), each)
    is_inner = nodes < inner
    threshold = np.where(is_inner, rng.integers(1, 10**5, nodes.size) / 1e5, 0)
    leaves = {"target_treeids": of[~is_inner], "target_nodeids": nodes[~is_inner], "target_ids": np.zeros(count * 2**depth, int)}
    node = onnx.helper.make_node(
        "TreeEnsembleRegressor", ["input"], ["score"], domain="ai.onnx.ml", n_targets=1,
        nodes_treeids=of.tolist(), nodes_nodeids=nodes.tolist(),
        nodes_featureids=np.where(is_inner, rng.integers(0, trees.FEATURES, nodes.size), 0).tolist(),
        nodes_values=threshold.tolist(), nodes_modes=np.where(is_inner, "BRANCH_LEQ", "LEAF").tolist(),
        nodes_truenodeids=np.where(is_inner, 2 * nodes + 1, 0).tolist(),
        nodes_falsenodeids=np.where(is_inner, 2 * nodes + 2, 0).tolist(),
        target_weights=rng.uniform(-0.01, 0.01, count * 2**depth).tolist(),
        **{name: values.tolist() for name, values in leaves.items()})
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node], "complete", [tensor("input", onnx.TensorProto.FLOAT, [1, trees.FEATURES])],
        [tensor("score", onnx.TensorProto.FLOAT, [1, 1])])
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("ai.onnx.ml", 3)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)


def measured(command):
    """(seconds, bytes of the largest resident set) of a process that must succeed."""
    with tempfile.TemporaryDirectory() as path:
        report, log = Path(path) / "usage.json", Path(path) / "log"
        # By a bare process, for the peak of one includes what its parent held when it was forked.
        spawn = [sys.executable, "-I", "-S", ROOT / "scripts" / "compare" / "spawn.py"]
        subprocess.run([*spawn, report, "3600", str(1 << 40), log, *command], check=True)
        used = json.loads(report.read_text())
        if used["exit"]:
            sys.exit(f"{' '.join(map(str, command))}:\n{log.read_text(errors='replace')}")
        return used["wall"], used["peak_bytes"]


def figures(args, folder, model, inputs, options, batch):
    """A row of the table: what is planned, and what proofs take."""
    plan = [args.verdict, "inspect", "--json", model, "--ranges", folder / "ranges.json", *options]
    said = json.loads(subprocess.run(plan, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
    setup = Path(tempfile.mkdtemp(dir=folder))
    measured([args.verdict, "setup", model, "--ranges", folder / "ranges.json", "--dev-srs", *options, "--out", setup / "setup"])
    given = ["--batch", inputs] if batch else ["--input", inputs]
    prove = [args.verdict, "prove", setup / "setup", *given, "--out", setup / "proof.json"]
    runs = [measured(prove) for _ in range(args.runs)]
    return said, statistics.median(seconds for seconds, _ in runs), max(memory for _, memory in runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--verdict", type=Path, default=ROOT / "target" / "release" / "verdict")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=ENSEMBLES | COMPLETE, action="append")
    args = parser.parse_args()
    args.verdict = args.verdict.resolve()
    print("| trees | planned for | shape | rows | proof, s | memory, MB | gas |\n|---|---|---|---|---|---|---|", flush=True)

    def row(name, objective, found):
        said, seconds, memory = found
        print(f"| {name} | {objective} | {said['shape']} | 2^{said['k']} | {seconds:.3f} | {memory / 1e6:.0f} | "
              f"{said['verification_gas']:,} |", flush=True)
        return seconds

    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        (folder / "ranges.json").write_text(json.dumps([{"min": 0, "max": 1, "decimals": 5}] * trees.FEATURES))
        for name in args.only or ENSEMBLES | COMPLETE:
            rng = np.random.default_rng(5)
            model = folder / f"{name}.onnx"
            trained = name in ENSEMBLES
            own = trees.as_native(*trees.train(rng, *ENSEMBLES[name])) if trained else complete(rng, *COMPLETE[name])
            onnx.save(own, model)
            samples = trees.rows(rng, BATCH).tolist()
            one, many = folder / "one.json", folder / "many.json"
            one.write_text(json.dumps({"input": samples[0]}))
            many.write_text(json.dumps({"input": samples}))
            single = 0.0
            for objective in ("gas", "balanced", "time"):
                options = ["--optimize", objective]
                single = row(name, objective, figures(args, folder, model, one, options, False))
            if name == "100x6":
                options = ["--optimize", "time", "--batch", str(BATCH)]
                batch = row(f"{name}, batch of {BATCH}", "time", figures(args, folder, model, many, options, True))
                print(f"\nA batch of {BATCH} takes {batch / single:.1f} times a single proof.\n", flush=True)


if __name__ == "__main__":
    main()
