// What TypeScript knows of the package; compiled by the tests, never run.

import { inferenceOracleAbi } from "@verdict/contracts";
import { commitment, inputWords, randomSalt, type Inputs, type Manifest } from "@verdict/contracts/commitment";

type Functions = Extract<(typeof inferenceOracleAbi)[number], { type: "function" }>["name"];
export const reads: readonly Functions[] = ["scoreOf", "latestScoreOf", "outputsOf"];
// @ts-expect-error There is no such function.
export const misspelt: Functions = "scoreOff";

export function commitTo(manifest: Manifest, inputs: Inputs): { word: bigint; salt: bigint; count: number } {
  const salt = randomSalt();
  return { word: commitment(manifest, inputs, salt), salt, count: inputWords(manifest, inputs).count };
}
// @ts-expect-error Texts are no inputs.
export const refused = (manifest: Manifest) => commitTo(manifest, ["0.5"]);
