// What JavaScript gets of the package: ABIs by name, artifacts, types that say the same.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { test } from "node:test";

import * as abis from "@verdict/contracts";

const require = createRequire(import.meta.url);
const { keccak_256: keccak } = require("js-sha3");

const type = ({ type, components }) =>
  type.startsWith("tuple") ? `(${components.map(type_).join(",")})${type.slice(5)}` : type;
const type_ = (parameter) => type(parameter);
const signature = ({ name, inputs }) => `${name}(${inputs.map(type_).join(",")})`;
const selector = (entry) => parseInt(keccak(signature(entry)).slice(0, 8), 16);
const interfaceId = (abi) =>
  abi.filter((entry) => entry.type === "function").reduce((id, entry) => (id ^ selector(entry)) >>> 0, 0);

test("the ERC's interfaces have the ids of its draft", () => {
  assert.equal(interfaceId(abis.ierczkmlRegistryAbi), 0xd28519b1);
  assert.equal(interfaceId(abis.ierczkmlVerifierAbi), 0x5df65472);
  const verify = abis.inferenceOracleAbi.find((entry) => entry.name === "verifyInference");
  assert.equal(selector(verify), 0x80b171ef);
});

test("a contract has all that its interface has", () => {
  const has = (abi) => new Set(abi.filter((entry) => entry.name).map((entry) => entry.type + signature(entry)));
  const pairs = [
    [abis.inferenceOracleAbi, abis.iInferenceOracleAbi],
    [abis.inferenceOracleAbi, abis.ierczkmlVerifierAbi],
    [abis.modelRegistryAbi, abis.iModelRegistryAbi],
    [abis.signerRegistryAbi, abis.iSignerRegistryAbi],
  ];
  for (const [contract, described] of pairs) {
    const entries = has(contract);
    for (const entry of has(described)) assert.ok(entries.has(entry), entry);
  }
});

test("artifacts are imported by name, hold bytecode, and have the same ABI", () => {
  const oracle = require("@verdict/contracts/artifacts/InferenceOracle.json");
  assert.equal(oracle.contractName, "InferenceOracle");
  assert.equal(oracle.sourceName, "@verdict/contracts/src/InferenceOracle.sol");
  assert.match(oracle.bytecode, /^0x60[0-9a-f]{20000,}$/);
  assert.deepEqual(oracle.abi, abis.inferenceOracleAbi);
  assert.ok(readFileSync(require.resolve(oracle.sourceName), "utf8").includes("contract InferenceOracle"));
});

test("every artifact is one of Hardhat's", () => {
  const folder = dirname(require.resolve("@verdict/contracts/artifacts/InferenceOracle.json"));
  for (const file of readdirSync(folder)) {
    const artifact = require(`@verdict/contracts/artifacts/${file}`);
    assert.equal(artifact._format, "hh-sol-artifact-1", file);
    assert.equal(artifact.contractName, file.replace(/\.json$/, ""));
    assert.ok(readFileSync(require.resolve(artifact.sourceName), "utf8").includes(artifact.contractName));
    for (const code of [artifact.bytecode, artifact.deployedBytecode]) assert.match(code, /^0x([0-9a-f]{2})*$/, file);
    // A contract's creation brings its runtime code, an interface has neither.
    assert.equal(artifact.bytecode === "0x", artifact.deployedBytecode === "0x", file);
    assert.ok(artifact.bytecode.length >= artifact.deployedBytecode.length, file);
    assert.deepEqual([artifact.linkReferences, artifact.deployedLinkReferences], [{}, {}], "nothing is linked");
  }
});

test("the types say word for word what the values are", () => {
  const file = require.resolve("@verdict/contracts").replace(/\.js$/, ".d.ts");
  const declared = readFileSync(file, "utf8")
    .replaceAll("readonly ", "")
    .replace(/export declare const (\w+):/g, "values.$1 =");
  const values = new Function(`const values = {}; ${declared}; return values;`)();
  assert.deepEqual(values, { ...abis });
});
