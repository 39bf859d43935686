//! A local chain, and the program on it.

use std::{process::Command, sync::Arc};

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, U256},
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use serde_json::Value;
use tokio::runtime::Runtime;
use verdict_relayer::devchain::{DevChain, DevChainOptions};

use super::{Workplace, example, failure, json, root};

/// A chain and a funded key.
#[derive(Clone)]
pub(crate) struct Local {
    pub(crate) anvil: Arc<DevChain>,
    pub(crate) key: String,
}

impl Local {
    pub(crate) fn start(chain_id: u64) -> Self {
        let binary = verdict_relayer::devchain::find_anvil(&root()).expect("run `npm ci`");
        let options =
            DevChainOptions { binary: Some(binary), chain_id, ..DevChainOptions::default() };
        let anvil = Arc::new(DevChain::start(&options).expect("anvil starts"));
        let key = funded(&anvil);
        Self { anvil, key }
    }

    /// The same chain, and an account that nothing belongs to.
    pub(crate) fn of_another_key(&self) -> Self {
        Self { key: funded(&self.anvil), ..self.clone() }
    }

    /// The key's account.
    pub(crate) fn sender(&self) -> Address {
        self.key.parse::<PrivateKeySigner>().expect("a key").address()
    }

    /// How many transactions it has sent.
    pub(crate) fn sent(&self) -> u64 {
        let sender = self.sender();
        runtime()
            .block_on(async { self.provider().get_transaction_count(sender).await })
            .expect("a count")
    }

    /// A method of the development chain's own.
    pub(crate) fn rpc(&self, method: &'static str, params: Value) -> Value {
        runtime().block_on(self.anvil.rpc(method, params)).expect(method)
    }

    /// What the chain answers to a method that it refuses.
    pub(crate) fn rpc_refusal(&self, method: &'static str, params: Value) -> String {
        let answer = runtime().block_on(self.anvil.rpc::<_, Value>(method, params));
        answer.expect_err("a refusal").to_string()
    }

    /// The program, with other endpoints.
    pub(crate) fn through(&self, place: &Workplace, urls: &[&str], args: &[&str]) -> Command {
        let mut command = place.command(args);
        for url in urls {
            command.args(["--rpc-url", url]);
        }
        command.env("VERDICT_PRIVATE_KEY", &self.key);
        command
    }

    pub(crate) fn command(&self, place: &Workplace, args: &[&str]) -> Command {
        self.through(place, &[self.anvil.url()], args)
    }

    pub(crate) fn json(&self, place: &Workplace, args: &[&str]) -> Value {
        json(self.command(place, args).arg("--json").output().expect("the program starts"))
    }

    /// The program without a key to send with.
    pub(crate) fn json_without_key(&self, place: &Workplace, args: &[&str]) -> Value {
        let mut command = self.command(place, args);
        command.env_remove("VERDICT_PRIVATE_KEY").arg("--json");
        json(command.output().expect("the program starts"))
    }

    pub(crate) fn failure(&self, place: &Workplace, args: &[&str]) -> String {
        self.fails_with(1, place, args)
    }

    pub(crate) fn fails_with(&self, code: i32, place: &Workplace, args: &[&str]) -> String {
        failure(args, self.command(place, args).output().expect("the program starts"), code)
    }

    pub(crate) fn provider(&self) -> impl Provider + use<> {
        let signer: PrivateKeySigner = self.key.parse().expect("a key");
        let url = self.anvil.url().parse().expect("a URL");
        ProviderBuilder::new().wallet(signer).connect_http(url)
    }

    /// Sends a transaction of the key's own, beside the program.
    pub(crate) fn send(&self, to: Address, call: &impl SolCall) {
        self.pay(to, call, 0);
    }

    /// Creates a contract, beside the program.
    pub(crate) fn create(&self, code: Vec<u8>) -> Address {
        let request = TransactionRequest::default().with_deploy_code(code);
        let receipt = runtime().block_on(async {
            let sent = self.provider().send_transaction(request).await?;
            Ok::<_, Box<dyn std::error::Error>>(sent.get_receipt().await?)
        });
        let receipt = receipt.expect("mined");
        assert!(receipt.status(), "the constructor succeeds");
        receipt.contract_address.expect("a creation")
    }

    /// Sends a transaction with ether.
    pub(crate) fn pay(&self, to: Address, call: &impl SolCall, value: u64) {
        let request = TransactionRequest::default()
            .with_to(to)
            .with_input(call.abi_encode())
            .with_value(U256::from(value));
        let receipt = runtime().block_on(async {
            let sent = self.provider().send_transaction(request).await?;
            Ok::<_, Box<dyn std::error::Error>>(sent.get_receipt().await?)
        });
        assert!(receipt.expect("mined").status(), "the transaction succeeds");
    }

    /// Asks for a call that is refused, and returns the error's data.
    pub(crate) fn refusal(&self, to: Address, call: &impl SolCall) -> Vec<u8> {
        let request = TransactionRequest::default()
            .with_from(self.sender())
            .with_to(to)
            .with_input(call.abi_encode());
        let answer = runtime().block_on(async { self.provider().call(request).await });
        let error = answer.expect_err("a revert");
        let data = error.as_error_resp().and_then(|response| response.as_revert_data());
        data.unwrap_or_else(|| panic!("no revert: {error}")).to_vec()
    }

    pub(crate) fn call<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        let request = TransactionRequest::default()
            .with_from(self.sender())
            .with_to(to)
            .with_input(call.abi_encode());
        let data = runtime().block_on(async { self.provider().call(request).await });
        C::abi_decode_returns(&data.expect("an answer")).expect("of the function")
    }
}

/// Creation code of a contract of the package, by its artifact.
pub(crate) fn artifact(name: &str) -> Vec<u8> {
    let path = root().join("contracts/artifacts").join(format!("{name}.json"));
    let text = std::fs::read(path).expect("an artifact");
    let artifact: Value = serde_json::from_slice(&text).expect("JSON");
    let code = artifact["bytecode"].as_str().expect("bytecode");
    alloy::primitives::hex::decode(code).expect("hexadecimal")
}

/// Whom scores are about.
pub(crate) const SUBJECT: &str = "0x00000000000000000000000000000000000000aa";

/// A proof about an applicant of the example.
pub(crate) fn prove(place: &Workplace, setup: &str, id: &str, nonce: &str, out: &str) -> Value {
    let applicants = example("applicants.json");
    place.json(&[
        "prove",
        setup,
        "--input",
        &applicants,
        "--id",
        id,
        "--subject",
        SUBJECT,
        "--nonce",
        nonce,
        "--out",
        out,
    ])
}

/// Sets a model of three inputs and two outputs of one decimal up, which is proven in a moment.
pub(crate) fn small_setup(place: &Workplace, name: &str) -> String {
    small_setup_with(place, name, &[])
}

/// The same with more options.
pub(crate) fn small_setup_with(place: &Workplace, name: &str, more: &[&str]) -> String {
    let out = place.path(name);
    let model = root().join("crates/prover/tests/fixtures/good/mlp.onnx").display().to_string();
    let args = ["setup", &model, "--range=-1,1", "--target-error", "0.1", "--decimals", "1"];
    place.json(&[&args[..], &["--dev-srs", "--out", &out], more].concat());
    out
}

/// Two inputs of that model with one first output and different second ones.
pub(crate) const TWINS: [&str; 2] = ["[-1, -0.75, 0.75]", "[-0.25, 0, 0.75]"];

/// A proof about an input of that model.
pub(crate) fn prove_small(place: &Workplace, setup: &str, input: &str, nonce: &str) -> String {
    let (file, out) = (place.path("input.json"), place.path(&format!("{nonce}{input}.json")));
    std::fs::write(&file, input).expect("written");
    let args = ["prove", setup, "--input", &file, "--subject", SUBJECT, "--nonce", nonce];
    place.json(&[&args[..], &["--out", &out]].concat());
    out
}

/// The address of something deployed.
pub(crate) fn address(report: &Value, name: &str) -> Address {
    report["deployment"][name].as_str().expect("an address").parse().expect("an address")
}

pub(crate) fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

fn funded(anvil: &DevChain) -> String {
    let key = runtime().block_on(anvil.funded_key(10)).expect("a funded key");
    format!("0x{}", alloy::primitives::hex::encode(key.to_bytes()))
}
