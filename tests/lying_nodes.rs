//! Nodes that lie, forget and are in trouble, and what that may cost.

use std::{
    process::Stdio,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::common::{
    Workplace, failure, json,
    local::{Local, SUBJECT, TWINS, address, prove_small, small_setup},
    proxy::{Proxy, refusal},
};
use alloy::{
    primitives::{Address, B256, I256, U256, aliases::U40, hex, keccak256},
    sol_types::{SolCall, SolValue},
};
use serde_json::{Value, json as value};
use verdict_contracts::bindings::{
    InferenceOracle::{
        ScoreRecord, outputsOfCall, pauseCall, scoreOfCall, scoresOfCall, unpauseCall,
    },
    ModelRegistry::modelCountCall,
};
use verdict_contracts::calldata::outputs_word;
use verdict_relayer::fees::GWEI;

const RECEIPT: &str = "eth_getTransactionReceipt";

#[test]
fn receipts_that_are_null_for_ever_cost_nothing_and_hide_nothing() {
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    let chain = Local::start(31_337);
    let node = Proxy::changing(chain.anvil.url(), RECEIPT, |_, result| *result = Value::Null);
    let run = |args: &[&str], database: &str| {
        let database = place.path(database);
        let args = [args, &["--json", "--database", &database]].concat();
        json(chain.through(&place, &[&node.url], &args).output().expect("starts"))
    };
    let first = run(&["deploy", &setup], "one.db");
    let registry = address(&first, "registry");
    let sent = chain.sent();
    assert_eq!(sent, 7);
    // The same again; and without its memory, nor deployment.json.
    assert_eq!(run(&["deploy", &setup], "one.db")["deployment"], first["deployment"]);
    std::fs::remove_file(format!("{setup}/public/deployment.json")).expect("there");
    assert_eq!(run(&["deploy", &setup], "two.db")["deployment"], first["deployment"]);
    assert_eq!(chain.call(registry, &modelCountCall {}), U256::from(1));
    assert_eq!(chain.sent(), sent);

    let proof = prove_small(&place, &setup, TWINS[0], "1");
    for database in ["one.db", "one.db", "four.db"] {
        let submitted = run(&["submit", &setup, &proof], database);
        assert_eq!((&submitted["score"], &submitted["nonce"]), (&(-0.6).into(), &1.into()));
        assert_eq!(submitted["record"]["score"], -6);
        assert_eq!(chain.sent(), sent + 1, "sent once");
    }
    let twin = prove_small(&place, &setup, TWINS[1], "1");
    let args = ["submit", &setup, &twin];
    let output = chain.through(&place, &[&node.url], &args).output().expect("starts");
    assert!(failure(&args, output, 3).contains("all of its outputs"));
    assert!(node.asked(RECEIPT) > 0);
}

/// A node that takes transactions and drops them, shows receipts of them in the newest block,
/// and the record that they would have made.
fn forger(chain: &Local, oracle: Address) -> Proxy {
    let subjects = vec![SUBJECT.parse().expect("an address")];
    let record = scoresOfCall { subjects, modelId: one() };
    // Of the second output, too.
    let outputs = outputsOfCall { subject: SUBJECT.parse().expect("an address"), modelId: one() };
    let word = hex::encode_prefixed(outputs.abi_encode());
    let two = outputs_word(&[I256::unchecked_from(-6), Default::default()]);
    let wanted = hex::encode_prefixed(record.abi_encode());
    let (updated, prover) = (U40::from(1), Address::ZERO);
    let forged = ScoreRecord {
        score: -6,
        nonce: 1,
        updatedAt: updated,
        deadline: updated,
        signers: 0,
        prover,
    };
    let forged = hex::encode_prefixed(vec![forged].abi_encode());
    let (sent, url) = (Mutex::new(Vec::<B256>::new()), chain.anvil.url().to_owned());
    let template = Mutex::new(Value::Null);
    Proxy::start(&url, move |request, ask| {
        let params = &request["params"];
        let answer =
            |result: Value| value!({ "jsonrpc": "2.0", "id": request["id"], "result": result });
        let mut sent = sent.lock().expect("the list");
        match request["method"].as_str().unwrap_or_default() {
            "eth_sendRawTransaction" => {
                let raw = params[0].as_str().expect("bytes");
                let hash = keccak256(hex::decode(raw).expect("hex"));
                sent.push(hash);
                answer(value!(hash))
            }
            "eth_getBlockByNumber" => {
                let block = ask();
                *template.lock().expect("a block") = block["result"].clone();
                block
            }
            RECEIPT if sent.iter().any(|hash| params[0] == value!(hash)) => {
                let block = template.lock().expect("a block");
                answer(value!({
                    "transactionHash": params[0], "blockHash": block["hash"],
                    "blockNumber": block["number"], "transactionIndex": "0x0", "status": "0x1",
                    "from": oracle, "to": oracle, "gasUsed": "0x5208",
                    "cumulativeGasUsed": "0x5208", "effectiveGasPrice": "0x1",
                    "contractAddress": null, "logs": [],
                    "logsBloom": format!("0x{}", "00".repeat(256)), "type": "0x2",
                }))
            }
            "eth_call" if !sent.is_empty() && asks_for(params, &wanted) => answer(value!(forged)),
            "eth_call" if !sent.is_empty() && asks_for(params, &word) => answer(value!(two)),
            _ => ask(),
        }
    })
}

fn asks_for(params: &Value, wanted: &str) -> bool {
    let call = &params[0];
    call["input"] == wanted || call["data"] == wanted
}

fn one() -> U256 {
    U256::from(1)
}

#[test]
fn one_lying_node_of_two_does_not_make_us_say_recorded() {
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    let chain = Local::start(31_337);
    let oracle = address(&chain.json(&place, &["deploy", &setup]), "oracle");
    let proof = prove_small(&place, &setup, TWINS[0], "1");
    let honest = chain.anvil.url();
    let submit = |urls: &[&str], database: &str| {
        let database = place.path(database);
        let args = ["submit", &setup, &proof, "--json", "--database", &database];
        chain.through(&place, urls, &args).output().expect("starts")
    };
    // Alone, it is believed: there is nobody who says otherwise. So the lie is a good one.
    let liar = forger(&chain, oracle);
    let believed = json(submit(&[&liar.url], "alone.db"));
    assert_eq!((&believed["score"], chain.sent()), (&(-0.6).into(), 7));
    for (order, database) in [(true, "first.db"), (false, "second.db")] {
        let liar = forger(&chain, oracle);
        let urls = if order { [liar.url.as_str(), honest] } else { [honest, liar.url.as_str()] };
        let output = submit(&urls, database);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if order {
            let told: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(output.status.code(), Some(1), "{text}");
            let message = told["error"]["message"].as_str().expect("words");
            assert!(message.contains(&liar.url) && message.contains(honest), "{message}");
        } else {
            // The honest one was sent the transaction; nothing is left to lie about.
            assert_eq!(json(output)["score"], -0.6);
        }
    }
    let call = scoreOfCall { subject: SUBJECT.parse().expect("an address"), modelId: one() };
    let record = chain.call(oracle, &call);
    assert_eq!((record.score, record.nonce), (-6, 1));
}

#[test]
fn counts_and_tips_that_nobody_would_pay_are_not_paid() {
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    let chain = Local::start(31_337);
    // One answer, 406 too high.
    let lied = AtomicBool::new(false);
    let node =
        Proxy::changing(chain.anvil.url(), "eth_getTransactionCount", move |params, result| {
            if params[1] == "pending" && !lied.swap(true, Ordering::SeqCst) {
                *result = value!("0x196");
            }
        });
    let deploy = |url: &str| {
        chain.through(&place, &[url], &["deploy", &setup, "--json"]).output().expect("starts")
    };
    let output = deploy(&node.url);
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), chain.sent()), (Some(1), 0));
    let message = told["error"]["message"].as_str().expect("words");
    assert!(message.contains("406") && message.contains("--max-nonce-distance"), "{message}");
    // The next run pays for what it sends, and for nothing else.
    let node = Proxy::changing(chain.anvil.url(), "eth_maxPriorityFeePerGas", |_, result| {
        *result = value!(format!("0x{:x}", 499 * GWEI));
    });
    json(deploy(&node.url));
    assert_eq!(chain.sent(), 7);
    let mut seen = 0;
    for number in 1..=10 {
        let block = chain.rpc("eth_getBlockByNumber", value!([format!("0x{number:x}"), true]));
        for transaction in block["transactions"].as_array().into_iter().flatten() {
            if transaction["from"] == value!(chain.sender()) {
                // The cap of 50 gwei, less the room for one that takes its place.
                let most = value!(format!("0x{:x}", 50 * GWEI * 100 / 110));
                assert_eq!(transaction["maxPriorityFeePerGas"], most);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 7);
}

#[test]
fn a_node_s_trouble_and_a_contract_s_pause_are_not_for_ever() {
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    let chain = Local::start(31_337);
    let oracle = address(&chain.json(&place, &["deploy", &setup]), "oracle");
    let proof = prove_small(&place, &setup, TWINS[0], "1");
    let submit = |url: &str| {
        chain.through(&place, &[url], &["submit", &setup, &proof]).output().expect("starts")
    };
    chain.send(oracle, &pauseCall {});
    let error = failure(&["submit"], submit(chain.anvil.url()), 3);
    assert!(error.contains("EnforcedPause"), "{error}");
    let all = &place.json(&["jobs", "--all"])["jobs"];
    let rejected = all.as_array().expect("a list").iter().filter(|job| job["state"] == "rejected");
    assert_eq!(rejected.count(), 1);
    chain.send(oracle, &unpauseCall {});
    // Its words are not a revert.
    let troubled = AtomicBool::new(false);
    let node = Proxy::start(chain.anvil.url(), move |request, ask| {
        let estimates = request["method"] == "eth_estimateGas";
        match estimates && !troubled.swap(true, Ordering::SeqCst) {
            true => refusal(request, "operation reverted due to overload"),
            false => ask(),
        }
    });
    let output = submit(&node.url);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(node.asked("eth_estimateGas") > 1);
}

#[test]
fn a_job_whose_call_would_fail_by_now_is_cancelled_and_not_outbid() {
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    let chain = Local::start(31_337);
    let oracle = address(&chain.json(&place, &["deploy", &setup]), "oracle");
    let proof = prove_small(&place, &setup, TWINS[0], "1");
    chain.rpc("evm_setAutomine", value!([false]));
    let mut command = chain.command(&place, &["submit", &setup, &proof]);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let attempts = || {
        let jobs = place.json(&["jobs"])["jobs"].clone();
        jobs[0]["attempts"].as_array().cloned().unwrap_or_default()
    };
    let wait = |number: usize| {
        for _ in 0..300 {
            if attempts().len() >= number {
                return attempts();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no {number} transactions: {:?}", attempts());
    };
    wait(1);
    // From now on the oracle reverts.
    chain.rpc("anvil_setCode", value!([oracle, "0x5f5ffd"]));
    let attempts = wait(2);
    assert_eq!((&attempts[0]["cancels"], &attempts[1]["cancels"]), (&false.into(), &true.into()));
    assert_eq!(attempts[0]["nonce"], attempts[1]["nonce"]);
    chain.rpc("anvil_mine", value!(["0x1"]));
    let error = failure(&["submit"], running.wait_with_output().expect("ends"), 3);
    assert!(!error.contains("recorded"), "{error}");
}

#[test]
fn what_a_lost_database_left_in_the_pool_is_not_sent_again() {
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    let chain = Local::start(31_337);
    let registry = address(&chain.json(&place, &["deploy", &setup]), "registry");
    // Another direction is another registration, which nothing but the registry knows of.
    std::fs::remove_file(format!("{setup}/public/deployment.json")).expect("there");
    let args = |database: &str| {
        let database = place.path(database);
        let args =
            ["deploy", &setup, "--score", "higher-is-better", "--database", &database, "--json"];
        let mut command = chain.command(&place, &args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
    };
    let sent = chain.sent();
    chain.rpc("evm_setAutomine", value!([false]));
    let mut first = args("one.db");
    let waiting = || chain.rpc("txpool_status", value!([]))["pending"] == "0x1";
    let seen = (0..300).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        waiting()
    });
    assert!(seen, "a registration is in the pool");
    first.kill().expect("killed");
    first.wait().expect("ended");
    let second = args("two.db");
    std::thread::sleep(Duration::from_secs(5));
    assert!(waiting(), "one, and no more");
    chain.rpc("evm_setAutomine", value!([true]));
    chain.rpc("anvil_mine", value!(["0x1"]));
    let deployed = json(second.wait_with_output().expect("ends"));
    assert_eq!(deployed["deployment"]["model_id"], 2);
    assert_eq!(chain.call(registry, &modelCountCall {}), U256::from(2));
    assert_eq!(chain.sent(), sent + 2, "a registration and its approval");
}

#[test]
fn a_deployment_is_done_when_it_is_final_whoever_made_it() {
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    let chain = Local::start(31_337);
    chain.json(&place, &["deploy", &setup]);
    let deployment = format!("{setup}/public/deployment.json");
    std::fs::remove_file(&deployment).expect("there");
    let sent = chain.sent();
    let mut command = chain.command(&place, &["deploy", &setup, "--confirmations", "5", "--json"]);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    std::thread::sleep(Duration::from_secs(5));
    assert!(!std::path::Path::new(&deployment).exists(), "the newest block may be undone");
    chain.rpc("anvil_mine", value!(["0x5"]));
    json(running.wait_with_output().expect("ends"));
    assert!(std::path::Path::new(&deployment).exists());
    assert_eq!(chain.sent(), sent);
}
