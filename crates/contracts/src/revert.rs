//! Revert data in words.

use std::fmt;

use alloy_primitives::{Address, Bytes, FixedBytes, I256, U256, hex};
use alloy_sol_types::{Panic, Revert as StringRevert, SolError};

use crate::bindings::{
    InferenceOracle::{self, InferenceRefused},
    InputSource, ModelRegistry, SignerRegistry, VerdictVerifier,
};

/// What a contract answered instead of doing as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revert {
    /// A custom error of one of Verdict's contracts.
    Contract {
        /// The contract that declares the error.
        contract: &'static str,
        /// Name of the error.
        name: &'static str,
        /// The error's arguments in order: name and value as text.
        arguments: Vec<(&'static str, String)>,
    },
    /// One inference of a batch was refused, and with it the batch.
    Inference {
        /// Which one, from 0.
        index: U256,
        /// Why.
        reason: Box<Revert>,
    },
    /// Solidity's `Error(string)`.
    Message(String),
    /// Solidity's `Panic(uint256)`, with the meaning of its code.
    Panic(String),
    /// No data: out of gas, a failed assembly check, or no contract of ours at that address.
    Empty,
    /// An error that none of Verdict's contracts declares.
    Unknown {
        /// First four bytes, padded with zeros when there are fewer.
        selector: FixedBytes<4>,
        /// All bytes.
        data: Bytes,
    },
}

impl Revert {
    /// Name of the error, as in the contract's source where there is one.
    pub fn name(&self) -> &str {
        match self {
            Self::Contract { name, .. } => name,
            Self::Inference { .. } => "InferenceRefused",
            Self::Message(_) => "Error",
            Self::Panic(_) => "Panic",
            Self::Empty => "Empty",
            Self::Unknown { .. } => "Unknown",
        }
    }

    /// The value of an argument of a custom error.
    pub fn argument(&self, name: &str) -> Option<&str> {
        match self {
            Self::Contract { arguments, .. } => {
                arguments.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
            }
            _ => None,
        }
    }

    /// True when the oracle has already recorded a request with this very nonce for the subject.
    ///
    /// That is the answer to sending one recording twice. A greater recorded nonce is not: then the
    /// request was overtaken by another one.
    pub fn is_already_recorded(&self) -> bool {
        self.name() == "NonceAlreadyUsed"
            && self.argument("given").is_some()
            && self.argument("given") == self.argument("last")
    }

    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<&'static str> {
        if let Self::Inference { reason, .. } = self {
            return reason.hint();
        }
        Some(match self.name() {
            "AttestationsRequired" | "TooFewAttestations" => {
                "the model's approval demands statements of data providers about the inputs"
            }
            "AttestationExpired"
            | "AttestationIsRevoked"
            | "AttestationTooLong"
            | "SignerNotCounting" => "ask a data provider whose statements count for a new one",
            "SignerRemovedForGood" => "the provider returns with another account",
            "OfferLapsed" => "the registry's owner can propose the account again",
            "NotEnoughGas" => "give the call more gas",
            "InputsDiffer" => "the chain has other inputs by now; prove again with --from-source",
            "SchemaMismatch" => "the model was approved with a source of other inputs",
            "OtherReferenceString" => {
                "the setups were made with different SRS; submit their proofs apart"
            }
            "BatchSizeMismatch" => "use the setup that the model was deployed with",
            "NonceAlreadyUsed" => {
                "the request is recorded already or was overtaken; prove again with a greater nonce"
            }
            "NonceTooFar" => {
                "a nonce may exceed the last recorded one by 1000; prove again with the next one"
            }
            "VerificationDataMismatch" | "ModelCommitmentMismatch" => {
                "the registry has another model under this id than the one to be approved"
            }
            "ModelChanged" => {
                "the model is not what was approved; its verifier must not be trusted"
            }
            "OtherPolicyBefore" => {
                "what a model demands is fixed by its first approval; register it anew"
            }
            "DelegatedAccount" => "deploy a contract and name that; a delegation can change",
            "DeadlineExpired" => "prove again with a later deadline",
            "DeadlineTooFar" => "prove again with an earlier deadline",
            "InputCommitmentMismatch" => {
                "the proof was made for another chain, oracle, model or request"
            }
            "SubmitterNotAllowed" => "the oracle's owner can allow the account with addSubmitter",
            "ModelNotApproved" => "the oracle's owner can accept the model with approveModel",
            "PairingFailed" => "the proof is not of these outputs under this model's key",
            "InvalidKey" => "the key contract is not the model's; deploy the key again",
            "ModelNotFound" => "check the model id and the registry's address",
            "VerificationRefused_ModelDeprecated" => "use the model's successor",
            "EnforcedPause" => "the oracle is paused; its owner can resume with unpause",
            "OwnableUnauthorizedAccount" => "send this from the owner's account",
            "RegistryHasNoCode" => "check the registry's address, and the chain it is on",
            "InvalidTimeToLive" => "give from 1 second to 365 days",
            "Empty" => "check the contract's address and the gas limit",
            _ => return None,
        })
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contract { name, arguments, .. } => {
                write!(f, "{name}(")?;
                for (index, (argument, value)) in arguments.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}{argument}: {value}")?;
                }
                f.write_str(")")
            }
            Self::Inference { index, reason } => {
                write!(f, "InferenceRefused(index: {index}, reason: {reason})")
            }
            Self::Message(message) => write!(f, "Error({message:?})"),
            Self::Panic(meaning) => write!(f, "Panic({meaning})"),
            Self::Empty => f.write_str("reverted without a reason"),
            Self::Unknown { selector, data } => {
                write!(f, "unknown error {selector:?}, {} bytes: ", data.len())?;
                let shown = data.get(..MAX_SHOWN_BYTES).unwrap_or(data);
                let rest = if shown.len() < data.len() { "…" } else { "" };
                write!(f, "0x{}{rest}", hex::encode(shown))
            }
        }
    }
}

/// Unknown revert data is printed up to this length: a foreign contract may return any amount.
const MAX_SHOWN_BYTES: usize = 128;

/// Decodes the data of a reverted call. Never fails: foreign data is [`Revert::Unknown`].
pub fn decode_revert(data: &[u8]) -> Revert {
    match InferenceRefused::abi_decode_validate(data) {
        // Its reason is none of a batch again: what a contract returns cannot nest.
        Ok(InferenceRefused { index, reason }) => {
            Revert::Inference { index, reason: Box::new(decode_flat(&reason)) }
        }
        Err(_) => decode_flat(data),
    }
}

fn decode_flat(data: &[u8]) -> Revert {
    if data.is_empty() {
        return Revert::Empty;
    }
    if let Some(revert) = decode_custom(data) {
        return revert;
    }
    if let Ok(StringRevert { reason }) = StringRevert::abi_decode_validate(data) {
        return Revert::Message(reason.chars().take(1024).collect());
    }
    if let Ok(panic) = Panic::abi_decode_validate(data) {
        let meaning = match panic.kind() {
            Some(kind) => format!("{}: {}", panic.code, kind.as_str()),
            None => panic.code.to_string(),
        };
        return Revert::Panic(meaning);
    }
    let mut selector = [0; 4];
    for (to, from) in selector.iter_mut().zip(data) {
        *to = *from;
    }
    Revert::Unknown { selector: selector.into(), data: data.to_vec().into() }
}

/// An argument as people write it: numbers in decimal, addresses with their checksum, words whole.
trait Shown {
    fn shown(&self) -> String;
}

macro_rules! shown {
    ($format:literal: $($type:ty),*) => {
        $(impl Shown for $type {
            fn shown(&self) -> String {
                format!($format, self)
            }
        })*
    };
}

shown!("{}": Address, U256, I256, i64, u8);
shown!("{:?}": FixedBytes<4>, FixedBytes<32>, String);

/// Declares `decode_custom`, which tries each error listed, and `KNOWN_ERRORS`, their signatures.
macro_rules! custom_errors {
    ($($contract:ident { $($error:ident ( $($field:ident),* ) ,)* })*) => {
        fn decode_custom(data: &[u8]) -> Option<Revert> {
            $($(
                if let Ok(error) = $contract::$error::abi_decode_validate(data) {
                    let $contract::$error { $($field),* } = error;
                    return Some(Revert::Contract {
                        contract: stringify!($contract),
                        name: stringify!($error),
                        arguments: vec![$((stringify!($field), $field.shown())),*],
                    });
                }
            )*)*
            None
        }

        /// Contract and signature of every error that is decoded.
        #[cfg(test)]
        const KNOWN_ERRORS: &[(&str, &str)] =
            &[$($((stringify!($contract), $contract::$error::SIGNATURE),)*)*];
    };
}

custom_errors! {
    ModelRegistry {
        ModelNotFound(modelId),
        NotModelOwner(modelId, caller),
        ModelAlreadyDeprecated(modelId),
        UnsupportedProofSystem(proofSystemId),
        ModelNotVerifiable(modelId),
        VerificationAlreadyAttached(modelId),
        ModelAlreadySucceeded(modelId, successor),
        VerifierHasNoCode(verifier),
        DelegatedAccount(account),
        KeyHashMismatch(key, expected, actual),
        KeyIsNotData(key),
        NoOutputs(),
        NoInferences(),
        InvalidOutputRange(outputMin, outputMax),
        TooManyDecimals(decimals, max),
        NotPendingModelOwner(modelId, caller),
    }
    InferenceOracle {
        InvalidProof(),
        ModelMismatch(),
        InputCommitmentMismatch(),
        OutputMismatch(),
        UnsupportedProofSystem(proofSystemId),
        VerificationRefused_ModelDeprecated(modelId),
        SubmitterNotAllowed(caller),
        SubmitterAlreadyAllowed(submitter),
        TooManySubmitters(max),
        MalformedCalldata(),
        MalformedOutput(at),
        MalformedProof(at),
        ModelNotApproved(modelId),
        ModelAlreadyApproved(modelId),
        OtherPolicyBefore(modelId),
        ModelCommitmentMismatch(modelId, expected, actual),
        VerificationDataMismatch(modelId, expected, actual),
        VerifierCodeMismatch(verifier, expected, actual),
        KeyCodeMismatch(key, expected, actual),
        ModelChanged(modelId),
        DeadlineExpired(deadline, timestamp),
        DeadlineTooFar(deadline, latest),
        NonceAlreadyUsed(subject, given, last),
        NonceTooFar(subject, given, largest),
        AttestationsRequired(modelId),
        AttestationsNotDemanded(modelId),
        ModelNotAttestable(modelId),
        InvalidThreshold(threshold),
        TooFewAttestations(demanded, given),
        BatchSizeMismatch(expected, given),
        InferenceCountOutOfRange(given, max),
        OtherReferenceString(),
        NotForCallers(),
        NotOnCurve(),
        NotEnoughGas(),
        InputCountMismatch(expected, given),
        OutputCountMismatch(expected, given),
        OutputOutOfRange(index, value, min, max),
        NoScore(subject, modelId),
        StaleScore(subject, modelId, updatedAt, validUntil),
        InvalidTimeToLive(timeToLive),
        RegistryHasNoCode(registry),
        DelegatedAccount(account),
        OwnershipCannotBeRenounced(),
        OwnableUnauthorizedAccount(account),
        OwnableInvalidOwner(owner),
        EnforcedPause(),
        ExpectedPause(),
    }
    SignerRegistry {
        SignerAlreadyKnown(account),
        SignerUnknown(account),
        SignerRemovedForGood(account),
        OfferLapsed(account, until),
        TooManySigners(max),
        MalformedAttestations(at),
        SignersOutOfOrder(index),
        SignerNotCounting(index),
        AttestationNotYetValid(index, issuedAt),
        AttestationExpired(index, validUntil),
        AttestationTooLong(index, most),
        AttestationIsRevoked(index, digest),
        InvalidAttestation(index),
        OwnershipCannotBeRenounced(),
        OwnableUnauthorizedAccount(account),
        OwnableInvalidOwner(owner),
        InvalidShortString(),
        StringTooLong(str),
    }
    InputSource {
        AttestationsNotTaken(),
        SchemaMismatch(expected, given),
        InputsDiffer(subject, expected, given),
        SignerUnknownAt(index),
    }
    VerdictVerifier {
        InvalidProofLength(),
        NonCanonicalCalldata(),
        InvalidKey(),
        InvalidInstanceCount(),
        InstanceOutOfRange(),
        InvalidPoint(),
        ScalarOutOfRange(),
        InvalidInverse(),
        PairingFailed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::address;
    use std::collections::BTreeSet;

    #[test]
    fn every_error_of_every_contract_is_decoded() {
        let mut known: BTreeSet<_> = KNOWN_ERRORS.iter().copied().collect();
        known.insert(("InferenceOracle", InferenceRefused::SIGNATURE));
        let mut declared = BTreeSet::new();
        for (contract, abi) in [
            ("ModelRegistry", ModelRegistry::abi::contract()),
            ("InferenceOracle", InferenceOracle::abi::contract()),
            ("SignerRegistry", SignerRegistry::abi::contract()),
            ("InputSource", InputSource::abi::contract()),
            ("VerdictVerifier", VerdictVerifier::abi::contract()),
        ] {
            declared.extend(abi.errors().map(|error| (contract, error.signature())));
        }
        let declared: BTreeSet<_> = declared.iter().map(|(c, e)| (*c, e.as_str())).collect();
        assert_eq!(known, declared);
    }

    #[test]
    fn a_custom_error_is_shown_with_its_arguments() {
        let error = InferenceOracle::NonceAlreadyUsed {
            subject: address!("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"),
            given: U256::from(3),
            last: U256::from(5),
        };
        let revert = decode_revert(&error.abi_encode());
        assert_eq!(
            revert.to_string(),
            "NonceAlreadyUsed(subject: 0x0B0b0b0b0B0B0B0B0b0b0b0b0B0B0B0B0B0b0B0b, given: 3, last: 5)"
        );
        assert_eq!(revert.argument("last"), Some("5"));
        assert!(!revert.is_already_recorded());
        assert!(revert.hint().is_some());
    }

    #[test]
    fn a_nonce_equal_to_the_last_one_means_already_recorded() {
        let error = InferenceOracle::NonceAlreadyUsed {
            subject: Default::default(),
            given: U256::from(5),
            last: U256::from(5),
        };
        assert!(decode_revert(&error.abi_encode()).is_already_recorded());
    }

    #[test]
    fn what_is_wrong_with_one_inference_of_a_batch_is_told_with_its_index() {
        let reason =
            InferenceOracle::DeadlineExpired { deadline: U256::from(5), timestamp: U256::from(6) };
        let index = U256::from(3);
        let refused = InferenceRefused { index, reason: reason.abi_encode().into() };
        let revert = decode_revert(&refused.abi_encode());
        assert_eq!(
            revert.to_string(),
            "InferenceRefused(index: 3, reason: DeadlineExpired(deadline: 5, timestamp: 6))"
        );
        assert_eq!(revert.hint(), decode_revert(&reason.abi_encode()).hint());
        assert!(!revert.is_already_recorded());
        // A contract of somebody else's may nest what it returns.
        let mut nested = refused.abi_encode();
        for _ in 0..50 {
            nested = InferenceRefused { index, reason: nested.into() }.abi_encode();
        }
        let Revert::Inference { reason, .. } = decode_revert(&nested) else { panic!("a batch's") };
        assert_eq!(reason.name(), "Unknown");
    }

    #[test]
    fn negative_arguments_are_shown_as_such() {
        let error = InferenceOracle::OutputOutOfRange {
            index: U256::ZERO,
            value: I256::MINUS_ONE,
            min: I256::ZERO,
            max: I256::ONE,
        };
        let text = decode_revert(&error.abi_encode()).to_string();
        assert_eq!(text, "OutputOutOfRange(index: 0, value: -1, min: 0, max: 1)");
    }

    #[test]
    fn solidity_errors_and_panics_are_decoded() {
        let message = StringRevert { reason: "no \"funds\"".into() };
        assert_eq!(decode_revert(&message.abi_encode()).to_string(), r#"Error("no \"funds\"")"#);
        let panic = Panic { code: U256::from(0x11) };
        let text = decode_revert(&panic.abi_encode()).to_string();
        assert!(text.contains("overflow"), "{text}");
    }

    #[test]
    fn foreign_and_damaged_data_never_fails() {
        assert_eq!(decode_revert(&[]), Revert::Empty);
        assert_eq!(decode_revert(&[1]).name(), "Unknown");
        assert_eq!(decode_revert(&[0xff; 5000]).name(), "Unknown");
        assert!(decode_revert(&[0xff; 5000]).to_string().len() < 400);
        // Our own selector with arguments cut off, and with bytes too many.
        let good = InferenceOracle::ModelNotApproved { modelId: U256::from(1) }.abi_encode();
        assert_eq!(decode_revert(&good).name(), "ModelNotApproved");
        assert_eq!(decode_revert(&good[..20]).name(), "Unknown");
        // `Error(string)` whose length says more than there is.
        let mut lying = StringRevert { reason: "x".into() }.abi_encode();
        lying[36..68].fill(0xff);
        assert_eq!(decode_revert(&lying).name(), "Unknown");
    }
}
