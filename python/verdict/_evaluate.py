"""How good a model is on samples that are committed to, and not shown."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Sequence

import numpy as np
import numpy.typing as npt

from . import _check, _verdict
from ._data import array
from ._progress import Progress, callback
from ._proof import Proof
from .errors import InputError, UsageError

if TYPE_CHECKING:
    from ._setup import Setup

Metric = Literal["accuracy", "error"]
#: Inputs that a test has beside the model's.
EXPECTED, GROUP = "expected", "group"


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
    """What a proof says of a model's quality.

    Attributes:
        test: the setup whose key it holds under; its public part verifies, with ``test.verify(proof)``.
        proof: the proof. It states the commitment and totals, nothing of a sample.
        commitment: to all samples, with what was expected of them.
        samples: how many there are.
        right: right answers; None of an error.
        accuracy: their part of all; None of an error.
        mean_error: mean of |answer − expected|; None of an accuracy.
        groups: group 0 and group 1, if approvals were counted.
        difference: the approval rate of group 1 less that of group 0: demographic parity is 0.
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
    from ._setup import Setup

    if metric not in ("accuracy", "error"):
        raise UsageError(f"metric is {metric!r}; it is 'accuracy' or 'error'")
    if metric == "error" and (threshold is not None or groups):
        raise UsageError("a threshold and groups are of classes; metric is 'error'")
    count = _check.whole("samples", samples, least=2, most=4096)
    bounds = None if expected is None else [float(end) for end in expected]
    told = callback(progress)
    plan = setup._own.measured(metric, threshold, groups, bounds, count, setup._model(), told)
    folder = Path(out or f"{setup.folder}-test").absolute()
    path = setup._srs if srs is None else Path(srs).absolute()
    development = dev_srs or (path is None and setup.insecure_srs)
    _verdict.setup(plan, folder, path, development, setup._threads, None, told)
    return Setup.open(folder, srs=path, threads=setup._threads)


def evaluate(
    setup: Setup,
    x: Any,
    y: Any,
    *,
    groups: Any,
    metric: Metric,
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
    with setup._layout.naming():
        rows: list[dict[str, Any]] = json.loads(setup._layout.samples(x))
    wanted = _expected(setup, y, metric, len(rows))
    of_group = None if groups is None else _groups(groups, len(rows))
    if test is None:
        test = make_test(
            setup, len(rows), metric, threshold, of_group is not None, expected, out, srs, dev_srs, progress
        )
    _check_test(test, len(rows), of_group is not None)
    for index, row in enumerate(rows):
        row[EXPECTED] = [float(wanted[index])]
        if of_group is not None:
            row[GROUP] = [int(of_group[index])]
    samples, told = json.dumps(rows), callback(progress)
    with tempfile.TemporaryDirectory(prefix="verdict-") as folder:
        salted = Path(folder) / "salted.json" if commitment is None else Path(commitment)
        if commitment is None or not salted.exists():
            _verdict.commit(test._own, samples, salted)
        own = test._open_prover(told).prove(samples, "[]", salted, told)
    return _found(test, test._proof(own))


def _found(test: Setup, proof: Proof) -> Evaluation:
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
    )


def _expected(setup: Setup, y: Any, metric: Metric, rows: int) -> npt.NDArray[np.float64]:
    """What is expected of each row: a number, or the position of a class."""
    values = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
    values = values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values
    if values.shape != (rows,):
        raise InputError(f"y has shape {values.shape}, x has {rows} rows")
    classes = setup.classes
    if metric == "accuracy" and classes is not None and setup.outputs[0] != "label":
        # True, 1 and 1.0 are one class, as they are to scikit-learn.
        places = {own: place for place, own in enumerate(classes)}
        unknown = next((own for own in values.tolist() if own not in places), None)
        if unknown is not None:
            known = ", ".join(map(repr, classes))
            raise InputError(f"y has the class {unknown!r}, the model knows {known}")
        return np.array([places[own] for own in values.tolist()], dtype=np.float64)
    numbers = array(values)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        raise InputError(f"y, row {int(bad[0])} is {numbers[bad[0]]}: not a finite number")
    if metric == "accuracy" and (numbers != np.round(numbers)).any():
        row = int(np.flatnonzero(numbers != np.round(numbers))[0])
        raise InputError(f"y, row {row} is {numbers[row]}: a class is a whole number")
    return numbers


def _groups(groups: Any, rows: int) -> npt.NDArray[np.int64]:
    values = array(groups.to_numpy() if hasattr(groups, "to_numpy") else groups)
    values = values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values
    if values.shape != (rows,):
        raise InputError(f"groups has shape {values.shape}, x has {rows} rows")
    wrong = np.flatnonzero((values != 0) & (values != 1))
    if wrong.size:
        row = int(wrong[0])
        raise InputError(f"groups, row {row} is {values[row]}: a sample is of group 0 or 1")
    return values.astype(np.int64)


def _check_test(test: Setup, rows: int, groups: bool) -> None:
    measure = test.manifest["model"].get("measure")
    if measure is None:
        raise UsageError(f"{test.folder} is no test", "make one with setup.test(samples)")
    if test.batch != rows:
        raise UsageError(f"x has {rows} rows, the test is of {test.batch}")
    if bool(measure.get("groups")) != groups:
        wants = "counts" if measure.get("groups") else "does not count"
        raise UsageError(f"the test {wants} groups", "give groups= as the test was made")


__all__: Sequence[str] = ("Evaluation", "Group", "evaluate", "make_test")
