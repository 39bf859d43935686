"""What is proven is what the model says: whatever an exporter writes otherwise is refused."""

from __future__ import annotations

import warnings
from typing import Any, Callable

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import (
    LogisticRegression,
    Perceptron,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

import verdict
from verdict import _export
from verdict._export.compare import compare

from conftest import rng

Make = Callable[..., verdict.Setup]


def table(rows: int = 300) -> tuple[pd.DataFrame, Any]:
    numbers = rng()
    x = pd.DataFrame(
        {
            "a": numbers.integers(0, 50, rows),
            "b": np.round(numbers.normal(size=rows), 2),
            "c": numbers.integers(0, 5, rows),
        }
    )
    return x, ((x["a"] / 25 + x["b"] + numbers.normal(0, 0.5, rows)) > 1).astype(int)


def three(x: pd.DataFrame) -> Any:
    return np.digitize(x["a"] / 25 + x["b"], [0.7, 1.4])


QUIET = {"verbose": -1, "max_depth": 3, "num_threads": 1}


def light(parameters: dict[str, Any], x: pd.DataFrame, y: Any) -> lightgbm.Booster:
    return lightgbm.train({**QUIET, **parameters}, lightgbm.Dataset(x, y), 4)


def extreme(parameters: dict[str, Any], x: pd.DataFrame, y: Any) -> xgboost.Booster:
    return xgboost.train({"max_depth": 2, **parameters}, xgboost.DMatrix(x, y), 4)


def test_a_booster_of_two_classes_scores_the_second(make: Make) -> None:
    x, y = table()
    boosters = [
        (light({"objective": "binary"}, x, y), lambda rows: rows),
        (extreme({"objective": "binary:logistic", "base_score": 0.2}, x, y), xgboost.DMatrix),
    ]
    for booster, given in boosters:
        setup = make(booster, x)
        assert setup.outputs == ["score"]
        for row in (0, 5):
            one = x.iloc[[row]]
            wanted = booster.predict(given(one))
            np.testing.assert_allclose(setup.prove(one).output[:, 0], wanted, atol=1e-3)
        assert make(booster, x, outputs="score").outputs == ["score"]
    with pytest.raises(verdict.UsageError, match="outputs names 'scores'.* there are 'label'"):
        make(boosters[0][0], x, outputs="scores")


def test_a_booster_of_more_classes_has_probabilities(make: Make) -> None:
    x, _ = table()
    parameters = {"objective": "multiclass", "num_class": 3}
    booster = light(parameters, x, three(x))
    setup = make(booster, x)
    assert setup.outputs == ["probabilities"]
    np.testing.assert_allclose(
        setup.prove(x.head(1)).output, booster.predict(x.head(1)), atol=2e-3
    )
    softprob = extreme({"objective": "multi:softprob", "num_class": 3}, x, three(x))
    assert make(softprob, x).outputs == ["probabilities"]
    softmax = extreme({"objective": "multi:softmax", "num_class": 3}, x, three(x))
    with pytest.raises(verdict.ModelError, match="says a class"):
        make(softmax, x)


def test_all_trees_of_a_booster_that_stopped_early_are_proven(make: Make) -> None:
    x, y = table()
    parts = [xgboost.DMatrix(x[:200], y[:200]), xgboost.DMatrix(x[200:], y[200:])]
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3, "eta": 1},
        parts[0],
        30,
        evals=[(parts[1], "v")],
        early_stopping_rounds=3,
        verbose_eval=False,
    )
    best = booster.best_iteration + 1
    with pytest.warns(verdict.VerdictWarning, match=f"Give booster\\[: {best}\\]"):
        verdict.inspect(booster, x)
    for model in (booster, booster[:best]):
        said = make(model, x).predict(x.head(9))["score"]
        np.testing.assert_allclose(said[:, 0], model.predict(xgboost.DMatrix(x.head(9))), atol=1e-5)


RF = {"bagging_freq": 1, "bagging_fraction": 0.7}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"objective": "regression", "boosting": "rf", **RF}, "is a random forest"),
        ({"objective": "binary", "boosting": "rf", **RF}, "is a random forest"),
        ({"objective": "regression", "linear_tree": True}, "has linear trees"),
        ({"objective": "binary", "sigmoid": 2.0}, "has sigmoid=2"),
        ({"objective": "binary", "zero_as_missing": True}, "takes zeros as missing"),
        ({"objective": "cross_entropy"}, "has the objective 'cross_entropy'"),
        ({"objective": "regression", "reg_sqrt": True}, "has the objective 'regression sqrt'"),
    ],
)
def test_what_lightgbms_converter_leaves_out_is_refused(
    parameters: dict[str, Any], said: str, make: Make
) -> None:
    x, y = table()
    for data in (x, x.to_dict("list"), x.to_numpy().tolist()):
        with pytest.raises(verdict.ModelError, match=f"the Booster {said}"):
            make(light(parameters, x, y), data)
    with pytest.raises(verdict.ModelError, match=f"the Booster {said}"):
        make(light(parameters, x, y), ranges=(0, 50))


def test_lightgbms_estimators_are_refused_alike(make: Make) -> None:
    x, y = table()
    fitted = lightgbm.LGBMClassifier(**QUIET, n_estimators=5, zero_as_missing=True).fit(x, y)
    with pytest.raises(verdict.ModelError, match="takes zeros as missing"):
        make(fitted, x)
    within = make_pipeline(StandardScaler(), fitted.set_params(zero_as_missing=True)).fit(x, y)
    with pytest.raises(verdict.ModelError, match="step 'lgbmclassifier'.* takes zeros as missing"):
        make(within, x)

    def own(truth: Any, raw: Any) -> tuple[Any, Any]:
        return 1 / (1 + np.exp(-raw)) - truth, np.full_like(raw, 0.25)

    custom = lightgbm.LGBMClassifier(**QUIET, n_estimators=3, objective=own).fit(x, y)
    with pytest.raises(verdict.ModelError, match="has the objective 'custom'"):
        make(custom, x)
    ova = lightgbm.LGBMClassifier(**QUIET, n_estimators=3, objective="multiclassova")
    with pytest.raises(verdict.ModelError, match="multiclassova"):
        make(ova.fit(x, three(x)), x)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"objective": "reg:logistic"}, "has the objective 'reg:logistic'"),
        ({"objective": "binary:logitraw"}, "has the objective 'binary:logitraw'"),
        ({"objective": "binary:logistic", "booster": "dart"}, "is of the booster 'dart'"),
        ({"objective": "binary:logistic", "booster": "gblinear"}, "is of the booster 'gblinear'"),
    ],
)
def test_what_xgboosts_converter_leaves_out_is_refused(
    parameters: dict[str, Any], said: str, make: Make
) -> None:
    x, y = table()
    if parameters.get("booster") == "gblinear":
        booster = xgboost.train(parameters, xgboost.DMatrix(x, y), 2)
    else:
        booster = extreme(parameters, x, y)
    with pytest.raises(verdict.ModelError, match=f"the Booster {said}"):
        make(booster, x)


def test_several_labels_are_refused(make: Make) -> None:
    x, y = table()
    labels = np.stack([y, (x["c"] > 2).astype(int)], axis=1)
    for model in (
        MLPClassifier((4,), max_iter=20, random_state=0),
        DecisionTreeClassifier(max_depth=2),
        RandomForestClassifier(3, max_depth=2),
        MultiOutputClassifier(LogisticRegression()),
        make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=20)),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x, labels)
        for data in (x, x.to_dict("list")):
            with pytest.raises(verdict.ModelError, match="is of several labels"):
                make(model, data)
    both = xgboost.XGBClassifier(n_estimators=2).fit(x, labels)
    with pytest.raises(verdict.ModelError, match="several targets or labels"):
        make(both, x)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), SGDClassifier(random_state=0)),
        make_pipeline(StandardScaler(), Perceptron()),
        make_pipeline(StandardScaler(), LinearSVC()),
        make_pipeline(StandardScaler(), RidgeClassifier()),
        make_pipeline(StandardScaler(), SVC(kernel="linear")),
        LinearSVC(),
        RidgeClassifier(),
        GridSearchCV(RidgeClassifier(), {"alpha": [0.1, 1.0]}, cv=2),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_without_probabilities_what_decides_is_proven(model: Any, classes: int, make: Make) -> None:
    x, y = table(120)
    x = x / 10
    model.fit(x, y if classes == 2 else three(x * 10))
    setup = make(model, x.round(3))
    assert setup.outputs == ["decision"]
    wanted = model.decision_function(x).reshape(len(x), -1)
    np.testing.assert_allclose(
        setup.predict(x.round(3))["decision"], wanted, atol=1e-3 * np.abs(wanted).max()
    )
    proven = setup.prove(x.round(3).head(1)).output
    np.testing.assert_allclose(proven, wanted[:1], atol=1e-2 * np.abs(wanted).max())


def test_a_label_is_no_score_unless_there_is_nothing_else(make: Make) -> None:
    x, y = table()
    forest = make(IsolationForest(n_estimators=4, max_samples=32, random_state=0).fit(x), x)
    assert forest.outputs == ["scores"]
    voting = VotingClassifier(
        [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=2))],
        voting="hard",
        flatten_transform=False,
    ).fit(x, y)
    with pytest.warns(verdict.VerdictWarning, match="its label is proven"):
        verdict.inspect(voting, x)
    clusters = _export.export(KMeans(2, n_init=1).fit(x), None, None, None)
    assert clusters.outputs == ["scores"]


def turned(export: Any) -> Any:
    """An exporter that writes another model: its first tree's or first layer's numbers are wrong."""

    def wrong(*arguments: Any) -> Any:
        exported = export(*arguments)
        import onnx

        model = onnx.load_from_string(exported.content)
        for node in model.graph.node:
            for attribute in node.attribute:
                if attribute.name in ("coefficients", "class_weights", "target_weights"):
                    attribute.floats[:] = [1.3 * own for own in attribute.floats]
        exported.content = model.SerializeToString()
        return exported

    return wrong


@pytest.mark.parametrize("kind", ["frame", "dict", "list", "array", "none", "strings", "booster"])
def test_another_model_is_refused_whatever_the_data_are(
    kind: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = table()
    model: Any = LogisticRegression(max_iter=500).fit(x if kind != "list" else x.to_numpy(), y)
    data: Any = {
        "frame": x,
        "dict": x.to_dict("list"),
        "list": x.to_numpy().tolist(),
        "array": x.to_numpy(),
    }.get(kind)
    options: dict[str, Any] = {"ranges": (-3, 50)} if kind == "none" else {}
    if kind == "strings":
        data = x.assign(c=pd.Categorical.from_codes(x["c"], list("vwxyz")))
        model = lightgbm.LGBMClassifier(**QUIET, n_estimators=5).fit(data, y)
    if kind == "booster":
        data, model = x, light({"objective": "binary"}, x, y)
    make(model, data, **options)
    monkeypatch.setattr("verdict._export.export", turned(_export.export))
    with pytest.raises(verdict.ModelError, match="the exported file is not the model"):
        make(model, data, **options)


def test_a_categorical_model_from_a_dict_is_compared(make: Make) -> None:
    x, y = table()
    frame = x.assign(c=pd.Categorical.from_codes(x["c"], list("zyxwv")))
    model = lightgbm.LGBMClassifier(**QUIET, n_estimators=5, min_data_per_group=1, cat_smooth=1)
    model.fit(frame, (x["c"] % 2) ^ y)
    data = {name: list(frame[name].astype(object)) for name in frame}
    setup = make(model, data)
    one = {name: values[0] for name, values in data.items()}
    np.testing.assert_allclose(
        setup.prove(one).output, model.predict_proba(frame.head(1))[:, 1:], atol=1e-3
    )


def test_categories_of_numbers_are_named(make: Make) -> None:
    x, y = table()
    frame = x.assign(c=(x["c"] * 10).astype("category"))
    model = lightgbm.LGBMClassifier(**QUIET, n_estimators=2).fit(frame, y)
    with pytest.raises(verdict.ModelError, match="a categorical column of numbers"):
        make(model, frame)


def test_comparing() -> None:
    wanted = np.linspace(0, 1, 40)[:, None]
    assert compare(wanted, wanted + 1e-7) is None
    one = wanted.copy()
    one[7] += 0.1
    with pytest.raises(verdict.ModelError, match="on 1 of 40 rows it says otherwise, of row 7 of"):
        compare(wanted, one)
    # The model itself is undecided there.
    said = compare(wanted, one, lambda rows: [wanted[rows] + 0.11])
    assert said is not None and "on 1 of 40 rows" in said
    with pytest.raises(verdict.ModelError, match="on 1 of 40"):
        compare(wanted, one, lambda rows: [wanted[rows] + 0.05])
    most = wanted + 0.1
    with pytest.raises(verdict.ModelError, match="on 40 of 40 rows"):
        compare(wanted, most, lambda rows: [wanted[rows] + 0.2])
    # Small numbers are compared as large ones are.
    with pytest.raises(verdict.ModelError):
        compare(wanted * 1e-6, wanted * 1.1e-6)
    with pytest.raises(verdict.ModelError, match="2 numbers for an inference, the model 1"):
        compare(wanted, np.hstack([wanted, wanted]))


def test_values_that_a_float32_does_not_tell_apart_are_warned_of() -> None:
    numbers = rng()
    x = pd.DataFrame({"i": numbers.permutation(np.arange(2**24, 2**24 + 300))})
    y = (x["i"] > 2**24 + 20).astype(int)
    model = lightgbm.LGBMClassifier(**QUIET, n_estimators=3, min_child_samples=1, max_bin=500)
    model.fit(x, y)
    with pytest.warns(verdict.VerdictWarning, match="compute in float32|would be proven"):
        verdict.inspect(model, x)


def test_hist_gradient_boosting_is_refused_by_name(make: Make) -> None:
    x, y = table()
    model = HistGradientBoostingClassifier(max_iter=2).fit(x, y)
    with pytest.raises(verdict.ModelError, match="HistGradientBoostingClassifier is not exported"):
        make(model, x)


def test_strings_without_data_and_strings_that_are_missing(make: Make) -> None:
    x = pd.DataFrame({"job": ["cook", "nurse"] * 20, "v": np.arange(40)})
    from sklearn.compose import make_column_transformer

    columns = make_column_transformer((OrdinalEncoder(), ["job"]), remainder="passthrough")
    model = make_pipeline(columns, DecisionTreeClassifier(max_depth=2)).fit(x, x["v"] > 20)
    with pytest.raises(verdict.UsageError, match="was fitted on strings"):
        make(model, ranges=(0, 40))
    make(model, x)
    with pytest.raises(verdict.UsageError, match="'job', which is a column of strings") as missing:
        make(model, x, missing=["job"])
    assert missing.value.hint and "fillna" in missing.value.hint
    hole = x.assign(job=x["job"].where(x["v"] > 1))
    with pytest.raises(verdict.InputError, match="column 'job', row 0 is NaN") as absent:
        make(model, hole)
    assert absent.value.hint and "missing=" not in absent.value.hint
