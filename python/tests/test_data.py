"""What is inferred of data, and what of them does not fit."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import verdict
from verdict import _ranges

from conftest import rng


def frame(rows: int = 200) -> pd.DataFrame:
    numbers = rng()
    return pd.DataFrame(
        {
            "age": numbers.integers(18, 80, rows),
            "income": np.round(numbers.uniform(900, 9000, rows), 2),
            "ratio": numbers.normal(size=rows),
            "debt": -numbers.integers(1, 50, rows).astype(np.float32) / 10,
            "member": numbers.random(rows) < 0.5,
        }
    )


@pytest.fixture(scope="module")
def fitted() -> LogisticRegression:
    x = frame()
    return LogisticRegression(max_iter=5000).fit(x / x.abs().max(), x["age"] > 40)


@pytest.fixture(scope="module")
def setup(fitted: LogisticRegression, make: Callable[..., verdict.Setup]) -> verdict.Setup:
    return make(fitted, frame(), target_error=1e-2)


def test_ranges_are_inferred_column_by_column(setup: verdict.Setup) -> None:
    x, ranges = frame(), setup.ranges
    assert [row.name for row in ranges] == list(x.columns) == setup.columns
    assert ranges["age"].decimals == 0 and ranges["income"].decimals == 2
    assert ranges["ratio"].decimals is None and ranges["debt"].decimals == 1
    member = ranges["member"]
    assert (member.min, member.max, member.decimals) == (0.0, 1.0, 0)
    for name in ("age", "income", "ratio"):
        low, high = float(x[name].min()), float(x[name].max())
        margin = (high - low) / 10
        assert low - margin - 1 <= ranges[name].min <= low - margin + 1e-9
        assert high + margin - 1e-9 <= ranges[name].max <= high + margin + 1
    # Not past zero where the data are not.
    assert ranges["debt"].max <= 0.0
    assert "income" in repr(ranges) and "<table>" in ranges._repr_html_()


def test_every_row_of_the_data_can_be_proven(setup: verdict.Setup) -> None:
    x = frame()
    report = setup.report(x)
    assert report.data["accuracy"]["refused_count"] == 0
    assert report.data["accuracy"]["samples"] == len(x)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0, 3.0], {"min": 0.8, "max": 3.2}),
        ([0.0, 1.0], {"min": 0, "max": 1, "decimals": 0}),
        ([5.0, 5.0], {"min": 4, "max": 6, "decimals": 0}),
        ([-0.0005], {"min": -0.5005, "max": 0.0, "decimals": 4}),
        ([0.5, np.nan, 0.25], {"min": 0.22, "max": 0.53, "decimals": 2, "missing": True}),
    ],
)
def test_a_range_of_numbers(values: list[float], expected: dict[str, Any]) -> None:
    found = _ranges.of_numbers(np.array(values), "missing" in expected)
    if values == [1.0, 2.0, 3.0]:
        assert found == {"min": 0.0, "max": 4.0, "decimals": 0}
        return
    assert found == pytest.approx(expected)


def test_ranges_can_be_declared_by_column(
    fitted: LogisticRegression, make: Callable[..., verdict.Setup]
) -> None:
    declared = {"age": (0, 120), "income": {"min": 0, "max": 100_000, "decimals": 1}}
    setup = make(fitted, frame().round({"income": 1}), ranges=declared, target_error=1)
    assert (setup.ranges["age"].min, setup.ranges["age"].max) == (0, 120)
    assert setup.ranges["income"].decimals == 1
    with pytest.raises(verdict.UsageError, match="ranges names 'wage'"):
        make(fitted, frame(), ranges={"wage": (0, 1)})


def test_float32_decimals_are_those_it_shows(setup: verdict.Setup) -> None:
    row = frame().head(1)
    assert row["debt"].dtype == np.float32
    setup.prove(row)


def test_other_columns_are_named(setup: verdict.Setup) -> None:
    x = frame().head(1)
    with pytest.raises(verdict.InputError, match="column 'ratio' is missing"):
        setup.prove(x.drop(columns="ratio"))
    with pytest.raises(verdict.InputError, match="column 'wage' is not one of the setup's"):
        setup.prove(x.assign(wage=1))
    with pytest.raises(verdict.InputError, match="column 0 is 'income', at setup it was 'age'"):
        setup.prove(x[["income", "age", "ratio", "debt", "member"]])
    twice = pd.concat([x, x[["age"]]], axis=1)
    with pytest.raises(verdict.InputError, match="two columns 'age'"):
        setup.prove(twice)
    # A dict has no order; a row is a frame's.
    by_name = {name: x[name].iloc[0] for name in reversed(list(x.columns))}
    np.testing.assert_array_equal(setup.prove(by_name).output, setup.prove(x.iloc[0]).output)
    np.testing.assert_array_equal(setup.prove(x.to_numpy(float)).output, setup.prove(x).output)


def test_wrong_values_are_named_with_column_and_row(
    setup: verdict.Setup, fitted: LogisticRegression, make: Callable[..., verdict.Setup]
) -> None:
    x = frame()
    hole = x.copy()
    hole.loc[3, "ratio"] = np.nan
    with pytest.raises(verdict.InputError, match="column 'ratio', row 3 is NaN"):
        setup.report(hole)
    with pytest.raises(verdict.InputError, match="column 'ratio', row 3 is NaN"):
        make(fitted, hole)
    hole.loc[3, "ratio"] = np.inf
    with pytest.raises(verdict.InputError, match="column 'ratio', row 3 is inf"):
        make(fitted, hole)
    with pytest.raises(verdict.InputError, match="column 'age', row 0 is 'old'"):
        setup.prove(x.head(1).assign(age="old"))
    with pytest.raises(verdict.InputError, match="column 'age' is of type datetime64"):
        setup.prove(x.head(1).assign(age=pd.Timestamp("2020-01-01")))
    objects = pd.Series([["a"]], index=[0], dtype=object)
    with pytest.raises(verdict.InputError, match=r"column 'age' is of objects \(list"):
        setup.prove(x.head(1).assign(age=objects))
    with pytest.raises(verdict.InputError, match="no rows"):
        setup.prove(x.head(0))
    with pytest.raises(verdict.InputError, match="column 'age' is 5000, outside its declared range"):
        setup.prove(x.head(1).assign(age=5000))
    with pytest.raises(verdict.InputError, match="column 'income' is 1000.123, which has more than"):
        setup.prove(x.head(1).assign(income=1000.123))
    with pytest.raises(verdict.InputError, match="column 'wage' has 2 rows, column 'age' has 1"):
        setup.prove({"age": [1], "wage": [1, 2]})


def test_numbers_in_columns_of_objects_are_numbers(setup: verdict.Setup) -> None:
    x = frame().head(1)
    same = setup.prove(x).output
    np.testing.assert_array_equal(setup.prove(x.astype(object)).output, same)
    np.testing.assert_array_equal(setup.prove(x.convert_dtypes()).output, same)


def test_the_data_of_a_setup_have_the_models_columns(
    fitted: LogisticRegression, make: Callable[..., verdict.Setup]
) -> None:
    with pytest.raises(verdict.InputError, match="column 'target' is not one of"):
        make(fitted, frame().assign(target=1))
    with pytest.raises(verdict.UsageError, match="missing names 'wage'"):
        make(fitted, frame(), missing=["wage"])
    with pytest.raises(verdict.UsageError, match="ranges are not known"):
        make(fitted)


def test_what_does_not_fit_at_setup_is_named_with_what_to_do(
    fitted: LogisticRegression, make: Callable[..., verdict.Setup]
) -> None:
    x = frame()
    with pytest.raises(verdict.InputError, match="column 'age', row 0 is '.*': the model takes") as text:
        make(fitted, x.astype(str))
    assert text.value.hint and "x['age'].astype(float)" in text.value.hint
    with pytest.raises(verdict.InputError, match="column 'age', row 0 is 'old'") as word:
        make(fitted, x.assign(age="old"))
    assert word.value.hint and "OneHotEncoder" in word.value.hint
    with pytest.raises(verdict.InputError, match="column 0 is 'income', the model takes") as order:
        make(fitted, x[["income", "age", "ratio", "debt", "member"]])
    assert order.value.hint == "reorder them: data[['age', 'income', 'ratio', 'debt', 'member']]"
    with pytest.raises(verdict.InputError, match="the data have no rows: column 'age' is empty"):
        make(fitted, x.head(0))
    with pytest.raises(verdict.InputError, match="column 'ratio' may be missing, but node"):
        make(fitted, x, missing=["ratio"])
    # A dict has no order.
    setup = make(fitted, {name: x[name] for name in reversed(list(x.columns))})
    assert setup.columns == list(x.columns)


def test_all_that_may_be_missing_is_of_numbers(make: Callable[..., verdict.Setup]) -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    x = pd.DataFrame({"job": ["cook", "nurse"] * 20, "v": np.arange(40.0)})
    x.loc[::7, "v"] = np.nan
    columns = make_column_transformer((OneHotEncoder(), ["job"]), (SimpleImputer(), ["v"]))
    model = make_pipeline(columns, LogisticRegression()).fit(x, x["v"] > 20)
    setup = make(model, x, missing=True)
    assert setup.ranges["v"].missing and not setup.ranges["job"].missing
    np.testing.assert_allclose(
        setup.prove(x.head(1)).output, model.predict_proba(x.head(1))[:, 1:], atol=1e-2
    )


def test_a_table_of_ranges_shows_that_others_are_taken(make: Callable[..., verdict.Setup]) -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    x = pd.DataFrame({"job": ["cook", "nurse"] * 20, "v": np.arange(40)})
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["job"]), remainder="passthrough"
    )
    model = make_pipeline(columns, LogisticRegression()).fit(x, x["v"] > 20)
    seen = x.assign(job=x["job"].where(x["v"] > 0, "smith"))
    setup = make(model, seen, public_inputs=True)
    assert setup.ranges["job"].other and "others" in repr(setup.ranges)
    proof = setup.prove(x.tail(1))
    assert proof.inputs is not None and proof.inputs["job"][0] == "nurse"
    assert setup.prove(x.tail(1).assign(job="king")).inputs["job"][0] is None  # type: ignore[index]
