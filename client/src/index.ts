/**
 * Verdict for applications: proofs are checked here, in a browser too; bundles, inputs and
 * attestations become what contracts take; scores and errors are read in words.
 *
 * @packageDocumentation
 */
export * from "./attestation.js";
export { MAX_BUNDLE_BYTES, type ModelRef, type ProofBundle, inputWordsOf, parseBundle } from "./bundle.js";
export * from "./calldata.js";
export * from "./deployment.js";
export { type ErrorCode, VerdictError } from "./error.js";
export * from "./inputs.js";
export { type InputTensor, MAX_MANIFEST_BYTES, type Manifest, outputName, parseManifest } from "./manifest.js";
export * from "./request.js";
export { type Revert, decodeRevert, knownErrors, revertOf } from "./revert.js";
export * from "./scores.js";
export { type Expected, Setup, type Verified } from "./setup.js";
export { type KeyDescription, MAX_KEY_BYTES, Verifier, loadVerifier } from "./verifier.js";
export { ofInference } from "./words.js";
