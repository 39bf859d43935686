// What totals over samples say of a model: how often it was right, how far off it was, whom it approves.
import { VerdictError, guarded } from "./error.js";
import type { Manifest } from "./manifest.js";

/** Approvals in one group of samples. */
export interface GroupFigures {
  readonly samples: number;
  readonly approved: number;
  /** Share of the group that is approved; undefined of an empty group. */
  readonly rate: number | undefined;
}

/** What a proof of totals says, as figures. */
export interface Figures {
  readonly samples: number;
  /** Samples on which the model was right; undefined where distances are added up. */
  readonly right: number | undefined;
  /** Share of the samples on which it was right. */
  readonly accuracy: number | undefined;
  /** Mean absolute error, where distances are added up. */
  readonly meanError: number | undefined;
  /** The samples outside of the group, then those in it. */
  readonly groups: readonly [GroupFigures, GroupFigures] | undefined;
  /** Rate of the second group less that of the first; undefined where one has none. */
  readonly difference: number | undefined;
}

/** The words of a proof of totals, in their order: the metric's sum and, with groups, these three counts. */
const WORDS = { metric: 0, approvedOutside: 1, approvedInGroup: 2, inGroup: 3 } as const;
const WORDS_WITH_GROUPS = 4;

/**
 * The figures that a proof's outputs say, of a manifest with a measure; undefined of others. Of which samples they are,
 * `requireCommitment` compares. Which other key is of the same model, no proof says.
 *
 * @throws VerdictError if the outputs are not what such a measure adds up.
 */
export function figuresOf(manifest: Manifest, outputs: readonly bigint[]): Figures | undefined {
  return guarded("proof", "the manifest is not as parseManifest makes them", () => figures(manifest, outputs));
}

function figures(manifest: Manifest, outputs: readonly bigint[]): Figures | undefined {
  const { measure } = manifest.model;
  const { samples } = manifest;
  if (measure === undefined || samples === undefined) return undefined;
  if (!Array.isArray(outputs) || !outputs.every((output) => typeof output === "bigint")) {
    throw new VerdictError("proof", "totals: expected the outputs of a verified proof, a list of bigints");
  }
  const wanted = measure.groups ? WORDS_WITH_GROUPS : 1;
  if (outputs.length !== wanted) throw new VerdictError("proof", `the measure has ${wanted} totals, the proof ${outputs.length}`);
  const unit = 10n ** BigInt(manifest.output.decimals);
  const total = (index: number) => outputs[index] ?? 0n;
  /** A total of zeros and ones of at most so many samples. */
  const count = (index: number, what: string, most: number): number => {
    const value = total(index);
    if (value < 0n || value % unit !== 0n || value / unit > BigInt(most)) {
      const inUnits = `${value} in units of 10^-${manifest.output.decimals}`;
      throw new VerdictError("proof", `total ${index} is ${inUnits}, which is no number of ${what} of ${most}`);
    }
    return Number(value / unit);
  };
  const distances = measure.metric === "absolute_error";
  if (distances && total(WORDS.metric) < 0n) throw new VerdictError("proof", "a sum of distances is below 0");
  const right = distances ? undefined : count(WORDS.metric, "right samples", samples);
  const groups = measure.groups ? groupsOf(count, samples) : undefined;
  const [outside, inside] = groups?.map((group) => group.rate) ?? [];
  return {
    samples,
    right,
    accuracy: right === undefined ? undefined : right / samples,
    meanError: distances ? Number(total(WORDS.metric)) / Number(unit) / samples : undefined,
    groups,
    difference: outside === undefined || inside === undefined ? undefined : inside - outside,
  };
}

function groupsOf(count: (index: number, what: string, most: number) => number, samples: number): [GroupFigures, GroupFigures] {
  const inGroup = count(WORDS.inGroup, "samples in the group", samples);
  const outside = samples - inGroup;
  const approvedOutside = count(WORDS.approvedOutside, "approved samples outside of the group", outside);
  const approvedInGroup = count(WORDS.approvedInGroup, "approved samples in the group", inGroup);
  const group = (samples: number, approved: number): GroupFigures => {
    return { samples, approved, rate: samples === 0 ? undefined : approved / samples };
  };
  return [group(outside, approvedOutside), group(inGroup, approvedInGroup)];
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** Figures in words, a line each: "right 153 of 200 samples (76.5 %)". */
export function sayFigures({ samples, right, accuracy, meanError, groups, difference }: Figures): string[] {
  const lines: string[] = [];
  if (right !== undefined && accuracy !== undefined) lines.push(`right ${right} of ${samples} samples (${percent(accuracy)})`);
  if (meanError !== undefined) lines.push(`mean absolute error ${Number(meanError.toPrecision(6))} over ${samples} samples`);
  for (const [index, group] of (groups ?? []).entries()) {
    const which = index === 0 ? "outside of the group" : "in the group";
    const rate = group.rate === undefined ? "none to approve" : percent(group.rate);
    lines.push(`approved ${group.approved} of ${group.samples} samples ${which} (${rate})`);
  }
  if (difference !== undefined) {
    const points = Math.abs(100 * difference).toFixed(1);
    const than = difference < 0 ? "lower" : "higher";
    lines.push(`the approval rate in the group is ${points} percentage points ${than} than outside of it`);
  }
  return lines;
}
