/** What a setup's manifest.json says of the inputs. */
export interface Manifest {
  input: {
    tensors: readonly { name: string; dims: readonly number[] }[];
    ranges: readonly (readonly [number, number])[];
    bits: number;
    grids?: readonly ({ decimals: number; exact: boolean; missing?: boolean } | null)[];
    private?: readonly number[];
  };
}

/**
 * A model's inputs, one input after the other, as in files of inputs: null is a missing value (like NaN), where the
 * manifest has a grid with one, and truth values are 0 and 1. Names of categories are given as their integers. Anything
 * else that is not a finite number is refused with a TypeError or RangeError, as is what lies outside its range or, on
 * an exact grid, between its points; the float32 of a point is that point.
 */
export type Inputs = readonly (number | boolean | null)[] | Float32Array | Float64Array;

/** The words of the inputs that are not private, several inputs a word, the first lowest. */
export function inputWords(manifest: Manifest, inputs: Inputs): { words: bigint[]; count: number };

/** A fresh salt. */
export function randomSalt(): bigint;

/** The word that commits to a model's inputs with a salt below 2^128. */
export function commitment(manifest: Manifest, inputs: Inputs, salt: bigint): bigint;
