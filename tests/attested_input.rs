//! A score of inputs that data providers vouch for: two of three of them, under their keys.

use alloy::primitives::U256;
use serde_json::{Value, json};
use verdict_contracts::bindings::{
    InferenceOracle::{attestationPolicyOfCall, revokeModelCall, scoreOfCall},
    ModelRegistry::modelCountCall,
};

use crate::common::{
    Workplace,
    local::{Local, SUBJECT, TWINS, address, small_setup_with},
    root,
};

/// Two days: the delay after which a provider counts.
const DELAY: u64 = 2 * 86_400;
/// Requests and statements that outlive it.
const LONG: &str = "432000";

/// A setup, its chain, and three providers of whom two have to vouch.
struct Story {
    place: Workplace,
    setup: String,
    owner: Local,
    providers: [Local; 3],
    deployed: Value,
}

impl Story {
    fn new() -> Self {
        let place = Workplace::new();
        let setup = small_setup_with(&place, "setup", &["--public-inputs"]);
        let owner = Local::start(31_337);
        let providers = [(); 3].map(|()| owner.of_another_key());
        let accounts = providers.each_ref().map(|provider| provider.sender().to_string());
        let mut args = vec!["deploy", &setup, "--threshold", "2"];
        args.extend(accounts.iter().flat_map(|account| ["--attestor", account]));
        let deployed = owner.json(&place, &args);
        Self { setup, owner, providers, deployed, place }
    }

    /// Writes a model's input into a file.
    fn input(&self, input: &str) -> String {
        let path = self.place.path(&format!("{input}.json"));
        std::fs::write(&path, input).expect("written");
        path
    }

    /// A provider's statement about an input, as a file.
    fn attest(&self, provider: &Local, name: &str, input: &str, more: &[&str]) -> String {
        let (file, out) = (self.input(input), self.place.path(name));
        let mut args = vec!["attest", &self.setup, "--input", &file, "--out", &out];
        args.extend(if more.contains(&"--subject") { vec![] } else { vec!["--subject", SUBJECT] });
        args.extend(if more.contains(&"--valid-for") { vec![] } else { vec!["--valid-for", LONG] });
        args.extend(more);
        let attestation = provider.json(&self.place, &args);
        let signer = provider.sender().to_string().to_lowercase();
        assert_eq!(attestation["statement"]["signer"], signer);
        out
    }

    fn prove(&self, input: &str, nonce: &str) -> String {
        let (file, out) = (self.input(input), self.place.path(&format!("proof-{nonce}.json")));
        let args = ["prove", &self.setup, "--input", &file, "--subject", SUBJECT];
        let request = ["--nonce", nonce, "--valid-for", LONG, "--out", &out];
        self.place.json(&[&args[..], &request].concat());
        out
    }

    fn submit<'a>(&'a self, proof: &'a str, attestations: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec!["submit", &self.setup, proof];
        args.extend(attestations.iter().flat_map(|file| ["--attestation", file]));
        args
    }

    /// The submission fails with exit code `code`, says `told`, and nothing is sent.
    fn refuses(&self, code: i32, proof: &str, attestations: &[&str], told: &str) {
        let sent = self.owner.sent();
        let args = self.submit(proof, attestations);
        let error = self.owner.fails_with(code, &self.place, &args);
        assert!(error.contains(told), "{error}");
        assert_eq!(self.owner.sent(), sent, "{told}: nothing is sent");
        let subject = SUBJECT.parse().expect("an address");
        let call = scoreOfCall { subject, modelId: "1".parse().expect("a number") };
        let record = self.owner.call(address(&self.deployed, "oracle"), &call);
        assert_eq!(record.updatedAt.to::<u64>(), 0, "{told}: nothing is recorded");
    }

    /// A copy of an attestation with something changed.
    fn changed(&self, file: &str, change: impl Fn(&mut Value)) -> String {
        let text = std::fs::read(file).expect("written before");
        let mut value: Value = serde_json::from_slice(&text).expect("JSON");
        change(&mut value);
        let out = format!("{file}.changed");
        std::fs::write(&out, value.to_string()).expect("written");
        out
    }
}

#[test]
fn two_of_three_providers_vouch_for_an_input_before_its_score_counts() {
    let story = Story::new();
    let Story { place, setup, owner, providers, deployed } = &story;
    let [alice, bob, carol] = providers;
    let demand = &deployed["deployment"]["attestations"];
    assert_eq!(demand["threshold"], 2);

    // Each has to accept; who was not proposed can't.
    for (index, provider) in providers.iter().enumerate() {
        let accepted = provider.json(place, &["attest", setup, "--accept"]);
        assert_eq!(accepted["index"], index);
        assert!(accepted["transaction"].is_string());
        let again = provider.json(place, &["attest", setup, "--accept"]);
        assert_eq!(again["transaction"], Value::Null, "once is enough");
        assert_eq!(again["counts_from"], accepted["counts_from"]);
    }
    let stranger = owner.of_another_key();
    let error = stranger.fails_with(3, place, &["attest", setup, "--accept"]);
    assert!(error.contains("SignerUnknown"), "{error}");

    let proof = story.prove(TWINS[0], "1");
    let by_alice = story.attest(alice, "alice.json", TWINS[0], &[]);
    let by_bob = story.attest(bob, "bob.json", TWINS[0], &[]);
    let brief = story.attest(carol, "brief.json", TWINS[0], &["--valid-for", "3600"]);
    story.refuses(3, &proof, &[&by_alice, &by_bob], "SignerNotCounting(index: 0)");
    owner.rpc("evm_increaseTime", json!([DELAY]));
    owner.rpc("evm_mine", json!([]));

    // Too few, one twice, and what is about something else: known without asking the chain.
    story.refuses(2, &proof, &[], "demands attestations of 2 providers, 0 are given");
    story.refuses(2, &proof, &[&by_bob], "demands attestations of 2 providers, 1 are given");
    story.refuses(1, &proof, &[&by_alice, &by_alice], "two attestations are of signer");
    let twin = story.attest(carol, "twin.json", TWINS[1], &[]);
    story.refuses(1, &proof, &[&by_alice, &twin], "another list of inputs");
    let other = owner.sender().to_string();
    let other = story.attest(carol, "other.json", TWINS[0], &["--subject", &other]);
    story.refuses(1, &proof, &[&by_alice, &other], "another subject");
    let foreign = story.changed(&by_bob, |file| file["statement"]["chain_id"] = json!(1));
    story.refuses(1, &proof, &[&by_alice, &foreign], "another chain");
    let elsewhere = deployed["deployment"]["oracle"].clone();
    let foreign = story.changed(&by_bob, |file| file["statement"]["registry"] = elsewhere.clone());
    story.refuses(1, &proof, &[&by_alice, &foreign], "another registry of signers");
    let broken = story.changed(&by_bob, |file| file["format"] = json!("verdict-proof"));
    story.refuses(1, &proof, &[&by_alice, &broken], "verdict attest");

    // The chain's to refuse: times, accounts, signatures.
    story.refuses(3, &proof, &[&by_alice, &brief], "AttestationExpired(index: 2");
    let by_stranger = story.attest(&stranger, "stranger.json", TWINS[0], &[]);
    story.refuses(3, &proof, &[&by_alice, &by_stranger], "SignerUnknown");
    let longer = story.changed(&brief, |file| {
        let until = &mut file["statement"]["valid_until"];
        *until = json!(until.as_u64().expect("a time") + DELAY);
    });
    story.refuses(3, &proof, &[&by_alice, &longer], "InvalidAttestation(index: 2)");
    // What one signed, said to be another's.
    let stolen = story.changed(&by_bob, |file| {
        file["statement"]["signer"] = json!(carol.sender().to_string().to_lowercase());
    });
    story.refuses(3, &proof, &[&by_alice, &stolen], "InvalidAttestation(index: 2)");
    // Signed for another domain, and then said to be for this one.
    let here = std::fs::read(format!("{setup}/public/deployment.json")).expect("deployed");
    let mut there: Value = serde_json::from_slice(&here).expect("JSON");
    there["attestations"]["signers"] = elsewhere;
    std::fs::write(format!("{setup}/public/deployment.json"), there.to_string()).expect("written");
    let foreign = story.attest(carol, "foreign.json", TWINS[0], &[]);
    std::fs::write(format!("{setup}/public/deployment.json"), here).expect("written");
    let foreign =
        story.changed(&foreign, |file| file["statement"]["registry"] = demand["signers"].clone());
    story.refuses(3, &proof, &[&by_alice, &foreign], "InvalidAttestation(index: 2)");

    // Two of them: the score is recorded, and who vouched.
    let submitted = owner.json(place, &story.submit(&proof, &[&by_bob, &by_alice]));
    let vouched = [alice, bob].map(|provider| provider.sender().to_string().to_lowercase());
    assert_eq!(submitted["record"]["signers"], json!(vouched));
    let sent = owner.sent();
    owner.json(place, &story.submit(&proof, &[&by_alice, &by_bob]));
    assert_eq!(owner.sent(), sent, "once is enough");
    // The statements serve the next request as well: they are about the inputs.
    let next = story.prove(TWINS[0], "2");
    let by_carol = story.attest(carol, "carol.json", TWINS[0], &[]);
    let told = owner.command(place, &story.submit(&next, &[&by_carol, &by_alice])).output();
    let told = String::from_utf8(told.expect("the program starts").stdout).expect("text");
    let line = told.lines().find(|line| line.contains("vouched for by")).expect("a line");
    assert!([alice, carol].iter().all(|provider| line.contains(&provider.sender().to_string())));
    assert!(!line.contains(&bob.sender().to_string()), "{line}");

    // Who takes the oracle up learns what it demands.
    std::fs::remove_file(format!("{setup}/public/deployment.json")).expect("removed");
    let oracle = deployed["deployment"]["oracle"].as_str().expect("an address");
    let attached = owner.json_without_key(place, &["attach", setup, "--oracle", oracle]);
    assert_eq!(attached, deployed["deployment"]);

    // Another demand is another model's, and that is said: records are read by what was demanded
    // of theirs.
    let again = |more: &[&str]| owner.json(place, &[&["deploy", setup][..], more].concat());
    let told = owner.command(place, &["deploy", setup]).output().expect("the program starts");
    let told = String::from_utf8(told.stderr).expect("text");
    assert!(told.contains("holds model 1 to another demand") && told.contains("anew"), "{told}");
    let free = again(&[]);
    assert_eq!(free["deployment"]["model_id"], 2);
    assert_eq!(free["deployment"]["attestations"], Value::Null);
    assert_eq!(free["beside"], Value::Null, "it is there already");
    let (registry, oracle_at) = (address(&free, "registry"), address(&free, "oracle"));
    assert_eq!(owner.call(registry, &modelCountCall {}), U256::from(2));
    let accounts = providers.each_ref().map(|provider| provider.sender().to_string());
    let mut demanded = vec!["--threshold", "2"];
    demanded.extend(accounts.iter().flat_map(|account| ["--attestor", account]));
    assert_eq!(again(&demanded)["deployment"], deployed["deployment"]);
    // Neither does revoking change what a model's records mean.
    owner.send(oracle_at, &revokeModelCall { modelId: U256::from(1) });
    demanded[1] = "3";
    let stricter = again(&demanded);
    assert_eq!((&stricter["deployment"]["model_id"], &stricter["beside"]), (&json!(3), &json!(2)));
    let policy = owner.call(oracle_at, &attestationPolicyOfCall { modelId: U256::from(1) });
    assert_eq!(policy.threshold, 2, "as when its scores were recorded");
    let error = owner.fails_with(2, place, &["attach", setup, "--oracle", oracle]);
    assert!(error.contains("models 3, 2") && error.contains("--model-id"), "{error}");
}

#[test]
fn inputs_that_are_private_beside_public_ones_are_vouched_for_by_nobody_unasked() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let account = chain.sender().to_string();
    let model = root().join("crates/prover/tests/fixtures/operators/two_inputs.onnx");
    let (model, setup, file) =
        (model.display().to_string(), place.path("setup"), place.path("input.json"));
    let args = ["setup", &model, "--range=-1,1", "--target-error", "0.1", "--public", "a"];
    place.json(&[&args[..], &["--dev-srs", "--out", &setup]].concat());
    let covered = "1 of 2 inputs: a; whatever the prover takes: b";
    let refused = |args: &[&str]| {
        let error = chain.fails_with(1, &place, args);
        assert!(error.contains(covered) && error.contains("--partial"), "{error}");
    };
    let demand = ["deploy", &setup, "--attestor", &account, "--threshold", "1"];
    refused(&demand);
    refused(&["deploy", &setup, "--source", &account]);
    assert_eq!(chain.sent(), 0, "nothing was paid for");
    let deployed = chain.json(&place, &[&demand[..], &["--partial"]].concat());
    let names = json!({ "stated": ["a"], "private": ["b"] });
    assert_eq!(deployed["covered"], names);

    // Who signs is told what the statement is about: whatever the other input is, it is the same.
    let attest = |input: Value, name: &str, more: &[&str]| -> Vec<String> {
        std::fs::write(&file, input.to_string()).expect("written");
        let out = place.path(name);
        let args = ["attest", &setup, "--input", &file, "--subject", SUBJECT, "--out", &out];
        args.iter().chain(more).map(|arg| (*arg).to_owned()).collect()
    };
    let given = json!({ "a": [0.25, -0.5], "b": [0.5, 0.5] });
    let other = json!({ "a": [0.25, -0.5], "b": [-1, 1] });
    let refuse = attest(given.clone(), "whole.json", &[]);
    refused(&refuse.iter().map(String::as_str).collect::<Vec<_>>());
    let [one, two] = [("one.json", given), ("two.json", other)].map(|(name, input)| {
        let args = attest(input, name, &["--partial"]);
        let statement = chain.json(&place, &args.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(statement["covered"], names);
        statement["statement"]["inputs"].clone()
    });
    assert_eq!(one, two);
    let accepted = chain.command(&place, &["attest", &setup, "--accept"]).output();
    let accepted = String::from_utf8(accepted.expect("the program starts").stdout).expect("text");
    assert!(accepted.contains(covered), "{accepted}");
}

#[test]
fn what_nobody_can_vouch_for_is_not_deployed_with_a_demand() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let account = chain.sender().to_string();
    let private = small_setup_with(&place, "private", &[]);
    let args = ["deploy", &private, "--attestor", &account, "--threshold", "1"];
    let error = chain.fails_with(1, &place, &args);
    assert!(error.contains("private") && error.contains("--public-inputs"), "{error}");
    let public = small_setup_with(&place, "public", &["--public-inputs"]);
    let args = ["deploy", &public, "--attestor", &account, "--threshold", "2"];
    let error = chain.fails_with(2, &place, &args);
    assert!(error.contains("2 attestations cannot be demanded of 1 signers"), "{error}");
    let nobody = alloy::primitives::Address::ZERO.to_string();
    let args = ["deploy", &public, "--attestor", &nobody, "--attestor", &account];
    let error = chain.fails_with(2, &place, &[&args[..], &["--threshold", "1"]].concat());
    assert!(error.contains("the zero address can be no data provider"), "{error}");
    assert_eq!(chain.sent(), 0, "nothing was paid for");
    // A model that demands nothing takes nothing.
    chain.json(&place, &["deploy", &public]);
    let args = ["attest", &public, "--accept"];
    let error = chain.fails_with(2, &place, &args);
    assert!(error.contains("demands no attestations"), "{error}");
}
