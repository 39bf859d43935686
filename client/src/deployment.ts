// Where contracts are: those of a chain, from the contracts' package, and a setup's own, from the
// file that `verdict deploy` writes.
import { type ChainDeployment, deployments } from "@verdict/contracts/deployments";
import type { Address, Hex } from "viem";
import { VerdictError } from "./error.js";
import { Reader, parseJson, textOf } from "./json.js";

export type { ChainDeployment };

const MAX_BYTES = 1024 * 1024;

/** Where a setup's contracts are: `deployment.json`. */
export interface Deployment {
  readonly setupId: Hex;
  readonly chainId: bigint;
  readonly registry: Address;
  readonly oracle: Address;
  readonly verifier: Address;
  readonly key: Address;
  readonly modelId: bigint;
  readonly verificationHash: Hex;
  /** The statements of data providers that the model's approval demands, if it does. */
  readonly attestations:
    | { readonly signers: Address; readonly source: boolean; readonly threshold: number; readonly schema: Hex }
    | undefined;
}

/**
 * The contracts of a chain.
 *
 * @throws VerdictError if there are none that the package knows.
 */
export function deploymentOf(chainId: number): ChainDeployment {
  const found = Object.hasOwn(deployments, chainId) ? deployments[chainId] : undefined;
  if (found === undefined) {
    const known = Object.keys(deployments).join(", ") || "none yet";
    const message = `no contracts are known on chain ${chainId} (known: ${known}); give a deployment.json to parseDeployment`;
    throw new VerdictError("deployment", message);
  }
  return found;
}

/**
 * Parses a `deployment.json`.
 *
 * @throws VerdictError with the field that is wrong.
 */
export function parseDeployment(source: string | Uint8Array | ArrayBuffer): Deployment {
  const text = textOf(source, MAX_BYTES, "deployment");
  const root = new Reader(parseJson(text, "deployment"), "", "deployment", "deployment");
  const names = ["registry", "oracle", "verifier", "key"] as const;
  root.only(["setup_id", "chain_id", ...names, "model_id", "verification_hash", "attestations"]);
  const address = (name: string, of = root) => of.get(name).hex(20) as Address;
  const policy = root.find("attestations")?.only(["signers", "source", "threshold", "schema"]);
  return {
    setupId: root.get("setup_id").hex(32),
    chainId: root.get("chain_id").u64(),
    registry: address("registry"),
    oracle: address("oracle"),
    verifier: address("verifier"),
    key: address("key"),
    modelId: root.get("model_id").u64(),
    verificationHash: root.get("verification_hash").hex(32),
    attestations: policy && {
      signers: address("signers", policy),
      source: policy.find("source")?.boolean() ?? false,
      threshold: policy.get("threshold").count(255),
      schema: policy.get("schema").hex(32),
    },
  };
}
