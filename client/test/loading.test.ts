// Where the verifier of the package is not beside its script.
import { readFileSync } from "node:fs";
import { afterEach, expect, test, vi } from "vitest";
import { ownVerifier } from "../src/own-bytes.js";

const WASM = readFileSync(new URL("../dist/verifier.wasm", import.meta.url));
const answer = (body: BodyInit, type: string | undefined, status = 200) => {
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(body, { status, headers: type === undefined ? {} : { "content-type": type } })));
};
afterEach(() => vi.unstubAllGlobals());

test("is loaded whatever type the server says it has", async () => {
  for (const type of ["application/wasm", "application/octet-stream", "text/plain"]) {
    answer(new Uint8Array(WASM), type);
    expect(await ownVerifier()).toBeInstanceOf(WebAssembly.Module);
  }
});

test.each<[string, BodyInit, string | undefined, number, string]>([
  ["a page for what is unknown", "<!doctype html>", "text/html", 200, "the server answers text/html"],
  ["nothing", "", "application/octet-stream", 200, "the server answers application/octet-stream"],
  ["an error", "not found", "text/plain", 404, "the server answers 404"],
])("%s is no verifier, and the README says what to do", async (_, body, type, status, why) => {
  answer(body, type, status);
  await expect(ownVerifier()).rejects.toThrow(/verifier\.wasm is not the verifier \(/);
  await expect(ownVerifier()).rejects.toThrow(`(${why}); your bundler moved the script, see "Loading" in @verdict/client's README`);
});
