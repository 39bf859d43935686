//! Opening a relayer: what has to be right before the first job.

use std::{fs, sync::Arc};

use alloy::{
    primitives::{U256, keccak256},
    signers::local::PrivateKeySigner,
};
use verdict_relayer::{
    Relayer, RelayerConfig, RelayerError, RelayerSigner, StandardDecoder, Storage, StorageError,
    backend::RpcErrorKind, storage::place,
};

use crate::{
    bench::{Bench, call},
    chain::Fault,
};

#[tokio::test]
async fn a_wrong_chain_id_is_refused_with_both_numbers() {
    let mut bench = Bench::new();
    bench.config.node.chain_id = Some(1);
    let error = bench.try_open().await.unwrap_err();
    assert!(matches!(error, RelayerError::WrongChain { expected: 1, found: 7992, .. }), "{error}");
}

#[tokio::test]
async fn a_setting_out_of_range_is_refused_before_anything_is_asked() {
    let mut bench = Bench::new();
    bench.config.bump_percent = 1;
    let error = bench.try_open().await.unwrap_err();
    assert!(error.to_string().contains("bump_percent"), "{error}");
}

#[tokio::test]
async fn a_dead_endpoint_is_a_typed_error_with_a_hint() {
    let bench = Bench::new();
    bench.chain.faults("chain_id", [Fault::Unreachable]);
    let error = bench.try_open().await.unwrap_err();
    assert!(matches!(&error, RelayerError::Rpc(e) if e.kind == RpcErrorKind::Unreachable));
    assert!(error.to_string().contains("start the node or correct the RPC URL"), "{error}");
}

#[tokio::test]
async fn a_chain_without_base_fees_is_refused() {
    let bench = Bench::new();
    bench.chain.state().has_base_fee = false;
    let error = bench.try_open().await.unwrap_err();
    assert!(matches!(error, RelayerError::NoBaseFee { .. }), "{error}");
}

#[tokio::test]
async fn a_key_has_one_owner_at_a_time() {
    let bench = Bench::new();
    let first = bench.open().await;
    let error = bench.try_open().await.unwrap_err();
    assert!(matches!(error, RelayerError::Storage(StorageError::InUse { .. })), "{error}");
    let holder = format!("process {} (", std::process::id());
    assert!(error.to_string().starts_with(&holder), "{error}");
    drop(first);
    bench.open().await;
}

#[tokio::test]
async fn two_ways_to_one_file_and_two_files_with_one_place_for_locks_share_the_lock() {
    let bench = Bench::new();
    let folder = bench.folder.path();
    let open = async |storage: Storage| {
        let (chain, clock) = (bench.chain.clone(), bench.clock.clone());
        let key = bench.key.clone().into();
        Relayer::with_backend(bench.config.clone(), key, storage, StandardDecoder, chain, clock)
            .await
    };
    fs::create_dir(folder.join("real")).unwrap();
    std::os::unix::fs::symlink(folder.join("real"), folder.join("link")).unwrap();
    let first = open(Storage::open(&folder.join("real/jobs.db")).await.unwrap()).await.unwrap();
    let linked = Storage::open(&folder.join("link/jobs.db")).await.unwrap();
    let error = open(linked).await.unwrap_err();
    assert!(matches!(error, RelayerError::Storage(StorageError::InUse { .. })), "{error}");
    drop(first);

    let at =
        async |name: &str| Storage::open(&folder.join(name)).await.unwrap().with_locks_in(folder);
    let first = open(at("one.db").await).await.unwrap();
    let error = open(at("other.db").await).await.unwrap_err();
    assert!(matches!(error, RelayerError::Storage(StorageError::InUse { .. })), "{error}");
    drop(first);
    open(at("other.db").await).await.unwrap();
}

#[tokio::test]
async fn a_new_development_chain_with_the_same_id_is_not_taken_for_the_old_one() {
    let bench = Bench::new();
    drop(bench.open().await);
    bench.chain.state().replace_genesis();
    let error = bench.try_open().await.unwrap_err();
    assert!(matches!(error, RelayerError::Storage(StorageError::ForeignChain { .. })), "{error}");
}

#[tokio::test]
async fn a_node_without_the_first_block_begins_no_database() {
    let bench = Bench::new();
    bench.chain.state().without_genesis = true;
    let error = bench.try_open().await.unwrap_err();
    assert!(matches!(error, RelayerError::NoGenesis { chain_id: 7992, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("block 0") && text.contains("--rpc-url"), "{text}");
    let error = place::genesis(bench.chain.as_ref()).await.unwrap_err();
    assert!(matches!(error, RelayerError::NoGenesis { .. }), "{error}");
    bench.chain.state().without_genesis = false;
    bench.open().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let bench = Bench::new();
    fs::write(bench.folder.path().join("relayer.db"), vec![0x5A; 10_000]).unwrap();
    let error = bench.try_open().await.unwrap_err();
    assert!(matches!(error, RelayerError::Storage(StorageError::Open { .. })), "{error}");
    let nowhere = bench.folder.path().join("no/such/folder/relayer.db");
    let error = Storage::open(&nowhere).await.unwrap_err().to_string();
    assert!(error.contains("no/such/folder") && error.contains("check the path"), "{error}");
}

#[tokio::test]
async fn a_damaged_row_is_an_error_and_not_a_panic() {
    use sqlx::{Connection, SqliteConnection};
    for damage in [
        "UPDATE jobs SET state = 'sleeping'",
        "UPDATE jobs SET kind = 'unkind'",
        "UPDATE jobs SET value = 'much'",
        "UPDATE jobs SET target = '0x12'",
        "UPDATE jobs SET nonce = -5",
        "UPDATE jobs SET receipt = '{'",
        "UPDATE jobs SET state = 'rejected', reason = NULL",
    ] {
        let bench = Bench::new();
        let relayer = bench.open().await;
        let id = relayer.submit(call("a")).await.unwrap();
        let path = bench.folder.path().join("relayer.db");
        let url = format!("sqlite://{}", path.display());
        let mut file = SqliteConnection::connect(&url).await.unwrap();
        sqlx::query(damage).execute(&mut file).await.unwrap();
        let error = relayer.run_to_completion(id).await.unwrap_err();
        let corrupt = matches!(error, RelayerError::Storage(StorageError::Corrupt { .. }));
        assert!(corrupt, "{damage}: {error}");
    }
}

#[tokio::test]
async fn endpoints_that_are_no_urls_or_hold_keys_are_never_shown() {
    let secret = "s3cr3t";
    let open = async |url: String| {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(&folder.path().join("relayer.db")).await.unwrap();
        let key = PrivateKeySigner::from_bytes(&keccak256("another key")).unwrap();
        let config = RelayerConfig::development(url);
        let relayer = Relayer::open(config, key.into(), storage, StandardDecoder).await;
        relayer.unwrap_err().to_string()
    };
    // Port 1 is closed everywhere.
    let error = open(format!("http://user:{secret}@127.0.0.1:1/v3/{secret}?key={secret}")).await;
    assert!(error.contains("http://127.0.0.1:1:") && error.contains("start the node"), "{error}");
    assert!(!error.contains(secret), "{error}");
    for url in [format!("not a url {secret}"), format!("ftp://{secret}"), String::new()] {
        let error = open(url).await;
        assert!(error.contains("rpc_urls") && !error.contains(secret), "{error}");
    }
}

#[tokio::test]
async fn neither_debug_output_nor_the_database_holds_the_private_key() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    bench.complete(&relayer, "a").await;
    let secret = bench.key.to_bytes();
    let digits = format!("{:x}", U256::from_be_bytes(secret.0));
    let shown = format!("{relayer:?} {:?}", RelayerSigner::from(bench.key.clone()));
    assert!(!shown.contains(&digits), "{shown}");
    for file in fs::read_dir(bench.folder.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(32).any(|window| window == secret.as_slice()));
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        assert!(!text.contains(&digits));
    }
    assert!(Arc::strong_count(&bench.chain) > 1);
}
