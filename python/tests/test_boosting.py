"""XGBoost and LightGBM, as onnxmltools exports them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.pipeline import make_pipeline

import verdict

from test_sklearn import mixed, people

Make = Callable[..., verdict.Setup]


def cancer() -> tuple[pd.DataFrame, Any]:
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return x.iloc[:, :6], y


XGBOOST = {"n_estimators": 12, "max_depth": 3, "n_jobs": 1}
LIGHTGBM = {"n_estimators": 12, "max_depth": 3, "n_jobs": 1, "verbose": -1}


@pytest.mark.parametrize(
    "model", [xgboost.XGBClassifier(**XGBOOST), lightgbm.LGBMClassifier(**LIGHTGBM)]
)
@pytest.mark.parametrize("as_frame", [True, False])
def test_classifiers(model: Any, as_frame: bool, make: Make) -> None:
    x, y = cancer()
    x = x if as_frame else x.to_numpy()
    setup = make(model.fit(x, y), x)
    assert setup.outputs == ["score"] and (setup.columns is not None) == as_frame
    for row in (0, 50, 500):
        one = x[row : row + 1]
        np.testing.assert_allclose(
            setup.prove(one).output, model.predict_proba(one)[:, 1:], atol=1e-3
        )


@pytest.mark.parametrize(
    "model", [xgboost.XGBRegressor(**XGBOOST), lightgbm.LGBMRegressor(**LIGHTGBM)]
)
def test_regressions(model: Any, make: Make) -> None:
    x, y = load_diabetes(return_X_y=True, as_frame=True)
    x = np.round(x, 4)
    setup = make(model.fit(x, y), x)
    assert setup.ranges["bmi"].decimals == 4
    np.testing.assert_allclose(setup.prove(x.head(1)).output[:, 0], model.predict(x.head(1)), rtol=1e-3)


def test_values_closer_to_thresholds_than_inputs_are_fine_are_warned_of(tmp_path: Path) -> None:
    x, y = load_diabetes(return_X_y=True, as_frame=True)
    model = xgboost.XGBRegressor(**XGBOOST).fit(x, y)
    with pytest.warns(verdict.VerdictWarning, match="of the data's 200 rows an output would be proven"):
        verdict.setup(model, x, out=tmp_path / "setup", dev_srs=True)


def test_several_classes(make: Make) -> None:
    x, y = load_iris(return_X_y=True, as_frame=True)
    for model in (xgboost.XGBClassifier(**XGBOOST), lightgbm.LGBMClassifier(**LIGHTGBM)):
        setup = make(model.fit(x, y), x)
        proof = setup.prove(x.tail(1))
        np.testing.assert_allclose(proof.output, model.predict_proba(x.tail(1)), atol=2e-3)


def test_boosters(make: Make) -> None:
    x, y = cancer()
    booster = xgboost.train(
        {"max_depth": 3, "objective": "binary:logistic"}, xgboost.DMatrix(x, y), num_boost_round=5
    )
    light = lightgbm.train(
        {"max_depth": 3, "objective": "binary", "verbose": -1}, lightgbm.Dataset(x, y), 5
    )
    for model in (booster, light):
        setup = make(model, x, outputs="probabilities")
        assert setup.columns == list(x.columns)
        given = xgboost.DMatrix(x.head(1)) if model is booster else x.head(1)
        np.testing.assert_allclose(
            setup.prove(x.head(1)).output[0, 1], model.predict(given)[0], atol=1e-3
        )


def test_the_fitted_model_stays_as_it_is(make: Make) -> None:
    x, y = cancer()
    model = xgboost.XGBClassifier(**XGBOOST).fit(x, y)
    make(model, x)
    assert model.get_booster().feature_names == list(x.columns)


@pytest.mark.parametrize(
    "model", [xgboost.XGBClassifier(**XGBOOST), lightgbm.LGBMClassifier(**LIGHTGBM)]
)
def test_within_a_pipeline(model: Any, make: Make) -> None:
    x, y = people()
    pipeline = mixed(model).fit(x, y)
    setup = make(pipeline, x)
    np.testing.assert_allclose(
        setup.prove(x.head(1)).output, pipeline.predict_proba(x.head(1))[:, 1:], atol=1e-3
    )


def test_categories_of_lightgbm(make: Make) -> None:
    x, y = people()
    x = x.assign(job=x["job"].astype("category"))
    model = lightgbm.LGBMClassifier(**LIGHTGBM, min_data_per_group=5, cat_smooth=1).fit(x, y)
    setup = make(model, x)
    assert setup.ranges["job"].categories == ("cook", "nurse", "smith")
    for row in range(6):
        one = x.iloc[[row]]
        np.testing.assert_allclose(
            setup.prove(one).output, model.predict_proba(one)[:, 1:], atol=1e-3
        )
    with pytest.raises(verdict.InputError, match="column 'job', row 0 is 'king'"):
        setup.prove(x.head(1).assign(job="king"))


def test_what_cannot_be_exported_is_named(make: Make) -> None:
    x, y = people()
    x = x.assign(job=x["job"].astype("category"))
    model = xgboost.XGBClassifier(**XGBOOST, enable_categorical=True).fit(x, y)
    with pytest.raises(verdict.ModelError, match="column 'job' is categorical for XGBoost"):
        make(model, x)
    with pytest.raises(verdict.ModelError, match="the XGBClassifier is not fitted"):
        make(xgboost.XGBClassifier(), cancer()[0])
    with pytest.raises(verdict.ModelError, match=r"step 'xgbclassifier' \(XGBClassifier\)"):
        make(make_pipeline(xgboost.XGBClassifier()), cancer()[0])
