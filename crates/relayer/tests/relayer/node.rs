//! One way to a node, against nodes that lie, babble and hang.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256};
use serde_json::{Value, json};
use verdict_relayer::{
    Node, NodeOptions, RelayerConfig, RpcUrl,
    backend::{BlockRef, Call, ChainBackend, RpcErrorKind, Simulated},
};

use crate::server::{Reply, Server};

fn options(urls: &[&str]) -> NodeOptions {
    NodeOptions {
        rpc_urls: urls.iter().map(|url| RpcUrl::from(*url)).collect(),
        rpc_timeout: Duration::from_secs(2),
        rpc_deadline: Duration::from_secs(3),
        agreement_time: Duration::from_millis(300),
        ..NodeOptions::default()
    }
}

fn node(urls: &[&str]) -> Node {
    Node::new(options(urls)).unwrap()
}

fn call() -> Call {
    let to = Some(Address::repeat_byte(2));
    Call { from: Address::ZERO, to, data: Default::default(), value: Default::default() }
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_at_the_limit() {
    let server = Server::start(|_, _| Reply::Endless).await;
    let node = Node::new(NodeOptions { max_answer_bytes: 1 << 20, ..options(&[server.url()]) });
    let error = node.unwrap().chain_id().await.unwrap_err();
    assert_eq!(error.kind, RpcErrorKind::Malformed);
    assert!(error.to_string().contains("more than 1048576 bytes"), "{error}");
    // What lies in the sockets' buffers is on top of it.
    assert!(server.sent() < 16 << 20, "{} bytes", server.sent());
}

#[tokio::test]
async fn a_node_that_hangs_is_given_up_at_the_time_limit_and_all_of_them_at_the_deadline() {
    let server = Server::start(|_, _| Reply::Hang).await;
    let start = Instant::now();
    let error = node(&[server.url()]).chain_id().await.unwrap_err();
    assert_eq!(error.kind, RpcErrorKind::TimedOut);
    let urls = vec![server.url(); 50];
    let error = node(&urls).chain_id().await.unwrap_err();
    assert_eq!(error.kind, RpcErrorKind::TimedOut);
    assert!(error.to_string().contains("no answer within 3s"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_hanging_or_babbling_node_is_passed_over_for_one_that_answers() {
    for reply in
        [|| Reply::Hang, || Reply::Endless, || Reply::Raw("HTTP/1.1 200 OK\r\n\r\nhi".into())]
    {
        let bad = Server::start(move |_, _| reply()).await;
        let good = Server::node(|_, _| None).await;
        let options = NodeOptions {
            rpc_timeout: Duration::from_millis(500),
            max_answer_bytes: 1 << 16,
            ..options(&[bad.url(), good.url()])
        };
        let node = Node::new(options).unwrap();
        assert_eq!(node.chain_id().await.unwrap(), 7);
        assert_eq!(node.name(), good.url());
    }
}

#[tokio::test]
async fn a_node_that_is_back_in_a_moment_is_asked_again() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let server =
        Server::start(move |_, _| match calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Reply::Raw("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n".into()),
            _ => Reply::Result(json!("0x7")),
        })
        .await;
    assert_eq!(node(&[server.url()]).chain_id().await.unwrap(), 7);
}

/// The key may be anywhere in the URL, and the node may repeat it.
#[tokio::test]
async fn no_error_and_no_debug_output_shows_more_of_an_url_than_its_host() {
    const KEY: &str = "k3yk3yk3yk3y";
    let replies: [fn() -> Reply; 8] = [
        || Reply::Hang,
        || Reply::Endless,
        || Reply::Raw("nonsense".into()),
        || Reply::Raw(format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/{KEY}\r\n\r\n")),
        || Reply::Raw(format!("HTTP/1.1 401 No\r\ncontent-length: 12\r\n\r\n{KEY}")),
        || Reply::Raw(format!("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{KEY}")),
        || {
            Reply::Error(
                json!({ "code": -32000, "message": format!("bad key {KEY} at /v3/{KEY}") }),
            )
        },
        || Reply::Result(json!(KEY)),
    ];
    for reply in replies {
        let server = Server::start(move |_, _| reply()).await;
        let host = server.url().trim_start_matches("http://");
        let url = format!("http://{KEY}:{KEY}@{host}/v3/{KEY}?key={KEY}#{KEY}");
        let options = NodeOptions {
            rpc_timeout: Duration::from_millis(300),
            max_answer_bytes: 1 << 16,
            ..options(&[&url])
        };
        let config = RelayerConfig { node: options.clone(), ..RelayerConfig::default() };
        let node = Node::new(options).unwrap();
        let error = node.chain_id().await.unwrap_err();
        for shown in [
            error.to_string(),
            format!("{error:?}"),
            format!("{node:?}"),
            format!("{config:?}"),
            node.name(),
        ] {
            assert!(!shown.contains(KEY), "{shown}");
            assert!(shown.contains(host), "{shown}");
        }
    }
    let error = Node::new(options(&[&format!("no url {KEY}")])).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(KEY), "{error}");
}

#[tokio::test]
async fn json_that_is_not_the_answer_is_a_typed_error() {
    let replies: [fn() -> Reply; 4] = [
        || Reply::Result(json!(null)),
        || Reply::Result(json!("0xfffffffffffffffffffffffff")),
        || Reply::Result(json!({ "a": [1, 2, 3] })),
        || Reply::Result(json!("0xffffffffffffffff")),
    ];
    for reply in replies {
        let server = Server::start(move |_, _| reply()).await;
        let error = node(&[server.url()]).chain_id().await.unwrap_err();
        assert_eq!(error.kind, RpcErrorKind::Malformed, "{error}");
    }
    let deep = format!("HTTP/1.1 200 OK\r\n\r\n{}", "[".repeat(1 << 20));
    let server = Server::start(move |_, _| Reply::Raw(deep.clone())).await;
    let error = node(&[server.url()]).chain_id().await.unwrap_err();
    assert_eq!(error.kind, RpcErrorKind::Malformed, "{error}");
}

#[tokio::test]
async fn answers_about_something_else_are_refused() {
    let block = |number: &str| {
        json!({
            "number": number, "hash": B256::ZERO, "parentHash": B256::ZERO, "sha3Uncles": B256::ZERO,
            "miner": Address::ZERO, "stateRoot": B256::ZERO, "transactionsRoot": B256::ZERO,
            "receiptsRoot": B256::ZERO, "logsBloom": format!("0x{}", "00".repeat(256)),
            "difficulty": "0x0", "gasLimit": "0x0", "gasUsed": "0x0", "timestamp": "0x0",
            "extraData": "0x", "mixHash": B256::ZERO, "nonce": "0x0000000000000000",
            "baseFeePerGas": "0x1", "size": "0x1", "uncles": [], "transactions": [],
        })
    };
    for (told, asked) in [
        ("0x9", BlockRef::Number(8)),
        ("0xffffffffffffffff", BlockRef::Latest),
        ("0x7fffffffffffffff", BlockRef::Finalized),
    ] {
        let answer = block(told);
        let server = Server::node(move |method, _| {
            (method == "eth_getBlockByNumber").then(|| Reply::Result(answer.clone()))
        })
        .await;
        let error = node(&[server.url()]).block(asked).await.unwrap_err();
        assert_eq!(error.kind, RpcErrorKind::Malformed, "{error}");
    }
    let answer = block("0x8");
    let server = Server::node(move |method, _| {
        (method == "eth_getBlockByNumber").then(|| Reply::Result(answer.clone()))
    })
    .await;
    assert_eq!(node(&[server.url()]).block(BlockRef::Number(8)).await.unwrap().unwrap().number, 8);
}

#[tokio::test]
async fn a_count_of_transactions_that_no_account_has_is_refused() {
    for count in ["0x7fffffffffffffff", "0xffffffffffffffff", "0x10000000001"] {
        let server = Server::node(move |method, _| {
            (method == "eth_getTransactionCount").then(|| Reply::Result(json!(count)))
        })
        .await;
        for block in [BlockRef::Latest, BlockRef::Pending, BlockRef::Number(3)] {
            let error = node(&[server.url()]).nonce(Address::ZERO, block).await.unwrap_err();
            assert_eq!(error.kind, RpcErrorKind::Malformed, "{count}: {error}");
        }
    }
}

#[tokio::test]
async fn a_revert_is_told_by_its_data_and_a_node_s_trouble_stays_an_error() {
    let server = Server::node(|method, _| match method {
        "eth_call" => Some(Reply::Error(
            json!({ "code": -32000, "message": "operation reverted due to overload" }),
        )),
        "eth_estimateGas" => Some(Reply::Error(
            json!({ "code": -32000, "message": "something", "data": "0xdeadbeef" }),
        )),
        _ => None,
    })
    .await;
    let node = node(&[server.url()]);
    let error = node.call(&call(), BlockRef::Latest).await.unwrap_err();
    assert_eq!(error.kind, RpcErrorKind::Other, "{error}");
    let estimate = node.estimate_gas(&call()).await.unwrap();
    assert_eq!(estimate, Simulated::Reverted(vec![0xde, 0xad, 0xbe, 0xef].into()));
}

async fn counting(latest: &'static str, pending: &'static str) -> Server {
    Server::node(move |method, params: &Value| {
        let count = if params[1] == "pending" { pending } else { latest };
        (method == "eth_getTransactionCount").then(|| Reply::Result(json!(count)))
    })
    .await
}

#[tokio::test]
async fn endpoints_that_disagree_about_the_nonce_are_an_error_that_names_both() {
    let honest = counting("0x5", "0x6").await;
    for (latest, pending, asked) in
        [("0x19b", "0x6", BlockRef::Latest), ("0x5", "0x19c", BlockRef::Pending)]
    {
        let liar = counting(latest, pending).await;
        for urls in [[honest.url(), liar.url()], [liar.url(), honest.url()]] {
            let error = node(&urls).nonce(Address::ZERO, asked).await.unwrap_err();
            assert_eq!(error.kind, RpcErrorKind::Disagreement, "{error}");
            let text = error.to_string();
            assert!(text.contains(liar.url()) && text.contains(honest.url()), "{text}");
        }
    }
    // One that is right about a block's number and wrong about the newest.
    let liar = Server::node(|method, params: &Value| {
        let count = if params[1] == "latest" { "0x19b" } else { "0x5" };
        (method == "eth_getTransactionCount").then(|| Reply::Result(json!(count)))
    })
    .await;
    let count = node(&[liar.url(), honest.url()]).nonce(Address::ZERO, BlockRef::Latest).await;
    assert_eq!(count.unwrap(), 5, "nobody asks for the newest");
    // Pools differ by what is on its way between them; a dead endpoint says nothing.
    let ahead = counting("0x5", "0x8").await;
    let node = node(&[honest.url(), ahead.url(), "http://127.0.0.1:1"]);
    assert_eq!(node.nonce(Address::ZERO, BlockRef::Latest).await.unwrap(), 5);
    assert_eq!(node.nonce(Address::ZERO, BlockRef::Pending).await.unwrap(), 8);
}
