"""Writes credit and fraud models that are more than trees, as scikit-learn's exporter writes them
(what combines models, neighbours, kernels, mixtures), models whose inputs may be missing, and what
onnxruntime computes of each.

    python scripts/make_pipeline_fixtures.py            # the recorded cases
    python scripts/make_pipeline_fixtures.py DIR 10000  # the same models with more inputs, elsewhere

pipelines/*.onnx are read, run and quantized by crates/prover/tests/prover/trees.rs, as are those of
make_tree_fixtures.py, which has what both share; a missing value is a null in expected.json. Needs
scripts/requirements-trees.txt. With the folder of a second run, VERDICT_PIPELINE_CASES=DIR makes the
tests take that.
"""

import json
import sys
from pathlib import Path

import lightgbm
import numpy as np
import onnxmltools
import onnxruntime
import xgboost
from onnx import TensorProto, helper, numpy_helper
from onnxmltools.convert.common.data_types import FloatTensorType as MLFloat
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (AdaBoostClassifier, AdaBoostRegressor, GradientBoostingClassifier, HistGradientBoostingClassifier,
                              IsolationForest, RandomForestClassifier, StackingClassifier, VotingClassifier)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, MinMaxScaler, Normalizer, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import make_tree_fixtures as trees_module
from make_tree_fixtures import GRID, RNG, classifier, data, inputs, regressor, several, sklearn_model, weights

OUT = trees_module.OUT.parent / "pipelines"
# The grid of features that are not scaled: ages, amounts, months, shares, incomes.
AMOUNTS = [(18, 80, 0), (250, 20000, 2), (4, 72, 0), (0, 1, 3), (0, 90000, 2)]
# What float32 sums may come to, relative to the largest output, where that is more than 1e-5; and how far
# from its fixed point onnxruntime stops an iteration (crates/prover/src/onnx/ops/ml/svm.rs).
ROUGH = {"bernoulli": 2e-5, "mixture_full": 2e-4, "mixture_diag": 2e-4, "mixture_tied": 2e-4, "mixture_spherical": 2e-4,
         "naive_bayes3": 2e-4, "raw_naive_bayes3": 2e-4, "raw_mixture_diag": 2e-4,
         "raw_mixture_spherical": 2e-4, "raw_mixture_full": 2e-4, "raw_voting_soft": 2e-4,
         "svc_probability": 5e-3, "svc_rbf_probability": 5e-3,
         "svc3_probability_linear": 8.7e-3, "svc3_probability_rbf": 8.7e-3, "svc4_probability": 1e-2}
# Models without curves, which are as exact as their outputs have decimals.
EXACT = ("adaboost", "tree", "forest", "missing", "neighbours", "categories", "targets")


def plain(fitted):
    """Without an option about maps of probabilities, which the exporter has none for here."""
    return convert_sklearn(fitted, initial_types=[("x", FloatTensorType([1, len(GRID)]))],
                           target_opset={"": 17, "ai.onnx.ml": 3})


def scaled(model):
    return make_pipeline(MinMaxScaler(), model)


def small(depth=3):
    return DecisionTreeClassifier(max_depth=depth, random_state=0)


def combined():
    x, score = data()
    two, three = (score > np.median(score)).astype(int), np.digitize(score, [-0.5, 1.0])
    few, few2, few3 = x[:60], two[:60], three[:60]
    yield "isolation_forest", plain(IsolationForest(n_estimators=6, max_samples=48, random_state=0).fit(x))
    yield "adaboost", sklearn_model(AdaBoostClassifier(small(2), n_estimators=6, random_state=0).fit(x, two))
    yield "adaboost3", sklearn_model(AdaBoostClassifier(small(2), n_estimators=5, random_state=0).fit(x, three))
    yield "neighbours3", sklearn_model(scaled(KNeighborsClassifier(5, metric="manhattan")).fit(x[:40], three[:40]))
    yield "svc3_rbf", plain(scaled(SVC(C=0.5)).fit(few, few3))
    yield "svc3_poly", plain(scaled(SVC(kernel="poly", degree=2)).fit(few, few3))
    yield "svc3_ovo", plain(scaled(SVC(kernel="linear", decision_function_shape="ovo")).fit(few, few3))
    yield "svc_probability", sklearn_model(scaled(SVC(kernel="linear", probability=True, random_state=0)).fit(few, few2))
    yield "svc_nu", plain(scaled(NuSVC(nu=0.3)).fit(few, few2))
    yield "svm_one_class", plain(scaled(OneClassSVM(nu=0.2)).fit(few))
    yield "calibrated3", sklearn_model(CalibratedClassifierCV(small(), cv=2).fit(x, three))
    yield "calibrated_svc", sklearn_model(CalibratedClassifierCV(LinearSVC(), cv=2).fit(x, two))
    yield "calibrated_svc3", sklearn_model(CalibratedClassifierCV(LinearSVC(), cv=2).fit(x / 100, three))
    yield "calibrated_isotonic", sklearn_model(CalibratedClassifierCV(small(), method="isotonic", cv=2).fit(x, two))
    members = [("a", small()), ("b", GaussianNB()), ("c", scaled(LogisticRegression()))]
    soft = VotingClassifier(members, voting="soft", flatten_transform=False, weights=np.array([1, 2, 3]))
    yield "voting_soft3", sklearn_model(soft.fit(x, three))
    hard = [("a", small()), ("b", small(2)), ("c", small(4))]
    yield "voting_hard_trees", plain(VotingClassifier(hard, voting="hard", flatten_transform=False).fit(x, three))
    yield "stacking3", sklearn_model(StackingClassifier([("a", scaled(LogisticRegression())), ("b", small())],
                                                        cv=2).fit(x, three))
    forest = RandomForestClassifier(3, max_depth=3, random_state=0)
    yield "stacking_forest", sklearn_model(StackingClassifier([("a", forest), ("b", small())],
                                                              final_estimator=small(2), cv=2).fit(x, two))
    yield "naive_bayes3", sklearn_model(scaled(GaussianNB()).fit(x, three))
    yield "bernoulli", sklearn_model(scaled(BernoulliNB(binarize=0.5)).fit(x, three))
    yield "multinomial", sklearn_model(scaled(MultinomialNB()).fit(x, three))
    for kind in ("full", "diag", "tied", "spherical"):
        yield f"mixture_{kind}", plain(scaled(GaussianMixture(3, covariance_type=kind, random_state=0)).fit(x))
    yield "discriminant", plain(LinearDiscriminantAnalysis().fit(x, three))


def further():
    x, score = data()
    two, three = (score > np.median(score)).astype(int), np.digitize(score, [-0.5, 1.0])
    yield "neighbours", sklearn_model(scaled(KNeighborsClassifier(3)).fit(x[:60], two[:60]))
    yield "neighbours_raw", sklearn_model(KNeighborsClassifier(5).fit(x[:40], three[:40]))
    yield "neighbours_regression", plain(scaled(KNeighborsRegressor(3)).fit(x[:40], score[:40]))
    yield "one_against_rest", sklearn_model(OneVsRestClassifier(LogisticRegression()).fit(x, three))
    bins = KBinsDiscretizer(4, encode="ordinal", quantile_method="averaged_inverted_cdf")
    yield "bins", sklearn_model(make_pipeline(bins, LogisticRegression()).fit(x, two))
    yield "svc_rbf_probability", sklearn_model(scaled(SVC(probability=True, random_state=0)).fit(x[:60], two[:60]))
    ml = [("x", MLFloat([1, len(GRID)]))]
    sets = lightgbm.LGBMClassifier(n_estimators=5, num_leaves=8, min_data_per_group=5, cat_smooth=1, verbose=-1)
    sets.fit(x, two, categorical_feature=[1])
    yield "categories_lightgbm", onnxmltools.convert_lightgbm(sets, initial_types=ml, target_opset=15, zipmap=False)
    # Only what some leaf names has its base value.
    yield "targets_unscored", regressor(several(3, 3, weights(0)), targets=2, base_values=[0.25, 1.5])


def transforms():
    # A tree's scores stay between 0 and 1, and some are 0.
    yield "probit_tree", regressor(several(1, 4, weights(0, low=0.02, high=0.98)), post_transform="PROBIT")
    yield "probit_forest", regressor(several(3, 3, weights(0, low=0.05, high=0.3)), post_transform="PROBIT")
    zero = lambda: [(c, w if RNG.random() < 0.7 else 0.0) for c, w in weights(0, 1, 2)()]
    yield "softmax_zero", classifier(several(2, 3, zero), [0, 1, 2], post_transform="SOFTMAX_ZERO")


def products():
    """What multiplies and divides values of the input."""
    x, score = data()
    two, three = (score > np.median(score)).astype(int), np.digitize(score, [-0.5, 1.0])
    # The exporter makes all weights one (of the negative distance and 1e-6, the greater), and so does what is proven.
    weighted = KNeighborsRegressor(4, weights="distance", metric="manhattan")
    yield "neighbours_by_distance_regression", plain(scaled(weighted).fit(x[:40], score[:40]))
    for kernel in ("linear", "rbf"):
        probable = SVC(kernel=kernel, probability=True, random_state=0)
        yield f"svc3_probability_{kernel}", sklearn_model(scaled(probable).fit(x[:60], three[:60]))
    four = np.digitize(score, [-0.8, 0.2, 1.2])
    probable = SVC(kernel="linear", probability=True, random_state=0)
    yield "svc4_probability", sklearn_model(scaled(probable).fit(x[:80], four[:80]))
    for norm in ("l1", "l2", "max"):
        normalized = make_pipeline(MinMaxScaler((0.1, 1)), Normalizer(norm=norm), LogisticRegression())
        yield f"normalizer_{norm}", sklearn_model(normalized.fit(x, two))
    signs = make_pipeline(StandardScaler(), Normalizer(norm="l1"), LogisticRegression())
    yield "normalizer_signs", sklearn_model(signs.fit(x, three))
    polynomial = make_pipeline(MinMaxScaler(), PolynomialFeatures(2), LogisticRegression())
    yield "polynomial", sklearn_model(polynomial.fit(x, two))
    polynomial = make_pipeline(StandardScaler(), PolynomialFeatures(3, interaction_only=True, include_bias=False), LogisticRegression())
    yield "polynomial_cubic", sklearn_model(polynomial.fit(x, two))
    yield "median_adaboost", plain(AdaBoostRegressor(DecisionTreeRegressor(max_depth=3, random_state=0), n_estimators=8, random_state=0).fit(x, score))


def tracked(trees, tracks):
    """The attributes of trees of which about half of the nodes send missing values where they hold."""
    listed = trees_module.attributes(trees, "target")
    return listed | {"nodes_missing_value_tracks_true": [int(RNG.random() < tracks) for _ in listed["nodes_modes"]]}


def missing():
    x, score = data()
    two = (score > np.median(score)).astype(int)
    # All but the first feature may be missing.
    gaps = RNG.random(x.shape) < 0.2
    gaps[:, 0] = False
    holed = np.where(gaps, np.nan, x).astype(np.float32)
    ml = [("x", MLFloat([1, len(GRID)]))]
    boosted = xgboost.XGBClassifier(n_estimators=6, max_depth=4).fit(holed, two)
    yield "missing_xgboost", onnxmltools.convert_xgboost(boosted, initial_types=ml, target_opset=15)
    light = lightgbm.LGBMClassifier(n_estimators=6, num_leaves=12, verbose=-1).fit(holed, two)
    yield "missing_lightgbm", onnxmltools.convert_lightgbm(light, initial_types=ml, target_opset=15, zipmap=False)
    yield "missing_hist", sklearn_model(HistGradientBoostingClassifier(max_iter=6, max_leaf_nodes=10).fit(holed, two))
    yield "missing_forest", sklearn_model(RandomForestClassifier(4, max_depth=4, random_state=0).fit(holed, two))
    logistic = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression())
    yield "missing_logistic", sklearn_model(logistic.fit(holed, two))
    boosting = GradientBoostingClassifier(n_estimators=6, random_state=0)
    yield "missing_boosted", sklearn_model(make_pipeline(SimpleImputer(), StandardScaler(), boosting).fit(holed, two))
    forest = RandomForestClassifier(4, max_depth=4, random_state=0)
    yield "missing_imputed", sklearn_model(make_pipeline(SimpleImputer(), forest).fit(holed, two))
    # Every mode, both ways.
    listed = tracked(several(4, 4, weights(0)), 0.5)
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], name="trees", domain="ai.onnx.ml", n_targets=1, **listed)
    yield "missing_modes", trees_module.model([node], [("y", TensorProto.FLOAT)])


def raw():
    """Densities and products of features as they are: amounts beside shares, and their squares."""
    GRID[:] = AMOUNTS
    x = np.array([[trees_module.grid_value(feature) for feature in range(len(GRID))] for _ in range(400)])
    score = x[:, 1] / 8000 - x[:, 0] / 30 + x[:, 2] / 30 + x[:, 3] - x[:, 4] / 40000 + 0.3 * RNG.standard_normal(len(x))
    x = x.astype(np.float32)
    two, three = (score > np.median(score)).astype(int), np.digitize(score, np.quantile(score, [0.33, 0.66]))
    yield "raw_naive_bayes3", sklearn_model(GaussianNB().fit(x, three))
    for kind in ("diag", "spherical", "full"):
        mixture = GaussianMixture(2, covariance_type=kind, random_state=0)
        yield f"raw_mixture_{kind}", sklearn_model(mixture.fit(x))
    members = [("logistic", make_pipeline(StandardScaler(), LogisticRegression())),
               ("forest", RandomForestClassifier(4, max_depth=3, random_state=0)), ("bayes", GaussianNB())]
    voting = VotingClassifier(members, voting="soft", flatten_transform=False)
    yield "raw_voting_soft", sklearn_model(voting.fit(x, two))
    polynomial = make_pipeline(PolynomialFeatures(2, interaction_only=True, include_bias=False), StandardScaler(), LogisticRegression())
    yield "raw_polynomial", sklearn_model(polynomial.fit(x, two))


def by_column():
    """Columns of strings with an encoder each, two that one encoder reads, and one that none does."""
    strings = lambda name: helper.make_tensor_value_info(name, TensorProto.STRING, [1, 1])
    encode = lambda source, made, names: helper.make_node(
        "OneHotEncoder", [source], [made], name=made, domain="ai.onnx.ml", cats_strings=names, zeros=1)
    nodes = [helper.make_node("Identity", ["housing"], ["moved"]), encode("moved", "a", ["own", "rent"]),
             encode("purpose", "b", ["car", "tv"]), helper.make_node("Concat", ["first", "second"], ["both"], axis=1),
             encode("both", "c", ["low", "high"])]
    flat = [helper.make_node("Flatten", [name], [f"flat_{name}"], axis=1) for name in "abc"]
    weights = numpy_helper.from_array(np.arange(1, 9, dtype=np.float32).reshape(8, 1), "w")
    nodes += flat + [helper.make_node("Concat", ["flat_a", "flat_b", "flat_c"], ["x"], axis=1),
                     helper.make_node("MatMul", ["x", "w"], ["y"])]
    inputs = [strings(name) for name in ("housing", "purpose", "first", "second", "comment")]
    graph = helper.make_graph(nodes, "columns", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])], [weights])
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)])


def tied(scores):
    """Whether the two greatest are equal."""
    first, second = np.sort(scores)[::-1][:2] if scores.size > 1 else (1, 0)
    return first == second


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 24
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    (out / "columns").mkdir(exist_ok=True)
    (out / "columns" / "strings.onnx").write_bytes(by_column().SerializeToString())
    for make in (combined, transforms, missing, further, products, raw):
        for name, built in make():
            for node in built.graph.node:
                for attribute in [a for a in node.attribute if a.name == "nodes_hitrates"]:
                    node.attribute.remove(attribute)
            # Exporters make a name up, another one each time.
            built.graph.name = name
            (out / f"{name}.onnx").write_bytes(built.SerializeToString())
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            session = onnxruntime.InferenceSession(built.SerializeToString(), options, providers=["CPUExecutionProvider"])
            # Without the maps that skl2onnx makes of scores.
            chosen = [o.name for o in session.get_outputs() if o.type.startswith("tensor")]
            samples, may_miss = [], make is missing
            for index, row in enumerate(inputs(built, count, False)):
                if may_miss and index % 4 < 3:
                    row = [row[0]] + [np.nan if RNG.random() < 0.4 else value for value in row[1:]]
                found = session.run(chosen, {session.get_inputs()[0].name: np.array([row], dtype=np.float32)})
                # Of scores that float32 rounds to the same, either label may be right.
                if name.startswith("calibrated") and any(tied(s.ravel()) for s in found if s.dtype == np.float32):
                    continue
                row = [None if np.isnan(value) else value for value in row]
                samples.append({"inputs": [row], "outputs": [np.asarray(o, dtype=float).ravel().tolist() for o in found]})
            case = {"ranges": [[low, high] for low, high, _ in GRID], "decimals": [d for _, _, d in GRID],
                    "chosen": chosen, "samples": samples, "tolerance": ROUGH.get(name, 1e-5)}
            if may_miss:
                case["missing"] = [index > 0 for index in range(len(GRID))]
            if not any(kind in name for kind in EXACT):
                case["rounding"] = max(1e-3, 2 * case["tolerance"])
            lines.append(f"{json.dumps(name)}: {json.dumps(case, separators=(',', ':'))}")
            print(name, (out / f"{name}.onnx").stat().st_size)
    (out / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
