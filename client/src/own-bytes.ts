/** How WebAssembly begins. */
const MAGIC = [0, 0x61, 0x73, 0x6d];

/**
 * The verifier that is shipped with the package, compiled while it is loaded. Bundlers that put this script elsewhere
 * without it leave nothing there, or a server's page for whatever it does not know.
 */
export async function ownVerifier(): Promise<WebAssembly.Module> {
  const url = new URL("./verifier.wasm", import.meta.url);
  const response = await fetch(url);
  const moved = (why: string) => {
    const hint = `your bundler moved the script, see "Loading" in @verdict/client's README`;
    return new Error(`${url.href} is not the verifier (${why}); ${hint}`);
  };
  if (!response.ok) throw moved(`the server answers ${response.status}`);
  const type = response.headers.get("content-type") ?? "";
  if (type.startsWith("application/wasm")) return WebAssembly.compileStreaming(response);
  // Some servers do not know the type that streaming demands.
  const bytes = await response.arrayBuffer();
  const head = new Uint8Array(bytes, 0, Math.min(bytes.byteLength, MAGIC.length));
  if (!MAGIC.every((byte, index) => head[index] === byte)) throw moved(`the server answers ${type || "something else"}`);
  return WebAssembly.compile(bytes);
}
