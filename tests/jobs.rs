//! Looking after jobs: `jobs`, `status`, `retry`, `cancel`, and what errors may show.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::common::{Workplace, failure, json};
use alloy::{
    primitives::{Address, B256, Bytes},
    signers::local::PrivateKeySigner,
};
use serde_json::Value;
use tokio::runtime::Runtime;
use verdict_relayer::{
    JobId, JobState, Relayer, RelayerConfig, StandardDecoder, Storage, SubmitRequest,
    devchain::{DevChain, DevChainOptions, find_anvil},
    storage::place::{create_private, database_name},
};

const TARGET: Address = Address::repeat_byte(0xC0);

/// A chain, a key, and the folder in which the program keeps jobs.
struct Desk {
    place: Workplace,
    runtime: Runtime,
    anvil: DevChain,
    key: PrivateKeySigner,
    file: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let place = Workplace::new();
        let binary = Some(find_anvil(&crate::common::root()).expect("run `npm ci`"));
        let options = DevChainOptions { binary, ..DevChainOptions::default() };
        let anvil = DevChain::start(&options).expect("anvil starts");
        let runtime = Runtime::new().expect("a runtime");
        let (key, genesis) = runtime.block_on(async {
            let key = anvil.funded_key(10).await.expect("a funded key");
            let block: Value =
                anvil.rpc("eth_getBlockByNumber", ("0x0", false)).await.expect("block");
            let hash = block["hash"].as_str().expect("a hash");
            (key, hash.parse::<B256>().expect("a hash"))
        });
        let folder = Path::new(&place.path("state")).join("verdict");
        create_private(&folder).expect("a folder");
        let file = folder.join(database_name(31_337, genesis, key.address()));
        Self { place, runtime, anvil, key, file }
    }

    fn rpc(&self, method: &'static str, params: impl Into<Value>) {
        let params: Value = params.into();
        self.runtime.block_on(self.anvil.rpc::<_, Value>(method, params)).expect(method);
    }

    /// Submits a call of [`TARGET`] and drives it for a moment, as an earlier run did.
    fn earlier_run(&self) -> (JobId, JobState) {
        self.runtime.block_on(async {
            let storage = Storage::open(&self.file).await.expect("opens");
            let mut config = RelayerConfig::development(self.anvil.url());
            config.wait_timeout = Some(Duration::from_millis(300));
            let relayer = Relayer::open(config, self.key.clone().into(), storage, StandardDecoder)
                .await
                .expect("opens");
            let request = SubmitRequest::call(TARGET, Bytes::from_static(b"a"), "a call");
            let id = relayer.submit(request).await.expect("stored");
            let _ = relayer.run_to_completion(id).await;
            (id, relayer.status(id).await.expect("there").state)
        })
    }

    fn attempts(&self) -> usize {
        self.runtime.block_on(async {
            let storage = Storage::open(&self.file).await.expect("opens");
            let jobs = storage.list(1).await.expect("listed");
            storage.close().await;
            jobs.first().map_or(0, |job| job.attempts.len())
        })
    }

    fn sending(&self, args: &[&str]) -> Command {
        let key = format!("0x{}", alloy::primitives::hex::encode(self.key.to_bytes()));
        let mut command = self.place.command(args);
        command.args(["--rpc-url", self.anvil.url()]).env("VERDICT_PRIVATE_KEY", key);
        command
    }
}

#[test]
fn a_rejected_job_is_listed_shown_and_tried_again() {
    let desk = Desk::new();
    let place = &desk.place;
    assert_eq!(place.json(&["jobs"])["jobs"], Value::Array(Vec::new()));
    let (id, state) = desk.earlier_run();
    assert!(matches!(state, JobState::Rejected(_)), "{state}");
    assert_eq!(place.json(&["jobs"])["jobs"], Value::Array(Vec::new()), "it is not pending");
    let all = &place.json(&["jobs", "--all"])["jobs"];
    assert_eq!((&all[0]["state"], &all[0]["label"]), (&"rejected".into(), &"a call".into()));
    assert_eq!(all[0]["reason"]["kind"], "no_contract");
    let shown = place.run(&["status", "1"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("a call") && shown.contains("no contract"), "{shown}");
    let file = desk.file.display().to_string();
    assert_eq!(place.json(&["status", "1", "--database", &file])["id"], id.0);
    for args in [
        &["status", "2"][..],
        &["status", "1", "--chain-id", "1"],
        &["status", "1", "--sender", &TARGET.to_string()],
        &["jobs", "--database", "/nonexistent/file"],
    ] {
        assert!(place.failure(args).contains("there is no"), "{args:?}");
    }

    let refused = desk.sending(&["retry", "1"]).output().expect("runs");
    assert!(failure(&["retry"], refused, 3).contains("no contract"));
    desk.rpc("anvil_setCode", serde_json::json!([TARGET, "0x00"]));
    let done = json(desk.sending(&["retry", "1", "--json"]).output().expect("runs"));
    assert_eq!(done["state"], "finalized");
    let refused = desk.sending(&["retry", "1"]).output().expect("runs");
    assert!(failure(&["retry"], refused, 1).contains("finalized"));
}

#[test]
fn a_job_that_is_signed_is_cancelled_by_a_transaction_of_its_own() {
    let desk = Desk::new();
    desk.rpc("anvil_setCode", serde_json::json!([TARGET, "0x00"]));
    desk.rpc("evm_setAutomine", serde_json::json!([false]));
    let (_, state) = desk.earlier_run();
    assert_eq!(state, JobState::Submitted);
    assert_eq!(desk.place.json(&["jobs"])["jobs"][0]["state"], "submitted");
    let mut command = desk.sending(&["cancel", "1", "--json"]);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    for _ in 0..400 {
        if desk.attempts() > 1 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_millis(500));
    let blocked = desk.sending(&["cancel", "1"]).output().expect("runs");
    let blocked = failure(&["cancel"], blocked, 1);
    assert!(blocked.contains(&format!("process {}", running.id())), "{blocked}");
    desk.rpc("anvil_mine", serde_json::json!(["0x1"]));
    let done = json(running.wait_with_output().expect("ends"));
    assert_eq!((&done["state"], &done["reason"]["kind"]), (&"dropped".into(), &"cancelled".into()));
    assert_eq!(done["attempts"][1]["cancels"], true);
}

#[test]
fn no_error_and_no_help_shows_the_key_in_an_url() {
    const KEY: &str = "k3yk3yk3yk3y";
    let place = Workplace::new();
    for url in [
        format!("http://{KEY}:{KEY}@127.0.0.1:1/v3/{KEY}?key={KEY}"),
        format!("no url {KEY}"),
        format!("ftp://{KEY}/{KEY}"),
    ] {
        let mut command = place.command(&["retry", "1", "--rpc-url", &url]);
        let output = command.env("VERDICT_PRIVATE_KEY", "11".repeat(32)).output().expect("runs");
        let code = if url.contains("127.0.0.1") { 5 } else { 1 };
        let error = failure(&["retry"], output, code);
        assert!(!error.contains(KEY), "{error}");
        let mut command = place.command(&["retry", "--help"]);
        let help = command.env("ETH_RPC_URL", &url).output().expect("runs");
        assert!(help.status.success());
        assert!(!String::from_utf8_lossy(&help.stdout).contains(KEY));
    }
}

#[test]
fn limits_out_of_their_range_are_refused_before_anything_is_sent() {
    let desk = Desk::new();
    for (flag, value, field) in [
        ("--max-tip", "0", "max_tip"),
        ("--max-cost", "0", "max_cost"),
        ("--max-raise", "1", "max_raise"),
        ("--max-gaps", "100000", "max_gaps"),
        ("--max-nonce-distance", "0", "max_nonce_distance"),
        ("--max-fee", "0", "max_fee_ceiling"),
    ] {
        let output = desk.sending(&["retry", "1", flag, value]).output().expect("runs");
        let error = failure(&[flag], output, 1);
        assert!(error.contains(field), "{flag}: {error}");
    }
}

#[test]
fn whoever_reads_may_stop_reading() {
    let place = Workplace::new();
    let mut command =
        place.command(&["inspect", &crate::common::example("logistic.onnx"), "--json"]);
    command.args(["--range", "0,1"]).stdout(std::process::Stdio::piped());
    let mut running = command.stderr(std::process::Stdio::piped()).spawn().expect("starts");
    drop(running.stdout.take());
    let output = running.wait_with_output().expect("ends");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !told.contains("roken pipe"), "{told}");
}
