"""From what people have (frames, arrays, dicts) to a model's inputs.

A table is taken by the names of its columns, an array by its shape. What does not fit is an
:class:`~verdict.errors.InputError` that names the column and the row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from .errors import Error, InputError

Array = npt.NDArray[Any]
#: A column: numbers (float64, shape [rows]; NaN where missing), or strings (object, None likewise).
Table = dict[str, Array]

#: Names that a message lists.
LISTED = 8


def listed(names: Iterable[str]) -> str:
    """Names for a message."""
    names = list(names)
    more = ", …" if len(names) > LISTED else ""
    return ", ".join(repr(str(name)) for name in names[:LISTED]) + more


def is_table(x: Any) -> bool:
    """Whether it has named columns."""
    return isinstance(x, Mapping) or _is_frame(x) or _is_row(x)


def _is_frame(x: Any) -> bool:
    return hasattr(x, "columns") and hasattr(x, "shape") and hasattr(x, "__getitem__")


def _is_row(x: Any) -> bool:
    """A row of a frame: a pandas Series of named values."""
    return hasattr(x, "index") and hasattr(x, "to_dict") and hasattr(x, "iloc") and not _is_frame(x)


def table(x: Any) -> Table:
    """The columns of a frame, a row of one, or a dict of columns or of single values.

    Raises:
        InputError: a column of a type that is no number and no string, columns of unequal lengths,
            two of one name.
    """
    if _is_row(x):
        x = x.to_dict()
    names = [str(name) for name in (x if isinstance(x, Mapping) else x.columns)]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise InputError(f"there are two columns {twice!r}")
    if isinstance(x, Mapping):
        columns = {name: _column(name, value) for name, value in zip(names, x.values())}
    else:
        columns = {name: _column(name, x[key]) for name, key in zip(names, x.columns)}
    lengths = {name: len(values) for name, values in columns.items()}
    first = next(iter(lengths.values()), 0)
    other = next((name for name, length in lengths.items() if length != first), None)
    if other is not None:
        raise InputError(
            f"column {other!r} has {lengths[other]} rows, column {names[0]!r} has {first}"
        )
    return columns


def _column(name: str, values: Any) -> Array:
    """One column as numbers or as strings."""
    if isinstance(values, np.ma.MaskedArray):
        values = _unmasked(values)
    dtype = getattr(values, "dtype", None)
    if str(dtype) == "category":
        values = np.asarray(values.astype(object), dtype=object)
    elif type(dtype).__module__.startswith("pandas") and getattr(dtype, "kind", "") in "biuf":
        values = values.to_numpy(dtype=np.float64, na_value=np.nan)
    array = np.atleast_1d(np.asarray(values))
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(
            f"column {name!r} has shape {array.shape}, a column is a value for each row"
        )
    if array.dtype.kind in "biuf":
        return numbers(array)
    if array.dtype.kind not in "OUST":
        raise InputError(
            f"column {name!r} is of type {array.dtype}, the model takes numbers and strings",
            "make it a number of days, or of whatever the model was trained on",
        )
    objects = array.astype(object)
    missing = np.array([_is_missing(value) for value in objects], dtype=bool)
    present = objects[~missing]
    if all(isinstance(value, str) for value in present):
        names: Array = objects.copy()
        names[missing] = None
        return names
    row = int(np.flatnonzero(~missing)[0])
    kinds = sorted({type(value).__name__ for value in present})
    if all(isinstance(value, (bool, int, float, np.number, np.bool_)) for value in present):
        out = np.full(len(objects), np.nan)
        out[~missing] = [float(value) for value in present]
        return out
    raise InputError(
        f"column {name!r} is of objects ({', '.join(kinds)}; row {row} is {objects[row]!r}), the "
        "model takes numbers or strings",
        "convert it, for example with .astype(float) or .astype(str)",
    )


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:
        # pandas.NA is neither equal nor unequal to itself.
        return True


def numbers(array: Array) -> Array:
    """Numbers as float64. Of float32 those that its shortest decimals say: 0.1 stays 0.1."""
    if array.dtype.kind != "f" or array.dtype.itemsize >= 8:
        return array.astype(np.float64)
    if array.dtype.itemsize != 4:
        return np.asarray(array.astype(str).astype(np.float64))
    short: Array = _shortest(array.reshape(-1)).reshape(array.shape)
    return short


#: Magnitudes between which powers of ten are exact enough.
LEAST, MOST = 1e-12, 1e12


def _shortest(values: Array) -> Array:
    """The shortest decimals of float32 values, shape [values], as float64: of so many digits as are
    needed, those next to the value."""
    wide = values.astype(np.float64)
    size = np.abs(wide)
    out: Array = wide.copy()
    unsettled = (size >= LEAST) & (size <= MOST)
    # Decimals of six digits are told apart by a float32; nine tell all of them apart.
    for digits in range(6, 10):
        at = np.flatnonzero(unsettled)
        if not at.size:
            break
        own = wide[at]
        places = digits - 1 - np.floor(np.log10(size[at])).astype(int)
        up, down = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
        near = np.rint(own * up / down) / up * down
        found = near.astype(values.dtype) == values[at]
        out[at[found]] = near[found]
        unsettled[at[found]] = False
    rest = np.flatnonzero((size > 0) & ((size < LEAST) | (size > MOST)) & np.isfinite(size))
    out[rest] = values[rest].astype(str).astype(np.float64)
    return out


def array(x: Any) -> Array:
    """Any array of numbers as float64, in its shape.

    Raises:
        InputError: it is of objects or strings.
    """
    if hasattr(x, "detach") and hasattr(x, "cpu"):
        x = x.detach().cpu().numpy()
    if isinstance(x, np.ma.MaskedArray):
        x = _unmasked(x)
    try:
        found = np.asarray(x)
    except ValueError as error:
        raise InputError(f"the data are no array: {error}") from None
    if found.dtype.kind not in "biuf":
        raise InputError(
            f"the array is of type {found.dtype}, the model takes numbers",
            "give a DataFrame or a dict of columns where some are strings",
        )
    return numbers(found)


def _unmasked(values: Any) -> Array:
    """What is masked is missing.

    Raises:
        InputError: it is of no numbers.
    """
    if values.dtype.kind not in "biuf":
        raise InputError(f"a masked array is of type {values.dtype}, the model takes numbers there")
    if not np.ma.getmaskarray(values).any():
        return np.asarray(values.data)
    return np.asarray(values.astype(np.float64).filled(np.nan))


def check_columns(
    found: Sequence[str],
    expected: Sequence[str],
    ordered: bool,
    whose: str = "the setup",
    called: str = "x",
) -> None:
    """Columns are those of the setup, and in its order where that matters.

    Args:
        whose: what has the expected ones.
        called: the argument that has the found ones.

    Raises:
        InputError: names the first column that differs.
    """
    missing = [name for name in expected if name not in found]
    if missing:
        raise InputError(
            f"column {missing[0]!r} is missing" + _more(missing),
            f"{whose} takes the columns {listed(expected)}",
        )
    unknown = [name for name in found if name not in expected]
    if unknown:
        raise InputError(
            f"column {unknown[0]!r} is not one of {whose}'s" + _more(unknown),
            f"{whose} takes the columns {listed(expected)}",
        )
    if not ordered:
        return
    for index, (got, wanted) in enumerate(zip(found, expected)):
        if got != wanted:
            raise InputError(
                f"column {index} is {got!r}, {_was(whose)} {wanted!r}: the columns are in another "
                "order",
                f"reorder them: {called}[{_columns_of(whose, expected)}]",
            )


def _was(whose: str) -> str:
    return "at setup it was" if whose == "the setup" else f"{whose} takes"


def _columns_of(whose: str, expected: Sequence[str]) -> str:
    if whose == "the setup":
        return "setup.columns"
    return "[" + listed(expected) + "]" if len(expected) <= LISTED else "model.feature_names_in_"


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def parsed(name: str, values: Array) -> str | None:
    """What to do about numbers that are strings."""
    try:
        [float(value) for value in values if value is not None]
    except ValueError:
        return None
    return f"the strings are numbers: convert the column, x[{name!r}].astype(float)"


def check_values(name: str, values: Array, missing_allowed: bool) -> None:
    """Nothing is infinite, and nothing missing that may not be.

    Raises:
        InputError: names the column and the row.
    """
    if values.dtype == object:
        absent = np.array([value is None for value in values], dtype=bool)
    else:
        infinite = np.flatnonzero(np.isinf(values))
        if infinite.size:
            row = int(infinite[0])
            raise InputError(f"column {name!r}, row {row} is {values[row]}: not a finite number")
        absent = np.isnan(values)
    rows = np.flatnonzero(absent)
    if rows.size and not missing_allowed:
        count = f" ({rows.size} rows in all)" if rows.size > 1 else ""
        hint = (
            f"drop such rows, or give missing strings a name before the model is fitted: "
            f"x[{name!r}].fillna('missing')"
            if values.dtype == object
            else f"drop such rows, impute them in the pipeline, or declare missing=[{name!r}] at "
            "setup if the model takes missing values"
        )
        raise InputError(
            f"column {name!r}, row {int(rows[0])} is NaN: a value is missing{count}", hint
        )


class Layout:
    """How a setup's columns fill the tensors that its model takes.

    Args:
        tensors: the model's inputs, as the manifest lists them: name, shape, categories.
        columns: names of columns, or None if it was made without.
        matrix: whether all columns are one tensor's elements, rather than a tensor each.
        private: whether the names of columns are in a part that is not here.
    """

    VERSION = 2

    def __init__(
        self,
        tensors: list[dict[str, Any]],
        columns: list[str] | None,
        matrix: bool,
        private: bool = False,
    ) -> None:
        self.tensors = tensors
        self.private = private
        self.columns = columns
        self.matrix = matrix
        if columns is None:
            single = all(_elements(tensor) == 1 for tensor in tensors)
            if single and len(tensors) > 1:
                self.columns, self.matrix = [str(tensor["name"]) for tensor in tensors], False

    def to_json(self, setup_id: str, classes: list[Any] | None = None) -> str:
        """For the file that is kept with the private part, of this setup and no other."""
        content = {
            "version": self.VERSION,
            "setup_id": setup_id,
            "columns": self.columns,
            "matrix": self.matrix,
            "classes": classes,
        }
        return json.dumps(content, indent=2) + "\n"

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Names the column where the library names an element of the model's input."""
        try:
            yield
        except Error as error:
            if self.columns is None or not self.matrix:
                raise
            tensor = re.escape(str(self.tensors[0]["name"]))
            pattern = (
                rf"(?:the range of )?(?:(?:{tensor}(?:\[0\])?\[(\d+)\])|(?:input (\d+)))(:?) "
                r"(?=is |\[|may|cannot|the|both|has|lies)"
            )
            found = re.match(pattern, error.message)
            index = int(found.group(1) or found.group(2)) if found else len(self.columns)
            if found is None or index >= len(self.columns):
                raise
            rest = error.message[found.end() :]
            range_of = "the range of " if error.message.startswith("the range of") else ""
            colon = found.group(3)
            raise InputError(
                f"{range_of}column {self.columns[index]!r}{colon} {rest}", error.hint
            ) from None

    def samples(self, x: Any) -> str:
        """Rows as JSON that the library reads: an object by tensors for each.

        Raises:
            InputError: x does not fit.
        """
        if is_table(x):
            rows = self._of_table(x)
        else:
            rows = self._of_array(x)
        if not rows:
            raise InputError("there are no rows")
        return json.dumps(rows, allow_nan=False)

    def _of_table(self, x: Any) -> list[dict[str, Any]]:
        if self.columns is None:
            return self._of_tensors(x)
        columns = table(x)
        check_columns(list(columns), self.columns, ordered=not isinstance(x, Mapping))
        lists = []
        for index, name in enumerate(self.columns):
            values = columns[name]
            categories = self._categories(index)
            check_values(name, values, bool(categories and categories.get("missing")))
            lists.append(self._values(name, values, categories))
        if self.matrix:
            tensor = self.tensors[0]["name"]
            return [{tensor: list(row)} for row in zip(*lists)]
        names = [tensor["name"] for tensor in self.tensors]
        return [{name: [value] for name, value in zip(names, row)} for row in zip(*lists)]

    def _categories(self, index: int) -> dict[str, Any] | None:
        tensor = self.tensors[0] if self.matrix else self.tensors[index]
        each = tensor.get("categories") or []
        if len(each) == 1:
            found = each[0]
        else:
            found = each[index] if self.matrix and index < len(each) else None
        return None if found is None else dict(found)

    def _values(self, name: str, values: Array, categories: dict[str, Any] | None) -> list[Any]:
        """A column for JSON."""
        if values.dtype != object:
            if categories and categories.get("only"):
                raise InputError(
                    f"column {name!r} is of numbers, the model takes strings: "
                    f"{listed(categories['names'])}"
                )
            return [None if value != value else value for value in values.tolist()]
        if categories is None or not categories["names"]:
            row = int(np.flatnonzero(values != None)[0])  # noqa: E711 - of each element
            raise InputError(
                f"column {name!r}, row {row} is {values[row]!r}: the model takes numbers there",
                parsed(name, values),
            )
        if categories.get("other") is None:
            known = categories["names"]
            for row, value in enumerate(values):
                if value is not None and value not in known:
                    raise InputError(
                        f"column {name!r}, row {row} is {value!r}, which was not among the "
                        f"categories at setup: {listed(known)}"
                    )
        return list(values)

    def _of_tensors(self, x: Any) -> list[dict[str, Any]]:
        """A dict by the model's own inputs."""
        names = [str(tensor["name"]) for tensor in self.tensors]
        found = [str(name) for name in (x if isinstance(x, Mapping) else x.columns)]
        unknown = [name for name in found if name not in names]
        absent = [name for name in names if name not in found]
        if unknown or absent or not isinstance(x, Mapping):
            one = f"column {unknown[0]!r} is" if unknown else "the columns are"
            if self.private:
                raise InputError(
                    f"{one} not known: names of columns are in the setup's private part, which is not "
                    "here",
                    "give an array of the model's shape, or open the whole folder",
                )
            raise InputError(
                f"{one} not known: the setup was made without names of columns, and the model "
                f"takes {listed(names)}",
                "give an array of the model's shape, or set up with a DataFrame",
            )
        parts = [self._rows_of(tensor, array(x[tensor["name"]])) for tensor in self.tensors]
        counts = {name: len(part) for name, part in zip(names, parts)}
        if len(set(counts.values())) > 1:
            raise InputError(f"the inputs have different numbers of rows: {counts}")
        return [dict(zip(names, row)) for row in zip(*parts)]

    def _of_array(self, x: Any) -> list[dict[str, Any]]:
        if len(self.tensors) != 1:
            raise InputError(
                f"the model takes {len(self.tensors)} inputs, {listed(self._names())}, and got one "
                "array",
                "give a DataFrame, or a dict by these names",
            )
        tensor = self.tensors[0]
        values = array(x)
        rows = self._rows_of(tensor, values)
        if self.columns is not None:
            for index, name in enumerate(self.columns):
                categories = self._categories(index)
                column = np.array([row[index] for row in rows], dtype=np.float64)
                check_values(name, column, bool(categories and categories.get("missing")))
        return [{tensor["name"]: row} for row in rows]

    def _names(self) -> list[str]:
        return [str(tensor["name"]) for tensor in self.tensors]

    def _rows_of(self, tensor: dict[str, Any], values: Array) -> list[list[Any]]:
        """The rows of an array for a tensor of shape [1, …] or […], each flat."""
        shape = tuple(tensor["shape"])
        inner = shape[1:] if shape and shape[0] == 1 else shape
        fits = values.shape == inner or values.shape[1:] == inner
        scalar = inner in ((), (1,)) and values.ndim <= 1
        if not fits and not scalar:
            many = "(rows, " + ", ".join(map(str, inner)) + ")"
            raise InputError(
                f"the array has shape {values.shape}, the model takes {inner} for one inference or "
                f"{many} for several",
            )
        size = int(np.prod(inner, dtype=np.int64))
        rows = values.reshape(-1, max(size, 1))
        bad = np.argwhere(~np.isfinite(rows))
        if bad.size and self.columns is None:
            row, index = map(int, bad[0])
            categories = tensor.get("categories") or []
            found = categories[index % len(categories)] if categories else None
            if not (np.isnan(rows[row, index]) and found and found.get("missing")):
                raise InputError(
                    f"row {row}, element {index} of {tensor['name']!r} is {rows[row, index]}: not "
                    "a finite number"
                )
        return [[None if value != value else value for value in row] for row in rows.tolist()]


def _elements(tensor: dict[str, Any]) -> int:
    return int(np.prod(tensor["shape"], dtype=np.int64))
