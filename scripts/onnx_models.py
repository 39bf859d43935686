"""Builds small ONNX models from arrays, the same bytes each time."""

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

OPSET = 17
IR_VERSION = 8


def tensor(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def info(name, shape, elem_type=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, elem_type, shape)


def model(nodes, inputs, outputs, initializers, *, name="model", doc="", opset=OPSET, check=True,
          domains=()):
    """A model; `domains` are further (domain, version) pairs."""
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    opsets = [helper.make_opsetid(d, v) for d, v in (("", opset), *domains)]
    built = helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="verdict", doc_string=doc
    )
    if check:
        checker.check_model(built, full_check=True)
    return built


def dense(layers, *, mean=None, scale=None, sigmoid=False, features="x", output="y",
          batch="batch", name="model", doc=""):
    """(x - mean) / scale, then Gemm layers with Relu between them, then Sigmoid if asked for.

    `layers` are (weights of shape outputs × inputs, bias) pairs.
    """
    nodes, initializers, value = [], [], features

    def add(op, node, inputs, **attributes):
        nonlocal value
        nodes.append(helper.make_node(op, [value, *inputs], [node], name=node, **attributes))
        value = node

    for operator, node, constant in (("Sub", "center", mean), ("Div", "standardize", scale)):
        if constant is not None:
            initializers.append(tensor(f"{node}.constant", constant))
            add(operator, node, [f"{node}.constant"])
    for i, (weights, bias) in enumerate(layers, start=1):
        initializers += [tensor(f"dense{i}.weight", weights), tensor(f"dense{i}.bias", bias)]
        add("Gemm", f"dense{i}", [f"dense{i}.weight", f"dense{i}.bias"], transB=1)
        if i < len(layers):
            add("Relu", f"relu{i}", [])
    if sigmoid:
        add("Sigmoid", "sigmoid", [])
    nodes[-1].output[0] = output
    first, last = layers[0][0].shape[1], layers[-1][0].shape[0]
    return model(nodes, [info(features, [batch, first])], [info(output, [batch, last])],
                 initializers, name=name, doc=doc)


def save(built: ModelProto, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(built.SerializeToString(deterministic=True))


def run(path_or_bytes, rows):
    """onnxruntime's outputs, one array for each row, each row a batch of its own."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path_or_bytes, options,
                                           providers=["CPUExecutionProvider"])
    feed = session.get_inputs()[0]
    dtype = np.float64 if "double" in feed.type else np.float32
    shape = [d if isinstance(d, int) else 1 for d in feed.shape]
    return [session.run(None, {feed.name: np.asarray(row, dtype=dtype).reshape(shape)})[0]
            for row in rows]


def exact(values):
    """float32 values as the shortest decimal numbers that read back as the same float32."""
    return [float(str(v)) for v in np.asarray(values).ravel()]
