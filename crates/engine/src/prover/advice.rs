//! Committing to the advice columns, phase by phase.

use crate::engine::Engine;
use crate::error::EngineError;
use crate::options::Stage;
use ff::Field;
use halo2_proofs::plonk::ConstraintSystem;
use halo2_proofs::transcript::{EncodedChallenge, TranscriptWrite};
use halo2curves::bn256::{Fr, G1Affine};
use rand::RngCore;
use rayon::prelude::*;
use std::marker::PhantomData;

/// Commits to the columns of a phase: number of the phase, indices, values.
pub(super) type Commit<'a> =
    &'a dyn Fn(u8, &[usize], &[Vec<Fr>]) -> Result<Vec<G1Affine>, EngineError>;

/// Advice columns and challenges so far.
pub(super) struct AdviceState<'a, R, T, E> {
    pub(super) engine: &'a Engine,
    pub(super) cs: &'a ConstraintSystem<Fr>,
    pub(super) rng: &'a mut R,
    pub(super) transcript: &'a mut T,
    /// Phase to be committed next, and number of phases.
    pub(super) phase: u8,
    pub(super) phases: usize,
    pub(super) usable_rows: usize,
    /// Values of every column, once committed.
    pub(super) columns: Vec<Vec<Fr>>,
    pub(super) challenges: Vec<Option<Fr>>,
    column_phases: Vec<u8>,
    /// `None` commits to columns one by one.
    commit: Option<Commit<'a>>,
    marker: PhantomData<E>,
}

impl<'a, R, T, E> AdviceState<'a, R, T, E> {
    pub(super) fn new(
        engine: &'a Engine,
        cs: &'a ConstraintSystem<Fr>,
        rng: &'a mut R,
        transcript: &'a mut T,
    ) -> Self {
        let column_phases = cs.advice_column_phase();
        Self {
            engine,
            cs,
            rng,
            transcript,
            phase: 0,
            phases: usize::from(column_phases.iter().copied().max().unwrap_or(0)) + 1,
            usable_rows: engine.domain.size() - (cs.blinding_factors() + 1),
            columns: vec![Vec::new(); cs.num_advice_columns()],
            challenges: vec![None; cs.num_challenges()],
            column_phases,
            commit: None,
            marker: PhantomData,
        }
    }

    /// Commits to the columns of each phase in this way instead of one by one.
    pub(super) fn commit_by(&mut self, commit: Commit<'a>) {
        self.commit = Some(commit);
    }

    /// Makes at least so many rows at the end of every column random.
    pub(super) fn blind_at_least(&mut self, rows: usize) {
        let n = self.engine.domain.size();
        self.usable_rows = self.usable_rows.min(n.saturating_sub(rows));
    }

    /// Indices of the columns of the current phase.
    pub(super) fn columns_of_phase(&self) -> impl Iterator<Item = usize> + '_ {
        let phase = self.phase;
        (0..self.column_phases.len()).filter(move |i| self.column_phases[*i] == phase)
    }
}

impl<R, T, E> AdviceState<'_, R, T, E>
where
    E: EncodedChallenge<G1Affine>,
    R: RngCore,
    T: TranscriptWrite<G1Affine, E>,
{
    /// Blinds and commits to the columns of the current phase and draws its
    /// challenges.
    pub(super) fn commit_phase(&mut self, mut columns: Vec<Vec<Fr>>) -> Result<(), EngineError> {
        self.engine.options.enter(Stage::Advice(self.phase))?;
        let indices: Vec<usize> = self.columns_of_phase().collect();
        if columns.len() != indices.len() {
            return Err(EngineError::AdviceColumns {
                phase: self.phase,
                expected: indices.len(),
                got: columns.len(),
            });
        }
        let n = self.engine.domain.size();
        for (column, index) in columns.iter_mut().zip(&indices) {
            // The rows behind the usable ones are blinded below, whatever they hold.
            if column.len() > self.usable_rows && column.len() != n {
                return Err(EngineError::RowOutOfRange {
                    column: *index,
                    row: column.len() - 1,
                    limit: self.usable_rows,
                });
            }
            column.resize(n, Fr::ZERO);
            for cell in &mut column[self.usable_rows..] {
                *cell = Fr::random(&mut *self.rng);
            }
        }
        // KZG commitments are not blinded further, but halo2 draws the factors.
        for _ in &columns {
            Fr::random(&mut *self.rng);
        }
        let commitments = match self.commit {
            Some(commit) => commit(self.phase, &indices, &columns)?,
            None => {
                let engine = self.engine;
                let columns = || columns.par_iter().map(Vec::as_slice);
                engine.pool.install(|| engine.commit_values(columns()))
            }
        };
        for commitment in commitments {
            self.transcript.write_point(commitment)?;
        }
        for (index, column) in indices.into_iter().zip(columns) {
            self.columns[index] = column;
        }
        for (index, phase) in self.cs.challenge_phase().into_iter().enumerate() {
            if phase == self.phase {
                self.challenges[index] = Some(*self.transcript.squeeze_challenge_scalar::<()>());
            }
        }
        self.phase += 1;
        if usize::from(self.phase) < self.phases {
            self.engine.options.enter(Stage::Witness(self.phase))?;
        }
        Ok(())
    }
}
