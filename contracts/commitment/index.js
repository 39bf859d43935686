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

/** The integer that stands for one input. */
function integer({ bits, ranges, grids }, index, value) {
  const [lo, hi] = ranges[index];
  const grid = grids?.[index];
  if (grid?.missing && Number.isNaN(value)) return 0n;
  if (!grid) {
    if (!(value >= lo && value <= hi)) throw new RangeError(`input ${index} is ${value}, not in [${lo}, ${hi}]`);
    return BigInt(round(((value - lo) / (hi - lo)) * (2 ** bits - 1)));
  }
  const nearest = (value) => round(value * 10 ** grid.decimals);
  const before = grid.missing ? 1 : 0;
  const point = nearest(value) - nearest(lo) + before;
  const last = nearest(hi) - nearest(lo) + before;
  if (!(point >= before && point <= last)) {
    throw new RangeError(`input ${index} is ${value}, not in [${lo}, ${hi}]`);
  }
  if (grid.exact && nearest(value) / 10 ** grid.decimals !== value) {
    throw new RangeError(`input ${index} is ${value}, which has more than ${grid.decimals} decimals`);
  }
  return BigInt(point) << BigInt(Math.max(0, bits - bitLength(last)));
}

/** The words of the inputs that are not private, several inputs a word, the first lowest. */
export function inputWords(manifest, inputs) {
  const { input } = manifest;
  if (inputs.length !== input.ranges.length) {
    throw new RangeError(`${inputs.length} inputs, the model takes ${input.ranges.length}`);
  }
  const integers = inputs.map((value, index) => integer(input, index, value));
  const hidden = new Set(input.private ?? []);
  const stated = [];
  let next = 0;
  input.tensors.forEach((tensor, index) => {
    const own = integers.slice(next, (next += length(tensor)));
    if (!hidden.has(index)) stated.push(...own);
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
  if (!(salt >= 0n && salt < 1n << SALT_BITS)) throw new RangeError("a salt is an integer from 0 to 2^128 - 1");
  const { words, count } = inputWords(manifest, inputs);
  const first = BigInt(count) + VERSION + (salt << 32n);
  return words.reduce((hash, word) => poseidon2([hash, word]), first);
}
