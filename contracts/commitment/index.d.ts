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

/** The words of the inputs that are not private, several inputs a word, the first lowest. */
export function inputWords(manifest: Manifest, inputs: readonly number[]): { words: bigint[]; count: number };

/** A fresh salt. */
export function randomSalt(): bigint;

/** The word that commits to a model's inputs, one input after the other, with a salt below 2^128. */
export function commitment(manifest: Manifest, inputs: readonly number[], salt: bigint): bigint;
