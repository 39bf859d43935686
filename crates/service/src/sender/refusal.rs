//! What errors and refusals say of a proof: whether it may still be recorded.

use verdict::{ChainError, Error, Kind, SubmitError};
use verdict_relayer::Rejection;

use crate::job::{Reason, ReasonCode, State};

/// Why a proof is not recorded. What a node answers wrongly, not at all, or in words of its own is no
/// refusal: only what the oracle holds for good, and an error of the contract with its data, is one.
pub(super) enum Refusal {
    /// It is, for good.
    Recorded,
    /// It may pass.
    NotYet(Error),
    /// It will not.
    Final(Error),
}

/// Whether a failed question was answered by one of our contracts, in an error that it declares.
pub(super) fn is_answer(error: &ChainError) -> bool {
    matches!(error, ChainError::Reverted { revert, .. } if revert.name() != "Empty" && revert.name() != "Unknown")
}

/// Whether a contract said no, so that asking again is of no use.
pub(super) fn is_refusal(rejection: &Rejection) -> bool {
    // What was mined is paid for, and is not paid for again.
    matches!(rejection, Rejection::Reverted { .. })
        || rejection.revert().is_some_and(|revert| !revert.data.is_empty())
}

/// What ends a job that is refused.
pub(super) fn refusal(error: &Error) -> (State, Reason) {
    let code = match error {
        Error::Submit(error) => match **error {
            SubmitError::OtherRecord { .. } | SubmitError::OtherOutputs { .. } => {
                ReasonCode::NonceTaken
            }
            _ => ReasonCode::Refused,
        },
        _ if error.kind() == Kind::InvalidProof => ReasonCode::Proof,
        _ => ReasonCode::Refused,
    };
    (State::Rejected, Reason::new(code, error.to_string()))
}
