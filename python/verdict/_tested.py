"""What a test is of: the model, what is measured, and how columns and classes fill its samples."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence

import numpy as np
import numpy.typing as npt

from . import _check, _kept
from ._data import Layout, array
from .errors import Error, InputError, UsageError, VerdictWarning

if TYPE_CHECKING:
    from ._setup import Setup

#: Inputs that a test has beside the model's.
EXPECTED, GROUP = "expected", "group"
#: With the private part: which setup it is a test of, and the names that this one has. It is the file of
#: columns, as that goes when a folder is set up again.
FILE = _kept.COLUMNS


@dataclass(frozen=True)
class Tested:
    """What Python notes of a test.

    Attributes:
        of: the id of the setup whose model it measures.
        layout: how columns fill the model's inputs.
        classes: the model's classes, in their order, if they are known.
    """

    of: str
    layout: Layout
    classes: list[Any] | None


def to_json(test_id: str, of: Setup) -> str:
    """For the file that is kept with a test's private part."""
    content = {
        "version": Layout.VERSION,
        "setup_id": test_id,
        "of": of.id,
        "columns": of._layout.columns,
        "matrix": of._layout.matrix,
        "classes": of.classes,
    }
    return json.dumps(content, indent=2) + "\n"


def read(folder: Path, setup_id: str, manifest: dict[str, Any]) -> Tested | None:
    """What is noted of a test; None of another setup, or where nothing is.

    Raises:
        Error: the file is none of this test.
    """
    path = folder / FILE
    if manifest["model"].get("measure") is None or not _kept.is_file(path):
        return None
    malformed = f"{path}: not a test's file of columns"
    if path.stat().st_size > _kept.MAX_BYTES:
        raise Error(f"{malformed}: it is larger than {_kept.MAX_BYTES >> 20} MiB")
    try:
        content = json.loads(path.read_bytes())
        own, of, version = content["setup_id"], content["of"], content["version"]
        columns, matrix, classes = content["columns"], content["matrix"], content["classes"]
    except (ValueError, KeyError, TypeError, RecursionError, OSError) as error:
        raise Error(f"{malformed}: {error}") from error
    if own != setup_id:
        raise Error(
            f"{path} is of another test ({own}) than the folder ({setup_id})",
            "make the test again, or remove the file and give arrays in the model's order",
        )
    named = columns is None or (
        isinstance(columns, list) and all(isinstance(name, str) for name in columns)
    )
    listed_classes = classes is None or isinstance(classes, list)
    if version != Layout.VERSION or not isinstance(of, str) or not isinstance(matrix, bool):
        raise Error(f"{malformed} of this version")
    if not named or not listed_classes:
        raise Error(f"{malformed}: columns and classes are lists")
    return Tested(of, layout_of(manifest, columns), classes)


def measure_of(test: Setup) -> dict[str, Any]:
    """What a test measures.

    Raises:
        UsageError: it is no test.
    """
    from ._setup import Setup

    if not isinstance(test, Setup):
        raise UsageError(
            f"test is {test!r}; it is a setup", "open a folder with verdict.Setup.open"
        )
    measure = test.manifest["model"].get("measure")
    if measure is None:
        raise UsageError(f"{test.folder} is no test", "make one with setup.test(samples)")
    return dict(measure)


def metric_of(measure: dict[str, Any]) -> str:
    """In the words of arguments."""
    return "error" if measure["metric"] == "absolute_error" else "accuracy"


def layout_of(manifest: dict[str, Any], columns: Sequence[str] | None) -> Layout:
    """How columns fill the inputs of a test that are the model's.

    Raises:
        UsageError: there are not as many.
    """
    added = 2 if manifest["model"]["measure"].get("groups") else 1
    tensors = manifest["model"]["inputs"][:-added]
    if columns is None:
        return Layout(tensors, None, True)
    matrix = len(tensors) == 1
    count = len(manifest["input"]["ranges"]) - added if matrix else len(tensors)
    if len(columns) != count or len(set(columns)) != count:
        raise UsageError(f"columns has {len(columns)} names, the model takes {count} different ones")
    return Layout(tensors, list(columns), matrix)


def check_model(test: Setup, setup: Setup) -> None:
    """A test is one of the setup's model, and of the output that is its score.

    Raises:
        UsageError: it is another model's, or nothing says whose it is.
    """
    measure = measure_of(test)
    if test._tested is None or test._tested.of != setup.id:
        _check_file(test, setup)
    if measure["output"] != setup.outputs[0]:
        raise UsageError(
            f"the test measures the output {measure['output']!r}, the setup's first is "
            f"{setup.outputs[0]!r}"
        )


def _check_file(test: Setup, setup: Setup) -> None:
    """Both were made from one file, as their hashes say; of hidden weights, as the file says."""
    hashes = [own.manifest["model"]["hash"] for own in (test, setup)]
    if {own.manifest["weights"] for own in (test, setup)} == {"public"}:
        if hashes[0] != hashes[1]:
            raise UsageError(
                f"{test.folder} is a test of another model: its file's hash is {hashes[0]}, the "
                f"setup's {hashes[1]}",
                "make one with setup.test(samples)",
            )
        return
    path = setup._model_file()
    for own in (setup, test):
        try:
            # Planned again from the file, it is compared with the hash that the manifest has.
            own._own.inspect(path)
        except Error as error:
            raise UsageError(
                f"{test.folder} is not known to be a test of the model of {setup.folder}: {error.message}",
                "make one with setup.test(samples)",
            ) from error


def check_asks(
    test: Setup,
    rows: int,
    groups: bool,
    metric: str | None,
    threshold: float | None,
    expected: tuple[float, float] | None,
) -> None:
    """A test asks what the arguments do; None is whatever it asks.

    Raises:
        UsageError: it asks something else.
    """
    measure = measure_of(test)
    if test.batch != rows:
        raise UsageError(f"x has {rows} rows, the test is of {test.batch}")
    if metric is not None and metric != metric_of(measure):
        raise UsageError(f"metric is {metric!r}, the test's is {metric_of(measure)!r}")
    if bool(measure.get("groups")) != groups:
        wants = "counts" if measure.get("groups") else "does not count"
        raise UsageError(f"the test {wants} groups", "give groups= as the test was made")
    if threshold is not None:
        own = measure["metric"].get("threshold") if isinstance(measure["metric"], dict) else None
        if own is None:
            raise UsageError(f"threshold is {threshold}, and the test has none")
        if not math.isclose(own, threshold, rel_tol=1e-9):
            raise UsageError(f"threshold is {threshold}, the test's is {own}")
    if expected is not None:
        at = -2 if groups else -1
        bounds = tuple(float(end) for end in test.manifest["input"]["ranges"][at])
        if not np.allclose(bounds, expected, rtol=1e-9, atol=0):
            raise UsageError(f"expected is {expected}, the test's is {bounds}")


def asked(metric: Any, threshold: Any, expected: Any) -> tuple[float | None, tuple[float, float] | None]:
    """The threshold and the bounds of what is expected, if they are given.

    Raises:
        UsageError: they are no such numbers, or `metric` is none.
    """
    if metric is not None:
        _check.choice("metric", metric, ("accuracy", "error"))
    cut = None if threshold is None else _check.number("threshold", threshold)
    if expected is None:
        return cut, None
    try:
        low, high = expected
    except (TypeError, ValueError):
        raise UsageError(f"expected is {expected!r}; it is (lo, hi)") from None
    return cut, (_check.number("expected", low), _check.number("expected", high))


def rows_of(
    layout: Layout,
    classes: list[Any] | None,
    x: Any,
    y: Any,
    groups: Any,
    metric: str,
) -> list[dict[str, Any]]:
    """Samples as the library reads them. With `classes`, what is expected is one of these.

    Raises:
        InputError: they do not fit; it names the row.
    """
    with layout.naming():
        rows: list[dict[str, Any]] = json.loads(layout.samples(x))
    _check_index(x, y, "y")
    _check_index(x, groups, "groups")
    wanted = _expected(y, metric, classes, len(rows))
    of_group = None if groups is None else _groups(groups, len(rows))
    for index, row in enumerate(rows):
        row[EXPECTED] = [float(wanted[index])]
        if of_group is not None:
            row[GROUP] = [int(of_group[index])]
    return rows


def _check_index(x: Any, other: Any, name: str) -> None:
    """Rows go by their position; labels of pandas that say otherwise are a mistake.

    Raises:
        InputError: they are the same in another order.
    """
    own: Any = getattr(x, "index", None) if hasattr(x, "columns") else None
    found: Any = getattr(other, "index", None)
    if not hasattr(own, "equals") or not hasattr(found, "equals") or own.equals(found):
        return
    if len(own) == len(found) and own.sort_values().equals(found.sort_values()):
        raise InputError(
            f"{name} has the index of x in another order: rows go by their position",
            f"give {name}.loc[x.index]",
        )
    warnings.warn(
        f"{name} has another index than x; rows go by their position", VerdictWarning, stacklevel=5
    )


def _column(values: Any, name: str, rows: int) -> npt.NDArray[Any]:
    found = np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values)
    found = found.reshape(-1) if found.ndim == 2 and found.shape[1] == 1 else found
    if found.shape != (rows,):
        raise InputError(f"{name} has shape {found.shape}, x has {rows} rows")
    return found


def _expected(
    y: Any, metric: str, classes: list[Any] | None, rows: int
) -> npt.NDArray[np.float64]:
    """What is expected of each row: a number, or the position of a class."""
    values = _column(y, "y", rows)
    if metric == "accuracy" and classes is not None:
        # True, 1 and 1.0 are one class, as they are to scikit-learn.
        places = {own: place for place, own in enumerate(classes)}
        unknown = next((own for own in values.tolist() if own not in places), None)
        if unknown is not None:
            known = ", ".join(map(repr, classes))
            raise InputError(f"y has the class {unknown!r}, the model knows {known}")
        return np.array([places[own] for own in values.tolist()], dtype=np.float64)
    if metric == "accuracy" and values.dtype.kind in "OUS":
        raise InputError(
            f"y has the class {values.tolist()[0]!r}, and the model's classes are not known here",
            "give positions from 0, or classes= in their order",
        )
    if values.dtype.kind not in "biuf":
        raise InputError(f"y, row 0 is {values.tolist()[0]!r}: it is a number")
    numbers = array(values)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        raise InputError(f"y, row {int(bad[0])} is {numbers[bad[0]]}: not a finite number")
    if metric == "accuracy" and (numbers != np.round(numbers)).any():
        row = int(np.flatnonzero(numbers != np.round(numbers))[0])
        raise InputError(f"y, row {row} is {numbers[row]}: a class is a whole number")
    return numbers


def _groups(groups: Any, rows: int) -> npt.NDArray[np.int64]:
    found = _column(groups, "groups", rows)
    if found.dtype.kind not in "biuf":
        raise InputError(f"groups, row 0 is {found.tolist()[0]!r}: a sample is of group 0 or 1")
    values = array(found)
    wrong = np.flatnonzero((values != 0) & (values != 1))
    if wrong.size:
        row = int(wrong[0])
        raise InputError(f"groups, row {row} is {values[row]}: a sample is of group 0 or 1")
    return values.astype(np.int64)
