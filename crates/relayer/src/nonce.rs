//! Nonces: one owner, one reservation at a time.
//!
//! The database knows every nonce that was ever given away, the chain knows what was used
//! outside, and the larger of the two answers is the next one, if they are not too far apart
//! to be believed. A [`Reservation`] holds the only permission to sign for a new nonce;
//! storing the signed transaction makes it taken, and dropping the reservation before that
//! rolls it back, because then nothing was recorded. It is held until the first broadcast is
//! over, so nodes see nonces in order.

use tokio::sync::{Mutex, MutexGuard};

use crate::{drive::Core, error::RelayerError};

/// Gives out the nonces of one sender.
#[derive(Debug, Default)]
pub(crate) struct Nonces {
    turn: Mutex<()>,
}

/// The right to sign for the next nonce.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    nonce: u64,
    _turn: MutexGuard<'a, ()>,
}

impl Reservation<'_> {
    pub(crate) const fn nonce(&self) -> u64 {
        self.nonce
    }
}

impl Core {
    /// Waits for the turn and finds the next nonce.
    pub(crate) async fn reserve(&self) -> Result<Reservation<'_>, RelayerError> {
        let turn = self.nonces.turn.lock().await;
        Ok(Reservation { nonce: self.next_nonce().await?, _turn: turn })
    }
}
