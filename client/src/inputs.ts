// Inputs as the words that a proof states of them. How inputs become integers is said once, in
// the contracts' package; here is which words there are of which setup.
import { commitment, inputWords as packedWords, type Inputs as FlatInputs } from "@verdict/contracts/commitment";
import { poseidon2 } from "poseidon-lite/poseidon2";
import type { Hex } from "viem";
import { VerdictError, shown } from "./error.js";
import { type Manifest, elements } from "./manifest.js";
import { word } from "./words.js";

export { randomSalt } from "@verdict/contracts/commitment";

/** Values of one input, as deep as its dimensions or flat. */
export type Nested = number | boolean | null | Float32Array | Float64Array | readonly Nested[];
/** A model's inputs: by name, or one after the other as `@verdict/contracts` takes them. */
export type Inputs = FlatInputs | { readonly [name: string]: Nested };

const SALT_BIT = 32n;
const SALT_BITS = 128n;
/** Says that a commitment is of several samples. */
const VERSION_OF_LIST = 2n << 24n;

/** Inputs by name, one after the other. */
function flat(manifest: Manifest, inputs: Inputs): FlatInputs {
  if (Array.isArray(inputs) || ArrayBuffer.isView(inputs)) return inputs as FlatInputs;
  if (typeof inputs !== "object" || inputs === null) {
    throw new VerdictError("inputs", `expected a list of numbers, or an object with a list of each input, got ${shown(inputs)}`);
  }
  const { tensors } = manifest.input;
  const unknown = Object.keys(inputs).find((name) => !tensors.some((tensor) => tensor.name === name));
  if (unknown !== undefined) {
    const names = tensors.map((tensor) => shown(tensor.name)).join(", ");
    throw new VerdictError("inputs", `the model has no input ${shown(unknown)}, but ${names}`);
  }
  return tensors.flatMap((tensor) => {
    if (!Object.hasOwn(inputs, tensor.name)) throw new VerdictError("inputs", `the input ${shown(tensor.name)} is missing`);
    const values = leaves((inputs as Record<string, Nested>)[tensor.name] ?? null, tensor.dims.length);
    const wanted = elements(tensor);
    if (values.length === wanted) return values;
    throw new VerdictError("inputs", `the input ${shown(tensor.name)} has ${values.length} elements, expected ${wanted}`);
  });
}

function leaves(values: Nested, depth: number): (number | boolean | null)[] {
  if (ArrayBuffer.isView(values)) return Array.from(values as Float32Array);
  if (!Array.isArray(values)) return [values as number | boolean | null];
  // A flat list of a scalar is taken, too.
  if (depth < 0) throw new VerdictError("inputs", "a list is nested more deeply than the input's dimensions");
  return values.flatMap((value: Nested) => leaves(value, depth - 1));
}

function inputsError<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof VerdictError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new VerdictError("inputs", reason, { cause });
  }
}

/** Of which inputs a proof says something, by name, and of which nothing. */
export interface Coverage {
  readonly stated: readonly string[];
  readonly private: readonly string[];
}

/**
 * Which inputs proofs state, as words or in a commitment. A provider's statement covers these only: of the
 * others, whoever proves takes what he likes. `verdict attest` refuses a setup with private ones unless it is
 * told `--partial`.
 */
export function coverage(manifest: Manifest): Coverage {
  const names = manifest.input.tensors.map((tensor) => tensor.name);
  const hidden = (index: number) => manifest.inputs === "private" || (manifest.input.private ?? []).includes(index);
  return { stated: names.filter((_, index) => !hidden(index)), private: names.filter((_, index) => hidden(index)) };
}

/**
 * The words in which a proof of one inference states its inputs: none if they are private, one
 * if they are committed, which takes the salt (below 2^128).
 *
 * @throws VerdictError if the inputs do not fit the model or its declared ranges.
 */
export function inputWords(manifest: Manifest, inputs: Inputs, salt?: bigint): Hex[] {
  if (manifest.samples !== undefined) {
    throw new VerdictError("inputs", `a proof is of ${manifest.samples} samples together; give all of them to batchInputWords`);
  }
  if (manifest.inputs === "committed") return [inputCommitmentWord(manifest, inputs, salt)];
  const { words, count } = inputsError(() => packedWords(manifest, flat(manifest, inputs)));
  if (manifest.inputs === "private") return [];
  return (manifest.packed ? words : unpacked(words, count, manifest.input.bits)).map(word);
}

/** The inputs' integers, one a word: the chain circuit's. */
function unpacked(words: readonly bigint[], count: number, bits: number): bigint[] {
  const each = Math.floor(252 / bits);
  const mask = (1n << BigInt(bits)) - 1n;
  return Array.from({ length: count }, (_, index) => {
    const packed = words[Math.floor(index / each)] ?? 0n;
    return (packed >> BigInt(bits * (index % each))) & mask;
  });
}

/**
 * The words of a batch's inputs, each of all inferences before the next. Of totals over samples, the inputs are those
 * of all samples, and there is one salt or none.
 *
 * @throws VerdictError if there are not as many as a proof is of, or one does not fit.
 */
export function batchInputWords(manifest: Manifest, inputs: readonly Inputs[], salts?: readonly bigint[]): Hex[] {
  if (manifest.samples !== undefined) {
    if (manifest.inputs === "committed") return [samplesCommitmentWord(manifest, inputs, salts?.[0])];
    countSamples(manifest.samples, inputs);
    inputs.forEach((one) => inputsError(() => packedWords(manifest, flat(manifest, one))));
    return [];
  }
  if (inputs.length !== manifest.batch) {
    throw new VerdictError("inputs", `${inputs.length} lists of inputs, a proof is of ${manifest.batch}`);
  }
  const words = inputs.map((one, index) => inputWords(manifest, one, salts?.[index]));
  return (words[0] ?? []).flatMap((_, at) => words.map((own) => own[at] ?? word(0n)));
}

/**
 * The word that commits to inputs with a salt, whoever states it.
 *
 * @throws VerdictError if the inputs or the salt do not fit, or the setup's proofs state no commitment.
 */
export function inputCommitmentWord(manifest: Manifest, inputs: Inputs, salt: bigint | undefined): Hex {
  const own = saltOf(manifest, salt);
  if (manifest.samples !== undefined) {
    const message = `a commitment is of ${manifest.samples} samples together; give all of them to samplesCommitmentWord`;
    throw new VerdictError("inputs", message);
  }
  return word(inputsError(() => commitment(manifest, flat(manifest, inputs), own)));
}

/**
 * The word that commits with one salt to the inputs of all samples whose totals a proof states.
 *
 * @throws VerdictError if an input or the salt does not fit, there are not as many samples as a proof is of, or the
 * setup's proofs state no commitment of samples.
 */
export function samplesCommitmentWord(manifest: Manifest, samples: readonly Inputs[], salt: bigint | undefined): Hex {
  const own = saltOf(manifest, salt);
  if (manifest.samples === undefined) {
    const message = "the setup's proofs state no totals over samples; give each inference's inputs to inputCommitmentWord";
    throw new VerdictError("inputs", message);
  }
  countSamples(manifest.samples, samples);
  if (typeof own !== "bigint" || own < 0n || own >= 1n << SALT_BITS) {
    throw new VerdictError("inputs", "a salt is an integer from 0 to 2^128 - 1");
  }
  const packed = samples.map((one) => inputsError(() => packedWords(manifest, flat(manifest, one))));
  const count = packed.reduce((sum, one) => sum + one.count, 0);
  const first = BigInt(count) + VERSION_OF_LIST + (own << SALT_BIT);
  return word(packed.flatMap((one) => one.words).reduce((hash, next) => poseidon2([hash, next]), first));
}

function saltOf(manifest: Manifest, salt: bigint | undefined): bigint {
  if (manifest.inputs !== "committed") {
    throw new VerdictError("inputs", "the setup's proofs state no commitment; it was made without --commit-inputs");
  }
  if (salt === undefined) throw new VerdictError("inputs", "the setup's inputs are committed, which takes a salt");
  return salt;
}

function countSamples(wanted: number, samples: readonly Inputs[]): void {
  if (samples.length !== wanted) throw new VerdictError("inputs", `${samples.length} samples, a proof is of ${wanted}`);
}
