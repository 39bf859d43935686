//! Turning revert data into words.
//!
//! The relayer does not know the contracts it calls. Whoever builds it passes a
//! [`RevertDecoder`]; [`StandardDecoder`] knows Solidity's own `Error(string)` and
//! `Panic(uint256)` and shows everything else as hex.

use std::fmt;

use alloy::{
    hex,
    primitives::Bytes,
    sol_types::{Panic, Revert, SolError},
};
use serde::{Deserialize, Serialize};

/// A revert in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecodedRevert {
    /// The error's name, for example `ProofAlreadyUsed`.
    pub name: String,
    /// The error with its arguments, as one line.
    pub message: String,
    /// True if the error says that the very effect of this call is on chain already; the
    /// job then counts as done.
    pub already_recorded: bool,
    /// The bytes that were decoded.
    pub data: Bytes,
}

impl fmt::Display for DecodedRevert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Decodes the revert data of the contracts that a relayer calls.
pub trait RevertDecoder: Send + Sync {
    /// Decodes `data`; never fails, unknown data is shown as hex.
    fn decode(&self, data: &Bytes) -> DecodedRevert;
}

impl<F: Fn(&Bytes) -> DecodedRevert + Send + Sync> RevertDecoder for F {
    fn decode(&self, data: &Bytes) -> DecodedRevert {
        self(data)
    }
}

/// Knows `Error(string)` and `Panic(uint256)` only.
#[derive(Clone, Copy, Debug, Default)]
pub struct StandardDecoder;

/// Longest revert data or reason shown; a contract may return any amount.
const SHOWN: usize = 256;

impl RevertDecoder for StandardDecoder {
    fn decode(&self, data: &Bytes) -> DecodedRevert {
        let (name, message) = if data.is_empty() {
            ("".to_owned(), "no reason (empty revert data)".to_owned())
        } else if let Ok(revert) = Revert::abi_decode(data) {
            let reason: String = revert.reason.chars().take(SHOWN).collect();
            ("Error".to_owned(), format!("Error({reason:?})"))
        } else if let Ok(panic) = Panic::abi_decode(data) {
            ("Panic".to_owned(), format!("Panic(0x{:02x}): {panic}", panic.code))
        } else {
            let shown = data.get(..SHOWN.min(data.len())).unwrap_or_default();
            let name = format!("0x{}", hex::encode(data.get(..4).unwrap_or(data)));
            (name, format!("an unknown error 0x{}", hex::encode(shown)))
        };
        DecodedRevert { name, message, already_recorded: false, data: data.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::sol_types::PanicKind;

    #[test]
    fn solidity_s_own_errors_are_decoded() {
        let revert = Revert::from("paused").abi_encode().into();
        assert_eq!(StandardDecoder.decode(&revert).message, "Error(\"paused\")");
        let panic = Panic::from(PanicKind::DivisionByZero).abi_encode().into();
        assert!(StandardDecoder.decode(&panic).message.starts_with("Panic(0x12)"));
    }

    #[test]
    fn unknown_empty_short_and_huge_data_are_shown_and_bounded() {
        for length in [0, 1, 3, 4, 5, 31, 100_000] {
            let decoded = StandardDecoder.decode(&vec![0xAB; length].into());
            assert!(decoded.message.len() < 3 * SHOWN, "{length}");
            assert!(!decoded.already_recorded);
        }
    }
}
