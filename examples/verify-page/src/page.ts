// Checks the files that are dropped, and shows what they say. A setup is taken from beside the
// page, or dropped with the proof.
import { type Expected, Setup, type Verifier, VerdictError, loadVerifier, requireCommitment } from "@verdict/client";
import { type SetupFile, type Taken, beside, readAll } from "./files.js";
import { REPLACED, element, forget, show, showVerified, showWaiting } from "./show.js";

const [drop, input] = [element("drop"), element<HTMLInputElement>("files")];
const [trusted, announced] = [element<HTMLInputElement>("trusted"), element<HTMLInputElement>("announced")];

/** What has been dropped so far. */
const given: Taken = {};
/** The setup beside the page. */
const site: { manifest?: SetupFile; key?: SetupFile } = {};
const verifier: Promise<Verifier> = loadVerifier();
// What goes wrong is said where it is waited for.
verifier.catch(() => {});

async function findSetup(): Promise<void> {
  const [manifest, key] = await Promise.all([beside("manifest.json", "manifest"), beside("verifier.bin", "key")]);
  if (manifest !== undefined && key !== undefined) Object.assign(site, { manifest, key });
}

function sameBytes({ bytes: a }: SetupFile, { bytes: b }: SetupFile): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** What was dropped, or lies beside the page; the same bytes are the page's. */
function chosen(which: "manifest" | "key"): SetupFile | undefined {
  const [own, theirs] = [site[which], given[which]];
  return theirs === undefined || (own !== undefined && sameBytes(own, theirs)) ? own : theirs;
}

/** Whether what was dropped took the place of what lies beside the page. */
const replaces = () => site.manifest !== undefined && !(chosen("manifest")?.beside && chosen("key")?.beside);

function sayWhatIsMissing(): void {
  const [manifest, key] = [chosen("manifest"), chosen("key")];
  const missing = [...(manifest ? [] : ["manifest.json"]), ...(key ? [] : ["verifier.bin"])];
  const whose = manifest?.beside && key?.beside ? "beside this page" : "of files that were dropped";
  element("setup").textContent = missing.length === 0
    ? `The setup is here, ${whose}. A proof is checked against it.`
    : `Also drop ${missing.join(" and ")} of the public part of the model's setup.`;
}

/** The hashes that were entered, as they are compared. */
function entered(field: HTMLInputElement, what: string): `0x${string}`[] {
  const found = field.value.split(/[\s,]+/).filter((text) => text !== "");
  return found.map((text): `0x${string}` => {
    const digits = text.toLowerCase().replace(/^0x/, "");
    if (!/^[0-9a-f]{64}$/.test(digits)) {
      throw new VerdictError("setup", `what was entered is no ${what}: these are 64 hexadecimal digits`);
    }
    return `0x${digits}`;
  });
}

/** The setup that was entered. */
function expectedSetup(): `0x${string}` | undefined {
  const [wanted, ...others] = entered(trusted, "id or hash");
  if (others.length > 0) throw new VerdictError("setup", "what was entered is more than one id or hash");
  return wanted;
}

/** Whether what was entered is not yet all of it. */
let typing = false;

async function check(): Promise<void> {
  sayWhatIsMissing();
  const { proof } = given;
  const [manifest, key] = [chosen("manifest"), chosen("key")];
  if (proof === undefined) return;
  if (manifest === undefined || key === undefined) return showWaiting(proof.bundle.model.name);
  const ready = await verifier;
  if (typing) return;
  const [wanted, samples] = [expectedSetup(), entered(announced, "commitment")];
  const start = performance.now();
  const files = { manifest: manifest.bytes, key: key.bytes };
  const said = Setup.open(ready, files);
  const { setupId } = said.manifest;
  const { keyHash } = said.description;
  const trust = {
    entered: wanted === undefined ? undefined : wanted === setupId ? "setup" : "key",
    site: manifest.beside && key.beside,
    replaces: replaces(),
    samples: samples.length > 0,
  } as const;
  if (trust.entered === "key" && wanted !== keyHash) {
    const found = `its id is ${setupId}, its key's hash ${keyHash}, and neither is ${wanted}`;
    throw new VerdictError("setup", `this is another setup than expected: ${found}`);
  }
  // The page is the site's: so is the word of what lies beside it.
  const expected: Expected = trust.entered === "setup" || trust.site ? { setupId } : {};
  const setup = Setup.open(ready, files, expected);
  const verified = setup.verify(proof.bundle);
  if (trust.samples) requireCommitment(verified, samples);
  showVerified(verified, setup.manifest, proof, trust, performance.now() - start);
}

function refuse(error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  show("refused", "Refused", reason, ...(replaces() ? [` (${REPLACED})`] : []));
}

/** One after the other, so that an answer is to what was asked last. */
let queue: Promise<void> = findSetup().then(sayWhatIsMissing).catch(refuse);
function then(work: () => Promise<void>): void {
  forget();
  queue = queue.then(forget).then(work).catch(refuse);
}

function takeAll(files: ArrayLike<File>): void {
  const list = Array.from(files);
  // A picker that was cancelled, a text that was dragged: nothing has changed.
  if (list.length === 0) return;
  typing = false;
  then(async () => {
    try {
      Object.assign(given, await readAll(list));
    } catch (error) {
      // What was shown before is not what was given last.
      delete given.proof;
      throw error;
    }
    await check();
  });
}

input.addEventListener("change", () => {
  takeAll(input.files ?? []);
  // The same file can be chosen again.
  input.value = "";
});
for (const field of [trusted, announced]) {
  field.addEventListener("input", () => {
    typing = true;
    forget();
  });
  // An entry that was taken back is no change, but ends all the same.
  for (const name of ["change", "blur"]) {
    field.addEventListener(name, () => {
      if (name === "blur" && !typing) return;
      typing = false;
      then(check);
    });
  }
}
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
  });
}
document.addEventListener("drop", (event) => takeAll(event.dataTransfer?.files ?? []));
