"""Compares what is proven of tree ensembles with onnxruntime: every leaf, label and score, on thousands of
inputs of the declared grid, half of them on thresholds and next to them. Behind scalers and bounds,
these are points of the grid that come closest to a threshold after them.

    python scripts/check_exactness.py            # 10,000 inputs a model, a table on the screen
    python scripts/check_exactness.py 1000       # fewer

Trains a model with each exporter, runs it in onnxruntime, and lets crates/prover/tests/prover/trees.rs plan it and
run the same inputs as the integers that a proof is of. Leaves are compared by a second model, whose scores are
the numbers of the leaves that each tree reaches. What is made of several features is not known to be compared
exactly: it is marked, and planned as such. Exits with 1 if anything differs that may not. Needs
scripts/requirements-trees.txt.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import catboost
import lightgbm
import numpy as np
import onnx
import onnxmltools
import onnxruntime
import xgboost
from onnx import TensorProto, helper
from sklearn.ensemble import (AdaBoostClassifier, BaggingClassifier, ExtraTreesClassifier, GradientBoostingClassifier,
                              GradientBoostingRegressor, HistGradientBoostingClassifier, HistGradientBoostingRegressor,
                              IsolationForest, RandomForestClassifier, RandomForestRegressor)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from make_pipeline_fixtures import plain
from make_step_fixtures import behind
from make_tree_fixtures import GRID, MODES, MLFloat, RNG, data, inputs, sklearn_model

ROOT = Path(__file__).resolve().parent.parent
TREES = {"n_estimators": 20, "max_depth": 5}


def models():
    """(name, model, whether inputs may be missing)."""
    x, score = data()
    two, three = (score > np.median(score)).astype(int), np.digitize(score, [-0.5, 1.0])
    gaps = RNG.random(x.shape) < 0.2
    gaps[:, 0] = False
    holed = np.where(gaps, np.nan, x).astype(np.float32)
    ml = {"initial_types": [("x", MLFloat([1, len(GRID)]))], "target_opset": 15}
    seed = {"random_state": 0}

    def boosted(model, y, rows=x):
        return onnxmltools.convert_xgboost(model.fit(rows, y), **ml)

    def light(model, y, rows=x, **more):
        return onnxmltools.convert_lightgbm(model.set_params(verbose=-1, min_child_samples=5).fit(rows, y, **more), zipmap=False, **ml)

    def symmetric(model, y):
        model.set_params(verbose=0, allow_writing_files=False, random_seed=0).fit(x, y)
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            model.save_model(file.name, format="onnx")
            return onnx.load(file.name)

    forest = RandomForestClassifier(**TREES, **seed)
    for name, fitted in [
        ("scikit-learn tree", DecisionTreeClassifier(max_depth=6, **seed).fit(x, three)),
        ("scikit-learn tree, regression", DecisionTreeRegressor(max_depth=6, **seed).fit(x, score)),
        ("scikit-learn forest", RandomForestClassifier(**TREES, **seed).fit(x, two)),
        ("scikit-learn forest, 3 classes", RandomForestClassifier(**TREES, **seed).fit(x, three)),
        ("scikit-learn forest, regression", RandomForestRegressor(**TREES, **seed).fit(x, score)),
        ("scikit-learn extra trees", ExtraTreesClassifier(**TREES, **seed).fit(x, two)),
        ("scikit-learn boosting", GradientBoostingClassifier(n_estimators=20, max_depth=4, **seed).fit(x, two)),
        ("scikit-learn boosting, 3 classes", GradientBoostingClassifier(n_estimators=8, **seed).fit(x, three)),
        ("scikit-learn boosting, regression", GradientBoostingRegressor(n_estimators=20, **seed).fit(x, score)),
        ("scikit-learn scaler and boosting", make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=20, **seed)).fit(x, two)),
        ("MinMaxScaler and boosting", make_pipeline(MinMaxScaler(), GradientBoostingClassifier(n_estimators=20, **seed)).fit(x, two)),
        ("MinMaxScaler that clips, and forest", make_pipeline(MinMaxScaler(clip=True), RandomForestClassifier(**TREES, **seed)).fit(x, two)),
        ("StandardScaler, MinMaxScaler and boosting", make_pipeline(
            StandardScaler(), MinMaxScaler(), GradientBoostingClassifier(n_estimators=20, **seed)).fit(x, two)),
        ("MinMaxScaler and XGBoost", make_pipeline(MinMaxScaler(), xgboost.XGBClassifier(**TREES)).fit(x, two)),
        ("PolynomialFeatures and boosting", make_pipeline(
            PolynomialFeatures(2, include_bias=False), GradientBoostingClassifier(n_estimators=20, **seed)).fit(x, two)),
        ("scikit-learn histogram boosting", HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=16).fit(x, two)),
        ("scikit-learn histogram boosting, 3 classes", HistGradientBoostingClassifier(max_iter=8, max_leaf_nodes=12).fit(x, three)),
        ("scikit-learn histogram boosting, regression", HistGradientBoostingRegressor(max_iter=20, max_leaf_nodes=16).fit(x, score)),
        ("scikit-learn AdaBoost", AdaBoostClassifier(DecisionTreeClassifier(max_depth=2, **seed), n_estimators=10, **seed).fit(x, two)),
        ("scikit-learn bagging", BaggingClassifier(DecisionTreeClassifier(max_depth=4, **seed), 8, **seed).fit(x, two)),
    ]:
        yield name, plain(fitted) if "regression" in name else sklearn_model(fitted), False
    yield "scikit-learn isolation forest", plain(IsolationForest(n_estimators=15, max_samples=64, **seed).fit(x)), False
    yield "scikit-learn forest, missing values", sklearn_model(forest.fit(holed, two)), True
    histogram = HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=16).fit(holed, two)
    yield "scikit-learn histogram boosting, missing values", sklearn_model(histogram), True
    yield "XGBoost", boosted(xgboost.XGBClassifier(**TREES), two), False
    yield "XGBoost, 3 classes", boosted(xgboost.XGBClassifier(n_estimators=8, max_depth=4), three), False
    yield "XGBoost, regression", boosted(xgboost.XGBRegressor(**TREES, base_score=0.3), score), False
    yield "XGBoost, missing values", boosted(xgboost.XGBClassifier(**TREES), two, holed), True
    leaves = {"n_estimators": 20, "num_leaves": 16}
    yield "LightGBM", light(lightgbm.LGBMClassifier(**leaves), two), False
    yield "LightGBM, 3 classes", light(lightgbm.LGBMClassifier(n_estimators=8, num_leaves=12), three), False
    yield "LightGBM, regression", light(lightgbm.LGBMRegressor(**leaves), score), False
    sets = lightgbm.LGBMClassifier(**leaves, min_data_per_group=5, cat_smooth=1)
    yield "LightGBM, categories", light(sets, two, categorical_feature=[1]), False
    yield "LightGBM, missing values", light(lightgbm.LGBMClassifier(**leaves), two, holed), True
    sizes = {"iterations": 20, "depth": 5}
    scales = {"offset": [0.5, 12.3, -4.0, 0.1], "scale": [0.0371, 0.213, -1.7, 3.3]}
    scaler = onnx.helper.make_node("Scaler", ["x"], ["z"], domain="ai.onnx.ml", **scales)
    yield "equality behind a Scaler", behind([scaler], modes=MODES[4:])[0], False
    yield "CatBoost", symmetric(catboost.CatBoostClassifier(**sizes), two), False
    yield "CatBoost, 3 classes", symmetric(catboost.CatBoostClassifier(iterations=8, depth=4), three), False
    yield "CatBoost, regression", symmetric(catboost.CatBoostRegressor(**sizes), score), False


def attributes(node):
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def ensembles(built):
    return [node for node in built.graph.node if node.op_type.startswith("TreeEnsemble")]


def leaves(built):
    """The same trees, one score each: the number of the leaf among its tree's. None if there are no trees."""
    copy = onnx.ModelProto()
    copy.CopyFrom(built)
    outputs = []
    for place, node in enumerate(ensembles(copy)):
        values = attributes(node)
        kept = {k: v for k, v in values.items() if k.startswith("nodes_") and k != "nodes_hitrates"}
        ids = values["nodes_treeids"]
        numbers = {tree: number for number, tree in enumerate(dict.fromkeys(ids))}
        ends = [(t, n) for t, n, mode in zip(ids, values["nodes_nodeids"], values["nodes_modes"]) if mode == b"LEAF"]
        seen = {}
        weights = [seen.setdefault(t, []).append(n) or float(len(seen[t])) for t, n in ends]
        name = f"leaves_{place}"
        own = helper.make_node("TreeEnsembleRegressor", list(node.input), [name], name=node.name, domain="ai.onnx.ml",
                               n_targets=len(numbers), **kept, target_treeids=[t for t, _ in ends],
                               target_nodeids=[n for _, n in ends], target_ids=[numbers[t] for t, _ in ends], target_weights=weights)
        node.CopyFrom(own)
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, len(numbers)]))
    # What only other outputs need is left out.
    needed, kept = {o.name for o in outputs}, []
    for node in reversed(copy.graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.insert(0, node)
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del copy.graph.node[:], copy.graph.output[:]
    copy.graph.node.extend(kept)
    copy.graph.output.extend(outputs)
    return copy if outputs else None


def close(built, rows):
    """Every second row with features that come closest to a threshold where trees read what is made of them."""
    taken, near = built.graph.input[0].name, []
    for node in ensembles(built):
        if node.input[0] == taken:
            continue
        prefix = onnx.ModelProto()
        prefix.CopyFrom(built)
        del prefix.graph.output[:]
        prefix.graph.output.append(helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, None))
        runtime, values = session(prefix), attributes(node)
        tests = list(zip(values["nodes_featureids"], values["nodes_values"], values["nodes_modes"]))
        for feature, (low, high, decimals) in enumerate(GRID):
            grid = np.round(np.arange(low * 10**decimals, high * 10**decimals + 1) / 10**decimals, decimals)
            base = np.array(rows[int(RNG.integers(len(rows)))], dtype=float)
            base[np.isnan(base)] = 0.0
            table = np.tile(base, (len(grid), 1))
            table[:, feature] = grid
            images = np.array([runtime.run(None, {taken: row[None].astype(np.float32)})[0].ravel() for row in table])
            for column, threshold, mode in tests:
                if mode != b"LEAF" and np.ptp(images[:, column]) > 0:
                    near.extend((feature, grid[at]) for at in np.argsort(np.abs(images[:, column] - threshold))[:2])
    for row in rows[1::2] if near else []:
        for _ in range(2):
            feature, value = near[int(RNG.integers(len(near)))]
            row[feature] = float(value)


def bound(built):
    """What float32 sums of the leaves may come to: (T + 1)·2^-24 times the sum of their largest weights."""
    total = 0.0
    for node in ensembles(built):
        values = attributes(node)
        kind = "class" if "class_weights" in values else "target"
        largest = {}
        for tree, weight in zip(values[f"{kind}_treeids"], values[f"{kind}_weights"]):
            largest[tree] = max(largest.get(tree, 0.0), abs(weight))
        base = max(map(abs, values.get("base_values", [])), default=0.0)
        total += (len(largest) + 1) * 2**-24 * (sum(largest.values()) + base)
    return total


def session(built):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(built.SerializeToString(), options, providers=["CPUExecutionProvider"])


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for name, built, may_miss in models():
            rows = inputs(built, count, False)
            close(built, rows)
            if may_miss:
                rows = [[row[0]] + [np.nan if RNG.random() < 0.3 else value for value in row[1:]] for row in rows]
            for title, model in [(name, built), (f"{name}.leaves", leaves(built))]:
                (Path(folder) / f"{title}.onnx").write_bytes(model.SerializeToString())
                runtime = session(model)
                chosen = [o.name for o in runtime.get_outputs() if o.type.startswith("tensor")]
                taken = runtime.get_inputs()[0].name
                samples = []
                for row in rows:
                    found = runtime.run(chosen, {taken: np.array([row], dtype=np.float32)})
                    given = [None if np.isnan(value) else value for value in row]
                    samples.append({"inputs": [given], "outputs": [np.asarray(o, dtype=float).ravel().tolist() for o in found]})
                case = {"ranges": [[low, high] for low, high, _ in GRID], "decimals": [d for _, _, d in GRID],
                        "chosen": chosen, "samples": samples, "sums": bound(built)}
                if may_miss:
                    case["missing"] = [index > 0 for index in range(len(GRID))]
                lines.append(f"{json.dumps(title)}: {json.dumps(case, separators=(',', ':'))}")
            print(name, file=sys.stderr)
        (Path(folder) / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
        # Of the whole workspace, as `make test` compiles it: a package alone would compile everything anew.
        command = ["cargo", "test", "--release", "--locked", "--workspace", "--test", "prover", "--",
                   "--ignored", "--exact", "trees::exactness", "--nocapture"]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | {"VERDICT_EXACTNESS": folder}, stdout=subprocess.PIPE, text=True)
        print("\n".join(line for line in done.stdout.splitlines() if line.startswith("|")))
        if done.returncode:
            print(done.stdout, file=sys.stderr)
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
