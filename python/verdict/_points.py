"""Rows to compare with: of the data, and points drawn from the declared ranges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._data import Array, Layout, array, is_table, table
from ._export.compare import NUDGE

#: Rows of the data that are compared, and points that are drawn.
ROWS, POINTS = 256, 64
#: Numbers of which either may consist.
NUMBERS = 1 << 20
#: How many points are missing a value that may be missing.
MISSING = 0.15

#: A frame, a dict of columns or of the model's inputs, or an array; a row each.
Rows = Any


def count(rows: Rows) -> int:
    """How many there are."""
    if isinstance(rows, Mapping):
        return len(next(iter(rows.values()), ()))
    return len(rows)


def take(rows: Rows, which: Any) -> Rows:
    """Some of them, by their indices."""
    if isinstance(rows, Mapping):
        return {name: values[which] for name, values in rows.items()}
    return rows.iloc[which] if hasattr(rows, "iloc") else rows[which]


def of_data(data: Any, layout: Layout) -> Rows:
    """The data as rows: tables as frames in the order of the columns, if there is pandas."""
    if not is_table(data):
        values = array(data)
        shape = tuple(layout.tensors[0]["shape"])
        inner = shape[1:] if shape and shape[0] == 1 else shape
        return values[None] if values.shape == inner else values
    if layout.columns is None:
        return {str(name): np.asarray(data[name]) for name in data}
    if type(data).__module__.startswith("pandas") and hasattr(data, "columns"):
        return data
    columns = table(data)
    return _framed({name: columns[name] for name in layout.columns})


def _framed(columns: dict[str, Array]) -> Rows:
    try:
        import pandas
    except ImportError:
        return columns
    return pandas.DataFrame(columns)


def spread(rows: Rows, layout: Layout) -> Array:
    """Indices of some rows, in no order, so that any number of the first ones are from all over."""
    most = max(1, min(ROWS, NUMBERS // max(_numbers(layout), 1)))
    return np.random.default_rng(0).permutation(count(rows))[:most]


def _numbers(layout: Layout) -> int:
    return sum(int(np.prod(tensor["shape"], dtype=np.int64)) for tensor in layout.tensors)


def drawn(schema: dict[str, Any], layout: Layout, like: Rows | None = None) -> Rows:
    """Points of the declared ranges, as rows of the data (`like`) are if there are any."""
    numbers = np.random.default_rng(1)
    many = max(1, min(POINTS, NUMBERS // max(_numbers(layout), 1)))
    grids = schema.get("grids") or [None] * len(schema["ranges"])
    tensors: dict[str, Array] = {}
    columns: dict[str, Array] = {}
    at = 0
    for index, tensor in enumerate(layout.tensors):
        name = str(tensor["name"])
        size = int(np.prod(tensor["shape"], dtype=np.int64))
        integer = bool(schema["tensors"][index].get("integer"))
        each = tensor.get("categories") or []
        named = layout.columns is not None
        values = []
        for element in range(size):
            own = each[0] if len(each) == 1 else (each[element] if element < len(each) else None)
            low, high = schema["ranges"][at]
            values.append(_column(numbers, many, low, high, grids[at], own, integer, named))
            at += 1
        shape = tuple(tensor["shape"])
        inner = shape[1:] if shape and shape[0] == 1 else shape
        if layout.columns is None:
            tensors[name] = np.stack(values, axis=1).astype(np.float64).reshape(many, *inner)
        elif layout.matrix:
            columns = dict(zip(layout.columns, values))
        else:
            columns[layout.columns[index]] = values[0]
    if layout.columns is None:
        return tensors if len(tensors) > 1 else next(iter(tensors.values()))
    rows = _framed(columns)
    return _typed(rows, like) if hasattr(like, "dtypes") and hasattr(rows, "astype") else rows


def _column(
    numbers: np.random.Generator,
    many: int,
    low: float,
    high: float,
    grid: dict[str, Any] | None,
    categories: dict[str, Any] | None,
    integer: bool,
    named: bool,
) -> Array:
    names = dict(categories["names"]) if categories else {}
    values: Array
    if names and named:
        values = numbers.choice(np.array(list(names), dtype=object), many)
        if categories and categories.get("only") and categories.get("other") is not None:
            values[:: max(many // 8, 2)] = "none of " + "".join(names)
        return values
    if names:
        return numbers.choice(np.array(list(names.values()), dtype=np.float64), many)
    values = numbers.uniform(low, high, many)
    if integer:
        values = np.round(values)
    elif grid and grid.get("exact"):
        values = np.round(values, grid["decimals"])
    else:
        values = values.astype(np.float32).astype(np.float64)
    values = np.clip(values, low, high)
    if categories and categories.get("missing"):
        values[numbers.random(many) < MISSING] = np.nan
    return values


def _typed(rows: Any, like: Any) -> Any:
    """Columns of the types that the data have, where they can be."""
    for name in rows.columns:
        dtype = like.dtypes.get(name)
        if dtype is None or dtype.kind not in "biuf" or dtype == rows[name].dtype:
            continue
        if rows[name].dtype.kind == "f" and not rows[name].isna().any():
            cast = rows[name].astype(dtype)
            if (cast.astype(float) == rows[name]).all():
                rows[name] = cast
    return rows


def nudged(rows: Rows, numbers: np.random.Generator) -> Rows:
    """Rows whose numbers are other ones within float32's rounding."""

    def move(values: Any) -> Any:
        signs = numbers.choice([-1.0, 0.0, 1.0], np.shape(values))
        return values * (1.0 + NUDGE * signs)

    if isinstance(rows, Mapping):
        return {
            name: move(values) if values.dtype.kind in "iuf" else values
            for name, values in rows.items()
        }
    if hasattr(rows, "columns"):
        moved = rows.copy()
        for name in rows.columns:
            if _is_number(rows[name].dtype):
                moved[name] = move(rows[name].astype(float))
        return moved
    return move(rows)


def _is_number(dtype: Any) -> bool:
    return getattr(dtype, "kind", "O") in "iuf" and str(dtype) != "category"
