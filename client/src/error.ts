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

/** A text for a message, cut where it is long. */
export function shown(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
