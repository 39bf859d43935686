// Scores and models as a chain has them, read with viem.
import { inferenceOracleAbi, modelRegistryAbi, signerRegistryAbi } from "@verdict/contracts";
import {
  type Address,
  type Client,
  type Hex,
  AbiDecodingDataSizeTooSmallError,
  AbiDecodingZeroDataError,
  BaseError,
  ContractFunctionZeroDataError,
  zeroAddress,
} from "viem";
import { readContract } from "viem/actions";
import type { Attestation, IndexedAttestation } from "./attestation.js";
import { outputsWord } from "./calldata.js";
import { VerdictError, shown } from "./error.js";
import type { VerificationData } from "./request.js";
import { revertOf } from "./revert.js";

/** Whose score by which model. */
export interface ScoreQuery {
  readonly oracle: Address;
  readonly subject: Address;
  readonly modelId: bigint;
}

/** What an oracle holds of a subject by a model. */
export interface ScoreRecord {
  /** In units of 10^-decimals of the model. */
  readonly score: bigint;
  readonly nonce: bigint;
  /** Unix time of the recording. */
  readonly updatedAt: number;
  /** Unix time up to which the request could be recorded. */
  readonly deadline: number;
  /** Bit i: the signer of index i vouched for the inputs. */
  readonly signers: number;
  /** Who recorded it. */
  readonly prover: Address;
}

const NO_SUCH_CONTRACT = [ContractFunctionZeroDataError, AbiDecodingZeroDataError, AbiDecodingDataSizeTooSmallError];

/**
 * Reads, and says in words what a contract answers instead. What viem throws of the node and the network stays as
 * it is.
 */
async function read<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const revert = revertOf(cause);
    const other = (error: unknown) => NO_SUCH_CONTRACT.some((kind) => error instanceof kind);
    if (cause instanceof BaseError && cause.walk(other) !== null) throw new VerdictError("chain", "there is no such contract; check the address, and the chain it is on", { cause });
    if (revert === undefined) throw cause;
    throw new VerdictError("chain", revert.hint === undefined ? revert.text : `${revert.text}: ${revert.hint}`, { cause });
  }
}

/** The record of a subject by a model, stale or not; none where there is none. */
export async function scoreOf(client: Client, { oracle, subject, modelId }: ScoreQuery): Promise<ScoreRecord | undefined> {
  const call = { address: oracle, abi: inferenceOracleAbi, functionName: "scoreOf", args: [subject, modelId] } as const;
  const record = await read(readContract(client, call));
  return record.prover === zeroAddress ? undefined : { ...record };
}

/**
 * The latest score.
 *
 * @throws VerdictError if there is none, or it is stale.
 */
export async function latestScoreOf(client: Client, { oracle, subject, modelId }: ScoreQuery): Promise<bigint> {
  const call = { address: oracle, abi: inferenceOracleAbi, functionName: "latestScoreOf", args: [subject, modelId] } as const;
  return read(readContract(client, call));
}

/** What the oracle keeps of a record's outputs beside the first one; see `outputsWord`. */
export async function outputsOf(client: Client, { oracle, subject, modelId }: ScoreQuery): Promise<Hex> {
  const call = { address: oracle, abi: inferenceOracleAbi, functionName: "outputsOf", args: [subject, modelId] } as const;
  return read(readContract(client, call));
}

/** Whether these are all outputs of what an oracle has recorded. */
export async function recordedOutputsAre(client: Client, query: ScoreQuery, outputs: readonly bigint[]): Promise<boolean> {
  const [record, word] = await Promise.all([scoreOf(client, query), outputsOf(client, query)]);
  return record !== undefined && record.score === outputs[0] && word === outputsWord(outputs);
}

/** What a registry says of a model: what a setup's `requireRegistered` takes. */
export async function modelOf(
  client: Client,
  registry: Address,
  modelId: bigint,
): Promise<VerificationData & { readonly deprecated: boolean }> {
  const call = { address: registry, abi: modelRegistryAbi, functionName: "verificationOf", args: [modelId] } as const;
  const [data, deprecated] = await read(readContract(client, call));
  return { ...data, deprecated };
}

/**
 * Index of a provider in a registry of signers, as calldata of its attestations takes it.
 *
 * @throws VerdictError if the account is none of its signers.
 */
export async function signerIndexOf(client: Client, signers: Address, account: Address): Promise<number> {
  const call = { address: signers, abi: signerRegistryAbi, functionName: "signerIndexOf", args: [account] } as const;
  return Number(await read(readContract(client, call)));
}

/**
 * Attestations with their signers' indices, for `verifyAttestedInferenceCalldata` and `inference`.
 *
 * @throws VerdictError if one is of another registry, or its signer is none of this one's.
 */
export async function indexAttestations(
  client: Client,
  signers: Address,
  attestations: readonly Attestation[],
): Promise<IndexedAttestation[]> {
  const other = attestations.find(({ statement }) => statement.registry.toLowerCase() !== signers.toLowerCase());
  if (other !== undefined) {
    const { statement } = other;
    throw new VerdictError("attestation", `the attestation of ${statement.signer} is for registry ${statement.registry}, not ${signers}`);
  }
  return Promise.all(attestations.map(async (one) => [await signerIndexOf(client, signers, one.statement.signer), one] as const));
}

/**
 * A score or output as a number.
 *
 * @throws VerdictError if the score is no bigint, or there are no such decimals.
 */
export function decodeScore(score: bigint, decimals: number): number {
  if (typeof (score as unknown) !== "bigint") throw new VerdictError("chain", `score: expected a bigint, got ${shown(score)}`);
  if (!Number.isInteger(decimals) || decimals < 0 || decimals > 255) {
    throw new VerdictError("chain", `decimals: expected a whole number from 0 to 255, got ${shown(decimals)}`);
  }
  return Number(score) / 10 ** decimals;
}
