/** Where the contracts of a chain are. */
export interface ChainDeployment {
  /** The model registry. */
  readonly registry: `0x${string}`;
  /** The oracle that records scores. */
  readonly oracle: `0x${string}`;
  /** The registry of data providers, if there is one. */
  readonly signers?: `0x${string}`;
}

/** Where the contracts are, by chain id. */
export declare const deployments: Readonly<Record<number, ChainDeployment>>;
