"""What Python keeps beside a setup's own files, in its private part: the model that was exported, and the
columns that fill its inputs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from . import _verdict
from ._data import Layout
from .errors import Error

#: Where a model that is no file of the user's is kept, and how columns fill it; with the private
#: part, as it is as private as that.
MODEL = Path("private") / "model.onnx"
COLUMNS = Path("private") / "columns.json"
#: Largest file of columns that is read.
MAX_BYTES = 16 << 20


def read(
    folder: Path, setup_id: str, manifest: dict[str, Any]
) -> tuple[Layout, list[Any] | None]:
    """How columns fill a setup's inputs, and a classifier's classes if they are known.

    Raises:
        Error: the file is none of this setup.
    """
    tensors = manifest["model"]["inputs"]
    path = folder / COLUMNS
    # A test's has the names of the model's columns.
    if not is_file(path) or manifest["model"].get("measure") is not None:
        return Layout(tensors, None, True, private=not is_folder(path.parent)), None
    malformed = f"{path}: not a file of columns"
    if path.stat().st_size > MAX_BYTES:
        raise Error(f"{malformed}: it is larger than {MAX_BYTES >> 20} MiB")
    try:
        content = json.loads(path.read_bytes())
        version, columns, matrix = content["version"], content["columns"], content["matrix"]
        own, classes = content.get("setup_id"), content.get("classes")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise Error(f"{malformed}: {error}") from error
    if own != setup_id:
        raise Error(
            f"{path} is of another setup ({own or 'of an older version'}) than the folder "
            f"({setup_id})",
            "set the model up again, or remove the file and give arrays in the model's order",
        )
    sizes = len(manifest["input"]["ranges"]), len(tensors)
    named = columns is None or (
        isinstance(columns, list)
        and all(isinstance(name, str) for name in columns)
        and len(set(columns)) == len(columns)
        and len(columns) == sizes[0 if matrix else 1]
    )
    listed = classes is None or isinstance(classes, list)
    if version != Layout.VERSION or not isinstance(matrix, bool) or not named or not listed:
        raise Error(f"{malformed} of this setup")
    return Layout(tensors, columns, matrix), classes


def id_in(folder: Path) -> str | None:
    """The setup that a folder holds."""
    try:
        return _verdict.Setup.open(folder).id
    except Exception:
        return None


def is_file(path: Path) -> bool:
    """Whether it is one that can be read. The private part may be another user's."""
    try:
        return path.is_file() and os.access(path, os.R_OK)
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    try:
        return path.is_dir() and os.access(path, os.R_OK | os.X_OK)
    except OSError:
        return False
