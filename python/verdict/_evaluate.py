"""How good a model is on samples that are committed to, and not shown."""

from __future__ import annotations

import json
import secrets
import warnings
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Sequence

from . import _check, _tested, _verdict
from ._progress import Progress, callback
from ._proof import Proof
from .errors import Error, UsageError, VerdictWarning

if TYPE_CHECKING:
    from ._setup import Setup

Metric = Literal["accuracy", "error"]
#: From which score on the class is 1, where nothing else is asked for.
DEFAULT_THRESHOLD = 0.5
#: How far a proven probability may be out of 0 to 1.
SLACK = 0.01


@dataclass(frozen=True)
class Group:
    """One of two groups of samples.

    Attributes:
        members: how many samples are of it.
        approved: how many of these the model's answer is class 1 of.
    """

    members: int
    approved: int

    @property
    def rate(self) -> float | None:
        """The approval rate; None without members."""
        return self.approved / self.members if self.members else None


@dataclass(frozen=True)
class Evaluation:
    """What a proof says of a model's quality. :meth:`Setup.evaluate` makes one with its proof; whoever
    has the test's public part and the proof reads it with :meth:`of`.

    Attributes:
        test: the setup whose key it holds under; its public part verifies.
        proof: the proof. It states the commitment and totals, nothing of a sample.
        commitment: to all samples, with what was expected of them.
        samples: how many there are.
        right: right answers; None of an error.
        accuracy: their part of all; None of an error.
        mean_error: mean of |answer − expected|; None of an accuracy.
        groups: group 0 and group 1, if approvals were counted.
        difference: the approval rate of group 1 less that of group 0: demographic parity is 0.
        salted: the file of the commitment and its salt, with which one proves about the same samples
            again, and shows which they were; None where others made the proof. It is as secret as they.
    """

    test: Setup
    proof: Proof
    commitment: str
    samples: int
    right: int | None
    accuracy: float | None
    mean_error: float | None
    groups: tuple[Group, Group] | None
    difference: float | None
    salted: Path | None = field(default=None, compare=False)

    @classmethod
    def of(cls, test: Setup, proof: Proof | str | PathLike[str], *, commitment: str | None) -> Evaluation:
        """Checks a proof of a test, and reads its figures. No sample is needed.

        Args:
            test: the test; its public part is enough. Its id has to be the one that was announced: it
                says what is measured, on how many samples. Which model that is the test of, nothing
                here says: see docs/quality.md.
            proof: a proof, or the file of one.
            commitment: the commitment to samples that was announced. None if there was none: then
                whoever made the proof chose the samples.

        Raises:
            InvalidProofError: it does not hold, is not about this test, or of other samples.
            UsageError: the setup is no test.
        """
        _tested.measure_of(test)
        read = test._proof(test._proof_of(proof))
        test.verify(read, commitment=commitment)
        return _found(test, read)

    def __repr__(self) -> str:
        if self.accuracy is None:
            told = f"mean error {self.mean_error:.6g} over {self.samples} samples"
        else:
            told = f"{self.right} of {self.samples} right, {self.accuracy:.1%}"
        if self.groups is not None:
            rates = (f"{own.approved} of {own.members}" for own in self.groups)
            told += f", approved {' and '.join(rates)}"
        return f"Evaluation({told}, commitment {self.commitment})"


def make_test(
    setup: Setup,
    samples: int,
    metric: Metric,
    threshold: float | None,
    groups: bool,
    expected: tuple[float, float] | None,
    out: str | PathLike[str] | None,
    srs: str | PathLike[str] | None,
    dev_srs: bool,
    progress: Progress,
) -> Setup:
    """See :meth:`Setup.test`."""
    from ._make import write_private
    from ._setup import Setup

    threshold, bounds = _tested.asked(metric, threshold, expected)
    if metric == "error" and (threshold is not None or groups):
        raise UsageError("a threshold and groups are of classes; metric is 'error'")
    if metric == "accuracy":
        _check_threshold(setup, threshold)
    count = _check.whole("samples", samples, least=2, most=4096)
    if out is None:
        there = _there(setup, count, bool(groups), metric, threshold, bounds, srs, dev_srs)
        if there is not None:
            return there
    folder = _default_folder(setup) if out is None else _check.folder("out", out)
    _check_no_model(folder)
    told = callback(progress)
    listed = None if bounds is None else list(bounds)
    plan = setup._own.measured(metric, threshold, bool(groups), listed, count, setup._model(), told)
    path = setup._srs if srs is None else Path(srs).absolute()
    development = dev_srs or (path is None and setup.insecure_srs)
    _verdict.setup(plan, folder, path, development, setup._threads, None, told)
    made = _verdict.Setup.open(folder).id
    write_private(folder / _tested.FILE, _tested.to_json(made, setup).encode())
    return Setup.open(folder, srs=path, threads=setup._threads)


def _check_threshold(setup: Setup, threshold: float | None) -> None:
    """Where a score decides, it is a probability, or what it decides by is told.

    Raises:
        UsageError: it is not told.
    """
    output = setup.manifest["output"]
    # Labels are integers; of several numbers the greatest decides.
    if output["count"] != 1 or output["decimals"] == 0:
        return
    low, high = (output[end] / 10 ** output["decimals"] for end in ("min", "max"))
    score = f"the output {setup.outputs[0]!r} is from {low:g} to {high:g}"
    if threshold is None and not (-SLACK <= low and high <= 1 + SLACK):
        raise UsageError(
            f"{score}, which is no probability",
            "give threshold=, from which on the class is 1, or metric='error'",
        )
    if threshold is not None and not low < threshold <= high:
        warnings.warn(
            f"threshold is {threshold:g}, and {score}: all answers are of one class",
            VerdictWarning,
            stacklevel=4,
        )


def _default_folder(setup: Setup) -> Path:
    return Path(f"{setup.folder}-test").absolute()


def _check_no_model(folder: Path) -> None:
    try:
        held = json.loads(_verdict.Setup.open(folder).manifest())
    except Error:
        return
    if held["model"].get("measure") is None:
        raise UsageError(f"{folder} holds a model's setup, whose key would be lost", "name another, out=")


def _holds(folder: Path) -> bool:
    """Whether a setup is there, though it may be one that cannot be opened."""
    return (folder / "public").exists() or (folder / "manifest.json").exists()


def evaluate(
    setup: Setup,
    x: Any,
    y: Any,
    *,
    groups: Any,
    metric: Metric | None,
    threshold: float | None,
    expected: tuple[float, float] | None,
    test: Setup | None,
    commitment: str | PathLike[str] | None,
    out: str | PathLike[str] | None,
    srs: str | PathLike[str] | None,
    dev_srs: bool,
    progress: Progress,
) -> Evaluation:
    """See :meth:`Setup.evaluate`."""
    threshold, expected = _tested.asked(metric, threshold, expected)
    if setup.manifest["model"].get("measure") is not None:
        raise UsageError(
            f"{setup.folder} is a test", "evaluate the setup of its model, with test="
        )
    if test is not None:
        for name, given in (("out", out), ("srs", srs), ("dev_srs", dev_srs or None)):
            if given is not None:
                raise UsageError(f"{name} is of a test that is made, and test= gives one")
        measure = _tested.measure_of(test)
        _tested.check_model(test, setup)
        asks: Any = metric or _tested.metric_of(measure)
    else:
        asks = metric or "accuracy"
    classes = None if setup.outputs[0] == "label" else setup.classes
    rows = _tested.rows_of(setup._layout, classes, x, y, groups, asks)
    grouped = groups is not None
    if test is None:
        test = make_test(
            setup, len(rows), asks, threshold, grouped, expected, out, srs, dev_srs, progress
        )
    _tested.check_asks(test, len(rows), grouped, metric, threshold, expected)
    samples, told = json.dumps(rows), callback(progress)
    salted = _salted(test, samples, commitment)
    own = test._open_prover(told).prove(samples, "[]", salted, told)
    return _found(test, test._proof(own), salted)


def _there(
    setup: Setup,
    samples: int,
    groups: bool,
    metric: str,
    threshold: float | None,
    expected: tuple[float, float] | None,
    srs: str | PathLike[str] | None,
    dev_srs: bool,
) -> Setup | None:
    """The test in the default folder, if it asks the same; None if there is none.

    Raises:
        UsageError: it asks something else.
    """
    from ._setup import Setup

    folder = _default_folder(setup)
    if not _holds(folder):
        return None
    try:
        test = Setup.open(folder, srs=setup._srs, threads=setup._threads)
        measure = _tested.measure_of(test)
        if test._tested is None or test._tested.of != setup.id:
            raise UsageError("it is of another setup")
        if srs is not None or test.insecure_srs != (dev_srs or setup.insecure_srs):
            raise UsageError("it has an SRS of its own")
        if test.batch != samples:
            raise UsageError(f"it is of {test.batch} samples, this one of {samples}")
        if threshold is None and isinstance(measure["metric"], dict):
            threshold = DEFAULT_THRESHOLD
        _tested.check_asks(test, samples, groups, metric, threshold, expected)
    except Error as error:
        raise UsageError(
            f"{folder} holds another test, whose key would be lost: {error.message}",
            "name a folder for this one with out=, or give a test with test=",
        ) from error
    return test


def _salted(test: Setup, samples: str, commitment: str | PathLike[str] | None) -> Path:
    """The file of the commitment to samples, which is made if there is none."""
    if commitment is not None:
        path = Path(commitment)
        if not path.exists():
            _verdict.commit(test._own, samples, _check.beside(path))
        return path
    made = test.folder / "private" / f".commitment-{secrets.token_hex(8)}.json"
    (found,) = _verdict.commit(test._own, samples, made)
    return made.replace(made.with_name(f"commitment-{found[2:18]}.json"))


def commit_test(
    test: Setup,
    x: Any,
    y: Any,
    out: str | PathLike[str],
    groups: Any,
    columns: Sequence[str] | None,
    classes: Sequence[Any] | None,
) -> str:
    """See :meth:`Setup.commit_test`."""
    measure = _tested.measure_of(test)
    if bool(measure.get("groups")) != (groups is not None):
        wants = "counts" if measure.get("groups") else "does not count"
        raise UsageError(f"the test {wants} groups", "give groups= as the test was made")
    noted = test._tested
    if columns is not None or noted is None:
        names = None if columns is None else _check.names("columns", columns)
        layout = _tested.layout_of(test.manifest, names)
        if layout.columns is None and hasattr(x, "columns"):
            raise UsageError(
                "x has named columns, whose order only the test's private part says",
                "give columns= in the model's order, as its owner tells them, or an array",
            )
    else:
        layout = noted.layout
    known = list(classes) if classes is not None else (None if noted is None else noted.classes)
    if measure["metric"] == "label":
        known = None
    rows = _tested.rows_of(layout, known, x, y, groups, _tested.metric_of(measure))
    if len(rows) != test.batch:
        raise UsageError(f"x has {len(rows)} rows, the test is of {test.batch}")
    (found,) = _verdict.commit(test._own, json.dumps(rows), _check.beside(out))
    return found


def _found(test: Setup, proof: Proof, salted: Path | None = None) -> Evaluation:
    figures: dict[str, Any] = json.loads(_verdict.verify(test._own, proof._own))["figures"]
    found = figures.get("groups")
    groups = None
    if found is not None:
        first, second = (Group(*own) for own in zip(found["members"], found["approved"]))
        groups = (first, second)
    return Evaluation(
        test,
        proof,
        str(proof.commitment),
        figures["samples"],
        figures.get("right"),
        figures.get("accuracy"),
        figures.get("mean_error"),
        groups,
        None if found is None else found.get("difference"),
        salted,
    )


__all__: Sequence[str] = ("Evaluation", "Group", "commit_test", "evaluate", "make_test")
