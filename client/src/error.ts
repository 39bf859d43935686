/** What something wrong is about. */
export type ErrorCode =
  | "json"
  | "bundle"
  | "setup"
  | "deployment"
  | "attestation"
  | "inputs"
  | "calldata"
  | "proof"
  | "chain"
  | "verifier";

/** Something that was given is wrong; the message says what, where, and what to do. */
export class VerdictError extends Error {
  override readonly name = "VerdictError";
  /** What it is about. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What an object is; its own text may be anything, or fail. */
const kind = (value: object | null) => (value === null ? "null" : Array.isArray(value) ? "a list" : "an object");

/** A text for a message, cut where it is long. */
export function shown(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : typeof value === "object" ? kind(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** What libraries throw of a caller's values, in one form. */
export function guarded<T>(code: ErrorCode, what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof VerdictError) throw cause;
    const { shortMessage, message } = cause as { shortMessage?: string; message?: string };
    throw new VerdictError(code, `${what}: ${shortMessage ?? message ?? String(cause)}`, { cause });
  }
}
