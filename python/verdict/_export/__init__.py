"""From fitted models to ONNX files, through the exporters that their users have installed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Sequence

import numpy as np

from ..errors import MissingPackageError, ModelError


@dataclass
class Exported:
    """A model as a file's content, and what Python knew of its inputs.

    Attributes:
        content: the ONNX file; None if `path` is one already.
        path: the file, if there is one.
        columns: names of the columns that it takes, in its order.
        matrix: whether these are one tensor's elements, rather than a tensor each.
        outputs: the output to prove unless another is asked for; None for all.
        codes: the categories that a column's numbers stand for, in their order.
        reference: what the model itself says about rows of data, the outputs' elements a row.
    """

    content: bytes | None = None
    path: Path | None = None
    columns: list[str] | None = None
    matrix: bool = True
    outputs: list[str] | None = None
    codes: dict[str, list[str]] = field(default_factory=dict)
    reference: Callable[[Any], Any] | None = None


def package(name: str, needed_for: str, install: str | None = None) -> Any:
    """Imports an exporter.

    Raises:
        MissingPackageError: it is not installed; the hint says how.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = (error.name or name).split(".")[0]
        raise MissingPackageError(
            f"{needed_for} needs the package {missing}, which is not installed",
            f"pip install {install or missing}",
        ) from error


#: Rows on which an exported file is compared with the model that it was made of.
COMPARED = 32
#: What a value may differ by: float32's rounding, many times over.
TOLERANCE = 1e-3


def reference(model: Any, proven: list[str] | None) -> Callable[[Any], Any] | None:
    """What an estimator says about the outputs that are proven; None if it has no word for them."""
    from .graphs import PROBABILITIES, SCORE

    if proven == [SCORE]:
        return lambda rows: np.asarray(model.predict_proba(rows))[:, 1:]
    if proven == [PROBABILITIES]:
        return lambda rows: np.asarray(model.predict_proba(rows))
    if proven is None and hasattr(model, "predict") and not hasattr(model, "classes_"):
        return lambda rows: np.asarray(model.predict(rows)).reshape(len(rows), -1)
    return None


def compare(wanted: Any, found: list[list[float]]) -> None:
    """An exported file says what its model says. A row on which a float32 of the file falls on the
    other side of a tree's threshold says nothing, most rows do.

    Raises:
        ModelError: it says otherwise of more than a quarter of the rows.
    """
    want, got = np.asarray(wanted, dtype=np.float64), np.asarray(found, dtype=np.float64)
    want, got = want[: len(got)].reshape(len(got), -1), got.reshape(len(got), -1)
    if want.shape != got.shape:
        return
    apart = np.abs(want - got) > TOLERANCE * (1 + np.abs(want))
    rows = np.flatnonzero(apart.any(axis=1))
    if len(rows) * 4 <= len(got):
        return
    row = int(rows[0])
    at = int(np.flatnonzero(apart[row])[0])
    raise ModelError(
        f"the exported file is not the model: on {len(rows)} of {len(got)} rows it says otherwise, of "
        f"row {row} {got[row, at]:g} where the model says {want[row, at]:g}",
        "this is a fault of the exporter, or of its version; export the model another way, and give "
        "its ONNX file",
    )


def words(error: Exception) -> str:
    """An exporter's words: the first paragraph, on one line, some of it if it is long."""
    text = " ".join(str(error).strip().split("\n\n")[0].split())
    return text if len(text) <= 300 else text[:300] + " …"


def kinds(model: object) -> set[str]:
    """The top-level packages that a model's classes are of."""
    return {parent.__module__.split(".")[0] for parent in type(model).__mro__}


def export(
    model: Any, table: dict[str, Any] | None, example_inputs: Any, outputs: Sequence[str] | None
) -> Exported:
    """Exports a model: a path, bytes, an estimator, boosted trees, a torch module.

    Raises:
        ModelError: it is of no known kind, not fitted, or its exporter refuses it.
        MissingPackageError: its exporter is not installed.
    """
    if isinstance(model, (str, Path)):
        return Exported(path=Path(model))
    if isinstance(model, (bytes, bytearray, memoryview)):
        return Exported(content=bytes(model))
    if hasattr(model, "SerializeToString") and hasattr(model, "graph"):
        return Exported(content=model.SerializeToString())
    if isinstance(model, type):
        raise ModelError(
            f"the model is the class {model.__name__}, not one of its objects",
            f"give a fitted {model.__name__}()",
        )
    of = kinds(model)
    if "torch" in of:
        from . import torch

        return torch.export(model, example_inputs)
    if "xgboost" in of or "lightgbm" in of:
        from . import boosting

        return boosting.export(model, table, outputs)
    if "sklearn" in of:
        from . import sklearn

        return sklearn.export(model, table, outputs)
    name = f"{type(model).__module__}.{type(model).__qualname__}"
    raise ModelError(
        f"the model is a {name}, which is of no kind that can be exported",
        "give an ONNX file or its bytes, a scikit-learn estimator or pipeline, an XGBoost or "
        "LightGBM model, or a torch module",
    )
