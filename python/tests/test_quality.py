"""Tests of models with columns and classes, as their owners, auditors and buyers have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

import verdict

from conftest import rng

NUMBERS = ["age", "income", "months"]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    numbers = rng()
    return pd.DataFrame(
        {
            "age": numbers.integers(18, 80, 200),
            "income": numbers.gamma(4, 900, 200).round(2),
            "months": numbers.integers(6, 60, 200),
            "housing": numbers.choice(["own", "rent", "free"], 200),
        }
    )


@pytest.fixture(scope="module")
def labels(frame: pd.DataFrame) -> pd.Series:
    noise = rng().normal(0, 1, len(frame))
    good = frame.income / 900 - frame.months / 20 + (frame.housing == "own") + noise > 2.5
    return pd.Series(np.where(good, "good", "bad"), index=frame.index)


def pipeline(strings: bool) -> Any:
    if not strings:
        return make_pipeline(StandardScaler(), LogisticRegression())
    columns = make_column_transformer((StandardScaler(), NUMBERS), (OneHotEncoder(), ["housing"]))
    return make_pipeline(columns, LogisticRegression())


@pytest.mark.parametrize("strings", [False, True])
def test_an_auditor_commits_to_a_frame(
    make: Callable[..., verdict.Setup],
    frame: pd.DataFrame,
    labels: pd.Series,
    tmp_path: Path,
    strings: bool,
) -> None:
    own = frame if strings else frame[NUMBERS]
    model = pipeline(strings).fit(own, labels)
    setup = make(model, own)
    test = setup.test(16, groups=True, out=tmp_path / "test")
    assert test.classes == setup.classes == ["bad", "good"]
    x, y, old = own.tail(16), labels.tail(16), frame.age.tail(16) > 40
    right = int((model.predict(x) == y).sum())

    # Both are of the file that was exported.
    for each in (setup, test):
        assert each.check(setup.folder / "private" / "model.onnx").setup_id == each.id

    # With the whole folder names are known; with the public part their order is told.
    here = test.commit_test(x, y, tmp_path / "here.json", groups=old)
    found = setup.evaluate(x, y, groups=old, test=test, commitment=tmp_path / "here.json")
    assert (found.commitment, found.right) == (here, right)
    auditor = verdict.Setup.open(test.folder / "public")
    told = {"groups": old, "classes": setup.classes, "columns": setup.columns}
    there = auditor.commit_test(x, y, tmp_path / "there.json", **told)
    assert there != here
    found = setup.evaluate(x, y, groups=old, test=test, commitment=tmp_path / "there.json")
    assert verdict.Evaluation.of(auditor, found.proof, commitment=there).right == right
    if not strings:
        with pytest.raises(verdict.UsageError, match="whose order only the test's private part says"):
            auditor.commit_test(x, y, tmp_path / "no.json", groups=old)
    with pytest.raises(verdict.InputError, match="give what is expected apart: setup.commit_test"):
        test.commit(x, tmp_path / "no.json")
    with pytest.raises(verdict.InputError, match="y has the class 'Good', the model knows 'bad', 'good'"):
        test.commit_test(x, y.str.title(), tmp_path / "no.json", groups=old)
    with pytest.raises(verdict.InputError, match="column 'Age' is not one|column 'age' is missing"):
        test.commit_test(x.rename(columns={"age": "Age"}), y, tmp_path / "no.json", groups=old)


def test_labels_in_another_order_are_refused(
    make: Callable[..., verdict.Setup], frame: pd.DataFrame, labels: pd.Series, tmp_path: Path
) -> None:
    own = frame[NUMBERS]
    setup = make(pipeline(False).fit(own, labels), own)
    test = setup.test(16, groups=True, out=tmp_path / "test")
    x, y, old = own.tail(16), labels.tail(16), frame.age.tail(16) > 40
    wanted = setup.evaluate(x, y, groups=old, test=test).right
    with pytest.raises(verdict.InputError, match="y has the index of x in another order"):
        setup.evaluate(x, y.iloc[::-1], groups=old, test=test)
    with pytest.raises(verdict.InputError, match="groups has the index of x in another order"):
        setup.evaluate(x, y, groups=old.iloc[::-1], test=test)
    with pytest.warns(verdict.VerdictWarning, match="y has another index than x"):
        assert setup.evaluate(x, y.reset_index(drop=True), groups=old, test=test).right == wanted
    # All of them in another order is another set of samples, and fine.
    assert setup.evaluate(x[::-1], y[::-1], groups=old[::-1], test=test).right == wanted


def test_a_function_of_pythons_names_its_step(
    make: Callable[..., verdict.Setup], frame: pd.DataFrame, labels: pd.Series
) -> None:
    own = frame[NUMBERS]
    model = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(own, labels)
    with pytest.raises(verdict.ModelError, match=r"step 'functiontransformer' \(FunctionTransformer\) calls"):
        make(model, own)


def test_what_a_score_decides_by_is_told(
    make: Callable[..., verdict.Setup], frame: pd.DataFrame, labels: pd.Series, tmp_path: Path
) -> None:
    own = frame[NUMBERS]
    scaled = make_pipeline(StandardScaler(), LinearSVC()).fit(own, labels)
    numbers = make_pipeline(StandardScaler(), LinearRegression()).fit(own, own.income * 0.01 + own.age)
    for model, output in ((scaled, "decision"), (numbers, "variable")):
        setup = make(model, own)
        with pytest.raises(verdict.UsageError, match=f"the output '{output}' is from .* no probability"):
            setup.test(16)
    setup = make(scaled, own)
    x, y = own.tail(16), labels.tail(16)
    found = setup.evaluate(x, y, threshold=0, out=tmp_path / "test")
    assert found.right == int((scaled.predict(x) == y).sum())
