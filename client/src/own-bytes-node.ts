import { readFile } from "node:fs/promises";

/** The verifier that is shipped with the package. */
export async function ownVerifier(): Promise<WebAssembly.Module> {
  const bytes = await readFile(new URL("./verifier.wasm", import.meta.url));
  return WebAssembly.compile(new Uint8Array(bytes));
}
