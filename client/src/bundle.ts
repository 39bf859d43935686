// A proof as a file. Reading checks size, format, version and that the fields agree with each
// other, as the programs do; it does not check the proof.
import type { Address, Hex } from "viem";
import { VerdictError, shown } from "./error.js";
import { Reader, parseJson, textOf } from "./json.js";
import { type InferenceRequest, batchCommitment, contextWord, inputCommitment, inputsHash } from "./request.js";
import { ofInference } from "./words.js";

/** Largest file that is read as a bundle, in bytes. */
export const MAX_BUNDLE_BYTES = 16 * 1024 * 1024;
const FORMAT = "verdict-proof";
const VERSION = 2n;
const MAX_PROOF_BYTES = 1024 * 1024;
const MAX_INSTANCES = 65_536;
const MAX_NAME_BYTES = 256;
const MAX_DECIMALS = 18;
const I128_MAX = (1n << 127n) - 1n;

/** Which model a proof is about. */
export interface ModelRef {
  /** The setup that the proof was made with. */
  readonly setupId: Hex;
  /** The model's name, for people. */
  readonly name: string;
  /** Hash of the model's weights and architecture. */
  readonly modelHash: Hex;
  /** Id of the circuit shape, which names the verifier. */
  readonly shapeId: Hex;
  /** Code hash of the key's data contract. */
  readonly keyHash: Hex;
}

/** A proof with its public values and where they come from. */
export interface ProofBundle {
  readonly model: ModelRef;
  /** Public values: the context, the public inputs if any, the outputs. */
  readonly instances: readonly Hex[];
  /** Outputs as integers; each is its instance word plus the model's smallest output. */
  readonly outputs: readonly bigint[];
  /** Outputs are fixed-point numbers with this many decimals. */
  readonly decimals: number;
  /** Outputs as numbers, for people. */
  readonly decoded: readonly number[];
  /** Proof bytes as the prover made them. */
  readonly proof: Hex;
  /** Proof bytes for the Solidity verifier. */
  readonly evmProof: Hex;
  /** The structured reference string under the proof; insecure if its secret is known. */
  readonly srs: { readonly fingerprint: Hex; readonly insecure: boolean };
  /** The requests that the proof answers: one, or a batch's, or none. */
  readonly requests: readonly InferenceRequest[];
  /** ERC-7992's commitment of the request, or the batch's of the requests. */
  readonly inputCommitment: Hex | undefined;
}

/**
 * Parses a bundle and checks that its fields are within limits and agree with each other.
 *
 * @throws VerdictError with the field that is wrong.
 */
export function parseBundle(source: string | Uint8Array | ArrayBuffer): ProofBundle {
  const text = textOf(source, MAX_BUNDLE_BYTES, "proof bundle");
  const root = new Reader(parseJson(text, "proof bundle"), "", "proof bundle", "bundle");
  const format = root.find("format")?.string() ?? "";
  if (format !== FORMAT) {
    throw new VerdictError("bundle", `format is ${shown(format)}, not "${FORMAT}": not a proof bundle`);
  }
  const version = root.get("version").integer(0n, (1n << 32n) - 1n);
  if (version !== VERSION) {
    const message = `proof bundle has version ${version}, this package reads version ${VERSION}; make it again`;
    throw new VerdictError("bundle", message);
  }
  const bundle = read(root);
  check(bundle);
  return bundle;
}

const FIELDS = [
  ...["format", "version", "model", "instances", "outputs", "decimals", "decoded", "proof", "evm_proof"],
  ...["srs", "request", "requests", "input_commitment"],
];

function read(root: Reader): ProofBundle {
  root.only(FIELDS);
  const model = root.get("model").only(["setup_id", "name", "model_hash", "shape_id", "key_hash"]);
  const srs = root.get("srs").only(["fingerprint", "insecure"]);
  const one = root.find("request");
  const several = root.find("requests")?.list(request) ?? [];
  if (several.length === 1 || (one !== undefined && several.length > 0)) {
    throw inconsistent("requests", "a proof answers one `request`, or two or more `requests` of a batch");
  }
  return {
    model: {
      setupId: model.get("setup_id").hex(32),
      name: model.get("name").string(),
      modelHash: model.get("model_hash").hex(32),
      shapeId: model.get("shape_id").hex(32),
      keyHash: model.get("key_hash").hex(32),
    },
    instances: root.get("instances").list((item) => item.hex(32)),
    outputs: root.get("outputs").list(output),
    decimals: root.get("decimals").count(255),
    decoded: root.get("decoded").list((item) => item.float()),
    proof: root.get("proof").hex(),
    evmProof: root.get("evm_proof").hex(),
    srs: { fingerprint: srs.get("fingerprint").hex(32), insecure: srs.get("insecure").boolean() },
    requests: one === undefined ? several : [request(one)],
    inputCommitment: root.find("input_commitment")?.hex(32),
  };
}

/** An integer as a decimal string, in its one form. */
function output(item: Reader): bigint {
  const text = item.string();
  if (!/^(?:0|-?[1-9][0-9]{0,38})$/.test(text)) item.fail(`output ${shown(text)} is not a decimal integer`);
  const value = BigInt(text);
  if (value > I128_MAX || value < -I128_MAX - 1n) item.fail(`output ${shown(text)} is out of range`);
  return value;
}

function request(item: Reader): InferenceRequest {
  const names = ["chain_id", "oracle", "model_id", "verification_hash", "subject", "nonce", "deadline", "inputs"];
  item.only(names);
  return {
    chainId: item.get("chain_id").u64(),
    oracle: item.get("oracle").hex(20) as Address,
    modelId: item.get("model_id").u64(),
    verificationHash: item.get("verification_hash").hex(32),
    subject: item.get("subject").hex(20) as Address,
    nonce: item.get("nonce").u64(),
    deadline: item.get("deadline").u64(),
    inputs: item.get("inputs").hex(32),
  };
}

function inconsistent(field: string, reason: string): VerdictError {
  return new VerdictError("bundle", `proof bundle field \`${field}\` is inconsistent: ${reason}`);
}

/** The public input words; empty when the inputs are private. */
export function inputWordsOf(bundle: ProofBundle): readonly Hex[] {
  return bundle.instances.slice(1, bundle.instances.length - bundle.outputs.length);
}

function check(bundle: ProofBundle): void {
  const name = new TextEncoder().encode(bundle.model.name).length;
  if (name > MAX_NAME_BYTES) throw inconsistent("model.name", `${name} bytes, at most ${MAX_NAME_BYTES}`);
  for (const [field, bytes] of [["proof", bundle.proof], ["evm_proof", bundle.evmProof]] as const) {
    const length = (bytes.length - 2) / 2;
    if (length === 0 || length % 32 !== 0 || length > MAX_PROOF_BYTES) {
      throw inconsistent(field, `${length} bytes; a proof is a positive multiple of 32 up to ${MAX_PROOF_BYTES}`);
    }
  }
  if (!bundle.evmProof.startsWith(bundle.proof)) {
    throw inconsistent("evm_proof", "it does not begin with `proof`");
  }
  const words = bundle.instances.length;
  if (words > MAX_INSTANCES) throw inconsistent("instances", `${words} words, at most ${MAX_INSTANCES}`);
  if (bundle.decimals > MAX_DECIMALS) throw inconsistent("decimals", `${bundle.decimals}, at most ${MAX_DECIMALS}`);
  checkOutputs(bundle);
  checkRequests(bundle);
}

/** Whether a number is what is said, but for rounding. */
export function sameNumber(number: number, said: number): boolean {
  return Number.isFinite(said) && Math.abs(number - said) <= 1e-9 * (1 + Math.abs(number));
}

/** One instance for the context, one for each output, and all outputs shifted by one minimum. */
function checkOutputs({ instances, outputs, decoded, decimals }: ProofBundle): void {
  if (outputs.length === 0 || instances.length < outputs.length + 1) {
    throw inconsistent("instances", `${instances.length} words for a context and ${outputs.length} outputs`);
  }
  if (decoded.length !== outputs.length) {
    throw inconsistent("decoded", `${decoded.length} numbers for ${outputs.length} outputs`);
  }
  let minimum: bigint | undefined;
  const words = instances.slice(instances.length - outputs.length);
  outputs.forEach((value, index) => {
    const word = BigInt(words[index] ?? 0);
    if (word > I128_MAX) throw inconsistent("instances", `word of output ${index} is ${words[index]}`);
    minimum ??= value - word;
    if (value - word !== minimum) {
      throw inconsistent("outputs", `output ${index} is ${value}, which its word ${word} is not`);
    }
    const number = Number(value) / 10 ** decimals;
    const said = decoded[index] ?? Number.NaN;
    if (!sameNumber(number, said)) throw inconsistent("decoded", `output ${index} is ${number}, not ${said}`);
  });
}

/** The requests are those whose commitment is the proof's first public value, about the inputs that it states. */
export function checkRequests(bundle: ProofBundle): void {
  const { requests, outputs } = bundle;
  if (requests.length === 0 && bundle.inputCommitment === undefined) return;
  const [first] = requests;
  if (first === undefined || bundle.inputCommitment === undefined) {
    throw inconsistent("request", "`request` and `input_commitment` come together or not at all");
  }
  const expected = requests.length === 1 ? inputCommitment(first) : batchCommitment(requests);
  if (bundle.inputCommitment !== expected) {
    throw inconsistent("input_commitment", `${bundle.inputCommitment}, but the request's is ${expected}`);
  }
  const words = inputWordsOf(bundle);
  const batch = requests.length;
  if (words.length % batch !== 0 || outputs.length % batch !== 0) {
    throw inconsistent("requests", `${batch} for ${words.length} input words and ${outputs.length} outputs`);
  }
  requests.forEach((request, index) => {
    const inputs = inputsHash(ofInference(words, batch, index));
    if (request.inputs !== inputs) {
      throw inconsistent("request.inputs", `${request.inputs}, but the instances' is ${inputs}`);
    }
  });
  const context = contextWord(expected);
  if (bundle.instances[0] !== context) {
    throw inconsistent("instances", `the first word is not the request's context ${context}`);
  }
}
