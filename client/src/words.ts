// Words: 32 bytes, hexadecimal, big-endian.
import { type Hex, numberToHex } from "viem";

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
