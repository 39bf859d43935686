// Checking proofs against a setup. Everything that is checked against comes from the setup,
// nothing from the bundle.
import { type Address, type Hex, concat, hexToBytes } from "viem";
import { type ProofBundle, checkRequests, inputWordsOf, sameNumber } from "./bundle.js";
import type { Deployment } from "./deployment.js";
import { VerdictError, guarded, shown } from "./error.js";
import { type Manifest, outputName, parseManifest } from "./manifest.js";
import { type InferenceRequest, type VerificationData, verificationHash } from "./request.js";
import { type KeyDescription, MAX_KEY_BYTES, type Verifier } from "./verifier.js";
import { FIELD_MODULUS, hexOf } from "./words.js";

/**
 * What is known of a setup from elsewhere.
 *
 * The setup's id, from the model's owner, binds all that a proof says. The key's hash, from a chain's registry, binds
 * the circuit alone: the model's name and hash, its outputs' names, range and decimals, the inputs' ranges, of how many
 * samples totals are and what is measured, and whether the SRS is secure, stay the word of whoever gave the manifest.
 * `requireRegistered` holds the outputs' range and decimals against the registry; the others only the setup's id binds.
 */
export interface Expected {
  readonly setupId?: Hex;
  readonly keyHash?: Hex;
}

/** What a registry says of a model, as `modelOf` reads it. */
export type Registered = VerificationData & { readonly deprecated?: boolean };

/** What a proof is to have been made for; a {@link Deployment} says all of it but the subject. */
export interface Purpose extends Pick<Deployment, "chainId" | "oracle" | "modelId" | "verificationHash"> {
  readonly subject?: Address;
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
  /** Inferences that the proof states one by one. */
  readonly batch: number;
  /** Samples whose sums the outputs are; undefined where they are no sums. */
  readonly samples: number | undefined;
  /** Outputs as integers, in units of 10^-decimals; of a batch, each of all inferences before the next. */
  readonly outputs: readonly bigint[];
  /** The same as numbers. */
  readonly decoded: readonly number[];
  /** Their names. */
  readonly names: readonly string[];
  readonly decimals: number;
  /**
   * Where the structured reference string is from: `"ceremony"`, the perpetual powers of tau, as the key itself shows;
   * `"insecure"`, one machine, whose owner can forge such proofs, as the manifest says; `"imported"`, another
   * ceremony, as the manifest says whose setup's id was expected; `"unknown"`, where nobody but the manifest says so.
   */
  readonly srs: "ceremony" | "imported" | "insecure" | "unknown";
  /**
   * What the proof states instead of its inputs, of a setup that commits to them: a word for each inference, or one for
   * all samples that are measured. Undefined where it states none. {@link requireCommitment} compares them.
   */
  readonly commitments: readonly Hex[] | undefined;
  /** The requests that the proof answers: one, or a batch's, or none. {@link requireAnswers} compares them. */
  readonly requests: readonly InferenceRequest[];
}

/**
 * Refuses a proof that was made for something else than this chain, oracle, model, or subject. Whether it was recorded,
 * only the chain says: see `scoreOf`.
 *
 * @throws VerdictError with the first difference, or if the proof answers no request.
 */
export function requireAnswers(verified: Pick<Verified, "requests">, purpose: Purpose): void {
  guarded("proof", "what the proof is to have been made for", () => {
    if (verified.requests.length === 0) throw new VerdictError("proof", "the proof answers no request");
    const { chainId, oracle, modelId, verificationHash: hash, subject } = purpose;
    const of = (value: unknown, bytes: number, what: string) => hexOf(value, bytes, what, "proof").toLowerCase();
    for (const request of verified.requests) {
      for (const [what, got, wanted] of [
        ["chain", request.chainId, BigInt(chainId)],
        ["oracle", request.oracle.toLowerCase(), of(oracle, 20, "oracle")],
        ["model", request.modelId, BigInt(modelId)],
        ["verification hash", request.verificationHash.toLowerCase(), of(hash, 32, "verification hash")],
        ["subject", request.subject.toLowerCase(), of(subject === undefined ? request.subject : subject, 20, "subject")],
      ] as const) {
        if (got !== wanted) throw new VerdictError("proof", `the proof was made for ${what} ${got}, not ${wanted}`);
      }
    }
  });
}

/**
 * Refuses a proof of other inputs than those that were committed to. Of a measure on samples that is the commitment that
 * was announced for all of them; a proof that is not held against it is of samples that whoever made it chose.
 *
 * @param expected - One word, or of a batch one for each inference.
 * @throws VerdictError if the proof states another, or none.
 */
export function requireCommitment(
  verified: Pick<Verified, "commitments"> & Partial<Pick<Verified, "samples">>,
  expected: Hex | readonly Hex[],
): void {
  guarded("proof", "what the proof is to state", () => {
    const { commitments: stated, samples } = verified;
    const words = (Array.isArray(expected) ? expected : [expected]) as readonly Hex[];
    const wanted = words.map((own) => hexOf(own, 32, "commitment", "proof").toLowerCase());
    const inputs = samples === undefined ? "inputs" : "samples";
    if (stated === undefined) throw new VerdictError("proof", `the proof states no commitment to ${inputs}`);
    if (stated.length !== wanted.length) {
      throw new VerdictError("proof", `the proof states ${stated.length} commitments, ${wanted.length} are expected`);
    }
    stated.forEach((own, index) => {
      if (own.toLowerCase() === wanted[index]) return;
      throw new VerdictError("proof", `the proof is of other ${inputs}: it states the commitment ${own}, not ${wanted[index]}`);
    });
  });
}

/** What is expected, in lower case. Whatever is no hash is refused: it would expect nothing. */
function readExpected(expected: unknown): { setupId?: Hex; keyHash?: Hex } {
  if (typeof expected !== "object" || expected === null || Array.isArray(expected)) {
    throw new VerdictError("setup", `expected: an object with setupId or keyHash, got ${shown(expected)}`);
  }
  const read: { setupId?: Hex; keyHash?: Hex } = {};
  for (const name in expected) {
    if (name !== "setupId" && name !== "keyHash") {
      throw new VerdictError("setup", `expected: unknown member ${shown(name)}, expected setupId or keyHash`);
    }
    read[name] = hexOf((expected as Expected)[name], 32, `expected: ${name}`, "setup").toLowerCase() as Hex;
  }
  return read;
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
    /** Whether the setup's id was expected, which binds all that the manifest says. */
    private readonly pinned: boolean,
  ) {}

  /**
   * Opens the public part of a setup: its `manifest.json` and `verifier.bin`. What the manifest says is as good as
   * what is expected; see {@link Expected} for what a key's hash does not bind.
   *
   * @throws VerdictError if the two do not belong together, or are not what is expected.
   */
  static open(
    verifier: Verifier,
    files: { manifest: string | Uint8Array | ArrayBuffer; key: Uint8Array | ArrayBuffer },
    expected: Expected = {},
  ): Setup {
    const wanted = readExpected(expected);
    if (typeof (verifier as Partial<Verifier> | undefined)?.describe !== "function") {
      throw new VerdictError("verifier", `expected what loadVerifier resolves to, got ${shown(verifier)}`);
    }
    if (typeof files !== "object" || files === null) {
      throw new VerdictError("setup", `files: expected an object with manifest and key, got ${shown(files)}`);
    }
    const manifest = parseManifest(files.manifest);
    const bytes: unknown = files.key?.byteLength;
    if (typeof bytes !== "number") throw new VerdictError("setup", `verifier.bin: expected its bytes, got ${shown(files.key)}`);
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
    for (const [what, got, other] of [
      ["setup", manifest.setupId, wanted.setupId],
      ["key", description.keyHash, wanted.keyHash],
    ]) {
      if (other !== undefined && got !== other) {
        throw new VerdictError("setup", `this is another ${what} than expected: ${got}, not ${other}`);
      }
    }
    return new Setup(verifier, key, manifest, description, wanted.setupId !== undefined);
  }

  /**
   * Refuses a model of a chain's registry that is not this setup's, or that its owner has deprecated. A setup does
   * not say at which address its verifier is, nor whether higher scores are better: {@link requireDeployment} does.
   *
   * @throws VerdictError with the first difference.
   */
  requireRegistered(data: Registered): void {
    if (data.deprecated === true) {
      throw new VerdictError("chain", "the registry says that the model is deprecated; use its successor");
    }
    const { manifest, description } = this;
    const { layout, output, batch } = manifest;
    for (const [what, got, wanted] of [
      ["the key's hash", hexOf(data.keyHash, 32, "keyHash", "chain").toLowerCase(), description.keyHash],
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
   * Refuses a deployment that is not this setup's, on this chain, with the verifier, the key and the meaning that the
   * registry has. The registry, its chain and the model's id are as good as where the application has them from: not
   * from a file beside the proof.
   *
   * @throws VerdictError with the first difference.
   */
  requireDeployment(where: Deployment, chainId: bigint | number, registered: Registered): void {
    this.requireRegistered(registered);
    guarded("deployment", "deployment", () => {
      for (const [what, got, wanted] of [
        ["setup", where.setupId.toLowerCase(), this.manifest.setupId],
        ["chain", where.chainId, BigInt(chainId)],
        ["verifier", where.verifier.toLowerCase(), registered.verifier.toLowerCase()],
        ["key", where.key.toLowerCase(), registered.key.toLowerCase()],
        ["verification hash", where.verificationHash.toLowerCase(), verificationHash(registered)],
      ] as const) {
        if (got === wanted) continue;
        throw new VerdictError("deployment", `the deployment is of another ${what}: ${got}, not ${wanted}`);
      }
    });
  }

  /**
   * Checks a bundle: that it is about this model and key, that it says of them what the setup
   * says, that its outputs and requests are what its public values are, and that the proof holds.
   *
   * @throws VerdictError with the first difference.
   */
  verify(bundle: ProofBundle): Verified {
    return guarded("proof", "the bundle is not as parseBundle makes them", () => this.check(bundle));
  }

  private check(bundle: ProofBundle): Verified {
    const { manifest, description } = this;
    this.checkModel(bundle);
    bundle.instances.forEach((word, index) => {
      if (BigInt(hexOf(word, 32, `public value ${index}`, "proof")) >= FIELD_MODULUS) {
        throw new VerdictError("proof", `public value ${index} is not below the field's modulus`);
      }
    });
    const decoded = this.checkOutputs(bundle);
    const requests = bundle.requests.length;
    if (requests !== 0) this.count("requests", requests, manifest.batch);
    checkRequests(bundle);
    const proof = hexOf(bundle.evmProof, undefined, "evmProof", "proof");
    const by = this.verifier.verify(this.key, hexToBytes(concat(bundle.instances)), hexToBytes(proof));
    if (by.keyHash !== description.keyHash) throw new VerdictError("verifier", "the verifier answered for another key");
    return {
      model: manifest.model.name,
      modelHash: manifest.model.hash,
      setupId: manifest.setupId,
      keyHash: description.keyHash,
      batch: manifest.batch,
      samples: manifest.samples,
      outputs: bundle.outputs,
      decoded,
      names: bundle.outputs.map((_, index) => outputName(manifest, index)),
      decimals: manifest.output.decimals,
      srs: this.srs(),
      commitments: manifest.inputs === "committed" ? inputWordsOf(bundle) : undefined,
      requests: bundle.requests,
    };
  }

  /** A manifest is believed when it speaks against its own setup, else where its id was expected. */
  private srs(): Verified["srs"] {
    if (this.description.ceremony) return "ceremony";
    if (this.manifest.srs.insecure) return "insecure";
    return this.pinned ? "imported" : "unknown";
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
        // Of what only the id binds, the manifest may be what was changed.
        const other = "; the manifest is another setup's, or not as it was written: take it byte for byte";
        const hint = field === "the setup's id" ? other : "";
        throw new VerdictError("proof", `the bundle says that ${field} is ${bundle}, but the setup's is ${setup}${hint}`);
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
