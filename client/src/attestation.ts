// Statements of data providers about a subject's inputs.
import { type Address, type Hex, concat, hashTypedData, numberToHex, size } from "viem";
import { type ErrorCode, VerdictError, guarded, shown } from "./error.js";
import { Reader, parseJson, textOf } from "./json.js";
import { hexOf } from "./words.js";

const FORMAT = "verdict-attestation-v2";
const MAX_BYTES = 256 * 1024;

/** What a data provider states: the subject has these public inputs. */
export interface Statement {
  /** Chain id (EIP-155). */
  readonly chainId: bigint;
  /** The registry of signers. */
  readonly registry: Address;
  /** The provider: an account of the registry, for which alone the statement counts. */
  readonly signer: Address;
  /** Whom it is about. */
  readonly subject: Address;
  /** What the public input words mean: a manifest's `schemaId`. */
  readonly schema: Hex;
  /** `inputsHash` of the public input words. */
  readonly inputs: Hex;
  /** Unix time from which it is valid. */
  readonly issuedAt: bigint;
  /** Unix time of the last second in which it is valid. */
  readonly validUntil: bigint;
}

/** A statement with its signature: what a provider hands over, as a file. */
export interface Attestation {
  readonly statement: Statement;
  /** r, s and v of a key's signature; of a contract, whatever it takes (ERC-1271). */
  readonly signature: Hex;
}

/** An attestation with its signer's index in the registry. */
export type IndexedAttestation = readonly [index: number, attestation: Attestation];

const TYPES = {
  Attestation: [
    { name: "signer", type: "address" },
    { name: "subject", type: "address" },
    { name: "schema", type: "bytes32" },
    { name: "inputs", type: "bytes32" },
    { name: "issuedAt", type: "uint64" },
    { name: "validUntil", type: "uint64" },
  ],
} as const;

/**
 * A statement as wallets sign it (EIP-712); viem's `signTypedData` takes it as it is. It covers the inputs that
 * `coverage` calls stated: see to it that none is private before you sign.
 *
 * @throws VerdictError if a part of the statement is not of its type.
 */
export function attestationTypedData(statement: Statement) {
  checkStatement(statement);
  const { chainId, registry, signer, subject, schema, inputs, issuedAt, validUntil } = statement;
  return {
    domain: { name: "Verdict", version: "1", chainId, verifyingContract: registry },
    types: TYPES,
    primaryType: "Attestation",
    message: { signer, subject, schema, inputs, issuedAt, validUntil },
  } as const;
}

/**
 * The EIP-712 digest that a provider signs.
 *
 * @throws VerdictError if a part of the statement is not of its type.
 */
export function attestationDigest(statement: Statement): Hex {
  return guarded("attestation", "statement", () => hashTypedData(attestationTypedData(statement)));
}

/**
 * Parses an attestation.
 *
 * @throws VerdictError with the field that is wrong.
 */
export function parseAttestation(source: string | Uint8Array | ArrayBuffer): Attestation {
  const text = textOf(source, MAX_BYTES, "attestation");
  const root = new Reader(parseJson(text, "attestation"), "", "attestation", "attestation");
  root.only(["format", "statement", "signature"]);
  const format = root.get("format").string();
  if (format !== FORMAT) throw new VerdictError("attestation", `its format is ${shown(format)}, not "${FORMAT}"`);
  const item = root.get("statement");
  item.only(["chain_id", "registry", "signer", "subject", "schema", "inputs", "issued_at", "valid_until"]);
  return {
    statement: {
      chainId: item.get("chain_id").u64(),
      registry: item.get("registry").hex(20) as Address,
      signer: item.get("signer").hex(20) as Address,
      subject: item.get("subject").hex(20) as Address,
      schema: item.get("schema").hex(32),
      inputs: item.get("inputs").hex(32),
      issuedAt: item.get("issued_at").u64(),
      validUntil: item.get("valid_until").u64(),
    },
    signature: root.get("signature").hex(),
  };
}

/** A time, or a chain's id, of 64 bits. */
function u64(value: unknown, what: string, code: ErrorCode): bigint {
  if (typeof value === "bigint" && BigInt.asUintN(64, value) === value) return value;
  throw new VerdictError(code, `${what}: expected an integer from 0 to 2^64 - 1 as a bigint, got ${shown(value)}`);
}

function objectOf<T>(value: unknown, what: string): T {
  if (typeof value === "object" && value !== null) return value as T;
  throw new VerdictError("attestation", `${what}: expected an object, got ${shown(value)}`);
}

/** Refuses a statement of which a part is not of its type. */
function checkStatement(statement: Statement): void {
  const { chainId, registry, signer, subject, schema, inputs, issuedAt, validUntil } = objectOf<Statement>(statement, "statement");
  Object.entries({ chainId, issuedAt, validUntil }).forEach(([name, value]) => u64(value, name, "attestation"));
  Object.entries({ registry, signer, subject }).forEach(([name, value]) => hexOf(value, 20, name, "attestation"));
  Object.entries({ schema, inputs }).forEach(([name, value]) => hexOf(value, 32, name, "attestation"));
}

/**
 * The file of an attestation.
 *
 * @throws VerdictError if {@link parseAttestation} would refuse it.
 */
export function formatAttestation(attestation: Attestation): string {
  const { statement, signature } = objectOf<Attestation>(attestation, "attestation");
  checkStatement(statement);
  const { chainId, registry, signer, subject, schema, inputs, issuedAt, validUntil } = statement;
  hexOf(signature, undefined, "signature", "attestation");
  // JSON.stringify has no form of integers that keeps their digits.
  const fields = [
    `"chain_id": ${chainId}`,
    ...Object.entries({ registry, signer, subject, schema, inputs }).map(([name, value]) => `"${name}": "${value}"`),
    `"issued_at": ${issuedAt}`,
    `"valid_until": ${validUntil}`,
  ];
  const inner = fields.map((field) => `    ${field}`).join(",\n");
  return `{\n  "format": "${FORMAT}",\n  "statement": {\n${inner}\n  },\n  "signature": "${signature}"\n}\n`;
}

/**
 * Attestations as the registry takes them: by ascending index, each as index (1 byte), issuedAt
 * (8), validUntil (8), length of the signature (2), signature.
 *
 * @throws VerdictError if a provider stands twice, a signature is no bytes or more than 65,535, or a time has more than
 * 64 bits.
 */
export function encodeAttestations(attestations: readonly IndexedAttestation[]): Hex {
  if (!Array.isArray(attestations)) {
    throw new VerdictError("calldata", `attestations: expected a list of pairs, index and attestation, got ${shown(attestations)}`);
  }
  return guarded("calldata", "attestations: expected pairs, index and attestation", () => encoded(attestations));
}

function encoded(attestations: readonly IndexedAttestation[]): Hex {
  const sorted = [...attestations].sort(([a], [b]) => a - b);
  const parts = sorted.map(([index, { statement, signature }], at) => {
    const { signer } = statement;
    if (sorted[at - 1]?.[0] === index) {
      throw new VerdictError("calldata", `two attestations are of signer ${signer}; give one of each`);
    }
    if (!Number.isInteger(index) || index < 0 || index > 255) {
      throw new VerdictError("calldata", `signer ${signer} has index ${index}, which is none of a registry`);
    }
    const length = size(hexOf(signature, undefined, `the signature of signer ${signer}`, "calldata"));
    if (length > 65_535) {
      throw new VerdictError("calldata", `the signature of signer ${signer} is longer than 65535 bytes`);
    }
    return concat([
      numberToHex(index, { size: 1 }),
      numberToHex(u64(statement.issuedAt, "issuedAt", "calldata"), { size: 8 }),
      numberToHex(u64(statement.validUntil, "validUntil", "calldata"), { size: 8 }),
      numberToHex(length, { size: 2 }),
      signature,
    ]);
  });
  return concat(["0x", ...parts]);
}
