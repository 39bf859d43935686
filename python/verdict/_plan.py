"""From a model and data to a circuit: what is exported, and what is declared of its inputs."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Mapping, Sequence

from . import _agree, _check, _export, _points, _ranges, _verdict
from ._data import Layout, array, is_table, listed, table
from ._progress import Progress, callback
from .errors import InputError, UsageError


#: More the library does not count.
MOST_DECIMALS = 18


class Planned:
    """A model with its circuit, on the way to a setup."""

    def __init__(
        self,
        plan: _verdict.Plan,
        layout: Layout,
        content: bytes | None,
        classes: list[Any] | None,
    ) -> None:
        self.plan = plan
        self.layout = layout
        self.content = content
        self.classes = classes


def plan(
    model: Any,
    data: Any,
    progress: Progress,
    *,
    ranges: _ranges.Ranges | None,
    outputs: Sequence[str] | str | None,
    dims: Mapping[str, int] | None,
    missing: Sequence[str] | bool,
    public_inputs: bool | Sequence[str],
    commit_inputs: bool | Sequence[str],
    target_error: float | None,
    decimals: int | None,
    batch: int | None,
    optimize: str,
    crosscheck: bool,
    public_weights: bool,
    example_inputs: Any,
) -> Planned:
    """Plans a model's circuit. Arguments are those of :func:`verdict.setup`."""
    _check.choice("optimize", optimize, ("balanced", "gas", "time"))
    if target_error is not None:
        target_error = _check.number("target_error", target_error)
        if target_error <= 0:
            raise UsageError(f"target_error is {target_error}; it is above 0")
    decimals = _check.optional("decimals", decimals, most=MOST_DECIMALS)
    batch = _check.optional("batch", batch, least=1)
    if public_inputs and commit_inputs:
        raise UsageError("inputs are public or committed to, not both")
    wanted = None if outputs is None else _check.names("outputs", outputs)
    if not isinstance(missing, bool):
        missing = _check.names("missing", missing)
    found = None if data is None or not is_table(data) else table(data)
    if found is not None and isinstance(data, Mapping):
        # A dict has no order.
        own = _export.columns(model)
        if own is not None and sorted(own) == sorted(found):
            found = {name: found[name] for name in own}
    exported = _export.export(model, found, example_inputs, wanted)
    proven = wanted if exported.outputs is None else exported.outputs
    told = callback(progress)
    with tempfile.TemporaryDirectory(prefix="verdict-") as folder:
        path = exported.path
        if path is None:
            path = Path(folder) / "model.onnx"
            path.write_bytes(exported.content or b"")
        read = _verdict.Model.open(path, proven, dict(dims or {}), told)
        tensors: list[dict[str, Any]] = json.loads(read.inputs())
        columns, matrix = _columns(exported, found, tensors)
        layout = Layout(tensors, columns, matrix)
        stated = _stated(public_inputs or commit_inputs)
        options = {
            "ranges": _declared(ranges, data, found, tensors, columns, matrix, missing, exported),
            "public_inputs": bool(public_inputs),
            "committed": bool(commit_inputs),
            "stated": stated,
            "target_error": target_error,
            "decimals": decimals,
            "batch": batch,
            "optimize": optimize,
            "crosscheck": crosscheck,
            "public_weights": public_weights,
        }
        names = proven or _verdict.Model.outputs(path)
        with layout.naming():
            planned = read.plan(json.dumps(options), told)
    declared = Layout(json.loads(planned.inputs()), layout.columns, layout.matrix)
    rows = None if data is None else _points.of_data(data, declared)
    _agree.with_model(exported, planned, declared, names, rows)
    if rows is not None:
        _agree.with_proofs(planned, declared, rows)
    return Planned(planned, declared, exported.content, exported.classes)


def _stated(inputs: bool | str | Sequence[str]) -> list[str]:
    """The names of inputs that are stated; none for all."""
    return [] if isinstance(inputs, bool) else _check.names("public_inputs", inputs)


def _columns(
    exported: _export.Exported, found: dict[str, Any] | None, tensors: list[dict[str, Any]]
) -> tuple[list[str] | None, bool]:
    """The columns of a model's inputs, and whether they are one tensor."""
    if exported.columns is not None:
        matrix = exported.matrix
        expected = 1 if matrix else len(exported.columns)
        if len(tensors) != expected:
            names = [str(tensor["name"]) for tensor in tensors]
            raise InputError(
                f"the exported model takes {listed(names)}, which are not the columns"
            )
        return exported.columns, matrix
    if found is None:
        return None, True
    names = [str(tensor["name"]) for tensor in tensors]
    if sorted(names) == sorted(found):
        if list(found) != names:
            index = next(i for i, (a, b) in enumerate(zip(found, names)) if a != b)
            raise InputError(
                f"column {index} is {list(found)[index]!r}, the model takes {names[index]!r} there"
            )
        return names, False
    if len(tensors) == 1:
        shape = tensors[0]["shape"]
        size = 1
        for dim in shape:
            size *= dim
        if size == len(found):
            return list(found), True
        raise InputError(
            f"the data have {len(found)} columns, the model takes {size} numbers (shape {shape})"
        )
    raise InputError(f"the data have the columns {listed(found)}, the model takes {listed(names)}")


def _declared(
    ranges: _ranges.Ranges | None,
    data: Any,
    found: dict[str, Any] | None,
    tensors: list[dict[str, Any]],
    columns: list[str] | None,
    matrix: bool,
    missing: Sequence[str] | bool,
    exported: _export.Exported,
) -> Any:
    """The ranges, as in a file of them."""
    if isinstance(ranges, (str, Path)):
        try:
            return json.loads(Path(ranges).read_bytes())
        except (OSError, ValueError) as error:
            raise UsageError(f"{ranges}: no ranges: {error}") from error
    if ranges is not None and not isinstance(ranges, Mapping):
        pair = _ranges.pair("ranges", ranges)
        return {str(tensor["name"]): pair for tensor in tensors}
    inferred: dict[str, Any] = {}
    if found is not None:
        # Strings are never missing.
        numbers = [name for name, values in found.items() if values.dtype != object]
        names = numbers if missing is True else ([] if missing is False else list(missing))
        inferred = _ranges.infer(found, tensors, matrix, names, exported.codes)
    elif data is not None:
        if len(tensors) != 1:
            raise InputError(
                f"the model takes {len(tensors)} inputs, and the data are one array",
                "give a DataFrame, or ranges by the names of the inputs",
            )
        inferred = _of_array(data, tensors[0], columns, missing)
    if ranges:
        inferred = _ranges.declare(inferred, ranges, tensors, columns, matrix)
    if not inferred and not all(_only_names(tensor) for tensor in tensors):
        raise UsageError(
            "the inputs' ranges are not known",
            "give data, from which they are inferred, or ranges: (lo, hi) for all inputs, or a dict "
            "by their names",
        )
    return inferred


def _of_array(
    data: Any, tensor: dict[str, Any], columns: list[str] | None, missing: Sequence[str] | bool
) -> dict[str, Any]:
    values = array(data)
    shape = tuple(tensor["shape"])
    inner = shape[1:] if shape and shape[0] == 1 else shape
    if values.shape == inner:
        values = values[None]
    if values.shape[1:] != inner:
        raise InputError(f"the data have shape {values.shape}, the model takes (rows, {inner})")
    if len(values) == 0:
        raise InputError("the data have no rows")
    if columns is None or values.ndim != 2:
        return _ranges.infer_array(values, tensor, bool(missing))
    named = {name: values[:, index] for index, name in enumerate(columns)}
    names = list(named) if missing is True else ([] if missing is False else list(missing))
    return _ranges.infer(named, [tensor], True, names, {})


def _only_names(tensor: dict[str, Any]) -> bool:
    categories = tensor.get("categories") or [None]
    return bool(categories[0] and categories[0].get("only"))
