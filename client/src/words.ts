// Words: 32 bytes, hexadecimal, big-endian.
import { type Hex, numberToHex } from "viem";
import { type ErrorCode, VerdictError, shown } from "./error.js";

/** The modulus of the field of public values. */
export const FIELD_MODULUS = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001n;

/** A number as a word. */
export function word(value: bigint): Hex {
  return numberToHex(value, { size: 32 });
}

/** Those of inputs or outputs that are inference `index`'s of a batch of `batch`. */
export function ofInference<T>(values: readonly T[], batch: number, index: number): T[] {
  return values.filter((_, at) => at % Math.max(batch, 1) === index);
}

/** Refuses what is not so many bytes, or any number of them, in hexadecimal. */
export function hexOf(value: unknown, bytes: number | undefined, what: string, code: ErrorCode): Hex {
  const digits = typeof value === "string" && /^0x(?:[0-9a-fA-F]{2})*$/.test(value) ? value.length - 2 : undefined;
  if (digits === undefined || (bytes !== undefined && digits !== 2 * bytes)) {
    const form = `${bytes === undefined ? "" : `${bytes} `}bytes in hexadecimal, with 0x`;
    throw new VerdictError(code, `${what}: expected ${form}, got ${shown(value)}`);
  }
  return value as Hex;
}
