// Where Verdict's contracts are, by chain id. There is no public deployment yet.
export const deployments = {};
