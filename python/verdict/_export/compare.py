"""Whether an exported file says what the model says that it was made of."""

from __future__ import annotations

import warnings
from typing import Any, Callable, Sequence

import numpy as np

from .._data import Array
from ..errors import ModelError

#: What a model says about rows: its outputs by the file's names, shape [rows, …], those that it has a
#: word for; or, of a torch module, all of them in the file's order.
Reference = Callable[[Any, Sequence[str]], "dict[str, Any] | list[Any]"]

#: What a value may differ by, of what the output's values differ by among themselves.
TOLERANCE = 1e-3
#: The same of the largest value: float32's rounding, many times over.
ROUNDING = 1e-5
#: A difference of so many tolerances is no rounding.
GROSS = 20
#: How often rows are moved by what float32 rounds, to see whether the model is as undecided.
NUDGES = 16
#: By which part of a value: a few units in the last place of a float32.
NUDGE = 2.0**-22


def quiet(reference: Reference, rows: Any, names: Sequence[str]) -> dict[str, Array]:
    """What a model says; its warnings about names of features are not the user's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = reference(rows, names)
    each = dict(zip(names, found)) if isinstance(found, list) else found
    return {
        name: np.asarray(value, dtype=np.float64).reshape(len(value), -1)
        for name, value in each.items()
    }


def tolerance(wanted: Array) -> Array:
    """What each column of outputs may differ by, shape [columns]."""
    finite = np.where(np.isfinite(wanted), wanted, 0.0)
    largest = np.abs(finite).max(axis=0)
    spread = finite.max(axis=0) - finite.min(axis=0)
    # A few rows, or equal ones, do not say what the output's values differ by.
    spread = np.where((len(wanted) < 8) | (spread == 0), largest, spread)
    return np.asarray(np.maximum(TOLERANCE * spread + ROUNDING * largest, 1e-12))


def compare(
    wanted: Array,
    found: Array,
    again: Callable[[Array], Sequence[Array]] | None = None,
    called: Callable[[int], str] = "row {} of the data".format,
    refuse: bool = True,
) -> str | None:
    """Compares what a model says (`wanted`) with what its file says (`found`), shape [rows, columns].

    A row on which a float32 of the file falls on the other side of a tree's threshold is a matter of
    rounding: `again` says what the model says of the rows of these indices, moved by as much.

    Returns:
        What is to be warned of; None if no row differs.

    Raises:
        ModelError: more than a quarter of the rows differ, or a row by more than rounding, if
            `refuse`; or there are other numbers of outputs.
    """
    if wanted.shape != found.shape:
        raise ModelError(
            f"the exported file is not the model: it has {found.shape[1]} numbers for an inference, "
            f"the model {wanted.shape[1]}",
            HINT,
        )
    limit = tolerance(wanted)
    off = ~(np.abs(wanted - found) <= limit)
    rows = np.flatnonzero(off.any(axis=1))
    if not len(rows):
        return None
    gross = np.flatnonzero((~(np.abs(wanted - found) <= GROSS * limit)).any(axis=1))
    if again is not None and 0 < len(gross) <= len(found) // 4:
        moved = np.stack([wanted[gross], *again(gross)])
        low, high = moved.min(axis=0) - limit, moved.max(axis=0) + limit
        gross = gross[~((low <= found[gross]) & (found[gross] <= high)).all(axis=1)]
    row = int(gross[0] if len(gross) else rows[0])
    at = int(np.flatnonzero(off[row])[0])
    said = (
        f"on {len(rows)} of {len(found)} rows it says otherwise, of {called(row)} "
        f"{found[row, at]:g} where the model says {wanted[row, at]:g}"
    )
    if refuse and (len(gross) or len(rows) * 4 > len(found)):
        raise ModelError(f"the exported file is not the model: {said}", HINT)
    if len(rows) * 4 > len(found) or len(gross):
        return f"the exported file is not the model beyond the data: {said}. {HINT}"
    return (
        f"the exported file is not the model everywhere: {said}. ONNX files compute in float32; round "
        "the columns before the model is fitted"
    )


HINT = (
    "this is a fault of the exporter, or of its version; export the model another way, and give its "
    "ONNX file"
)
