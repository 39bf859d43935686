// Checking proofs against a setup. Everything that is checked against comes from the setup,
// nothing from the bundle.
import { type Hex, concat, hexToBytes } from "viem";
import { type ProofBundle, sameNumber } from "./bundle.js";
import { VerdictError } from "./error.js";
import { type Manifest, outputName, parseManifest } from "./manifest.js";
import type { VerificationData } from "./request.js";
import { type KeyDescription, MAX_KEY_BYTES, type Verifier } from "./verifier.js";
import { FIELD_MODULUS } from "./words.js";

/** What is known of a setup from elsewhere: from its owner, or from a chain's registry. */
export interface Expected {
  readonly setupId?: Hex;
  readonly keyHash?: Hex;
}

/** What a proof that holds says, in the words of the setup. */
export interface Verified {
  /** Name of the model, as whoever made the setup calls it. */
  readonly model: string;
  readonly modelHash: Hex;
  /** The setup whose key the proof holds under. */
  readonly setupId: Hex;
  /** Hash of that key, as a chain's registry has it. */
  readonly keyHash: Hex;
  /** Inferences that the proof is of. */
  readonly batch: number;
  /** Outputs as integers, in units of 10^-decimals; of a batch, each of all inferences before the next. */
  readonly outputs: readonly bigint[];
  /** The same as numbers. */
  readonly decoded: readonly number[];
  /** Their names. */
  readonly names: readonly string[];
  readonly decimals: number;
  /**
   * Where the structured reference string is from: the perpetual powers of tau; another
   * ceremony, which nobody knows here; or one machine, whose owner can forge such proofs.
   */
  readonly srs: "ceremony" | "imported" | "insecure";
}

/** The public part of a setup, checked: the key is the one that the manifest names. */
export class Setup {
  private constructor(
    private readonly verifier: Verifier,
    private readonly key: Uint8Array,
    /** What the setup says about itself. */
    readonly manifest: Manifest,
    /** What its key is, computed from the key. */
    readonly description: KeyDescription,
  ) {}

  /**
   * Opens the public part of a setup: its `manifest.json` and `verifier.bin`.
   *
   * @throws VerdictError if the two do not belong together, or are not what is expected.
   */
  static open(
    verifier: Verifier,
    files: { manifest: string | Uint8Array | ArrayBuffer; key: Uint8Array | ArrayBuffer },
    expected: Expected = {},
  ): Setup {
    const manifest = parseManifest(files.manifest);
    const bytes = files.key.byteLength;
    if (bytes > MAX_KEY_BYTES) throw new VerdictError("setup", `${bytes} bytes are more than a verifying key has`);
    const key = new Uint8Array(files.key).slice();
    const description = verifier.describe(key);
    const same = (what: string, got: unknown, wanted: unknown, whose: string) => {
      if (got === wanted) return;
      throw new VerdictError("setup", `verifier.bin is not this setup's: ${what} is ${got}, ${whose} ${wanted}`);
    };
    same("the key's hash", description.keyHash, manifest.verifier.keyHash, "the manifest's");
    same("the shape's id", description.shapeId, manifest.verifier.shapeId, "the manifest's");
    same("the SRS's fingerprint", description.srsFingerprint, manifest.srs.fingerprint, "the manifest's");
    same("log2 of the rows", description.k, manifest.k, "the manifest's");
    same("the number of public values", description.instances, manifest.layout.count, "the manifest's");
    if (manifest.srs.insecure && description.ceremony) {
      throw new VerdictError("setup", "the manifest calls the perpetual powers of tau insecure");
    }
    for (const [what, got, wanted] of [
      ["setup", manifest.setupId, expected.setupId?.toLowerCase()],
      ["key", description.keyHash, expected.keyHash?.toLowerCase()],
    ]) {
      if (wanted !== undefined && got !== wanted) {
        throw new VerdictError("setup", `this is another ${what} than expected: ${got}, not ${wanted}`);
      }
    }
    return new Setup(verifier, key, manifest, description);
  }

  /**
   * Refuses a model of a chain's registry that is not this setup's.
   *
   * @throws VerdictError with the first difference.
   */
  requireRegistered(data: VerificationData): void {
    const { manifest, description } = this;
    const { layout, output, batch } = manifest;
    for (const [what, got, wanted] of [
      ["the key's hash", data.keyHash.toLowerCase(), description.keyHash],
      ["public inputs", data.publicInputs, layout.inputs / batch],
      ["outputs", data.outputs, layout.outputs / batch],
      ["inferences", data.batch, batch],
      ["smallest output", data.outputMin, output.min],
      ["largest output", data.outputMax, output.max],
      ["decimals", data.decimals, output.decimals],
    ] as const) {
      if (got !== wanted) throw new VerdictError("chain", `the registry has another model: ${what} ${got}, the setup's ${wanted}`);
    }
  }

  /**
   * Checks a bundle: that it is about this model and key, that it says of them what the setup
   * says, that its outputs are what its public values are, and that the proof holds.
   *
   * @throws VerdictError with the first difference.
   */
  verify(bundle: ProofBundle): Verified {
    const { manifest, description } = this;
    this.checkModel(bundle);
    bundle.instances.forEach((word, index) => {
      if (BigInt(word) >= FIELD_MODULUS) {
        throw new VerdictError("proof", `public value ${index} is not below the field's modulus`);
      }
    });
    const decoded = this.checkOutputs(bundle);
    const requests = bundle.requests.length;
    if (requests !== 0) this.count("requests", requests, manifest.batch);
    const by = this.verifier.verify(this.key, hexToBytes(concat(bundle.instances)), hexToBytes(bundle.evmProof));
    if (by.keyHash !== description.keyHash) throw new VerdictError("verifier", "the verifier answered for another key");
    return {
      model: manifest.model.name,
      modelHash: manifest.model.hash,
      setupId: manifest.setupId,
      keyHash: description.keyHash,
      batch: manifest.batch,
      outputs: bundle.outputs,
      decoded,
      names: bundle.outputs.map((_, index) => outputName(manifest, index)),
      decimals: manifest.output.decimals,
      srs: manifest.srs.insecure ? "insecure" : description.ceremony ? "ceremony" : "imported",
    };
  }

  private count(what: string, got: number, expected: number): void {
    if (got !== expected) throw new VerdictError("proof", `the bundle has ${got} ${what}, the model ${expected}`);
  }

  /** What the bundle says of its model is what the setup says. */
  private checkModel({ model, srs, decimals }: ProofBundle): void {
    const { manifest } = this;
    for (const [field, bundle, setup] of [
      ["the key's hash", model.keyHash, manifest.verifier.keyHash],
      ["the shape's id", model.shapeId, manifest.verifier.shapeId],
      ["the model's hash", model.modelHash, manifest.model.hash],
      ["the model's name", JSON.stringify(model.name), JSON.stringify(manifest.model.name)],
      ["the SRS's fingerprint", srs.fingerprint, manifest.srs.fingerprint],
      ["`srs.insecure`", srs.insecure, manifest.srs.insecure],
      ["`decimals`", decimals, manifest.output.decimals],
      ["the setup's id", model.setupId, manifest.setupId],
    ]) {
      if (bundle !== setup) {
        throw new VerdictError("proof", `the bundle says that ${field} is ${bundle}, but the setup's is ${setup}`);
      }
    }
  }

  /** Every output is the one that its public value is, within the model's range. */
  private checkOutputs(bundle: ProofBundle): number[] {
    const { layout, output } = this.manifest;
    this.count("public values", bundle.instances.length, layout.count);
    this.count("outputs", bundle.outputs.length, layout.outputs);
    this.count("decoded outputs", bundle.decoded.length, layout.outputs);
    return bundle.outputs.map((told, index) => {
      const differs = (told: unknown, proven: unknown) =>
        new VerdictError("proof", `output ${index} is said to be ${told}, but the proof is about ${proven}`);
      const value = BigInt(bundle.instances[1 + layout.inputs + index] ?? 0) + output.min;
      if (value > output.max) throw differs(told, `a word outside [${output.min}, ${output.max}]`);
      if (told !== value) throw differs(told, value);
      const number = Number(value) / 10 ** output.decimals;
      const decoded = bundle.decoded[index] ?? Number.NaN;
      if (!sameNumber(number, decoded)) throw differs(decoded, number);
      return number;
    });
  }
}
