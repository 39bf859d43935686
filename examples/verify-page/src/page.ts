// Checks the files that are dropped, and shows what they say. A setup is taken from beside the
// page, or dropped with the proof.
import {
  MAX_BUNDLE_BYTES,
  MAX_KEY_BYTES,
  MAX_MANIFEST_BYTES,
  type ProofBundle,
  Setup,
  type Verified,
  type Verifier,
  VerdictError,
  inputWordsOf,
  loadVerifier,
  parseBundle,
} from "@verdict/client";

const KEY_MAGIC = "vdctkey1";
/** Files are told apart by how they begin, before more of them is read. */
const HEAD_BYTES = 4096;

const element = <T extends HTMLElement = HTMLElement>(id: string): T => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
};
const [drop, input, trusted, result] = [element("drop"), element<HTMLInputElement>("files"), element<HTMLInputElement>("trusted"), element("result")];

/** What has been dropped so far. */
const given: { manifest?: string; key?: Uint8Array; bundle?: ProofBundle } = {};
const verifier: Promise<Verifier> = loadVerifier();
// What goes wrong is said where it is waited for.
verifier.catch(() => {});

async function bounded(file: Blob, name: string, limit: number): Promise<Uint8Array> {
  if (file.size > limit) throw new VerdictError("json", `${name} has ${file.size} bytes, more than the ${limit} of any such file`);
  return new Uint8Array(await file.arrayBuffer());
}

/** Reads a file as what it is. */
async function take(file: File): Promise<void> {
  const head = new TextDecoder().decode(await file.slice(0, HEAD_BYTES).arrayBuffer());
  if (head.startsWith(KEY_MAGIC)) {
    given.key = await bounded(file, file.name, MAX_KEY_BYTES);
  } else if (/^\s*\{\s*"format_version"/.test(head)) {
    given.manifest = new TextDecoder().decode(await bounded(file, file.name, MAX_MANIFEST_BYTES));
  } else {
    given.bundle = parseBundle(await bounded(file, file.name, MAX_BUNDLE_BYTES));
  }
}

async function beside(name: string, limit: number): Promise<Blob | undefined> {
  const response = await fetch(new URL(`setup/${name}`, import.meta.url)).catch(() => undefined);
  if (!response?.ok) return undefined;
  const length = Number(response.headers.get("content-length") ?? 0);
  return length > limit ? undefined : response.blob();
}

async function findSetup(): Promise<void> {
  const [manifest, key] = await Promise.all([beside("manifest.json", MAX_MANIFEST_BYTES), beside("verifier.bin", MAX_KEY_BYTES)]);
  if (manifest === undefined || key === undefined) return;
  given.manifest ??= new TextDecoder().decode(await bounded(manifest, "manifest.json", MAX_MANIFEST_BYTES));
  given.key ??= await bounded(key, "verifier.bin", MAX_KEY_BYTES);
}

function sayWhatIsMissing(): void {
  const missing = [...(given.manifest ? [] : ["manifest.json"]), ...(given.key ? [] : ["verifier.bin"])];
  element("setup").textContent = missing.length === 0
    ? "The setup is here. A proof is checked against it."
    : `Also drop ${missing.join(" and ")} of the public part of the model's setup.`;
}

function show(verdict: "holds" | "insecure" | "refused", title: string, reason: string): void {
  result.hidden = false;
  result.dataset["verdict"] = verdict;
  element("verdict").textContent = title;
  element("reason").textContent = reason;
  for (const id of ["cautions", "facts"]) element(id).replaceChildren();
  element("outputs").hidden = true;
}

const make = (name: string, text: string): HTMLElement => {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
};

/** A fixed-point number with all its digits. */
function fixed(value: bigint, decimals: number): string {
  const digits = (value < 0n ? -value : value).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  return `${value < 0n ? "-" : ""}${whole}${decimals > 0 ? `.${digits.slice(-decimals)}` : ""}`;
}

function when(seconds: bigint): string {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds}` : `${date.toISOString().replace(".000Z", "Z")} (${seconds})`;
}

function showVerified(verified: Verified, bundle: ProofBundle, milliseconds: number): void {
  const insecure = verified.srs === "insecure";
  const title = insecure ? "The proof holds, but could be forged" : "The proof holds";
  const batch = verified.batch > 1 ? `, for ${verified.batch} inferences` : "";
  show(insecure ? "insecure" : "holds", title, `The model “${verified.model}” gives these outputs${batch}. Checked in ${milliseconds.toFixed(0)} ms.`);
  const cautions = [
    insecure ? "The structured reference string was made on one machine for development: whoever made it can prove anything." : "",
    verified.srs === "imported" ? "The structured reference string is of a ceremony that is not known here: it is as good as that was." : "",
    trusted.value.trim() === "" ? "Whose model it is, the proof does not say: compare the key's hash with what the registry or the model's owner tells." : "",
  ].filter((caution) => caution !== "");
  element("cautions").replaceChildren(...cautions.map((caution) => make("li", caution)));

  const rows = verified.outputs.map((value, index) => {
    const row = document.createElement("tr");
    const of = verified.batch > 1 ? ` of inference ${index % verified.batch}` : "";
    row.append(make("td", `${verified.names[index]}${of}`), make("td", fixed(value, verified.decimals)));
    return row;
  });
  element("outputs").querySelector("tbody")?.replaceChildren(...rows);
  element("outputs").hidden = false;

  const words = inputWordsOf(bundle).length;
  const facts: [string, string][] = [["Key", verified.keyHash], ["Setup", verified.setupId], ["Inputs", words === 0 ? "private" : `stated in ${words} words`]];
  for (const request of bundle.requests) {
    facts.push(
      ["Subject", request.subject],
      ["Recorded by", `oracle ${request.oracle} on chain ${request.chainId}, model ${request.modelId}, nonce ${request.nonce}`],
      ["Until", when(request.deadline)],
    );
  }
  if (bundle.requests.length === 0) facts.push(["Answers", "no request: it can be verified, but not recorded"]);
  element("facts").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
}

async function check(): Promise<void> {
  sayWhatIsMissing();
  const { manifest, key, bundle } = given;
  if (bundle === undefined) return;
  if (manifest === undefined || key === undefined) {
    show("refused", "Not checked yet", `A proof of “${bundle.model.name}” takes the manifest.json and verifier.bin of that model's setup.`);
    return;
  }
  const wanted = trusted.value.trim();
  const ready = await verifier;
  const start = performance.now();
  const setup = Setup.open(ready, { manifest, key }, wanted === "" ? {} : { keyHash: wanted as `0x${string}` });
  showVerified(setup.verify(bundle), bundle, performance.now() - start);
}

function refuse(error: unknown): void {
  show("refused", "Refused", error instanceof Error ? error.message : String(error));
}

/** One after the other, so that an answer is to what was asked last. */
let queue: Promise<void> = findSetup().then(sayWhatIsMissing).catch(refuse);
function then(work: () => Promise<void>): void {
  queue = queue.then(work).catch(refuse);
}

function takeAll(files: ArrayLike<File>): void {
  const list = Array.from(files);
  then(async () => {
    delete given.bundle;
    for (const file of list) await take(file);
    await check();
  });
}

input.addEventListener("change", () => takeAll(input.files ?? []));
trusted.addEventListener("change", () => then(check));
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
  });
}
document.addEventListener("drop", (event) => takeAll(event.dataTransfer?.files ?? []));
