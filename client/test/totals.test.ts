// Proofs of totals over samples: what their manifests say, what their commitments are of, what they are read as.
import { poseidon2 } from "poseidon-lite/poseidon2";
import { toHex } from "viem";
import { describe, expect, test } from "vitest";
import * as client from "../src/index.js";
import { readFileSync } from "node:fs";
import { files, quality } from "./fixtures.js";

type Change = (manifest: Record<string, any>) => void;
const SAMPLES = 3;
const text = (name: string, change: Change) => {
  const manifest = JSON.parse(files(name).manifest) as Record<string, any>;
  manifest.shape.graph = { ...manifest.shape.graph, batch: SAMPLES, totals: true };
  change(manifest);
  return JSON.stringify(manifest);
};
const totals = (name: string, change: Change = () => {}) => client.parseManifest(text(name, change));
const SALT = (1n << 127n) + 5n;
const INPUTS = [[0.5, -0.25, 0.75], [-1, 1, 0], [0, 0, 0.125]] as const;

describe("manifests", () => {
  test("totals are stated once", () => {
    const manifest = totals("committed");
    const { output } = manifest;
    expect(manifest).toMatchObject({ batch: 1, samples: SAMPLES, layout: { inputs: 1, outputs: output.count, count: 2 + output.count } });
    expect(client.outputName(manifest, 0)).toBe(client.outputName(client.parseManifest(files("committed").manifest), 0));
    expect(totals("credit")).toMatchObject({ batch: 1, samples: SAMPLES, layout: { inputs: 0, outputs: 1, count: 2 } });
    expect(client.parseManifest(files("batch").manifest)).toMatchObject({ batch: 2, samples: undefined });
  });

  test("what totals and measures may be", () => {
    expect(() => totals("public")).toThrow("totals over samples, whose inputs are stated one by one");
    expect(() => totals("credit", (m) => (m.shape.graph.batch = 1))).toThrow("a batch of 1 with totals");
    const measure = { output: "score", metric: "greatest", groups: false };
    const said = (metric: unknown, more = {}) => totals("credit", (m) => (m.model.measure = { ...measure, metric, ...more })).model.measure;
    for (const metric of ["greatest", "label", "absolute_error", { threshold: 0.5 }]) expect(said(metric)).toEqual({ ...measure, metric });
    expect(said("label", { groups: true })?.groups).toBe(true);
    expect(() => said("median")).toThrow('unknown metric "median", expected one of greatest, label, absolute_error, or a threshold');
    expect(() => said({ threshold: "0.5" })).toThrow("field `model.measure.metric.threshold`: expected a number");
    expect(() => said({ threshold: 0.5, more: 1 })).toThrow('unknown field "more"');
    expect(() => said("label", { more: 1 })).toThrow('unknown field "more"');
  });

  test("the id is of the measure, too", () => {
    const measured = (threshold: number) =>
      totals("credit", (m) => (m.model.measure = { output: "score", metric: { threshold }, groups: false })).setupId;
    expect(measured(0.5)).not.toBe(measured(0.25));
    expect(measured(0.5)).not.toBe(totals("credit").setupId);
  });
});

test("one commitment is of the inputs of all samples", () => {
  const manifest = totals("committed");
  const word = client.samplesCommitmentWord(manifest, INPUTS, SALT);
  // The elements by hand: 27 inputs or fewer a word, the lowest first; count, version 2, salt.
  const { bits, ranges } = manifest.input;
  const packed = INPUTS.map((sample) =>
    sample.reduceRight((sum, value, index) => {
      const [lo, hi] = ranges[index] ?? [0, 0];
      return (sum << BigInt(bits)) + BigInt(Math.round(((value - lo) / (hi - lo)) * (2 ** bits - 1)));
    }, 0n),
  );
  const first = BigInt(3 * SAMPLES) + 2n * (1n << 24n) + SALT * (1n << 32n);
  expect(BigInt(word)).toBe(packed.reduce((hash, next) => poseidon2([hash, next]), first));
  expect(client.batchInputWords(manifest, INPUTS, [SALT])).toEqual([word]);
  expect(client.batchInputWords(totals("credit", (m) => Object.assign(m.input, JSON.parse(files("committed").manifest).input)), INPUTS)).toEqual([]);
  const named = INPUTS.map((sample) => ({ [manifest.input.tensors[0]?.name ?? ""]: sample }));
  expect(client.samplesCommitmentWord(manifest, named, SALT)).toBe(word);

  // Their order counts, and each of them.
  expect(client.samplesCommitmentWord(manifest, [INPUTS[1], INPUTS[0], INPUTS[2]], SALT)).not.toBe(word);
  expect(client.samplesCommitmentWord(manifest, INPUTS, SALT + 1n)).not.toBe(word);
  const refused = (work: () => unknown, message: string) => {
    expect(work).toThrow(client.VerdictError);
    expect(work).toThrow(message);
  };
  refused(() => client.samplesCommitmentWord(manifest, INPUTS.slice(1), SALT), "2 samples, a proof is of 3");
  refused(() => client.samplesCommitmentWord(manifest, INPUTS, undefined), "takes a salt");
  refused(() => client.samplesCommitmentWord(manifest, INPUTS, 1n << 128n), "a salt is an integer from 0 to 2^128 - 1");
  refused(() => client.samplesCommitmentWord(manifest, [...INPUTS.slice(1), [2, 0, 0]], SALT), "outside its declared range");
  refused(() => client.inputCommitmentWord(manifest, INPUTS[0], SALT), "of 3 samples together");
  refused(() => client.inputWords(manifest, INPUTS[0], SALT), "of 3 samples together");
  const single = client.parseManifest(files("committed").manifest);
  refused(() => client.samplesCommitmentWord(single, INPUTS, SALT), "state no totals over samples");
});

describe("figures", () => {
  const measured = (metric: unknown, groups: boolean, decimals = 0) =>
    totals("credit", (m) => {
      m.shape.graph.batch = 200;
      m.model.measure = { output: "score", metric, groups };
      m.output = { ...m.output, count: groups ? 4 : 1, decimals };
    });

  test("how often it was right", () => {
    expect(client.figuresOf(measured("label", false), [153n])).toMatchObject({ samples: 200, right: 153, accuracy: 0.765, meanError: undefined });
    expect(client.figuresOf(measured("greatest", false, 6), [153_000_000n])).toMatchObject({ right: 153 });
    expect(() => client.figuresOf(measured("label", false, 6), [153_000_001n])).toThrow("which is no number of right samples of 200");
    expect(() => client.figuresOf(measured("label", false), [201n])).toThrow("no number of right samples");
    expect(() => client.figuresOf(measured("label", false), [1n, 2n])).toThrow("the measure has 1 totals, the proof 2");
    expect(client.figuresOf(totals("credit"), [1n])).toBeUndefined();
  });

  test("of what is no manifest, or no outputs", () => {
    const manifest = measured("label", false);
    const refused = (...given: readonly unknown[]) => expect(() => client.figuresOf(...(given as [client.Manifest, bigint[]])));
    for (const outputs of [undefined, null, 5, [1], ["1"], "1"]) {
      refused(manifest, outputs).toThrow("totals: expected the outputs of a verified proof, a list of bigints");
      refused(manifest, outputs).toThrow(client.VerdictError);
    }
    for (const none of [undefined, null, {}]) refused(none, [1n]).toThrow(client.VerdictError);
  });

  test("how far off it was", () => {
    const figures = client.figuresOf(measured("absolute_error", false, 3), [50_000n]);
    expect(figures).toMatchObject({ meanError: 0.25, right: undefined, accuracy: undefined });
    expect(() => client.figuresOf(measured("absolute_error", false), [-1n])).toThrow("below 0");
  });

  test("whom it approves", () => {
    // 200 samples, 50 in the group; 130 approved, 20 of them in the group.
    const figures = client.figuresOf(measured({ threshold: 0.5 }, true), [153n, 110n, 20n, 50n]);
    expect(figures?.groups?.[0]).toEqual({ samples: 150, approved: 110, rate: 110 / 150 });
    expect(figures?.groups?.[1]).toEqual({ samples: 50, approved: 20, rate: 0.4 });
    expect(figures?.difference).toBeCloseTo(0.4 - 110 / 150, 12);
    const none = client.figuresOf(measured({ threshold: 0.5 }, true), [153n, 130n, 0n, 0n]);
    expect(none?.groups?.[1].rate).toBeUndefined();
    expect(none?.difference).toBeUndefined();
    expect(() => client.figuresOf(measured({ threshold: 0.5 }, true), [1n, 70n, 60n, 50n])).toThrow("no number of approved samples in the group of 50");
    expect(() => client.figuresOf(measured({ threshold: 0.5 }, true), [1n, 110n, 20n, 150n])).toThrow("no number of approved samples outside of the group of 50");
  });

  test("in words", () => {
    const say = (metric: unknown, groups: boolean, outputs: readonly bigint[], decimals = 0) => {
      const figures = client.figuresOf(measured(metric, groups, decimals), outputs);
      return figures && client.sayFigures(figures);
    };
    expect(say("label", false, [153n])).toEqual(["right 153 of 200 samples (76.5 %)"]);
    expect(say("absolute_error", false, [50_000n], 3)).toEqual(["mean absolute error 0.25 over 200 samples"]);
    expect(say({ threshold: 0.5 }, true, [153n, 110n, 20n, 50n])).toEqual([
      "right 153 of 200 samples (76.5 %)",
      "approved 110 of 150 samples outside of the group (73.3 %)",
      "approved 20 of 50 samples in the group (40.0 %)",
      "the approval rate in the group is 33.3 percentage points lower than outside of it",
    ]);
    expect(say("label", true, [0n, 0n, 0n, 0n])?.[2]).toBe("approved 0 of 0 samples in the group (none to approve)");
  });
});

describe("a proof of quality that the command line made", () => {
  const manifest = client.parseManifest(quality.manifest);

  test("is verified, and its figures are read", async () => {
    const verifier = await client.loadVerifier(readFileSync(new URL("../dist/verifier.wasm", import.meta.url)));
    const setup = client.Setup.open(verifier, { manifest: quality.manifest, key: quality.key });
    const bundle = client.parseBundle(quality.proof);
    const verified = setup.verify(bundle);
    expect(bundle.model.setupId).toBe(setup.manifest.setupId);
    // `verdict verify` says: 3 of 5 right, approved 2 of 2 and 3 of 3.
    const figures = client.figuresOf(setup.manifest, verified.outputs);
    expect(figures).toMatchObject({ samples: 5, right: 3, accuracy: 0.6, difference: 0 });
    expect(figures?.groups?.map((group) => [group.approved, group.samples])).toEqual([[2, 2], [3, 3]]);
    const four = toHex(4n, { size: 32 });
    const better = { ...bundle, instances: bundle.instances.map((word, index) => (index === 2 ? four : word)) };
    expect(() => setup.verify(better)).toThrow(client.VerdictError);
  });

  test("is held against the commitment that was announced", async () => {
    const verifier = await client.loadVerifier(readFileSync(new URL("../dist/verifier.wasm", import.meta.url)));
    const open = ({ manifest, key }: { manifest: string; key: Uint8Array }) => client.Setup.open(verifier, { manifest, key });
    const verified = open(quality).verify(client.parseBundle(quality.proof));
    const { commitment } = quality.commitment;
    expect(verified.commitments).toEqual([commitment]);
    client.requireCommitment(verified, commitment);
    client.requireCommitment(verified, [`0x${commitment.slice(2).toUpperCase()}`]);
    const other = `0x${"11".repeat(32)}` as const;
    const refused = (of: Parameters<typeof client.requireCommitment>[0], wanted: unknown, message: string) => {
      expect(() => client.requireCommitment(of, wanted as typeof commitment)).toThrow(client.VerdictError);
      expect(() => client.requireCommitment(of, wanted as typeof commitment)).toThrow(message);
    };
    refused(verified, other, `the proof is of other samples: it states the commitment ${commitment}, not ${other}`);
    refused(verified, [commitment, commitment], "the proof states 1 commitments, 2 are expected");
    refused(verified, [], "the proof states 1 commitments, 0 are expected");
    for (const none of [undefined, null, "", commitment.slice(2), [5]]) refused(verified, none, "commitment: expected 32 bytes");
    refused(undefined as unknown as client.Verified, commitment, "what the proof is to state");

    // Of one inference, of several, and of inputs that are not committed to.
    const credit = open(files("credit")).verify(client.parseBundle(files("credit").proof));
    expect(credit.commitments).toBeUndefined();
    refused(credit, commitment, "the proof states no commitment to inputs");
    const committed = client.parseBundle(files("committed").proof);
    const single = open(files("committed")).verify(committed);
    expect(single.commitments).toEqual(client.inputWordsOf(committed));
    refused(single, other, "the proof is of other inputs");
  });

  test("is of the samples that were committed to", () => {
    const salt = BigInt(quality.commitment.salt);
    const word = client.samplesCommitmentWord(manifest, quality.samples, salt);
    expect(word).toBe(quality.commitment.commitment);
    expect(client.parseBundle(quality.proof).instances[1]).toBe(word);
    const [first, ...others] = quality.samples;
    const changed = [{ ...first, expected: 1 }, ...others];
    expect(client.samplesCommitmentWord(manifest, changed, salt)).not.toBe(word);
  });
});
