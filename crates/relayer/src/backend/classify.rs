//! What an RPC error means, decided in one table.
//!
//! Nodes agree on few error codes for a refused transaction, so their words decide. The
//! table lists the wording of geth, reth, Nethermind, Besu, Erigon and anvil; the first
//! line that fits wins. Words nobody listed mean "try again later", never "give up". Reverts
//! are not here: they are known by their data.

use thiserror::Error;

/// What an RPC error means for a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RpcErrorKind {
    /// The nonce is used: by this job's own transaction, or by another one.
    NonceTooLow,
    /// A lower nonce is missing.
    NonceTooHigh,
    /// The node has this very transaction: as good as accepted.
    AlreadyKnown,
    /// Below what the pool accepts.
    Underpriced,
    /// Not enough above the transaction it would replace.
    ReplacementUnderpriced,
    /// The fee cap is below the base fee.
    FeeCapTooLow,
    /// The sender cannot pay.
    InsufficientFunds,
    /// The gas limit is below what the bytes alone cost.
    IntrinsicGas,
    /// More gas than a block or a transaction may have.
    GasAboveLimit,
    /// Can never be accepted: wrong type, signature, size or chain.
    Invalid,
    /// The pool is full.
    PoolFull,
    /// The node does not have that block (yet).
    UnknownBlock,
    /// Nobody answers.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// Too many requests.
    RateLimited,
    /// The endpoint serves another chain than it should.
    WrongChain {
        /// Chain in the configuration, or of the endpoint that answered first.
        expected: u64,
        /// Chain at the endpoint.
        found: u64,
    },
    /// The answer makes no sense, or has no end.
    Malformed,
    /// The endpoint wants a key, or another one.
    AccessDenied,
    /// Two endpoints say different things where money depends on it.
    Disagreement,
    /// Anything else.
    Other,
}

impl RpcErrorKind {
    /// True if the endpoint, not the request, is at fault: another one may answer.
    pub const fn is_endpoint_fault(self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::TimedOut
                | Self::RateLimited
                | Self::WrongChain { .. }
                | Self::Malformed
                | Self::AccessDenied
        )
    }

    /// True if nobody answered: asked again, the same endpoints may.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Unreachable | Self::TimedOut | Self::RateLimited)
    }

    /// True if a higher price may help.
    pub const fn wants_higher_price(self) -> bool {
        matches!(self, Self::Underpriced | Self::ReplacementUnderpriced | Self::FeeCapTooLow)
    }

    /// True if no node will ever accept these bytes.
    pub const fn is_permanent(self) -> bool {
        matches!(self, Self::IntrinsicGas | Self::GasAboveLimit | Self::Invalid)
    }

    /// What a user can do, if there is anything.
    const fn hint(self) -> &'static str {
        match self {
            Self::Unreachable => "; start the node or correct the RPC URL",
            Self::TimedOut => "; the node is overloaded, or the RPC URL is wrong",
            Self::RateLimited => "; slow down, or use an endpoint with a higher limit",
            Self::Malformed => "; is this an Ethereum JSON-RPC endpoint?",
            Self::InsufficientFunds => "; send the sender funds",
            Self::WrongChain { .. } => "; correct the RPC URL or the chain id",
            Self::AccessDenied => "; check the key in the RPC URL",
            Self::Disagreement => "; one of them lags far behind or is wrong: leave it out",
            _ => "",
        }
    }
}

/// An RPC request that failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{method} at {endpoint}: {message}{}", kind.hint())]
pub struct RpcError {
    /// What it means.
    pub kind: RpcErrorKind,
    /// The JSON-RPC method.
    pub method: &'static str,
    /// The endpoint, without path or credentials.
    pub endpoint: String,
    /// The node's words, shortened.
    pub message: String,
}

/// Longest message of a node that is kept.
const SHOWN: usize = 300;

impl RpcError {
    /// An error answered by a node, classified by its code and words.
    pub fn answered(endpoint: &str, method: &'static str, code: i64, message: &str) -> Self {
        Self::new(classify(code, message), endpoint, method, message)
    }

    /// An error of a known kind.
    pub fn new(kind: RpcErrorKind, endpoint: &str, method: &'static str, message: &str) -> Self {
        let message = message.chars().take(SHOWN).collect();
        Self { kind, method, endpoint: endpoint.to_owned(), message }
    }
}

use RpcErrorKind as Kind;

/// Words (lower case) and what they mean. More special lines come first.
const WORDS: &[(&str, RpcErrorKind)] = &[
    ("nonce too low", Kind::NonceTooLow),
    ("nonce is too low", Kind::NonceTooLow),
    ("oldnonce", Kind::NonceTooLow),
    ("nonce too high", Kind::NonceTooHigh),
    ("nonce too far", Kind::NonceTooHigh),
    ("noncegap", Kind::NonceTooHigh),
    ("future transaction tries to replace pending", Kind::NonceTooHigh),
    ("already known", Kind::AlreadyKnown),
    ("alreadyknown", Kind::AlreadyKnown),
    ("known transaction", Kind::AlreadyKnown),
    ("already imported", Kind::AlreadyKnown),
    ("already exists", Kind::AlreadyKnown),
    ("replacement transaction underpriced", Kind::ReplacementUnderpriced),
    ("replacement underpriced", Kind::ReplacementUnderpriced),
    ("replacementnotallowed", Kind::ReplacementUnderpriced),
    ("could not replace existing", Kind::ReplacementUnderpriced),
    ("another transaction with same nonce", Kind::ReplacementUnderpriced),
    ("less than block base fee", Kind::FeeCapTooLow),
    ("below current base fee", Kind::FeeCapTooLow),
    ("fee cap less than block", Kind::FeeCapTooLow),
    ("feetoolow", Kind::Underpriced),
    ("underpriced", Kind::Underpriced),
    ("gas price too low", Kind::Underpriced),
    ("insufficient funds", Kind::InsufficientFunds),
    ("insufficientfunds", Kind::InsufficientFunds),
    ("insufficient balance", Kind::InsufficientFunds),
    ("upfront cost exceeds", Kind::InsufficientFunds),
    ("transaction would cause overdraft", Kind::InsufficientFunds),
    ("intrinsic gas", Kind::IntrinsicGas),
    ("floor data gas", Kind::IntrinsicGas),
    ("exceeds block gas limit", Kind::GasAboveLimit),
    ("gas limit too high", Kind::GasAboveLimit),
    ("gaslimitexceeded", Kind::GasAboveLimit),
    ("gas required exceeds", Kind::GasAboveLimit),
    ("exceeds transaction gas limit", Kind::GasAboveLimit),
    ("out of gas", Kind::GasAboveLimit),
    ("pool is full", Kind::PoolFull),
    ("account limit exceeded", Kind::PoolFull),
    ("transaction type not supported", Kind::Invalid),
    ("oversized data", Kind::Invalid),
    ("invalid sender", Kind::Invalid),
    ("invalid signature", Kind::Invalid),
    ("invalid chain id", Kind::Invalid),
    ("invalid chainid", Kind::Invalid),
    ("max initcode size exceeded", Kind::Invalid),
    ("header not found", Kind::UnknownBlock),
    ("unknown block", Kind::UnknownBlock),
    ("block not found", Kind::UnknownBlock),
    ("missing trie node", Kind::UnknownBlock),
    ("too many requests", Kind::RateLimited),
    ("rate limit", Kind::RateLimited),
    ("request limit", Kind::RateLimited),
    ("timed out", Kind::TimedOut),
    ("timeout", Kind::TimedOut),
];

/// The meaning of an error with this JSON-RPC code and these words.
pub fn classify(code: i64, message: &str) -> RpcErrorKind {
    let words = message.to_lowercase();
    if let Some((_, kind)) = WORDS.iter().find(|(part, _)| words.contains(part)) {
        return *kind;
    }
    match code {
        429 | -32005 => RpcErrorKind::RateLimited,
        _ => RpcErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_real_nodes_are_understood() {
        let cases = [
            ("nonce too low: next nonce 7, tx nonce 3", Kind::NonceTooLow),
            ("OldNonce", Kind::NonceTooLow),
            ("INTERNAL_ERROR: nonce too low", Kind::NonceTooLow),
            ("nonce too high", Kind::NonceTooHigh),
            ("NonceGap, Future nonce. Expected nonce: 2", Kind::NonceTooHigh),
            ("already known", Kind::AlreadyKnown),
            ("AlreadyKnown", Kind::AlreadyKnown),
            ("Known transaction", Kind::AlreadyKnown),
            ("transaction already imported", Kind::AlreadyKnown),
            ("transaction underpriced: tip needed 1, tip permitted 0", Kind::Underpriced),
            ("FeeTooLow, MaxFeePerGas too low", Kind::Underpriced),
            ("replacement transaction underpriced", Kind::ReplacementUnderpriced),
            ("INTERNAL_ERROR: could not replace existing tx", Kind::ReplacementUnderpriced),
            ("max fee per gas less than block base fee: address 0x1", Kind::FeeCapTooLow),
            ("Gas price below current base fee", Kind::FeeCapTooLow),
            ("insufficient funds for gas * price + value", Kind::InsufficientFunds),
            ("Insufficient funds for gas * price + value", Kind::InsufficientFunds),
            ("Upfront cost exceeds account balance", Kind::InsufficientFunds),
            ("intrinsic gas too low: have 1, want 21000", Kind::IntrinsicGas),
            ("insufficient gas for floor data gas cost", Kind::IntrinsicGas),
            ("exceeds block gas limit", Kind::GasAboveLimit),
            ("transaction gas limit too high (cap: 16777216, tx: 2)", Kind::GasAboveLimit),
            ("gas required exceeds allowance (21000)", Kind::GasAboveLimit),
            ("txpool is full", Kind::PoolFull),
            ("transaction type not supported", Kind::Invalid),
            ("operation reverted due to overload", Kind::Other),
            ("header not found", Kind::UnknownBlock),
            ("daily request limit reached", Kind::RateLimited),
            ("the moon is in the wrong phase", Kind::Other),
            ("", Kind::Other),
        ];
        for (message, kind) in cases {
            assert_eq!(classify(-32000, message), kind, "{message}");
        }
        assert_eq!(classify(-32005, "slow down"), Kind::RateLimited);
    }

    #[test]
    fn every_line_of_the_table_can_be_reached() {
        for (words, kind) in WORDS {
            assert_eq!(classify(0, words), *kind, "{words} is shadowed by an earlier line");
        }
    }

    #[test]
    fn an_endless_message_is_shortened() {
        let error = RpcError::answered("node", "eth_call", 0, &"x".repeat(1 << 20));
        assert!(error.to_string().len() < 400);
    }
}
