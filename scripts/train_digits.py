"""Trains three small models on scikit-learn's digits and writes examples/digits.

    python -m venv venv && venv/bin/pip install -r scripts/requirements-digits.txt
    venv/bin/python scripts/train_digits.py

model.onnx is a convolutional network, int8.onnx the same quantized by onnxruntime, lstm.onnx reads the image's rows one
after the other. All say which digit it is. Everything is seeded; on another processor the last digits of the weights may
differ, since sums are taken in another order.
"""

import json
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from onnx import TensorProto, helper
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import onnx_models
from onnx_models import info, tensor

OUT = Path(__file__).resolve().parent.parent / "examples" / "digits"
SEED = 20251129
CHANNELS, HIDDEN, CLASSES, SIDE, DEPTH = (8, 16), 24, 10, 8, 16
DOC = "scikit-learn's digits (UCI Optical Recognition of Handwritten Digits, CC BY 4.0)"


def convolved(parameters, x):
    """Scores of images [n, 1, 8, 8] whose pixels are 0 to 16."""
    x = x / DEPTH
    for kernel, bias in parameters[:2]:
        x = jax.lax.conv_general_dilated(x, kernel, (1, 1), ((1, 1), (1, 1)))
        x = jax.nn.relu(x + bias[None, :, None, None])
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    weights, bias = parameters[2]
    return x.reshape(len(x), -1) @ weights.T + bias


def recurrent(parameters, x):
    """The same of an LSTM over the rows, gates in ONNX's order (i, o, f, c)."""
    (inputs, states, bias), (weights, offset) = parameters
    x = x[:, 0] / DEPTH
    h = c = jnp.zeros((len(x), HIDDEN))
    for row in range(SIDE):
        gates = x[:, row] @ inputs.T + h @ states.T + bias
        i, o, f, g = jnp.split(gates, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return h @ weights.T + offset


def trained(forward, parameters, x, labels, epochs):
    """Adam on the cross entropy."""

    def loss(parameters, x, labels):
        return -jnp.take_along_axis(jax.nn.log_softmax(forward(parameters, x)), labels[:, None], 1).mean()

    @jax.jit
    def step(parameters, first, second, count, x, labels):
        gradient = jax.grad(loss)(parameters, x, labels)
        tree = jax.tree_util.tree_map
        first = tree(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = tree(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        moved = lambda p, m, v: p - 3e-3 * (m / (1 - 0.9**count)) / (jnp.sqrt(v / (1 - 0.999**count)) + 1e-8) - 1e-5 * p
        return tree(moved, parameters, first, second), first, second

    zeros = jax.tree_util.tree_map(jnp.zeros_like, parameters)
    first, second, count, rng = zeros, zeros, 0, np.random.default_rng(SEED)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for batch in np.array_split(order, len(x) // 64):
            count += 1
            parameters, first, second = step(parameters, first, second, float(count), x[batch], labels[batch])
    return jax.tree_util.tree_map(np.asarray, parameters)


def start(*shapes):
    rng = np.random.default_rng(SEED)
    return [tuple(jnp.asarray(rng.normal(0, 0 if len(s) == 1 else (2 / np.prod(s[1:])) ** 0.5, s), jnp.float32) for s in each)
            for each in shapes]


def built(nodes, constants, name):
    """A model from pixels to the digit: the nodes make scores of `scaled`, the pixels from 0 to 1."""
    nodes = [helper.make_node("Div", ["pixels", "depth"], ["scaled"], name="scale"), *nodes,
             helper.make_node("ArgMax", ["scores"], ["digit"], name="digit", axis=1, keepdims=0)]
    return onnx_models.model(
        nodes, [info("pixels", [1, 1, SIDE, SIDE])],
        [info("digit", [1], TensorProto.INT64), info("scores", [1, CLASSES])],
        [tensor("depth", DEPTH), *constants], name=name, doc=DOC)


def convolution_model(parameters):
    nodes, constants, value = [], [], "scaled"
    for at, (kernel, bias) in enumerate(parameters[:2], start=1):
        constants += [tensor(f"conv{at}.weight", kernel), tensor(f"conv{at}.bias", bias)]
        nodes += [
            helper.make_node("Conv", [value, f"conv{at}.weight", f"conv{at}.bias"], [f"conv{at}"], name=f"conv{at}",
                             pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [f"conv{at}"], [f"relu{at}"], name=f"relu{at}"),
            helper.make_node("MaxPool", [f"relu{at}"], [f"pool{at}"], name=f"pool{at}", kernel_shape=[2, 2], strides=[2, 2])]
        value = f"pool{at}"
    weights, bias = parameters[2]
    nodes += [helper.make_node("Flatten", [value], ["flat"], name="flat"),
              helper.make_node("Gemm", ["flat", "dense.weight", "dense.bias"], ["scores"], name="dense", transB=1)]
    return built(nodes, [*constants, tensor("dense.weight", weights), tensor("dense.bias", bias)], "digits")


def lstm_model(parameters):
    (inputs, states, bias), (weights, offset) = parameters
    both = np.concatenate([bias, np.zeros_like(bias)])
    nodes = [
        helper.make_node("Reshape", ["scaled", "rows"], ["sequence"], name="sequence"),
        helper.make_node("LSTM", ["sequence", "lstm.input", "lstm.state", "lstm.bias"], ["", "last"], name="lstm",
                         hidden_size=HIDDEN),
        helper.make_node("Reshape", ["last", "row"], ["state"], name="last_state"),
        helper.make_node("Gemm", ["state", "dense.weight", "dense.bias"], ["scores"], name="dense", transB=1)]
    constants = [tensor("rows", [SIDE, 1, SIDE], np.int64), tensor("row", [1, HIDDEN], np.int64),
                 tensor("lstm.input", inputs[None]), tensor("lstm.state", states[None]), tensor("lstm.bias", both[None]),
                 tensor("dense.weight", weights), tensor("dense.bias", offset)]
    return built(nodes, constants, "digits-lstm")


class Images(CalibrationDataReader):
    def __init__(self, images):
        self.images = iter(images)

    def get_next(self):
        image = next(self.images, None)
        return None if image is None else {"pixels": image[None]}


def quantized(model, images):
    """The model as onnxruntime's quantizer writes it, without names and versions of its own."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx_models.save(model, source)
        quantize_static(source, target, Images(images), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                        op_types_to_quantize=["Conv", "Gemm", "MaxPool", "Relu"])
        return onnx.load(target)


def outputs(path, images):
    """What the file says, node by node: onnxruntime's fused kernels of 8 bits saturate sums of two products at 16 bits on
    processors without VNNI."""
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    session = InferenceSession(str(path), options)
    made = [session.run(["digit", "scores"], {"pixels": image[None]}) for image in images]
    return [int(digit[0]) for digit, _ in made], [onnx_models.exact(scores[0]) for _, scores in made]


def main():
    data = load_digits()
    x = data.images.astype(np.float32)[:, None]
    x, held, labels, truth = train_test_split(x, data.target, test_size=360, random_state=SEED, stratify=data.target)
    first, second = CHANNELS
    convolution = trained(convolved, start(
        ((first, 1, 3, 3), (first,)), ((second, first, 3, 3), (second,)), ((CLASSES, second * 4), (CLASSES,))), x, labels, 40)
    lstm = trained(recurrent, start(
        ((4 * HIDDEN, SIDE), (4 * HIDDEN, HIDDEN), (4 * HIDDEN,)), ((CLASSES, HIDDEN), (CLASSES,))), x, labels, 60)
    model = convolution_model(convolution)
    files = {"model": model, "int8": quantized(model, x[:256]), "lstm": lstm_model(lstm)}
    chosen = [int(np.flatnonzero(truth == digit)[0]) for digit in range(CLASSES)]
    reference = {}
    for name, built_model in files.items():
        path = OUT / f"{name}.onnx"
        onnx_models.save(built_model, path)
        digits, _ = outputs(path, held)
        print(f"{name}: {np.mean(np.array(digits) == truth):.3f} of {len(truth)} held-out images")
        digits, scores = outputs(path, held[chosen])
        reference[name] = {"digit": digits, "scores": scores}
    images = [{"id": f"D{digit}", "input": [int(v) for v in held[at].reshape(-1)]} for digit, at in enumerate(chosen)]
    lines = ",\n".join("    " + json.dumps(image) for image in images)
    (OUT / "samples.json").write_text('{\n  "samples": [\n' + lines + "\n  ]\n}\n")
    (OUT / "ranges.json").write_text(json.dumps({"pixels": {"min": 0, "max": DEPTH, "decimals": 0}}) + "\n")
    lines = ",\n".join(f'  "{name}": {json.dumps(made)}' for name, made in reference.items())
    (OUT / "reference.json").write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
