//! Advice columns: from a circuit's `synthesize`, or from a [`WitnessSource`].

use super::advice::AdviceState;
use crate::error::EngineError;
use ff::Field;
use halo2_proofs::circuit::Value;
use halo2_proofs::plonk::{
    Advice, Any, Assigned, Assignment, Challenge, Circuit, Column, ConstraintSystem, Error, Fixed,
    FloorPlanner, Instance, Selector,
};
use halo2_proofs::transcript::{EncodedChallenge, TranscriptWrite};
use halo2curves::bn256::{Fr, G1Affine};
use rand::RngCore;
use verdict_kzg::field::invert_all;

/// Gives the advice columns of each phase directly, for circuits that know them.
pub trait WitnessSource {
    /// Columns of `phase` in the order of their index, each with values for the first
    /// rows (the rest is zero). `challenges[i]` is known once its phase is over.
    ///
    /// # Errors
    ///
    /// Whatever stops the source; the proof fails with [`EngineError::Witness`].
    fn phase(
        &mut self,
        phase: u8,
        challenges: &[Option<Fr>],
    ) -> Result<Vec<Vec<Fr>>, Box<dyn std::error::Error + Send + Sync>>;
}

/// Runs a source through all phases.
pub(super) fn run_source<E, R, T>(
    state: &mut AdviceState<'_, R, T, E>,
    source: &mut dyn WitnessSource,
) -> Result<(), EngineError>
where
    E: EncodedChallenge<G1Affine>,
    R: RngCore,
    T: TranscriptWrite<G1Affine, E>,
{
    while usize::from(state.phase) < state.phases {
        let columns = source
            .phase(state.phase, &state.challenges)
            .map_err(|source| EngineError::Witness { phase: state.phase, source })?;
        state.commit_phase(columns)?;
    }
    Ok(())
}

/// Runs a circuit through all phases.
pub(super) fn run_circuit<C, E, R, T>(
    state: &mut AdviceState<'_, R, T, E>,
    circuit: &C,
    instances: &[&[Fr]],
) -> Result<(), EngineError>
where
    C: Circuit<Fr>,
    E: EncodedChallenge<G1Affine>,
    R: RngCore,
    T: TranscriptWrite<G1Affine, E>,
{
    let mut cs = ConstraintSystem::default();
    let config = C::configure_with_params(&mut cs, circuit.params());
    let cs = state.cs;
    let n = state.engine.domain.size();
    let mut synthesis = Synthesis {
        advice: vec![vec![Assigned::Zero; n]; cs.num_advice_columns()],
        instances,
        state,
        error: None,
    };
    // Circuits that call `next_phase` finish in one run, others need one a phase.
    while usize::from(synthesis.state.phase) < synthesis.state.phases {
        let before = synthesis.state.phase;
        let result = C::FloorPlanner::synthesize(
            &mut synthesis,
            circuit,
            config.clone(),
            cs.constants().clone(),
        );
        if let Some(error) = synthesis.error.take() {
            return Err(error);
        }
        result?;
        if usize::from(synthesis.state.phase) < synthesis.state.phases {
            synthesis.next_phase();
            if let Some(error) = synthesis.error.take() {
                return Err(error);
            }
        }
        debug_assert!(synthesis.state.phase > before);
    }
    Ok(())
}

/// Collects assignments. The first error is kept, as most methods cannot return one.
struct Synthesis<'s, 'a, R, T, E> {
    advice: Vec<Vec<Assigned<Fr>>>,
    instances: &'s [&'s [Fr]],
    state: &'s mut AdviceState<'a, R, T, E>,
    error: Option<EngineError>,
}

impl<R, T, E> Synthesis<'_, '_, R, T, E> {
    fn fail(&mut self, error: EngineError) {
        self.error.get_or_insert(error);
    }
}

/// Values of a column of fractions.
pub(crate) fn evaluate_assigned(column: &[Assigned<Fr>]) -> Vec<Fr> {
    let mut fractions: Vec<usize> = Vec::new();
    let mut denominators: Vec<Fr> = Vec::new();
    let mut values: Vec<Fr> = column
        .iter()
        .enumerate()
        .map(|(row, cell)| match cell {
            Assigned::Zero => Fr::ZERO,
            Assigned::Trivial(value) => *value,
            Assigned::Rational(numerator, denominator) => {
                fractions.push(row);
                denominators.push(*denominator);
                *numerator
            }
        })
        .collect();
    invert_all(&mut denominators);
    for (row, inverse) in fractions.into_iter().zip(denominators) {
        values[row] *= inverse;
    }
    values
}

impl<R, T, E> Assignment<Fr> for Synthesis<'_, '_, R, T, E>
where
    E: EncodedChallenge<G1Affine>,
    R: RngCore,
    T: TranscriptWrite<G1Affine, E>,
{
    fn enter_region<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}
    fn exit_region(&mut self) {}
    fn annotate_column<A: FnOnce() -> AR, AR: Into<String>>(&mut self, _: A, _: Column<Any>) {}
    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}
    fn pop_namespace(&mut self, _: Option<String>) {}

    fn enable_selector<A: FnOnce() -> AR, AR: Into<String>>(
        &mut self,
        _: A,
        _: &Selector,
        _: usize,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn query_instance(&self, column: Column<Instance>, row: usize) -> Result<Value<Fr>, Error> {
        if row >= self.state.usable_rows {
            return Err(Error::NotEnoughRowsAvailable { current_k: self.state.engine.k() });
        }
        self.instances
            .get(column.index())
            .and_then(|column| column.get(row))
            .map(|value| Value::known(*value))
            .ok_or(Error::BoundsFailure)
    }

    fn assign_advice<'v>(
        &mut self,
        column: Column<Advice>,
        row: usize,
        to: Value<Assigned<Fr>>,
    ) -> Value<&'v Assigned<Fr>> {
        let (column, limit) = (column.index(), self.state.usable_rows);
        if row >= limit {
            self.fail(EngineError::RowOutOfRange { column, row, limit });
            return Value::unknown();
        }
        let Some(cell) = self.advice.get_mut(column).and_then(|cells| cells.get_mut(row)) else {
            self.fail(EngineError::UnknownColumn(column));
            return Value::unknown();
        };
        let mut known = false;
        to.map(|value| {
            *cell = value;
            known = true;
        });
        let cell: *const Assigned<Fr> = cell;
        if !known {
            self.fail(EngineError::UnknownValue { column, row });
            return Value::unknown();
        }
        // SAFETY: the columns are allocated once and not resized or dropped before
        // synthesis is over; halo2's interface leaves the lifetime to the
        // implementation, and circuits hold cells within `synthesize` only.
        Value::known(unsafe { &*cell })
    }

    fn assign_fixed(&mut self, _: Column<Fixed>, _: usize, _: Assigned<Fr>) {}
    fn copy(&mut self, _: Column<Any>, _: usize, _: Column<Any>, _: usize) {}

    fn fill_from_row(
        &mut self,
        _: Column<Fixed>,
        _: usize,
        _: Value<Assigned<Fr>>,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn get_challenge(&self, challenge: Challenge) -> Value<Fr> {
        match self.state.challenges.get(challenge.index()) {
            Some(Some(value)) => Value::known(*value),
            _ => Value::unknown(),
        }
    }

    fn next_phase(&mut self) {
        if self.error.is_some() {
            return;
        }
        let phases = self.state.phases;
        if usize::from(self.state.phase) >= phases {
            return self.fail(EngineError::TooManyPhases(phases));
        }
        let columns = self
            .state
            .columns_of_phase()
            .map(|index| evaluate_assigned(&self.advice[index]))
            .collect();
        if let Err(error) = self.state.commit_phase(columns) {
            self.fail(error);
        }
    }
}
