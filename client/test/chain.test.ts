// The whole way on a local chain: the programs deploy and prove, the package checks, sends and reads.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { inferenceOracleAbi, signerRegistryAbi } from "@verdict/contracts";
import { type Hex, createTestClient, createWalletClient, http, parseEther, publicActions } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { call, deployContract, sendTransaction, waitForTransactionReceipt, writeContract } from "viem/actions";
import { foundry } from "viem/chains";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as client from "../src/index.js";
import { parity } from "./fixtures.js";

const root = path.join(import.meta.dirname, "../..");
const verdict = path.join(process.env["CARGO_TARGET_DIR"] ?? path.join(root, "target"), "release/verdict");
const anvil = path.join(root, "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
const SUBJECT = "0x00000000000000000000000000000000000000aa";
const folder = mkdtempSync(path.join(os.tmpdir(), "verdict-client-"));
const setup = path.join(folder, "setup");
const key = generatePrivateKey();
let node: ChildProcess;
let url: string;

function run(...args: string[]): void {
  const env = {
    ...process.env,
    ...{ VERDICT_PRIVATE_KEY: key, ETH_RPC_URL: url, XDG_STATE_HOME: path.join(folder, "state") },
    ...{ XDG_CACHE_HOME: path.join(folder, "cache"), PATH: `${path.join(root, "scripts")}:${process.env["PATH"]}` },
  };
  execFileSync(verdict, [...args, "--json"], { env, stdio: "pipe" });
}

beforeAll(async () => {
  node = spawn(anvil, ["--port", "0"]);
  url = await new Promise<string>((resolve, reject) => {
    let text = "";
    node.stdout?.on("data", (chunk) => {
      text += chunk;
      const found = /Listening on (\S+)/.exec(text);
      if (found) resolve(`http://${found[1]}`);
    });
    node.on("exit", () => reject(new Error(`anvil ended: ${text}`)));
  });
}, 60_000);
afterAll(() => {
  node.kill();
  rmSync(folder, { recursive: true, force: true });
});

test("a proof is checked, sent and read back, and an error is said in words", async () => {
  const account = privateKeyToAccount(key);
  const chain = createTestClient({ chain: foundry, mode: "anvil", transport: http(url) }).extend(publicActions);
  const wallet = createWalletClient({ account, chain: foundry, transport: http(url) });
  await chain.setBalance({ address: account.address, value: parseEther("100") });
  const model = path.join(root, "crates/prover/tests/fixtures/good/mlp.onnx");
  run("setup", model, "--range=-1,1", "--target-error", "0.01", "--public-inputs", "--dev-srs", "--out", setup);
  run("deploy", setup);
  const input = path.join(folder, "input.json");
  writeFileSync(input, "[0.5, -0.25, 0.75]");
  const proof = path.join(folder, "proof.json");
  run("prove", setup, "--input", input, "--subject", SUBJECT, "--out", proof);
  const read = (name: string) => new Uint8Array(readFileSync(path.join(setup, "public", name)));

  // The deployment's model is the setup's, by what the registry says.
  const deployment = client.parseDeployment(read("deployment.json"));
  const data = await client.modelOf(chain, deployment.registry, deployment.modelId);
  expect(client.verificationHash(data)).toBe(deployment.verificationHash);
  const opened = client.Setup.open(await client.loadVerifier(), { manifest: read("manifest.json"), key: read("verifier.bin") }, { keyHash: data.keyHash });
  opened.requireRegistered(data);
  opened.requireDeployment(deployment, foundry.id, data);
  expect(opened.manifest.setupId).toBe(deployment.setupId);
  const bundle = client.parseBundle(new Uint8Array(readFileSync(proof)));
  const verified = opened.verify(bundle);
  expect(bundle.requests[0]?.chainId).toBe(BigInt(foundry.id));
  client.requireAnswers(verified, { ...deployment, subject: SUBJECT });
  expect(() => client.requireAnswers(verified, { ...deployment, modelId: 9n })).toThrow("the proof was made for model 1, not 9");
  // An address without code, and an account that signs nothing here.
  const nothing = client.modelOf(chain, account.address, 1n);
  await expect(nothing).rejects.toThrow("there is no such contract; check the address, and the chain it is on");
  await expect(nothing).rejects.toThrow(client.VerdictError);

  // Nothing is recorded yet, and whoever asks is told so.
  const query = { oracle: deployment.oracle, subject: SUBJECT, modelId: deployment.modelId } as const;
  expect(await client.scoreOf(chain, query)).toBeUndefined();
  await expect(client.latestScoreOf(chain, query)).rejects.toThrow(/^NoScore\(subject: 0x0+AA, modelId: 1\)/i);
  const missing = client.modelOf(chain, deployment.registry, 99n);
  await expect(missing).rejects.toThrow("ModelNotFound(modelId: 99): check the model id and the registry's address");

  // A provider's index is found, of accounts that are signers.
  const { default: artifact } = await import("@verdict/contracts/artifacts/SignerRegistry.json", { with: { type: "json" } });
  const bytecode = artifact.bytecode as Hex;
  const created = await deployContract(wallet, { abi: signerRegistryAbi, bytecode, args: [account.address] });
  const { contractAddress: signers } = await waitForTransactionReceipt(chain, { hash: created });
  if (!signers) throw new Error("an address");
  const other = privateKeyToAccount(generatePrivateKey());
  await expect(client.signerIndexOf(chain, signers, account.address)).rejects.toThrow("SignerUnknown(account: ");
  for (const { address } of [other, account]) {
    const propose = { address: signers, abi: signerRegistryAbi, functionName: "proposeSigner", args: [address] } as const;
    await waitForTransactionReceipt(chain, { hash: await writeContract(wallet, propose) });
  }
  const accept = { address: signers, abi: signerRegistryAbi, functionName: "acceptSigner" } as const;
  await waitForTransactionReceipt(chain, { hash: await writeContract(wallet, accept) });
  expect(await client.signerIndexOf(chain, signers, account.address)).toBe(1);
  const [one] = parity.attestations.files.map((text) => client.parseAttestation(text));
  if (one === undefined) throw new Error("an attestation");
  const own = { ...one, statement: { ...one.statement, registry: signers, signer: account.address } };
  expect(await client.indexAttestations(chain, signers, [own])).toEqual([[1, own]]);
  await expect(client.indexAttestations(chain, signers, [one])).rejects.toThrow(`is for registry ${one.statement.registry}, not ${signers}`);

  // The oracle takes the calldata that is made here, and holds what the proof says then.
  await call(chain, { to: query.oracle, data: client.checkInferenceCalldata(bundle) });
  const hash = await sendTransaction(wallet, { to: query.oracle, data: client.verifyInferenceCalldata(bundle) });
  expect((await waitForTransactionReceipt(chain, { hash })).status).toBe("success");
  const record = await client.scoreOf(chain, query);
  expect(record).toMatchObject({ score: verified.outputs[0], prover: account.address });
  expect(await client.latestScoreOf(chain, query)).toBe(verified.outputs[0]);
  expect(client.decodeScore(record?.score ?? 0n, verified.decimals)).toBeCloseTo(verified.decoded[0] ?? Number.NaN, 9);
  expect(await client.recordedOutputsAre(chain, query, verified.outputs)).toBe(true);
  expect(await client.recordedOutputsAre(chain, query, [...verified.outputs].reverse())).toBe(false);

  // Sent again, it is recorded already; altered, it is refused, by the chain as here.
  const revertOf = async (to: Hex, data: Hex) => {
    const error: unknown = await call(chain, { account, to, data }).then(() => undefined, (error: unknown) => error);
    return client.revertOf(error);
  };
  const again = await revertOf(query.oracle, client.verifyInferenceCalldata(bundle));
  expect(again).toMatchObject({ name: "NonceAlreadyUsed", alreadyRecorded: true });
  // What viem throws of a contract's function has the same words.
  const args = [deployment.modelId, `0x${"11".repeat(32)}`, client.encodeOutput([1n]), "0x"] as const;
  const wrong: unknown = await chain
    .readContract({ address: query.oracle, abi: inferenceOracleAbi, functionName: "checkInference", args })
    .catch((error: unknown) => error);
  expect(client.revertOf(wrong)?.name).toMatch(/Malformed|Mismatch/);
  const outputs = bundle.outputs.map((value) => value + 1n);
  const instances = bundle.instances.map((word, index) =>
    index < bundle.instances.length - outputs.length ? word : (`0x${(BigInt(word) + 1n).toString(16).padStart(64, "0")}` as Hex),
  );
  const forged = { ...bundle, outputs, instances, decoded: outputs.map((value) => Number(value) / 10 ** bundle.decimals) };
  expect(() => opened.verify(forged)).toThrow(client.VerdictError);
  const refused = await revertOf(query.oracle, client.checkInferenceCalldata(forged));
  expect(["InvalidProof", "InvalidInverse", "PairingFailed"]).toContain(refused?.name);
}, 120_000);
