//! What a node's answers may cost: counts that are too high, tips, totals, replacements.

use alloy::primitives::{Address, U256};
use sqlx::{
    Connection, SqlSafeStr, SqliteConnection,
    migrate::{Migration, MigrationType, Migrator},
};
use verdict_relayer::{JobState, RelayerError, StorageError, fees::GWEI};

use crate::{
    bench::{Bench, assert_finalized, call},
    chain::Fault,
};

#[tokio::test]
async fn one_count_406_too_high_costs_nothing() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    bench.chain.state().pending_lie = 406;
    let error = relayer.run_to_completion(id).await.unwrap_err();
    assert!(matches!(error, RelayerError::NonceDistance { found: 406, known: 0, .. }), "{error}");
    assert!(matches!(relayer.resume().await, Err(RelayerError::NonceDistance { .. })));
    assert!(bench.chain.state().sends.is_empty());
    bench.chain.state().pending_lie = 0;
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
    assert_eq!(bench.chain.state().mined(), 1);
}

#[tokio::test]
async fn gaps_are_filled_up_to_the_number_allowed_and_counted_before() {
    let mut bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    // Of a key that is new here, anything may have been mined.
    bench.chain.state().latest_lie = 40;
    bench.chain.state().pending_lie = 40;
    relayer.run_to_completion(id).await.unwrap_err();
    bench.chain.state().latest_lie = 0;
    bench.chain.state().pending_lie = 0;
    assert_eq!(relayer.status(id).await.unwrap().nonce, Some(40));
    drop(relayer);
    let sends = bench.chain.state().sends.len();
    let relayer = bench.open().await;
    let error = relayer.resume().await.unwrap_err();
    let told = matches!(error, RelayerError::TooManyGaps { count: 40, first: 0, limit: 16, .. });
    assert!(told && error.to_string().contains("--max-gaps"), "{error}");
    assert_eq!(bench.chain.state().sends.len(), sends);
    drop(relayer);
    bench.config.max_gaps = 40;
    let relayer = bench.open().await;
    assert_eq!(relayer.resume().await.unwrap().len(), 41);
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    assert_eq!(bench.counts(b"a"), (1, 41));
}

#[tokio::test]
async fn a_count_far_from_what_the_database_knows_is_not_believed() {
    let mut bench = Bench::new();
    let relayer = bench.open().await;
    for name in ["a", "b", "c"] {
        bench.complete(&relayer, name).await;
    }
    bench.chain.state().latest_lie = 406;
    bench.chain.state().pending_lie = 406;
    let id = relayer.submit(call("d")).await.unwrap();
    let error = relayer.run_to_completion(id).await.unwrap_err();
    let told = matches!(error, RelayerError::NonceDistance { found: 409, known: 3, limit: 64, .. });
    assert!(told && error.to_string().contains("--max-nonce-distance"), "{error}");
    assert!(matches!(relayer.resume().await, Err(RelayerError::NonceDistance { .. })));
    drop(relayer);
    // Too low: three final transactions would all be undone.
    bench.chain.state().latest_lie = 0;
    bench.chain.state().pending_lie = 0;
    bench.chain.state().latest_told = Some(0);
    bench.config.max_nonce_distance = 2;
    let relayer = bench.open().await;
    let error = relayer.resume().await.unwrap_err();
    assert!(matches!(error, RelayerError::NonceDistance { found: 0, known: 3, .. }), "{error}");
    assert_eq!(bench.chain.state().sends.len(), 3);
}

#[tokio::test]
async fn a_count_near_2_to_the_63_is_refused_and_the_database_stays_readable() {
    let bench = Bench::new();
    for lie in [1 << 40, i64::MAX as u64 - 1, i64::MAX as u64, u64::MAX] {
        let relayer = bench.open().await;
        let id = relayer.submit(call("a")).await.unwrap();
        bench.chain.state().latest_lie = lie;
        bench.chain.state().pending_lie = lie;
        let error = relayer.run_to_completion(id).await.unwrap_err();
        let refused = matches!(error, RelayerError::Storage(StorageError::OutOfRange { .. }));
        assert!(refused, "{lie}: {error}");
        bench.chain.state().latest_lie = 0;
        bench.chain.state().pending_lie = 0;
        drop(relayer);
        let relayer = bench.open().await;
        assert_eq!(relayer.resume().await.unwrap(), [id]);
        assert_eq!(relayer.status(id).await.unwrap().state, JobState::Queued);
    }
    assert!(bench.chain.state().sends.is_empty());
    let relayer = bench.open().await;
    assert_finalized(&bench.complete(&relayer, "a").await);
}

#[tokio::test]
async fn a_database_that_an_earlier_version_filled_with_impossible_nonces_is_mended() {
    let bench = Bench::new();
    let path = bench.folder.path().join("relayer.db");
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut file = SqliteConnection::connect(&url).await.unwrap();
    let first = include_str!("../../migrations/0001_jobs.sql").into_sql_str();
    let first = Migration::new(1, "jobs".into(), MigrationType::Simple, first, false);
    Migrator::with_migrations(vec![first]).run_direct(None, &mut file, false).await.unwrap();
    let sender: Address = bench.key.address();
    let target = crate::chain::contract();
    for (id, kind, state, nonce) in [
        (1, "call", "submitted", i64::MAX),
        (2, "gap", "queued", 1 << 40),
        (3, "gap", "queued", (1 << 40) + 1),
        (4, "gap", "queued", 3),
    ] {
        let insert = format!(
            "INSERT INTO jobs VALUES ({id}, 7992, '{sender}', 'key {id}', 'label', '{kind}',
             '{target}', X'61', '0', '{state}', NULL, {nonce}, NULL, 0, 0)"
        );
        sqlx::query(sqlx::AssertSqlSafe(insert)).execute(&mut file).await.unwrap();
    }
    let attempt = format!(
        "INSERT INTO attempts VALUES (1, 1, 7992, '{sender}', {}, '0x{}', X'00', '1', '1', 21000,
         'accepted', 0, 0)",
        i64::MAX,
        "11".repeat(32)
    );
    sqlx::query(sqlx::AssertSqlSafe(attempt)).execute(&mut file).await.unwrap();
    file.close().await.unwrap();
    let relayer = bench.open().await;
    let pending = relayer.resume().await.unwrap();
    assert_eq!(pending.len(), 1, "{pending:?}");
    let status = relayer.run_to_completion(pending[0]).await.unwrap();
    assert_finalized(&status);
    assert_eq!(status.nonce, Some(0));
    assert_eq!(bench.counts(b"a"), (1, 1));
}

#[tokio::test]
async fn a_first_offer_pays_what_the_newest_blocks_paid_or_what_the_node_suggests() {
    let tip = async |paid: Vec<u128>, fault: Fault| {
        let bench = Bench::new();
        bench.chain.state().paid_tips = paid;
        bench.chain.faults("paid_tips", [fault]);
        let relayer = bench.open().await;
        let status = bench.complete(&relayer, "a").await;
        assert_finalized(&status);
        status.attempts[0].fees.tip
    };
    assert_eq!(tip(vec![3 * GWEI; 12], Fault::Pass).await, 3 * GWEI);
    // Too few blocks, none, no history: the suggestion.
    assert_eq!(tip(vec![3 * GWEI; 4], Fault::Pass).await, GWEI);
    assert_eq!(tip(vec![], Fault::Pass).await, GWEI);
    assert_eq!(tip(vec![3 * GWEI; 12], Fault::Refuse("no such method")).await, GWEI);
    // No answer is none: it is asked again.
    assert_eq!(tip(vec![3 * GWEI; 12], Fault::Unreachable).await, 3 * GWEI);
}

#[tokio::test]
async fn a_suggested_tip_is_paid_up_to_its_cap_and_the_job_says_so() {
    let bench = Bench::new();
    bench.chain.state().suggested_tip = 499 * GWEI;
    bench.chain.state().mined_from_tip = u128::MAX;
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let error = relayer.run_to_completion(id).await.unwrap_err().to_string();
    let status = relayer.status(id).await.unwrap();
    // Room for one replacement is left below it.
    let offered = 50 * GWEI * 10 / 11;
    assert!(status.attempts.iter().all(|attempt| attempt.fees.tip == offered), "{status:?}");
    let note = status.note.unwrap();
    assert!(note.contains("--max-tip"), "{note}");
    assert!(error.contains(&note), "{error}");
    bench.chain.state().mined_from_tip = 0;
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    assert_eq!(status.note, None);
}

#[tokio::test]
async fn a_transaction_above_the_cap_on_its_cost_waits_unsigned_and_says_so() {
    let bench = Bench::new();
    bench.chain.state().balance = U256::MAX;
    bench.chain.state().gas_needed = 10_000_000;
    bench.chain.state().base_fee = 100 * GWEI;
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let error = relayer.run_to_completion(id).await.unwrap_err().to_string();
    let status = relayer.status(id).await.unwrap();
    assert_eq!((&status.state, status.attempts.len()), (&JobState::Queued, 0));
    let note = status.note.unwrap();
    // 12 million gas at 201 gwei.
    assert!(note.contains("2.412") && note.contains("--max-cost"), "{note}");
    assert!(error.contains(&note), "{error}");
    bench.chain.state().base_fee = 10 * GWEI;
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
}

#[tokio::test]
async fn replacements_end_at_a_multiple_of_the_first_offer_and_the_job_says_so() {
    let mut bench = Bench::new();
    bench.config.max_raise = 2;
    bench.chain.state().mined_from_tip = u128::MAX;
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    relayer.run_to_completion(id).await.unwrap_err();
    let status = relayer.status(id).await.unwrap();
    let first = status.attempts[0].fees.max_fee;
    assert!(status.attempts.len() > 5);
    assert!(status.attempts.iter().all(|attempt| attempt.fees.max_fee <= 2 * first));
    assert!(status.note.unwrap().contains("--max-raise"));
    bench.chain.state().mined_from_tip = 0;
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
}

#[tokio::test]
async fn an_estimate_that_was_too_low_does_not_hold_the_nonce_for_ever() {
    let bench = Bench::new();
    bench.chain.state().mined_from_tip = u128::MAX;
    bench.chain.state().gas_needed = 21_000;
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    relayer.run_to_completion(id).await.unwrap_err();
    // More than ten times what was offered first.
    let needed = 400_000;
    bench.chain.state().gas_needed = needed;
    relayer.run_to_completion(id).await.unwrap_err();
    let last = relayer.status(id).await.unwrap().attempts.pop().unwrap();
    assert!(last.gas_limit >= needed, "{last:?}");
    bench.chain.state().mined_from_tip = 0;
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
}

#[tokio::test]
async fn what_is_signed_and_in_no_block_is_committed() {
    let bench = Bench::new();
    bench.chain.state().mined_from_tip = 100 * GWEI;
    let relayer = bench.open().await;
    assert!(relayer.committed().await.unwrap().is_zero());
    let id = relayer.submit(call("a")).await.unwrap();
    assert!(relayer.committed().await.unwrap().is_zero(), "nothing is signed");
    relayer.round().await.unwrap();
    let first = relayer.status(id).await.unwrap().attempts[0].clone();
    let cost = U256::from(first.fees.max_fee) * U256::from(first.gas_limit);
    assert_eq!(relayer.committed().await.unwrap(), cost);
    bench.chain.state().mined_from_tip = 0;
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
    assert!(relayer.committed().await.unwrap().is_zero(), "it is paid");
}
