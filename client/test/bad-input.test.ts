// What is wrong is said with its place; nothing else is thrown.
import { describe, expect, test } from "vitest";
import * as client from "../src/index.js";
import { parseJson, written } from "../src/json.js";
import { files } from "./fixtures.js";

const { proof, manifest } = files("chain");
const altered = (change: (bundle: Record<string, any>) => void): string => {
  // Numbers above 2^53 as they stand: JSON.parse would round them.
  const large = new Map<string, string>();
  const marked = proof.replace(/: (\d{16,})/g, (_, digits: string) => {
    large.set(`#${digits}#`, digits);
    return `: "#${digits}#"`;
  });
  const bundle = JSON.parse(marked) as Record<string, unknown>;
  change(bundle);
  return JSON.stringify(bundle).replace(/"#(\d+)#"/g, "$1");
};

const change = (text: string, work: (manifest: Record<string, any>) => void): unknown => {
  const manifest = JSON.parse(text) as Record<string, any>;
  work(manifest);
  return manifest;
};

describe("bundles", () => {
  test("numbers above 2^53 keep their digits", () => {
    const { requests } = client.parseBundle(proof);
    expect(requests[0]?.chainId).toBe(2n ** 64n - 8n);
    expect(requests[0]?.modelId).toBe(2n ** 64n - 9n);
    expect(client.parseBundle(new TextEncoder().encode(proof))).toEqual(client.parseBundle(proof));
    expect(client.parseBundle(altered(() => {}))).toEqual(client.parseBundle(proof));
  });

  test("every truncation is refused", () => {
    const whole = proof.trimEnd();
    for (let length = 0; length < whole.length; length += 13) {
      expect(() => client.parseBundle(whole.slice(0, length))).toThrow(/proof bundle is not valid JSON: .* at line \d+ column \d+/);
    }
  });

  test.each<[string, (bundle: Record<string, any>) => void, string | RegExp]>([
    ["another format", (b) => (b.format = "something"), 'format is "something", not "verdict-proof": not a proof bundle'],
    ["another version", (b) => (b.version = 3), "has version 3, this package reads version 2"],
    ["an unknown field", (b) => (b.extra = 1), 'unknown field "extra"'],
    ["an unknown field of a request", (b) => (b.request.extra = 1), "field `request`: unknown field"],
    ["a missing field", (b) => delete b.instances, "missing field `instances`"],
    ["a word of another length", (b) => (b.instances[1] = "0x12"), "field `instances[1]`: expected 32 bytes in hexadecimal"],
    ["a negative chain", (b) => (b.request.chain_id = -1), "field `request.chain_id`: -1 is outside [0, 18446744073709551615]"],
    ["a fractional nonce", (b) => (b.request.nonce = 1.5), "field `request.nonce`: expected an integer, got 1.5"],
    ["an output as number", (b) => (b.outputs[0] = 5), "field `outputs[0]`: expected a string, got 5"],
    ["an output with zeros in front", (b) => (b.outputs[0] = "007"), 'output "007" is not a decimal integer'],
    ["an output that its word is not", (b) => (b.outputs[1] = "123456789"), "field `outputs` is inconsistent"],
    ["a decoded number that differs", (b) => (b.decoded[0] += 1), "field `decoded` is inconsistent: output 0 is"],
    ["too many decimals", (b) => (b.decimals = 19), "field `decimals` is inconsistent: 19, at most 18"],
    ["half a word of proof", (b) => (b.proof += "00"), "a proof is a positive multiple of 32"],
    ["another proof", (b) => (b.proof = b.proof.replace("0x", "0x11").slice(0, -2)), "it does not begin with `proof`"],
    ["another chain", (b) => (b.request.chain_id = 1), "field `input_commitment` is inconsistent"],
    ["no commitment", (b) => delete b.input_commitment, "`request` and `input_commitment` come together or not at all"],
    ["one request as a batch", (b) => (b.requests = [b.request]), "a proof answers one `request`, or two or more"],
    ["another context", (b) => (b.instances[0] = `0x${"00".repeat(32)}`), "the first word is not the request's context"],
    ["other inputs", (b) => (b.instances[1] = `0x${"00".repeat(31)}01`), "field `request.inputs` is inconsistent"],
    ["a wide output word", (b) => (b.instances[b.instances.length - 1] = `0x${"ff".repeat(32)}`), "word of output 1 is 0xff"],
    ["a long name", (b) => (b.model.name = "é".repeat(200)), "field `model.name` is inconsistent: 400 bytes, at most 256"],
  ])("%s", (_, change, message) => {
    expect(() => client.parseBundle(altered(change))).toThrow(message);
    expect(() => client.parseBundle(altered(change))).toThrow(client.VerdictError);
  });

  test("files that are no text, or too large, are refused before they are parsed", () => {
    expect(() => client.parseBundle(new Uint8Array([0xff, 0xfe]))).toThrow("proof bundle is not UTF-8 text");
    expect(() => client.parseBundle(new Uint8Array(client.MAX_BUNDLE_BYTES + 1))).toThrow("larger than 16777216 bytes");
    expect(() => client.parseBundle(`\ufeff${proof}`)).toThrow("a byte order mark stands before it; save it as UTF-8 without one, at line 1 column 1");
    for (const parse of [client.parseBundle, client.parseManifest, client.parseDeployment, client.parseAttestation]) {
      for (const none of [null, undefined, 5, {}, []]) {
        expect(() => parse(none as unknown as string)).toThrow(client.VerdictError);
        expect(() => parse(none as unknown as string)).toThrow("expected its text or its bytes, got");
      }
    }
  });
});

describe("JSON", () => {
  test.each(['{"a":1,"a":2}', "[1,]", "{,}", "01", "1.", "+1", "'a'", '"\n"', '"\\x"', "[1] 2", "nul", "NaN", "[".repeat(100)])("%s", (text) => {
    expect(() => parseJson(text, "this")).toThrow(client.VerdictError);
  });

  test("long texts are read, or refused, in time", () => {
    const long = "a".repeat(15_000_000);
    expect(parseJson(`"${long}"`, "this")).toMatchObject({ kind: "string", value: long });
    for (const text of [`"${long}`, `["${long}\n"]`, "[".repeat(15_000_000), `"${long}\\`, `"${long}\\x"`]) {
      expect(() => parseJson(text, "this")).toThrow(client.VerdictError);
    }
    const spaced = `{ "a b" : [ 1 ,\n "c \\" d" ] , "${long}" : "${long}" }`;
    expect(written(parseJson(spaced, "this")) === JSON.stringify(JSON.parse(spaced))).toBe(true);
    const proofs = altered((bundle) => (bundle.evm_proof = bundle.proof = `0x${"11".repeat(3_500_000)}`));
    expect(() => client.parseBundle(proofs)).toThrow("field `proof` is inconsistent: 3500000 bytes");
  });

  test("what JSON.parse takes, is taken alike", () => {
    const text = ' { "a\\u0041\\n" : [ 1 , -2.5e+3, true, false , null, "é\\"" , {}, [] ] } ';
    const plain = (json: ReturnType<typeof parseJson>): unknown => {
      switch (json.kind) {
        case "object":
          return Object.fromEntries([...json.members].map(([name, value]) => [name, plain(value)]));
        case "array":
          return json.items.map(plain);
        case "number":
          return Number(json.digits);
        case "null":
          return null;
        default:
          return json.value;
      }
    };
    expect(plain(parseJson(text, "this"))).toEqual(JSON.parse(text));
  });
});

describe("manifests", () => {
  test.each<[string, (text: string) => string, string]>([
    ["of another version", (text) => text.replace('"format_version": 6', '"format_version": 5'), "format_version 5, this package reads 6"],
    ["of the private part", () => '{"setup_id":"0x00"}', "it names no format_version"],
    ["without a tensor of its outputs", (text) => JSON.stringify(change(text, (m) => (m.output.tensors = []))), "2 outputs, but its tensors have 0"],
    ["with an empty output", (text) => JSON.stringify(change(text, (m) => (m.output.tensors[0].dims = [0]))), '"y" has 0 elements'],
    ["with endless outputs", (text) => JSON.stringify(change(text, (m) => (m.output.tensors[0].dims = Array(64).fill(2 ** 31)))), '"y" has'],
    ["with an empty input", (text) => JSON.stringify(change(text, (m) => (m.input.tensors[0].dims = [3, 0]))), "has 0 elements"],
    ["of no inference", (text) => JSON.stringify(change(text, (m) => (m.shape.graph = { batch: 0 }))), "a batch of 0"],
    ["without outputs", (text) => text.replace('"output": {', '"outputs": {'), "missing field `output`"],
  ])("%s", (_, change, message) => {
    expect(() => client.parseManifest(change(manifest))).toThrow(message);
  });

  test("another statement has another id, another error of the model has not", () => {
    const { setupId } = client.parseManifest(manifest);
    expect(client.parseManifest(manifest.replace('"name": "', '"name": "x')).setupId).not.toBe(setupId);
    expect(client.parseManifest(manifest.replace(/"samples": \d+/, '"samples": 7')).setupId).toBe(setupId);
  });
});

describe("a manifest that passed through another program", () => {
  const text = files("credit").manifest;
  const { setupId, schemaId } = client.parseManifest(text);
  test.each<[string, (text: string) => string]>([
    ["JavaScript's", (text) => JSON.stringify(JSON.parse(text))],
    ["with spaces", (text) => JSON.stringify(JSON.parse(text), null, 7)],
    ["with escapes", (text) => text.replaceAll("applicant", "\\u0061pplicant")],
    ["with exponents", (text) => text.replace("20000.0", "2e4")],
  ])("%s, says the same", (_, pass) => {
    expect(pass(text)).not.toBe(text);
    expect(client.parseManifest(pass(text))).toMatchObject({ setupId, schemaId });
  });

  test("floats are written as the programs write them", () => {
    const ends = ["1", "-0.5", "1e16", "123456789012345680000", "0.00001", "0.000001", "1.5e-7", "1000000000000000", "0", "-0.0", "1.0"];
    const said = ["1.0", "-0.5", "1e+16", "1.2345678901234568e+20", "0.00001", "1e-6", "1.5e-7", "1000000000000000.0", "0.0", "-0.0", "1.0"];
    const list = parseJson(`[${ends.join()}]`, "this");
    expect(written(list, list)).toBe(`[${said.join()}]`);
    expect(written(list)).toBe(`[${ends.join()}]`);
  });
});

describe("inputs", () => {
  const { manifest } = { manifest: client.parseManifest(files("chain").manifest) };
  test("outside their range, not as many, and without a salt", () => {
    expect(() => client.inputWords(manifest, [2, 0, 0])).toThrow("outside its declared range [-1, 1]");
    expect(() => client.inputWords(manifest, [0, 0])).toThrow("expected 3 inputs, got 2");
    for (const none of [null, undefined, 5, "0, 0, 0"]) {
      expect(() => client.inputWords(manifest, none as unknown as number[])).toThrow("expected a list of numbers, or an object");
    }
    expect(() => client.inputCommitmentWord(manifest, [0, 0, 0], 1n)).toThrow("state no commitment");
    const committed = client.parseManifest(files("committed").manifest);
    expect(() => client.inputWords(committed, [0, 0, 0])).toThrow("takes a salt");
    expect(() => client.inputWords(committed, [0, 0, 0], 1n << 128n)).toThrow("a salt is an integer");
    expect(() => client.batchInputWords(manifest, [])).toThrow("0 lists of inputs, a proof is of 1");
  });
});

test("inputs are taken by name, flat or as deep as they are", () => {
  const manifest = client.parseManifest(files("chain").manifest);
  const [name = ""] = manifest.input.tensors.map((tensor) => tensor.name);
  const words = client.inputWords(manifest, [0.5, -0.25, 0.75]);
  const depths = [[0.5, -0.25, 0.75], [[0.5, -0.25, 0.75]], Float64Array.of(0.5, -0.25, 0.75)];
  for (const values of depths) expect(client.inputWords(manifest, { [name]: values })).toEqual(words);
  expect(() => client.inputWords(manifest, { [name]: [0] })).toThrow(`the input "${name}" has 1 elements, expected 3`);
  expect(() => client.inputWords(manifest, { [name]: [[[[0.5, -0.25, 0.75]]]] })).toThrow("nested more deeply");
  expect(() => client.inputWords(manifest, { [name]: [0, 0, 0], more: [1] })).toThrow('the model has no input "more", but');
  expect(() => client.inputWords(manifest, {})).toThrow(`the input "${name}" is missing`);
  const two = { ...manifest.input, tensors: [{ name: "a", dims: [1] }, { name: "b", dims: [1, 2] }] };
  expect(client.inputWords({ ...manifest, input: two }, { b: [[-0.25, 0.75]], a: 0.5 })).toEqual(words);
});

describe("deployments", () => {
  const word = `0x${"11".repeat(32)}`;
  const address = `0x${"22".repeat(20)}`;
  const file = (extra = "") =>
    `{"setup_id":"${word}","chain_id":18446744073709551615,"registry":"${address}","oracle":"${address}","verifier":"${address}",
      "key":"${address}","model_id":3,"verification_hash":"${word}"${extra}}`;
  test("are read exactly", () => {
    expect(client.parseDeployment(file())).toMatchObject({ chainId: 2n ** 64n - 1n, attestations: undefined });
    const policy = `,"attestations":{"signers":"${address}","threshold":2,"schema":"${word}"}`;
    expect(client.parseDeployment(file(policy)).attestations).toMatchObject({ threshold: 2, source: false });
    expect(() => client.parseDeployment(file(',"more":1'))).toThrow('unknown field "more"');
    expect(() => client.deploymentOf(1)).toThrow("no contracts are known on chain 1 (known: none yet)");
    expect(() => client.deploymentOf("constructor" as unknown as number)).toThrow("no contracts are known");
  });
});

describe("errors", () => {
  test("every error of every contract is known, and named by a contract", async () => {
    const abis = await import("@verdict/contracts");
    const known = new Set(client.knownErrors().map(({ signature }) => signature));
    for (const abi of Object.values(abis)) {
      for (const entry of abi) {
        if (entry.type === "error") expect(known).toContain(`${entry.name}(${entry.inputs.map(({ type }) => type).join(",")})`);
      }
    }
    expect(client.knownErrors().every(({ contract }) => /^[A-Z]/.test(contract))).toBe(true);
    const lender = client.knownErrors().find(({ signature }) => signature === "BorrowerDeclined(address,int256)");
    expect(lender?.contract).toBe("CreditLine");
  });
});

test("which inputs a provider vouches for is told", () => {
  const of = (name: string) => client.parseManifest(files(name).manifest);
  const stated = of("public");
  const names = stated.input.tensors.map((tensor) => tensor.name);
  expect(client.coverage(stated)).toEqual({ stated: names, private: [] });
  const partial = { ...stated, input: { ...stated.input, private: [0] } };
  expect(client.coverage(partial)).toEqual({ stated: names.slice(1), private: names.slice(0, 1) });
  expect(client.coverage(of("committed")).private).toEqual([]);
});

describe("values that are none", () => {
  const word = `0x${"11".repeat(32)}` as const;
  const address = `0x${"22".repeat(20)}` as const;
  const statement = { chainId: 1n, registry: address, signer: address, subject: address, schema: word, inputs: word, issuedAt: 1n, validUntil: 2n };
  const attestation = { statement, signature: "0x" } as client.Attestation;
  const of = (change: object) => () => client.encodeAttestations([[1, { ...attestation, ...change } as client.Attestation]]);
  const [request] = client.parseBundle(proof).requests;
  const bundle = client.parseBundle(proof);
  test.each<[string, () => unknown, string]>([
    ["a signature that is text", of({ signature: "hello" }), 'expected bytes in hexadecimal, with 0x, got "hello"'],
    ["half a byte of signature", of({ signature: "0x123" }), "expected bytes in hexadecimal"],
    ["a late time", of({ statement: { ...statement, issuedAt: 1n << 64n } }), "issuedAt: expected an integer from 0 to 2^64 - 1"],
    ["a time before all", of({ statement: { ...statement, validUntil: -1n } }), "validUntil: expected an integer"],
    ["a context of nothing", () => client.contextWord("0x"), "input commitment: expected 32 bytes in hexadecimal"],
    ["a long context", () => client.contextWord(`0x${"ff".repeat(40)}`), "input commitment: expected 32 bytes in hexadecimal"],
    ["input words of text", () => client.inputsHash(["hello" as "0x"]), "input word 0: expected 32 bytes in hexadecimal"],
    ["a short input word", () => client.inputsHash([word, "0x12"]), "input word 1: expected 32 bytes in hexadecimal"],
    ["a request of no address", () => client.inputCommitment({ ...request!, oracle: "0x12" }), "request: "],
    ["a negative nonce", () => client.inputCommitment({ ...request!, nonce: -1n }), "request: "],
    ["an output past 256 bits", () => client.encodeOutput([1n << 255n]), "outputs: "],
    ["a job of no address", () => client.idempotencyKey(1n, "0x", 1n, word), "job: "],
    ["a digest of no address", () => client.attestationDigest({ ...statement, subject: "0x1" }), "subject: expected 20 bytes"],
    ["a file of no address", () => client.formatAttestation({ ...attestation, statement: { ...statement, signer: "0x1" } }), "signer: expected 20 bytes"],
    ["a file of a late time", () => client.formatAttestation({ ...attestation, statement: { ...statement, issuedAt: 1n << 64n } }), "issuedAt"],
    ["verification data of nothing", () => client.verificationHash({} as client.VerificationData), "verification data: "],
    ["a call of no proof", () => client.inferenceCall({ ...bundle, evmProof: "nonsense" as "0x" }), "evmProof: expected bytes in hexadecimal"],
    ["typed data of nothing", () => client.attestationTypedData({} as client.Statement), "chainId: expected an integer"],
    ["typed data of no object", () => client.attestationTypedData(undefined as unknown as client.Statement), "statement: expected an object, got undefined"],
    ["typed data of no address", () => client.attestationTypedData({ ...statement, registry: "0x1" }), "registry: expected 20 bytes"],
    ["a digest of nothing", () => client.attestationDigest(null as unknown as client.Statement), "statement: expected an object, got null"],
    ["a file of nothing", () => client.formatAttestation({} as client.Attestation), "statement: expected an object, got undefined"],
    ["a file of no object", () => client.formatAttestation(5 as unknown as client.Attestation), "attestation: expected an object, got 5"],
    ["attestations of text", () => client.encodeAttestations("x" as unknown as []), 'attestations: expected a list of pairs, index and attestation, got "x"'],
    ["attestations without an index", () => client.encodeAttestations([attestation] as unknown as []), "attestations: expected pairs"],
    ["a score of no decimals", () => client.decodeScore(5n, -1), "decimals: expected a whole number from 0 to 255, got -1"],
    ["a score of half a decimal", () => client.decodeScore(5n, 0.5), "decimals: expected a whole number"],
    ["a score that is a number", () => client.decodeScore(5 as unknown as bigint, 2), "score: expected a bigint, got 5"],
    ["a request of no hash", () => client.inputCommitment({ ...request!, inputs: `0x${"zz".repeat(32)}` }), "inputs: expected 32 bytes in hexadecimal"],
  ])("%s", (_, work, message) => {
    expect(work).toThrow(client.VerdictError);
    expect(work).toThrow(message);
  });

  test("no revert data is an unknown error", () => {
    for (const none of [undefined, null, 5, {}, "hello", "0x123", new Uint8Array(4)]) {
      expect(client.decodeRevert(none as unknown as "0x")).toMatchObject({ name: "Unknown" });
    }
  });
});

test("files are known by what they say", () => {
  const { manifest, key, proof } = files("credit");
  const bytes = (text: string) => new TextEncoder().encode(text);
  const turned = JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(manifest) as object).reverse()));
  const nothing = ["<!doctype html>", "{}", "[]", "{", "", '{"format_version":6}'].map(bytes);
  const kinds: readonly (readonly [Uint8Array, client.FileKind | undefined])[] = [
    [key, "key"],
    [bytes(proof), "proof"],
    [bytes(manifest), "manifest"],
    [bytes(turned), "manifest"],
    [bytes('{"setup_id":"","registry":"","verification_hash":""}'), "deployment"],
    [bytes('{"format":"verdict-attestation-v2"}'), "attestation"],
    ...[...nothing, Uint8Array.of(0xff)].map((none) => [none, undefined] as const),
    ...[null, undefined, 5, "{}", {}].map((none) => [none as unknown as Uint8Array, undefined] as const),
  ];
  for (const [file, kind] of kinds) expect(client.kindOf(file)).toBe(kind);
});
