// Commitments to inputs: the program's own words and refusals.
import assert from "node:assert/strict";
import { test } from "node:test";

import { commitment, inputWords, randomSalt } from "@verdict/contracts/commitment";

/** A manifest of one tensor whose inputs are all alike. */
function alike(range, grid, count = 2) {
  const list = (value) => Array.from({ length: count }, () => value);
  const input = { tensors: [{ name: "x", dims: [1, count] }], ranges: list(range), bits: 18 };
  return { input: grid ? { ...input, grids: list(grid) } : input };
}

const tenths = { decimals: 1, exact: true };
const hex = (word) => `0x${word.toString(16).padStart(64, "0")}`;
/** The integers of a manifest's inputs, all of which fit one word. */
function integers(manifest, inputs) {
  const { words, count } = inputWords(manifest, inputs);
  const mask = (1n << BigInt(manifest.input.bits)) - 1n;
  return Array.from({ length: count }, (_, index) => (words[0] >> BigInt(index * manifest.input.bits)) & mask);
}

test("commitments are those that `verdict commit` makes", () => {
  // Missing and float32 values on a grid beside inputs as fine as the circuit is.
  const grid = { ...tenths, missing: true };
  const mixed = {
    input: {
      tensors: [{ name: "X", dims: [2, 3] }],
      ranges: Array.from({ length: 6 }, (_, index) => (index % 2 === 0 ? [-2.5, 7.2] : [-10, 10])),
      bits: 32,
      grids: Array.from({ length: 6 }, (_, index) => (index % 2 === 0 ? grid : null)),
    },
  };
  assert.equal(
    hex(commitment(mixed, [null, 1.5, 2.2, 3, 5.099999904632568, 5], 0x7dbe48fd07df9c1bf44c6ed128ae7db1n)),
    "0x16ba57a3d14e582cd3dc2bafb6dcb516684ed652a876eff7002c67de2b7f9636",
  );
  // Two of four inputs are committed to, the others stay private.
  const whole = { decimals: 0, exact: true };
  const some = {
    input: {
      tensors: ["account", "duration", "amount", "age"].map((name) => ({ name, dims: [1, 1] })),
      ranges: [[0, 3], [0, 72], [0, 20000], [18, 80]],
      bits: 18,
      grids: [whole, whole, whole, whole],
      private: [0, 3],
    },
  };
  assert.equal(
    hex(commitment(some, [1, 18, 866, 30], 0xd608e8cc3c6bce4d3d4cdd9279b8e095n)),
    "0x0cac6be75c55cab20ab6422bf639eb8d63f0c535a371c3f7d6a7620170265dc3",
  );
  assert.equal(inputWords(some, [1, 12, 345, 30]).count, 2);
  assert.throws(() => inputWords(some, [1, 12, 345, 17]), /^RangeError: age\[0\]\[0\] is 17, outside/, "private ones, too");
});

test("what is no number is refused", () => {
  for (const grid of [undefined, tenths]) {
    for (const value of [null, undefined, "0.5", "", [0.5], {}, 1n, new Number(0.5)]) {
      assert.throws(() => inputWords(alike([0, 1], grid), [0, value]), TypeError, String(value));
    }
    for (const value of [NaN, Infinity, -Infinity]) {
      assert.throws(() => inputWords(alike([0, 1], grid), [0, value]), /not a finite number/);
    }
  }
  assert.throws(() => inputWords(alike([0, 1]), [0, "0.5"]), /^TypeError: x\[0\]\[1\] is "0.5", which is not a number$/);
  assert.throws(() => inputWords(alike([0, 1]), "01"), TypeError);
  assert.throws(() => inputWords(alike([0, 1]), [0]), /^RangeError: expected 2 inputs, got 1$/);
  assert.throws(() => inputWords(alike([0, 1]), new Array(2)), TypeError, "holes");
});

test("missing values are null or NaN, where there may be some", () => {
  const manifest = alike([0, 1], { ...tenths, missing: true });
  // Eleven points and one below them: 2^18 / 2^4 apart.
  assert.deepEqual(integers(manifest, [null, 0]), [0n, 1n << 14n]);
  assert.deepEqual(integers(manifest, [NaN, 1]), [0n, 11n << 14n]);
  assert.throws(() => inputWords(manifest, [undefined, 0]), TypeError);
  assert.throws(() => inputWords(manifest, [-0.1, 0]), /outside its declared range/);
  const other = alike([0, 1], { ...tenths, missing: true });
  other.input.grids[1] = tenths;
  assert.throws(() => inputWords(other, [null, null]), /x\[0\]\[1\] is null/);
});

test("the float32 of a point is that point, its ends too", () => {
  const manifest = alike([-2.4, 71.9], tenths);
  const points = [-2.4, 5.1, 71.9];
  for (const point of points) {
    assert.deepEqual(integers(manifest, [Math.fround(point), 0]), integers(manifest, [point, 0]), point);
  }
  assert.deepEqual(integers(manifest, new Float32Array([5.1, 71.9])), integers(manifest, [5.1, 71.9]));
  assert.throws(() => inputWords(manifest, [5.11, 0]), /more than its declared 1 decimals/);
  assert.throws(() => inputWords(manifest, [5.1000001, 0]), /more than its declared 1 decimals/);
  assert.throws(() => inputWords(alike([0, 4], { decimals: 0, exact: true }), [2.5, 0]), /takes integers there/);
});

test("what is out of range is refused, also where it would be rounded into it", () => {
  const rounded = alike([0, 7.2], { decimals: 1, exact: false });
  assert.deepEqual(integers(rounded, [7.15, 0.04]), integers(rounded, [7.2, 0]));
  for (const value of [7.24, -0.04]) {
    assert.throws(() => inputWords(rounded, [value, 0]), /outside its declared range \[0, 7.2\]/);
  }
  const fine = alike([-1, 1]);
  assert.deepEqual(integers(fine, [-1, 1]), [0n, (1n << 18n) - 1n]);
  assert.throws(() => inputWords(fine, [1.0000001, 0]), /outside/);
});

test("truth values are 0 and 1, as in files of inputs", () => {
  assert.deepEqual(integers(alike([0, 1]), [true, false]), integers(alike([0, 1]), [1, 0]));
});

test("a salt is one of 128 bits", () => {
  const manifest = alike([0, 1]);
  for (const salt of [-1n, 1n << 128n, 5, "5", undefined]) {
    assert.throws(() => commitment(manifest, [0, 1], salt), RangeError, String(salt));
  }
  assert.ok(randomSalt() < 1n << 128n);
  assert.notEqual(commitment(manifest, [0, 1], 1n), commitment(manifest, [0, 1], 2n));
});
