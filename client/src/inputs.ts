// Inputs as the words that a proof states of them. How inputs become integers is said once, in
// the contracts' package; here is which words there are of which setup.
import { commitment, inputWords as packedWords, type Inputs } from "@verdict/contracts/commitment";
import type { Hex } from "viem";
import { VerdictError } from "./error.js";
import type { Manifest } from "./manifest.js";
import { word } from "./words.js";

export type { Inputs };
export { randomSalt } from "@verdict/contracts/commitment";

function inputsError<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
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
  if (manifest.inputs === "committed") return [inputCommitmentWord(manifest, inputs, salt)];
  const { words, count } = inputsError(() => packedWords(manifest, inputs));
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
 * The words of a batch's inputs, each of all inferences before the next.
 *
 * @throws VerdictError if there are not as many as a proof is of, or one does not fit.
 */
export function batchInputWords(manifest: Manifest, inputs: readonly Inputs[], salts?: readonly bigint[]): Hex[] {
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
  if (manifest.inputs !== "committed") {
    throw new VerdictError("inputs", "the setup's proofs state no commitment; it was made without --commit-inputs");
  }
  if (salt === undefined) throw new VerdictError("inputs", "the setup's inputs are committed, which takes a salt");
  return word(inputsError(() => commitment(manifest, inputs, salt)));
}
