// What the programs make of the fixtures: see crates/verdict/examples/client_fixtures.
import { readFileSync } from "node:fs";
import type { Hex } from "viem";

const file = (path: string) => readFileSync(new URL(`./fixtures/${path}`, import.meta.url));

export interface Verdict {
  readonly part?: "instances" | "proof";
  readonly at?: number;
  readonly verdict: string | null;
}

export interface Bound {
  readonly verdicts: readonly Verdict[];
  readonly input_commitments: readonly Hex[];
  readonly input_commitment: Hex;
  readonly context: Hex;
  readonly inputs_hashes: readonly Hex[];
  readonly calldata: Hex;
  readonly idempotency_key: Hex;
  readonly check_calldata?: Hex;
  readonly attested_calldata?: Hex;
  readonly inferences_calldata?: Hex;
}

export interface SetupFacts {
  readonly setup_id: Hex;
  readonly schema_id: Hex;
  readonly key_hash: Hex;
  readonly shape_id: Hex;
  readonly srs_fingerprint: Hex;
  readonly layout: readonly [number, number];
  readonly packed: boolean;
  readonly inputs: readonly (readonly number[])[];
  readonly salt: string;
  readonly input_words: readonly (readonly Hex[])[];
  readonly unbound: { readonly verdicts: readonly Verdict[] };
  readonly bound: Bound;
}

export interface Parity {
  readonly setups: Readonly<Record<string, SetupFacts>>;
  readonly attestations: { readonly files: readonly string[]; readonly digests: readonly Hex[]; readonly encoded: Hex };
  readonly verification: Readonly<Record<string, string | number>>;
  readonly outputs_words: readonly { readonly outputs: readonly string[]; readonly word: Hex }[];
  readonly reverts: readonly {
    readonly data: Hex;
    readonly name: string;
    readonly contract: string | null;
    readonly text: string;
    readonly hint: string | null;
    readonly recorded: boolean;
  }[];
}

export const parity = JSON.parse(file("parity.json").toString()) as Parity;
export const names = Object.keys(parity.setups);

/** The files of a fixture's setup. */
export function files(name: string) {
  return {
    manifest: file(`${name}/manifest.json`).toString(),
    key: new Uint8Array(file(`${name}/verifier.bin`)),
    proof: file(`${name}/proof.json`).toString(),
    unbound: file(`${name}/unbound.json`).toString(),
  };
}

/** A proof of quality: the setup, its proof, the samples and their commitment, as the command line wrote them. */
export const quality = {
  manifest: file("quality/manifest.json").toString(),
  key: new Uint8Array(file("quality/verifier.bin")),
  proof: file("quality/proof.json").toString(),
  samples: JSON.parse(file("quality/samples.json").toString()) as readonly Record<string, number | readonly number[]>[],
  commitment: JSON.parse(file("quality/commitment.json").toString()) as { readonly commitment: Hex; readonly salt: Hex },
};

export function facts(name: string): SetupFacts {
  const found = parity.setups[name];
  if (found === undefined) throw new Error(`no fixture ${name}`);
  return found;
}
