// What a proof answers, and how the answer is bound to the question.
import { type Address, type Hex, concat, encodeAbiParameters, keccak256, toHex } from "viem";
import { modelRegistryAbi } from "@verdict/contracts";
import { VerdictError, guarded } from "./error.js";
import { hexOf, word } from "./words.js";

/** keccak256("verdict.inference.v2"), the first word under every input commitment. */
export const DOMAIN: Hex = keccak256(toHex("verdict.inference.v2"));
/** keccak256("verdict.batch.v1"), the first word under a batch's input commitment. */
export const BATCH_DOMAIN: Hex = keccak256(toHex("verdict.batch.v1"));

/** A request to score a subject. */
export interface InferenceRequest {
  /** Chain id (EIP-155). */
  readonly chainId: bigint;
  /** The oracle that will record the score. */
  readonly oracle: Address;
  /** Id of the model in the oracle's registry. */
  readonly modelId: bigint;
  /** {@link verificationHash} of the model's verification data. */
  readonly verificationHash: Hex;
  /** Whom the score is about. */
  readonly subject: Address;
  /** Exceeds the last nonce recorded for the subject and the model. */
  readonly nonce: bigint;
  /** Unix time of the last second in which the score may be recorded. */
  readonly deadline: bigint;
  /** {@link inputsHash} of the public input words; zero for private inputs. */
  readonly inputs: Hex;
}

/** What gives a model's numbers their meaning, as the registry has it. */
export interface VerificationData {
  readonly verifier: Address;
  readonly key: Address;
  /** EXTCODEHASH of the key contract. */
  readonly keyHash: Hex;
  readonly publicInputs: number;
  readonly outputs: number;
  readonly batch: number;
  readonly outputMin: bigint;
  readonly outputMax: bigint;
  readonly decimals: number;
  readonly direction: number;
}

const REQUEST = ["bytes32", "uint256", "address", "uint256", "bytes32", "address", "uint256", "uint256", "bytes32"].map(
  (type) => ({ type }),
);

/**
 * ERC-7992's `inputCommitment` of a request: the hash of its nine words.
 *
 * @throws VerdictError if a part of the request is not of its type.
 */
export function inputCommitment(request: InferenceRequest): Hex {
  const { chainId, oracle, modelId, verificationHash, subject, nonce, deadline, inputs } = request;
  const values = [DOMAIN, chainId, oracle, modelId, verificationHash, subject, nonce, deadline, inputs];
  hexOf(verificationHash, 32, "verification hash", "calldata");
  hexOf(inputs, 32, "inputs", "calldata");
  return guarded("calldata", "request", () => keccak256(encodeAbiParameters(REQUEST, values)));
}

/** What a proof of a batch answers, each of its inferences one request, in their order. */
export function batchCommitment(requests: readonly InferenceRequest[]): Hex {
  const types = [{ type: "bytes32" }, { type: "bytes32[]" }] as const;
  return keccak256(encodeAbiParameters(types, [BATCH_DOMAIN, requests.map(inputCommitment)]));
}

/**
 * The `context` instance: a commitment modulo 2^253, which is below the field's modulus.
 *
 * @throws VerdictError if it is not 32 bytes.
 */
export function contextWord(commitment: Hex): Hex {
  return word(BigInt(hexOf(commitment, 32, "input commitment", "calldata")) & ((1n << 253n) - 1n));
}

/**
 * Keccak hash of the public input words, or zero where there are none.
 *
 * @throws VerdictError if one is no word of 32 bytes.
 */
export function inputsHash(words: readonly Hex[]): Hex {
  words.forEach((one, index) => hexOf(one, 32, `input word ${index}`, "calldata"));
  return words.length === 0 ? word(0n) : keccak256(concat(words));
}

/** Hash of all that gives a model's numbers their meaning. */
export function verificationHash(data: VerificationData): Hex {
  const attach = modelRegistryAbi.find((entry) => entry.type === "function" && entry.name === "attachVerification");
  const type = attach?.inputs.find((input) => input.name === "data");
  if (type === undefined) throw new VerdictError("chain", "@verdict/contracts is of another version: no attachVerification");
  return guarded("chain", "verification data", () => keccak256(encodeAbiParameters([type], [data])));
}
