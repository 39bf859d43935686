//! `verdict prove`.

use alloy::primitives::Address;
use verdict::{
    ChainReader, Deployment, Error, Progress, Prover, ProverOptions, PublicSetup, Salt,
    ScoreRequest, check_writable, next_nonce, of_inference, read_bounded, read_commitments, salts,
    source_inputs, write_bundle,
};

use super::chain::{runtime, wait};
use crate::{
    args::{Prove, Request},
    failure::{Failure, Outcome},
    inputs::{Applicant, read_input, read_inputs},
    ui::{Ui, bytes, table},
};

/// Largest file of requests.
const MAX_REQUESTS_BYTES: u64 = 1 << 20;

pub(crate) fn run(args: &Prove, ui: &Ui) -> Outcome {
    check_writable(&args.out, false).map_err(Error::from)?;
    let mut engine = args.computing.options();
    engine.progress = Some(ui.stages());
    let options = ProverOptions { srs: args.srs.srs.clone(), engine };
    let prover = ui.step("read the keys", || Ok(Prover::open(&args.setup, options)?))?;
    let tensors = &prover.public().manifest().model.inputs;
    let (samples, requests) = match (&args.batch, &args.input) {
        (Some(path), _) => (read_inputs(path, tensors)?, args.requests(prover.public(), ui)?),
        (None, Some(path)) => {
            let sample = read_input(path, tensors, args.id.as_deref())?;
            (vec![sample], args.request.resolve(prover.public(), ui)?.into_iter().collect())
        }
        (None, None) if args.from_source => {
            let sample = args.read_source(prover.public())?;
            (vec![sample], args.request.resolve(prover.public(), ui)?.into_iter().collect())
        }
        (None, None) => return Err(Failure::new("no sample: give --input or --batch")),
    };
    let title = match &samples[..] {
        [sample] => format!("prove the model on sample {}", sample.id),
        samples => format!("prove the model on {} samples", samples.len()),
    };
    let inputs: Vec<_> = samples.iter().map(|sample| &sample.input).collect();
    let salts = args.salts(prover.public(), &inputs)?;
    let bundle = ui.step(&title, || Ok(prover.prove_batch(&inputs, &salts, &requests)?))?;
    write_bundle(&bundle, &args.out)?;
    let statements = prover.public().manifest().shape.statements();
    let output = outputs(&bundle.decoded, statements, u32::from(bundle.decimals));
    let human = table(&[
        ("output", output),
        ("proof", format!("{} in {}", bytes(bundle.proof.len()), args.out.display())),
        (
            "answers",
            match &bundle.request {
                None if !bundle.requests.is_empty() => {
                    format!("{} requests, in the order of the samples", bundle.requests.len())
                }
                Some(r) => format!(
                    "request {} about {} to model {} of oracle {} on chain {}",
                    r.nonce, r.subject, r.model_id, r.oracle, r.chain_id
                ),
                None => "no request: it can be verified, but not submitted".into(),
            },
        ),
    ]);
    ui.result(&bundle, &human)
}

/// Outputs for a person, those of each inference of a batch apart from the next's.
pub(crate) fn outputs(values: &[f64], batch: usize, decimals: u32) -> String {
    let number = |value: &f64| format!("{value:.*}", decimals as usize);
    let one = |index| of_inference(values, batch, index).iter().map(number).collect::<Vec<_>>();
    (0..batch).map(|index| one(index).join(", ")).collect::<Vec<_>>().join("; ")
}

impl Prove {
    /// The salts of the commitments that are given, which must be to these inputs.
    fn salts(&self, setup: &PublicSetup, inputs: &[&Vec<f64>]) -> Outcome<Vec<Salt>> {
        match &self.commitment {
            Some(path) => Ok(salts(setup, inputs, &read_commitments(path)?)?),
            None => Ok(vec![]),
        }
    }

    /// The subject's inputs as the deployed model's source says.
    fn read_source(&self, setup: &PublicSetup) -> Outcome<Applicant> {
        let Some(subject) = self.request.subject else {
            return Err(Failure::usage("--from-source needs --subject"));
        };
        let node = self.request.node.options(None);
        let input = wait(&*runtime()?, async {
            source_inputs(setup, &ChainReader::connect(node).await?, subject).await
        })?;
        Ok(Applicant { id: format!("of {subject}"), input })
    }

    /// The requests of a batch; none without a file of them. Totals answer one, like a sample.
    fn requests(&self, setup: &PublicSetup, ui: &Ui) -> Outcome<Vec<ScoreRequest>> {
        let Some(path) = &self.requests else {
            if self.request.subject.is_some() && !setup.manifest().shape.totals() {
                let failure = Failure::usage("--subject is about one score, a batch has several");
                return Err(failure.hint("name each score's subject in a file: --requests FILE"));
            }
            return Ok(self.request.resolve(setup, ui)?.into_iter().collect());
        };
        let bytes = read_bounded(path, MAX_REQUESTS_BYTES)?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let what = format!("{}: no list of requests: {error}", path.display());
            let hint = "give a list of objects with chain_id, oracle, model_id, verification_hash, \
                        subject, nonce and deadline";
            Failure::new(what).hint(hint)
        })
    }
}

impl Request {
    /// The request, its oracle and chain from the arguments or the deployment, its nonce
    /// from the arguments or the chain.
    fn resolve(&self, setup: &PublicSetup, ui: &Ui) -> Outcome<Option<ScoreRequest>> {
        let Some(subject) = self.subject else { return Ok(None) };
        let deployment = setup.deployment().map_err(Error::from)?;
        let nonce = match self.nonce {
            Some(nonce) => nonce,
            None => self.next_nonce(&deployment, subject, ui)?,
        };
        Ok(Some(ScoreRequest::to(&deployment, subject, nonce, self.valid_for)))
    }

    fn next_nonce(&self, deployment: &Deployment, subject: Address, ui: &Ui) -> Outcome<u64> {
        let node = self.node.options(Some(deployment.chain_id));
        let nonce = wait(&*runtime()?, async {
            next_nonce(&ChainReader::connect(node).await?, deployment, subject).await
        });
        match nonce {
            Ok(nonce) => {
                ui.note(&format!("nonce {nonce}, the next one for {subject} on chain"));
                Ok(nonce)
            }
            Err(failure) => {
                let hint = "give a node with --rpc-url, or the nonce with --nonce";
                Err(failure.hint(hint))
            }
        }
    }
}
