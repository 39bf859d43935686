"""The ranges of a model's inputs, from data: what ``ranges.json`` says on the command line.

Every input has a declared range, which a proof enforces: an input outside of it is refused. What is
inferred of a column of numbers:

- **decimals**: the fewest with which all of its values are written, if 4 or less are enough. Such an
  input is taken exactly; a value of more decimals is refused. Otherwise none are declared.
- **range**: from the least to the greatest value, wider by a tenth of that on both sides, as the
  command line's ``--calibration`` does. It is not widened past zero if all values are on one side of
  it, and not at all if the values are 0 and 1 only. A constant gets a width of 1.
- **missing**: only where ``missing`` names it.

A column of strings gets its values as categories. Of an array of more than two dimensions (images),
all elements have one range.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Mapping, Sequence, Union

import numpy as np

from . import _check
from ._data import Array, Table, check_values, listed, parsed
from .errors import InputError, UsageError

#: (lo, hi), or an object as in ranges.json: min, max, decimals, missing, categories.
Range = Union[Sequence[float], Mapping[str, Any]]
#: Ranges by column or by the model's inputs, one pair for all inputs, or a file of them.
Ranges = Union[Mapping[str, Range], Sequence[float], str, Path]

#: Most decimals that are inferred.
MAX_DECIMALS = 4
#: How much wider than the data, on either side.
MARGIN = 0.1


def decimals(values: Array) -> int | None:
    """The fewest decimals that write all values; None if more than four are needed."""
    for places in range(MAX_DECIMALS + 1):
        if np.array_equal(np.round(values, places), values):
            return places
    return None


def of_numbers(values: Array, missing: bool) -> dict[str, Any]:
    """The range of numbers, at least one, as an entry of ``ranges.json``."""
    values = values[~np.isnan(values)]
    if values.size == 0:
        raise InputError("all values are missing")
    lo, hi = float(values.min()), float(values.max())
    places = decimals(values)
    if np.isin(values, (0.0, 1.0)).all():
        low, high = 0.0, 1.0
    elif lo == hi:
        low, high = (lo - 0.5, hi + 0.5) if places != 0 else (lo - 1.0, hi + 1.0)
    else:
        margin = (hi - lo) * MARGIN
        low, high = lo - margin, hi + margin
    low = max(low, 0.0) if lo >= 0.0 else low
    high = min(high, 0.0) if hi < 0.0 else high
    entry: dict[str, Any] = {}
    if places is not None:
        unit = 10.0**places
        low, high = math.floor(low * unit) / unit, math.ceil(high * unit) / unit
        entry["decimals"] = places
    entry = {"min": low, "max": high, **entry}
    if missing:
        entry["missing"] = True
    return entry


def of_strings(
    values: Array, known: Sequence[str] | None, missing: bool = False
) -> dict[str, Any]:
    """The categories of a column of strings. `known` are those that the model tells apart."""
    names = sorted({value for value in values if value is not None})
    if known is None:
        return {"categories": names}
    own = [name for name in names if name in known]
    entry: dict[str, Any] = {"categories": own or list(known)}
    if len(own) < len(names):
        entry["other"] = True
    return entry


def infer(
    data: Table,
    tensors: list[dict[str, Any]],
    matrix: bool,
    missing: Sequence[str],
    codes: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """The ranges of a table's columns, by the tensors that they fill.

    `codes` are the categories that a column's numbers stand for, in their order.
    """
    unknown = [name for name in missing if name not in data]
    if unknown:
        raise UsageError(
            f"missing names {unknown[0]!r}, which is no column; there are {listed(data)}"
        )
    entries = []
    for index, (name, values) in enumerate(data.items()):
        if values.dtype == object and name in missing:
            raise UsageError(
                f"missing names {name!r}, which is a column of strings: these cannot be missing",
                f"give missing ones a name before the model is fitted: x[{name!r}].fillna('missing')",
            )
        if not len(values):
            raise InputError(f"the data have no rows: column {name!r} is empty")
        check_values(name, values, name in missing)
        known = None if matrix else _known(tensors[index])
        if values.dtype != object:
            if known is not None:
                raise InputError(f"column {name!r} is of numbers, the model takes strings there")
            try:
                entries.append(of_numbers(values, name in missing))
            except InputError as error:
                raise InputError(f"column {name!r}: {error.message}") from None
        elif name in codes:
            numbered = {category: code for code, category in enumerate(codes[name])}
            entries.append({"categories": numbered})
        elif known is None:
            row = int(np.flatnonzero(values != None)[0])  # noqa: E711 - of each element
            hint = parsed(name, values)
            raise InputError(
                f"column {name!r}, row {row} is {values[row]!r}: the model takes numbers there",
                hint or "encode it within the pipeline, with a OneHotEncoder for example",
            )
        else:
            entries.append(of_strings(values, known))
    names = [str(tensor["name"]) for tensor in tensors]
    if matrix:
        return {names[0]: entries}
    return dict(zip(names, entries))


def infer_array(values: Array, tensor: dict[str, Any], missing: bool) -> dict[str, Any]:
    """The ranges of an array, shape [rows, …]: by element, or one for all of an image."""
    name = str(tensor["name"])
    flat = values.reshape(len(values), -1)
    if not np.isfinite(flat).all() and not (missing and not np.isinf(flat).any()):
        row, index = map(int, np.argwhere(~np.isfinite(flat))[0])
        raise InputError(
            f"row {row}, element {index} of the data is {flat[row, index]}: not a finite number",
            "drop such rows, or declare missing=True if the model takes missing values",
        )
    if values.ndim > 2:
        return {name: of_numbers(flat.reshape(-1), missing)}
    return {name: [of_numbers(column, missing) for column in flat.T]}


def _known(tensor: dict[str, Any]) -> list[str] | None:
    """The strings that a tensor of strings is told apart by."""
    categories = tensor.get("categories") or [None]
    first = categories[0]
    return sorted(first["names"]) if first and first.get("only") else None


#: What an object of a range may have.
FIELDS = ("min", "max", "decimals", "missing", "categories", "other")


def pair(name: str, entry: Any) -> list[float]:
    """(lo, hi) as numbers of Python's.

    Raises:
        UsageError: it is something else.
    """
    what = f"{name} is {entry!r}; it is (lo, hi), two finite numbers with lo below hi"
    try:
        found = [] if isinstance(entry, (str, bytes)) else list(entry)
    except TypeError:
        raise UsageError(what) from None
    if len(found) != 2:
        raise UsageError(what)
    low, high = (_check.number(f"{name}: {end}", own) for end, own in zip(("lo", "hi"), found))
    if not low < high:
        raise UsageError(what)
    return [low, high]


def checked(name: str, entry: Any) -> Any:
    """A declared range: what JSON has, and nothing that it is not.

    Raises:
        UsageError: it is no range.
    """
    called = f"ranges[{name!r}]"
    if not isinstance(entry, Mapping):
        several = not isinstance(entry, (str, bytes)) and hasattr(entry, "__iter__")
        if several and not hasattr(entry, "dtype"):
            found = list(entry)
            if found and all(isinstance(own, (Mapping, list, tuple)) for own in found):
                return [checked(f"{name}[{index}]", own) for index, own in enumerate(found)]
        return pair(called, entry)
    own = {str(key): value for key, value in entry.items()}
    unknown = [key for key in own if key not in FIELDS]
    if unknown:
        raise UsageError(f"{called} has {unknown[0]!r}; there are {listed(FIELDS)}")
    for key, value in own.items():
        if hasattr(value, "tolist"):
            own[key] = value.tolist()
    for key in ("min", "max"):
        if key in own and not isinstance(own[key], (list, tuple)):
            own[key] = _check.number(f"{called}: {key}", own[key])
    if own.get("decimals") is not None and not isinstance(own["decimals"], (list, tuple)):
        own["decimals"] = _check.whole(f"{called}: decimals", own["decimals"], most=30)
    categories = own.get("categories")
    if isinstance(categories, Mapping):
        own["categories"] = {
            str(key): value.item() if hasattr(value, "item") else value
            for key, value in categories.items()
        }
    elif categories is not None:
        own["categories"] = [
            value.item() if hasattr(value, "item") else value for value in categories
        ]
    return own


def declare(
    inferred: dict[str, Any],
    ranges: Mapping[str, Range],
    tensors: list[dict[str, Any]],
    columns: list[str] | None,
    matrix: bool,
) -> dict[str, Any]:
    """Inferred ranges with those that are declared in their place, by column or by tensor."""
    names = [str(tensor["name"]) for tensor in tensors]
    out = dict(inferred)
    for name, entry in ranges.items():
        own = checked(name, entry)
        if columns is not None and name in columns:
            index = columns.index(name)
            if matrix:
                entries = list(out.get(names[0]) or [None] * len(columns))
                entries[index] = own
                out[names[0]] = entries
            else:
                out[names[index]] = own
        elif name in names:
            out[name] = own
        else:
            raise UsageError(
                f"ranges names {name!r}, which is no column and no input of the model; there are "
                f"{listed(columns or names)}"
            )
    if matrix and columns is not None and isinstance(out.get(names[0]), list):
        absent = [name for name, entry in zip(columns, out[names[0]]) if entry is None]
        if absent:
            raise UsageError(
                f"the range of column {absent[0]!r} is not known",
                "give data, from which ranges are inferred, or declare it in ranges",
            )
    return out
