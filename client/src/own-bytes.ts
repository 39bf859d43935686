/** The verifier that is shipped with the package, compiled while it is loaded. */
export async function ownVerifier(): Promise<WebAssembly.Module> {
  const url = new URL("./verifier.wasm", import.meta.url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.href} answers ${response.status}`);
  // Some servers do not know the type that streaming demands.
  if (response.headers.get("content-type")?.startsWith("application/wasm")) {
    return WebAssembly.compileStreaming(response);
  }
  return WebAssembly.compile(await response.arrayBuffer());
}
