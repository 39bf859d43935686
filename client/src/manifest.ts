// What a setup says about itself: public/manifest.json.
import { type Hex, keccak256, sha256, toBytes } from "viem";
import { VerdictError, shown } from "./error.js";
import { type Json, Reader, parseJson, textOf, written } from "./json.js";

/** Largest manifest that is read, in bytes. */
export const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;
const FORMAT_VERSION = 6n;
/** What the id of a setup is the hash of, in its order. */
const STATEMENT = ["model", "shape", "opening", "k", "weights", "input", "output", "srs", "verifier"];
const I64_MAX = (1n << 63n) - 1n;
const WORD_BITS = 252;
const MAX_BATCH = 4096;
const MAX_OUTPUTS = 65_535;
const MAX_ELEMENTS = 2 ** 31;
/** Inputs under one commitment: their number has 24 bits of its first element. */
const MAX_COMMITTED = 2 ** 24 - 1;

/** An input of a model as its proofs take it. */
export interface InputTensor {
  readonly name: string;
  readonly dims: readonly number[];
}

/** How a model's answers are held against labels, where a proof states totals of that over samples. */
export interface Measure {
  /** The output that is held against the label. */
  readonly output: string;
  /**
   * What counts as right: that the label is the greatest output, or the output itself, or that both are on one side
   * of a threshold; or nothing, and the distance to the label is added up.
   */
  readonly metric: "greatest" | "label" | "absolute_error" | { readonly threshold: number };
  /** Whether approvals are counted in two groups. */
  readonly groups: boolean;
}

/** What a manifest says, as far as checking proofs and packing inputs take it. */
export interface Manifest {
  /** Identifies the setup: the hash of all that a proof of it means. */
  readonly setupId: Hex;
  /** What public input words mean; see the attestations. */
  readonly schemaId: Hex;
  readonly model: { readonly name: string; readonly hash: Hex; readonly measure?: Measure };
  /** log2 of the circuit's rows. */
  readonly k: number;
  /** Inferences that a proof states one by one; totals over samples are stated like one inference. */
  readonly batch: number;
  /** Samples whose sums the outputs are, and whose inputs have one commitment; undefined where outputs are no sums. */
  readonly samples: number | undefined;
  /** Whether proofs state inputs, and how: not at all, as words, or as a commitment. */
  readonly inputs: "private" | "public" | "committed";
  /** Whether a word states several inputs. */
  readonly packed: boolean;
  /** How inputs become integers. */
  readonly input: {
    readonly tensors: readonly InputTensor[];
    readonly ranges: readonly (readonly [number, number])[];
    readonly bits: number;
    readonly grids?: readonly ({ decimals: number; exact: boolean; missing?: boolean } | null)[];
    readonly private?: readonly number[];
  };
  /** How output words are read: value = (word + min) / 10^decimals. */
  readonly output: {
    readonly tensors: readonly InputTensor[];
    readonly count: number;
    readonly decimals: number;
    readonly min: bigint;
    readonly max: bigint;
  };
  readonly srs: { readonly fingerprint: Hex; readonly insecure: boolean };
  readonly verifier: { readonly shapeId: Hex; readonly keyHash: Hex };
  /** Public values of a proof: a context, input words, outputs. */
  readonly layout: { readonly inputs: number; readonly outputs: number; readonly count: number };
}

/**
 * Parses a setup's manifest and computes its id.
 *
 * @throws VerdictError with the field that is wrong.
 */
export function parseManifest(source: string | Uint8Array | ArrayBuffer): Manifest {
  const text = textOf(source, MAX_MANIFEST_BYTES, "manifest");
  const json = parseJson(text, "manifest");
  const root = new Reader(json, "", "manifest", "setup");
  const version = root.find("format_version")?.u64();
  if (version === undefined) root.fail("it names no format_version; is this the manifest.json of a public part?");
  if (version !== FORMAT_VERSION) {
    root.fail(`it has format_version ${version}, this package reads ${FORMAT_VERSION}; make the setup again`);
  }
  const output = readOutput(root.get("output"), root.find("model")?.find("measure") !== undefined);
  const input = readInput(root.get("input"));
  const shape = root.get("shape");
  const graph = shape.find("graph");
  const inferences = graph?.find("batch")?.count(MAX_BATCH) ?? 1;
  const totals = graph?.find("totals")?.boolean() ?? false;
  const batch = totals ? 1 : inferences;
  if (inferences === 0 || (totals && inferences < 2)) shape.fail(`a batch of ${inferences}${totals ? " with totals" : ""}`);
  const committed = graph?.find("committed")?.boolean() ?? false;
  const packed = graph !== undefined;
  const inputs = !shape.get("public_inputs").boolean() ? "private" : committed ? "committed" : "public";
  if (totals && inputs === "public") shape.fail("totals over samples, whose inputs are stated one by one");
  const stated = statedCount(input);
  const together = stated * (totals ? inferences : 1);
  if (inputs === "committed" && together > MAX_COMMITTED) shape.fail(`${together} inputs, a commitment is of ${MAX_COMMITTED}`);
  const each = packed ? Math.floor(WORD_BITS / input.bits) : 1;
  const words = inputs === "private" ? 0 : Math.ceil(stated / each);
  const layoutInputs = (committed ? Math.min(words, 1) : words) * batch;
  const outputs = output.count * batch;
  const srs = root.get("srs");
  const verifier = root.get("verifier");
  const model = root.get("model");
  const measure = model.find("measure");
  return {
    setupId: sha256(toBytes(statement(json))),
    schemaId: keccak256(toBytes(schema(json, packed, committed))),
    model: {
      name: model.get("name").string(),
      hash: model.get("hash").hex(32),
      ...(measure && { measure: readMeasure(measure) }),
    },
    k: root.get("k").count(28),
    batch,
    samples: totals ? inferences : undefined,
    inputs,
    packed,
    input,
    output,
    srs: { fingerprint: srs.get("fingerprint").hex(32), insecure: srs.get("insecure").boolean() },
    verifier: { shapeId: verifier.get("shape_id").hex(32), keyHash: verifier.get("key_hash").hex(32) },
    layout: { inputs: layoutInputs, outputs, count: 1 + layoutInputs + outputs },
  };
}

function part(json: Json, ...path: readonly string[]): Json {
  let at: Json | undefined = json;
  for (const name of path) at = at?.kind === "object" ? at.members.get(name) : undefined;
  if (at === undefined) throw new VerdictError("setup", `manifest: missing field \`${path.join(".")}\``);
  return at;
}

/** The statement as it is hashed: parts of the manifest as the programs write them, without space. */
function statement(json: Json): string {
  const ranges = part(json, "input", "ranges");
  const parts = STATEMENT.map((name) => `"${name}":${written(part(json, name), ranges)}`);
  return `{"domain":"verdict.setup.v5",${parts.join(",")}}`;
}

function schema(json: Json, packed: boolean, committed: boolean): string {
  const encoding = written(part(json, "input"), part(json, "input", "ranges"));
  const parts = [`"inputs":${written(part(json, "model", "inputs"))}`, `"encoding":${encoding}`, `"packed":${packed}`];
  if (committed) parts.push('"committed":true');
  return `{"domain":"verdict.schema.v1",${parts.join(",")}}`;
}

function tensor(item: Reader): InputTensor {
  const read = { name: item.get("name").string(), dims: item.get("dims").list((dim) => dim.count(MAX_ELEMENTS)) };
  const count = elements(read);
  if (count === 0 || count > MAX_ELEMENTS) item.fail(`${shown(read.name)} has ${count} elements, from 1 to ${MAX_ELEMENTS}`);
  return read;
}

/** Elements of a tensor; a product that no float holds exactly is past every limit, too. */
export function elements(tensor: InputTensor): number {
  return tensor.dims.reduce((product, dim) => product * dim, 1);
}

const SUMS = ["greatest", "label", "absolute_error"] as const;

function readMeasure(root: Reader): Measure {
  root.only(["output", "metric", "groups"]);
  const metric = root.get("metric");
  const name = metric.text();
  const known = SUMS.find((known) => known === name);
  if (name !== undefined && known === undefined) {
    metric.fail(`unknown metric ${shown(name)}, expected one of ${SUMS.join(", ")}, or a threshold`);
  }
  const threshold = () => ({ threshold: metric.only(["threshold"]).get("threshold").float() });
  return {
    output: root.get("output").string(),
    metric: known ?? threshold(),
    groups: root.find("groups")?.boolean() ?? false,
  };
}

function statedCount(input: Manifest["input"]): number {
  const stated = input.tensors.filter((_, index) => !input.private?.includes(index));
  return stated.reduce((sum, tensor) => sum + elements(tensor), 0);
}

function readInput(root: Reader): Manifest["input"] {
  const tensors = root.get("tensors").list(tensor);
  const ranges = root.get("ranges").list((item) => {
    const [lo, hi, ...rest] = item.list((end) => end.float());
    if (lo === undefined || hi === undefined || rest.length > 0 || lo >= hi) return item.fail("it is no range");
    return [lo, hi] as const;
  });
  const bits = root.get("bits").count(63);
  const count = tensors.reduce((sum, tensor) => sum + elements(tensor), 0);
  if (bits === 0 || count !== ranges.length) root.fail(`${ranges.length} ranges for ${count} inputs of ${bits} bits`);
  const grids = root.find("grids")?.list((item) => {
    if (item.isNull()) return null;
    const missing = item.find("missing")?.boolean() ?? false;
    return { decimals: item.get("decimals").count(18), exact: item.get("exact").boolean(), missing };
  });
  const hidden = root.find("private")?.list((item) => item.count(tensors.length - 1));
  return { tensors, ranges, bits, ...(grids && { grids }), ...(hidden && { private: hidden }) };
}

function readOutput(root: Reader, measured: boolean): Manifest["output"] {
  const int64 = (name: string) => root.get(name).integer(-I64_MAX - 1n, I64_MAX);
  const output = {
    tensors: root.get("tensors").list(tensor),
    count: root.get("count").count(MAX_OUTPUTS),
    decimals: root.get("decimals").count(18),
    min: int64("min"),
    max: int64("max"),
  };
  if (output.count === 0 || output.min > output.max) root.fail(`${output.count} outputs in [${output.min}, ${output.max}]`);
  const named = output.tensors.reduce((sum, tensor) => sum + elements(tensor), 0);
  // What a measure states beside the model's own outputs may have no tensor.
  const more = measured && named < output.count;
  if (named !== output.count && !more) root.fail(`${output.count} outputs, but its tensors have ${named}`);
  return output;
}

/** An output by name and place, `score[0][3]`. */
export function outputName(manifest: Manifest, index: number): string {
  let at = Math.floor(index / manifest.batch);
  for (const tensor of manifest.output.tensors) {
    const own = elements(tensor);
    if (at < own) {
      let step = own;
      const place = own === 1 ? "" : tensor.dims.map((dim) => `[${Math.floor(at / (step /= dim)) % dim}]`).join("");
      return tensor.name + place;
    }
    at -= own;
  }
  return shown(index);
}
