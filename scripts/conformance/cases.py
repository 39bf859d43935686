"""The standard's own operator tests as folders that the conformance program reads.

A case becomes a folder with its model, what it feeds, and what it expects. An operator that
needs some of its inputs as constants (weights, axes, shapes) gets them so: the same model is
written several times, with fewer and fewer of its inputs left to the proof, and the first that
is read counts.
"""

import json
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases

# Kinds of tests that are not inference on tensors of numbers.
OUT_OF_SCOPE = {
    "random numbers": "Bernoulli RandomNormal RandomNormalLike RandomUniform RandomUniformLike Multinomial",
    "training": "Adagrad Adam Gradient Momentum SoftmaxCrossEntropyLoss NegativeLogLikelihoodLoss",
    "images": "ImageDecoder",
    "signal transforms": "DFT STFT MelWeightMatrix HannWindow HammingWindow BlackmanWindow",
    "strings": "StringConcat StringNormalizer StringSplit RegexFullMatch TfIdfVectorizer",
    "sequences": "SequenceMap SequenceInsert SplitToSequence SequenceAt SequenceConstruct SequenceEmpty "
                 "SequenceErase SequenceLength ConcatFromSequence",
    "optionals": "OptionalHasElement OptionalGetElement Optional",
}
KIND_OF = {name: kind for kind, names in OUT_OF_SCOPE.items() for name in names.split()}
# How far results of half precision may be from exact ones, as a part of their size.
DIGITS = {TensorProto.FLOAT16: 4e-3, TensorProto.BFLOAT16: 3e-2}
# Cases that are run without some of their elements.
WITHOUT = 0
# Values beyond these digits are not declared as decimals.
MOST_DECIMALS = 4


def out_of_scope(case):
    """Why a case is no inference on tensors of numbers, or None."""
    model = case.model
    nodes = model.graph.node
    for node in nodes:
        if node.op_type in KIND_OF:
            return KIND_OF[node.op_type]
        if node.op_type == "Dropout" or node.op_type == "BatchNormalization":
            if "train" in case.name:
                return "training"
    for function in case.model.functions:
        for node in function.node:
            if node.op_type in KIND_OF:
                return KIND_OF[node.op_type]
    for base in ("training_dropout", "sce_", "nllloss_", "bernoulli"):
        if case.name.removeprefix("test_").startswith(base):
            return "random numbers" if base == "bernoulli" else "training"
    for info in [*model.graph.input, *model.graph.output]:
        kind = info.type.WhichOneof("value")
        if kind == "sequence_type":
            return "sequences"
        if kind == "optional_type":
            return "optionals"
        if info.type.tensor_type.elem_type == TensorProto.STRING:
            return "strings"
        if info.type.tensor_type.elem_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
            return "signal transforms"
    return None


def decimals(values):
    """The fewest decimals that all values have, or None."""
    for digits in range(MOST_DECIMALS + 1):
        if all(abs(float(f"{v:.{digits}f}") - v) <= 2e-7 * max(1.0, abs(v)) for v in values):
            return digits
    return None


def numbers(array):
    """The elements as JSON numbers; None for what is not finite."""
    flat = np.asarray(array).reshape(-1)
    if flat.dtype.kind in "bui":
        return [int(v) for v in flat]
    return [float(v) if np.isfinite(float(v)) else None for v in flat.astype(np.float64)]


def described(name, array, beside=False):
    values = numbers(array)
    known = [v for v in values if v is not None]
    lo, hi = (min(known), max(known)) if known else (0, 1)
    if lo == hi:
        lo, hi = lo - 1, hi + 1
        if np.asarray(array).dtype == np.bool_ or np.asarray(array).dtype.kind == "u":
            lo, hi = 0, max(1, known[0] if known else 1)
    if np.asarray(array).dtype == np.bool_:
        lo, hi = 0, 1
    whole = np.asarray(array).dtype.kind in "bui"
    if beside:
        lo, hi = 0, 1
    return {
        "name": name,
        "values": values,
        "range": [lo, hi],
        "decimals": 0 if whole else decimals(known[:4096]),
    }


def finite(case, feeds, expected):
    """A case of casts without the elements that are no finite numbers, which no input and no result of a proof can be;
    nothing of others."""
    operators = {node.op_type for node in case.model.graph.node}
    if not operators <= {"Cast", "CastLike", "Identity"} or len(expected) != 1:
        return None
    first = case.model.graph.input[0].name
    given, made = np.asarray(feeds[first]), np.asarray(expected[0])
    known = [i for i, (a, b) in enumerate(zip(numbers(given), numbers(made))) if a is not None and b is not None]
    if len(known) in (0, given.size) or given.shape != made.shape:
        return None
    model = onnx.ModelProto.FromString(case.model.SerializeToString())
    for info in (model.graph.input[0], model.graph.output[0]):
        del info.type.tensor_type.shape.dim[:]
        info.type.tensor_type.shape.dim.add().dim_value = len(known)
    del model.graph.value_info[:]
    return model, {**feeds, first: given.reshape(-1)[known]}, [made.reshape(-1)[known]]


def bound(model, feeds, kept):
    """The model with every input but those kept as an initializer."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    for info in list(graph.input):
        if info.name in feeds and info.name not in kept:
            graph.input.remove(info)
            tensor = numpy_helper.from_array(feeds[info.name], info.name)
            graph.initializer.append(tensor)
    return model


def without_inputs(model, outputs, expected):
    """The model's constant results beside an input that they have nothing to do with."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    made, arrays = [], []
    for info, array in zip(outputs, expected):
        array = np.asarray(array)
        kind, name = info.type.tensor_type.elem_type, info.name
        graph.initializer.append(helper.make_tensor(f"{name}.flat", TensorProto.INT64, [1], [-1]))
        graph.input.append(helper.make_tensor_value_info(f"{name}.beside", kind, [1]))
        graph.node.append(helper.make_node("Reshape", [name, f"{name}.flat"], [f"{name}.row"]))
        graph.node.append(
            helper.make_node("Concat", [f"{name}.row", f"{name}.beside"], [f"{name}.all"], axis=0))
        made.append(helper.make_tensor_value_info(f"{name}.all", kind, [array.size + 1]))
        arrays.append(np.concatenate([array.reshape(-1), np.ones(1, array.dtype)]))
    del graph.output[:]
    graph.output.extend(made)
    beside = {f"{info.name}.beside": np.ones(1, np.asarray(array).dtype)
              for info, array in zip(outputs, expected)}
    return model, beside, arrays


def array_of(value):
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def variants(case):
    """(kept inputs, model, feeds, expected) from all inputs to none."""
    data = case.data_sets[0]
    whole, infos = case.model, case.model.graph.input
    feeds = {info.name: array_of(v) for info, v in zip(infos, data[0]) if v is not None}
    expected = [array_of(v) for v in data[1]]
    without = finite(case, feeds, expected)
    if without:
        global WITHOUT
        WITHOUT += 1
        whole, feeds, expected = without
    outputs = whole.graph.output
    order = [info.name for info in infos if info.name in feeds and feeds[info.name].size > 0]
    floats = [n for n in order if feeds[n].dtype.kind == "f"]
    tried = []
    integers = [n for n in order if feeds[n].dtype.kind in "iu" and feeds[n].size > 1]
    sets = [order, floats, floats[:3], floats[:2], integers, *([n] for n in order)]
    for kept in sets:
        if kept and kept not in tried:
            tried.append(kept)
            yield kept, bound(whole, feeds, kept), {n: feeds[n] for n in kept}, expected
    model, beside, arrays = without_inputs(bound(whole, feeds, []), outputs, expected)
    yield [], model, beside, arrays


def collect():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases()
    plain = {c.name: c for c in cases if "_expanded" not in c.name}
    for case in cases:
        base = plain.get(case.name.split("_expanded")[0], case)
        nodes = base.model.graph.node
        # The last node is the operator; before it stand what makes its attributes.
        operator = nodes[-1].op_type if nodes else "?"
        domain = nodes[-1].domain if nodes else ""
        yield case, (f"{domain}.{operator}" if domain not in ("", "ai.onnx") else operator)


def write(folder, only=None):
    """Writes every case in scope; returns what is out of it, by kind, and the cases' operators."""
    outside, operators = {}, {}
    for case, operator in collect():
        if only and only not in case.name:
            continue
        why = out_of_scope(case)
        if why:
            outside.setdefault(why, []).append(case.name)
            continue
        operators[case.name] = operator
        home = folder / case.name
        home.mkdir(parents=True, exist_ok=True)
        listed = []
        for number, (kept, model, feeds, expected) in enumerate(variants(case)):
            (home / f"{number}.onnx").write_bytes(model.SerializeToString())
            outputs = model.graph.output
            whole = [np.asarray(a).dtype.kind in "bui" for a in expected]
            listed.append({
                "model": f"{number}.onnx",
                "kept": kept,
                "inputs": [described(n, a, not kept) for n, a in feeds.items()],
                "outputs": [
                    {"name": info.name, "values": numbers(array), "whole": is_whole,
                     "digits": DIGITS.get(info.type.tensor_type.elem_type, 1e-3)}
                    for info, array, is_whole in zip(outputs, expected, whole)
                ],
            })
        (home / "case.json").write_text(json.dumps(listed))
    return outside, operators
