//! One key is one process's.

use std::time::Duration;

use crate::store::Store;

/// How long a key is this process's without a word from it.
pub(super) const OWNED_MS: u64 = 60_000;

/// Keeps a key for its owner while a look at the chain takes long. Returns when it is another's, or may
/// be.
pub async fn keep_key(store: Store, key: String, owner: String) {
    let mut last = store.now_ms();
    loop {
        store.clock().sleep(Duration::from_millis(OWNED_MS / 6)).await;
        match store.own_sender(&key, &owner, OWNED_MS).await {
            Ok(true) => last = store.now_ms(),
            Ok(false) => return,
            // The word that was given last still counts for a while.
            Err(_) if store.now_ms() < last + OWNED_MS / 2 => {}
            Err(_) => return,
        }
    }
}
