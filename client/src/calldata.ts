// Calldata in the one encoding that the oracle accepts.
import { type Address, type Hex, encodeAbiParameters, encodeFunctionData, keccak256, concat } from "viem";
import { inferenceOracleAbi } from "@verdict/contracts";
import { type IndexedAttestation, encodeAttestations } from "./attestation.js";
import { type ProofBundle, inputWordsOf } from "./bundle.js";
import { VerdictError, guarded } from "./error.js";
import type { InferenceRequest } from "./request.js";
import { hexOf, word } from "./words.js";

/** The arguments of a call that takes one proof. */
export interface InferenceCall {
  readonly modelId: bigint;
  readonly inputCommitment: Hex;
  readonly output: Hex;
  readonly proof: Hex;
}

/** One proof of several in one call of `verifyInferences`. */
export interface Inference extends InferenceCall {
  readonly attestations: Hex;
}

/** ERC-7992's `output`: `abi.encode(int256[] values)`. */
export function encodeOutput(values: readonly bigint[]): Hex {
  return guarded("calldata", "outputs", () => encodeAbiParameters([{ type: "int256[]" }], [values]));
}

/**
 * What the oracle keeps of an inference's outputs beside the first one (`outputsOf`): zero of
 * one output; of two or three, their number above bit 192 and each in 64 bits from the lowest
 * on; of more, the keccak hash of their words.
 */
export function outputsWord(values: readonly bigint[]): Hex {
  if (values.length < 2) return word(0n);
  if (values.length > 3) return keccak256(concat(values.map((value) => word(BigInt.asUintN(256, value)))));
  const packed = values.map((value, index) => BigInt.asUintN(64, value) << BigInt(64 * index));
  return word(packed.reduce((sum, value) => sum | value, BigInt(values.length) << 192n));
}

const words = (hexes: readonly Hex[]) => hexes.map((hex, index) => BigInt(hexOf(hex, 32, `input word ${index}`, "calldata")));
// Encoders take any text for bytes.
const proofOf = (bundle: ProofBundle) => hexOf(bundle.evmProof, undefined, "evmProof", "calldata");

/** Model id, commitment and encoded outputs of a bundle. */
function statement(bundle: ProofBundle): Omit<InferenceCall, "proof"> {
  const [request] = bundle.requests;
  if (request === undefined || bundle.inputCommitment === undefined) {
    const message = "the proof answers no request; prove again with a chain, oracle, subject and deadline";
    throw new VerdictError("calldata", message);
  }
  bundle.outputs.forEach((value, index) => {
    if (BigInt.asIntN(64, value) !== value) {
      throw new VerdictError("calldata", `output ${index} is ${value}, outside the 64-bit range of on-chain outputs`);
    }
  });
  const inputCommitment = hexOf(bundle.inputCommitment, 32, "input commitment", "calldata");
  return { modelId: request.modelId, inputCommitment, output: encodeOutput(bundle.outputs) };
}

/**
 * The arguments of `verifyInference` and `checkInference`.
 *
 * @throws VerdictError if the bundle answers no request, or several.
 */
export function inferenceCall(bundle: ProofBundle): InferenceCall {
  const said = statement(bundle);
  const [request, ...others] = bundle.requests;
  if (request === undefined || others.length > 0) {
    throw new VerdictError("calldata", `the proof answers ${bundle.requests.length} requests, and the call takes one`);
  }
  const types = [{ type: "address" }, { type: "uint256" }, { type: "uint64" }, { type: "uint256[]" }, { type: "bytes" }] as const;
  const { subject, nonce, deadline } = request;
  return guarded("calldata", "bundle", () => {
    const proof = encodeAbiParameters(types, [subject, nonce, deadline, words(inputWordsOf(bundle)), proofOf(bundle)]);
    return { ...said, proof };
  });
}

/** What is a request's own in a batch, as one word: subject (160 bits), nonce (56), deadline (40). */
function packRequest({ subject, nonce, deadline }: InferenceRequest, index: number): bigint {
  for (const [what, value, bits] of [["nonce", nonce, 56n], ["deadline", deadline, 40n]] as const) {
    const limit = (1n << bits) - 1n;
    if (value > limit) {
      throw new VerdictError("calldata", `${what} of request ${index} is ${value}, at most ${limit} in a batch`);
    }
  }
  return (BigInt(subject) << 96n) | (nonce << 40n) | deadline;
}

/**
 * The arguments of `verifyInferenceBatch`.
 *
 * @throws VerdictError if the bundle answers no batch.
 */
export function batchCall(bundle: ProofBundle): InferenceCall {
  const said = statement(bundle);
  const count = bundle.requests.length;
  if (count < 2) throw new VerdictError("calldata", `the proof answers ${count} requests, and the call takes a batch`);
  const types = [{ type: "uint256[]" }, { type: "uint256[]" }, { type: "bytes" }] as const;
  return guarded("calldata", "bundle", () => {
    const requests = bundle.requests.map(packRequest);
    return { ...said, proof: encodeAbiParameters(types, [requests, words(inputWordsOf(bundle)), proofOf(bundle)]) };
  });
}

const args = (call: InferenceCall) => [call.modelId, call.inputCommitment, call.output, call.proof] as const;

/** Calldata that makes the oracle verify and record a bundle's proof, of one inference or of a batch. */
export function verifyInferenceCalldata(bundle: ProofBundle): Hex {
  const abi = inferenceOracleAbi;
  return bundle.requests.length > 1
    ? encodeFunctionData({ abi, functionName: "verifyInferenceBatch", args: args(batchCall(bundle)) })
    : encodeFunctionData({ abi, functionName: "verifyInference", args: args(inferenceCall(bundle)) });
}

/** Calldata of `checkInference`, which anyone may call and which records nothing. */
export function checkInferenceCalldata(bundle: ProofBundle): Hex {
  return encodeFunctionData({ abi: inferenceOracleAbi, functionName: "checkInference", args: args(inferenceCall(bundle)) });
}

/** Calldata that makes the oracle record a bundle's proof with these attestations. */
export function verifyAttestedInferenceCalldata(bundle: ProofBundle, attestations: readonly IndexedAttestation[]): Hex {
  const call = inferenceCall(bundle);
  return encodeFunctionData({
    abi: inferenceOracleAbi,
    functionName: "verifyAttestedInference",
    args: [...args(call), encodeAttestations(attestations)],
  });
}

/** What a call of `verifyInferences` says of one of its proofs. */
export function inference(bundle: ProofBundle, attestations?: readonly IndexedAttestation[]): Inference {
  return { ...inferenceCall(bundle), attestations: attestations ? encodeAttestations(attestations) : "0x" };
}

/** Calldata of `verifyInferences`: several proofs of any models of one oracle, with one pairing. */
export function verifyInferencesCalldata(inferences: readonly Inference[]): Hex {
  return encodeFunctionData({ abi: inferenceOracleAbi, functionName: "verifyInferences", args: [inferences] });
}

/** Names a recording once and for all: two jobs with equal keys are the same job. */
export function idempotencyKey(chainId: bigint, oracle: Address, modelId: bigint, inputCommitment: Hex): Hex {
  const types = [{ type: "uint256" }, { type: "address" }, { type: "uint256" }, { type: "bytes32" }] as const;
  return guarded("calldata", "job", () => keccak256(encodeAbiParameters(types, [chainId, oracle, modelId, inputCommitment])));
}
