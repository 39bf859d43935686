"""What is done to an exporter's graph before it is proven."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import UsageError
from . import package

#: The output of a classifier of two classes: the second one's probability.
SCORE = "score"
#: All classes' probabilities.
PROBABILITIES = "probabilities"
#: Of a classifier without probabilities: what it decides by, of two classes the second one's.
DECISION = "decision"
#: The class, or the cluster.
LABEL = "label"
#: Operator set of what is added, where the file has none.
OPSET = 15


def names(model: Any) -> list[str]:
    """The outputs of a file, in its order."""
    return [str(output.name) for output in model.graph.output]


def score_of_two(model: Any, classes: int) -> list[str]:
    """Adds a `score` to a classifier of two classes, and says what is proven of a classifier.

    Returns:
        The outputs to prove: the score, or all probabilities if there are more classes.
    """
    own = names(model)
    probabilities = PROBABILITIES if PROBABILITIES in own else own[-1]
    if classes != 2:
        return [probabilities]
    return [_column(model, probabilities, 1, SCORE)]


def decision(model: Any, classes: int, second: int | None) -> list[str]:
    """Adds a `decision` to a classifier that has no probabilities.

    Args:
        second: the column of the second of two classes; None if there is one column only.
    """
    scores = names(model)[-1]
    if classes == 2 and second is not None:
        return [_column(model, scores, second, DECISION)]
    onnx = package("onnx", "exporting a classifier")
    _import_operators(model, onnx)
    model.graph.node.append(
        onnx.helper.make_node("Identity", [scores], [DECISION], name=DECISION)
    )
    _add_output(model, onnx, DECISION, 1 if classes == 2 else classes)
    return [DECISION]


def _column(model: Any, source: str, column: int, name: str) -> str:
    """Adds an output that is a column of another one."""
    onnx = package("onnx", "exporting a classifier")
    _import_operators(model, onnx)
    index = f"{name}_column"
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array([column], dtype=np.int64), index)
    )
    model.graph.node.append(
        onnx.helper.make_node("Gather", [source, index], [name], name=name, axis=1)
    )
    _add_output(model, onnx, name, 1)
    return name


def _import_operators(model: Any, onnx: Any) -> None:
    # A file of trees alone imports their operators only.
    if not any(own.domain in ("", "ai.onnx") for own in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("", OPSET))


def _add_output(model: Any, onnx: Any, name: str, size: int) -> None:
    kind = onnx.TensorProto.FLOAT
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, [None, size]))


def check_outputs(wanted: list[str], own: list[str], kind: str) -> None:
    """Outputs that are asked for are there.

    Raises:
        UsageError: names those that are.
    """
    for name in wanted:
        if name not in own:
            raise UsageError(
                f"outputs names {name!r}, which the {kind} has not; there are "
                + ", ".join(repr(each) for each in own)
            )
