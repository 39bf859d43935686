//! One key is one process's.

use std::{future::Future, time::Duration};

use verdict_relayer::Relayer;

use crate::store::{Store, StoreError};

/// How long a key is this process's without a word from it.
pub(super) const OWNED_MS: u64 = 60_000;
/// How often it is said while a look at the chain takes long, and how long the database has to answer.
const AGAIN: Duration = Duration::from_millis(OWNED_MS / 6);

/// Says that a key is this service's: whether it is. The relayer, which keeps nothing on an old word, is
/// told when it was asked for.
pub(super) async fn own_key(
    store: &Store,
    relayer: &Relayer,
    key: &str,
    owner: &str,
) -> Result<bool, StoreError> {
    let asked = relayer.moment();
    let owns = store.own_sender(key, owner, OWNED_MS).await?;
    if owns {
        relayer.owned(asked, Duration::from_millis(OWNED_MS));
    }
    Ok(owns)
}

/// Keeps a key for its owner, by asking whether it `owns` it, while a look at the chain takes long.
/// Returns when it is another's, or may be.
pub async fn keep_key<F: Future<Output = Result<bool, StoreError>>>(
    store: Store,
    mut owns: impl FnMut() -> F,
) {
    let mut last = store.now_ms();
    loop {
        store.clock().sleep(AGAIN).await;
        let asked = store.now_ms();
        match tokio::time::timeout(AGAIN, owns()).await {
            Ok(Ok(true)) => last = asked,
            Ok(Ok(false)) => return,
            // The word that was given last still counts for a while.
            Ok(Err(_)) | Err(_) if store.now_ms() < last + OWNED_MS / 2 => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}
