// Revert data in words: every custom error of every contract of the package.
import * as contracts from "@verdict/contracts";
import {
  type Abi,
  type AbiParameter,
  type Hex,
  BaseError,
  decodeErrorResult,
  encodeErrorResult,
  isHex,
  size,
  slice,
  toFunctionSelector,
} from "viem";
import { shown } from "./error.js";
import { HINTS } from "./hints.js";

/** What a contract answered instead of doing as asked. */
export interface Revert {
  /** Name of the error, as in the contract's source; else `Error`, `Panic`, `Empty` or `Unknown`. */
  readonly name: string;
  /** The contract that declares it, if it is a custom error. */
  readonly contract: string | undefined;
  /** The error's arguments in order, as text. */
  readonly arguments: readonly { readonly name: string; readonly value: string }[];
  /** Why one inference of a batch was refused, and with it the batch. */
  readonly reason: Revert | undefined;
  /** In words. */
  readonly text: string;
  /** What to do about it, where there is something to say. */
  readonly hint: string | undefined;
  /** True when the oracle has already recorded a request with this very nonce for the subject. */
  readonly alreadyRecorded: boolean;
}

type ErrorEntry = Extract<Abi[number], { type: "error" }>;

const error = (name: string): ErrorEntry => ({ type: "error", name, inputs: [] });
/** What generated verifiers answer; there is one for each shape, so no artifact has its ABI. */
const VERIFIER: Abi = [
  ...["InvalidProofLength", "NonCanonicalCalldata", "InvalidKey", "InvalidInstanceCount", "InstanceOutOfRange"],
  ...["InvalidPoint", "ScalarOutOfRange", "InvalidInverse", "PairingFailed"],
].map(error);

/** ABIs of the contracts that the programs know first: an error of several is theirs. */
const FIRST: readonly (readonly [string, Abi])[] = [
  ["ModelRegistry", contracts.modelRegistryAbi],
  ["InferenceOracle", contracts.inferenceOracleAbi],
  ["SignerRegistry", contracts.signerRegistryAbi],
  ["InputSource", contracts.iInputSourceAbi],
  ["VerdictVerifier", VERIFIER],
];

/** `creditLineAbi` is CreditLine's, `iModelRegistryAbi` IModelRegistry's. */
const contractOf = (name: string) => name.charAt(0).toUpperCase() + name.slice(1).replace(/Abi$/, "");

type Known = ReadonlyMap<Hex, readonly [contract: string, entry: ErrorEntry]>;
let known: Known | undefined;

/** Every error by its selector, with the contract that declares it; made when it is asked for first. */
function errorsBySelector(): Known {
  known ??= collectErrors();
  return known;
}

function collectErrors(): Known {
  const rest = Object.entries(contracts).map(([name, abi]) => [contractOf(name), abi as Abi] as const);
  const errors = new Map<Hex, readonly [string, ErrorEntry]>();
  for (const [contract, abi] of [...FIRST, ...rest]) {
    for (const entry of abi) {
      if (entry.type !== "error") continue;
      const selector = toFunctionSelector(signatureOf(entry));
      if (!errors.has(selector)) errors.set(selector, [contract, entry]);
    }
  }
  return errors;
}

function signatureOf({ name, inputs }: ErrorEntry): string {
  return `${name}(${inputs.map((input) => input.type).join(",")})`;
}

/** Signatures of all errors that are decoded, with the contract that declares each. */
export function knownErrors(): { contract: string; signature: string }[] {
  return [...errorsBySelector().values()].map(([contract, entry]) => ({ contract, signature: signatureOf(entry) }));
}

const SOLIDITY = [
  { type: "error", name: "Error", inputs: [{ name: "reason", type: "string" }] },
  { type: "error", name: "Panic", inputs: [{ name: "code", type: "uint256" }] },
] as const satisfies Abi;
const PANICS: Readonly<Record<string, string>> = {
  0: "generic/unspecified error",
  1: "assertion failed",
  17: "arithmetic underflow or overflow",
  18: "division or modulo by zero",
  33: "failed to convert value into enum type",
  34: "storage byte array incorrectly encoded",
  49: "called `.pop()` on an empty array",
  50: "array out-of-bounds access",
  65: "memory allocation error",
  81: "called an invalid internal function",
};
const MAX_SHOWN_BYTES = 128;
const MAX_MESSAGE = 1024;

/** Decodes the data of a reverted call. Never fails: foreign data, and what is no data, is `Unknown`. */
export function decodeRevert(data: Hex): Revert {
  const bytes = typeof data === "string" && /^0x(?:[0-9a-fA-F]{2})*$/.test(data);
  if (!bytes) return plain("Unknown", `no revert data: ${shown(data)}`);
  return decode(data, true);
}

function decode(data: Hex, batch: boolean): Revert {
  if (data === "0x") return plain("Empty", "reverted without a reason");
  if (size(data) >= 4) {
    const selector = slice(data, 0, 4);
    const [contract, entry] = errorsBySelector().get(selector) ?? [];
    if (entry?.name === "InferenceRefused") {
      const values = batch ? valuesOf([entry], data) : undefined;
      if (values !== undefined) return refused(contract, String(values[0]), values[1] as Hex);
    } else if (entry !== undefined) {
      const values = valuesOf([entry], data);
      if (values !== undefined) return custom(contract, entry, values);
    }
    const values = valuesOf(SOLIDITY, data);
    if (values !== undefined) return solidity(values[0] as string | bigint);
  }
  return unknown(data);
}

/** The arguments, if the data begins as an error's; what follows is nobody's. */
function valuesOf(abi: Abi, data: Hex): readonly unknown[] | undefined {
  try {
    const { errorName, args } = decodeErrorResult({ abi, data });
    const values = (args ?? []) as readonly unknown[];
    // Decoders take more than one encoding; contracts return one.
    const encoded = encodeErrorResult({ abi, errorName, args: values } as Parameters<typeof encodeErrorResult>[0]);
    return data.toLowerCase().startsWith(encoded) ? values : undefined;
  } catch {
    return undefined;
  }
}

function plain(name: string, text: string, contract?: string): Revert {
  const fields = { arguments: [], reason: undefined, alreadyRecorded: false };
  return { name, contract, text, hint: Object.hasOwn(HINTS, name) ? HINTS[name] : undefined, ...fields };
}

function custom(contract: string | undefined, { name, inputs }: ErrorEntry, values: readonly unknown[]): Revert {
  const args = inputs.map((input, index) => ({ name: input.name ?? "", value: textOf(input, values[index]) }));
  const text = `${name}(${args.map((arg) => `${arg.name}: ${arg.value}`).join(", ")})`;
  const value = (of: string) => args.find((arg) => arg.name === of)?.value;
  const alreadyRecorded = name === "NonceAlreadyUsed" && value("given") !== undefined && value("given") === value("last");
  return { ...plain(name, text, contract), arguments: args, alreadyRecorded };
}

function textOf({ type }: AbiParameter, value: unknown): string {
  return type === "string" ? quoted(String(value)) : String(value);
}

/** A text in quotes, as the programs write it. */
function quoted(text: string): string {
  const escapes: Readonly<Record<string, string>> = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0" };
  const escape = (found: string) => escapes[found] ?? `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`;
  return `"${text.replace(/["\\\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escape)}"`;
}

function refused(contract: string | undefined, index: string, data: Hex): Revert {
  const reason = decode(data, false);
  const text = `InferenceRefused(index: ${index}, reason: ${reason.text})`;
  const args = [{ name: "index", value: index }];
  return { ...plain("InferenceRefused", text, contract), arguments: args, reason, hint: reason.hint };
}

function solidity(value: string | bigint): Revert {
  if (typeof value === "string") return plain("Error", `Error(${quoted([...value].slice(0, MAX_MESSAGE).join(""))})`);
  const meaning = PANICS[String(value)];
  return plain("Panic", `Panic(${value}${meaning === undefined ? "" : `: ${meaning}`})`);
}

function unknown(data: Hex): Revert {
  const bytes = size(data);
  const selector = `${slice(data, 0, Math.min(bytes, 4))}${"00".repeat(Math.max(0, 4 - bytes))}`;
  const start = bytes > MAX_SHOWN_BYTES ? `${slice(data, 0, MAX_SHOWN_BYTES)}…` : data;
  return plain("Unknown", `unknown error ${selector}, ${bytes} bytes: ${start}`);
}

/** The revert under an error that viem threw, if a contract was called and reverted. */
export function revertOf(error: unknown): Revert | undefined {
  if (!(error instanceof BaseError)) return undefined;
  let found: Revert | undefined;
  error.walk((cause) => {
    const { raw, data } = cause as { raw?: unknown; data?: unknown };
    const bytes = isHex(raw) ? raw : isHex(data) ? data : (data as { data?: unknown } | null | undefined)?.data;
    if (isHex(bytes)) found ??= decodeRevert(bytes);
    return found !== undefined;
  });
  return found;
}
