// The files that are dropped, and those beside the page: told apart by what they say.
import {
  type FileKind,
  MAX_BUNDLE_BYTES,
  MAX_KEY_BYTES,
  MAX_MANIFEST_BYTES,
  type ProofBundle,
  VerdictError,
  kindOf,
  parseBundle,
} from "@verdict/client";

/** One of a setup's files, and whether it lay beside the page. */
export interface SetupFile {
  readonly bytes: Uint8Array;
  readonly beside: boolean;
}

/** What one drop is of. */
export interface Taken {
  manifest?: SetupFile;
  key?: SetupFile;
  proof?: { readonly name: string; readonly bundle: ProofBundle };
}

const LIMITS: Readonly<Record<FileKind, number>> = {
  proof: MAX_BUNDLE_BYTES,
  manifest: MAX_MANIFEST_BYTES,
  key: MAX_KEY_BYTES,
  deployment: MAX_BUNDLE_BYTES,
  attestation: MAX_BUNDLE_BYTES,
};
const LARGEST = Math.max(...Object.values(LIMITS));
const WANTED = "a proof, or manifest.json and verifier.bin of the public part of its model's setup";

function within(bytes: number, limit: number, name: string): void {
  if (bytes > limit) throw new VerdictError("json", `${name} has ${bytes} bytes, more than the ${limit} of any such file`);
}

async function bounded(file: Blob, name: string): Promise<Uint8Array> {
  within(file.size, LARGEST, name);
  return new Uint8Array(await file.arrayBuffer());
}

/** Reads a file as what it is. */
async function read(file: File): Promise<Taken> {
  const { name } = file;
  const bytes = await bounded(file, name);
  const kind = kindOf(bytes);
  if (kind !== undefined) within(bytes.length, LIMITS[kind], name);
  if (kind === "key") return { key: { bytes, beside: false } };
  if (kind === "manifest") return { manifest: { bytes, beside: false } };
  if (kind === "deployment" || kind === "attestation") {
    throw new VerdictError("json", `${name} is a file of a ${kind}; the page takes ${WANTED}`);
  }
  // What looks like JSON may be a spoilt proof, and is said to be.
  const [first] = new TextDecoder().decode(bytes.subarray(0, 64)).trimStart();
  if (kind === undefined && first !== "{") {
    throw new VerdictError("json", `${name} is none of the files that the page takes: ${WANTED}`);
  }
  try {
    return { proof: { name, bundle: parseBundle(bytes) } };
  } catch (error) {
    if (error instanceof VerdictError) throw new VerdictError(error.code, `${name}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Reads all files of one drop; no two of them may be of one kind. */
export async function readAll(files: readonly File[]): Promise<Taken> {
  const all: Taken = {};
  const names: Partial<Record<keyof Taken, string>> = {};
  for (const file of files) {
    const one = await read(file);
    for (const kind of Object.keys(one) as (keyof Taken)[]) {
      const before = names[kind];
      if (before !== undefined) {
        throw new VerdictError("json", `${before} and ${file.name} are both ${kind}s; give one at a time`);
      }
      names[kind] = file.name;
    }
    Object.assign(all, one);
  }
  return all;
}

/** A setup's file beside the page. Hosts that answer everything with a page of theirs have none. */
export async function beside(name: string, kind: FileKind): Promise<SetupFile | undefined> {
  const response = await fetch(new URL(`setup/${name}`, import.meta.url)).catch(() => undefined);
  if (!response?.ok || Number(response.headers.get("content-length") ?? 0) > LIMITS[kind]) return undefined;
  const bytes = await bounded(await response.blob(), name);
  return kindOf(bytes) === kind ? { bytes, beside: true } : undefined;
}
