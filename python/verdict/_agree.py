"""Whether what would be proven is what the model says, asked with rows."""

from __future__ import annotations

import json
import warnings
from typing import Any, Sequence

import numpy as np

from . import _export, _points, _verdict
from ._data import Array, Layout
from ._export import compare
from .errors import ModelError, VerdictWarning

#: Rows of the data whose proven outputs are compared with the float model's.
COMPARED = 200


def with_model(
    exported: _export.Exported,
    plan: _verdict.Plan,
    layout: Layout,
    names: Sequence[str],
    data: _points.Rows | None,
) -> None:
    """An exported file and the model that it was made of say the same: of the data, and of points of
    the declared ranges.

    Args:
        names: the outputs that are proven.
        data: rows, if there are any.

    Raises:
        ModelError: the file says otherwise.
    """
    if not exported.fitted:
        return
    compared = False
    drawn = _points.drawn(json.loads(plan.schema()), layout, like=data)
    for rows, is_data in ((data, True), (drawn, False)):
        if rows is None:
            continue
        which = _points.spread(rows, layout)
        rows = _points.take(rows, which)
        found = np.asarray(plan.run(layout.samples(rows)))
        rows = _points.take(rows, slice(0, len(found)))
        try:
            wanted, whole = _said(exported, rows, names)
        except Exception as error:
            if is_data:
                raise ModelError(
                    f"the model itself does not take the data: {_export.words(error)}"
                ) from error
            # A model may refuse what is not among its data.
            continue
        if not wanted.size:
            continue
        said = compare.compare(
            wanted,
            found if whole else found[:, : wanted.shape[1]],
            lambda own: _again(exported, _points.take(rows, own), names),
            lambda row: f"row {which[row]} of the data" if is_data else "a point of the declared ranges",
            refuse=is_data or not compared,
        )
        compared = True
        if said is not None:
            _warn(said)
    if not compared:
        _warn(
            "what the exported file says could not be compared with the model: give data, or compare "
            "some rows of setup.predict"
        )


def with_proofs(plan: _verdict.Plan, layout: Layout, data: _points.Rows) -> None:
    """Warns if of some rows much else would be proven than the float model says.

    That is so of trees whose thresholds lie closer to values of the data than an input is fine.
    """
    rows = _points.take(data, slice(0, COMPARED))
    floats, proven, largest = plan.compare(layout.samples(rows))
    if not floats:
        return
    apart = np.abs(np.asarray(floats) - np.asarray(proven)).max(axis=1)
    scale = np.abs(np.asarray(floats)).max()
    far = np.flatnonzero(apart > max(10 * largest, 1e-3 * scale))
    if far.size:
        _warn(
            f"of {far.size} of the data's {len(floats)} rows an output would be proven that is not "
            f"the float model's, by up to {apart.max():.2g}: inputs are rounded, and trees compare "
            "them. Round the columns before the model is fitted, or see setup.report(data)"
        )


def _said(
    exported: _export.Exported, rows: _points.Rows, names: Sequence[str]
) -> tuple[Array, bool]:
    """What the model says, shape [rows, numbers], of the first outputs that it has a word for; and
    whether these are all."""
    assert exported.reference is not None
    each = compare.quiet(exported.reference, rows, names)
    known: list[Array] = []
    for name in names:
        if name not in each:
            break
        known.append(each[name])
    empty = np.empty((_points.count(rows), 0))
    return np.concatenate(known or [empty], axis=1), len(known) == len(names)


def _again(
    exported: _export.Exported, rows: _points.Rows, names: Sequence[str]
) -> list[Array]:
    """The same of the rows moved by what float32 rounds, a few times."""
    numbers = np.random.default_rng(2)
    return [
        _said(exported, _points.nudged(rows, numbers), names)[0] for _ in range(compare.NUDGES)
    ]


def _warn(text: str) -> None:
    warnings.warn(text, VerdictWarning, stacklevel=6)
