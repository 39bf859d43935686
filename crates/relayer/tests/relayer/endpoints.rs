//! What is no matter of agreement, asked of several endpoints one of which lies: gas, prices, and
//! whether a transaction is passed on.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256, Bytes};
use serde_json::{Value, json};
use verdict_relayer::{
    Node, NodeOptions, RpcUrl,
    backend::{BlockRef, Call, ChainBackend, RpcError, RpcErrorKind, Simulated},
    fees::{GWEI, HISTORY, market_tip},
};

use crate::server::{Reply, Server};

const DEAD: &str = "http://127.0.0.1:1";

fn node_of(urls: &[&str], quorum: usize) -> Node {
    Node::new(NodeOptions {
        rpc_urls: urls.iter().map(|url| RpcUrl::from(*url)).collect(),
        rpc_timeout: Duration::from_secs(4),
        rpc_deadline: Duration::from_secs(8),
        agreement_time: Duration::from_millis(200),
        retries: 0,
        quorum,
        ..NodeOptions::default()
    })
    .unwrap()
}

fn node(urls: &[&str]) -> Node {
    node_of(urls, 1)
}

async fn saying(method: &'static str, answer: Value) -> Server {
    Server::node(move |asked, _| (asked == method).then(|| Reply::Result(answer.clone()))).await
}

async fn refusing(method: &'static str, words: &'static str) -> Server {
    let error = json!({ "code": -32000, "message": words });
    Server::node(move |asked, _| (asked == method).then(|| Reply::Error(error.clone()))).await
}

async fn estimate(urls: &[&str]) -> Result<Simulated<u64>, RpcError> {
    let to = Some(Address::repeat_byte(2));
    let call = Call { from: Address::ZERO, to, data: Bytes::new(), value: Default::default() };
    node(urls).estimate_gas(&call).await
}

#[tokio::test]
async fn one_endpoint_s_estimate_ends_nothing_where_others_answer() {
    let method = "eth_estimateGas";
    let reverting = Server::node(move |asked, _| {
        let error = json!({ "code": 3, "message": "execution reverted", "data": "0xdeadbeef" });
        (asked == method).then_some(Reply::Error(error))
    })
    .await;
    let honest = saying(method, json!("0x7530")).await;
    let close = saying(method, json!("0x7600")).await;
    for urls in [[honest.url(), reverting.url()], [reverting.url(), honest.url()]] {
        assert_eq!(estimate(&urls).await.unwrap(), Simulated::Ok(0x7530));
    }
    let revert = Simulated::Reverted(vec![0xde, 0xad, 0xbe, 0xef].into());
    assert_eq!(estimate(&[reverting.url(), reverting.url()]).await.unwrap(), revert);
    assert_eq!(estimate(&[honest.url(), close.url()]).await.unwrap(), Simulated::Ok(0x7600));
    for liar in [
        saying(method, json!("0x1")).await,
        saying(method, json!("0xffffffffffff")).await,
        refusing(method, "gas required exceeds allowance (30000000)").await,
    ] {
        for urls in [[honest.url(), liar.url()], [liar.url(), honest.url()]] {
            let error = estimate(&urls).await.unwrap_err();
            assert_eq!(error.kind, RpcErrorKind::Disagreement, "{error}");
            let text = error.to_string();
            assert!(text.contains(liar.url()) && text.contains(honest.url()), "{text}");
        }
        let most = [liar.url(), honest.url(), honest.url()];
        assert_eq!(estimate(&most).await.unwrap(), Simulated::Ok(0x7530));
        assert_eq!(estimate(&[honest.url(), DEAD]).await.unwrap(), Simulated::Ok(0x7530));
    }
    let above = refusing(method, "gas required exceeds allowance (30000000)").await;
    let error = estimate(&[above.url(), above.url()]).await.unwrap_err();
    assert_eq!(error.kind, RpcErrorKind::GasAboveLimit, "{error}");
}

async fn paying(gwei: u128) -> Server {
    let tip = format!("{:#x}", gwei * GWEI);
    Server::node(move |asked, _| match asked {
        "eth_feeHistory" => Some(Reply::Result(json!({
            "oldestBlock": "0x1", "baseFeePerGas": vec!["0x1"; 11],
            "gasUsedRatio": vec![0.5; 10], "reward": vec![[&tip]; 10],
        }))),
        "eth_maxPriorityFeePerGas" => Some(Reply::Result(json!(tip))),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn one_endpoint_s_history_of_fees_makes_no_offer_at_the_cap() {
    let (honest, mad, nothing) = (paying(2).await, paying(900).await, paying(0).await);
    let silent = Server::node(|_, _| None).await;
    for urls in [
        vec![honest.url(), mad.url()],
        vec![mad.url(), honest.url()],
        vec![mad.url(), honest.url(), honest.url()],
        vec![nothing.url(), honest.url(), honest.url()],
        vec![silent.url(), honest.url()],
        vec![DEAD, honest.url(), mad.url()],
    ] {
        let node = node(&urls);
        let paid = node.paid_tips(HISTORY).await.unwrap();
        assert_eq!(market_tip(paid), Some(2 * GWEI), "{urls:?}");
        assert_eq!(node.suggested_tip().await.unwrap(), 2 * GWEI, "{urls:?}");
    }
}

/// A node that answers to a broadcast, and the transactions that it was given.
async fn taking(reply: fn() -> Reply) -> (Server, Arc<Mutex<Vec<Value>>>) {
    let taken: Arc<Mutex<Vec<Value>>> = Arc::default();
    let taker = Arc::clone(&taken);
    let server = Server::node(move |asked, params| {
        (asked == "eth_sendRawTransaction").then(|| {
            taker.lock().unwrap().push(params[0].clone());
            reply()
        })
    })
    .await;
    (server, taken)
}

fn accepts() -> Reply {
    Reply::Result(json!(B256::ZERO))
}

fn refusal(words: &str) -> Reply {
    Reply::Error(json!({ "code": -32000, "message": words }))
}

async fn sent(node: &Node) -> Result<(), RpcErrorKind> {
    node.send_raw(&Bytes::from_static(&[2, 3])).await.map_err(|error| error.kind)
}

#[tokio::test]
async fn a_transaction_goes_to_all_endpoints_whatever_the_first_one_says() {
    let replies: [fn() -> Reply; 5] = [
        accepts,
        || refusal("already known"),
        || refusal("intrinsic gas too low"),
        || refusal("nonce too low"),
        || Reply::Hang,
    ];
    for reply in replies {
        let (first, _) = taking(reply).await;
        let (second, given) = taking(accepts).await;
        let start = Instant::now();
        let node = node(&[first.url(), DEAD, second.url()]);
        assert_eq!(sent(&node).await, Ok(()));
        assert_eq!(*given.lock().unwrap(), [json!("0x0203")]);
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn refusals_count_where_nobody_accepts_and_the_last_word_is_a_quorum_s() {
    let (permanent, _) = taking(|| refusal("intrinsic gas too low")).await;
    let (dear, _) = taking(|| refusal("replacement transaction underpriced")).await;
    let (used, _) = taking(|| refusal("nonce too low")).await;
    let (full, _) = taking(|| refusal("txpool is full")).await;
    let (known, _) = taking(|| refusal("already known")).await;
    for (urls, kind) in [
        (vec![permanent.url(), full.url()], RpcErrorKind::PoolFull),
        (vec![permanent.url(), used.url()], RpcErrorKind::NonceTooLow),
        (vec![used.url(), full.url(), dear.url()], RpcErrorKind::ReplacementUnderpriced),
        (vec![used.url(), known.url()], RpcErrorKind::AlreadyKnown),
        (vec![permanent.url(), permanent.url()], RpcErrorKind::IntrinsicGas),
        (vec![permanent.url(), DEAD], RpcErrorKind::IntrinsicGas),
        (vec![DEAD, DEAD], RpcErrorKind::Unreachable),
    ] {
        assert_eq!(sent(&node(&urls)).await, Err(kind), "{urls:?}");
    }
    // Bytes are given up for good only if as many say so as have to agree elsewhere.
    let node = node_of(&[permanent.url(), DEAD], 2);
    assert_eq!(sent(&node).await, Err(RpcErrorKind::Unreachable));
}

#[tokio::test]
async fn a_call_takes_too_much_gas_only_if_a_quorum_says_so() {
    let call = Call {
        from: Address::ZERO,
        to: Some(Address::repeat_byte(2)),
        data: Bytes::new(),
        value: Default::default(),
    };
    let kind =
        async |node: &Node| node.call(&call, BlockRef::Number(1)).await.map_err(|error| error.kind);
    let liar = refusing("eth_call", "out of gas: gas required exceeds allowance").await;
    let unsure = refusing("eth_call", "header not found").await;
    let honest = saying("eth_call", json!("0x01")).await;
    assert!(kind(&node(&[liar.url(), honest.url()])).await.is_ok());
    let answer = kind(&node(&[liar.url(), unsure.url()])).await;
    assert_eq!(answer, Err(RpcErrorKind::UnknownBlock));
    let answer = kind(&node_of(&[liar.url(), DEAD], 2)).await;
    assert_eq!(answer, Err(RpcErrorKind::Unreachable));
    let answer = kind(&node_of(&[liar.url(), liar.url()], 2)).await;
    assert_eq!(answer, Err(RpcErrorKind::GasAboveLimit));
}
