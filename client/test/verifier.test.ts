// Verdicts: the programs' on every sample, and on keys that somebody altered.
import { concat, hexToBytes } from "viem";
import { beforeAll, describe, expect, test } from "vitest";
import {
  Setup,
  VerdictError,
  type Verifier,
  inputCommitment,
  loadVerifier,
  parseBundle,
  parseManifest,
  requireAnswers,
  verificationHash,
} from "../src/index.js";
import { type Verdict, facts, files, names } from "./fixtures.js";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const WASM = new URL("../dist/verifier.wasm", import.meta.url);
let verifier: Verifier;
beforeAll(async () => {
  verifier = await loadVerifier(readFileSync(WASM));
});

/** What is wrong by the verifier, or null. */
function verdictOf(key: Uint8Array, instances: Uint8Array, proof: Uint8Array): string | null {
  try {
    verifier.verify(key, instances, proof);
    return null;
  } catch (error) {
    if (!(error instanceof VerdictError)) throw error;
    return error.message.replace(/^public value \d+ is/, "a public value is");
  }
}

describe.each(names)("%s", (name) => {
  const { manifest, key, proof, unbound } = files(name);
  const { bound, unbound: alone, ...wanted } = facts(name);

  test("a key's ids are computed from its bytes", () => {
    const description = verifier.describe(key);
    expect(description).toMatchObject({
      shapeId: wanted.shape_id,
      keyHash: wanted.key_hash,
      srsFingerprint: wanted.srs_fingerprint,
      ceremony: false,
      instances: 1 + wanted.layout[0] + wanted.layout[1],
    });
  });

  test.each([["proof.json", proof, bound.verdicts], ["unbound.json", unbound, alone.verdicts]] as const)(
    "%s and its mutations have the programs' verdicts",
    (_, text, verdicts: readonly Verdict[]) => {
      const bundle = parseBundle(text);
      expect(verdicts.length).toBeGreaterThan(20);
      for (const { part, at, verdict } of verdicts) {
        const instances = hexToBytes(concat(bundle.instances));
        const bytes = hexToBytes(bundle.evmProof);
        const altered = part === "instances" ? instances : bytes;
        if (at !== undefined) altered[at] = (altered[at] ?? 0) ^ 1;
        expect(verdictOf(key, instances, bytes), `${part} ${at}`).toBe(verdict);
        expect(verdict === null).toBe(at === undefined);
      }
    },
  );

  test("a bundle holds under its setup, and says what it says", () => {
    const setup = Setup.open(verifier, { manifest, key }, { setupId: wanted.setup_id, keyHash: wanted.key_hash });
    for (const text of [proof, unbound]) {
      const bundle = parseBundle(text);
      const verified = setup.verify(bundle);
      expect(verified).toMatchObject({ setupId: wanted.setup_id, keyHash: wanted.key_hash, srs: "insecure" });
      expect(verified.outputs).toEqual(bundle.outputs);
      expect(verified.names).toHaveLength(bundle.outputs.length);
      verified.decoded.forEach((value, index) => expect(value).toBeCloseTo(bundle.decoded[index] ?? Number.NaN, 9));
    }
  });

  test("a key cut short, prolonged or altered is refused, or has another hash", () => {
    for (let length = 0; length < key.length; length += 1) {
      expect(() => verifier.describe(key.slice(0, length)), `${length} bytes`).toThrow(VerdictError);
    }
    expect(() => verifier.describe(new Uint8Array([...key, 0]))).toThrow("1 bytes follow the verifying key");
    let read = 0;
    for (let at = 0; at < key.length; at += 7) {
      const altered = key.slice();
      altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8));
      let hash;
      try {
        hash = verifier.describe(altered).keyHash;
      } catch (error) {
        expect(error).toBeInstanceOf(VerdictError);
        continue;
      }
      read += 1;
      // Only the number of rows that are not the circuit's is no part of the key's name, and no verdict depends on it.
      if (hash === wanted.key_hash) expect(at).toBeGreaterThanOrEqual(20);
      if (hash === wanted.key_hash) expect(at).toBeLessThan(24);
    }
    expect(read).toBeGreaterThan(0);
  });
});

test("a setup's files that do not belong together are refused", () => {
  const [credit, chain] = [files("credit"), files("chain")];
  const open = (manifest: string, key: Uint8Array, expected = {}) => () => Setup.open(verifier, { manifest, key }, expected);
  expect(open(credit.manifest, chain.key)).toThrow(/verifier.bin is not this setup's: the key's hash is 0x[0-9a-f]{64}, the manifest's 0x/);
  expect(open(credit.manifest, credit.key, { keyHash: `0x${"11".repeat(32)}` })).toThrow("this is another key than expected");
  expect(open(credit.manifest, credit.key, { setupId: `0x${"11".repeat(32)}` })).toThrow("this is another setup than expected");
  expect(open(credit.manifest, new Uint8Array(17 << 20))).toThrow("are more than a verifying key has");
  expect(open(credit.manifest, new TextEncoder().encode("<html>not found</html>"))).toThrow("this is no verifying key of this version");
});

test.each<[string, unknown]>([
  ["an unknown member", { keyhash: "0xdead" }],
  ["an undefined hash", { keyHash: undefined }],
  ["null for a hash", { keyHash: null }],
  ["no hash", { setupId: "" }],
  ["a short hash", { setupId: "0xdead" }],
  ["null", null],
  ["text", "0xdead"],
  ["an inherited member", Object.create({ keyHash: "" })],
  ["a list", [`0x${"11".repeat(32)}`]],
])("what is expected is refused, not ignored: %s", (_, expected) => {
  const { manifest, key } = files("credit");
  expect(() => Setup.open(verifier, { manifest, key }, expected as object)).toThrow(VerdictError);
  expect(() => Setup.open(verifier, { manifest, key }, expected as object)).toThrow(/^expected: /);
});

/** Files of a fixture whose manifest says something else under the same key, and a proof that agrees with it. */
function lie(change: (manifest: Record<string, any>, bundle: Record<string, any>) => void) {
  const { manifest, key, unbound } = files("credit");
  const [told, bundle] = [JSON.parse(manifest), JSON.parse(unbound)] as Record<string, any>[];
  if (told === undefined || bundle === undefined) throw new Error("two files");
  change(told, bundle);
  bundle.model.setup_id = parseManifest(JSON.stringify(told)).setupId;
  return { manifest: JSON.stringify(told), key, bundle: parseBundle(JSON.stringify(bundle)) };
}

describe("what a manifest says is as good as what is expected", () => {
  const secure = () =>
    lie((manifest, bundle) => {
      manifest.srs.insecure = false;
      bundle.srs.insecure = false;
    });

  test("where the SRS is from is unknown with the key's hash alone", () => {
    const { bundle, ...said } = secure();
    const expected = { keyHash: facts("credit").key_hash };
    expect(Setup.open(verifier, said, expected).verify(bundle).srs).toBe("unknown");
    expect(Setup.open(verifier, said).verify(bundle).srs).toBe("unknown");
    // Its owner's word, where the id is his.
    const setupId = parseManifest(said.manifest).setupId;
    expect(Setup.open(verifier, said, { setupId }).verify(bundle).srs).toBe("imported");
    expect(() => Setup.open(verifier, said, { setupId: facts("credit").setup_id })).toThrow("another setup than expected");
  });

  test.each<[string, Parameters<typeof lie>[0]]>([
    ["another name", (m, b) => (m.model.name = b.model.name = "another")],
    ["other decimals", (m, b) => ((m.output.decimals = b.decimals = 5), (b.decoded = b.outputs.map((o: string) => Number(o) / 1e5)))],
    ["wider ranges", (m) => (m.input.ranges[1] = [0, 720])],
  ])("the setup's id binds it: %s", (_, change) => {
    const { bundle, ...said } = lie(change);
    // The key is the same: its hash does not tell.
    Setup.open(verifier, said, { keyHash: facts("credit").key_hash }).verify(bundle);
    expect(() => Setup.open(verifier, said, { setupId: facts("credit").setup_id })).toThrow("another setup than expected");
  });

  test("a manifest that was changed is blamed, too", () => {
    const { manifest, key } = lie((manifest) => (manifest.input.bits = 27));
    const other = manifest.replace('"parameters":3457', '"parameters":3458');
    const setup = Setup.open(verifier, { manifest: other, key });
    expect(() => setup.verify(parseBundle(files("credit").unbound))).toThrow("the manifest is another setup's, or not as it was written");
  });

  test("a manifest that passed through JavaScript is the same", () => {
    const { manifest, key, proof } = files("credit");
    Setup.open(verifier, { manifest: JSON.stringify(JSON.parse(manifest)), key }).verify(parseBundle(proof));
  });
});

test("what a proof answers is told, and compared", () => {
  const { manifest, key, proof, unbound } = files("credit");
  const setup = Setup.open(verifier, { manifest, key });
  const verified = setup.verify(parseBundle(proof));
  const [request] = verified.requests;
  if (request === undefined) throw new Error("a request");
  expect(verified.requests).toHaveLength(1);
  requireAnswers(verified, request);
  const other = `0x${"33".repeat(20)}` as const;
  // They are those that the proof is bound to, wherever the bundle is from.
  const bundle = parseBundle(proof);
  for (const change of [{ subject: other }, { nonce: 2n }, { chainId: 1n }]) {
    expect(() => setup.verify({ ...bundle, requests: [{ ...request, ...change }] })).toThrow("`input_commitment` is inconsistent");
    const commitment = inputCommitment({ ...request, ...change });
    const told = { ...bundle, requests: [{ ...request, ...change }], inputCommitment: commitment };
    expect(() => setup.verify(told)).toThrow("the first word is not the request's context");
  }
  expect(() => setup.verify({ ...bundle, inputCommitment: undefined })).toThrow("come together or not at all");
  for (const none of [{}, { ...request, oracle: "here" }, { ...request, chainId: "one" }, { ...request, subject: null }]) {
    expect(() => requireAnswers(verified, none as typeof request)).toThrow(VerdictError);
  }
  expect(() => requireAnswers(verified, { ...request, chainId: 1n })).toThrow("the proof was made for chain 18446744073709551608, not 1");
  expect(() => requireAnswers(verified, { ...request, oracle: other })).toThrow("made for oracle");
  expect(() => requireAnswers(verified, { ...request, modelId: 1n })).toThrow("made for model");
  expect(() => requireAnswers(verified, { ...request, subject: other })).toThrow("made for subject");
  expect(() => requireAnswers(verified, { ...request, verificationHash: `0x${"44".repeat(32)}` })).toThrow("made for verification hash");
  expect(() => requireAnswers(setup.verify(parseBundle(unbound)), request)).toThrow("the proof answers no request");
});

test("values of a bundle that are none are refused in words", () => {
  const { manifest, key, unbound } = files("credit");
  const setup = Setup.open(verifier, { manifest, key });
  const bundle = parseBundle(unbound);
  for (const none of [null, undefined, 5, {}, { ...bundle, outputs: null }, { ...bundle, model: undefined }]) {
    expect(() => setup.verify(none as typeof bundle)).toThrow(VerdictError);
  }
  for (const none of [undefined, null, "verifier.bin"]) {
    expect(() => Setup.open(verifier, { manifest, key: none as unknown as Uint8Array })).toThrow("verifier.bin: expected its bytes");
  }
  for (const none of ["nonsense", "0x1", "", null]) {
    expect(() => setup.verify({ ...bundle, evmProof: none as "0x" })).toThrow(VerdictError);
    expect(() => setup.verify({ ...bundle, evmProof: none as "0x" })).toThrow("evmProof: expected bytes in hexadecimal");
    expect(() => setup.verify({ ...bundle, instances: bundle.instances.map(() => none as "0x") })).toThrow("public value 0: expected 32 bytes");
  }
});

test("a bundle of another model, and one that says otherwise than the setup, are refused", () => {
  const { manifest, key, unbound } = files("chain");
  const setup = Setup.open(verifier, { manifest, key });
  expect(() => setup.verify(parseBundle(files("credit").proof))).toThrow("the bundle says that the key's hash is");
  const bundle = parseBundle(unbound);
  const told = { ...bundle, outputs: bundle.outputs.map((value) => value + 1n) };
  expect(() => setup.verify(told)).toThrow(/output 0 is said to be -?\d+, but the proof is about -?\d+/);
  expect(() => setup.verify({ ...bundle, srs: { ...bundle.srs, insecure: false } })).toThrow("`srs.insecure`");
  expect(() => setup.verify({ ...bundle, instances: bundle.instances.slice(1) })).toThrow(/the bundle has \d+ public values, the model \d+/);
  const wide = bundle.instances.map((word, index) => (index === 0 ? (`0x${"ff".repeat(32)}` as const) : word));
  expect(() => setup.verify({ ...bundle, instances: wide })).toThrow("public value 0 is not below the field's modulus");
  const short = { ...bundle, evmProof: bundle.evmProof.slice(0, -64) as `0x${string}` };
  expect(() => setup.verify(short)).toThrow(/invalid proof length: expected \d+ bytes, got \d+/);
});

test("what is registered is compared", () => {
  const { manifest, key } = files("batch");
  const setup = Setup.open(verifier, { manifest, key });
  const { output, layout, batch } = setup.manifest;
  const zero = `0x${"00".repeat(20)}` as const;
  const data = {
    ...{ verifier: zero, key: zero, keyHash: setup.description.keyHash, publicInputs: layout.inputs / batch },
    ...{ outputs: layout.outputs / batch, batch, outputMin: output.min, outputMax: output.max },
    ...{ decimals: output.decimals, direction: 0 },
  };
  setup.requireRegistered(data);
  expect(() => setup.requireRegistered({ ...data, outputMin: output.min - 1n })).toThrow("smallest output");
  expect(() => setup.requireRegistered({ ...data, deprecated: true })).toThrow("the model is deprecated");
  setup.requireRegistered({ ...data, deprecated: false });

  const where = {
    ...{ setupId: setup.manifest.setupId, chainId: 5n, registry: zero, oracle: zero, verifier: zero, key: zero, modelId: 1n },
    ...{ verificationHash: verificationHash(data), attestations: undefined },
  };
  setup.requireDeployment(where, 5, data);
  const one = `0x${"11".repeat(20)}` as const;
  const word = `0x${"11".repeat(32)}` as const;
  for (const [change, what] of [
    [{ setupId: word }, "setup"],
    [{ chainId: 6n }, "chain"],
    [{ verifier: one }, "verifier"],
    [{ key: one }, "key"],
    [{ verificationHash: word }, "verification hash"],
  ] as const) {
    expect(() => setup.requireDeployment({ ...where, ...change }, 5, data)).toThrow(`the deployment is of another ${what}: `);
  }
  expect(() => setup.requireDeployment({} as typeof where, 5, data)).toThrow(VerdictError);
  // The registry's direction is under the hash.
  expect(() => setup.requireDeployment(where, 5n, { ...data, direction: 1 })).toThrow("verification hash");
});

test("the verifier is loaded from its place, from a module, and from nothing else", async () => {
  const { key } = files("chain");
  const loaded = [await loadVerifier(), await loadVerifier(await WebAssembly.compile(readFileSync(WASM)))];
  for (const one of loaded) expect(one.describe(key).keyHash).toBe(facts("chain").key_hash);
  await expect(loadVerifier(new Uint8Array([1, 2, 3]))).rejects.toThrow("the verifier cannot be loaded");
  const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  await expect(loadVerifier(empty)).rejects.toThrow("this WebAssembly is not the verifier: it has no memory");
});

test("the file is small and a verdict quick", () => {
  const size = readFileSync(WASM).length;
  expect(size).toBeLessThan(1_500_000);
  const { key, proof } = files("credit");
  const bundle = parseBundle(proof);
  const [instances, bytes] = [hexToBytes(concat(bundle.instances)), hexToBytes(bundle.evmProof)];
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now();
    verifier.verify(key, instances, bytes);
    return performance.now() - start;
  }).sort((a, b) => a - b);
  expect(times[2]).toBeLessThan(300);
  console.log(`verifier.wasm: ${size} bytes, ${gzipSync(readFileSync(WASM)).length} compressed; a credit proof: ${times[2]?.toFixed(0)} ms`);
});

test("a setup takes a verifier and files", () => {
  const { manifest, key } = files("credit");
  const open = (...given: readonly unknown[]) => expect(() => Setup.open(...(given as Parameters<typeof Setup.open>)));
  for (const none of [undefined, null, 5, {}, Promise.resolve(verifier)]) {
    open(none, { manifest, key }).toThrow(VerdictError);
    open(none, { manifest, key }).toThrow("expected what loadVerifier resolves to");
  }
  for (const none of [undefined, null, 5]) {
    open(verifier, none).toThrow(VerdictError);
    open(verifier, none).toThrow("files: expected an object with manifest and key");
  }
});
