//! Taking a proof to its oracle.
//!
//! A submission is done when the record on chain is the one that the proof states: its
//! subject, model, nonce and output; of a batch, when each record is. Whatever else stands
//! there is a failure that says so, also when the transaction succeeded or the contract answers
//! that it has the request.

use alloy::{
    primitives::{Address, B256, I256, U256, keccak256},
    sol_types::SolCall,
};
use serde::Serialize;
use thiserror::Error;
use verdict_contracts::{
    InferenceRequest, ProofBundle,
    attestation::{
        Attestation, Statement, inference, verify_attested_inference_calldata,
        verify_inferences_calldata,
    },
    bindings::InferenceOracle::{ScoreRecord, outputsOfCall, scoresOfCall},
    calldata::outputs_word,
    idempotency_key, of_inference, verify_inference_calldata,
};
use verdict_relayer::{Effect, SubmitRequest, TxReceipt};

use crate::{
    attest::{check_attestations, check_source, indexed, vouchers},
    chain::{Chain, ChainError, ChainReader},
    deployment::Deployment,
    error::{Error, Kind},
    progress::{Progress, step, step_async},
    setup::PublicSetup,
    verify::verify,
};

/// Records on chain, and what brought them there.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// The records, which are those that the proof states: one, or those of a batch in the order
    /// of its requests. Of a subject that is in a batch twice there is the last one only.
    pub records: Vec<Record>,
    /// The transaction that recorded them; `None` if somebody else's did, or an earlier one
    /// that this database does not know.
    pub receipt: Option<TxReceipt>,
}

/// What an oracle holds about a subject and a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Whom it is about.
    pub subject: Address,
    /// The model that made the score.
    pub model_id: u64,
    /// Nonce of the request; 0 if there is no record.
    pub nonce: u64,
    /// First output of the model, in units of its last decimal.
    pub score: i64,
    /// Time of recording, seconds since 1970.
    pub updated_at: u64,
    /// The data providers who vouched for the inputs.
    pub signers: Vec<Address>,
}

/// Why a score is not recorded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The proof is for no chain.
    #[error("the proof answers no request, so no oracle can record it")]
    NoRequest,
    /// The proof is for other contracts.
    #[error(
        "the proof is for oracle {oracle} on chain {chain_id}, the setup is deployed at \
         {deployed} on chain {deployed_chain_id}"
    )]
    OtherOracle {
        /// The proof's oracle.
        oracle: Address,
        /// The proof's chain.
        chain_id: u64,
        /// The deployment's oracle.
        deployed: Address,
        /// The deployment's chain.
        deployed_chain_id: u64,
    },
    /// The proof is for another model of the oracle.
    #[error(
        "the proof is for model {model_id} with verification data {verification_hash}, the setup \
         is deployed as model {deployed} with {deployed_hash}"
    )]
    OtherModel {
        /// The proof's model.
        model_id: u64,
        /// Hash of the verification data that the proof is bound to.
        verification_hash: B256,
        /// The deployment's model.
        deployed: u64,
        /// Hash of its verification data.
        deployed_hash: B256,
    },
    /// Proofs that are to go together are for several oracles.
    #[error(
        "one proof is for oracle {first}, another for {other}: one transaction is one oracle's"
    )]
    SeveralOracles {
        /// The first one's.
        first: Address,
        /// The other.
        other: Address,
    },
    /// Another score stands where this one should.
    #[error(
        "the proof states output {stated} for request {nonce} about {}, but what stands on chain \
         is {}: it was {what}", found.subject, found.words()
    )]
    OtherRecord {
        /// The first output that the proof states.
        stated: i128,
        /// Its request's nonce.
        nonce: u64,
        /// What stands there.
        found: Record,
        /// What the record says about this proof.
        what: &'static str,
    },
    /// The first output is the one stated, another is not.
    #[error(
        "request {nonce} about {subject} is recorded with the first output that the proof states, \
         but not with all of its outputs: it was made with other inputs"
    )]
    OtherOutputs {
        /// The request's nonce.
        nonce: u64,
        /// The subject.
        subject: Address,
    },
    /// There is no record.
    #[error("the oracle has no record about {subject}, although it was sent")]
    NoRecord {
        /// The subject.
        subject: Address,
    },
}

impl SubmitError {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::OtherRecord { .. } | Self::OtherOutputs { .. } | Self::NoRecord { .. } => {
                Kind::Rejected
            }
            _ => Kind::Failed,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::SeveralOracles { .. } => "submit them one by one".into(),
            Self::NoRequest => "prove with --subject, after `verdict deploy`".into(),
            Self::OtherOracle { .. } | Self::OtherModel { .. } => {
                "prove again for this deployment, or use the setup the proof was made with".into()
            }
            Self::OtherRecord { found, .. } => {
                format!("prove again with a nonce above {}", found.nonce)
            }
            Self::OtherOutputs { nonce, .. } => format!("prove again with a nonce above {nonce}"),
            Self::NoRecord { .. } => "the node may lag behind; run it again".into(),
        })
    }
}

impl Record {
    fn words(&self) -> String {
        format!("output {} of model {} for request {}", self.score, self.model_id, self.nonce)
    }
}

/// Checks a bundle and takes it to its oracle, unless it is recorded there already, with the
/// attestations that the model's approval demands.
///
/// # Errors
/// The bundle is not of this setup or does not verify; the deployment is another setup's; the
/// attestations are too few or about something else; the chain refuses; or the record on chain
/// is not the one that the proof states.
pub async fn submit(
    setup: &PublicSetup,
    bundle: &ProofBundle,
    attestations: &[Attestation],
    chain: &Chain,
    progress: &dyn Progress,
) -> Result<Submitted, Error> {
    let deployment = setup.deployment()?;
    requests_for(&deployment, bundle)?;
    step(progress, "check the proof", || verify(setup, bundle))?;
    let submission = Submission::new(&deployment, bundle, attestations)?;
    chain.expect(deployment.chain_id)?;
    let transaction = submission.transaction(chain).await?;
    let title = "submit and wait until final";
    let sent = step_async(progress, title, chain.send(transaction)).await;
    let sent = match sent {
        Err(error) if matches!(error.kind(), Kind::Pending | Kind::Unreachable) => {
            return Err(error.into());
        }
        sent => sent,
    };
    // Whatever became of the transaction, what the chain holds decides.
    match submission.recorded(chain).await? {
        Some(records) => Ok(Submitted { records, receipt: sent.unwrap_or_default() }),
        None => {
            sent?;
            Err(SubmitError::NoRecord { subject: submission.stated().subject() }.into())
        }
    }
}

/// Takes proofs of any models of one oracle to it in one transaction, which pairs once for all of
/// them; those that are recorded already are left out. What each gets is in the order given.
///
/// # Errors
/// As [`submit()`], of any of them: then none is recorded. The proofs are for several oracles, or one
/// of them is of a batch.
pub async fn submit_together(
    proofs: &[(PublicSetup, ProofBundle)],
    attestations: &[Attestation],
    chain: &Chain,
    progress: &dyn Progress,
) -> Result<Vec<Submitted>, Error> {
    let mut deployments = Vec::with_capacity(proofs.len());
    for (setup, bundle) in proofs {
        let deployment = setup.deployment()?;
        requests_for(&deployment, bundle)?;
        step(progress, "check a proof", || verify(setup, bundle))?;
        chain.expect(deployment.chain_id)?;
        let about = bundle.answered().first().map(|request| request.subject);
        let policy = deployment.attestations.as_ref();
        let own = |given: &&Attestation| {
            let Statement { subject, schema, .. } = &given.statement;
            Some(*subject) == about && policy.is_some_and(|policy| policy.schema == *schema)
        };
        let own: Vec<Attestation> = attestations.iter().filter(own).cloned().collect();
        deployments.push((deployment, own));
    }
    let oracles = |(deployment, _): &(Deployment, _)| deployment.oracle;
    if let Some(first) = deployments.first().map(oracles)
        && let Some(other) = deployments.iter().map(oracles).find(|oracle| *oracle != first)
    {
        return Err(SubmitError::SeveralOracles { first, other }.into());
    }
    let pairs = deployments.iter().zip(proofs);
    let submissions = pairs
        .map(|((deployment, own), (_, bundle))| Submission::new(deployment, bundle, own))
        .collect::<Result<Vec<_>, _>>()?;
    let mut missing = Vec::with_capacity(submissions.len());
    for submission in &submissions {
        if submission.recorded(chain).await?.is_none() {
            missing.push(*submission);
        }
    }
    let receipt = match together(&missing, chain).await? {
        Some(transaction) => {
            let title = "submit together and wait until final";
            step_async(progress, title, chain.send(transaction)).await?
        }
        None => None,
    };
    let mut all = Vec::with_capacity(submissions.len());
    for submission in &submissions {
        let records = submission.recorded(chain).await?;
        let subject = submission.stated().subject();
        let records = records.ok_or(SubmitError::NoRecord { subject })?;
        all.push(Submitted { records, receipt: receipt.clone() });
    }
    Ok(all)
}

/// The transaction of several proofs of one oracle; none of none.
async fn together(
    submissions: &[Submission<'_>],
    chain: &ChainReader,
) -> Result<Option<SubmitRequest>, Error> {
    let Some(first) = submissions.first() else { return Ok(None) };
    let (mut inferences, mut effects) = (vec![], vec![]);
    for Submission { deployment, bundle, attestations } in submissions {
        check_source(chain, deployment, bundle).await?;
        let attested = match &deployment.attestations {
            Some(policy) => Some(indexed(chain, policy, attestations).await?),
            None => None,
        };
        inferences.push(inference(bundle, attested.as_deref())?);
        effects.push(Stated::new(deployment, bundle).effect());
    }
    let (oracle, chain_id) = (first.deployment.oracle, first.deployment.chain_id);
    let calldata = verify_inferences_calldata(inferences);
    let key = format!("together:{chain_id}:{oracle}:{}", keccak256(&calldata));
    let request = SubmitRequest::call(oracle, calldata, key).with_effect(Effect::All { effects });
    Ok(Some(SubmitRequest { label: "verifyInferences".into(), ..request }))
}

/// What a chain has of a proof for good.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// The records that it states.
    Recorded(Vec<Record>),
    /// Others, which bar it.
    Barred,
    /// None yet.
    Open,
}

/// A proof on its way to its oracle: what is sent, and what the chain holds once it has arrived.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    deployment: &'a Deployment,
    bundle: &'a ProofBundle,
    attestations: &'a [Attestation],
}

impl<'a> Submission<'a> {
    /// Of a bundle that [`verify()`](crate::verify()) accepted, and of the attestations that the
    /// model's approval demands.
    ///
    /// # Errors
    /// The bundle answers no request or one to another oracle or model; the attestations are too
    /// few or about something else.
    pub fn new(
        deployment: &'a Deployment,
        bundle: &'a ProofBundle,
        attestations: &'a [Attestation],
    ) -> Result<Self, Error> {
        check_model(deployment, requests_for(deployment, bundle)?)?;
        check_attestations(deployment, bundle, attestations)?;
        Ok(Self { deployment, bundle, attestations })
    }

    fn stated(&self) -> Stated {
        Stated::new(self.deployment, self.bundle)
    }

    /// What a relayer sends, unless the chain shows its effect.
    ///
    /// # Errors
    /// A record stands on chain that bars this one; the inputs are not those of the model's source;
    /// the node does not answer.
    pub async fn transaction(&self, chain: &ChainReader) -> Result<SubmitRequest, Error> {
        let Self { deployment, bundle, attestations } = *self;
        let stated = self.stated();
        // A record that bars this one is found before anything is sent. One that is this one
        // may not be final yet: the relayer waits for it.
        if stated.compare(&stated.read(chain).await?)? == Standing::Before {
            check_source(chain, deployment, bundle).await?;
        }
        let attested = match &deployment.attestations {
            Some(policy) => Some(indexed(chain, policy, attestations).await?),
            None => None,
        };
        Ok(transaction(deployment, bundle, attested)?.with_effect(stated.effect()))
    }

    /// What the chain has of the proof for good. A chain that is reorganized between two questions shows a
    /// record of one fork beside what is of another: what [`Self::transaction`] and [`Self::recorded`]
    /// say is to be believed only then.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn settled(&self, chain: &Chain) -> Result<Settled, Error> {
        let Some(settled) = chain.settled().await? else { return Ok(Settled::Open) };
        match self.recorded(&settled).await {
            Ok(Some(records)) => Ok(Settled::Recorded(records)),
            Ok(None) => Ok(Settled::Open),
            Err(Error::Submit(_)) => Ok(Settled::Barred),
            Err(error) => Err(error),
        }
    }

    /// The records that the proof states, in the order of [`Submitted::records`]; none if they are
    /// not there yet.
    ///
    /// # Errors
    /// Other records stand there; the node does not answer.
    pub async fn recorded(&self, chain: &ChainReader) -> Result<Option<Vec<Record>>, Error> {
        let stated = self.stated();
        let found = stated.read(chain).await?;
        Ok(match stated.compare(&found)? {
            Standing::Recorded => {
                stated.check_outputs(chain, self.bundle).await?;
                Some(found)
            }
            Standing::Before => None,
        })
    }
}

/// The requests of a bundle, if they are to this deployment.
fn requests_for<'a>(
    deployment: &Deployment,
    bundle: &'a ProofBundle,
) -> Result<&'a [InferenceRequest], SubmitError> {
    let requests = bundle.answered();
    if requests.is_empty() {
        return Err(SubmitError::NoRequest);
    }
    for request in requests {
        if request.oracle != deployment.oracle || request.chain_id != deployment.chain_id {
            return Err(SubmitError::OtherOracle {
                oracle: request.oracle,
                chain_id: request.chain_id,
                deployed: deployment.oracle,
                deployed_chain_id: deployment.chain_id,
            });
        }
    }
    Ok(requests)
}

/// The model of the requests is the deployed one. Asked after the proof was verified: a proof of
/// another setup is that first of all.
fn check_model(deployment: &Deployment, requests: &[InferenceRequest]) -> Result<(), SubmitError> {
    for request in requests {
        if request.model_id != deployment.model_id
            || request.verification_hash != deployment.verification_hash
        {
            return Err(SubmitError::OtherModel {
                model_id: request.model_id,
                verification_hash: request.verification_hash,
                deployed: deployment.model_id,
                deployed_hash: deployment.verification_hash,
            });
        }
    }
    Ok(())
}

fn transaction(
    deployment: &Deployment,
    bundle: &ProofBundle,
    attestations: Option<Vec<(u8, &Attestation)>>,
) -> Result<SubmitRequest, Error> {
    let model_id = U256::from(deployment.model_id);
    let (calldata, label) = match attestations {
        Some(given) => {
            (verify_attested_inference_calldata(bundle, &given)?, "verifyAttestedInference")
        }
        None if bundle.answered().len() > 1 => {
            (verify_inference_calldata(bundle)?, "verifyInferenceBatch")
        }
        None => (verify_inference_calldata(bundle)?, "verifyInference"),
    };
    let commitment = bundle.input_commitment.unwrap_or_default();
    let job = idempotency_key(deployment.chain_id, deployment.oracle, model_id, commitment);
    // Two proofs may answer one request with different outputs: they are two jobs.
    let key = format!("{job}:{}", keccak256(&calldata));
    Ok(SubmitRequest {
        label: label.into(),
        ..SubmitRequest::call(deployment.oracle, calldata, key)
    })
}

/// The records that a proof states.
struct Stated {
    oracle: Address,
    model_id: u64,
    /// The registry of those who vouch, if the model's approval names one.
    signers: Option<Address>,
    entries: Vec<Entry>,
}

/// One of them.
#[derive(Clone, Copy)]
struct Entry {
    subject: Address,
    nonce: u64,
    output: i128,
    /// Which inference of the proof.
    index: usize,
}

/// How the records on chain stand to those that a proof states.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// They are those.
    Recorded,
    /// They are none or earlier ones, so that these may follow.
    Before,
}

impl Stated {
    fn new(deployment: &Deployment, bundle: &ProofBundle) -> Self {
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

    fn subject(&self) -> Address {
        self.entries.first().map(|entry| entry.subject).unwrap_or_default()
    }

    fn call(&self) -> scoresOfCall {
        let subjects = self.entries.iter().map(|entry| entry.subject).collect();
        scoresOfCall { subjects, modelId: U256::from(self.model_id) }
    }

    /// The records have these scores for these requests.
    fn effect(&self) -> Effect {
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
    async fn read(&self, chain: &ChainReader) -> Result<Vec<Record>, ChainError> {
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
    async fn check_outputs(&self, chain: &ChainReader, bundle: &ProofBundle) -> Result<(), Error> {
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
    fn compare(&self, found: &[Record]) -> Result<Standing, SubmitError> {
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

/// What an oracle holds about the subjects of a bundle, in the order of [`Submitted::records`].
///
/// # Errors
/// The node does not answer, or has no oracle there.
pub async fn recorded(
    chain: &ChainReader,
    deployment: &Deployment,
    bundle: &ProofBundle,
) -> Result<Vec<Record>, Error> {
    check_model(deployment, requests_for(deployment, bundle)?)?;
    Ok(Stated::new(deployment, bundle).read(chain).await?)
}

#[cfg(test)]
mod tests {
    use alloy::{primitives::aliases::U40, sol_types::SolValue};

    use super::*;

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
