//! The records that a proof states, and how those on chain stand to them.

use alloy::{
    primitives::{Address, B256, I256, U256},
    sol_types::SolCall,
};
use verdict_contracts::{
    ProofBundle,
    bindings::InferenceOracle::{ScoreRecord, outputsOfCall, scoresOfCall},
    calldata::outputs_word,
    of_inference,
};
use verdict_relayer::Effect;

use super::{Record, SubmitError};
use crate::{
    attest::vouchers,
    chain::{ChainError, ChainReader},
    deployment::Deployment,
    error::Error,
};

/// The records that a proof states.
pub(super) struct Stated {
    oracle: Address,
    model_id: u64,
    /// The registry of those who vouch, if the model's approval names one.
    signers: Option<Address>,
    entries: Vec<Entry>,
}

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    subject: Address,
    nonce: u64,
    output: i128,
    /// Which inference of the proof.
    index: usize,
}

/// How the records on chain stand to those that a proof states.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// They are those.
    Recorded,
    /// They are none or earlier ones, so that these may follow.
    Before,
}

impl Stated {
    pub(super) fn new(deployment: &Deployment, bundle: &ProofBundle) -> Self {
        // The first output of every inference comes before the second of any.
        let mut entries: Vec<Entry> = Vec::new();
        let each = bundle.answered().iter().zip(&bundle.outputs).enumerate();
        for (index, (request, &output)) in each {
            let (subject, nonce) = (request.subject, request.nonce);
            // Of a subject that is there twice, the later request is what stands in the end.
            entries.retain(|entry| entry.subject != subject);
            entries.push(Entry { subject, nonce, output, index });
        }
        let signers = deployment.attestations.as_ref().map(|policy| policy.signers);
        Self { oracle: deployment.oracle, model_id: deployment.model_id, signers, entries }
    }

    pub(super) fn subject(&self) -> Address {
        self.entries.first().map(|entry| entry.subject).unwrap_or_default()
    }

    fn call(&self) -> scoresOfCall {
        let subjects = self.entries.iter().map(|entry| entry.subject).collect();
        scoresOfCall { subjects, modelId: U256::from(self.model_id) }
    }

    /// The records have these scores for these requests.
    pub(super) fn effect(&self) -> Effect {
        let word = |number: I256| Some(B256::from(number.into_raw()));
        let count = |number: usize| Some(B256::from(U256::from(number)));
        let mut returns = vec![count(0x20), count(self.entries.len())];
        for entry in &self.entries {
            let score = word(I256::try_from(entry.output).unwrap_or(I256::MIN));
            let nonce = word(I256::unchecked_from(entry.nonce));
            // When it was recorded, until when it could be, who vouched and who brought it, is not the
            // proof's to say.
            returns.extend([score, nonce, None, None, None, None]);
        }
        let (to, calldata) = (self.oracle, self.call().abi_encode().into());
        Effect::CallReturns { to, calldata, returns }
    }

    /// The records of the stated subjects, in their order.
    pub(super) async fn read(&self, chain: &ChainReader) -> Result<Vec<Record>, ChainError> {
        let records: Vec<ScoreRecord> = chain.call(self.oracle, &self.call()).await?;
        let mut found = Vec::with_capacity(records.len());
        for (entry, record) in self.entries.iter().zip(records) {
            let signers = match self.signers {
                Some(registry) => vouchers(chain, registry, record.signers).await?,
                None => vec![],
            };
            found.push(Record {
                subject: entry.subject,
                model_id: self.model_id,
                nonce: record.nonce,
                score: record.score,
                updated_at: record.updatedAt.to(),
                signers,
            });
        }
        Ok(found)
    }

    /// A record holds the first output only: of the others the oracle keeps a word beside it.
    pub(super) async fn check_outputs(
        &self,
        chain: &ChainReader,
        bundle: &ProofBundle,
    ) -> Result<(), Error> {
        let batch = bundle.answered().len();
        if bundle.outputs.len() < 2 * batch {
            return Ok(());
        }
        for Entry { subject, nonce, index, .. } in self.entries.iter().copied() {
            let own = of_inference(&bundle.outputs, batch, index).into_iter();
            let own: Vec<I256> =
                own.map(|value| I256::try_from(value).unwrap_or(I256::MIN)).collect();
            let call = outputsOfCall { subject, modelId: U256::from(self.model_id) };
            if chain.call(self.oracle, &call).await? != outputs_word(&own) {
                return Err(SubmitError::OtherOutputs { nonce, subject }.into());
            }
        }
        Ok(())
    }

    /// How the records of all stated subjects stand, `found` being those on chain in their order.
    pub(super) fn compare(&self, found: &[Record]) -> Result<Standing, SubmitError> {
        let mut recorded = None;
        let mut missing = self.entries.len() > found.len();
        for (entry, found) in self.entries.iter().zip(found) {
            match entry.compare(found)? {
                Standing::Recorded => recorded = Some((entry, found)),
                Standing::Before => missing = true,
            }
        }
        match recorded {
            // The proof's transaction records all or none, so another one has recorded this.
            Some((entry, found)) if missing => {
                Err(entry.other(found, "recorded without the rest of its batch"))
            }
            Some(_) => Ok(Standing::Recorded),
            None => Ok(Standing::Before),
        }
    }
}

impl Entry {
    fn compare(&self, found: &Record) -> Result<Standing, SubmitError> {
        if found.updated_at == 0 || found.nonce < self.nonce {
            return Ok(Standing::Before);
        }
        if found.nonce > self.nonce {
            return Err(self.other(found, "overtaken by a later request"));
        }
        if i128::from(found.score) != self.output {
            return Err(self.other(found, "made with other inputs"));
        }
        Ok(Standing::Recorded)
    }

    fn other(&self, found: &Record, what: &'static str) -> SubmitError {
        let (stated, nonce, found) = (self.output, self.nonce, found.clone());
        SubmitError::OtherRecord { stated, nonce, found, what }
    }
}

#[cfg(test)]
mod tests {
    use alloy::{primitives::aliases::U40, sol_types::SolValue};

    use super::*;
    use crate::error::Kind;

    fn entry(subject: u8, nonce: u64, output: i128) -> Entry {
        Entry { subject: Address::repeat_byte(subject), nonce, output, index: 0 }
    }

    fn stated(entries: &[Entry]) -> Stated {
        Stated { oracle: Address::ZERO, model_id: 2, signers: None, entries: entries.to_vec() }
    }

    fn found(subject: u8, nonce: u64, score: i64, updated_at: u64) -> Record {
        let subject = Address::repeat_byte(subject);
        Record { subject, model_id: 2, nonce, score, updated_at, signers: vec![] }
    }

    #[test]
    fn only_the_record_that_the_proof_states_counts_as_recorded() {
        let stated = stated(&[entry(1, 5, -7)]);
        assert!(matches!(stated.compare(&[found(1, 5, -7, 9)]), Ok(Standing::Recorded)));
        for (record, what) in
            [(found(1, 5, 7, 9), "other inputs"), (found(1, 6, -7, 9), "overtaken")]
        {
            let Err(error) = stated.compare(std::slice::from_ref(&record)) else {
                panic!("{record:?} passed")
            };
            let text = error.to_string();
            assert!(text.contains(what) && text.contains(&record.words()), "{text}");
            assert_eq!(error.kind(), Kind::Rejected);
        }
    }

    #[test]
    fn a_batch_is_recorded_when_each_of_its_records_is() {
        let stated = stated(&[entry(1, 5, -7), entry(2, 8, 9)]);
        let (first, second) = (found(1, 5, -7, 9), found(2, 8, 9, 9));
        let both = [first.clone(), second.clone()];
        assert_eq!(stated.compare(&both).expect("recorded"), Standing::Recorded);
        let none = [found(1, 4, 0, 9), found(2, 0, 0, 0)];
        assert_eq!(stated.compare(&none).expect("before"), Standing::Before);
        // One of them is what the proof states, or is not: never done, whichever it is.
        for records in [
            [first.clone(), found(2, 7, 9, 9)],
            [found(1, 4, -7, 9), second.clone()],
            [first.clone(), found(2, 8, 10, 9)],
            [first.clone(), found(2, 9, 9, 9)],
            [found(1, 5, -6, 9), second],
        ] {
            let error = stated.compare(&records).expect_err("not all");
            assert!(matches!(error, SubmitError::OtherRecord { .. }), "{error}");
        }
        assert!(stated.compare(&[first]).is_err(), "an answer about one of two");
    }

    #[test]
    fn the_effect_looked_for_is_each_record_s_score_and_nonce() {
        let stated = stated(&[entry(1, 5, -7), entry(2, 8, 9)]);
        let Effect::CallReturns { returns, .. } = stated.effect() else { panic!("records") };
        let record = |score, nonce| {
            let (time, prover) = (U40::from(9), Address::repeat_byte(3));
            ScoreRecord { score, nonce, updatedAt: time, deadline: time, signers: 7, prover }
        };
        let words = vec![record(-7, 5), record(9, 8)].abi_encode();
        let (words, _) = words.as_chunks::<32>();
        assert_eq!(returns.len(), words.len());
        let named: Vec<_> =
            returns.iter().zip(words).filter(|(named, _)| named.is_some()).collect();
        assert_eq!(named.len(), 6);
        assert!(named.iter().all(|(named, word)| **named == Some(B256::from(**word))));
    }

    #[test]
    fn no_record_and_an_earlier_one_leave_room_for_this_one() {
        for record in [found(1, 0, 0, 0), found(1, 4, -7, 9)] {
            assert!(matches!(stated(&[entry(1, 5, -7)]).compare(&[record]), Ok(Standing::Before)));
        }
    }
}
