"""Writes networks that compute in the QDQ form, and onnxruntime's integers for inputs next to halves.

    python scripts/make_half_fixtures.py

halves/*.onnx are planned and run by crates/prover/tests/prover/halves.rs; expected.json holds, for
each, inputs of two decimals at which an integer comes as near to a half as any of some ten thousands
do, with the integers that onnxruntime makes when it fuses operators, as it does by default, and
those of each operator by itself; and which elements are within a millionth of a half, where
the order of float32's sums decides.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OUT = Path(__file__).resolve().parent.parent / "crates" / "prover" / "tests" / "fixtures" / "halves"
RNG = np.random.default_rng(13)
DRAWN, KEPT, OPEN = 60_000, 32, 1e-6
RANGE = 2.0


def scale(low, high):
    return np.float32(RNG.uniform(low, high))


def network(nodes, constants, shape):
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outputs = [helper.make_empty_tensor_value_info("y")]
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "halves", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    made = onnxruntime.InferenceSession(model.SerializeToString()).get_outputs()[0]
    kind = {"tensor(uint8)": TensorProto.UINT8, "tensor(int8)": TensorProto.INT8}[made.type]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", kind, made.shape))
    return model


def quantized(op, shape, kernel, columns, per_column=False, relu=False, axis=0, ties=False, byte=np.int8, **attributes):
    """An operator between quantized tensors, with a bias in the scale of its products."""
    count = columns if per_column else 1
    # Fused kernels of unsigned bytes may saturate sums of two products at 16 bits, depending on the processor.
    signed, most = byte is np.int8, 127 if byte is np.int8 else 63
    x_scale, zero = np.float32(2 * RANGE / 255), byte(-1 if signed else 127)
    w_scale = RNG.uniform(0.003, 0.006, count) * (1 if signed else 2)
    w_scale = w_scale.astype(np.float32)
    constants = {"xs": x_scale, "xz": zero, "w": RNG.integers(-most, most + 1, kernel).astype(np.int8),
                 "ws": w_scale if per_column else w_scale[0],
                 "wz": np.zeros(count, np.int8) if per_column else np.int8(0),
                 "b": RNG.integers(-8000, 8000, columns).astype(np.int32),
                 "bs": (x_scale * w_scale).astype(np.float32) if per_column else x_scale * w_scale[0],
                 "bz": np.zeros(count, np.int32) if per_column else np.int32(0),
                 "ys": scale(0.009, 0.02), "yz": byte((-128 if signed else 0) if relu else (3 if signed else 131))}
    if ties:
        # Every 128th sum is halfway between two integers; unfused, float32's sums are not.
        constants["ys"] = np.float32(128 * x_scale * w_scale[0])
    axes = {"axis": axis} if per_column else {}
    nodes = [helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["q"]),
             helper.make_node("DequantizeLinear", ["q", "xs", "xz"], ["d"]),
             helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["k"], **axes)]
    operands = ["d", "k"]
    if op == "MatMul":
        constants = {name: value for name, value in constants.items() if name not in ("b", "bs", "bz")}
    else:
        nodes.append(helper.make_node("DequantizeLinear", ["b", "bs", "bz"], ["c"],
                                      **({"axis": 0} if per_column else {})))
        operands.append("c")
    nodes.append(helper.make_node(op, operands, ["h"], **attributes))
    if relu:
        nodes.append(helper.make_node("Relu", ["h"], ["r"]))
    nodes.append(helper.make_node("QuantizeLinear", ["r" if relu else "h", "ys", "yz"], ["y"]))
    return network(nodes, constants, shape)


def added():
    """Two numbers in scales of their own, in that of their sum."""
    constants = {"as": scale(0.01, 0.02), "az": np.uint8(131), "bs": scale(0.01, 0.02), "bz": np.uint8(117),
                 "ys": scale(0.02, 0.03), "yz": np.uint8(125), "from": np.array([0], np.int64),
                 "middle": np.array([6], np.int64), "to": np.array([12], np.int64), "axis": np.array([1], np.int64)}
    nodes = [helper.make_node("Slice", ["x", "from", "middle", "axis"], ["a"]),
             helper.make_node("Slice", ["x", "middle", "to", "axis"], ["b"])]
    for name in "ab":
        grid = [f"{name}s", f"{name}z"]
        nodes += [helper.make_node("QuantizeLinear", [name, *grid], [f"{name}q"]),
                  helper.make_node("DequantizeLinear", [f"{name}q", *grid], [f"{name}d"])]
    nodes += [helper.make_node("Add", ["ad", "bd"], ["h"]),
              helper.make_node("QuantizeLinear", ["h", "ys", "yz"], ["y"])]
    return network(nodes, constants, [1, 12])


def reals(model):
    """The inputs of QuantizeLinear as outputs too, with their scales."""
    probe = type(model)()
    probe.CopyFrom(model)
    known = {constant.name: numpy_helper.to_array(constant) for constant in model.graph.initializer}
    read = [node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] in "hr"]
    for node in read:
        probe.graph.output.append(helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, None))
    return probe, [(node.input[0], float(known[node.input[1]]), float(known[node.input[2]])) for node in read]


def session(model, fused):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not fused:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def near(model):
    """Inputs at which something that is rounded is next to a half, nearest first."""
    probe, read = reals(model)
    run, shape = session(probe, False), [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    found = []
    for _ in range(DRAWN):
        x = np.round(RNG.uniform(-RANGE, RANGE, shape), 2).astype(np.float32)
        distance, opened = 1.0, set()
        for name, width, zero in read:
            steps = run.run([name], {"x": x})[0].astype(float).ravel() / width
            inside = np.abs(steps) < 110
            beside = np.where(inside, np.abs(steps - np.floor(steps) - 0.5), 1.0)
            distance = min(distance, float(beside.min()))
            opened |= set(np.flatnonzero(beside <= OPEN * np.abs(steps)).tolist())
        found.append((distance, x, sorted(opened)))
    found.sort(key=lambda pair: pair[0])
    return found[:KEPT]


def models():
    for kind, byte in (("int8", np.int8), ("uint8", np.uint8)):
        def of(*args, byte=byte, **kwargs):
            return quantized(*args, byte=byte, **kwargs)

        yield f"conv_{kind}", of("Conv", [1, 2, 4, 4], [3, 2, 3, 3], 3)
        yield f"conv_channels_{kind}", of("Conv", [1, 2, 4, 4], [3, 2, 3, 3], 3, per_column=True, pads=[1, 1, 1, 1])
        yield f"conv_relu_{kind}", of("Conv", [1, 3, 4, 4], [3, 1, 3, 3], 3, relu=True, group=3)
        yield f"conv_ties_{kind}", of("Conv", [1, 2, 4, 4], [3, 2, 3, 3], 3, ties=True)
        yield f"matmul_{kind}", of("MatMul", [2, 12], [12, 5], 5)
        yield f"gemm_{kind}", of("Gemm", [1, 12], [12, 5], 5)
        yield f"gemm_columns_{kind}", of("Gemm", [1, 12], [5, 12], 5, per_column=True, transB=1)
    yield "add_uint8", added()


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, model in models():
        (OUT / f"{name}.onnx").write_bytes(model.SerializeToString())
        kept, samples = near(model), []
        runs = [session(model, fused) for fused in (True, False)]
        for distance, x, opened in kept:
            fused, single = (run.run(None, {"x": x})[0].astype(int).ravel().tolist() for run in runs)
            sample = {"input": [round(float(value), 2) for value in x.ravel()], "fused": fused, "open": opened}
            samples.append(sample if fused == single else sample | {"single": single})
        expected[name] = samples
        others = sum("single" in sample for sample in samples)
        print(f"{name}: {kept[0][0]:.1e} to {kept[-1][0]:.1e} of a step from a half, {others} differ unfused")
    (OUT / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
