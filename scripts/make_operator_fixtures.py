"""Writes a small ONNX model for each use of an operator, and onnxruntime's outputs for it.

    python scripts/make_operator_fixtures.py

operators/*.onnx are read and run by crates/prover/tests/prover/onnx_operators.rs; expected.json
holds, for each, samples with the elements of every input and of every output.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import onnx_models
from onnx_models import info, model, tensor

OUT = Path(__file__).resolve().parent.parent / "crates" / "prover" / "tests" / "fixtures" / "operators"
RNG = np.random.default_rng(11)
INT64 = TensorProto.INT64


def weights(*shape):
    return (RNG.integers(-64, 65, size=shape) / 32).astype(np.float32)


def ints(name, *values):
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def node(op, inputs, outputs, **attributes):
    names = [name.replace("-", "") for name in inputs.split()]
    return helper.make_node(op, names, outputs.split(), name=f"{outputs.split()[0]}_node", **attributes)


def one(nodes, shape, constants=(), opset=17, out=TensorProto.FLOAT, elements=TensorProto.FLOAT, domains=()):
    """A model from x to y."""
    return model(nodes, [info("x", shape, elements)], [info("y", None, out)], list(constants), opset=opset,
                 domains=domains, check=False)


def convolutions():
    def conv(shape, kernel, bias=True, opset=17, **attributes):
        constants = [tensor("k", weights(*kernel))] + ([tensor("b", weights(kernel[0]))] if bias else [])
        return one([node("Conv", "x k b" if bias else "x k", "y", **attributes)], shape, constants, opset)

    yield "conv_plain", conv([1, 2, 5, 4], [3, 2, 3, 2])
    yield "conv_strides_pads", conv([2, 2, 7, 6], [4, 2, 3, 3], strides=[2, 1], pads=[1, 0, 2, 1])
    yield "conv_dilations", conv([1, 1, 9, 8], [2, 1, 3, 2], dilations=[2, 3])
    yield "conv_groups", conv([1, 4, 5, 5], [6, 2, 3, 3], group=2, bias=False)
    yield "conv_depthwise", conv([1, 3, 6, 6], [3, 1, 3, 3], group=3, pads=[1, 1, 1, 1], kernel_shape=[3, 3])
    yield "conv_one_dimension", conv([2, 3, 11], [4, 3, 4], strides=[2], pads=[2, 1])
    yield "conv_same_upper", conv([1, 1, 6, 7], [2, 1, 4, 3], auto_pad="SAME_UPPER", strides=[2, 2], opset=11)
    yield "conv_same_lower", conv([1, 1, 6, 7], [2, 1, 4, 2], auto_pad="SAME_LOWER", strides=[1, 3])
    yield "conv_valid", conv([1, 1, 6, 7], [2, 1, 4, 2], auto_pad="VALID", opset=22)

    def transposed(shape, kernel, groups=1, **attributes):
        constants = [tensor("k", weights(*kernel)), tensor("b", weights(kernel[1] * groups))]
        return one([node("ConvTranspose", "x k b", "y", group=groups, **attributes)], shape, constants)

    yield "conv_transpose_plain", transposed([1, 2, 3, 4], [2, 3, 3, 2])
    yield "conv_transpose_strides", transposed([2, 2, 3, 4], [2, 3, 3, 2], strides=[2, 3], pads=[1, 0, 0, 1],
                                               output_padding=[1, 0])
    yield "conv_transpose_groups", transposed([1, 4, 3, 3], [4, 2, 2, 2], groups=2, dilations=[2, 1])
    yield "conv_transpose_shape", transposed([1, 1, 3, 3], [1, 2, 3, 3], strides=[2, 2], output_shape=[6, 6],
                                             auto_pad="SAME_UPPER")
    yield "conv_transpose_pads_over_kernel", transposed([1, 1, 6], [1, 2, 2], strides=[2], pads=[3, 2])
    yield "conv_folded", one(
        [node("Sub", "x m", "c"), node("Pad", "c p", "q"), node("Conv", "q k", "h"),
         node("BatchNormalization", "h s b m2 v", "n"), node("Relu", "n", "y")], [1, 2, 4, 4],
        [tensor("m", weights(1, 2, 1, 1)), ints("p", 0, 0, 1, 1, 0, 0, 0, 2), tensor("k", weights(3, 2, 3, 3)),
         tensor("s", weights(3)), tensor("b", weights(3)), tensor("m2", weights(3)), tensor("v", [1, 2, 0.5])])


def pools():
    def pool(op, shape, opset=17, **attributes):
        return one([node(op, "x", "y", **attributes)], shape, opset=opset)

    yield "max_pool", pool("MaxPool", [1, 2, 6, 6], kernel_shape=[2, 2], strides=[2, 2])
    yield "max_pool_pads", pool("MaxPool", [2, 1, 5, 6], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 1])
    yield "max_pool_dilations", pool("MaxPool", [1, 1, 7, 7], kernel_shape=[2, 3], dilations=[2, 2])
    yield "max_pool_ceil", pool("MaxPool", [1, 1, 6, 7], kernel_shape=[3, 2], strides=[2, 3], ceil_mode=1)
    yield "max_pool_one_dimension", pool("MaxPool", [1, 2, 9], kernel_shape=[4], auto_pad="SAME_LOWER")
    yield "average_pool", pool("AveragePool", [1, 2, 6, 6], kernel_shape=[2, 2], strides=[2, 2])
    yield "average_pool_overlap", pool("AveragePool", [1, 2, 5, 5], kernel_shape=[3, 2])
    yield "average_pool_pads", pool("AveragePool", [1, 1, 5, 5], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    yield "average_pool_include_pad", pool("AveragePool", [1, 1, 5, 5], kernel_shape=[3, 3], pads=[1, 0, 2, 1],
                                           count_include_pad=1)
    yield "average_pool_ceil", pool("AveragePool", [1, 1, 6, 6], kernel_shape=[3, 3], strides=[2, 2],
                                    ceil_mode=1, opset=19)
    yield "average_pool_ceil_include_pad", pool("AveragePool", [1, 1, 6, 6], kernel_shape=[3, 3],
                                                strides=[2, 2], ceil_mode=1, count_include_pad=1,
                                                pads=[1, 1, 1, 1], opset=19)
    yield "global_average_pool", pool("GlobalAveragePool", [2, 3, 4, 2])
    yield "global_max_pool", pool("GlobalMaxPool", [2, 3, 5])


def functions():
    def function(op, constants=(), inputs="x", **attributes):
        opset = attributes.pop("opset", 17)
        return one([node(op, inputs, "y", **attributes)], [2, 4], constants, opset)

    yield "leaky_relu", function("LeakyRelu", alpha=0.25)
    yield "leaky_relu_default", function("LeakyRelu")
    yield "prelu", function("PRelu", [tensor("s", weights(4))], "x s")
    yield "prelu_one_slope", function("PRelu", [tensor("s", [0.5])], "x s")
    yield "abs", function("Abs")
    yield "clip_both", function("Clip", [tensor("l", -0.5), tensor("h", 1.0)], "x l h")
    yield "clip_upper", function("Clip", [tensor("h", 1.0)], "x  h".replace("  ", " - "))
    yield "clip_crossed", function("Clip", [tensor("l", 1.0), tensor("h", -0.5)], "x l h")
    yield "clip_attributes", function("Clip", opset=6 + 1, min=-1.0, max=0.5)
    yield "max_constants", function("Max", [tensor("c", weights(4)), tensor("d", 0.25)], "x c d")
    yield "min_constants", function("Min", [tensor("c", weights(2, 1))], "c x")
    yield "max_scalar", function("Max", [tensor("c", 1.0)], "x c")
    yield "sum_and_mean", one([node("Sum", "x c x", "s"), node("Mean", "s x", "y")], [2, 4],
                              [tensor("c", weights(4))])


def reductions():
    def reduce(op, opset=17, **attributes):
        return one([node(op, "x", "y", **attributes)], [2, 3, 4], opset=opset)

    yield "reduce_mean", reduce("ReduceMean", axes=[1])
    yield "reduce_max", reduce("ReduceMax", axes=[-1, 0], keepdims=0)
    yield "reduce_min", reduce("ReduceMin")
    yield "reduce_sum_all", reduce("ReduceSum", keepdims=0)
    yield "reduce_sum_axes_input", one([node("ReduceSum", "x a", "y", keepdims=0)], [2, 3, 4], [ints("a", 2)])
    yield "reduce_mean_axes_input", one([node("ReduceMean", "x a", "y")], [2, 3, 4], [ints("a", 0, 2)], 18)
    yield "reduce_max_noop", one([node("ReduceMax", "x", "r", noop_with_empty_axes=1), node("Neg", "r", "y")],
                                 [2, 3], opset=18)
    yield "arg_max", one([node("ArgMax", "x", "y", axis=1)], [2, 5], out=INT64)
    yield "arg_min_flat", one([node("ArgMin", "x", "y", axis=-1, keepdims=0)], [2, 5], out=INT64)


def moves():
    yield "split_equal", model(
        [node("Split", "x", "a b", axis=1), node("Sub", "a b", "y")], [info("x", [2, 6])], [info("y", None)],
        [], opset=13, check=False)
    yield "split_sizes", model(
        [node("Split", "x s", "a b", axis=1), node("Neg", "a", "y"), node("Relu", "b", "z")],
        [info("x", [2, 5])], [info("y", None), info("z", None)], [ints("s", 2, 3)], check=False)
    yield "split_uneven", model(
        [node("Split", "x", "a b c", axis=0, num_outputs=3), node("Concat", "c a b", "d", axis=0),
         node("Neg", "d", "y")], [info("x", [7, 2])], [info("y", None)], [], opset=18, check=False)
    for mode in ("constant", "reflect", "edge"):
        yield f"pad_{mode}", one([node("Pad", "x p" + (" v" if mode == "constant" else ""), "q", mode=mode),
                                  node("Relu", "q", "y")], [2, 3, 4],
                                 [ints("p", 0, 1, 2, 0, 2, 3), tensor("v", 1.5)])
    yield "pad_wrap_axes", one([node("Pad", "x p - a", "q", mode="wrap"), node("Relu", "q", "y")], [2, 4],
                               [ints("p", 2, 3), ints("a", 1)], 19)
    yield "pad_negative", one([node("Pad", "x p", "q"), node("Relu", "q", "y")], [3, 4], [ints("p", -1, 1, 0, -2)])
    yield "tile", one([node("Tile", "x r", "t"), node("Relu", "t", "y")], [2, 3], [ints("r", 2, 3)])
    yield "expand", one([node("Expand", "x s", "t"), node("Neg", "t", "y")], [2, 1, 3], [ints("s", 4, 1, 5, 1)])
    yield "gather_elements", one([node("GatherElements", "x i", "g", axis=1), node("Neg", "g", "y")], [2, 3],
                                 [numpy_helper.from_array(np.array([[2, 0], [-1, 1]]), "i")])
    yield "gather_matrix", one([node("Gather", "x i", "g", axis=1), node("Neg", "g", "y")], [2, 3, 2],
                               [numpy_helper.from_array(np.array([[2, 0], [-1, 1]]), "i")])
    yield "resize_scales", one([node("Resize", "x - s", "r", mode="nearest"), node("Neg", "r", "y")],
                               [1, 1, 3, 4], [tensor("s", [1, 1, 2, 1.5])])
    yield "resize_sizes", one(
        [node("Resize", "x - - s", "r", mode="nearest", coordinate_transformation_mode="align_corners",
              nearest_mode="ceil"), node("Neg", "r", "y")], [1, 2, 3, 4], [ints("s", 1, 2, 5, 3)])
    yield "resize_asymmetric", one(
        [node("Resize", "x - s", "r", mode="nearest", coordinate_transformation_mode="asymmetric",
              nearest_mode="floor"), node("Neg", "r", "y")], [1, 1, 3, 3], [tensor("s", [1, 1, 2, 3])])
    yield "upsample", one([node("Upsample", "x s", "r", mode="nearest"), node("Neg", "r", "y")], [1, 1, 2, 3],
                          [tensor("s", [1, 1, 2, 2])], 9)
    yield "depth_to_space", one([node("DepthToSpace", "x", "d", blocksize=2, mode="CRD"),
                                 node("Neg", "d", "y")], [1, 8, 2, 3])
    yield "space_to_depth", one([node("SpaceToDepth", "x", "d", blocksize=2), node("Neg", "d", "y")], [1, 2, 4, 6])
    yield "transpose_flatten_dense", one(
        [node("Transpose", "x", "t", perm=[0, 2, 3, 1]), node("Flatten", "t", "f"), node("Gemm", "f w b", "y")],
        [1, 2, 3, 2], [tensor("w", weights(12, 3)), tensor("b", weights(3))])
    yield "where_mask", one([node("Where", "m x c", "w"), node("Relu", "w", "y")], [2, 3],
                            [numpy_helper.from_array(np.array([True, False, True]), "m"), tensor("c", 0.75)])


def shapes():
    yield "shape_arithmetic", one(
        [node("Shape", "x", "s", start=1), node("ReduceProd", "s", "n", keepdims=1), node("Size", "x", "all"),
         node("Div", "all n", "lead"), node("Concat", "lead n", "to", axis=0), node("Reshape", "x to", "r"),
         node("ConstantOfShape", "n", "c", value=helper.make_tensor("", 1, [1], [0.5])),
         node("Add", "r c", "a"), node("Relu", "a", "y")], [2, 3, 4])
    yield "range_where_equal", one(
        [node("Range", "zero three one", "i"), node("Equal", "i one", "e"), node("Where", "e ten f", "c"),
         node("Cast", "i", "r", to=1), node("Mul", "r c", "k"), node("Add", "x k", "a"), node("Relu", "a", "y")],
        [2, 3], [numpy_helper.from_array(np.array(v, np.int64), n) for v, n in ((0, "zero"), (3, "three"), (1, "one"))]
        + [tensor("ten", 10.0), tensor("f", weights(3))])
    yield "constants_computed", one(
        [node("Add", "v e", "w"), node("Sqrt", "w", "d"), node("Pow", "d two", "p"), node("Floor", "p", "f"),
         node("Greater", "d f", "g"), node("Not", "g", "n"), node("Cast", "n", "c", to=1),
         node("Transpose", "k", "t"), node("Relu", "t", "u"), node("Add", "u c", "s"), node("MatMul", "x s", "y")],
        [2, 3], [tensor("v", [1.0, 2.0, 7.5, 4.0]), tensor("e", 1e-3), tensor("two", 2.0), tensor("k", weights(4, 3))])
    yield "dequantized_channels", one(
        [node("DequantizeLinear", "q s z", "w", axis=0), node("MatMul", "w x", "y")], [3, 2],
        [numpy_helper.from_array(RNG.integers(-128, 128, (4, 3)).astype(np.int8), "q"), tensor("s", weights(4)),
         numpy_helper.from_array(RNG.integers(-8, 8, 4).astype(np.int8), "z")])


def products():
    yield "mul_two", one([node("Relu", "x", "r"), node("Mul", "x r", "y")], [2, 3])
    yield "mul_broadcast", one([node("ReduceSum", "x", "s", keepdims=0), node("Mul", "x s", "y")], [2, 3], opset=11)
    yield "pow_cube", one([node("Pow", "x e", "y")], [2, 3], [tensor("e", np.array(3, dtype=np.float32))])
    yield "square_matmul", one([node("Transpose", "x", "t", perm=[0, 2, 1]), node("MatMul", "x t", "y")], [2, 3, 4])
    yield "gemm_two", one([node("Relu", "x", "r"), node("Gemm", "x r", "y", transB=1, alpha=0.5)], [3, 4])
    for equation in ("bij,bkj->bik", "...ij,...kj->...", "bij,bij->bj"):
        yield f"einsum_{sum(map(ord, equation))}", one([node("Einsum", "x x", "y", equation=equation)], [2, 3, 4])
    yield "einsum_trace", one([node("Einsum", "x", "y", equation="ii")], [3, 3])
    yield "einsum_constant", one([node("Einsum", "x w", "y", equation="bi,io->ob")], [2, 3], [tensor("w", weights(3, 4))])
    yield "div_two", one([node("Abs", "x", "a"), node("Add", "a c", "d"), node("Div", "x d", "y")], [2, 3],
                         [tensor("c", np.array([0.5], dtype=np.float32))])
    yield "reduce_l2", one([node("ReduceL2", "x", "y", axes=[1])], [2, 3])
    yield "softmax_rows", one([node("Softmax", "x", "y", axis=1)], [2, 5, 3])
    yield "layer_norm", one([node("LayerNormalization", "x s b", "y", epsilon=1e-3)], [2, 3, 8],
                            [tensor("s", weights(8)), tensor("b", weights(8))])
    yield "rms_norm", one([node("RMSNormalization", "x s", "y", epsilon=1e-2)], [2, 8], [tensor("s", weights(8))],
                          opset=23)
    yield "instance_norm", one([node("InstanceNormalization", "x s b", "y")], [2, 3, 4],
                               [tensor("s", weights(3)), tensor("b", weights(3))])
    yield "group_norm", one([node("GroupNormalization", "x s b", "y", num_groups=2)], [1, 4, 6],
                            [tensor("s", weights(4)), tensor("b", weights(4))], opset=21)
    past = np.triu(np.full((4, 4), -np.inf, dtype=np.float32), 1)
    head = [node("Transpose", "x", "t", perm=[0, 2, 1]), node("MatMul", "x t", "s")]
    tail = [node("Softmax", "m", "p", axis=-1), node("MatMul", "p x", "y")]
    yield "attention_causal", one([*head, node("Add", "s k", "m"), *tail], [2, 4, 3], [tensor("k", past)])
    where = [tensor("z", np.array(-np.inf, dtype=np.float32)), numpy_helper.from_array(past == 0, "k")]
    yield "attention_where", one([*head, node("Where", "k s z", "m"), *tail], [1, 4, 3], where)
    yield "attention_23", one([node("Attention", "x x x", "y", q_num_heads=2, kv_num_heads=2, is_causal=1)],
                              [2, 3, 4], opset=23)
    yield "attention_mask_23", one([node("Attention", "x g g k", "y", scale=0.25)], [1, 4, 3, 2],
                                   [tensor("g", weights(1, 2, 4, 2)), numpy_helper.from_array(past[:3] == 0, "k")],
                                   opset=23)
    yield "mean_variance", one([node("MeanVarianceNormalization", "x", "y", axes=[0, 2])], [2, 3, 4])


def matrices():
    yield "matmul_positions", one([node("MatMul", "x w", "m"), node("Add", "m b", "a"), node("Relu", "a", "y")],
                                  [2, 3, 4], [tensor("w", weights(4, 5)), tensor("b", weights(5))])
    yield "matmul_stack", one([node("MatMul", "x w", "y")], [2, 3, 4], [tensor("w", weights(2, 4, 2))])
    yield "matmul_stack_broadcast", one([node("MatMul", "x w", "y")], [3, 4], [tensor("w", weights(2, 4, 2))])
    yield "matmul_left_positions", one([node("MatMul", "w x", "y")], [2, 4, 3], [tensor("w", weights(5, 4))])
    yield "matmul_two_layers", one(
        [node("MatMul", "x w", "m"), node("Mul", "m s", "a"), node("MatMul", "a v", "h"), node("Add", "h x", "y")],
        [2, 3, 4], [tensor("w", weights(4, 2)), tensor("s", weights(2)), tensor("v", weights(2, 4))])
    yield "linear_regressor", model(
        [helper.make_node("LinearRegressor", ["x"], ["y"], name="regressor", domain="ai.onnx.ml", targets=2,
                          coefficients=[1.0, -2.0, 0.5, 0.25, 3.0, -1.0], intercepts=[0.5, -0.5])],
        [info("x", ["N", 3])], [info("y", None)], [], domains=[("ai.onnx.ml", 1)], check=False)
    ml_only = model(
        [helper.make_node("Scaler", ["x"], ["y"], name="scaler", domain="ai.onnx.ml", offset=[1.0], scale=[0.5])],
        [info("x", ["N", 3])], [info("y", ["N", 3])], [], domains=[("ai.onnx.ml", 3)], check=False)
    del ml_only.opset_import[0]
    yield "ml_operators_only", ml_only


def graphs():
    w = tensor("w", weights(3, 3))
    yield "residual", one([node("Gemm", "x w", "h"), node("Relu", "h", "r"), node("Add", "x r", "y")], [1, 3], [w])
    yield "two_branches", one([node("Gemm", "x w", "h"), node("Relu", "h", "r"), node("Sigmoid", "h", "s"),
                               node("Sub", "r s", "y")], ["batch", 3], [w])
    yield "two_inputs", model(
        [node("Concat", "a b", "c", axis=1), node("Gemm", "c v", "h"), node("Max", "h b", "m"),
         node("Min", "m a h", "y")], [info("a", [1, 2]), info("b", [1, 2])], [info("y", [1, 2])],
        [tensor("v", weights(4, 2))])
    yield "two_outputs", model(
        [node("Relu", "x", "y"), node("Sigmoid", "y", "z")], [info("x", [1, 2])],
        [info("y", [1, 2]), info("z", [1, 2])], [])
    yield "output_read_on", model(
        [node("Gemm", "x w", "y"), node("Relu", "y", "r"), node("Reshape", "r s", "z")], [info("x", [1, 3])],
        [info("y", [1, 3]), info("z", [3, 1])], [w, ints("s", 3, 1)])
    yield "integer_input", one(
        [node("Add", "x c", "s"), node("Cast", "s", "f", to=1), node("Gemm", "f w", "y")], [1, 3],
        [ints("c", 3, -1, 2), w], elements=INT64)
    yield "input_passed_on", model(
        [node("Identity", "x", "y"), node("Gemm", "x w", "z")], [info("x", [1, 3])],
        [info("y", [1, 3]), info("z", [1, 3])], [w])
    yield "lenet", one(
        [node("Conv", "x k1 b1", "c1"), node("Relu", "c1", "r1"), node("MaxPool", "r1", "p1", kernel_shape=[2, 2],
         strides=[2, 2]), node("Conv", "p1 k2 b2", "c2"), node("Relu", "c2", "r2"),
         node("AveragePool", "r2", "p2", kernel_shape=[2, 2], strides=[2, 2]), node("Flatten", "p2", "f"),
         node("Gemm", "f w1 b3", "h"), node("Relu", "h", "r3"), node("Gemm", "r3 w2", "y")], ["N", 1, 12, 12],
        [tensor("k1", weights(4, 1, 3, 3)), tensor("b1", weights(4)), tensor("k2", weights(6, 4, 2, 2)),
         tensor("b2", weights(6)), tensor("w1", weights(24, 8)), tensor("b3", weights(8)), tensor("w2", weights(8, 5))])
    yield "residual_block", one(
        [node("Conv", "x k1", "c1", pads=[1, 1, 1, 1]), node("BatchNormalization", "c1 s b m v", "n"),
         node("Relu", "n", "r"), node("Conv", "r k2", "c2", pads=[1, 1, 1, 1]), node("Add", "c2 x", "a"),
         node("Relu", "a", "q"), node("GlobalAveragePool", "q", "g"), node("Flatten", "g", "f"),
         node("Gemm", "f w", "h"), node("ArgMax", "h", "y", axis=1)], [1, 3, 4, 4],
        [tensor("k1", weights(3, 3, 3, 3)), tensor("k2", weights(3, 3, 3, 3)), tensor("s", weights(3)),
         tensor("b", weights(3)), tensor("m", weights(3)), tensor("v", [1.0, 0.5, 2.0]), w], out=INT64)


def running():
    def sums(axis, **attributes):
        return one([node("CumSum", "x a", "y", **attributes)], [2, 3, 4], [ints("a", axis)])

    yield "cum_sum", sums(1)
    yield "cum_sum_exclusive", sums(-1, exclusive=1)
    yield "cum_sum_reverse", sums(0, reverse=1)
    yield "cum_sum_both_ways", sums(2, exclusive=1, reverse=1)
    yield "reduce_prod", one([node("ReduceProd", "x", "y", axes=[1])], [2, 3, 2])
    yield "reduce_prod_pairs", one([node("ReduceProd", "x a", "y", keepdims=0)], [3, 2], [ints("a", 1)], 18)


def in_order():
    # All elements of the only row, which exporters of medians also sort.
    yield "top_of_all", model(
        [node("TopK", "x k", "y places", largest=0)], [info("x", [1, 5])],
        [info("y", [1, 5]), info("places", [1, 5], INT64)], [ints("k", 5)])


def blocks():
    # Normalizations, attention and a feed-forward part in basic operators, as the comparison's model has them.
    sys.path.insert(0, str(Path(__file__).resolve().parent / "compare"))
    import models

    yield "transformer_block", models.transformer(tokens=4, width=8, heads=2)[0]


def runtime():
    # onnxruntime's own quantized operators, between a QuantizeLinear and a DequantizeLinear.
    def quantized(op, inputs, zero, made, shape, constants=(), **attributes):
        """`op` of q, x quantized in steps of a sixteenth, to steps of `made`."""
        grids = [tensor("qs", 1 / 16), tensor("rs", made),
                 numpy_helper.from_array(np.array(zero), "qz"), numpy_helper.from_array(np.array(zero), "rz")]
        own = helper.make_node(op, inputs.split(), ["r"], name="r_node", domain="com.microsoft", **attributes)
        return one([node("QuantizeLinear", "x qs qz", "q"), own, node("DequantizeLinear", "r rs rz", "y")], shape,
                   [*grids, *constants], domains=[("com.microsoft", 1)])

    unary = "q qs qz rs rz"
    yield "qlinear_sigmoid", quantized("QLinearSigmoid", unary, np.uint8(30), 1 / 200, [2, 5])
    yield "qlinear_leaky_relu", quantized("QLinearLeakyRelu", unary, np.int8(-3), 1 / 20, [2, 5], alpha=0.3)
    yield "qlinear_softmax", quantized("QLinearSoftmax", unary, np.int8(-90), 1 / 256, [2, 3, 4], axis=-1, opset=13)
    yield "qlinear_softmax_axis", quantized("QLinearSoftmax", unary, np.uint8(40), 1 / 250, [2, 3, 4], axis=1, opset=13)
    yield "qlinear_softmax_flat", quantized("QLinearSoftmax", unary, np.uint8(40), 1 / 250, [2, 3, 4], axis=1, opset=12)
    yield "qlinear_global_average_pool", quantized("QLinearGlobalAveragePool", unary, np.uint8(50), 1 / 30, [1, 2, 3, 3],
                                                   channels_last=0)
    other = numpy_helper.from_array(RNG.integers(-40, 41, size=(2, 5)).astype(np.int8), "c")
    for op in ("QLinearAdd", "QLinearMul"):
        yield op.lower().replace("qlinear", "qlinear_"), quantized(op, "q qs qz c qs qz rs rz", np.int8(5), 0.0787, [2, 5],
                                                                   [other])
    weight = numpy_helper.from_array(RNG.integers(-40, 41, size=(5, 3)).astype(np.int8), "w")
    zero = numpy_helper.from_array(np.int8(0), "wz")
    yield "qgemm", quantized("QGemm", "q qs qz w ws wz - rs rz".replace("-", "b"), np.int8(7), 1 / 7, [2, 5],
                             [weight, zero, tensor("ws", 1 / 30),
                              numpy_helper.from_array(RNG.integers(-900, 900, size=3).astype(np.int32), "b")])


def dynamic():
    # Integers whose scale and zero point are made of what is quantized, as quantize_dynamic writes them.
    # What is added to x keeps it from standing halfway between two integers.
    def off(*shape):
        return tensor("o", RNG.uniform(-0.02, 0.02, size=shape).astype(np.float32))

    first = [node("Add", "x o", "a"), node("DynamicQuantizeLinear", "a", "q qs qz")]
    back = node("DequantizeLinear", "q qs qz", "y")
    yield "dynamic_quantize", one([*first, back], [2, 5], [off(2, 5)])
    yield "dynamic_quantize_positive", one(
        [node("Add", "x o", "s"), node("Abs", "s", "a"), first[1], back], [2, 5], [off(2, 5)])
    yield "dynamic_quantize_negative", one(
        [node("Add", "x o", "s"), node("Abs", "s", "n"), node("Neg", "n", "a"), first[1], back], [2, 5], [off(2, 5)])
    yield "dynamic_quantize_zeros", one(
        [node("Clip", "x lo hi", "a"), first[1], back], [2, 5], [tensor("lo", 0), tensor("hi", 0)])
    zeros = numpy_helper.from_array(np.array([3, -2, 0], dtype=np.int8), "wz")
    weight = numpy_helper.from_array(RNG.integers(-127, 128, size=(5, 3)).astype(np.int8), "w")
    product = [node("MatMulInteger", "q w qz wz", "p"), node("Cast", "p", "c", to=TensorProto.FLOAT),
               node("Mul", "qs ws", "s"), node("Mul", "c s", "m"), node("Add", "m b", "y")]
    yield "dynamic_matmul_integer", one(
        [*first, *product], [2, 5], [off(2, 5), weight, zeros, tensor("ws", weights(3) / 100), tensor("b", weights(3))])
    kernel = numpy_helper.from_array(RNG.integers(0, 256, size=(3, 2, 3, 3)).astype(np.uint8), "w")
    zero = numpy_helper.from_array(np.array(113, dtype=np.uint8), "wz")
    convolved = [node("ConvInteger", "q w qz wz", "p", pads=[1, 1, 1, 1]), *product[1:]]
    # What is quantized is read beside it, and squared with what became of it.
    square = numpy_helper.from_array(RNG.integers(-127, 128, size=(5, 5)).astype(np.int8), "w")
    none = numpy_helper.from_array(np.array(0, dtype=np.int8), "wz")
    yield "dynamic_residual", one(
        [*first, *product[:-1], node("Add", "m a", "r"), node("ReduceMean", "r", "mean", axes=[-1]),
         node("Sub", "r mean", "d"), node("Mul", "d d", "y")], [2, 5],
        [off(2, 5), square, none, tensor("ws", 1 / 150)])
    yield "dynamic_conv_integer", one(
        [*first, *convolved], [1, 2, 4, 4], [off(1, 2, 4, 4), kernel, zero, tensor("ws", 1 / 130),
                                             tensor("b", weights(3, 1, 1))])


def masks():
    # A row of nothing but −∞ is known by its greatest element, as decomposed attention asks.
    mask = numpy_helper.from_array(np.array([[False] * 5, [True] * 5]), "mask")
    yield "mask_of_a_whole_row", one(
        [node("Where", "mask z ni", "b"), node("ReduceMax", "b", "m", axes=[-1]), node("Equal", "m ni", "e"),
         node("Where", "e z x", "y")], [2, 5], [mask, tensor("z", 0), tensor("ni", -np.inf)])


def layers():
    # What quantize_dynamic makes of layers after one another, and of an embedding.
    rng = np.random.default_rng(14)
    sizes, nodes, constants, last = [6, 8, 6, 3], [], [], "x"
    for i, (rows, columns) in enumerate(zip(sizes, sizes[1:])):
        out = "y" if i == len(sizes) - 2 else f"h{i}"
        constants += [numpy_helper.from_array(rng.integers(-127, 128, size=(rows, columns)).astype(np.int8), f"w{i}"),
                      tensor(f"ws{i}", 1 / 130 / np.sqrt(rows)), tensor(f"b{i}", rng.normal(size=columns) * 0.1)]
        nodes += [node("DynamicQuantizeLinear", last, f"q{i} qs{i} qz{i}"),
                  node("MatMulInteger", f"q{i} w{i} qz{i}", f"p{i}"), node("Cast", f"p{i}", f"c{i}", to=TensorProto.FLOAT),
                  node("Mul", f"qs{i} ws{i}", f"s{i}"), node("Mul", f"c{i} s{i}", f"m{i}"),
                  node("Add", f"m{i} b{i}", out)]
        last = out
    yield "dynamic_layers", one(nodes, [1, 6], constants)
    table = numpy_helper.from_array(rng.integers(-127, 128, size=(33, 4)).astype(np.int8), "t")
    yield "embedding_of_integers", one(
        [node("Gather", "t x", "g"), node("DequantizeLinear", "g ts tz", "y")], [1, 3],
        [table, tensor("ts", 1 / 64), numpy_helper.from_array(np.int8(3), "tz")], elements=INT64)
    off = tensor("o", rng.uniform(-0.02, 0.02, size=(2, 5)).astype(np.float32))
    again = [node("DynamicQuantizeLinear", "d", "q2 s2 z2"), node("DequantizeLinear", "q2 s2 z2", "y")]
    yield "dynamic_chain", one(
        [node("Add", "x o", "a"), node("DynamicQuantizeLinear", "a", "q s z"), node("DequantizeLinear", "q s z", "d"),
         *again], [2, 5], [off])


def kernels():
    # What onnxruntime's quantizer writes of whole layers, per channel too, and what its optimizer saves.
    rng = np.random.default_rng(15)

    def bytes_(name, *shape, low=-60):
        return numpy_helper.from_array(rng.integers(low, 61, size=shape).astype(np.int8), name)

    def own(op, inputs, output, **attributes):
        names = [name.replace("-", "") for name in inputs.split()]
        return helper.make_node(op, names, [output], name=f"{output}_node", domain="com.microsoft", **attributes)

    def of(nodes, shape, constants):
        return one(nodes, shape, constants, domains=[("com.microsoft", 1)])

    columns = [bytes_("w", 4, 5), tensor("ws", rng.uniform(0.02, 0.05, 4)),
               numpy_helper.from_array(np.zeros(4, np.int8), "wz"),
               numpy_helper.from_array(rng.integers(-900, 900, size=4).astype(np.int32), "b")]
    grids = [tensor("qs", 1 / 16), numpy_helper.from_array(np.uint8(120), "qz")]
    to = [tensor("rs", 0.0413), numpy_helper.from_array(np.uint8(131), "rz")]
    quantize, back = node("QuantizeLinear", "x qs qz", "q"), node("DequantizeLinear", "r rs rz", "y")
    yield "qgemm_columns", of(
        [quantize, own("QGemm", "q qs qz w ws wz b rs rz", "r", transB=1), back], [2, 5], [*columns, *grids, *to])
    yield "qgemm_columns_real", of(
        [quantize, own("QGemm", "q qs qz w ws wz b", "y", transB=1)], [2, 5], [*columns, *grids])
    yield "qlinear_average_pool", of(
        [quantize, own("QLinearAveragePool", "q qs qz rs rz", "r", kernel_shape=[2, 2], strides=[2, 2]), back],
        [1, 2, 4, 4], [*grids, tensor("rs", 0.0531), to[1]])
    weight = [bytes_("w", 5, 3), tensor("ws", rng.uniform(0.002, 0.005, 3)), tensor("b", rng.normal(size=3))]
    yield "matmul_integer_to_float", of(
        [quantize, own("MatMulIntegerToFloat", "q w qs ws qz - b", "y")], [2, 5], [*weight, *grids])
    off = tensor("o", rng.uniform(-0.02, 0.02, size=(2, 5)).astype(np.float32))
    yield "dynamic_quantize_matmul", of(
        [node("Add", "x o", "a"), own("DynamicQuantizeMatMul", "a w ws - b", "y")], [2, 5], [*weight, off])
    groups = [tensor("s", rng.uniform(0.5, 1.5, 2)), tensor("c", rng.normal(size=2))]
    yield "group_normalization_of_groups", one(
        [node("GroupNormalization", "x s c", "y", num_groups=2)], [1, 4, 3, 3], groups, opset=18)
    # Inside, h is another than outside.
    body = helper.make_graph(
        [helper.make_node("Add", ["t", "e"], ["h"]), helper.make_node("Identity", ["h"], ["u"])], "body",
        [info("t", [3]), info("e", [3])], [info("u", [3]), info("h", [3])])
    yield "scan_of_names_outside", model(
        [node("Scan", "z x", "last y", body=body, num_scan_inputs=1), node("Add", "last last", "h")],
        [info("x", [2, 3])], [info("y", [2, 3]), info("h", [3])], [tensor("z", np.zeros(3))], check=False)


def embeddings():
    # How sentence embeddings end: a mean over what a mask leaves, and a norm that is clipped.
    yield "mean_over_mask", model(
        [node("Greater", "m z", "c"), node("Cast", "c", "f", to=TensorProto.FLOAT), node("Unsqueeze", "f last", "u"),
         node("Expand", "u size", "e"), node("Mul", "h e", "p"), node("ReduceSum", "p axis", "s", keepdims=0),
         node("ReduceSum", "e axis", "n", keepdims=0), node("Clip", "n least", "d"), node("Div", "s d", "y")],
        [info("m", [2, 4]), info("h", [2, 4, 3])], [info("y", [2, 3])],
        [tensor("z", 0.5), ints("last", -1), ints("axis", 1), ints("size", 2, 4, 3), tensor("least", 1e-9)],
        check=False)
    yield "norm_that_is_clipped", one(
        [node("ReduceL2", "x axis", "n"), node("Clip", "n least", "c"), node("Shape", "x", "s"),
         node("Expand", "c s", "e"), node("Div", "x e", "y")], [2, 3, 4], [ints("axis", 1), tensor("least", 1e-12)], 18)


def hidden():
    # Masks of the input that set scores to float32's least number, or to −∞.
    least = float(np.finfo(np.float32).min)
    last = numpy_helper.from_array(np.array([False, False, False, True]), "last")
    # The second row is hidden throughout.
    rows = numpy_helper.from_array(np.array([[True], [False]]), "rows")
    constants = [tensor("z", 0.5), tensor("o", 1), tensor("least", least), rows]
    given = [info("m", [2, 4]), info("x", [2, 4])]
    # The last is never hidden.
    seen = [node("Greater", "m z", "g"), node("Or", "g last", "c")]
    yield "mask_added", model(
        [node("Greater", "m z", "g"), node("And", "g rows", "c"), node("Cast", "c", "i", to=INT64), node("Cast", "i", "w", to=TensorProto.FLOAT), node("Sub", "o w", "h"),
         node("Mul", "h least", "a"), node("Add", "x a", "s"), node("Softmax", "s", "y")],
        given, [info("y", [2, 4])], constants, check=False)
    for name, low in (("least", least), ("infinite", -np.inf)):
        yield f"mask_{name}", model(
            [*seen, node("Where", "c x low", "s"), node("Softmax", "s", "y")], given, [info("y", [2, 4])],
            [tensor("z", 0.5), tensor("low", low), last], check=False)
    # tract takes the softmax of the integers, in another scale.
    yield "softmax_of_dequantized", one(
        [node("QuantizeLinear", "x s q", "i"), node("DequantizeLinear", "i s q", "d"), node("Softmax", "d", "y")], [2, 4],
        [tensor("s", 1 / 16), numpy_helper.from_array(np.int8(0), "q")])


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    expected = {}
    kinds = (convolutions, pools, functions, reductions, moves, shapes, matrices, graphs, products, running,
             in_order, blocks, runtime, dynamic, masks, layers, kernels,
             embeddings, hidden)
    for name, built in (pair for kind in kinds for pair in kind()):
        path = OUT / f"{name}.onnx"
        onnx_models.save(built, path)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        samples = []
        for _ in range(3):
            feed = {}
            for given in built.graph.input:
                tensor_type = given.type.tensor_type
                dims = [d.dim_value or 1 for d in tensor_type.shape.dim]
                rows = RNG.integers(-32, 33, size=dims)
                feed[given.name] = rows if tensor_type.elem_type == INT64 else (rows / 16).astype(np.float32)
            outputs = session.run(None, feed)
            samples.append({"inputs": [v.astype(float).ravel().tolist() for v in feed.values()],
                            "outputs": [v.astype(float).ravel().tolist() for v in outputs]})
        expected[name] = samples
    lines = [f'  "{name}": {json.dumps(case)}' for name, case in expected.items()]
    (OUT / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(len(expected))


if __name__ == "__main__":
    main()
