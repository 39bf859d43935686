"""What is done to an exporter's graph before it is proven."""

from __future__ import annotations

from typing import Any, Sequence

from . import package

#: The output of a classifier of two classes: the second one's probability.
SCORE = "score"
#: All classes' probabilities.
PROBABILITIES = "probabilities"
#: Operator set of what is added, where the file has none.
OPSET = 15


def score_of_two(model: Any, classes: Sequence[Any]) -> list[str]:
    """Adds a `score` to a classifier of two classes, and says what is proven of a classifier.

    Returns:
        The outputs to prove: the score, or all probabilities if there are more classes.
    """
    onnx = package("onnx", "exporting a classifier")
    numpy_helper, helper = onnx.numpy_helper, onnx.helper
    graph = model.graph
    names = [output.name for output in graph.output]
    probabilities = PROBABILITIES if PROBABILITIES in names else names[-1]
    if len(classes) != 2:
        return [probabilities]
    import numpy as np

    if not any(own.domain in ("", "ai.onnx") for own in model.opset_import):
        # A file of trees alone imports their operators only.
        model.opset_import.append(helper.make_opsetid("", OPSET))
    graph.initializer.append(
        numpy_helper.from_array(np.array([1], dtype=np.int64), "second_class")
    )
    graph.node.append(
        helper.make_node("Gather", [probabilities, "second_class"], [SCORE], name=SCORE, axis=1)
    )
    graph.output.append(
        helper.make_tensor_value_info(SCORE, onnx.TensorProto.FLOAT, [None, 1])
    )
    return [SCORE]
