"""Writes models whose trees compare what other operators make of their features, and what onnxruntime
computes on grids of inputs.

    python scripts/make_step_fixtures.py            # the recorded cases
    python scripts/make_step_fixtures.py DIR 10000  # the same models with more inputs, elsewhere

steps/*.onnx are read, run and quantized by crates/prover/tests/prover/steps.rs; expected.json holds for each
the features' ranges and decimals, and inputs on that grid with the outputs. Thresholds are what the operators
make of points of the grid, or lie between two of these; most inputs stand on such points or next to them.
Needs scripts/requirements-trees.txt. With the folder of a second run, VERDICT_STEP_CASES=DIR makes the tests
take that.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxmltools
import onnxruntime
import xgboost
from onnx import TensorProto, helper, numpy_helper
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

from make_tree_fixtures import GRID, MODES, attributes, data, grid_value, sklearn_model

OUT = Path(__file__).resolve().parent.parent / "crates" / "prover" / "tests" / "fixtures" / "steps"
RNG = np.random.default_rng(14)
ML = {"domain": "ai.onnx.ml"}
TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
# What is made of several features: trees compare what float32 makes of it.
SEVERAL = {"several_add", "several_polynomial", "several_sum", "several_softmax", "several_greater",
           "several_binarizer", "cube", "narrow"}
MISSING = {"impute_missing", "missing", "impute_where", "missing_where"}
# Of which only the doubt is tested.
UNRECORDED = {"constant_mean", "half", "cast_int32", "product_int32", "product_int8", "sum_int32", "missing_sum",
              "missing_product", "which_greater", "which_at_most"}

update_registered_converter(xgboost.XGBClassifier, "StepXGBClassifier", calculate_linear_classifier_output_shapes,
                            convert_xgboost, options={"nocl": [True, False], "zipmap": [True, False, "columns"]})


def constant(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.array(values, dtype=dtype), name)


def session(built):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(built.SerializeToString(), options, providers=["CPUExecutionProvider"])


def points(integers=False):
    row = [grid_value(feature, RNG) for feature in range(len(GRID))]
    return [float(int(value)) for value in row] if integers else row


def built(nodes, outputs, constants, elements, opset):
    graph = helper.make_graph(nodes, "steps", [helper.make_tensor_value_info("x", elements, [1, len(GRID)])],
                              [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs],
                              initializer=list(constants))
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset),
                                                                 helper.make_opsetid("ai.onnx.ml", 3)])


def behind(nodes, constants=(), elements=TensorProto.FLOAT, modes=MODES, opset=17, gaps=False, depth=4):
    """Trees that compare z, which `nodes` make of x, and the points of x that thresholds were made of."""
    prefix = session(built(nodes, [("z", TensorProto.FLOAT)], constants, elements, opset))
    dtype = TYPES[prefix.get_inputs()[0].type]
    images = []
    for _ in range(60):
        row = points(dtype == np.int64)
        z = prefix.run(None, {"x": np.array([row], dtype=dtype)})[0].ravel()
        images.append((row, z))
    width, used = len(images[0][1]), []

    def tree(depth):
        if depth == 0 or RNG.random() < 0.1:
            return [(0, float(np.float32(RNG.uniform(-2, 2))))]
        feature = int(RNG.integers(width))
        row, z = images[RNG.integers(len(images))]
        used.append(row)
        between = np.float32(z[feature] + images[RNG.integers(len(images))][1][feature]) / np.float32(2)
        value = between if RNG.random() < 0.25 else z[feature]
        return (feature, str(RNG.choice(modes)), float(value), tree(depth - 1), tree(depth - 1))

    listed = attributes([tree(depth) for _ in range(4)], "target")
    if gaps:
        listed["nodes_missing_value_tracks_true"] = [int(RNG.random() < 0.5) for _ in listed["nodes_modes"]]
    trees = helper.make_node("TreeEnsembleRegressor", ["z"], ["y"], name="trees", n_targets=1, **listed, **ML)
    return built([*nodes, trees], [("y", TensorProto.FLOAT)], constants, elements, opset), used


def op(kind, inputs, output, **more):
    return helper.make_node(kind, inputs, [output], name=kind.lower() + output, **more)


def by_hand():
    a = constant("a", [0.0371, -0.213, 1.7, 0.33])
    b = constant("b", [-1.2345, 55.5, 0.1, 2.7])
    one = lambda name, *nodes, constants=(a, b), **more: (name, *behind(list(nodes), constants, **more))
    yield one("multiply", op("Mul", ["x", "a"], "z"))
    yield one("multiply_add", op("Mul", ["x", "a"], "w"), op("Add", ["w", "b"], "z"))
    yield one("subtract_divide", op("Sub", ["x", "b"], "w"), op("Div", ["w", "a"], "z"))
    yield one("subtract_from", op("Sub", ["b", "x"], "z"))
    yield one("divide_by", op("Add", ["x", "shift"], "w"), op("Div", ["a", "w"], "z"),
              constants=[a, constant("shift", [1.5, 0.5, 0.25, 5.125])])
    yield one("root", op("Sub", ["x", "low"], "w"), op("Sqrt", ["w"], "z"),
              constants=[constant("low", [low for low, _, _ in GRID])])
    yield one("square", op("Mul", ["x", "x"], "z"), constants=())
    yield one("power", op("Pow", ["x", "two"], "w"), op("Mul", ["w", "a"], "z"), constants=[a, constant("two", 2.0)])
    yield one("cube", op("Pow", ["x", "three"], "z"), constants=[constant("three", 3.0)])
    yield one("absolute", op("Add", ["x", "b"], "w"), op("Abs", ["w"], "z"))
    yield one("relu", op("Add", ["x", "b"], "w"), op("Relu", ["w"], "z"))
    yield one("leaky", op("Mul", ["x", "a"], "w"), op("LeakyRelu", ["w"], "z", alpha=0.3))
    yield one("negative", op("Neg", ["x"], "w"), op("Mul", ["w", "a"], "z"))
    bounds = [constant("low", 0.3), constant("high", 15.7)]
    yield one("clip", op("Clip", ["x", "low", "high"], "z"), constants=bounds)
    yield one("clip_opset10", op("Mul", ["x", "a"], "w"), op("Clip", ["w"], "z", min=-0.5, max=3.0), opset=10)
    yield one("truncate", op("Mul", ["x", "a"], "w"), op("Cast", ["w"], "v", to=TensorProto.INT64),
              op("Cast", ["v"], "z", to=TensorProto.FLOAT))
    yield one("whole", op("Mul", ["x", "a"], "w"), op("Floor", ["w"], "v"), op("Add", ["v", "b"], "z"))
    zero = {"imputed_value_floats": [7.3, 55.0, 1.5, -2.25], "replaced_value_float": 0.0}
    yield one("impute_zero", op("Imputer", ["x"], "z", **zero, **ML), constants=())
    gap = zero | {"replaced_value_float": float("nan")}
    yield one("impute_missing", op("Imputer", ["x"], "w", **gap, **ML), op("Mul", ["w", "a"], "v"),
              op("Add", ["v", "b"], "z"))
    yield one("missing", op("Mul", ["x", "a"], "w"), op("Clip", ["w", "low", "high"], "z"), constants=[a, *bounds],
              gaps=True)
    scales = {"offset": [0.5, 12.3, -4.0, 0.1], "scale": [0.0371, 0.213, -1.7, 3.3]}
    yield one("scaler_equal", op("Scaler", ["x"], "z", **scales, **ML), constants=(), modes=MODES[4:])
    yield one("doubles", op("Sub", ["x", "b"], "w"), op("Div", ["w", "a"], "v"),
              op("Cast", ["v"], "z", to=TensorProto.FLOAT), elements=TensorProto.DOUBLE,
              constants=[constant("a", [0.0371, -0.213, 1.7, 0.33], np.float64),
                         constant("b", [-1.2345, 55.5, 0.1, 2.7], np.float64)])
    yield one("integers", op("Cast", ["x"], "w", to=TensorProto.FLOAT), op("Mul", ["w", "a"], "z"),
              elements=TensorProto.INT64)
    yield one("columns", op("Mul", ["x", "a"], "w"),
              op("Gather", ["x", "first"], "f", axis=1), op("Gather", ["w", "last"], "l", axis=1),
              op("Concat", ["l", "f"], "z", axis=1),
              constants=[a, constant("first", [1, 0], np.int64), constant("last", [3, 2], np.int64)])
    # Comparisons and labels are decided so, too.
    compared = [op("Mul", ["x", "a"], "w"), op("Add", ["w", "b"], "z")]
    prefix = session(built(compared, [("z", TensorProto.FLOAT)], [a, b], TensorProto.FLOAT, 17))
    row = points()
    z = prefix.run(None, {"x": np.array([row], dtype=np.float32)})[0].ravel()
    greater = [*compared, op("Greater", ["z", "t"], "g"), op("Cast", ["g"], "y", to=TensorProto.FLOAT)]
    yield "greater", built(greater, [("y", TensorProto.FLOAT)], [a, b, constant("t", z)], TensorProto.FLOAT, 17), [row] * 9
    flat = op("Binarizer", ["z"], "y", threshold=float(z[3]), **ML)
    yield "binarizer", built([*compared, flat], [("y", TensorProto.FLOAT)], [a, b], TensorProto.FLOAT, 17), [row] * 9
    yield one("several_sum", op("MatMul", ["x", "m"], "z"), modes=MODES[:4],
              constants=[constant("m", RNG.uniform(-1, 1, (4, 3)))])
    yield one("several_add", op("Gather", ["x", "first"], "f", axis=1), op("Gather", ["x", "last"], "l", axis=1),
              op("Add", ["f", "l"], "z"), modes=MODES[:4], depth=2,
              constants=[constant("first", [0, 2], np.int64), constant("last", [3, 0], np.int64)])
    yield one("several_softmax", op("Mul", ["x", "a"], "w"), op("ReduceMax", ["w"], "v", axes=[1], keepdims=1),
              op("Sub", ["w", "v"], "z"), modes=MODES[:4])


def trained():
    x, score = data()
    two = (score > np.median(score)).astype(int)
    seed = {"random_state": 0}
    forest = RandomForestClassifier(6, max_depth=5, **seed)
    boosted = GradientBoostingClassifier(n_estimators=10, **seed)
    xgb = xgboost.XGBClassifier(n_estimators=10, max_depth=4)
    scaled = ColumnTransformer([("a", MinMaxScaler(), [0, 1]), ("b", StandardScaler(), [2, 3])])
    for name, model in [
        ("minmax_boosted", make_pipeline(MinMaxScaler(), boosted)),
        ("minmax_xgboost", make_pipeline(MinMaxScaler(), xgb)),
        ("minmax_clip_forest", make_pipeline(MinMaxScaler(clip=True), forest)),
        ("standard_minmax", make_pipeline(StandardScaler(), MinMaxScaler(), boosted)),
        ("scaled_columns", make_pipeline(scaled, boosted)),
        ("several_polynomial", make_pipeline(PolynomialFeatures(2, include_bias=False), boosted)),
    ]:
        yield name, sklearn_model(model.fit(x, two)), x[:40].astype(float).tolist()
    doubles = {"initial_types": [("x", DoubleTensorType([1, len(GRID)]))], "target_opset": {"": 17, "ai.onnx.ml": 3}}
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, two)
    yield "doubles_logistic", convert_sklearn(model, options={"zipmap": False}, **doubles), x[:40].astype(float).tolist()


def doubted():
    """What was once taken for something else, or for exact."""
    a = constant("a", [0.0371, -0.213, 1.7, 0.33])
    one = lambda name, *nodes, constants=(a,), **more: (name, *behind(list(nodes), constants, **more))
    is_missing = op("IsNaN", ["x"], "m")
    fill = constant("k", [7.3, 55.0, 1.5, -2.25])
    yield one("impute_where", is_missing, op("Where", ["m", "k", "x"], "w"), op("Mul", ["w", "a"], "z"), constants=[a, fill])
    yield one("missing_where", is_missing, op("Cast", ["m"], "f", to=TensorProto.FLOAT),
              op("Concat", ["x", "f"], "z", axis=1), constants=(), gaps=True)
    ends = [constant("most", [0.97, 97.3, 19.1, 4.7]), constant("least", [-0.93, 1.7, 0.3, -4.9]), constant("one", [1.0])]
    yield one("constant_scale", op("Sub", ["most", "least"], "r"), op("Div", ["one", "r"], "s"), op("Mul", ["least", "s"], "q"),
              op("Mul", ["x", "s"], "u"), op("Sub", ["u", "q"], "z"), constants=ends)
    yield one("constant_mean", op("ReduceMean", ["c"], "p", keepdims=0), op("Sub", ["x", "p"], "z"),
              constants=[constant("c", [0.1, 0.7, 33.3, 12.1, 5.7])], modes=MODES[:4])
    bounds = [constant("low", 0.3), constant("high", 15.7)]
    yield one("narrow", op("Clip", ["x", "low", "high"], "w"), op("Cast", ["w"], "v", to=TensorProto.UINT8),
              op("Cast", ["v"], "z", to=TensorProto.FLOAT), constants=bounds)
    yield one("half", op("Cast", ["x"], "w", to=TensorProto.FLOAT16), op("Cast", ["w"], "z", to=TensorProto.FLOAT), constants=())
    matrix = constant("matrix", RNG.uniform(-1, 1, (4, 3)))
    sums = [op("MatMul", ["x", "matrix"], "w")]
    row = points()
    prefix = session(built(sums, [("w", TensorProto.FLOAT)], [matrix], TensorProto.FLOAT, 17))
    w = prefix.run(None, {"x": np.array([row], dtype=np.float32)})[0].ravel()
    greater = [*sums, op("Greater", ["w", "t"], "g"), op("Cast", ["g"], "y", to=TensorProto.FLOAT)]
    yield "several_greater", built(greater, [("y", TensorProto.FLOAT)], [matrix, constant("t", w)], TensorProto.FLOAT, 17), [row] * 9
    flat = op("Binarizer", ["w"], "y", threshold=float(w[0]), **ML)
    yield "several_binarizer", built([*sums, flat], [("y", TensorProto.FLOAT)], [matrix], TensorProto.FLOAT, 17), [row] * 9


def ranged():
    """What depends on the ranges: integers that wrap, missing values that are computed with, order."""
    ints = lambda name, value, kind: constant(name, [value] * 4, kind)
    to = lambda kind, x, y: op("Cast", [x], y, to=kind)
    one = lambda name, *nodes, constants=(), **more: (name, *behind(list(nodes), constants, **more))
    yield one("cast_int32", op("Mul", ["x", "k"], "w"), to(TensorProto.INT32, "w", "v"), to(TensorProto.FLOAT, "v", "z"),
              constants=[constant("k", [1e5] * 4)])
    yield one("product_int32", to(TensorProto.INT32, "x", "w"), op("Mul", ["w", "k"], "v"), to(TensorProto.FLOAT, "v", "z"),
              constants=[ints("k", 100000, np.int32)])
    yield one("product_int8", to(TensorProto.INT8, "x", "w"), op("Mul", ["w", "k"], "v"), to(TensorProto.FLOAT, "v", "z"),
              constants=[ints("k", 1, np.int8)])
    pick = [op("Gather", ["v", "first"], "f", axis=1), op("Gather", ["v", "last"], "l", axis=1)]
    places = [constant("first", [0, 2], np.int64), constant("last", [3, 1], np.int64)]
    yield one("sum_int32", to(TensorProto.INT32, "x", "w"), op("Mul", ["w", "k"], "v"), *pick, op("Add", ["f", "l"], "s"),
              to(TensorProto.FLOAT, "s", "z"), constants=[ints("k", 20000, np.int32), *places])
    pick = [op("Gather", ["x", "first"], "f", axis=1), op("Gather", ["x", "last"], "l", axis=1)]
    flag = [op("IsNaN", ["s"], "m"), to(TensorProto.FLOAT, "m", "w"), op("Concat", ["x", "w"], "z", axis=1)]
    flagged = lambda kind: ([*pick, op(kind, ["f", "l"], "s"), *flag], places)
    for name, kind in (("missing_sum", "Add"), ("missing_product", "Mul")):
        nodes, constants = flagged(kind)
        yield one(name, *nodes, constants=constants)
    for name, kind in (("which_greater", "Greater"), ("which_at_most", "LessOrEqual")):
        nodes = [*pick, op(kind, ["f", "l"], "g"), to(TensorProto.FLOAT, "g", "y")]
        yield name, built(nodes, [("y", TensorProto.FLOAT)], places, TensorProto.FLOAT, 17), []
    # Where of one element.
    a, b, k = (constant(name, values) for name, values in (
        ("a", [0.0371, -0.213, 1.7, 0.33]), ("b", [-0.5, 55.5, 0.1, 2.7]), ("k", [0.25, 40.0, 7.3, -1.125])))
    yield one("where_scaled", op("Greater", ["x", "k"], "g"), op("Mul", ["x", "a"], "w"), op("Where", ["g", "w", "x"], "v"),
              op("Add", ["v", "b"], "z"), constants=[a, b, k])
    yield one("where_constant", op("Mul", ["x", "a"], "w"), op("Less", ["w", "b"], "g"), op("Not", ["g"], "n"),
              op("Where", ["n", "k", "w"], "z"), constants=[a, b, k])
    yield one("where_constants", op("Equal", ["x", "k"], "g"), op("Where", ["g", "a", "b"], "z"), constants=[a, b, k])
    yield one("maximum", op("Mul", ["x", "a"], "w"), op("Max", ["w", "b"], "v"), op("Min", ["k", "v"], "z"), constants=[a, b, k])


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for make in (by_hand, trained, doubted, ranged):
        for name, model, near in make():
            for node in model.graph.node:
                for attribute in [a for a in node.attribute if a.name == "nodes_hitrates"]:
                    node.attribute.remove(attribute)
            model.graph.name = name
            (out / f"{name}.onnx").write_bytes(model.SerializeToString())
            if name in UNRECORDED:
                continue
            runtime = session(model)
            taken = runtime.get_inputs()[0]
            dtype = TYPES[taken.type]
            chosen = [o.name for o in runtime.get_outputs() if o.type.startswith("tensor")]
            missing = name in MISSING
            samples = []
            for number in range(count):
                row = points(dtype == np.int64)
                if number % 4:
                    close = near[RNG.integers(len(near))]
                    for feature in range(len(GRID)):
                        low, high, decimals = GRID[feature]
                        step = 0 if dtype == np.int64 else int(RNG.choice([0, 0, -1, 1])) / 10**decimals
                        if RNG.random() < 0.8:
                            value = round(float(close[feature]), decimals)
                            row[feature] = round(min(max(value + step, low), high), decimals)
                if missing:
                    row = [np.nan if RNG.random() < 0.3 else value for value in row]
                found = runtime.run(chosen, {taken.name: np.array([row], dtype=dtype)})
                given = [None if np.isnan(value) else value for value in row]
                samples.append({"inputs": [given], "outputs": [np.asarray(o, dtype=float).ravel().tolist() for o in found]})
            case = {"ranges": [[low, high] for low, high, _ in GRID],
                    "decimals": [0 if dtype == np.int64 else d for _, _, d in GRID], "chosen": chosen, "samples": samples}
            if missing:
                case["missing"] = [True] * len(GRID)
            if name == "doubles_logistic":
                case |= {"tolerance": 1e-5, "rounding": 5e-4}
            if name in SEVERAL:
                case["several"] = True
            lines.append(f"{json.dumps(name)}: {json.dumps(case, separators=(',', ':'))}")
            print(name, (out / f"{name}.onnx").stat().st_size)
    (out / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
