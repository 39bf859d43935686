"""Writes models with decision trees and what pipelines put around them, and other models of credit
scores, and what onnxruntime computes on grids of inputs.

    python scripts/make_tree_fixtures.py            # the recorded cases
    python scripts/make_tree_fixtures.py DIR 10000  # the same models with more inputs, elsewhere

trees/*.onnx are read, run and quantized by crates/prover/tests/prover/trees.rs; expected.json holds
for each the features' ranges and decimals, and inputs on that grid with the outputs. Most
inputs stand on a threshold or next to one. Needs scripts/requirements-trees.txt. With the folder of
a second run, VERDICT_TREE_CASES=DIR makes the tests take that.
"""

import json
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
from onnx import TensorProto, helper, numpy_helper
from onnxmltools.convert.common.data_types import FloatTensorType as MLFloat
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common.data_types import FloatTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (BaggingClassifier, ExtraTreesRegressor, GradientBoostingClassifier,
                              GradientBoostingRegressor, HistGradientBoostingClassifier,
                              HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor,
                              StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor)
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

OUT = Path(__file__).resolve().parent.parent / "crates" / "prover" / "tests" / "fixtures" / "trees"
RNG = np.random.default_rng(3)
# Least, greatest, decimals of each feature.
GRID = [(-1, 1, 2), (0, 100, 0), (0, 20, 1), (-5, 5, 3)]
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]

# Names of categories, and others.
NAMES = ["A30", "A31", "A32", "own", "rent", "7", "ärmlich"]
# What a case of strings may be: the range of their numbers.
CODES = [0, 15]
# Models whose scores are large sums of float32 in between.
ROUGH = {"naive_bayes": 1e-4, "mixture": 1e-4, "svc_rbf": 1e-5, "svc_poly": 1e-4, "svr": 1e-5, "poisson": 1e-5,
         "network_tanh": 1e-5, "network3": 1e-5, "single_probit": 1e-5}


def plain(make):
    """HistGradientBoosting's converter hands arrays on, which onnx no longer takes."""
    def attribute(key, value, *rest, **more):
        if isinstance(value, (list, np.ndarray)):
            value = [v.item() if isinstance(v, np.generic) else v for v in value]
            value = [int(v) if isinstance(v, bool) else v for v in value]
        return make(key, value, *rest, **more)
    return attribute


helper.make_attribute = plain(helper.make_attribute)


def grid_value(feature, rng=RNG):
    low, high, decimals = GRID[feature]
    return round(int(rng.integers(low * 10**decimals, high * 10**decimals + 1)) / 10**decimals, decimals)


def threshold(feature):
    """On the grid, as float32 rounds it, or between two points."""
    value = grid_value(feature)
    return float(np.float32(value + RNG.choice([0, 0, 0.5]) / 10**GRID[feature][2]))


def tree(depth, weight, modes):
    """Nested (feature, mode, threshold, true, false) and lists of (score, weight)."""
    if depth == 0 or RNG.random() < 0.1:
        return weight()
    feature = int(RNG.integers(len(GRID)))
    return (feature, str(RNG.choice(modes)), threshold(feature), tree(depth - 1, weight, modes),
            tree(depth - 1, weight, modes))


def attributes(trees, kind):
    """The lists of opsets 1 and 3."""
    nodes = {name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids",
                                   "falsenodeids")}
    leaves = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for number, root in enumerate(trees):
        count = 0

        def add(node):
            nonlocal count
            place, count = len(nodes["nodeids"]), count + 1
            own = count - 1
            for column in nodes.values():
                column.append(0)
            leaf = isinstance(node, list)
            row = (number, own, 0, 0.0, "LEAF") if leaf else (number, own, node[0], node[2], node[1])
            for name, value in zip(("treeids", "nodeids", "featureids", "values", "modes"), row):
                nodes[name][place] = value
            if leaf:
                for score, weight in node:
                    for name, value in zip(leaves, (number, own, score, weight)):
                        leaves[name].append(value)
            else:
                nodes["truenodeids"][place] = add(node[3])
                nodes["falsenodeids"][place] = add(node[4])
            return own

        add(root)
    return {f"nodes_{k}": v for k, v in nodes.items()} | {f"{kind}_{k}": v for k, v in leaves.items()}


def model(nodes, outputs, opset=3, elements=TensorProto.FLOAT, features=len(GRID), constants=()):
    graph = helper.make_graph(nodes, "trees", [helper.make_tensor_value_info("x", elements, [1, features])],
                              [helper.make_tensor_value_info(*output, None) for output in outputs],
                              initializer=list(constants))
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17),
                                                                 helper.make_opsetid("ai.onnx.ml", opset)])


def regressor(trees, targets=1, opset=3, elements=TensorProto.FLOAT, **more):
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], name="trees", domain="ai.onnx.ml",
                            n_targets=targets, **attributes(trees, "target"), **more)
    return model([node], [("y", TensorProto.FLOAT)], opset, elements)


def classifier(trees, labels, opset=3, elements=TensorProto.FLOAT, **more):
    node = helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "scores"], name="trees",
                            domain="ai.onnx.ml", classlabels_int64s=labels, **attributes(trees, "class"), **more)
    return model([node], [("label", TensorProto.INT64), ("scores", TensorProto.FLOAT)], opset, elements)


def weights(*scores, low=-2, high=2):
    return lambda: [(score, float(np.float32(RNG.uniform(low, high)))) for score in scores]


def several(count, depth, weight, modes=MODES):
    return [tree(depth, weight, modes) for _ in range(count)]


def by_hand():
    yield "modes", regressor(several(4, 4, weights(0)), base_values=[0.25])
    yield "modes_opset1", regressor(several(3, 4, weights(0)), opset=1)
    yield "targets", regressor(several(3, 3, weights(0, 1, 2)), targets=3, base_values=[1.0, -2.0, 0.5])
    yield "average", regressor(several(5, 3, weights(0)), aggregate_function="AVERAGE")
    yield "least", regressor(several(4, 3, weights(0, 1)), targets=2, aggregate_function="MIN", base_values=[1.0, 2.0])
    yield "greatest", regressor(several(4, 3, weights(0, 1)), targets=2, aggregate_function="MAX")
    doubles = attributes(several(3, 4, weights(0), MODES[:4]), "target")
    values = np.array(doubles.pop("nodes_values")) + RNG.choice([0, 1e-9], len(doubles["nodes_modes"]))
    doubled = np.array(doubles.pop("target_weights"))
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], name="trees", domain="ai.onnx.ml", n_targets=1,
                            nodes_values_as_tensor=numpy_helper.from_array(values),
                            target_weights_as_tensor=numpy_helper.from_array(doubled), **doubles)
    yield "doubles", model([node], [("y", TensorProto.FLOAT)], elements=TensorProto.DOUBLE)
    yield "integers", classifier(several(4, 4, weights(0)), [0, 1], elements=TensorProto.INT64)
    yield "binary_votes", classifier(several(5, 3, weights(0, low=0, high=0.2)), [0, 1])
    yield "binary_mixed", classifier(several(5, 3, weights(0)), [4, 9], base_values=[0.125])
    yield "binary_logistic", classifier(several(5, 3, weights(0)), [0, 1], post_transform="LOGISTIC")
    yield "binary_second", classifier(several(4, 3, weights(1)), [0, 1], post_transform="LOGISTIC")
    yield "binary_both", classifier(several(4, 3, weights(0, 1)), [0, 1], post_transform="SOFTMAX")
    yield "classes", classifier(several(6, 3, weights(0, 1, 2)), [3, 5, 9], base_values=[0.5, 0.0, -0.25])
    yield "classes_opset1", classifier(several(4, 3, weights(0, 1, 2, low=0)), [0, 1, 2], opset=1,
                                       post_transform="LOGISTIC")
    yield "ensemble5", ensemble5(members=False)
    yield "members", ensemble5(members=True)


def ensemble5(members):
    trees = several(4, 4, weights(0), MODES)
    nodes = {name: [] for name in ("featureids", "splits", "modes", "truenodeids", "falsenodeids", "trueleafs",
                                   "falseleafs")}
    leaves, sets, roots = [], [], []

    def add(node):
        place = len(nodes["modes"])
        for column in nodes.values():
            column.append(0)
        feature, mode, split, *children = node
        number = MODES.index(mode)
        if members and RNG.random() < 0.5:
            number = 6
            # In the order in which the nodes stand: a set, then a NaN.
            # onnxruntime takes small whole numbers only.
            feature = 1
            sets.append((place, [*RNG.permutation(np.arange(1, 32))[:9].astype(float), np.nan]))
        nodes["featureids"][place], nodes["splits"][place], nodes["modes"][place] = feature, split, number
        for side, child in zip(("true", "false"), children):
            leaf = isinstance(child, list)
            nodes[f"{side}leafs"][place] = int(leaf)
            if leaf:
                leaves.append(child[0])
                nodes[f"{side}nodeids"][place] = len(leaves) - 1
            else:
                nodes[f"{side}nodeids"][place] = add(child)
        return place

    for root in trees:
        roots.append(add(root if isinstance(root, tuple) else (0, "BRANCH_LEQ", 0.0, root, root)))
    values = {f"nodes_{name}": column for name, column in nodes.items()}
    values["nodes_modes"] = numpy_helper.from_array(np.array(values["nodes_modes"], dtype=np.uint8))
    values["nodes_splits"] = numpy_helper.from_array(np.array(values["nodes_splits"], dtype=np.float32))
    if members:
        every = [value for _, own in sorted(sets, key=lambda pair: pair[0]) for value in own]
        values["membership_values"] = numpy_helper.from_array(np.array(every, dtype=np.float32))
    node = helper.make_node("TreeEnsemble", ["x"], ["y"], name="trees", domain="ai.onnx.ml", n_targets=1,
                            aggregate_function=1, post_transform=0, tree_roots=roots,
                            leaf_targetids=[score for score, _ in leaves],
                            leaf_weights=numpy_helper.from_array(
                                np.array([weight for _, weight in leaves], dtype=np.float32)), **values)
    return model([node], [("y", TensorProto.FLOAT)], opset=5)


def data(count=600):
    x = np.array([[grid_value(feature) for feature in range(len(GRID))] for _ in range(count)])
    score = 2 * x[:, 0] + x[:, 1] / 40 - x[:, 2] / 10 + 0.3 * x[:, 3] * x[:, 0] + 0.2 * RNG.standard_normal(count)
    return x.astype(np.float32), score


def sklearn_model(fitted, **options):
    kind = [("x", FloatTensorType([1, len(GRID)]))]
    if hasattr(fitted, "predict_proba") and not hasattr(getattr(fitted, "steps", [[fitted]])[-1][-1], "means_"):
        options = {"options": {id(fitted): {"zipmap": False}} if not hasattr(fitted, "steps") else {"zipmap": False}}
    return convert_sklearn(fitted, initial_types=kind, target_opset={"": 17, "ai.onnx.ml": 3}, **options)


def trained():
    x, score = data()
    two, three = (score > np.median(score)).astype(int), np.digitize(score, [-0.5, 1.0])
    yield "sklearn_tree", sklearn_model(DecisionTreeClassifier(max_depth=5, random_state=0).fit(x, three))
    yield "sklearn_forest", sklearn_model(RandomForestClassifier(6, max_depth=5, random_state=0).fit(x, two))
    yield "sklearn_forest3", sklearn_model(RandomForestClassifier(5, max_depth=4, random_state=0).fit(x, three))
    yield "sklearn_forest_regression", sklearn_model(RandomForestRegressor(5, max_depth=5, random_state=0).fit(x, score))
    yield "sklearn_extra", sklearn_model(ExtraTreesRegressor(5, max_depth=4, random_state=0).fit(x, score))
    yield "sklearn_boosted", sklearn_model(GradientBoostingClassifier(n_estimators=8, random_state=0).fit(x, two))
    yield "sklearn_boosted3", sklearn_model(GradientBoostingClassifier(n_estimators=4, max_depth=2, random_state=0)
                                            .fit(x, three))
    yield "pipeline_scaler", sklearn_model(make_pipeline(
        StandardScaler(), GradientBoostingClassifier(n_estimators=8, random_state=0)).fit(x, two))
    columns = ColumnTransformer([("one", OneHotEncoder(categories=[list(range(0, 101))]), [1]),
                                 ("bin", Binarizer(threshold=0.5), [0]), ("scale", StandardScaler(), [2, 3])])
    few = x.copy()
    few[:, 1] = few[:, 1] // 1
    yield "pipeline_columns", sklearn_model(make_pipeline(columns, RandomForestClassifier(4, max_depth=4, random_state=0))
                                            .fit(few, two))
    yield "pipeline_logistic", sklearn_model(make_pipeline(columns, LogisticRegression(max_iter=500)).fit(few, two))
    ml = [("x", MLFloat([1, len(GRID)]))]
    boosted = xgboost.XGBClassifier(n_estimators=8, max_depth=4, tree_method="exact").fit(x, two)
    yield "xgboost", onnxmltools.convert_xgboost(boosted, initial_types=ml, target_opset=15)
    boosted = xgboost.XGBRegressor(n_estimators=6, max_depth=4).fit(x, score)
    yield "xgboost_regression", onnxmltools.convert_xgboost(boosted, initial_types=ml, target_opset=15)
    boosted = xgboost.XGBClassifier(n_estimators=4, max_depth=3).fit(x, three)
    yield "xgboost3", onnxmltools.convert_xgboost(boosted, initial_types=ml, target_opset=15)
    light = lightgbm.LGBMClassifier(n_estimators=8, num_leaves=15, verbose=-1).fit(x, two)
    yield "lightgbm", onnxmltools.convert_lightgbm(light, initial_types=ml, target_opset=15, zipmap=False)
    light = lightgbm.LGBMRegressor(n_estimators=6, num_leaves=15, verbose=-1).fit(x, score)
    yield "lightgbm_regression", onnxmltools.convert_lightgbm(light, initial_types=ml, target_opset=15)


def cat(fitted):
    """As CatBoost exports it, without the map of probabilities."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        fitted.save_model(str(path), format="onnx")
        built = onnx.load(path)
    graph = built.graph
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    for node in [node for node in graph.node if node.op_type == "ZipMap"]:
        graph.node.remove(node)
        for index, output in enumerate(graph.output):
            if output.name == node.output[0]:
                del graph.output[index]
                graph.output.append(helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, None))
    return built


def exporters():
    """More of what exporters write: gradient boosting by others, and what combines models."""
    x, score = data()
    two, three = (score > np.median(score)).astype(int), np.digitize(score, [-0.5, 1.0])
    yield "hist", sklearn_model(HistGradientBoostingClassifier(max_iter=8, max_leaf_nodes=12).fit(x, two))
    yield "hist3", sklearn_model(HistGradientBoostingClassifier(max_iter=4, max_leaf_nodes=8).fit(x, three))
    yield "hist_regression", sklearn_model(HistGradientBoostingRegressor(max_iter=6, max_leaf_nodes=12).fit(x, score))
    yield "boosted_regression", sklearn_model(GradientBoostingRegressor(n_estimators=6, random_state=0).fit(x, score))
    options = {"iterations": 8, "depth": 4, "verbose": 0, "random_seed": 0, "allow_writing_files": False}
    yield "catboost", cat(catboost.CatBoostClassifier(**options).fit(x, two))
    yield "catboost3", cat(catboost.CatBoostClassifier(**options | {"iterations": 4}).fit(x, three))
    yield "catboost_regression", cat(catboost.CatBoostRegressor(**options).fit(x, score))
    light = lightgbm.LGBMClassifier(n_estimators=3, num_leaves=7, verbose=-1).fit(x, three)
    yield "lightgbm3", onnxmltools.convert_lightgbm(light, initial_types=[("x", MLFloat([1, len(GRID)]))],
                                                    target_opset=15, zipmap=False)
    forest, small = RandomForestClassifier(4, max_depth=4, random_state=0), DecisionTreeClassifier(max_depth=4, random_state=0)
    logistic = make_pipeline(StandardScaler(), LogisticRegression())
    yield "bagging", sklearn_model(BaggingClassifier(small, n_estimators=3, random_state=0).fit(x, two))
    yield "calibrated", sklearn_model(CalibratedClassifierCV(forest, cv=2).fit(x, two))
    members = [("a", forest), ("b", small), ("c", DecisionTreeClassifier(max_depth=2))]
    yield "voting_soft", sklearn_model(VotingClassifier(members, voting="soft", flatten_transform=False).fit(x, two))
    yield "voting_regression", sklearn_model(VotingRegressor(
        [("a", LinearRegression()), ("b", DecisionTreeRegressor(max_depth=4))]).fit(x, score))
    yield "stacking", sklearn_model(StackingClassifier([("a", logistic), ("b", small)], cv=2).fit(x, two))
    yield "stacking_regression", sklearn_model(StackingRegressor(
        [("a", LinearRegression()), ("b", DecisionTreeRegressor(max_depth=4))], cv=2).fit(x, score))


def smooth():
    """Models without trees, or with other functions than the logistic one."""
    x, score = data()
    two, three = (score > np.median(score)).astype(int), np.digitize(score, [-0.5, 1.0])
    scaled = lambda model, y: sklearn_model(make_pipeline(MinMaxScaler(), model).fit(x, y))
    yield "logistic3", scaled(LogisticRegression(), three)
    yield "network3", scaled(MLPClassifier((6,), max_iter=80, random_state=0), three)
    yield "network_tanh", scaled(MLPClassifier((6,), activation="tanh", max_iter=80, random_state=0), two)
    yield "poisson", scaled(PoissonRegressor(), np.abs(score))
    yield "naive_bayes", scaled(GaussianNB(), two)
    yield "mixture", scaled(GaussianMixture(2, random_state=0), two)
    # Few rows are few support vectors.
    few = lambda model, y: sklearn_model(make_pipeline(MinMaxScaler(), model).fit(x[:60], y[:60]))
    for kernel in ("linear", "poly", "rbf", "sigmoid"):
        yield f"svc_{kernel}", few(SVC(kernel=kernel, degree=2, C=0.5), two)
    yield "svc3", few(SVC(kernel="linear"), three)
    yield "svr", few(SVR(kernel="rbf", C=0.1), score)


def of_strings(nodes, elements, opset=3, constants=(), features=2):
    graph = helper.make_graph(nodes, "strings", [helper.make_tensor_value_info("x", TensorProto.STRING, [1, features])],
                              [helper.make_tensor_value_info("y", elements, None)], initializer=list(constants))
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17),
                                                                 helper.make_opsetid("ai.onnx.ml", opset)])


def strings():
    ml = {"domain": "ai.onnx.ml"}
    keys = NAMES[:5]
    # Every second element one-hot, the other one's label; trees compare all of it.
    reshape = numpy_helper.from_array(np.array([1, -1], dtype=np.int64), "flat")
    trees = several(4, 4, weights(0))
    listed = attributes(trees, "target")
    listed["nodes_featureids"] = [int(f) + 6 * int(RNG.integers(2)) for f in listed["nodes_featureids"]]
    listed["nodes_values"] = [float(RNG.choice([0.0, 0.5, 1.0, 2.0])) for _ in listed["nodes_values"]]
    yield "names_encoded", of_strings([
        helper.make_node("OneHotEncoder", ["x"], ["one"], cats_strings=keys, zeros=1, **ml),
        helper.make_node("Reshape", ["one", "flat"], ["columns"]),
        helper.make_node("LabelEncoder", ["x"], ["numbers"], keys_strings=NAMES, default_float=-3.0,
                         values_floats=[0.5 * i for i in range(len(NAMES))], **ml),
        helper.make_node("Concat", ["columns", "numbers"], ["all"], axis=1),
        helper.make_node("TreeEnsembleRegressor", ["all"], ["y"], n_targets=1, **listed, **ml),
    ], TensorProto.FLOAT, constants=[reshape])
    yield "names_labelled", of_strings([helper.make_node(
        "LabelEncoder", ["x"], ["y"], classes_strings=keys, default_int64=-9, **ml)], TensorProto.INT64, opset=1)
    yield "names_mapped", of_strings([helper.make_node(
        "CategoryMapper", ["x"], ["y"], cats_strings=keys, cats_int64s=[4, -2, 0, 11, 3], default_int64=-1, **ml)],
        TensorProto.INT64)
    renamed = helper.make_node("LabelEncoder", ["x"], ["other"], keys_strings=keys[:4],
                               values_strings=["own", "rent", "A30", "new"], default_string="A31", **ml)
    yield "names_renamed", of_strings([renamed, helper.make_node(
        "LabelEncoder", ["other"], ["y"], keys_strings=["own", "rent", "A30", "A31"], values_int64s=[1, 2, 3, 4],
        default_int64=0, **ml)], TensorProto.INT64)
    yield "names_of_tensors", of_strings([helper.make_node(
        "LabelEncoder", ["x"], ["y"], keys_tensor=helper.make_tensor("k", TensorProto.STRING, [3], [n.encode() for n in keys[:3]]),
        values_tensor=numpy_helper.from_array(np.array([1.5, -2.0, 0.25], dtype=np.float32)),
        default_tensor=numpy_helper.from_array(np.array([7.0], dtype=np.float32)), **ml)], TensorProto.FLOAT, opset=4)


def transformed():
    """Post transforms, of which onnxruntime applies few to a single score; and what it runs although
    the file says otherwise."""
    x = ["x"]
    small = lambda: weights(0, low=0.05, high=0.3)
    for post in ("LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"):
        yield f"single_{post.lower()}", regressor(several(3, 2, small()), post_transform=post)
    yield "two_softmax", regressor(several(3, 2, weights(0, 1)), targets=2, post_transform="SOFTMAX")
    node = lambda operator, outputs, **more: helper.make_node(operator, x, outputs, name="trees", domain="ai.onnx.ml", **more)
    reals = lambda values: numpy_helper.from_array(np.array(values, dtype=np.float32))
    # The last set of members has no NaN behind it.
    yield "set_open5", model([node(
        "TreeEnsemble", ["y"], n_targets=1, post_transform=2, tree_roots=[0], nodes_featureids=[1, 1],
        nodes_modes=numpy_helper.from_array(np.array([6, 6], dtype=np.uint8)), nodes_splits=reals([0, 0]),
        nodes_truenodeids=[0, 1], nodes_falsenodeids=[1, 2], nodes_trueleafs=[1, 1], nodes_falseleafs=[0, 1],
        membership_values=reals([3, 7, 20, np.nan, 5, 11, 12, 13]), leaf_targetids=[0] * 3,
        leaf_weights=reals([0.25, 1.5, -2]))], [("y", TensorProto.FLOAT)], opset=5)
    row = [float(np.float32(v)) for v in (0.5, 0.004, -0.03, 0.1)]
    linear = lambda targets, post: model([node("LinearRegressor", ["y"], coefficients=row * targets, targets=targets,
                                               intercepts=[0.125] * targets, post_transform=post)],
                                         [("y", TensorProto.FLOAT)])
    yield "linear_one_logistic", linear(1, "LOGISTIC")
    yield "linear_one_softmax", linear(1, "SOFTMAX")
    yield "linear_two_logistic", linear(2, "LOGISTIC")
    both = [("label", TensorProto.INT64), ("scores", TensorProto.FLOAT)]
    for post in ("NONE", "SOFTMAX", "SOFTMAX_ZERO", "LOGISTIC"):
        yield f"one_row_{post.lower()}", model([node("LinearClassifier", ["label", "scores"], coefficients=row,
                                                     intercepts=[-0.125], classlabels_ints=[3, 8],
                                                     post_transform=post)], both)
        vectors = {"support_vectors": row + row[::-1], "rho": [0.125], "kernel_type": "LINEAR",
                   "kernel_params": [0.0, 0.0, 0.0], "coefficients": [0.5, -0.25], "post_transform": post}
        yield f"svc_{post.lower()}", model([node("SVMClassifier", ["label", "scores"], vectors_per_class=[1, 1],
                                                 classlabels_ints=[3, 8], **vectors)], both)
    yield "svr_logistic", model([node("SVMRegressor", ["y"], n_supports=2, **vectors)], [("y", TensorProto.FLOAT)])
    # As skl2onnx declares a forest of several targets.
    declared = regressor(several(3, 3, weights(0, 1)), targets=2)
    declared.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1]))
    yield "declared_one", declared


def thresholds(built):
    """(feature, threshold) of all trees that compare the inputs themselves."""
    found = []
    for node in built.graph.node:
        values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        features = values.get("nodes_featureids", [])
        splits = values.get("nodes_values") or values.get("nodes_splits") or values.get("nodes_values_as_tensor")
        if len(features) and not isinstance(splits, list):
            splits = numpy_helper.to_array(splits)
        if len(features) and max(features) < len(GRID):
            found.extend((feature, value) for feature, value in zip(features, splits) if np.isfinite(value))
    return found


def inputs(built, count, integers):
    """Half of them random, half with features next to thresholds."""
    if built.graph.input[0].type.tensor_type.elem_type == TensorProto.STRING:
        return [[str(RNG.choice([*NAMES, "unknown", ""])) for _ in range(2)] for _ in range(count)]
    near = thresholds(built)
    rows = []
    for index in range(count):
        row = [grid_value(feature) for feature in range(len(GRID))]
        for _ in range(index % 2 * 3):
            if near:
                feature, value = near[RNG.integers(len(near))]
                low, high, decimals = GRID[feature]
                point = int(np.floor(float(value) * 10**decimals)) + int(RNG.integers(-1, 3))
                row[feature] = round(min(max(point / 10**decimals, low), high), decimals)
        rows.append([float(int(value)) for value in row] if integers else row)
    return rows


def bad():
    """Ensembles that are none, and what must be said of each."""
    x, leaf = "BRANCH_LEQ", "LEAF"
    good = {"nodes_treeids": [0] * 5, "nodes_nodeids": [0, 1, 2, 3, 4], "nodes_featureids": [0, 1, 0, 0, 0],
            "nodes_values": [0.5, 3.0, 0.0, 0.0, 0.0], "nodes_modes": [x, x, leaf, leaf, leaf],
            "nodes_truenodeids": [1, 3, 0, 0, 0], "nodes_falsenodeids": [2, 4, 0, 0, 0],
            "target_treeids": [0] * 3, "target_nodeids": [2, 3, 4], "target_ids": [0] * 3,
            "target_weights": [1.0, 2.0, 3.0]}
    for name, said, change in [
        ("cycle", "node 1 of tree 0 is reached twice", {"nodes_truenodeids": [1, 1, 0, 0, 0]}),
        ("root_as_child", "the first of its tree and a child", {"nodes_truenodeids": [1, 0, 0, 0, 0]}),
        ("two_parents", "node 2 of tree 0 is reached twice", {"nodes_truenodeids": [1, 2, 0, 0, 0]}),
        ("orphan", "belongs to no tree", {"nodes_modes": [x, leaf, leaf, leaf, leaf], "target_nodeids": [1, 2, 3]}),
        ("missing_child", "a child 9, which is not listed", {"nodes_falsenodeids": [2, 9, 0, 0, 0]}),
        ("listed_twice", "node 1 of tree 0 is listed twice", {"nodes_nodeids": [0, 1, 1, 3, 4]}),
        ("nan", "a threshold is NaN", {"nodes_values": [float("nan"), 3.0, 0.0, 0.0, 0.0]}),
        ("short", "nodes_values has 4 values, nodes_treeids has 5", {"nodes_values": [0.5, 3.0, 0.0, 0.0]}),
        ("short_weights", "target_weights has 2 values", {"target_weights": [1.0, 2.0]}),
        ("feature", "compares feature 7, its input has 4", {"nodes_featureids": [0, 7, 0, 0, 0]}),
        ("negative_feature", "compares feature -1", {"nodes_featureids": [0, -1, 0, 0, 0]}),
        ("target", "a weight for a target that is none", {"target_ids": [0, 1, 0]}),
        ("weight_of_branch", "has a weight and is no leaf", {"target_nodeids": [2, 3, 1]}),
        ("weight_of_none", "a weight for node 8 of tree 0", {"target_nodeids": [2, 3, 8]}),
        ("twice_weighted", "two weights for target 0", {"target_nodeids": [2, 3, 3]}),
        ("infinite_weight", "a weight of inf", {"target_weights": [1.0, float("inf"), 3.0]}),
        ("mode", "node mode BRANCH_ODD", {"nodes_modes": [x, "BRANCH_ODD", leaf, leaf, leaf]}),
        ("aggregate", "aggregate_function MEDIAN", {"aggregate_function": "MEDIAN"}),
        ("transform", "post_transform PROBABLY is none of ONNX's", {"post_transform": "PROBABLY"}),
        ("base", "2 base values, 1 targets", {"base_values": [1.0, 2.0]}),
        ("many_targets", "4611686018427387904 targets and 3 weights", {"n_targets": 2**62}),
        ("negative_targets", "n_targets is -3, not positive", {"n_targets": -3}),
        ("hitrates", "nodes_hitrates has 2 values, nodes_treeids has 5", {"nodes_hitrates": [1.0, 1.0]}),
    ]:
        node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], name="trees", domain="ai.onnx.ml",
                                **(good | change))
        yield name, said, model([node], [("y", TensorProto.FLOAT)])
    classes = {name.replace("target", "class"): value for name, value in good.items()} | {"classlabels_int64s": [0, 1]}
    for name, said, change in [
        ("class", "node 3 of tree 0 has a weight for a class that is none", {"class_ids": [0, 5, 1]}),
        ("negative_class", "node 2 of tree 0 has a weight for a class that is none", {"class_ids": [-1, 0, 1]}),
        ("short_classes", "class_ids has 2 values", {"class_ids": [0, 1]}),
        ("class_of_branch", "node 1 of tree 0 has a weight and is no leaf", {"class_nodeids": [2, 3, 1]}),
        ("class_of_none", "a weight for node 8 of tree 0", {"class_nodeids": [2, 3, 8]}),
        ("nan_class_weight", "node 4 of tree 0 has a weight of NaN", {"class_weights": [1.0, 2.0, float("nan")]}),
        ("no_classes", "it has 1 class labels", {"classlabels_int64s": [0]}),
    ]:
        node = helper.make_node("TreeEnsembleClassifier", ["x"], ["l", "y"], name="trees", domain="ai.onnx.ml",
                                **(classes | change))
        yield name, said, model([node], [("l", TensorProto.INT64), ("y", TensorProto.FLOAT)])
    reals = lambda values: helper.make_tensor("", TensorProto.FLOAT, [len(values)], values)
    listed = {"nodes_featureids": [0, 1], "nodes_splits": reals([0.5, 3.0]),
              "nodes_modes": helper.make_tensor("", TensorProto.UINT8, [2], [0, 0]), "nodes_truenodeids": [1, 0],
              "nodes_falsenodeids": [2, 1], "nodes_trueleafs": [0, 1], "nodes_falseleafs": [1, 1],
              "leaf_targetids": [0, 0, 0], "leaf_weights": reals([1.0, 2.0, 3.0]), "tree_roots": [0], "n_targets": 1}
    for name, said, change in [
        ("cycle5", "node 0 is reached twice", {"nodes_truenodeids": [1, 0], "nodes_trueleafs": [0, 0]}),
        ("orphan5", "node 1 belongs to no tree", {"nodes_trueleafs": [1, 1]}),
        ("missing_child5", "node 0 goes to node 7 of 2", {"nodes_truenodeids": [7, 0]}),
        ("missing_leaf5", "node 1 goes to leaf 9 of 3", {"nodes_falsenodeids": [2, 9]}),
        ("nan5", "a threshold is NaN", {"nodes_splits": reals([0.5, float("nan")])}),
        ("short5", "nodes_splits has 1 values", {"nodes_splits": reals([0.5])}),
        ("short_leaves5", "leaf_weights has 2 values", {"leaf_weights": reals([1.0, 2.0])}),
        ("feature5", "node 1 compares feature 4, its input has 4", {"nodes_featureids": [0, 4]}),
        ("target5", "leaf 2 adds to target 3, not one of 1", {"leaf_targetids": [0, 0, 3]}),
        ("roots5", "tree_roots names no nodes", {"tree_roots": [2]}),
        ("root_twice5", "node 0 is reached twice", {"tree_roots": [0, 0]}),
        ("many_targets5", "1099511627776 targets and 3 weights", {"n_targets": 2**40}),
        ("flag5", "nodes_trueleafs has 7, not 0 or 1", {"nodes_trueleafs": [0, 7]}),
        ("hitrates5", "nodes_hitrates has 3 values", {"nodes_hitrates": reals([1.0, 1.0, 1.0])}),
        ("no_set5", "membership_values has 0 sets, 1 nodes",
         {"nodes_modes": helper.make_tensor("", TensorProto.UINT8, [2], [6, 0])}),
        ("surplus_set5", "membership_values has 2 sets, 0 nodes",
         {"membership_values": reals([1.0, float("nan"), 2.0, float("nan")])}),
        ("empty_set5", "set 0 of membership_values is empty",
         {"nodes_modes": helper.make_tensor("", TensorProto.UINT8, [2], [6, 0]),
          "membership_values": reals([float("nan")])}),
        ("mode5", "node mode 7, not 0 to 6", {"nodes_modes": helper.make_tensor("", TensorProto.UINT8, [2], [0, 7])}),
    ]:
        node = helper.make_node("TreeEnsemble", ["x"], ["y"], name="trees", domain="ai.onnx.ml", **(listed | change))
        yield name, said, model([node], [("y", TensorProto.FLOAT)], opset=5)
    vectors = {"support_vectors": [1.0] * 8, "coefficients": [1.0, 1.0], "rho": [0.0], "classlabels_ints": [0, 1]}
    for name, said, count in [("many_vectors", "vectors_per_class has 1000000000", 10**9),
                              ("negative_vectors", "vectors_per_class has -1", -1)]:
        node = helper.make_node("SVMClassifier", ["x"], ["l", "y"], name="trees", domain="ai.onnx.ml",
                                vectors_per_class=[1, count], **vectors)
        yield name, said, model([node], [("l", TensorProto.INT64), ("y", TensorProto.FLOAT)])


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    out.mkdir(parents=True, exist_ok=True)
    cases = {}
    for make in (by_hand, trained, exporters, smooth, strings, transformed):
        for name, built in make():
            for node in built.graph.node:
                for attribute in [a for a in node.attribute if a.name == "nodes_hitrates"]:
                    node.attribute.remove(attribute)
            # Exporters make a name up, another one each time.
            built.graph.name = name
            (out / f"{name}.onnx").write_bytes(built.SerializeToString())
            session = onnxruntime.InferenceSession(built.SerializeToString(), providers=["CPUExecutionProvider"])
            elements = session.get_inputs()[0].type
            dtype = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64,
                     "tensor(string)": object}[elements]
            rows = inputs(built, count, dtype == np.int64)
            # Without the maps that skl2onnx makes of an SVM's scores.
            chosen = [o.name for o in session.get_outputs() if o.type.startswith("tensor")]
            chosen = None if len(chosen) == len(session.get_outputs()) else chosen
            samples = []
            for row in rows:
                outputs = session.run(chosen, {session.get_inputs()[0].name: np.array([row], dtype=dtype)})
                samples.append({"inputs": [row], "outputs": [np.asarray(o, dtype=float).ravel().tolist() for o in outputs]})
            decimals = [0 if dtype == np.int64 else d for _, _, d in GRID]
            ranges = [[low, high] for low, high, _ in GRID]
            if dtype is object:
                ranges, decimals = [CODES] * 2, [0] * 2
            cases[name] = {"ranges": ranges, "decimals": decimals, "chosen": chosen, "samples": samples}
            if make in (smooth, transformed) or "regression" in name:
                cases[name]["rounding"] = 5e-4
            if name in ROUGH:
                cases[name]["tolerance"] = ROUGH[name]
            print(name, (out / f"{name}.onnx").stat().st_size)
    if len(sys.argv) == 1:
        (out / "refused").mkdir(exist_ok=True)
        said = {}
        for name, expected, built in bad():
            (out / "refused" / f"{name}.onnx").write_bytes(built.SerializeToString())
            said[name] = expected
        (out / "refused" / "expected.json").write_text(json.dumps(said, indent=1) + "\n")
    lines = [f"{json.dumps(name)}: {json.dumps(case, separators=(',', ':'))}" for name, case in cases.items()]
    (out / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
