"""Writes a dense ReLU network with random weights, for measurements and tests.

    python scripts/make_dense.py 784-128-10 dense.onnx
    python scripts/make_dense.py 512-1024-512-10 large.onnx --seed 7
    python scripts/make_dense.py 100-1 logistic.onnx --sigmoid

Weights are normal with variance 2 / inputs (He et al. 2015), biases normal with a
standard deviation of 0.1. Beside dense.onnx stand dense.ranges.json (the declared
ranges, [-1, 1]), dense.input.json (an input in them) and dense.output.json
(onnxruntime's output for it).
"""

import argparse
import json
from pathlib import Path

import numpy as np

import onnx_models


def layers(sizes, seed):
    """(weights, bias) for each pair of consecutive sizes, float32."""
    rng = np.random.default_rng(seed)
    for inputs, outputs in zip(sizes, sizes[1:]):
        weights = rng.standard_normal((outputs, inputs)) * np.sqrt(2 / inputs)
        bias = rng.standard_normal(outputs) * 0.1
        yield weights.astype(np.float32), bias.astype(np.float32)


def parse_sizes(text):
    sizes = [int(part) for part in text.split("-")]
    if len(sizes) < 2 or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give at least two sizes, as in 784-128-10")
    return sizes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", type=parse_sizes, help="layer widths, as in 784-128-10")
    parser.add_argument("out", type=Path, help="the file to write")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sigmoid", action="store_true", help="end with a Sigmoid")
    args = parser.parse_args()

    built = onnx_models.dense(list(layers(args.sizes, args.seed)), sigmoid=args.sigmoid,
                              name=args.out.stem)
    onnx_models.save(built, args.out)
    # Whole sixteenths, so that the inputs are the same numbers in any fixed point.
    row = np.random.default_rng(args.seed + 1).integers(-16, 17, size=args.sizes[0]) / 16
    output = onnx_models.exact(onnx_models.run(str(args.out), [row])[0])
    for kind, key, value in (("input", "input", row.tolist()), ("output", "output", output),
                             ("ranges", "input", [[-1, 1]] * args.sizes[0])):
        args.out.with_suffix(f".{kind}.json").write_text(json.dumps({key: value}) + "\n")
    parameters = sum((i + 1) * o for i, o in zip(args.sizes, args.sizes[1:]))
    print(f"{args.out}: {parameters:,} parameters, {args.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
