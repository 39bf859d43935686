// The package says what the programs say.
import { describe, expect, test } from "vitest";
import * as client from "../src/index.js";
import { facts, files, names, parity } from "./fixtures.js";

const signed = () => {
  const [first, second] = parity.attestations.files.map((text) => client.parseAttestation(text));
  if (first === undefined || second === undefined) throw new Error("two attestations");
  return [[7, second], [2, first]] as const;
};

describe.each(names)("%s", (name) => {
  const { manifest: text, proof } = files(name);
  const { bound, ...wanted } = facts(name);
  const manifest = client.parseManifest(text);
  const bundle = client.parseBundle(proof);

  test("the setup's id, its schema's and its layout follow from the manifest", () => {
    expect(manifest.setupId).toBe(wanted.setup_id);
    expect(manifest.schemaId).toBe(wanted.schema_id);
    expect([manifest.layout.inputs, manifest.layout.outputs]).toEqual(wanted.layout);
    expect(manifest.packed).toBe(wanted.packed);
    // However it is written.
    expect(client.parseManifest(JSON.stringify(JSON.parse(text), null, 7)).model).toEqual(manifest.model);
  });

  test("inputs have the same words", () => {
    const salt = manifest.inputs === "committed" ? BigInt(wanted.salt) : undefined;
    expect(wanted.inputs.map((inputs) => client.inputWords(manifest, inputs, salt))).toEqual(wanted.input_words);
    const salts = salt === undefined ? undefined : [salt];
    expect(client.batchInputWords(manifest, wanted.inputs, salts)).toEqual(client.inputWordsOf(bundle));
  });

  test("requests have the same commitments", () => {
    expect(bundle.requests.map(client.inputCommitment)).toEqual(bound.input_commitments);
    expect(bundle.inputCommitment).toBe(bound.input_commitment);
    if (bundle.requests.length > 1) expect(client.batchCommitment(bundle.requests)).toBe(bound.input_commitment);
    expect(client.contextWord(bound.input_commitment)).toBe(bound.context);
    const words = client.inputWordsOf(bundle);
    const hashes = bundle.requests.map((_, index) => client.inputsHash(client.ofInference(words, manifest.batch, index)));
    expect(hashes).toEqual(bound.inputs_hashes);
  });

  test("calldata is the same to the byte", () => {
    expect(client.verifyInferenceCalldata(bundle)).toBe(bound.calldata);
    const [request] = bundle.requests;
    if (request === undefined) throw new Error("a request");
    const key = client.idempotencyKey(request.chainId, request.oracle, request.modelId, bound.input_commitment);
    expect(key).toBe(bound.idempotency_key);
    if (manifest.batch > 1) {
      expect(() => client.checkInferenceCalldata(bundle)).toThrow("the proof answers 2 requests, and the call takes one");
      return;
    }
    expect(() => client.batchCall(bundle)).toThrow("the proof answers 1 requests, and the call takes a batch");
    expect(client.checkInferenceCalldata(bundle)).toBe(bound.check_calldata);
    expect(client.verifyAttestedInferenceCalldata(bundle, signed())).toBe(bound.attested_calldata);
    const inferences = [client.inference(bundle), client.inference(bundle, signed())];
    expect(client.verifyInferencesCalldata(inferences)).toBe(bound.inferences_calldata);
  });
});

test("attestations have the same digests and bytes, and come back as they were", () => {
  for (const [index, text] of parity.attestations.files.entries()) {
    const attestation = client.parseAttestation(text);
    expect(client.attestationDigest(attestation.statement)).toBe(parity.attestations.digests[index]);
    expect(client.parseAttestation(client.formatAttestation(attestation))).toEqual(attestation);
  }
  expect(client.encodeAttestations(signed())).toBe(parity.attestations.encoded);
  const [one] = signed();
  expect(() => client.encodeAttestations([one, one])).toThrow("two attestations are of signer");
});

test("verification data have the same hash", () => {
  const { hash, outputMin, outputMax, ...data } = parity.verification;
  const wanted = { ...data, outputMin: BigInt(outputMin ?? 0), outputMax: BigInt(outputMax ?? 0) };
  expect(client.verificationHash(wanted as unknown as client.VerificationData)).toBe(hash);
});

test("outputs are kept in the same word", () => {
  for (const { outputs, word } of parity.outputs_words) expect(client.outputsWord(outputs.map(BigInt))).toBe(word);
});

test("every error is said in the programs' words", () => {
  for (const { data, name, contract, text, hint, recorded } of parity.reverts) {
    const revert = client.decodeRevert(data);
    if (name === "Unknown" && revert.contract !== undefined) {
      // A contract that the programs do not know.
      continue;
    }
    expect({ ...revert, data }).toMatchObject({ data, name, text, alreadyRecorded: recorded });
    expect(revert.hint ?? null, name).toBe(hint);
    if (contract !== null) expect(revert.contract).toBe(contract);
  }
});
