//! Several endpoints: what says whether something happened is asked of all of them, and a
//! lying one is found out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256, Bytes};
use serde_json::{Value, json};
use verdict_relayer::{
    Node, NodeOptions, RpcUrl,
    backend::{BlockRef, Call, ChainBackend, LogQuery, RpcErrorKind, Simulated},
};

use crate::server::{Reply, Server};

const TRANSACTION: B256 = B256::repeat_byte(0x11);

fn node(urls: &[&str]) -> Node {
    Node::new(NodeOptions {
        rpc_urls: urls.iter().map(|url| RpcUrl::from(*url)).collect(),
        rpc_timeout: Duration::from_millis(500),
        rpc_deadline: Duration::from_secs(3),
        agreement_time: Duration::from_millis(300),
        ..NodeOptions::default()
    })
    .unwrap()
}

fn receipt(block: u64, status: &str) -> Value {
    json!({
        "transactionHash": TRANSACTION, "blockHash": B256::repeat_byte(0xb0),
        "blockNumber": format!("0x{block:x}"), "transactionIndex": "0x0", "status": status,
        "from": Address::ZERO, "to": Address::ZERO, "gasUsed": "0x5208",
        "cumulativeGasUsed": "0x5208", "effectiveGasPrice": "0x1", "contractAddress": null,
        "logs": [], "logsBloom": format!("0x{}", "00".repeat(256)), "type": "0x2",
    })
}

/// A node that gives one answer to one method.
async fn saying(method: &'static str, answer: Value) -> Server {
    Server::node(move |asked, _| (asked == method).then(|| Reply::Result(answer.clone()))).await
}

/// One question of each kind on which truth depends.
async fn question(node: &Node, method: &str) -> Result<String, verdict_relayer::backend::RpcError> {
    let (address, block) = (Address::repeat_byte(2), BlockRef::Latest);
    Ok(match method {
        "eth_getTransactionReceipt" => format!("{:?}", node.receipt(TRANSACTION).await?),
        "eth_getCode" => format!("{:?}", node.code(address, block).await?),
        "eth_call" => {
            let (data, value) = (Bytes::new(), Default::default());
            let call = Call { from: Address::ZERO, to: Some(address), data, value };
            format!("{:?}", node.call(&call, block).await?)
        }
        "eth_getLogs" => {
            let query = LogQuery { address, topics: [None; 4], blocks: 0..=9 };
            format!("{:?}", node.logs(&query).await?)
        }
        _ => format!("{:?}", node.nonce(address, block).await?),
    })
}

#[tokio::test]
async fn an_endpoint_that_answers_otherwise_is_an_error_that_names_both() {
    let log = |data: &str| {
        json!([{
            "address": Address::ZERO, "topics": [], "data": data, "blockNumber": "0x1",
            "transactionHash": B256::ZERO, "transactionIndex": "0x0", "blockHash": B256::ZERO,
            "logIndex": "0x0", "removed": false,
        }])
    };
    for (method, honest, lie) in [
        ("eth_getTransactionReceipt", json!(null), receipt(0x60, "0x1")),
        ("eth_getTransactionReceipt", receipt(0x60, "0x0"), receipt(0x60, "0x1")),
        ("eth_getTransactionReceipt", receipt(0x60, "0x1"), receipt(0x61, "0x1")),
        ("eth_getCode", json!("0x"), json!("0x00")),
        ("eth_call", json!("0x00"), json!("0x01")),
        ("eth_getLogs", json!([]), log("0x01")),
        ("eth_getLogs", log("0x02"), log("0x01")),
        ("eth_getTransactionCount", json!("0x5"), json!("0x6")),
    ] {
        let (liar, honest) = (saying(method, lie).await, saying(method, honest).await);
        question(&node(&[liar.url()]), method).await.expect("nobody contradicts it");
        for urls in [[honest.url(), liar.url()], [liar.url(), honest.url()]] {
            let error = question(&node(&urls), method).await.expect_err(method);
            assert_eq!(error.kind, RpcErrorKind::Disagreement, "{method}: {error}");
            let text = error.to_string();
            assert!(text.contains(liar.url()) && text.contains(honest.url()), "{text}");
        }
        // Whoever says the same twice, or does not answer, contradicts nobody.
        let urls = [honest.url(), honest.url(), "http://127.0.0.1:1"];
        question(&node(&urls), method).await.expect(method);
    }
}

#[tokio::test]
async fn fewer_answers_than_a_quorum_are_none() {
    let method = "eth_getTransactionCount";
    let honest = saying(method, json!("0x5")).await;
    let of = |urls: &[&str], quorum| {
        let rpc_urls = urls.iter().map(|url| RpcUrl::from(*url)).collect();
        let (rpc_timeout, agreement_time) = (Duration::from_millis(500), Duration::ZERO);
        let options =
            NodeOptions { rpc_urls, rpc_timeout, agreement_time, quorum, ..NodeOptions::default() };
        Node::new(NodeOptions { retries: 0, ..options })
    };
    let dead = "http://127.0.0.1:1";
    let two = of(&[honest.url(), dead, honest.url()], 2).unwrap();
    // Also once the dead one is left alone.
    for _ in 0..2 {
        assert_eq!(question(&two, method).await.unwrap(), "5");
    }
    let one = of(&[dead, honest.url()], 2).unwrap();
    for _ in 0..2 {
        let error = question(&one, method).await.unwrap_err();
        assert_eq!(error.kind, RpcErrorKind::Unreachable, "{error}");
        let text = error.to_string();
        assert!(text.contains("1 of the 2 endpoints") && text.contains(dead), "{error}");
        assert_eq!(text.matches("start the node").count(), 1, "{error}");
    }
    for quorum in [0, 3] {
        let error = of(&[dead, honest.url()], quorum).unwrap_err().to_string();
        assert!(error.contains("quorum"), "{error}");
    }
}

#[tokio::test]
async fn a_call_that_reverts_at_one_endpoint_only_is_a_disagreement() {
    let reverting = Server::node(|method, _| {
        let error = json!({ "code": 3, "message": "execution reverted", "data": "0xdeadbeef" });
        (method == "eth_call").then_some(Reply::Error(error))
    })
    .await;
    let passing = saying("eth_call", json!("0x01")).await;
    let error = question(&node(&[passing.url(), reverting.url()]), "eth_call").await.unwrap_err();
    assert_eq!(error.kind, RpcErrorKind::Disagreement, "{error}");
    let call =
        Call { from: Address::ZERO, to: None, data: Bytes::new(), value: Default::default() };
    let both = node(&[reverting.url(), reverting.url()]);
    let revert = both.call(&call, BlockRef::Latest).await.unwrap();
    assert_eq!(revert, Simulated::Reverted(vec![0xde, 0xad, 0xbe, 0xef].into()));
}

/// A node at a head, which remembers the block that it was asked about.
async fn at(head: &'static str, asked: &Arc<std::sync::Mutex<Vec<Value>>>) -> Server {
    let asked = Arc::clone(asked);
    Server::node(move |method, params| match method {
        "eth_blockNumber" => Some(Reply::Result(json!(head))),
        "eth_getCode" => {
            asked.lock().unwrap().push(params[1].clone());
            Some(Reply::Result(json!("0x00")))
        }
        "eth_getTransactionReceipt" if head == "0x65" => Some(Reply::Result(receipt(0x65, "0x1"))),
        "eth_getTransactionReceipt" => Some(Reply::Result(json!(null))),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn the_newest_block_is_the_lowest_head_and_what_is_above_it_is_not_seen_yet() {
    let asked = Arc::default();
    let (ahead, behind) = (at("0x65", &asked).await, at("0x64", &asked).await);
    for urls in [[ahead.url(), behind.url()], [behind.url(), ahead.url()]] {
        let node = node(&urls);
        assert_eq!(node.code(Address::ZERO, BlockRef::Latest).await.unwrap().len(), 1);
        // In a block that one of them does not have yet.
        assert_eq!(node.receipt(TRANSACTION).await.unwrap(), None);
    }
    assert_eq!(*asked.lock().unwrap(), vec![json!("0x64"); 4]);
    // One far behind would make everything seem not to have happened.
    let stale = at("0x1", &asked).await;
    let error = node(&[ahead.url(), stale.url()]).code(Address::ZERO, BlockRef::Latest).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind, RpcErrorKind::Disagreement);
    assert!(error.to_string().contains("it says 1, and"), "{error}");
}

#[tokio::test]
async fn what_differs_for_a_moment_is_asked_again() {
    let calls = AtomicUsize::new(0);
    let late = Server::node(move |method, _| {
        let code = if calls.load(Ordering::SeqCst) == 0 { "0x" } else { "0x00" };
        (method == "eth_getCode").then(|| {
            calls.fetch_add(1, Ordering::SeqCst);
            Reply::Result(json!(code))
        })
    })
    .await;
    let there = saying("eth_getCode", json!("0x00")).await;
    let node = node(&[there.url(), late.url()]);
    assert_eq!(node.code(Address::ZERO, BlockRef::Latest).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_endpoint_that_hangs_costs_its_time_limit_once() {
    let hanging = Server::start(|_, _| Reply::Hang).await;
    let good = saying("eth_getCode", json!("0x00")).await;
    let node = node(&[hanging.url(), good.url()]);
    let start = Instant::now();
    for _ in 0..20 {
        node.code(Address::ZERO, BlockRef::Number(1)).await.unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

/// What accounts hold, by the word of one node.
async fn holding(answer: &'static str) -> Server {
    saying("eth_getBalance", json!(answer)).await
}

#[tokio::test]
async fn one_endpoint_s_word_about_the_balance_stops_nobody_and_is_not_believed() {
    let account = Address::repeat_byte(2);
    let (honest, liar) = (holding("0x10").await, holding("0x0").await);
    for urls in [[honest.url(), liar.url()], [liar.url(), honest.url()]] {
        let node = node(&urls);
        assert_eq!(node.most_held(account).await.unwrap().to::<u64>(), 16);
        let error = node.balance(account).await.unwrap_err();
        assert_eq!(error.kind, RpcErrorKind::Disagreement, "{error}");
    }
    let both = node(&[liar.url(), liar.url(), "http://127.0.0.1:1"]);
    assert!(both.most_held(account).await.unwrap().is_zero(), "all say so");
    assert!(both.balance(account).await.unwrap().is_zero());
    let alone = node(&[honest.url()]);
    assert_eq!(alone.balance(account).await.unwrap(), alone.most_held(account).await.unwrap());
}

#[tokio::test]
async fn what_is_held_is_asked_of_the_lowest_head() {
    let asked: Arc<std::sync::Mutex<Vec<Value>>> = Arc::default();
    let at = async |head: &'static str| {
        let asked = Arc::clone(&asked);
        Server::node(move |method, params| match method {
            "eth_blockNumber" => Some(Reply::Result(json!(head))),
            "eth_getBalance" => {
                asked.lock().unwrap().push(params[1].clone());
                Some(Reply::Result(json!("0x1")))
            }
            _ => None,
        })
        .await
    };
    let (ahead, behind) = (at("0x65").await, at("0x64").await);
    let node = node(&[ahead.url(), behind.url()]);
    node.balance(Address::ZERO).await.unwrap();
    node.most_held(Address::ZERO).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), vec![json!("0x64"); 4]);
}
