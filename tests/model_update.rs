//! A model's next version: registered as its successor, approved after a delay that everyone can
//! see, and what becomes of the version before.

use alloy::{
    primitives::{B256, Bytes, U256, keccak256},
    sol,
    sol_types::{SolCall, SolError, SolValue},
};
use serde_json::json;
use verdict_contracts::bindings::{
    InferenceOracle::{
        approveModelCall, latestScoreOfCall, ownerCall, scoreOfCall, transferOwnershipCall,
    },
    ModelRegistry::{
        deprecateModelCall, getModelCall, successorOfCall, updateVerifiableModelCall,
        verificationOfCall,
    },
};

use crate::{
    common::{
        Workplace,
        local::{Local, SUBJECT, address, artifact, prove},
    },
    credit_score::{MARGIN, assert_gas},
};

sol! {
    function acceptOracle() external;
    function schedule(bytes call) external returns (bytes32 id);
    function execute(bytes call) external;

    error TooEarly(bytes32 id, uint256 readyAt);
    error NotScheduled(bytes32 id);
    error OwnableUnauthorizedAccount(address account);
}

const DAY: u64 = 86_400;

#[test]
fn a_successor_is_approved_after_a_delay_and_the_old_version_keeps_its_records() {
    let (old_place, new_place) = (Workplace::new(), Workplace::new());
    let (old, new) = (old_place.setup("logistic.onnx", &[]), new_place.setup("model.onnx", &[]));
    let chain = Local::start(31_337);
    let deployed = chain.json(&old_place, &["deploy", &old, "--score", "higher-is-better"]);
    let (registry, oracle) = (address(&deployed, "registry"), address(&deployed, "oracle"));
    let first = old_place.path("first.json");
    let proof = prove(&old_place, &old, "A02", "1", &first);
    let before = chain.json(&old_place, &["submit", &old, &first]);
    assert_eq!(before["score"], proof["decoded"][0]);

    // From now on the oracle belongs to a timelock.
    let arguments = (oracle, chain.sender(), U256::from(2 * DAY)).abi_encode();
    let timelock = chain.create([artifact("OracleTimelock"), arguments].concat());
    chain.send(oracle, &transferOwnershipCall { newOwner: timelock });
    chain.send(timelock, &acceptOracleCall {});
    assert_eq!(chain.call(oracle, &ownerCall {}), timelock);

    // The new version's contracts, tried in an oracle of their own first.
    let at = registry.to_string();
    let args = ["deploy", &new, "--registry", &at, "--time-to-live", "3600"];
    let trial = chain.json(&new_place, &[&args[..], &["--score", "higher-is-better"]].concat());
    assert_eq!(trial["deployment"]["model_id"], 2);
    let id = U256::from(2);
    let data = chain.call(registry, &verificationOfCall { modelId: id }).data;
    let commitment = chain.call(registry, &getModelCall { modelId: id }).commitment;
    let (one, three) = (U256::from(1), U256::from(3));
    chain.send(
        registry,
        &updateVerifiableModelCall {
            modelId: one,
            newCommitment: commitment.clone(),
            data: data.clone(),
        },
    );
    assert_eq!(chain.call(registry, &successorOfCall { modelId: one }), three);

    // Registering is not approving, and the one who owned the oracle can't cut the delay short.
    let code = chain.rpc("eth_getCode", json!([data.verifier, "latest"]));
    let code: Bytes = code.as_str().expect("code").parse().expect("hexadecimal");
    let approve = approveModelCall {
        modelId: three,
        commitment: commitment.into(),
        data: data.into(),
        verifierCodeHash: keccak256(&code),
    };
    let owner = OwnableUnauthorizedAccount { account: chain.sender() };
    assert_eq!(chain.refusal(oracle, &approve), owner.abi_encode());
    let call = Bytes::from(approve.abi_encode());
    let execute = executeCall { call: call.clone() };
    let id: B256 = keccak256(&call);
    assert_eq!(chain.refusal(timelock, &execute), NotScheduled { id }.abi_encode());
    chain.send(timelock, &scheduleCall { call });
    let early = chain.refusal(timelock, &execute);
    assert_eq!(early[..4], TooEarly::SELECTOR);
    let name = oracle.to_string();
    let attach = ["attach", &new, "--oracle", &name, "--model-id", "3"];
    let error = new_place.fails_with(3, &with_node(&chain, &attach));
    assert!(error.contains("does not approve"), "{error}");
    chain.rpc("evm_increaseTime", json!([2 * DAY]));
    chain.rpc("evm_mine", json!([]));
    chain.send(timelock, &execute);
    let attached = new_place.json(&with_node(&chain, &attach));
    assert_eq!(attached["model_id"], 3);

    // Both versions are recorded side by side until the old one is deprecated.
    let late = |place: &Workplace, setup: &str, nonce: &str| {
        let out = place.path(&format!("late-{nonce}.json"));
        let applicants = crate::common::example("applicants.json");
        let args = ["prove", setup, "--input", &applicants, "--id", "A03", "--subject", SUBJECT];
        let more = ["--nonce", nonce, "--valid-for", "432000", "--out", &out];
        (place.json(&[&args[..], &more].concat()), out)
    };
    let (proof, out) = late(&new_place, &new, "1");
    let submitted = chain.json(&new_place, &["submit", &new, &out]);
    assert_eq!((&submitted["model_id"], &submitted["score"]), (&json!(3), &proof["decoded"][0]));
    let (_, stale) = late(&old_place, &old, "2");
    chain.send(registry, &deprecateModelCall { modelId: one });
    let error = chain.fails_with(3, &old_place, &["submit", &old, &stale]);
    assert!(error.contains("ModelDeprecated"), "{error}");

    // What was recorded stays, and is read as long as it is fresh.
    let subject = SUBJECT.parse().expect("an address");
    let record = chain.call(oracle, &scoreOfCall { subject, modelId: one });
    let score = before["record"]["score"].as_i64().expect("an integer");
    assert_eq!((record.score, record.nonce), (score, 1));
    let latest = chain.call(oracle, &latestScoreOfCall { subject, modelId: three });
    assert_eq!(latest.to_string(), submitted["record"]["score"].to_string());
    let gas = &new_place.json(&["codegen", &new, "--explain"])["gas"];
    assert_gas(&submitted, &gas["first"], MARGIN);
}

fn with_node<'a>(chain: &'a Local, args: &[&'a str]) -> Vec<&'a str> {
    [args, &["--rpc-url", chain.anvil.url()]].concat()
}
