"""Writes the ONNX fixtures of the prover's tests and onnxruntime's outputs for them.

    python scripts/make_fixtures.py

good/*.onnx are read and run: expected.json holds inputs and outputs for each.
bad/*.onnx must be refused; crates/prover/tests/prover/onnx_refused.rs says how.
"""

import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import onnx_models
from onnx_models import info, model, tensor
from make_dense import layers

OUT = Path(__file__).resolve().parent.parent / "crates" / "prover" / "tests" / "fixtures"
RNG = np.random.default_rng(5)


def weights(*shape):
    """Random float32 weights with few digits."""
    return (RNG.integers(-64, 65, size=shape) / 32).astype(np.float32)


def ints(name, *values):
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), [output], name=attributes.pop("name", f"{output}_node"),
                            **attributes)


def loops(depth):
    """A Loop around a Loop, and so on, that pass on what they carry."""
    inner = node("Identity", f"v{depth}", f"w{depth}") if depth == 1 else loops(depth - 1)
    body = helper.make_graph(
        [helper.make_node("Identity", [f"c{depth}"], [f"d{depth}"]), inner]
        + ([helper.make_node("Identity", [f"m{depth - 1}"], [f"w{depth}"])] if depth > 1 else []),
        f"body{depth}",
        [helper.make_tensor_value_info(f"i{depth}", TensorProto.INT64, []),
         helper.make_tensor_value_info(f"c{depth}", TensorProto.BOOL, []),
         info(f"v{depth}", None)],
        [helper.make_tensor_value_info(f"d{depth}", TensorProto.BOOL, []), info(f"w{depth}", None)])
    carried, made = ("h", "y") if depth == 4 else (f"v{depth + 1}", f"m{depth}")
    return helper.make_node("Loop", ["trips", "yes", carried], [made], name=f"loop{depth}", body=body)


def graph(nodes, shape, out_shape, constants, **options):
    return model(nodes, [info("x", shape)], [info("y", out_shape)], constants, **options)


def good():
    w, b = tensor("w", weights(4, 3)), tensor("b", weights(4))
    yield "mlp", onnx_models.dense(list(layers([3, 4, 2], 1)))
    yield "mlp_sigmoid", onnx_models.dense(list(layers([3, 4, 2], 2)), sigmoid=True)
    yield "fixed_batch", onnx_models.dense(list(layers([3, 4, 2], 3)), batch=1)
    yield "matmul_add", graph(
        [node("MatMul", "x wt", "m"), node("Add", "b m", "h"), node("Relu", "h", "r"),
         node("MatMul", "r v", "y")],
        ["batch", 3], ["batch", 2], [tensor("wt", weights(3, 4)), b, tensor("v", weights(4, 2))])
    yield "matmul_constant_left", graph(
        [node("Transpose", "x", "c", perm=[1, 0]), node("MatMul", "w c", "m"),
         node("Transpose", "m", "y")], [2, 3], [2, 4], [w])
    yield "matmul_rows", graph(
        [node("MatMul", "x wt", "m"), node("Relu", "m", "y")],
        ["batch", 2, 3], ["batch", 2, 4], [tensor("wt", weights(3, 4))])
    yield "matmul_vectors", graph(
        [node("MatMul", "w x", "m"), node("MatMul", "m v", "s"), node("Add", "s m", "y")],
        [3], [4], [w, tensor("v", weights(4, 1))])
    yield "gemm_options", graph(
        [node("Gemm", "x w c", "h", transA=1, transB=1, alpha=0.5, beta=-2.0), node("Relu", "h", "r"),
         node("Gemm", "v r", "y", transB=1, alpha=3.0)],
        [3, 2], [5, 2], [w, tensor("c", weights(2, 1)), tensor("v", weights(5, 4))])
    yield "preprocessing", graph(
        [node("Sub", "x mean", "s"), node("Div", "s std", "d"), node("Neg", "d", "n"),
         node("Mul", "two n", "t"), node("Sub", "one t", "o"), node("Clip", "o zero", "k"),
         node("Gemm", "k w b", "y", transB=1)],
        ["batch", 3], ["batch", 4],
        [tensor("mean", weights(3)), tensor("std", [2.0, 0.5, 3.0]), tensor("two", 2.0),
         tensor("one", [1.0]), tensor("zero", 0.0), w, b])
    yield "scaling_only", graph(
        [node("Mul", "x two", "y")], ["batch", 3], ["batch", 3], [tensor("two", [2.0, -1.0, 0.25])])
    yield "max_and_double_relu", graph(
        [node("Gemm", "x w b", "h", transB=1), node("Max", "h zero", "m"), node("Relu", "m", "y")],
        ["batch", 3], ["batch", 4], [w, b, tensor("zero", 0.0)])
    yield "softmax_two_classes", graph(
        [node("Gemm", "x w b", "h", transB=1), node("Softmax", "h", "y")],
        ["batch", 3], ["batch", 2], [tensor("w", weights(2, 3)), tensor("b", weights(2))])
    yield "softmax_inner_axis", graph(
        [node("Softmax", "x", "y", axis=1)], ["batch", 2, 3], ["batch", 2, 3], [])
    yield "opset_9", graph(
        [node("Squeeze", "x", "q", axes=[2]), node("Slice", "q", "s", starts=[0], ends=[-1], axes=[1]),
         node("Clip", "s", "c", min=0.0), node("Gemm", "c w b", "h", transB=1),
         node("Unsqueeze", "h", "u", axes=[1]), node("Softmax", "u", "y", axis=1)],
        [1, 4, 1], [1, 1, 2], [tensor("w", weights(2, 3)), tensor("b", weights(2))], opset=9)
    yield "batch_normalization", graph(
        [node("Gemm", "x w b", "h", transB=1), node("BatchNormalization", "h s b m v", "y")],
        ["batch", 3], ["batch", 4],
        [w, b, tensor("s", weights(4)), tensor("m", weights(4)), tensor("v", [0.5, 1, 2, 0])])
    yield "scaler", graph(
        [helper.make_node("Scaler", ["x"], ["s"], name="scaler", domain="ai.onnx.ml",
                          offset=[1.0, -2.0, 0.5], scale=[0.5, 2.0, 1.5]),
         node("Gemm", "s w b", "y", transB=1)],
        ["batch", 3], ["batch", 4], [w, b], domains=[("ai.onnx.ml", 3)])
    yield "identities", graph(
        [node("Identity", "x", "i"), node("Dropout", "i", "d"), node("Cast", "d", "c", to=1),
         node("Gemm", "c w b", "h", transB=1), node("Cast", "h", "f", to=11),
         node("Cast", "f", "y", to=1)], ["batch", 3], ["batch", 4], [w, b])
    yield "parallel_affine", graph(
        [node("Gemm", "x w b", "p", transB=1), node("Gemm", "x v", "q", transB=1),
         node("Sub", "p q", "s"), node("Add", "s p", "t"), node("Concat", "t x one", "y", axis=1)],
        [1, 3], [1, 8], [w, b, tensor("v", weights(4, 3)), tensor("one", [[1.0]])])
    yield "moved_elements", graph(
        [node("Reshape", "x keep", "r"), node("Transpose", "r", "t", perm=[0, 2, 1]),
         node("Slice", "t start end axis step", "s"), node("Gather", "s pick", "g", axis=2),
         node("Concat", "g s", "c", axis=2), node("Unsqueeze", "c first", "u"),
         node("Squeeze", "u first", "q"), node("Flatten", "q", "f"), node("Relu", "f", "y")],
        ["batch", 6], ["batch", 12],
        [ints("keep", 0, -1, 3), ints("start", -1), ints("end", -4), ints("axis", 1),
         ints("step", -1), ints("pick", 1, -2), ints("first", 0)])
    yield "computed_shape", graph(
        [node("Shape", "x", "s"), node("Gather", "s zero", "n", axis=0),
         node("Unsqueeze", "n zeroth", "u"), node("Concat", "u rest", "t", axis=0),
         node("Reshape", "x t", "r"), node("Gemm", "r w b", "y", transB=1)],
        ["batch", 3, 1], ["batch", 4],
        [numpy_helper.from_array(np.array(0), "zero"), ints("zeroth", 0), ints("rest", 3), w, b])
    yield "constant_nodes", graph(
        [helper.make_node("Constant", [], ["k"], name="k_node", value=tensor("", weights(3, 4))),
         helper.make_node("Constant", [], ["o"], name="o_node", value_float=1.5),
         helper.make_node("Constant", [], ["p"], name="p_node", value_floats=[1.0, 2.0, 3.0, 4.0]),
         node("MatMul", "x k", "m"), node("Add", "o p", "q"), node("Sub", "m q", "y")],
        ["batch", 3], ["batch", 4], [])
    yield "float64", model(
        [node("Gemm", "x w b", "h", transB=1), node("Sigmoid", "h", "y")],
        [info("x", ["batch", 3], TensorProto.DOUBLE)], [info("y", ["batch", 4], TensorProto.DOUBLE)],
        [tensor("w", RNG.standard_normal((4, 3)), np.float64),
         tensor("b", RNG.standard_normal(4), np.float64)])
    yield "dead_nodes", graph(
        [node("Tanh", "x", "t"), node("Gemm", "x w b", "y", transB=1), node("Relu", "t", "z")],
        ["batch", 3], ["batch", 4], [w, b])
    yield "unnamed_nodes", graph(
        [node("Gemm", "x w b", "h", transB=1, name=""), node("Relu", "h", "y", name="")],
        ["batch", 3], ["batch", 4], [w, b])
    yield "initializers_as_inputs", model(
        [node("Gemm", "x w b", "y", transB=1)],
        [info("x", ["batch", 3]), info("w", [4, 3]), info("b", [4])], [info("y", ["batch", 4])], [w, b])


def bad():
    w, b = tensor("w", weights(4, 3)), tensor("b", weights(4))
    gemm = node("Gemm", "x w b", "h", transB=1, name="fc")

    def after_gemm(*nodes, constants=(), out=("batch", 4), shape=("batch", 3), **options):
        return graph([gemm, *nodes], list(shape), list(out), [w, b, *constants], check=False, **options)

    yield "det", after_gemm(node("Det", "h", "y", name="squash"))
    yield "loops_in_loops", after_gemm(
        loops(4), constants=[ints("trips", 4096), numpy_helper.from_array(np.array(True), "yes")])
    yield "enormous_state", model(
        [helper.make_node("LSTM", ["x", "w", "r"], ["y"], name="cell", hidden_size=1 << 62)],
        [info("x", [2, 1, 3])], [info("y", [2, 1, 1, 4])],
        [tensor("w", np.zeros((1, 16, 3))), tensor("r", np.zeros((1, 16, 4)))], check=False)
    yield "softmax_of_nothing", graph(
        [node("Add", "x mask", "h"), node("Softmax", "h", "y", name="shares", axis=1)], [2, 3], [2, 3],
        [tensor("mask", [[0, 0, 0], [-1e4, -1e4, -1e4]])])
    nothing = tensor("e", np.zeros(0))
    yield "pads_nothing", graph(
        [node("Pad", "e pads", "p", name="around", mode="wrap"), node("Concat", "x p", "y", axis=0)], [3], [5],
        [nothing, ints("pads", 1, 1)], check=False, opset=19)
    yield "vast_and_empty", graph(
        [node("Reshape", "e vast", "v", name="vast", allowzero=1), node("Reshape", "v none", "n"),
         node("Concat", "x n", "y", axis=0)], [3], [3],
        [nothing, ints("vast", 1 << 40, 0), ints("none", -1)], check=False)
    yield "endless_average", graph(
        [node("AveragePool", "x", "y", name="mean", kernel_shape=[1 << 24], pads=[1 << 24] * 2, strides=[100])],
        [1, 1, 3], [1, 1, 167773], [], check=False)
    yield "negative_image", graph(
        [node("Col2Im", "x image block", "y", name="image")], [1, 4, 4], [1, 1, 3, 3],
        [ints("image", -5, 3, 3), ints("block", 2, 2)], check=False, opset=18)
    yield "many_in_order", graph(
        [helper.make_node("TopK", ["x", "k"], ["y", "places"], name="top")], [2, 40], [2, 8], [ints("k", 8)], check=False)
    yield "integers_over_their_type", graph(
        [node("CumProd", "c axis", "p", name="product"), node("Cast", "p", "f", to=1), node("Add", "x f", "y")], [3], [3],
        [numpy_helper.from_array(np.array([70000, 70000, 3], dtype=np.int32), "c"), ints("axis", 0)], check=False, opset=26)
    yield "foreign_domain", after_gemm(
        helper.make_node("FusedGelu", ["h"], ["y"], name="gelu", domain="com.example"))
    yield "divides_by_zero", after_gemm(node("Div", "h d", "y", name="inverse"),
                                        constants=[tensor("d", [1, 2, 0, 4])])
    for name, value in (("nan_weight", np.nan), ("infinite_weight", -np.inf)):
        broken = weights(4, 3)
        broken[1, 2] = value
        yield name, graph([node("Gemm", "x w b", "y", transB=1, name="fc")], ["batch", 3], ["batch", 4],
                          [tensor("w", broken), b], check=False)
    yield "overflowing_fold", graph(
        [node("Mul", "x big", "s"), node("Mul", "s big", "t"), node("Mul", "t big", "u"),
         node("Mul", "u big", "v"), node("Mul", "v big", "s2"), node("Mul", "s2 big", "s3"),
         node("Mul", "s3 big", "s4"), node("Mul", "s4 big", "s5"), node("Mul", "s5 big", "y")],
        ["batch", 3], ["batch", 3], [tensor("big", 3e38)], check=False)
    yield "dynamic_features", graph(
        [node("Relu", "x", "y")], ["batch", "features"], ["batch", "features"], [], check=False)
    yield "no_shape", model([node("Relu", "x", "y")], [info("x", None)], [info("y", None)], [], check=False)
    yield "zero_dimension", graph([node("Relu", "x", "y")], [1, 0], [1, 0], [], check=False)
    yield "enormous_input", graph([node("Relu", "x", "y")], [1, 1 << 62], [1, 1 << 62], [], check=False)
    yield "enormous_broadcast", graph(
        [node("Reshape", "x column", "c"), node("Add", "c row", "s"), node("Reshape", "s cube", "t"),
         node("Add", "t row", "y", name="outer")],
        [1, 1024], [1024 * 1024, 1024],
        [ints("column", -1, 1), ints("cube", -1, 1), tensor("row", np.zeros(1024))], check=False)
    yield "complex", model(
        [node("Relu", "x", "y")], [info("x", [1, 2], TensorProto.COMPLEX64)],
        [info("y", [1, 2], TensorProto.COMPLEX64)], [], check=False)
    yield "int8_weights", graph(
        [node("MatMul", "x q", "y")], ["batch", 2], ["batch", 2],
        [numpy_helper.from_array(np.ones((2, 2), np.int8), "q")], check=False)
    yield "integer_input", model(
        [node("Relu", "x", "y")], [info("x", [1, 2], TensorProto.INT64)], [info("y", [1, 2])], [],
        check=False)
    yield "no_nodes", graph([], [1, 2], [1, 2], [], check=False)
    yield "constant_output", graph(
        [node("Identity", "c", "y")], [1, 2], [1, 2], [tensor("c", [[1, 2]])], check=False)
    yield "inner_sizes", graph(
        [node("Gemm", "x w b", "y", name="fc")], ["batch", 3], ["batch", 4], [w, b], check=False)
    yield "no_broadcast", after_gemm(node("Add", "h c", "y", name="shift"),
                                     constants=[tensor("c", weights(3))])
    yield "reshape_size", after_gemm(node("Reshape", "h s", "y", name="reshape"), constants=[ints("s", 3, 3)])
    yield "cycle", graph([node("Add", "z x", "y", name="first"), node("Relu", "y", "z")],
                         [1, 2], [1, 2], [], check=False)
    yield "defined_twice", graph(
        [node("Relu", "x", "h"), node("Neg", "h", "x"), node("Relu", "x", "h", name="again"),
         node("Neg", "h", "y")], [1, 2], [1, 2], [], check=False)
    yield "missing_input", after_gemm(node("Add", "h", "y", name="half"))
    yield "gather_out_of_range", after_gemm(node("Gather", "h i", "y", axis=1, name="pick"),
                                            constants=[ints("i", 9)])
    yield "zero_step", after_gemm(node("Slice", "h s e a z", "y", name="cut"),
                                  constants=[ints("s", 0), ints("e", 2), ints("a", 1), ints("z", 0)])
    yield "training_dropout", after_gemm(
        node("Dropout", "h ratio yes", "y", name="drop"),
        constants=[tensor("ratio", 0.5), numpy_helper.from_array(np.array(True), "yes")])
    yield "opset_6", after_gemm(node("Relu", "h", "y"), opset=6)
    yield "terminal_escape", after_gemm(node("Det", "h", "y", name="a\x1b[31m\nb" + "c" * 500))
    elsewhere = tensor("w", weights(4, 3))
    elsewhere.ClearField("raw_data")
    elsewhere.data_location = TensorProto.EXTERNAL
    elsewhere.external_data.add(key="location", value="../weights.bin")
    yield "external_data", graph([node("Gemm", "x w b", "y", transB=1)], ["batch", 3], ["batch", 4],
                                 [elsewhere, b], check=False)
    short = tensor("w", weights(4, 3))
    short.raw_data = short.raw_data[:-4]
    yield "short_weights", graph([node("Gemm", "x w b", "y", transB=1)], ["batch", 3], ["batch", 4],
                                 [short, b], check=False)
    yield "no_graph", helper.make_model(helper.make_graph([], "g", [], []), ir_version=8)


def main():
    expected = {}
    for name, built in good():
        path = OUT / "good" / f"{name}.onnx"
        onnx_models.save(built, path)
        dims = [d.dim_value or 1 for d in built.graph.input[0].type.tensor_type.shape.dim]
        rows = RNG.integers(-32, 33, size=(3, int(np.prod(dims)))) / 16
        outputs = onnx_models.run(str(path), rows)
        expected[name] = {"input": rows.tolist(), "output": [onnx_models.exact(o) for o in outputs]}
    lines = [f'  "{name}": {json.dumps(case)}' for name, case in expected.items()]
    (OUT / "good" / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    for name, built in bad():
        if name == "no_graph":
            built.ClearField("graph")
        onnx_models.save(built, OUT / "bad" / f"{name}.onnx")


if __name__ == "__main__":
    main()
