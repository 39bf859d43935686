// Commitments to a model's inputs, as a proof states them. The manifest of a setup says what the
// inputs are; poseidon-lite hashes. The Rust side is circuit::graph::committed.
import { poseidon2 } from "poseidon-lite/poseidon2";

const VERSION = 1n << 24n;
const SALT_BITS = 128n;
const WORD_BITS = 252;

/** Rounds half away from zero. */
const round = (value) => Math.sign(value) * Math.round(Math.abs(value));

const bitLength = (value) => (value === 0 ? 0 : BigInt(value).toString(2).length);

const length = (tensor) => tensor.dims.reduce((product, dim) => product * dim, 1);

/** An element of all tensors together for a message, `x[0][3]`. */
function element(tensors, index) {
  let at = index;
  for (const tensor of tensors) {
    let step = length(tensor);
    if (at < step) return tensor.name + tensor.dims.map((dim) => `[${Math.floor(at / (step /= dim)) % dim}]`).join("");
    at -= step;
  }
  return `number ${index}`;
}

/** A value as text. */
const shown = (value) => (typeof value === "string" ? JSON.stringify(value) : String(value));

/** The integer that stands for one input. What is refused here, `verdict commit` refuses too. */
function integer({ tensors, bits, ranges, grids }, index, value) {
  const [lo, hi] = ranges[index];
  const grid = grids?.[index];
  const says = (what) => `${element(tensors, index)} is ${shown(value)}, ${what}`;
  // As in files of inputs: truth values are 0 and 1, and null is a missing value, where there may be one.
  if (typeof value === "boolean") return integer({ tensors, bits, ranges, grids }, index, Number(value));
  if (grid?.missing && (value === null || Number.isNaN(value))) return 0n;
  if (typeof value !== "number") throw new TypeError(says("which is not a number"));
  if (!Number.isFinite(value)) throw new RangeError(says("which is not a finite number"));
  const scale = 10 ** (grid?.decimals ?? 0);
  const nearest = (value) => round(value * scale);
  // The float32 of a point is that point: an end of the range, too.
  const point = nearest(value) / scale;
  const float32 = Math.fround(value) === value && Math.fround(point) === value;
  const held = grid && (point === value || float32);
  if ((held ? point : value) < lo || (held ? point : value) > hi) {
    throw new RangeError(says(`outside its declared range [${lo}, ${hi}]`));
  }
  if (grid?.exact && !held) {
    const integers = grid.decimals === 0 && !grid.missing;
    const decimals = `which has more than its declared ${grid.decimals} decimals`;
    throw new RangeError(says(integers ? "the model takes integers there" : decimals));
  }
  const largest = 2 ** bits - 1;
  let word = ((value - lo) / (hi - lo)) * largest;
  if (grid) {
    const before = grid.missing ? 1 : 0;
    const shift = bits - bitLength(nearest(hi) - nearest(lo) + before);
    word = (nearest(value) - nearest(lo) + before) * 2 ** Math.max(0, shift);
  }
  return BigInt(Math.min(Math.max(round(word), 0), largest));
}

/** The words of the inputs that are not private, several inputs a word, the first lowest. */
export function inputWords(manifest, inputs) {
  const { input } = manifest;
  if (!Array.isArray(inputs) && !ArrayBuffer.isView(inputs)) throw new TypeError("inputs are a list of numbers");
  if (inputs.length !== input.ranges.length) {
    throw new RangeError(`expected ${input.ranges.length} inputs, got ${inputs.length}`);
  }
  // Private ones are checked too, as a proof does it.
  const integers = Array.from(inputs, (value, index) => integer(input, index, value));
  const hidden = new Set(input.private ?? []);
  const stated = [];
  let next = 0;
  input.tensors.forEach((tensor, index) => {
    const own = integers.slice(next, (next += length(tensor)));
    if (!hidden.has(index)) own.forEach((value) => stated.push(value));
  });
  const bits = BigInt(input.bits);
  const each = Math.floor(WORD_BITS / input.bits);
  const words = [];
  for (let at = 0; at < stated.length; at += each) {
    words.push(stated.slice(at, at + each).reduceRight((word, value) => (word << bits) + value, 0n));
  }
  return { words, count: stated.length };
}

/** A fresh salt. */
export function randomSalt() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return bytes.reduce((salt, byte) => (salt << 8n) + BigInt(byte), 0n);
}

/** The word that commits to a model's inputs, one input after the other, with a salt below 2^128. */
export function commitment(manifest, inputs, salt) {
  if (typeof salt !== "bigint" || salt < 0n || salt >= 1n << SALT_BITS) {
    throw new RangeError("a salt is an integer from 0 to 2^128 - 1");
  }
  const { words, count } = inputWords(manifest, inputs);
  const first = BigInt(count) + VERSION + (salt << 32n);
  return words.reduce((hash, word) => poseidon2([hash, word]), first);
}
