//! A desk's back end: jobs go in over HTTP, recorded scores come out.

use alloy::{primitives::U256, transports::http::reqwest::Method};
use serde_json::{Value, json};
use verdict_contracts::bindings::InferenceOracle::{
    nonceOfCall, pauseCall, scoreOfCall, unpauseCall,
};

use crate::common::{
    Workplace,
    desk::Desk,
    example,
    local::{Local, SUBJECT, address, prove_small, small_setup, small_setup_with},
};

/// An input of the small model, whose first number makes it known again.
pub(crate) const INPUT: [f64; 3] = [-0.625, 0.25, 0.75];

pub(crate) fn order(subject: &str) -> Value {
    json!({ "model": "small", "subject": subject, "input": INPUT })
}

/// A deployed small model, and a service of it.
pub(crate) fn desk(place: &Workplace, chain: &Local, more: &[&str]) -> (String, Value, Desk) {
    let setup = small_setup(place, "setup");
    let deployed = chain.json(place, &["deploy", &setup]);
    let named = format!("small={setup}");
    let desk = Desk::start(place, chain, &[&[named.as_str()], more].concat());
    (setup, deployed, desk)
}

#[test]
fn a_score_asked_for_over_http_is_the_one_on_chain() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let (setup, deployed, mut desk) = desk(&place, &chain, &[]);
    let oracle = address(&deployed, "oracle");

    let id = desk.score(&order(SUBJECT));
    let job = desk.end_of(&id);
    assert_eq!(job["state"], "finalized", "{job:#}");
    let subject = SUBJECT.parse().expect("an address");
    let record = chain.call(oracle, &scoreOfCall { subject, modelId: U256::from(1) });
    assert_eq!(job["score"], record.score.to_string());
    assert_eq!((record.nonce, job["nonce"].as_u64()), (1, Some(1)));
    assert_eq!(job["transaction"]["sender"], format!("{:#x}", chain.sender()));

    // Its story has every step, each once; a stream of it ends with the job.
    let story = desk.get(&format!("/v1/jobs/{id}/events"));
    let steps: Vec<&str> =
        story.body.as_array().expect("a list").iter().filter_map(|e| e["state"].as_str()).collect();
    assert_eq!(steps[..3], ["queued", "proving", "proved"]);
    assert_eq!(steps.last(), Some(&"finalized"));
    let accept = [("accept", "text/event-stream"), ("last-event-id", "2")];
    let stream = desk.ask(Method::GET, &format!("/v1/jobs/{id}/events"), &accept, None);
    let text = stream.body.as_str().expect("a stream");
    assert!(
        text.contains("id: 3") && text.contains("\"finalized\"") && !text.contains("id: 2\n"),
        "{text}"
    );

    // Its proof is one that anyone can check.
    let bundle = desk.get(&format!("/v1/jobs/{id}/bundle"));
    std::fs::write(place.path("got.json"), bundle.body.to_string()).expect("written");
    assert_eq!(place.json(&["verify", &setup, &place.path("got.json")])["valid"], true);

    // The next score of the subject gets the next nonce; the same order again is the same job.
    let key = [("idempotency-key", "tuesday")];
    let again = || desk.ask(Method::POST, "/v1/scores", &key, Some(order(SUBJECT).to_string()));
    let (first, second) = (again(), again());
    assert_eq!((first.status, second.status), (202, 200));
    assert_eq!(first.body["id"], second.body["id"]);
    let job = desk.end_of(first.body["id"].as_str().expect("an id"));
    assert_eq!((&job["state"], &job["nonce"]), (&json!("finalized"), &json!(2)));
    let other = json!({ "model": "small", "subject": SUBJECT, "input": [0, 0, 0] });
    let conflict = desk.ask(Method::POST, "/v1/scores", &key, Some(other.to_string()));
    assert_eq!((conflict.status, &conflict.body["code"]), (409, &json!("idempotency_conflict")));

    // No input is anywhere: not in what it printed, nor in its files.
    let metrics = desk.get("/metrics");
    let text = metrics.body.as_str().expect("a text");
    assert!(text.contains("verdict_scores_recorded_total{model=\"small\"} 2"), "{text}");
    assert_eq!(desk.stop(), Some(0));
    let log = desk.log().join("\n");
    assert!(!log.contains("0.625") && !log.contains(&desk.token), "{log}");
    for file in std::fs::read_dir(place.path("data")).expect("its folder") {
        let path = file.expect("a file").path();
        let bytes = std::fs::read(&path).expect("a file");
        let found = bytes.windows(5).any(|window| window == b"0.625");
        assert!(!found, "an input is in {}", path.display());
    }
}

#[test]
fn what_cannot_be_done_is_said_at_once_and_why() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let (setup, _, desk) =
        desk(&place, &chain, &["--config", &config(&place, "max_body = 20000\n")]);
    let with = |field: &str, value: Value| {
        let mut order = order(SUBJECT);
        order[field] = value;
        order
    };
    let cases: &[(Value, u16, &str, &str)] = &[
        (with("model", json!("other")), 404, "unknown_model", "/v1/models"),
        (with("input", json!([0.5])), 422, "input", "3"),
        (with("input", json!([0.5, 0.5, 99.0])), 422, "input", "99"),
        (with("input", json!("much")), 422, "input", "input"),
        (with("input", json!([[0, 0, 0], [0, 0, 0]])), 422, "input", "2 samples"),
        (with("subject", json!("0x12")), 400, "order", "subject"),
        (with("nonce", json!(0)), 422, "nonce_too_old", "next one"),
        (with("nonce", json!(5000)), 422, "nonce_too_far", "next one"),
        (with("deadline", json!(1000)), 422, "deadline", "in the past"),
        (with("deadline", json!(1u64 << 40)), 422, "deadline", "too far"),
        (with("priority", json!(1_000_000)), 422, "field", "priority"),
        (with("webhook", json!("https://evil.example/x")), 422, "field", "webhook"),
        (with("salt", json!("0x00000000000000000000000000000001")), 422, "field", "salt"),
        (with("surprise", json!(1)), 400, "order", "surprise"),
    ];
    for (order, status, code, words) in cases {
        let answer = desk.post("/v1/scores", order);
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        assert_eq!((answer.status, &answer.body["code"]), (*status, &json!(code)), "{answer:?}");
        assert!(detail.contains(words), "{answer:?}");
    }
    let raw = |headers: &[(&str, &str)], body: &str| {
        desk.ask(Method::POST, "/v1/scores", headers, Some(body.to_owned()))
    };
    let text = order(SUBJECT).to_string();
    for (answer, status, code) in [
        (raw(&[], "{"), 400, "json"),
        (raw(&[], &format!("{{\"model\": \"{}\"}}", "x".repeat(30_000))), 413, "too_large"),
        (raw(&[("content-type", "text/plain")], &text), 415, "media_type"),
        (raw(&[("authorization", "Bearer vdt_guess")], &text), 401, "unauthorized"),
        (raw(&[("authorization", "Basic x")], &text), 401, "unauthorized"),
        (raw(&[("idempotency-key", "")], &text), 422, "field"),
        (desk.get("/v1/jobs?limit=0"), 400, "query"),
        (desk.get("/v1/jobs?state=gone"), 400, "query"),
        (desk.get("/v1/jobs/none"), 404, "no_job"),
        (desk.post("/v1/jobs/none/cancel", &json!({})), 404, "no_job"),
        (desk.get("/v1/nothing"), 404, "not_found"),
        (desk.get("/v1/jobs/%00"), 404, "not_found"),
        (desk.get("/v1/jobs?model=%00"), 400, "query"),
        (desk.get("/v1/jobs/%ff"), 400, "request"),
        (raw(&[], "[\"small\"]"), 400, "order"),
        (raw(&[], &format!("{text} 1")), 400, "json"),
        (desk.ask(Method::PUT, "/v1/jobs", &[], None), 405, "method"),
    ] {
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{answer:?}");
    }
    assert_eq!(desk.count("queued") + desk.count("finalized"), 0, "nothing was stored");

    // A token may what its scopes say.
    let data = place.path("data");
    let create = ["token", "create", "viewer", "--scope", "read", "--data", &data];
    let made = place.json(&create);
    let bearer = format!("Bearer {}", made["secret"].as_str().expect("a secret"));
    let viewer = [("authorization", bearer.as_str())];
    assert_eq!(desk.ask(Method::GET, "/v1/jobs", &viewer, None).status, 200);
    let refused = desk.ask(Method::POST, "/v1/scores", &viewer, Some(text));
    assert_eq!((refused.status, &refused.body["code"]), (403, &json!("forbidden")));
    let taken = place.failure(&create);
    assert!(taken.contains("viewer"), "{taken}");

    // A second service in the folder, and a worker without a database to share.
    let error =
        chain.failure(&place, &["serve", &setup, "--data", &data, "--listen", "127.0.0.1:0"]);
    assert!(error.contains("another process uses the data folder"), "{error}");
    let error = chain.fails_with(2, &place, &["worker", &setup]);
    assert!(error.contains("--database"), "{error}");
}

pub(crate) fn config(place: &Workplace, text: &str) -> String {
    let path = place.path("serve.toml");
    std::fs::write(&path, text).expect("written");
    path
}

#[test]
fn proofs_alone_and_proofs_made_elsewhere() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let (setup, deployed, desk) = desk(&place, &chain, &[]);
    let oracle = address(&deployed, "oracle");
    let answer = desk.post("/v1/proofs", &json!({ "model": "small", "input": INPUT }));
    let job = desk.end_of(answer.body["id"].as_str().expect("an id"));
    assert_eq!(job["state"], "proved");
    let bundle = desk.get(&format!("/v1/jobs/{}/bundle", job["id"].as_str().expect("an id"))).body;
    assert_eq!(bundle["decoded"], job["outputs"]);
    // It answers no request: nobody can take it to the chain.
    let refused = desk.post("/v1/relays", &json!({ "bundle": bundle }));
    assert_eq!((refused.status, &refused.body["code"]), (422, &json!("bundle")), "{refused:?}");

    let proof = prove_small(&place, &setup, "[-1, -0.75, 0.75]", "1");
    let text = std::fs::read_to_string(&proof).expect("a proof");
    let mut bundle: Value = serde_json::from_str(&text).expect("JSON");
    let job = desk.post("/v1/relays", &json!({ "bundle": bundle }));
    assert_eq!(job.status, 202, "{job:?}");
    let id = job.body["id"].as_str().expect("an id").to_owned();
    let again = desk.post("/v1/relays", &json!({ "bundle": bundle }));
    assert_eq!((again.status, again.body["id"].as_str()), (200, Some(id.as_str())));
    let job = desk.end_of(&id);
    assert_eq!(job["state"], "finalized", "{job:#}");
    let (subject, id) = (SUBJECT.parse().expect("an address"), U256::from(1));
    let record = chain.call(oracle, &scoreOfCall { subject, modelId: id });
    assert_eq!(job["score"], record.score.to_string());

    // What another has used up, what was changed, and what is another chain's.
    let twin = prove_small(&place, &setup, "[-0.25, 0, 0.75]", "1");
    let twin: Value = serde_json::from_slice(&std::fs::read(twin).expect("a proof")).expect("JSON");
    let job = desk.post("/v1/relays", &json!({ "bundle": twin }));
    let job = desk.end_of(job.body["id"].as_str().expect("an id"));
    assert_eq!(
        (&job["state"], &job["reason"]["code"]),
        (&json!("rejected"), &json!("nonce_taken"))
    );
    bundle["request"]["chain_id"] = json!(1);
    let refused = desk.post("/v1/relays", &json!({ "bundle": bundle }));
    assert_eq!(refused.status, 422, "{refused:?}");
    let evm = twin["evm_proof"].as_str().expect("hex");
    let mut changed = twin.clone();
    let flipped = if evm.ends_with('0') { '1' } else { '0' };
    changed["evm_proof"] = format!("{}{flipped}", &evm[..evm.len() - 1]).into();
    let refused = desk.post("/v1/relays", &json!({ "bundle": changed }));
    assert_eq!((refused.status, &refused.body["code"]), (422, &json!("bundle")), "{refused:?}");
}

#[test]
fn scores_that_come_together_are_recorded_together() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup_with(&place, "setup", &["--batch", "4"]);
    let deployed = chain.json(&place, &["deploy", &setup]);
    let sent = chain.sent();
    let wait = config(&place, "batch_wait = 3\n");
    let desk = Desk::start(&place, &chain, &[&format!("small={setup}"), "--config", &wait]);
    // Four make a batch at once; two wait, and are filled up.
    let subject = |index: usize| format!("0x{:040x}", 0xabcd_0000_usize + index);
    let ids: Vec<String> = (0..6).map(|index| desk.score(&order(&subject(index)))).collect();
    for id in &ids {
        let job = desk.end_of(id);
        assert_eq!(job["state"], "finalized", "{job:#}");
    }
    assert_eq!(chain.sent() - sent, 2);
    let oracle = address(&deployed, "oracle");
    for (index, id) in ids.iter().enumerate() {
        let subject = subject(index).parse().expect("an address");
        let nonce: u64 = chain.call(oracle, &nonceOfCall { subject, modelId: U256::from(1) }).to();
        assert_eq!(desk.job(id)["nonce"].as_u64(), Some(nonce));
        let record = chain.call(oracle, &scoreOfCall { subject, modelId: U256::from(1) });
        assert_eq!(desk.job(id)["score"], record.score.to_string());
    }
    let mut given = order(&subject(9));
    given["nonce"] = json!(1);
    let refused = desk.post("/v1/scores", &given);
    assert_eq!((refused.status, &refused.body["code"]), (422, &json!("batch_nonce")));
}

#[test]
fn a_deadline_and_a_refusal_end_a_job_with_their_reason() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let (_, deployed, desk) = desk(&place, &chain, &[]);
    let oracle = address(&deployed, "oracle");
    chain.send(oracle, &pauseCall {});
    let mut kept = order(SUBJECT);
    kept["keep_input"] = json!(true);
    let id = desk.score(&kept);
    let job = desk.end_of(&id);
    assert_eq!((&job["state"], &job["reason"]["code"]), (&json!("rejected"), &json!("refused")));
    assert!(job["reason"]["message"].as_str().expect("words").contains("Pause"), "{job:#}");
    // Once its cause is gone, it is tried again on request, and the same proof is recorded.
    chain.send(oracle, &unpauseCall {});
    let retried = desk.post(&format!("/v1/jobs/{id}/retry"), &json!({}));
    assert_eq!(retried.status, 200, "{retried:?}");
    let again = desk.end_of(&id);
    assert_eq!(again["state"], "finalized", "{again:#}");
    assert_eq!(again["bundle"], job["bundle"]);
    let refused = desk.post(&format!("/v1/jobs/{id}/cancel"), &json!({}));
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("wrong_state")));
}

#[test]
fn settings_are_checked_without_serving() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    let data = place.path("data");
    fn check<'a>(data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["serve", "--check", "--data", data][..], more].concat()
    }
    let lease = config(&place, "lease = 0\n");
    let no_setup = example("model.onnx");
    // A model that is deployed nowhere needs no chain: it is proven alone.
    let report = place.json(&check(&data, &[&setup]));
    assert_eq!((&report["chain_id"], &report["senders"]), (&Value::Null, &json!([])));
    chain.json(&place, &["deploy", &setup]);
    let report = chain.json(&place, &check(&data, &[&setup]));
    assert_eq!(
        (report["chain_id"].as_u64(), report["senders"].as_array().map(Vec::len)),
        (Some(31_337), Some(1))
    );
    for (args, words) in [
        (check(&data, &[]), "no model to serve"),
        (check(&data, &[&setup, &setup]), "same"),
        (check(&data, &[&setup, "--config", &lease]), "lease"),
        (check(&data, &[&setup, "--no-auth", "--listen", "0.0.0.0:0"]), "loopback"),
        (check(&data, &[&setup, "--chain-id", "1"]), "31337"),
        (check(&data, &[&no_setup]), "setup"),
    ] {
        let output = chain.command(&place, &args).output().expect("it starts");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(words), "{words}: {told}");
    }
}

#[test]
fn an_order_is_answered_again_whatever_became_of_it() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let (_, _, desk) = desk(&place, &chain, &[]);
    let mut first = order(SUBJECT);
    first["nonce"] = json!(1);
    let id = desk.score(&first);
    assert_eq!(desk.end_of(&id)["state"], "finalized");
    let again = desk.post("/v1/scores", &first);
    assert_eq!((again.status, &again.body["id"]), (200, &json!(id)));
    // Another client's order of the same is his own, and shows nothing of this one.
    let made = place.json(&[
        "token",
        "create",
        "other",
        "--scope",
        "submit",
        "--data",
        &place.path("data"),
    ]);
    let bearer = format!("Bearer {}", made["secret"].as_str().expect("a secret"));
    let other = [("authorization", bearer.as_str())];
    let refused = desk.ask(Method::POST, "/v1/scores", &other, Some(first.to_string()));
    assert_eq!((refused.status, &refused.body["code"]), (422, &json!("nonce_too_old")));
}
