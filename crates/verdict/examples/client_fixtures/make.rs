//! Setups and proofs of small models, of every kind of public values.

use std::{error::Error, fs, path::Path};

use alloy::primitives::{Address, B256};
use verdict::{
    Objective, PlanOptions, PlannedModel, Prover, ProverOptions, Ranges, Salt, ScoreRequest,
    Silent, SrsChoice, setup,
};

use crate::parity::{Inputs, SETUPS, Stated};

/// Numbers above 2^53, which JSON readers lose digits of.
const LARGE: u64 = u64::MAX - 7;

/// Makes every setup of the fixtures, with its proofs.
pub(crate) fn setups(root: &Path) -> Result<(), Box<dyn Error>> {
    for (name, inputs) in SETUPS {
        let work = tempfile::tempdir()?;
        let planned = plan(name, inputs)?;
        let srs = SrsChoice::Development.open(planned.plan().estimate.srs_k)?;
        setup(&planned, &srs, work.path(), Default::default(), &Silent)?;
        let folder = root.join(name);
        fs::create_dir_all(&folder)?;
        for file in ["manifest.json", "verifier.bin"] {
            fs::copy(work.path().join("public").join(file), folder.join(file))?;
        }
        let prover = Prover::open(work.path(), ProverOptions::default())?;
        let batch = inputs.inputs.len();
        let requests: Vec<_> = (0..batch).map(request).collect();
        let salts =
            if inputs.stated == Stated::Committed { vec![Salt::from(inputs.salt)] } else { vec![] };
        for (file, requests) in [("proof.json", &requests[..]), ("unbound.json", &[])] {
            let bundle = prover.prove_batch(inputs.inputs, &salts, requests)?;
            fs::write(folder.join(file), bundle.to_json()?)?;
        }
        println!("made {name}: {}", planned.plan().shape);
    }
    Ok(())
}

fn plan(name: &str, inputs: &Inputs) -> Result<PlannedModel, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let batch = (inputs.inputs.len() > 1).then_some(inputs.inputs.len());
    let options = PlanOptions {
        public_inputs: inputs.stated != Stated::Private,
        committed: inputs.stated == Stated::Committed,
        batch,
        target_error: Some(1e-3),
        // The chain circuit, whose words state one input each.
        objective: if name == "chain" { Objective::Time } else { Objective::default() },
        ..PlanOptions::default()
    };
    if name == "credit" {
        let text = fs::read_to_string(root.join("examples/credit/ranges.json"))?;
        let options = PlanOptions { target_error: None, ..options };
        let model = root.join("examples/credit/model.onnx");
        return Ok(PlannedModel::load(&model, &serde_json::from_str(&text)?, &options)?);
    }
    let ranges = Ranges::uniform(inputs.inputs[0].len(), -1.0, 1.0);
    let model = root.join("crates/prover/tests/fixtures/good/mlp.onnx");
    Ok(PlannedModel::load(&model, &ranges, &options)?)
}

fn request(index: usize) -> ScoreRequest {
    let nonce = index as u64 + 1;
    ScoreRequest {
        chain_id: LARGE,
        oracle: Address::repeat_byte(0x0a),
        model_id: LARGE - 1,
        verification_hash: B256::repeat_byte(0x0b),
        subject: Address::repeat_byte(0x10 + index as u8),
        nonce,
        deadline: 1_800_000_000 + nonce,
    }
}
