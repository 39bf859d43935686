// The verifier in WebAssembly. It has one buffer, which is filled here and holds the answer then.
import { ownVerifier } from "#own-bytes";
import type { Hex } from "viem";
import { VerdictError } from "./error.js";

/** Largest verifying key, in bytes. */
export const MAX_KEY_BYTES = 16 * 1024 * 1024;

/** What a verifying key is, computed from its bytes. */
export interface KeyDescription {
  /** Id of the circuit's shape. */
  readonly shapeId: Hex;
  /** EXTCODEHASH of the key contract: binds all that a verdict depends on. */
  readonly keyHash: Hex;
  /** Fingerprint of the structured reference string. */
  readonly srsFingerprint: Hex;
  /** Whether that is the perpetual powers of tau. */
  readonly ceremony: boolean;
  /** log2 of the circuit's rows. */
  readonly k: number;
  /** Number of public values. */
  readonly instances: number;
  /** Bytes of a proof in the form that contracts take. */
  readonly proofBytes: number;
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  reserve(length: number): number;
  describe(): number;
  verify(key: number, instances: number): number;
  answer(): number;
  answer_length(): number;
}

/** Checks proofs. It is made by {@link loadVerifier}, and lasts for any number of them. */
export class Verifier {
  private constructor(private readonly exports: Exports) {}

  /** @internal */
  static async start(module: WebAssembly.Module): Promise<Verifier> {
    const { exports } = await WebAssembly.instantiate(module, {});
    const missing = ["memory", "reserve", "describe", "verify", "answer", "answer_length"].find((name) => !(name in exports));
    if (missing !== undefined) throw new VerdictError("verifier", `this WebAssembly is not the verifier: it has no ${missing}`);
    return new Verifier(exports as unknown as Exports);
  }

  /**
   * What a verifying key (`verifier.bin`) is.
   *
   * @throws VerdictError if the bytes are none.
   */
  describe(key: Uint8Array): KeyDescription {
    return JSON.parse(this.ask("setup", [key], () => this.exports.describe())) as KeyDescription;
  }

  /**
   * Checks a proof, in the form that contracts take, of public values of 32 bytes each.
   * Returns the key by which it holds: whoever relies on the verdict compares its hash.
   *
   * @throws VerdictError that says why the proof is refused.
   */
  verify(key: Uint8Array, instances: Uint8Array, evmProof: Uint8Array): KeyDescription {
    const run = () => this.exports.verify(key.length, instances.length);
    return JSON.parse(this.ask("proof", [key, instances, evmProof], run)) as KeyDescription;
  }

  /** Nothing in the verifier is known to end it; what did, leaves it unusable. */
  private run(work: () => number): number {
    try {
      return work();
    } catch (cause) {
      throw new VerdictError("verifier", `the verifier broke off: ${String(cause)}; load it again`, { cause });
    }
  }

  private ask(code: "setup" | "proof", parts: readonly Uint8Array[], run: () => number): string {
    const { exports } = this;
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const place = exports.reserve(length) >>> 0;
    if (place === 0) throw new VerdictError(code, `${length} bytes are more than a key and a proof have`);
    let at = place;
    for (const part of parts) {
      new Uint8Array(exports.memory.buffer, at, part.length).set(part);
      at += part.length;
    }
    const refused = this.run(run) !== 0;
    // The memory may have moved while it grew.
    const bytes = new Uint8Array(exports.memory.buffer, exports.answer() >>> 0, exports.answer_length() >>> 0);
    const answer = new TextDecoder().decode(bytes.slice());
    if (refused) throw new VerdictError(code, answer);
    return answer;
  }
}

/**
 * Loads the verifier: the one beside this package, or one from bytes or a module, for bundlers
 * that put files elsewhere.
 *
 * @throws VerdictError if it cannot be loaded; a page's policy needs `wasm-unsafe-eval`.
 */
export async function loadVerifier(source?: BufferSource | WebAssembly.Module): Promise<Verifier> {
  try {
    const module =
      source === undefined ? await ownVerifier() : source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source);
    return await Verifier.start(module);
  } catch (cause) {
    if (cause instanceof VerdictError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new VerdictError("verifier", `the verifier cannot be loaded: ${reason}`, { cause });
  }
}
