// What the page says of a proof.
import { type Manifest, type ProofBundle, type Verified, VerdictError, figuresOf, inputWordsOf, sayFigures } from "@verdict/client";

export const element = <T extends HTMLElement = HTMLElement>(id: string): T => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
};

/** What somebody else has named: apart from the text around it, and without characters that turn or hide what follows. */
function named(text: string): HTMLElement {
  const made = document.createElement("bdi");
  const escape = (found: string) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`;
  made.textContent = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escape);
  return made;
}

const make = (name: string, ...content: (string | Node)[]): HTMLElement => {
  const made = document.createElement(name);
  made.append(...content);
  return made;
};

/** `holds`: and so does what it is said to mean. `open`: that is for whoever reads it to find out. */
export type Verdict = "holds" | "open" | "insecure" | "refused";

/** Takes back what was said: it was an answer to something else. */
export function forget(): void {
  const result = element("result");
  result.hidden = true;
  delete result.dataset["verdict"];
  for (const id of ["verdict", "reason", "cautions", "figures", "facts"]) element(id).replaceChildren();
  const outputs = element("outputs");
  outputs.hidden = true;
  outputs.querySelector("tbody")?.replaceChildren();
}

export function show(verdict: Verdict, title: string, ...reason: (string | Node)[]): void {
  forget();
  const result = element("result");
  result.dataset["verdict"] = verdict;
  element("verdict").textContent = title;
  element("reason").append(...reason);
  result.hidden = false;
}

export const showWaiting = (model: string): void =>
  show("refused", "Not checked yet", "A proof of “", named(model), "” takes the manifest.json and verifier.bin of that model's setup.");

/** A fixed-point number with all its digits. */
function fixed(value: bigint, decimals: number): string {
  const digits = (value < 0n ? -value : value).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  return `${value < 0n ? "-" : ""}${whole}${decimals > 0 ? `.${digits.slice(-decimals)}` : ""}`;
}

/** The last second of the year 9999: what follows has no common form. */
const LAST_SECOND = 253_402_300_799n;

function when(seconds: bigint): string {
  if (seconds > LAST_SECOND) return `after the year 9999 (${seconds})`;
  return `${new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "Z")} (${seconds})`;
}

export const REPLACED =
  "Checked against files that were dropped here, not against the setup beside this page. Reload the page to go back to that.";

/** What is known of the setup that a proof was checked against. */
export interface Trust {
  /** What was entered, and is the setup's. */
  readonly entered: "setup" | "key" | undefined;
  /** Whether all of it lay beside the page. */
  readonly site: boolean;
  /** Whether it took the place of one that lay there. */
  readonly replaces: boolean;
  /** Whether a commitment was entered, and is the proof's. */
  readonly samples: boolean;
}

/** What only a manifest says, and only a setup's id binds. */
const WORD =
  "the model's name and hash, its outputs' names, scale and range, the inputs' ranges, of how many samples totals are, " +
  "and where the reference string is from";
/** What links a measured model with the one whose scores are on a chain. */
const LINK = "that both are of one model, no proof says; whoever has the model's file checks it, of hidden weights its owner alone";
const SRS: Readonly<Record<Verified["srs"], string>> = {
  ceremony: "",
  insecure: "The structured reference string was made on one machine for development: whoever made it can prove anything.",
  imported: "The structured reference string is of a ceremony that is not known here: it is as good as that was.",
  unknown: "Where the structured reference string is from, only the manifest says: whoever made it may be able to prove anything.",
};

/** What is not known of the samples that totals are of. */
function ofSamples({ samples, commitments }: Verified, compared: boolean): string {
  if (samples === undefined || compared) return "";
  return commitments === undefined
    ? "The samples are not committed to: whoever made the proof chose them."
    : "Whoever made the proof may have chosen the samples: compare the commitment to them with the one that was announced.";
}

function cautions(verified: Verified, { entered, site, replaces, samples }: Trust): string[] {
  const said = {
    setup: "",
    key: `The key's hash binds the circuit alone. What is the word of whoever gave the manifest.json: ${WORD}. The setup's id binds all of it.`,
    nothing:
      `Whose model it is, the proof does not say. ${site ? "This site" : "Whoever gave the manifest.json"} says: ${WORD}. ` +
      "Compare the setup's id with what the model's owner tells.",
  };
  return [replaces ? REPLACED : "", SRS[verified.srs], said[entered ?? "nothing"], ofSamples(verified, samples)].filter((caution) => caution !== "");
}

function inputsOf(manifest: Manifest, bundle: ProofBundle, { commitments }: Verified): string {
  const words = inputWordsOf(bundle).length;
  if (words === 0) return "private";
  if (commitments === undefined) return `stated in ${words} ${words === 1 ? "word" : "words"}`;
  const whose = manifest.samples === undefined ? "" : `, those of all ${manifest.samples} samples together`;
  return `committed to${whose}: ${commitments.join(", ")}`;
}

function factsOf(verified: Verified, manifest: Manifest, bundle: ProofBundle, file: string): [string, string | Node][] {
  const facts: [string, string | Node][] = [
    ["File", named(file)],
    ["Setup", verified.setupId],
    ["Key", verified.keyHash],
    ["Model", verified.modelHash],
    ["Inputs", inputsOf(manifest, bundle, verified)],
  ];
  if (manifest.model.measure !== undefined) facts.push(["Figures", "of the model under this key, which is another than that of recorded scores: " + LINK]);
  for (const request of verified.requests) {
    facts.push(
      ["Subject", request.subject],
      ["Made for", `oracle ${request.oracle} on chain ${request.chainId}, model ${request.modelId}, nonce ${request.nonce}`],
      ["Until", when(request.deadline)],
    );
  }
  facts.push(
    verified.requests.length === 0
      ? ["Answers", "no request: it can be verified, but not recorded"]
      : ["Recorded", "whether it was, and whether the chain has such an oracle and model, only the chain says"],
  );
  return facts;
}

const TITLES = {
  holds: "The proof holds",
  open: "The proof holds; what it means is for you to compare",
  insecure: "The proof holds, but could be forged",
} as const;

/** Figures of totals in words; what is added up may be something else than the manifest says. */
function figures(manifest: Manifest, { outputs }: Verified): { lines: string[]; trouble: string[] } {
  try {
    const figures = figuresOf(manifest, outputs);
    return { lines: figures === undefined ? [] : sayFigures(figures), trouble: [] };
  } catch (error) {
    if (!(error instanceof VerdictError)) throw error;
    return { lines: [], trouble: [`The totals are not read as the manifest's measure says: ${error.message}.`] };
  }
}

export function showVerified(
  verified: Verified,
  manifest: Manifest,
  proof: { readonly name: string; readonly bundle: ProofBundle },
  trust: Trust,
  milliseconds: number,
): void {
  const chosen = verified.samples !== undefined && !trust.samples;
  const known = verified.srs !== "unknown" && (trust.entered === "setup" || trust.site) && !chosen;
  const verdict = verified.srs === "insecure" ? "insecure" : known ? "holds" : "open";
  const several = verified.batch > 1 ? `, for ${verified.batch} inferences` : "";
  const of = manifest.samples === undefined ? several : `, summed over ${manifest.samples} samples`;
  const outputs = `” gives these outputs${of}. Checked in ${milliseconds.toFixed(0)} ms.`;
  show(verdict, TITLES[verdict], "The model “", named(verified.model), outputs);
  const { lines, trouble } = figures(manifest, verified);
  element("cautions").replaceChildren(...[...cautions(verified, trust), ...trouble].map((caution) => make("li", caution)));
  element("figures").replaceChildren(...lines.map((line) => make("li", line)));
  const rows = verified.outputs.map((value, index) => {
    const inference = verified.batch > 1 ? ` of inference ${index % verified.batch}` : "";
    return make("tr", make("td", named(verified.names[index] ?? ""), inference), make("td", fixed(value, verified.decimals)));
  });
  element("outputs").querySelector("tbody")?.replaceChildren(...rows);
  element("outputs").hidden = false;
  const facts = factsOf(verified, manifest, proof.bundle, proof.name);
  element("facts").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
}
