// Which of Verdict's files one is, told by what it says, whatever its name.
import { VerdictError } from "./error.js";
import { parseJson } from "./json.js";

/** Files that the package reads. */
export type FileKind = "proof" | "manifest" | "key" | "deployment" | "attestation";

/** How a verifying key begins. */
const KEY_MAGIC = new TextEncoder().encode("vdctkey1");

/** What a file is, by its beginning if it is a key, else by its members; undefined if it is none of these, or spoilt. */
export function kindOf(bytes: Uint8Array): FileKind | undefined {
  if (!((bytes as unknown) instanceof Uint8Array)) return undefined;
  if (KEY_MAGIC.every((byte, index) => bytes[index] === byte)) return "key";
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const json = parseJson(text, "file");
    if (json.kind !== "object") return undefined;
    const has = (...names: readonly string[]) => names.every((name) => json.members.has(name));
    const format = json.members.get("format");
    if (format?.kind === "string" && format.value === "verdict-proof") return "proof";
    if (format?.kind === "string" && format.value.startsWith("verdict-attestation")) return "attestation";
    if (has("format_version", "model", "verifier")) return "manifest";
    return has("setup_id", "registry", "verification_hash") ? "deployment" : undefined;
  } catch (error) {
    // Bytes that are no text are a TypeError.
    if (error instanceof VerdictError || error instanceof TypeError) return undefined;
    throw error;
  }
}
