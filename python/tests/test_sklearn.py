"""scikit-learn's estimators and pipelines, as skl2onnx exports them."""

from __future__ import annotations

import builtins
import sys
from typing import Any, Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import verdict
from verdict import _export

from conftest import rng

Make = Callable[..., verdict.Setup]


def cancer() -> tuple[pd.DataFrame, Any]:
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return x.iloc[:, :6], y


def people(rows: int = 300) -> tuple[pd.DataFrame, Any]:
    numbers = rng()
    x = pd.DataFrame(
        {
            "age": numbers.integers(18, 80, rows),
            "income": np.round(numbers.uniform(900, 9000, rows), 2),
            "job": numbers.choice(["cook", "nurse", "smith"], rows),
            "home": pd.Categorical(numbers.choice(["own", "rent"], rows)),
            "member": numbers.random(rows) < 0.5,
        }
    )
    y = (x["age"] + 20 * (x["job"] == "cook") + numbers.normal(0, 9, rows) > 50).astype(int)
    return x, y


def mixed(model: Any) -> Pipeline:
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["age", "income"]),
            ("names", encoder, ["job", "home"]),
            ("rest", "passthrough", ["member"]),
        ]
    )
    return Pipeline([("columns", columns), ("model", model)])


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=5000),
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(StandardScaler(), MLPClassifier((12,), max_iter=200, random_state=0)),
        DecisionTreeClassifier(max_depth=4, random_state=0),
        RandomForestClassifier(8, max_depth=4, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_classifier_of_two_classes_scores_the_second(model: Any, make: Make) -> None:
    x, y = cancer()
    model.fit(x, y)
    setup = make(model, x)
    assert setup.outputs == ["score"] and setup.columns == list(x.columns)
    for row in (0, 100, 200):
        proof = setup.prove(x.iloc[[row]])
        setup.verify(proof)
        wanted = model.predict_proba(x.iloc[[row]])[:, 1:]
        np.testing.assert_allclose(proof.output, wanted, atol=2e-3)


def test_more_classes_have_probabilities(make: Make) -> None:
    x, y = load_iris(return_X_y=True, as_frame=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = LogisticRegression(max_iter=500).fit(x, names)
    setup = make(model, x)
    proof = setup.prove(x.tail(1))
    assert setup.outputs == ["probabilities"] and proof.output.shape == (1, 3)
    assert setup.classes == ["setosa", "versicolor", "virginica"]
    np.testing.assert_allclose(proof.output, model.predict_proba(x.tail(1)), atol=1e-3)


@pytest.mark.parametrize(
    "model",
    [LinearRegression(), Ridge(), GradientBoostingRegressor(n_estimators=10, random_state=0)],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("as_frame", [True, False])
def test_regressions(model: Any, as_frame: bool, make: Make) -> None:
    x, y = load_diabetes(return_X_y=True, as_frame=as_frame)
    x = np.round(x, 3)
    setup = make(model.fit(x, y), x)
    np.testing.assert_allclose(setup.prove(x[:1]).output[:, 0], model.predict(x[:1]), rtol=1e-3)
    assert (setup.columns is not None) == as_frame


@pytest.mark.parametrize(
    "model", [LogisticRegression(max_iter=500), RandomForestClassifier(6, max_depth=3)]
)
def test_a_frame_of_mixed_types(model: Any, make: Make) -> None:
    x, y = people()
    pipeline = mixed(model).fit(x, y)
    setup = make(pipeline, x)
    assert setup.columns == list(x.columns)
    assert setup.ranges["job"].categories == ("cook", "nurse", "smith")
    for row in range(3):
        one = x.iloc[[row]]
        np.testing.assert_allclose(
            setup.prove(one).output, pipeline.predict_proba(one)[:, 1:], atol=2e-3
        )
    with pytest.raises(verdict.InputError, match="column 'job', row 0 is 'king', which was not"):
        setup.prove(x.head(1).assign(job="king"))
    with pytest.raises(verdict.InputError, match="column 'job' is of numbers"):
        setup.prove(x.head(1).assign(job=3))
    setup.prove({name: x[name].iloc[0] for name in x})
    report = setup.report(x.head(40), thresholds=0.5)
    assert report.largest_error < 1e-2 and report.data["accuracy"]["samples"] == 40


def test_missing_values_that_are_declared(make: Make) -> None:
    x, y = cancer()
    x = x.copy()
    x.loc[::7, "mean area"] = np.nan
    model = make_pipeline(SimpleImputer(), DecisionTreeClassifier(max_depth=3)).fit(x, y)
    setup = make(model, x, missing=["mean area"])
    assert setup.ranges["mean area"].missing and not setup.ranges["mean radius"].missing
    proof = setup.prove(x.iloc[[0]])
    np.testing.assert_allclose(proof.output, model.predict_proba(x.iloc[[0]])[:, 1:], atol=1e-3)
    with pytest.raises(verdict.InputError, match="'mean radius', row 0 is NaN"):
        setup.prove(x.iloc[[0]].assign(**{"mean radius": np.nan}))


def test_outputs_can_be_chosen(make: Make) -> None:
    x, y = cancer()
    model = DecisionTreeClassifier(max_depth=2).fit(x, y)
    assert make(model, x, outputs="probabilities").prove(x.head(1)).output.shape == (1, 2)
    label = make(model, x, outputs=["label", "score"]).prove(x.head(1))
    assert list(label.outputs) == ["label", "score"]
    assert label.output.ravel()[0] == model.predict(x.head(1))[0]


def test_unfitted_steps_are_named(make: Make) -> None:
    x, y = people()
    with pytest.raises(verdict.ModelError, match="the LogisticRegression is not fitted"):
        make(LogisticRegression(), x)
    with pytest.raises(verdict.ModelError, match=r"step '.*' \(.*\) is not fitted") as unfitted:
        make(mixed(LogisticRegression()), x)
    assert unfitted.value.hint == "call fit on the model first"
    with pytest.raises(verdict.ModelError, match="is the class LogisticRegression"):
        make(LogisticRegression, x)


class Doubled(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, x: Any, y: Any = None) -> Doubled:
        self.fitted_ = True
        return self

    def transform(self, x: Any) -> Any:
        return 2 * np.asarray(x)


def test_unsupported_steps_are_named(make: Make) -> None:
    x, y = cancer()
    pipeline = Pipeline([("twice", Doubled()), ("model", LogisticRegression(max_iter=5000))])
    with pytest.raises(verdict.ModelError, match=r"step 'twice' \(Doubled\) has no ONNX converter"):
        make(pipeline.fit(x, y), x)
    inner = ColumnTransformer([("area", Doubled(), ["mean area"])])
    pipeline = Pipeline([("columns", inner), ("model", LogisticRegression())]).fit(x, y)
    with pytest.raises(verdict.ModelError, match=r"step 'columns.area' \(Doubled\)"):
        make(pipeline, x)


def test_missing_exporters_are_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = cancer()
    model = LogisticRegression(max_iter=5000).fit(x, y)
    for name in [name for name in sys.modules if name.split(".")[0] == "skl2onnx"]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "skl2onnx":
            raise ImportError("No module named 'skl2onnx'", name="skl2onnx")
        return real(name, *rest)

    monkeypatch.setattr(_export.importlib, "import_module", lambda name: absent(name))
    with pytest.raises(verdict.MissingPackageError, match="needs the package skl2onnx") as missing:
        make(model, x)
    assert isinstance(missing.value, ImportError)
    assert missing.value.hint == "pip install skl2onnx"
