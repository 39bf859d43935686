"""Torch modules, by torch.onnx."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from ..errors import ModelError, UsageError
from . import Exported, package, words

OPSET = 18


def export(module: Any, example_inputs: Any) -> Exported:
    """Exports a module in evaluation mode, with the shapes of its example inputs."""
    torch = package("torch", "exporting a torch module")
    if example_inputs is None:
        raise UsageError(
            "a torch module is exported with example inputs",
            "give example_inputs=, a tensor or a tuple of them, for one inference",
        )
    several = isinstance(example_inputs, (tuple, list))
    arguments = tuple(example_inputs) if several else (example_inputs,)
    arguments = tuple(torch.as_tensor(own) for own in arguments)
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            content = _run(torch, module, arguments)
    finally:
        module.train(training)

    def reference(rows: Any, names: Sequence[str]) -> list[Any]:
        tables = _tensors(rows, len(arguments))
        module.eval()
        each = []
        try:
            with torch.no_grad():
                for row in zip(*tables):
                    given = [
                        torch.as_tensor(np.asarray(values)).to(like.dtype).reshape(like.shape)
                        for values, like in zip(row, arguments)
                    ]
                    said = module(*given)
                    said = said if isinstance(said, (tuple, list)) else [said]
                    each.append([own.reshape(-1).tolist() for own in said])
        finally:
            module.train(training)
        return [np.array(own) for own in zip(*each)]

    return Exported(content, fitted=True, reference=reference)


def _tensors(rows: Any, arguments: int) -> list[Any]:
    """Rows by the module's arguments: a frame's columns are one, or each is one."""
    if isinstance(rows, dict):
        each = list(rows.values())
        return each if arguments > 1 else [np.stack(each, axis=1)] if len(each) > 1 else each
    if arguments > 1 and hasattr(rows, "columns"):
        return [rows[name].to_numpy() for name in rows.columns]
    return [rows.to_numpy() if hasattr(rows, "to_numpy") else rows]


def _run(torch: Any, module: Any, arguments: tuple[Any, ...]) -> bytes:
    name = type(module).__name__
    names = ["input"] if len(arguments) == 1 else [f"input{i}" for i in range(len(arguments))]
    try:
        package("onnxscript", "exporting a torch module")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            program = torch.onnx.export(
                module,
                arguments,
                input_names=names,
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
            program.save(str(path), external_data=False)
            return path.read_bytes()
    except ImportError:
        raise
    except Exception as error:
        raise ModelError(f"torch.onnx cannot export the {name}: {words(error)}") from error
