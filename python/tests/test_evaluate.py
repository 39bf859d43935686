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
        ({"groups": ["a"] * 10}, "groups, row 0 is 'a': a sample is of group 0 or 1"),
        ({"metric": "error", "expected": (0, 1), "y": ["a"] * 10}, "y, row 0 is 'a': it is a number"),
        ({"metric": "auc"}, "it is 'accuracy' or 'error'"),
        ({"metric": "error", "threshold": 0.5}, "a threshold and groups are of classes"),
        ({"threshold": float("nan")}, "threshold is nan; it is a finite number"),
        ({"threshold": "x"}, "threshold is 'x'; it is a finite number"),
        ({"metric": "error", "expected": 5}, r"expected is 5; it is \(lo, hi\)"),
        ({"metric": "error", "expected": (0, 1, 2)}, r"expected is \(0, 1, 2\); it is \(lo, hi\)"),
        ({"metric": "error", "expected": (0, "b")}, "expected is 'b'; it is a finite number"),
        ({"test": "setup-test"}, "test is 'setup-test'; it is a setup"),
    ],
)
def test_what_does_not_fit_is_told(
    credit: verdict.Setup,
    samples: dict[str, Any],
    tmp_path: Path,
    change: dict[str, Any],
    words: str,
) -> None:
    arguments = {"y": samples["y"][:10], "out": tmp_path / "test", **change}
    if "test" in change:
        del arguments["out"]
    with pytest.raises(verdict.Error, match=words):
        credit.evaluate(samples["x"][:10], **arguments)


def test_a_test_is_of_its_number_of_samples_and_of_its_groups(
    credit: verdict.Setup, samples: dict[str, Any], evaluation: verdict.Evaluation, tmp_path: Path
) -> None:
    x, y = samples["x"], samples["y"]
    with pytest.raises(verdict.UsageError, match="x has 10 rows, the test is of 60"):
        credit.evaluate(x[:10], y[:10], groups=samples["group"][:10], test=evaluation.test)
    with pytest.raises(verdict.UsageError, match="the test counts groups"):
        credit.evaluate(x, y, test=evaluation.test)
    with pytest.raises(verdict.UsageError, match="is no test"):
        credit.evaluate(x, y, test=credit)
    with pytest.raises(verdict.UsageError, match="is a test"):
        evaluation.test.evaluate(x, y)
    with pytest.warns(verdict.VerdictWarning, match="threshold is 2, and the output 'score' is from"):
        credit.test(4, threshold=2, out=tmp_path / "test")
    with pytest.raises(verdict.Error, match="cannot be measured again"):
        evaluation.test.test(5)


@pytest.mark.parametrize("public", [False, True])
def test_a_test_of_another_model_is_refused(
    make: Callable[..., verdict.Setup],
    examples: Path,
    samples: dict[str, Any],
    tmp_path: Path,
    public: bool,
) -> None:
    folder = examples / "credit"
    kinds = {"ranges": folder / "ranges.json", "public_weights": public}
    first, same = (make(folder / "logistic.onnx", **kinds) for _ in range(2))
    other = make(folder / "model.onnx", **kinds)
    x, y = samples["x"][:4], samples["y"][:4]
    test = first.test(4, out=tmp_path / "test")
    found = first.evaluate(x, y, test=test)
    # The same file, under another key.
    assert same.evaluate(x, y, test=test).right == found.right
    words = "another model: its file's hash" if public else "is not known to be a test of the model of"
    with pytest.raises(verdict.UsageError, match=words):
        other.evaluate(x, y, test=test)
    # Nor where nothing is noted, as of a test that the command line made.
    noted = test.folder / "private" / "columns.json"
    content = json.loads(noted.read_text())
    for name, value, words_of in (
        ("setup_id", first.id, "is of another test"),
        ("classes", 5, "columns and classes are lists"),
        ("version", 1, "of this version"),
    ):
        noted.write_text(json.dumps({**content, name: value}))
        with pytest.raises(verdict.Error, match=words_of):
            verdict.Setup.open(test.folder)
    noted.unlink()
    unnoted = verdict.Setup.open(test.folder)
    assert first.evaluate(x, y, test=unnoted).right == found.right
    with pytest.raises(verdict.UsageError, match=words):
        other.evaluate(x, y, test=unnoted)


def test_arguments_that_the_test_does_not_ask_are_refused(
    credit: verdict.Setup, samples: dict[str, Any], tmp_path: Path
) -> None:
    x, y = samples["x"][:4], samples["y"][:4]
    classes = credit.test(4, threshold=0.25, out=tmp_path / "classes")
    errors = credit.test(4, metric="error", expected=(0, 1), out=tmp_path / "errors")
    # What is not given is the test's.
    assert credit.evaluate(x, y, test=errors).mean_error is not None
    assert credit.evaluate(x, y, test=errors, metric="error", expected=(0, 1)).accuracy is None
    right = int(((samples["score"][:4] >= 0.25) == (y == 1)).sum())
    assert credit.evaluate(x, y, test=classes, threshold=0.25).right == right
    for test, given, words in (
        (classes, {"metric": "error"}, "metric is 'error', the test's is 'accuracy'"),
        (errors, {"metric": "accuracy"}, "metric is 'accuracy', the test's is 'error'"),
        (classes, {"metric": "auc"}, "metric is 'auc'; it is"),
        (classes, {"threshold": 0.5}, "threshold is 0.5, the test's is 0.25"),
        (errors, {"threshold": 0.5}, "the test has none"),
        (errors, {"expected": (0, 2)}, "the test's is"),
        (classes, {"out": tmp_path / "other"}, "out is of a test that is made"),
        (classes, {"srs": tmp_path / "srs"}, "srs is of a test that is made"),
        (classes, {"dev_srs": True}, "dev_srs is of a test that is made"),
    ):
        with pytest.raises(verdict.UsageError, match=words):
            credit.evaluate(x, y, test=test, **given)


def test_a_test_that_was_announced_is_not_overwritten(
    make: Callable[..., verdict.Setup], examples: Path, samples: dict[str, Any]
) -> None:
    folder = examples / "credit"
    setup = make(folder / "logistic.onnx", ranges=folder / "ranges.json")
    x, y = samples["x"], samples["y"]
    announced = setup.test(8)
    assert announced.folder == Path(f"{setup.folder}-test")
    assert setup.test(8).id == announced.id
    with pytest.raises(verdict.UsageError, match="it is of 8 samples, this one of 9"):
        setup.test(9)
    with pytest.raises(verdict.UsageError, match="it has an SRS of its own"):
        setup.test(8, srs="powers.srs")
    for given in ({}, {"threshold": 0.4}, {"metric": "error", "expected": (0, 1)}):
        rows = 9 if not given else 8
        with pytest.raises(verdict.UsageError, match="holds another test, whose key would be lost"):
            setup.evaluate(x[:rows], y[:rows], **given)
    # The same question is asked under its key.
    found = setup.evaluate(x[:8], y[:8])
    assert found.test.id == announced.id == verdict.Setup.open(announced.folder).id
    assert setup.evaluate(x[8:16], y[8:16], threshold=0.5).test.id == announced.id
    setup.evaluate(x[:8], y[:8], test=announced)
    # Where the folder is named, it is what was asked for.
    assert setup.test(9, out=announced.folder).batch == 9
    (announced.folder / "public" / "manifest.json").write_text("{")
    with pytest.raises(verdict.UsageError, match="holds another test"):
        setup.test(8)
    # Nor does a test take the place of a model's setup.
    for folder in (setup.folder, setup.folder / ".." / "setup"):
        with pytest.raises(verdict.UsageError, match="holds a model's setup"):
            setup.test(8, out=folder)
    assert verdict.Setup.open(setup.folder).id == setup.id


def test_a_buyer_reads_figures_of_the_samples_that_were_announced(
    credit: verdict.Setup, samples: dict[str, Any], tmp_path: Path
) -> None:
    x, y, group = (samples[name][:8] for name in ("x", "y", "group"))
    test = credit.test(8, groups=True, out=tmp_path / "test")
    auditor = verdict.Setup.open(test.folder / "public")
    announced = auditor.commit_test(x, y, tmp_path / "salted.json", groups=group)
    made = credit.evaluate(
        x, y, groups=group, test=test, commitment=tmp_path / "salted.json"
    )
    path = made.proof.save(tmp_path / "proof.json")
    for written in (announced, announced.upper().replace("0X", "0x"), announced[2:]):
        found = verdict.Evaluation.of(auditor, path, commitment=written)
        assert (found.right, found.groups, found.difference) == (made.right, made.groups, made.difference)
        assert auditor.verify(path, commitment=written).commitment == announced == found.commitment
    assert found.salted is None and made.salted == tmp_path / "salted.json"

    # Eight samples of sixty that were chosen for being right.
    right = (samples["score"] >= 0.5) == (samples["y"] == 1)
    picked = np.flatnonzero(right)[:8]
    cherries = credit.evaluate(
        samples["x"][picked], samples["y"][picked], groups=samples["group"][picked], test=test
    )
    assert cherries.accuracy == 1
    assert verdict.Evaluation.of(auditor, cherries.proof, commitment=None).accuracy == 1
    for check in (auditor.verify, lambda *own, **given: verdict.Evaluation.of(auditor, *own, **given)):
        with pytest.raises(verdict.InvalidProofError, match="the proof is of other samples: it states"):
            check(cherries.proof, commitment=announced)
        with pytest.raises(verdict.UsageError, match="64 hexadecimal digits"):
            check(cherries.proof, commitment=announced[:-1])
        with pytest.raises(verdict.UsageError, match="commitment is 5"):
            check(cherries.proof, commitment=5)
    with pytest.raises(verdict.UsageError, match="is no test"):
        verdict.Evaluation.of(credit, credit.prove(x[0]), commitment=announced)
    with pytest.raises(verdict.InvalidProofError, match="states no commitment to inputs"):
        credit.verify(credit.prove(x[0]), commitment=announced)
    with pytest.raises(TypeError):
        verdict.Evaluation.of(auditor, path)  # type: ignore[call-arg]


def test_the_salt_is_kept(
    evaluation: verdict.Evaluation, credit: verdict.Setup, samples: dict[str, Any]
) -> None:
    assert evaluation.salted is not None and evaluation.salted.parent == evaluation.test.folder / "private"
    again = credit.evaluate(
        samples["x"],
        samples["y"],
        groups=samples["group"],
        test=evaluation.test,
        commitment=evaluation.salted,
    )
    found = verdict.Evaluation.of(again.test, again.proof, commitment=evaluation.commitment)
    assert repr(found) == repr(again) == repr(evaluation)
    assert evaluation.salted.stat().st_mode & 0o077 == 0


def test_samples_of_a_test_are_committed_to(
    credit: verdict.Setup, samples: dict[str, Any], tmp_path: Path
) -> None:
    x, y = samples["x"][:8], samples["y"][:8]
    test = credit.test(8, out=tmp_path / "test")
    out = tmp_path / "salted.json"
    for given, words in (
        ((credit, x, y), "is no test"),
        ((test, x[:7], y[:7]), "x has 7 rows, the test is of 8"),
        ((test, x, y[:7]), r"y has shape \(7,\)"),
        ((test, x, np.full(8, "good")), "the model's classes are not known here"),
    ):
        setup, *rest = given
        with pytest.raises(verdict.Error, match=words):
            setup.commit_test(*rest, out)
    with pytest.raises(verdict.UsageError, match="does not count groups"):
        test.commit_test(x, y, out, groups=np.zeros(8))
    with pytest.raises(verdict.UsageError, match="columns has 2 names, the model takes"):
        test.commit_test(x, y, out, columns=["a", "b"])
    assert not out.exists()
    names = np.where(y == 1, "good", "bad")
    frame = {f"c{index}": x[:, index] for index in range(x.shape[1])}
    announced = test.commit_test(
        frame, names, out, columns=list(frame), classes=["bad", "good"]
    )
    assert credit.evaluate(x, y, test=test, commitment=out).commitment == announced


def test_rates_at_several_thresholds_bound_the_area_under_their_curve(
    credit: verdict.Setup, samples: dict[str, Any], tmp_path: Path
) -> None:
    x, y, score = samples["x"], samples["y"], samples["score"]
    points = [(0.0, 0.0)]
    commitments = set()
    for threshold in (0.9, 0.75, 0.5):
        found = credit.evaluate(
            x,
            y,
            groups=y,
            threshold=threshold,
            commitment=tmp_path / "salted.json",
            out=tmp_path / f"test-{threshold}",
        )
        commitments.add(found.commitment)
        assert found.groups is not None
        negative, positive = (group.rate for group in found.groups)
        assert negative is not None and positive is not None
        points.append((negative, positive))
    points.append((1.0, 1.0))
    # One file of a commitment, and so the same samples.
    assert len(commitments) == 1
    steps = list(zip(points, points[1:]))
    lower = sum((right[0] - left[0]) * left[1] for left, right in steps)
    upper = sum((right[0] - left[0]) * right[1] for left, right in steps)
    pairs = np.sign(score[y == 1][:, None] - score[y == 0][None])
    area = ((pairs + 1) / 2).mean()
    assert lower < area < upper and upper - lower < 0.5
