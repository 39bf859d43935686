"""From fitted models to ONNX files, through the exporters that their users have installed."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

from ..errors import MissingPackageError, ModelError
from .compare import Reference


@dataclass
class Exported:
    """A model as a file's content, and what Python knew of its inputs.

    Attributes:
        content: the ONNX file; None if `path` is one already.
        path: the file, if there is one.
        columns: names of the columns that it takes, in its order.
        matrix: whether these are one tensor's elements, rather than a tensor each.
        outputs: the output to prove unless another is asked for; None for all.
        classes: a classifier's classes, in the order of its probabilities.
        codes: the categories that a column's numbers stand for, in their order.
        fitted: whether a fitted model was exported, which can be asked what it says.
        reference: what it says about rows.
    """

    content: bytes | None = None
    path: Path | None = None
    columns: list[str] | None = None
    matrix: bool = True
    outputs: list[str] | None = None
    classes: list[Any] | None = None
    codes: dict[str, list[Any]] = field(default_factory=dict)
    fitted: bool = False
    reference: Reference | None = None


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


def words(error: Exception) -> str:
    """An exporter's words: the first paragraph, on one line, some of it if it is long."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", str(error)).strip()
    text = " ".join(text.split("\n\n")[0].split())
    return text if len(text) <= 300 else text[:300] + " …"


def kinds(model: object) -> set[str]:
    """The top-level packages that a model's classes are of."""
    return {parent.__module__.split(".")[0] for parent in type(model).__mro__}


def classes_of(model: Any) -> list[Any] | None:
    """A classifier's classes as JSON has them, in its order."""
    own = getattr(model, "classes_", None)
    if own is None:
        return None
    each = [value.item() if hasattr(value, "item") else value for value in own]
    return [value if isinstance(value, (bool, int, float, str)) else str(value) for value in each]


def columns(model: Any) -> list[str] | None:
    """The columns that a fitted model says it was fitted on, in its order."""
    named = getattr(model, "feature_names_in_", None)
    if named is None and kinds(model) & {"xgboost", "lightgbm"}:
        named = getattr(model, "feature_names", None)
        if named is None and hasattr(model, "feature_name"):
            named = model.feature_name() if callable(model.feature_name) else model.feature_name
    return None if named is None else [str(name) for name in named]


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
