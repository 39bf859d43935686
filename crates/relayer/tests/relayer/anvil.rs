//! The real thing: anvil, real signatures, a real pool, a contract in the chain.

use std::{path::Path, time::Duration};

use alloy::{
    hex,
    primitives::{Address, B256, Bytes, U256},
    signers::local::PrivateKeySigner,
};
use serde_json::json;
use verdict_relayer::{
    AttemptOutcome, DecodedRevert, Finality, JobId, JobState, JobStatus, Rejection, Relayer,
    RelayerConfig, RelayerError, RelayerSigner, Storage, SubmitRequest,
    devchain::{DevChain, DevChainOptions, find_anvil},
    fees::GWEI,
};

use crate::server::{Reply, Server};

/// Counts its calls in slot 0. Call data 02 reverts with `0xdeadbeef(7)`; call data 03
/// reverts with `0xfeedface` once something was counted.
const COUNTER: &str = "604a80600b6000396000f3\
    60003560001a80600214602357600314600054151516603957600160005401600055\
    005b63deadbeef60e01b60005260076004526024\
    6000fd5b63feedface60e01b60005260046000fd";

const COUNT: &[u8] = &[1];
const REVERT: &[u8] = &[2];
const ONCE: &[u8] = &[3];

struct Desk {
    chain: DevChain,
    key: PrivateKeySigner,
    config: RelayerConfig,
    folder: tempfile::TempDir,
}

impl Desk {
    async fn new() -> Self {
        Self::with(DevChainOptions::default()).await
    }

    async fn with(options: DevChainOptions) -> Self {
        let chain = start(options);
        let key = chain.funded_key(100).await.unwrap();
        let config = RelayerConfig::development(chain.url());
        Self { chain, key, config, folder: tempfile::tempdir().unwrap() }
    }

    async fn open(&self) -> Relayer {
        self.try_open().await.unwrap()
    }

    async fn try_open(&self) -> Result<Relayer, RelayerError> {
        let storage = Storage::open(&self.folder.path().join("relayer.db")).await?;
        let signer = RelayerSigner::from(self.key.clone());
        Relayer::open(self.config.clone(), signer, storage, decode).await
    }

    async fn deploy(&self, relayer: &Relayer) -> Address {
        let code = hex::decode(COUNTER).unwrap().into();
        let id = relayer.submit(SubmitRequest::deploy(code, "counter")).await.unwrap();
        let status = relayer.run_to_completion(id).await.unwrap();
        assert_eq!(status.state, JobState::Finalized, "{status:?}");
        status.receipt.unwrap().contract_address.unwrap()
    }

    async fn count(&self, contract: Address) -> U256 {
        self.chain.rpc("eth_getStorageAt", (contract, B256::ZERO, "latest")).await.unwrap()
    }

    async fn used_nonces(&self) -> u64 {
        let count: U256 = self
            .chain
            .rpc("eth_getTransactionCount", (self.key.address(), "latest"))
            .await
            .unwrap();
        count.to()
    }

    async fn automine(&self, on: bool) {
        self.chain.rpc::<_, serde_json::Value>("evm_setAutomine", (on,)).await.unwrap();
    }

    async fn mine(&self, blocks: u64) {
        self.chain.rpc::<_, serde_json::Value>("anvil_mine", (U256::from(blocks),)).await.unwrap();
    }
}

fn start(options: DevChainOptions) -> DevChain {
    let anvil = find_anvil(Path::new(env!("CARGO_MANIFEST_DIR")));
    let binary = Some(anvil.unwrap_or_else(|error| panic!("{error}")));
    DevChain::start(&DevChainOptions { binary, ..options }).unwrap()
}

fn decode(data: &Bytes) -> DecodedRevert {
    let name = hex::encode(data);
    DecodedRevert { message: name.clone(), name, already_recorded: false, data: data.clone() }
}

fn counter(contract: Address, data: &'static [u8], key: &str) -> SubmitRequest {
    SubmitRequest::call(contract, Bytes::from_static(data), key)
}

async fn submit_and_run(relayer: &Relayer, request: SubmitRequest) -> JobStatus {
    let id = relayer.submit(request).await.unwrap();
    relayer.run_to_completion(id).await.unwrap()
}

/// Polls until the job is as `wanted`.
async fn wait_until(relayer: &Relayer, id: JobId, wanted: impl Fn(&JobStatus) -> bool) {
    for _ in 0..2400 {
        if wanted(&relayer.status(id).await.unwrap()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("job {id} never was as wanted: {:?}", relayer.status(id).await);
}

/// True if the job's newest transaction is in the node's pool.
fn pooled(status: &JobStatus) -> bool {
    status.attempts.last().is_some_and(|last| last.outcome == AttemptOutcome::Accepted)
}

#[tokio::test]
async fn a_call_is_finalized_and_counted_once() {
    let desk = Desk::new().await;
    let relayer = desk.open().await;
    let contract = desk.deploy(&relayer).await;
    let status = submit_and_run(&relayer, counter(contract, COUNT, "a")).await;
    assert_eq!(status.state, JobState::Finalized);
    let receipt = status.receipt.unwrap();
    assert!(receipt.success && receipt.gas_used > 21_000 && receipt.effective_gas_price > 0);
    assert_eq!(receipt.hash, status.attempts[0].hash);
    // The same key again changes nothing.
    submit_and_run(&relayer, counter(contract, COUNT, "a")).await;
    assert_eq!((desk.count(contract).await, desk.used_nonces().await), (U256::from(1), 2));
}

#[tokio::test]
async fn a_custom_error_is_decoded_in_the_simulation_and_costs_nothing() {
    let desk = Desk::new().await;
    let relayer = desk.open().await;
    let contract = desk.deploy(&relayer).await;
    let status = submit_and_run(&relayer, counter(contract, REVERT, "a")).await;
    let JobState::Rejected(Rejection::Simulation { revert }) = status.state else {
        panic!("{status:?}")
    };
    assert_eq!(revert.name, format!("deadbeef{:064x}", 7));
    assert_eq!(desk.used_nonces().await, 1);
}

#[tokio::test]
async fn a_custom_error_of_a_mined_transaction_is_decoded() {
    let desk = Desk::new().await;
    let relayer = desk.open().await;
    let contract = desk.deploy(&relayer).await;
    desk.automine(false).await;
    // Both simulations pass; in the block, the second finds the first one's count.
    let mut ids = Vec::new();
    let mut running = tokio::task::JoinSet::new();
    for key in ["first", "second"] {
        let id = relayer.submit(counter(contract, ONCE, key)).await.unwrap();
        let relayer = relayer.clone();
        running.spawn({
            let relayer = relayer.clone();
            async move { relayer.run_to_completion(id).await.unwrap() }
        });
        wait_until(&relayer, id, pooled).await;
        ids.push(id);
    }
    desk.mine(1).await;
    let ended = running.join_all().await;
    let of = |id| ended.iter().find(|status| status.id == id).unwrap();
    assert_eq!(of(ids[0]).state, JobState::Finalized);
    let JobState::Rejected(Rejection::Reverted { revert: Some(revert), .. }) = &of(ids[1]).state
    else {
        panic!("{:?}", of(ids[1]))
    };
    assert_eq!(revert.name, "feedface");
    assert_eq!((desk.count(contract).await, desk.used_nonces().await), (U256::from(1), 3));
}

#[tokio::test]
async fn a_relayer_killed_at_any_moment_uses_one_nonce_and_counts_once() {
    let desk = Desk::new().await;
    let relayer = desk.open().await;
    let contract = desk.deploy(&relayer).await;
    drop(relayer);
    let mut killed = 0;
    for job in 0..12_u64 {
        let key = format!("job {job}");
        // Each start lives a little longer: about every await is a place to die at.
        for lifetime in 0.. {
            let relayer = desk.open().await;
            relayer.resume().await.unwrap();
            let id = relayer.submit(counter(contract, COUNT, &key)).await.unwrap();
            let run = relayer.run_to_completion(id);
            let lifetime = Duration::from_micros(lifetime * 1000 + job * 83);
            if let Ok(status) = tokio::time::timeout(lifetime, run).await {
                assert_eq!(status.unwrap().state, JobState::Finalized);
                break;
            }
            killed += 1;
        }
        assert_eq!(desk.count(contract).await, U256::from(job + 1));
        assert_eq!(desk.used_nonces().await, job + 2);
    }
    assert!(killed > 12, "killed only {killed} times");
}

#[tokio::test]
async fn a_stuck_transaction_is_replaced_in_a_real_pool() {
    let mut desk = Desk::new().await;
    desk.config.resubmit_after = Duration::from_millis(300);
    let relayer = desk.open().await;
    let contract = desk.deploy(&relayer).await;
    desk.automine(false).await;
    let id = relayer.submit(counter(contract, COUNT, "a")).await.unwrap();
    let running = tokio::spawn({
        let relayer = relayer.clone();
        async move { relayer.run_to_completion(id).await.unwrap() }
    });
    wait_until(&relayer, id, |status| status.attempts.len() == 4).await;
    desk.mine(1).await;
    let status = running.await.unwrap();
    assert_eq!(status.state, JobState::Finalized);
    assert!(status.attempts.iter().all(|attempt| attempt.nonce == 1));
    assert_eq!((desk.count(contract).await, desk.used_nonces().await), (U256::from(1), 2));
}

#[tokio::test]
async fn a_reorganization_of_a_real_chain_un_mines_the_job_and_it_is_mined_again() {
    let mut desk = Desk::new().await;
    let relayer = desk.open().await;
    let contract = desk.deploy(&relayer).await;
    drop(relayer);
    desk.mine(5).await;
    desk.config.finality = Finality::Confirmations(4);
    let relayer = desk.open().await;
    let id = relayer.submit(counter(contract, COUNT, "a")).await.unwrap();
    let running = tokio::spawn({
        let relayer = relayer.clone();
        async move { relayer.run_to_completion(id).await.unwrap() }
    });
    wait_until(&relayer, id, |status| status.state == JobState::Included).await;
    let first = relayer.status(id).await.unwrap().receipt.unwrap();
    desk.automine(false).await;
    desk.chain.rpc::<_, serde_json::Value>("anvil_reorg", (1, Vec::<u8>::new())).await.unwrap();
    assert_eq!(desk.count(contract).await, U256::ZERO);
    wait_until(&relayer, id, |status| status.state == JobState::Submitted).await;
    // The node may have forgotten the transaction; mine until it is back and final.
    while !running.is_finished() {
        desk.mine(1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let status = running.await.unwrap();
    assert_eq!(status.state, JobState::Finalized);
    assert_ne!(status.receipt.unwrap().block_hash, first.block_hash);
    assert_eq!((desk.count(contract).await, desk.used_nonces().await), (U256::from(1), 2));
}

#[tokio::test]
async fn a_wrong_chain_id_and_a_dead_port_are_refused() {
    let mut desk = Desk::with(DevChainOptions { chain_id: 4242, ..Default::default() }).await;
    desk.config.node.chain_id = Some(1);
    let error = desk.try_open().await.unwrap_err();
    assert!(matches!(error, RelayerError::WrongChain { expected: 1, found: 4242, .. }), "{error}");
    desk.config.node.chain_id = Some(4242);
    desk.open().await;
    drop(desk.chain);
    let storage = Storage::open(&desk.folder.path().join("relayer.db")).await.unwrap();
    let error = Relayer::open(desk.config, desk.key.into(), storage, decode).await.unwrap_err();
    assert!(error.to_string().contains("start the node"), "{error}");
}

#[tokio::test]
async fn a_dead_endpoint_is_passed_over_and_one_of_another_chain_is_never_used() {
    let mut desk = Desk::new().await;
    let other = start(DevChainOptions { chain_id: 1, ..Default::default() });
    let good = desk.config.node.rpc_urls[0].clone();
    desk.config.node.rpc_urls = vec!["http://127.0.0.1:1".into(), good, other.url().into()];
    let relayer = desk.open().await;
    let contract = desk.deploy(&relayer).await;
    submit_and_run(&relayer, counter(contract, COUNT, "a")).await;
    assert_eq!(desk.count(contract).await, U256::from(1));
    // With the good endpoint gone, the foreign one must not be asked instead.
    drop(desk.chain);
    let id = relayer.submit(counter(contract, COUNT, "b")).await.unwrap();
    let run = relayer.run_to_completion(id);
    assert!(tokio::time::timeout(Duration::from_millis(500), run).await.is_err());
    let height: U256 = other.rpc("eth_blockNumber", ()).await.unwrap();
    assert_eq!(height, U256::ZERO);
}

#[tokio::test]
async fn a_sender_without_funds_is_told_and_goes_on_once_it_has_some() {
    let desk = Desk::new().await;
    desk.chain.set_balance(&desk.key, U256::from(1)).await.unwrap();
    let relayer = desk.open().await;
    let code = hex::decode(COUNTER).unwrap().into();
    let id = relayer.submit(SubmitRequest::deploy(code, "counter")).await.unwrap();
    let error = relayer.run_to_completion(id).await.unwrap_err();
    assert!(matches!(error, RelayerError::NoFunds { .. }), "{error}");
    assert!(error.to_string().contains("send it funds"), "{error}");
    desk.chain.set_balance(&desk.key, U256::from(10).pow(U256::from(18))).await.unwrap();
    assert_eq!(relayer.run_to_completion(id).await.unwrap().state, JobState::Finalized);
}

#[tokio::test]
async fn a_port_in_use_is_reported_by_the_development_chain() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let binary = find_anvil(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let options = DevChainOptions { binary: Some(binary), port, ..Default::default() };
    let error = DevChain::start(&options).unwrap_err().to_string();
    assert!(error.contains("cannot start"), "{error}");
    assert!(error.to_lowercase().contains("in use"), "{error}");
}

/// One of two endpoints takes transactions and keeps them, and lies about gas and prices.
#[tokio::test]
async fn an_endpoint_that_lies_where_nobody_has_to_agree_stops_nothing() {
    let mut desk = Desk::new().await;
    let contract = desk.deploy(&desk.open().await).await;
    let tip = format!("{:#x}", 900 * GWEI);
    let liar = Server::before(desk.chain.url(), move |method, _| match method {
        "eth_sendRawTransaction" => Some(Reply::Result(json!(B256::ZERO))),
        "eth_estimateGas" => Some(Reply::Error(
            json!({ "code": 3, "message": "execution reverted", "data": "0xdeadbeef" }),
        )),
        "eth_feeHistory" => Some(Reply::Result(json!({
            "oldestBlock": "0x0", "baseFeePerGas": vec!["0x1"; 21],
            "gasUsedRatio": vec![0.5; 20], "reward": vec![[&tip]; 20],
        }))),
        "eth_maxPriorityFeePerGas" => Some(Reply::Result(json!(tip))),
        _ => None,
    })
    .await;
    let honest = desk.chain.url().into();
    for (rpc_urls, quorum) in [
        (vec![liar.url().into(), honest], 2),
        (vec![desk.chain.url().into(), liar.url().into()], 1),
    ] {
        desk.config.node.rpc_urls = rpc_urls;
        desk.config.node.quorum = quorum;
        let relayer = desk.open().await;
        let key = format!("quorum {quorum}");
        let status = submit_and_run(&relayer, counter(contract, COUNT, &key)).await;
        assert_eq!(status.state, JobState::Finalized, "{status:?}");
        assert_eq!(status.attempts.len(), 1, "{status:?}");
        assert!(status.attempts[0].fees.tip <= 2 * GWEI, "{status:?}");
    }
    assert_eq!(desk.count(contract).await, U256::from(2));
}

#[tokio::test]
async fn servers_that_talk_nonsense_or_nothing_are_typed_errors() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let answers = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "JSON-RPC endpoint"),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "404"),
        ("HTTP/1.1 429 Too Many\r\ncontent-length: 0\r\n\r\n", "slow down"),
        ("HTTP/1.1 503 Gone\r\ncontent-length: 0\r\n\r\n", "503"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 39\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":\"moon\"}",
            "JSON-RPC endpoint",
        ),
        ("SSH-2.0-OpenSSH\r\n", "start the node"),
        ("", "the node is overloaded"),
    ];
    for (answer, hint) in answers {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(answer.as_bytes()).await;
                open.push(socket);
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(&folder.path().join("relayer.db")).await.unwrap();
        let mut config = RelayerConfig::development(url);
        config.node.rpc_timeout = Duration::from_secs(2);
        let key = PrivateKeySigner::random();
        let error = Relayer::open(config, key.into(), storage, decode).await.unwrap_err();
        assert!(matches!(error, RelayerError::Rpc(_)), "{answer}: {error}");
        assert!(error.to_string().contains(hint), "{answer}: {error}");
        server.abort();
    }
}
