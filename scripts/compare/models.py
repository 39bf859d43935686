"""Builds the suite's models: python scripts/compare/models.py [NAME …]

The same files each time: weights are drawn from fixed seeds (normal with variance 2 /
inputs, He et al. 2015), trees are trained on drawn data, the credit models are the
repository's. Runs in the comparison's environment (numpy, onnx, onnxruntime, scikit-learn).
"""

import json
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
from onnx import helper, numpy_helper

from common import MODELS, ROOT, sha256, write_json
from suite import CREDIT, SUITE, select

sys.path.insert(0, str(ROOT / "scripts"))

import onnx_models  # noqa: E402
from make_dense import layers  # noqa: E402
from onnx_models import info, model, tensor  # noqa: E402

SAMPLES = 40
TEST_INPUTS = 8
SEED = 11


class Graph:
    """Nodes added one after another, each named after its operator."""

    def __init__(self, seed=SEED):
        self.nodes, self.constants, self.parameters = [], [], 0
        self.rng = np.random.default_rng(seed)

    def constant(self, values, dtype=np.float32, *, learned=False):
        name = f"c{len(self.constants)}"
        self.constants.append(tensor(name, values, dtype))
        self.parameters += np.asarray(values).size if learned else 0
        return name

    def weights(self, *shape, inputs, gain=2.0):
        values = self.rng.standard_normal(shape) * math.sqrt(gain / inputs)
        return self.constant(values, learned=True)

    def bias(self, *shape):
        return self.constant(self.rng.standard_normal(shape) * 0.1, learned=True)

    def add(self, op, *inputs, **attributes):
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def finish(self, shape, outputs, **options):
        self.nodes[-1].output[0] = "y"
        return model(self.nodes, [info("x", shape)], [info("y", outputs)], self.constants,
                     **options), self.parameters


def uniform(count, width, seed=SEED + 1):
    """Inputs in [-1, 1] with three decimals."""
    return np.round(np.random.default_rng(seed).uniform(-1, 1, (count, width)), 3)


def plain(width):
    return {"ranges": [[-1, 1]] * width, "rows": uniform(SAMPLES, width)}


def dense(sizes, sigmoid=False):
    built = onnx_models.dense(list(layers(sizes, SEED)), sigmoid=sigmoid, batch=1)
    parameters = sum((i + 1) * o for i, o in zip(sizes, sizes[1:]))
    return built, {"parameters": parameters, **plain(sizes[0])}


def credit(file):
    """The repository's example as it is, with rows of the data set."""
    import onnx

    built = onnx.load(CREDIT / file)
    parameters = sum(numpy_helper.to_array(c).size for c in built.graph.initializer
                     if c.name.startswith("dense"))
    ranges = json.loads((CREDIT / "ranges.json").read_text())["input"]
    applicants = json.loads((CREDIT / "applicants.json").read_text())["applicants"]
    rows = np.array([applicant["input"] for applicant in applicants])
    low, high = np.array(ranges).T
    drawn = np.random.default_rng(SEED).integers(low, high + 1, (SAMPLES - len(rows), len(low)))
    # Tests come first: real applicants. Calibration also sees the whole declared range.
    return built, {"parameters": parameters, "ranges": ranges, "rows": np.vstack([rows, drawn])}


def int8(sizes):
    """Quantized by onnxruntime: QuantizeLinear and DequantizeLinear around each layer,
    8-bit weights with and activations without a sign, the final sigmoid left in floating
    point. That is the form that EZKL reads; it refuses signed activations and a
    quantized sigmoid."""
    from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType,
                                          quantize_static)

    built, data = dense(sizes, sigmoid=True)

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rows = iter(data["rows"].astype(np.float32))

        def get_next(self):
            row = next(self.rows, None)
            return None if row is None else {"x": row[None, :]}

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx_models.save(built, source)
        quantize_static(source, target, Reader(), quant_format=QuantFormat.QDQ,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                        op_types_to_quantize=["Gemm"])
        import onnx

        return onnx.load(target), data


def convolution(g, value, inputs, outputs, size, pad, pool=True):
    """Conv, Relu, then max pooling of 2×2; every attribute written out, for EZKL wants them."""
    fan = inputs * size * size
    value = g.add("Conv", value, g.weights(outputs, inputs, size, size, inputs=fan),
                  g.bias(outputs), kernel_shape=[size] * 2, pads=[pad] * 4, strides=[1, 1],
                  dilations=[1, 1], group=1)
    value = g.add("Relu", value)
    return g.add("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4) if pool else value


def head(g, value, sizes):
    """Flatten, then dense layers."""
    value = g.add("Flatten", value)
    for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        value = g.add("Relu", value) if i else value
        value = g.add("Gemm", value, g.weights(outputs, inputs, inputs=inputs), g.bias(outputs),
                      transB=1)
    return value


def lenet():
    """LeNet-5 with ReLU and max pooling: 61,706 parameters."""
    g = Graph()
    value = convolution(g, "x", 1, 6, 5, pad=2)
    value = convolution(g, value, 6, 16, 5, pad=0)
    head(g, value, [400, 120, 84, 10])
    built, parameters = g.finish([1, 1, 28, 28], [1, 10])
    return built, {"parameters": parameters, **plain(28 * 28)}


def cnn():
    """Two 3×3 convolutions, two dense layers: 264,532 parameters."""
    g = Graph()
    value = convolution(g, "x", 3, 16, 3, pad=1)
    value = convolution(g, value, 16, 32, 3, pad=1)
    head(g, value, [2048, 126, 10])
    built, parameters = g.finish([1, 3, 32, 32], [1, 10])
    return built, {"parameters": parameters, **plain(3 * 32 * 32)}


def normalize(g, value, width):
    """Layer normalization in basic operators, as exporters write it before opset 17."""
    mean = g.add("ReduceMean", value, axes=[-1], keepdims=1)
    centred = g.add("Sub", value, mean)
    square = g.add("Mul", centred, centred)
    variance = g.add("ReduceMean", square, axes=[-1], keepdims=1)
    deviation = g.add("Sqrt", g.add("Add", variance, g.constant([1e-5])))
    scaled = g.add("Mul", g.add("Div", centred, deviation),
                   g.constant(1 + g.rng.standard_normal(width) * 0.1, learned=True))
    return g.add("Add", scaled, g.bias(width))


def transformer(tokens=16, width=64, heads=4):
    """One block after Vaswani et al. 2017, normalization before each part, ReLU; then
    the mean over the tokens and a dense layer with two outputs."""
    g, each = Graph(), width // heads

    def linear(value, inputs, outputs, gain=1.0):
        product = g.add("MatMul", value, g.weights(inputs, outputs, inputs=inputs, gain=gain))
        return g.add("Add", product, g.bias(outputs))

    def split(value, order):
        shaped = g.add("Reshape", value, g.constant([1, tokens, heads, each], np.int64))
        return g.add("Transpose", shaped, perm=order)

    normal = normalize(g, "x", width)
    query = split(linear(normal, width, width), [0, 2, 1, 3])
    key = split(linear(normal, width, width), [0, 2, 3, 1])
    values = split(linear(normal, width, width), [0, 2, 1, 3])
    scores = g.add("Mul", g.add("MatMul", query, key), g.constant([1 / math.sqrt(each)]))
    mixed = g.add("MatMul", g.add("Softmax", scores, axis=-1), values)
    joined = g.add("Reshape", g.add("Transpose", mixed, perm=[0, 2, 1, 3]),
                   g.constant([1, tokens, width], np.int64))
    value = g.add("Add", "x", linear(joined, width, width))
    hidden = g.add("Relu", linear(normalize(g, value, width), width, 4 * width, gain=2.0))
    value = g.add("Add", value, linear(hidden, 4 * width, width))
    pooled = g.add("ReduceMean", value, axes=[1], keepdims=0)
    linear(pooled, width, 2)
    built, parameters = g.finish([1, tokens, width], [1, 2])
    return built, {"parameters": parameters, **plain(tokens * width)}


def ensemble(**options):
    import trees

    return trees.ensemble(Graph(), TEST_INPUTS, SAMPLES, **options)


def build(entry):
    """Writes a model's two files."""
    built, data = globals()[entry.build](**entry.options)
    onnx_models.save(built, entry.onnx)
    rows = data["rows"]
    outputs = onnx_models.run(str(entry.onnx), rows[:TEST_INPUTS])
    write_json(entry.data, {
        "parameters": int(data["parameters"]),
        "bytes": entry.onnx.stat().st_size,
        "sha256": sha256(entry.onnx),
        "symbols": [d.dim_param for d in built.graph.input[0].type.tensor_type.shape.dim
                    if d.dim_param],
        "ranges": data["ranges"],
        "inputs": rows[:TEST_INPUTS].tolist(),
        "calibration": rows[TEST_INPUTS:TEST_INPUTS + entry.calibration].tolist(),
        "outputs": [onnx_models.exact(output) for output in outputs],
    }, indent=None)
    print(f"{entry.name}: {data['parameters']:,} parameters, {entry.onnx.stat().st_size:,} bytes")


def main():
    MODELS.mkdir(parents=True, exist_ok=True)
    for entry in select(sys.argv[1:]) if sys.argv[1:] else SUITE:
        build(entry)


if __name__ == "__main__":
    main()
