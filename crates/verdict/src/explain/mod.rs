//! Where every gas of a verification goes: a proof's transaction, run in an EVM in memory with the
//! contracts that are deployed, and taken apart.
//!
//! What is run is a whole transaction of `verifyInference` (or of `verifyInferenceBatch`), a first
//! score and a later one, and a call of the verifier alone. Neither keys nor a proof are needed:
//! [`verdict_codegen::explain`] says why. The result is a little above what real proofs cost, of
//! which some bytes are zero; a test holds it against receipts.

mod ledger;
mod scene;
mod table;

use std::{borrow::Cow, sync::Arc};

use serde::Serialize;
use verdict_codegen::{
    compile::Bytecode,
    explain::{Machine, Outline, Rules, StandIn},
    key_init_code, shape_verifier,
};
use verdict_contracts::PublicValues;
use verdict_prover::{
    keys::{KeyError, protocol},
    plan::Opening,
    quantize::{InputSchema, OutputSchema},
    shape::Shape,
};

use self::{ledger::Ledger, scene::Scene};
use crate::{
    error::Error,
    model::{PlannedModel, public_values},
    setup::PublicSetup,
};

/// Gas by the rules of today and by the repricings that are announced for Amsterdam (EIP-2780,
/// EIP-7976, EIP-8037, EIP-8038).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Gas {
    /// By the rules of today.
    pub today: u64,
    /// By those that are announced.
    pub announced: u64,
}

impl Gas {
    fn of(&mut self, rules: Rules) -> &mut u64 {
        match rules {
            Rules::Today => &mut self.today,
            Rules::Announced => &mut self.announced,
        }
    }
}

/// What a part of a verification takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GasPart {
    /// What kind of work it is.
    pub group: &'static str,
    /// Which of it.
    pub part: String,
    /// What it takes.
    pub gas: Gas,
}

/// Where the gas of a verification goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GasReport {
    /// The parts of a later score of a subject, the whole transaction. Their sum is `later`.
    pub parts: Vec<GasPart>,
    /// The transaction that records a later score of a subject.
    pub later: Gas,
    /// The transaction that records a subject's first score.
    pub first: Gas,
    /// A transaction that calls the verifier alone, with the same proof.
    pub verifier_alone: Gas,
    /// Inferences that the proof is of.
    pub inferences: usize,
    /// Creating the verifier, which every model of the shape shares.
    pub verifier_created: Gas,
    /// Creating the key contract, one for each model.
    pub key_created: Gas,
}

impl GasReport {
    /// What recording a later score takes beyond the verification itself.
    pub fn oracle(&self) -> Gas {
        let of = |later: u64, alone: u64| later.saturating_sub(alone);
        Gas {
            today: of(self.later.today, self.verifier_alone.today),
            announced: of(self.later.announced, self.verifier_alone.announced),
        }
    }
}

/// What decides what a verification costs.
#[derive(Debug, Clone)]
pub struct Circuit<'a> {
    shape: &'a Shape,
    opening: Opening,
    k: u32,
    input: &'a InputSchema,
    output: Cow<'a, OutputSchema>,
}

impl<'a> From<&'a PublicSetup> for Circuit<'a> {
    fn from(setup: &'a PublicSetup) -> Self {
        let manifest = setup.manifest();
        let (shape, input) = (&manifest.shape, &manifest.input);
        let output = Cow::Borrowed(&manifest.output);
        Self { shape, opening: manifest.opening, k: manifest.k, input, output }
    }
}

impl<'a> From<&'a PlannedModel> for Circuit<'a> {
    fn from(planned: &'a PlannedModel) -> Self {
        let plan = planned.plan();
        let (input, output) = (&plan.quantized.input, Cow::Owned(plan.output()));
        Self { shape: &plan.shape, opening: plan.opening, k: plan.k, input, output }
    }
}

impl Circuit<'_> {
    fn public_values(&self) -> PublicValues {
        public_values(self.shape, self.input, &self.output)
    }

    /// Inferences that are stated one by one.
    fn statements(&self) -> usize {
        self.shape.statements()
    }

    /// Bits that are used of each input word of one inference.
    fn word_bits(&self) -> Vec<u32> {
        let words = self.public_values().inputs / self.statements();
        if self.shape.committed() {
            return vec![256; words];
        }
        let each = match self.shape.graph {
            Some(_) => (252 / self.input.bits).max(1) as usize,
            None => 1,
        };
        let stated = self.input.stated(&self.input.ranges).len();
        let of_word = |word: usize| stated.saturating_sub(word * each).min(each) as u32;
        (0..words).map(|word| of_word(word) * self.input.bits).collect()
    }
}

/// Takes the verification of a circuit's proofs apart. `code` is its verifier, compiled.
///
/// # Errors
/// The circuit has no verifier, or the contracts do not run through.
pub fn explain<'a>(circuit: impl Into<Circuit<'a>>, code: &Bytecode) -> Result<GasReport, Error> {
    let circuit = circuit.into();
    let protocol = protocol(circuit.shape, circuit.opening).map_err(KeyError::from)?;
    let verifier = shape_verifier(&protocol)?;
    let outline = Outline::new(&verifier, code)?;
    let instances = circuit.public_values().count();
    let stand_in = StandIn::new(Arc::new(protocol), circuit.k, instances)?;
    let scene = Scene::new(&circuit, &verifier, code, &stand_in)?;

    let mut report = GasReport {
        parts: Vec::new(),
        later: Gas::default(),
        first: Gas::default(),
        verifier_alone: Gas::default(),
        inferences: circuit.statements(),
        verifier_created: Gas::default(),
        key_created: Gas::default(),
    };
    let [first, later] = scene.calls(&circuit, &stand_in)?;
    let alone = scene.call_of_verifier(&circuit, &stand_in)?;
    let mut ledger = Ledger::new(&outline);
    for rules in Rules::ALL {
        let mut machine = scene.machine.clone();
        *report.first.of(rules) = machine.measure(rules, scene.oracle, first.clone())?.gas;
        let run = machine.measure(rules, scene.oracle, later.clone())?;
        *report.later.of(rules) = run.gas;
        ledger.add(rules, &run, &scene);
        *report.verifier_alone.of(rules) =
            machine.measure(rules, scene.verifier, alone.clone())?.gas;
        let empty = Machine::new(0);
        *report.verifier_created.of(rules) =
            empty.price_of_code(rules, code.creation.clone().into())?;
        let key = key_init_code(stand_in.key_payload());
        *report.key_created.of(rules) = empty.price_of_code(rules, key.into())?;
    }
    report.parts = ledger.into_parts();
    Ok(report)
}
