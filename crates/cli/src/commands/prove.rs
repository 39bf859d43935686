//! `verdict prove`.

use std::path::Path;

use alloy::primitives::Address;
use verdict::{
    ChainReader, Deployment, Error, Progress, Prover, ProverOptions, PublicSetup, ScoreRequest,
    next_nonce,
};

use super::chain::{runtime, wait};
use crate::{
    args::{Prove, Request},
    failure::Outcome,
    inputs::read_input,
    ui::{Ui, bytes, table},
};

pub(crate) fn run(args: &Prove, ui: &Ui) -> Outcome {
    let mut engine = args.computing.options();
    engine.progress = Some(ui.stages());
    let options = ProverOptions { srs: args.srs.srs.clone(), engine };
    let prover = ui.step("read the keys", || Ok(Prover::open(&args.setup, options)?))?;
    let tensors = &prover.public().manifest().model.inputs;
    let applicant = read_input(&args.input, tensors, args.id.as_deref())?;
    let request = args.request.resolve(prover.public(), ui)?;
    let title = format!("prove the model on sample {}", applicant.id);
    let bundle = ui.step(&title, || Ok(prover.prove(&applicant.input, request.as_ref())?))?;
    write(&bundle, &args.out)?;
    let human = table(&[
        ("output", outputs(&bundle.decoded, u32::from(bundle.decimals))),
        ("proof", format!("{} in {}", bytes(bundle.proof.len()), args.out.display())),
        (
            "answers",
            match &bundle.request {
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

fn write(bundle: &verdict::ProofBundle, out: &Path) -> Outcome {
    Ok(bundle.write(out).map_err(Error::from)?)
}

/// Outputs for a person.
pub(crate) fn outputs(values: &[f64], decimals: u32) -> String {
    let number = |value: &f64| format!("{value:.*}", decimals as usize);
    values.iter().map(number).collect::<Vec<_>>().join(", ")
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
