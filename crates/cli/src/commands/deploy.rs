//! `verdict deploy`.

use verdict::{Contracts, Coverage, DeployOptions, Deployment, Error, Progress, PublicSetup};

use super::chain::{connect, runtime, wait};
use crate::{
    args::{Deploy, Score},
    failure::Outcome,
    ui::{Ui, grouped, table},
};

pub(crate) fn run(args: &Deploy, ui: &Ui) -> Outcome {
    let setup = PublicSetup::open(&args.setup).map_err(Error::from)?;
    let contracts = ui.step("compile the Solidity verifier", || {
        Ok(Contracts::new(&setup, args.solc.as_deref())?)
    })?;
    let runtime = runtime()?;
    let chain = connect(&runtime, &args.chain, Some(&args.setup))?;
    let options = DeployOptions {
        registry: args.registry,
        oracle: args.oracle,
        time_to_live: args.time_to_live,
        score: args.score.into(),
        attestors: args.attestors.options(),
        source: args.source,
        partial: args.partial,
        force_insecure_srs: args.force_insecure_srs,
    };
    let deployed = wait(&runtime, verdict::deploy(&setup, &contracts, &chain, &options, ui))?;
    let gas: u64 = deployed.steps.iter().filter_map(|step| step.gas).sum();
    ui.note(&format!("{} gas in all", grouped(gas)));
    ui.note(&contracts.write_input(setup.folder())?);
    let deployment = &deployed.deployment;
    if args.score == Score::Unspecified {
        ui.note(
            "the model doesn't say which way its score is to be read, so contracts that rank by it \
             will refuse it (see --score)",
        );
    }
    ui.result(&deployed, &places(deployment, &setup))
}

/// Where everything is, and who vouches for what, for a person.
pub(crate) fn places(deployment: &Deployment, setup: &PublicSetup) -> Vec<String> {
    let mut rows = vec![
        ("chain", deployment.chain_id.to_string()),
        ("verifier", deployment.verifier.to_string()),
        ("key", deployment.key.to_string()),
        ("registry", deployment.registry.to_string()),
        ("oracle", deployment.oracle.to_string()),
        ("model id", deployment.model_id.to_string()),
        ("verification hash", deployment.verification_hash.to_string()),
    ];
    if let Some(policy) = &deployment.attestations {
        rows.push(match policy.source {
            true => ("inputs are read at", policy.signers.to_string()),
            false => (
                "has to vouch",
                format!("{} of the signers of {}", policy.threshold, policy.signers),
            ),
        });
        rows.push(("which covers", Coverage::of(setup.manifest()).to_string()));
        rows.push(("schema", policy.schema.to_string()));
    }
    table(&rows)
}
