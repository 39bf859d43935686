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
export { type FileKind, kindOf } from "./kind.js";
export { type InputTensor, MAX_MANIFEST_BYTES, type Manifest, type Measure, outputName, parseManifest } from "./manifest.js";
export * from "./measure.js";
export * from "./request.js";
export { type Revert, decodeRevert, knownErrors, revertOf } from "./revert.js";
export * from "./scores.js";
export { type Expected, type Purpose, type Registered, Setup, type Verified, requireAnswers, requireCommitment } from "./setup.js";
export { type KeyDescription, MAX_KEY_BYTES, Verifier, loadVerifier } from "./verifier.js";
export { ofInference } from "./words.js";
