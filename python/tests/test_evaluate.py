"""How good a model is, proven, against what the recorded scores of the example come to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

import verdict

pytestmark = pytest.mark.small


@pytest.fixture(scope="module")
def samples(examples: Path) -> dict[str, Any]:
    rows = json.loads((examples / "credit" / "evaluation.json").read_text())[:60]
    reference = json.loads((examples / "credit" / "reference.json").read_text())
    return {
        "x": np.array([row["applicant"] for row in rows], dtype=float),
        "y": np.array([row["expected"] for row in rows]),
        "group": np.array([row["group"] for row in rows]),
        "score": np.array(reference["rows"]["logistic"][:60]),
    }


@pytest.fixture(scope="module")
def evaluation(
    credit: verdict.Setup, samples: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> verdict.Evaluation:
    return credit.evaluate(
        samples["x"],
        samples["y"],
        groups=samples["group"] == 1,
        out=tmp_path_factory.mktemp("test") / "test",
    )


def test_the_figures_are_those_of_the_scores(
    evaluation: verdict.Evaluation, samples: dict[str, Any]
) -> None:
    good = samples["score"] >= 0.5
    assert evaluation.samples == 60
    assert evaluation.right == int((good == (samples["y"] == 1)).sum())
    assert evaluation.accuracy == evaluation.right / 60
    assert evaluation.mean_error is None
    assert evaluation.groups is not None
    for index, group in enumerate(evaluation.groups):
        of_group = samples["group"] == index
        assert (group.members, group.approved) == (of_group.sum(), good[of_group].sum())
    first, second = evaluation.groups
    assert evaluation.difference == pytest.approx(second.rate - first.rate)
    assert str(evaluation.right) in repr(evaluation)


def test_the_public_part_verifies_and_no_sample_is_stated(evaluation: verdict.Evaluation) -> None:
    public = verdict.Setup.open(evaluation.test.folder / "public")
    assert public.verify(evaluation.proof).outputs["right"].tolist() == [evaluation.right]
    content = evaluation.proof.to_dict()
    # The context, the commitment, four totals.
    assert len(content["instances"]) == 6
    assert content["instances"][1] == evaluation.commitment
    assert evaluation.proof.inputs is None
    content["outputs"][0] = str(int(content["outputs"][0]) + 1)
    changed = Path(evaluation.test.folder) / "changed.json"
    changed.write_text(json.dumps(content))
    with pytest.raises(verdict.Error):
        public.verify(changed)


def test_a_commitment_that_was_made_before_is_kept(
    credit: verdict.Setup, samples: dict[str, Any], tmp_path: Path
) -> None:
    test = credit.test(60, out=tmp_path / "test")
    salted = tmp_path / "salted.json"
    (committed,) = test.commit(
        {"applicant": samples["x"], "expected": samples["y"]}, salted
    )
    found = credit.evaluate(samples["x"], samples["y"], test=test, commitment=salted)
    assert found.commitment == committed
    assert found.groups is None
    other = samples["y"].copy()
    other[7] = 1 - other[7]
    with pytest.raises(verdict.Error, match="commitment 0 is of other inputs"):
        credit.evaluate(samples["x"], other, test=test, commitment=salted)


def test_a_mean_error_is_how_far_scores_are_off(
    credit: verdict.Setup, samples: dict[str, Any], tmp_path: Path
) -> None:
    x, y = samples["x"][:10], samples["y"][:10]
    with pytest.raises(verdict.Error, match="expected values of output score"):
        credit.evaluate(x, y, metric="error", out=tmp_path / "error")
    found = credit.evaluate(x, y, metric="error", expected=(0, 1), out=tmp_path / "error")
    assert found.accuracy is None and found.right is None
    assert found.mean_error == pytest.approx(np.abs(samples["score"][:10] - y).mean(), abs=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y": np.zeros(9)}, r"y has shape \(9,\), x has 10 rows"),
        ({"y": np.full(10, np.nan)}, "y, row 0 is nan"),
        ({"y": np.full(10, 0.5)}, "a class is a whole number"),
        ({"groups": np.full(10, 2)}, "groups, row 0 is 2"),
        ({"groups": np.zeros(3)}, r"groups has shape \(3,\)"),
        ({"metric": "auc"}, "it is 'accuracy' or 'error'"),
        ({"metric": "error", "threshold": 0.5}, "a threshold and groups are of classes"),
        ({"threshold": float("nan")}, "the threshold is not a finite number"),
    ],
)
def test_what_does_not_fit_is_told(
    credit: verdict.Setup,
    samples: dict[str, Any],
    tmp_path: Path,
    change: dict[str, Any],
    words: str,
) -> None:
    arguments = {"y": samples["y"][:10], **change}
    with pytest.raises(verdict.Error, match=words):
        credit.evaluate(samples["x"][:10], out=tmp_path / "test", **arguments)


def test_a_test_is_of_its_number_of_samples_and_of_its_groups(
    credit: verdict.Setup, samples: dict[str, Any], evaluation: verdict.Evaluation
) -> None:
    x, y = samples["x"], samples["y"]
    with pytest.raises(verdict.UsageError, match="x has 10 rows, the test is of 60"):
        credit.evaluate(x[:10], y[:10], groups=samples["group"][:10], test=evaluation.test)
    with pytest.raises(verdict.UsageError, match="the test counts groups"):
        credit.evaluate(x, y, test=evaluation.test)
    with pytest.raises(verdict.UsageError, match="is no test"):
        credit.evaluate(x, y, test=credit)
    with pytest.raises(verdict.Error, match="cannot be measured again"):
        evaluation.test.test(5)
