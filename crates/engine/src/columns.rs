//! A circuit's fixed columns, each kept once.

use crate::engine::Engine;
use crate::error::EngineError;
use ff::Field;
use halo2_proofs::plonk::{ConstraintSystem, ProvingKey};
use halo2curves::bn256::{Fr, G1Affine};
use rayon::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;
use verdict_kzg::protocol::Protocol;

/// A constraint system and its fixed columns: what [`Engine::prove`] takes besides a verifying key.
#[derive(Clone, Debug)]
pub struct FixedColumns {
    pub(crate) cs: ConstraintSystem<Fr>,
    pub(crate) k: u32,
    columns: Vec<FixedColumn>,
}

/// A column in one of its forms.
#[derive(Clone, Debug)]
pub(crate) enum FixedColumn {
    /// On the domain.
    Values(Arc<Vec<Fr>>),
    /// Of its polynomial.
    Coefficients(Vec<Fr>),
}

impl FixedColumns {
    /// The columns, by index.
    pub(crate) fn columns(&self) -> &[FixedColumn] {
        &self.columns
    }

    /// Values of a column on the engine's domain.
    ///
    /// # Panics
    /// If there is no such column.
    pub fn values(&self, engine: &Engine, column: usize) -> Arc<Vec<Fr>> {
        match &self.columns[column] {
            FixedColumn::Values(values) => values.clone(),
            FixedColumn::Coefficients(coefficients) => {
                let mut values = coefficients.clone();
                engine.domain.forward(&mut values, &mut Vec::new());
                Arc::new(values)
            }
        }
    }

    /// Coefficients of a column's polynomial.
    pub(crate) fn coefficients(&self, engine: &Engine, column: usize) -> Cow<'_, [Fr]> {
        match &self.columns[column] {
            FixedColumn::Coefficients(coefficients) => Cow::Borrowed(coefficients),
            FixedColumn::Values(values) => {
                let mut coefficients = values.to_vec();
                engine.domain.inverse(&mut coefficients, &mut Vec::new());
                Cow::Owned(coefficients)
            }
        }
    }
}

impl From<&ProvingKey<G1Affine>> for FixedColumns {
    fn from(key: &ProvingKey<G1Affine>) -> Self {
        let values = |column: &[Fr]| FixedColumn::Values(Arc::new(column.to_vec()));
        let columns = key.fixed_values().iter().map(|column| values(column));
        let vk = key.get_vk();
        Self { cs: vk.cs().clone(), k: vk.get_domain().k(), columns: columns.collect() }
    }
}

impl Engine {
    /// The fixed columns of a circuit without selectors and copies; shorter ones end in zeros.
    ///
    /// # Errors
    ///
    /// When the columns do not fit the constraint system or the number of rows.
    pub fn fixed_columns(
        &self,
        cs: ConstraintSystem<Fr>,
        fixed: Vec<Vec<Fr>>,
    ) -> Result<FixedColumns, EngineError> {
        let values = |column| FixedColumn::Values(Arc::new(column));
        let columns = self.check_fixed(&cs, fixed)?.into_iter().map(values);
        let (columns, k) = (columns.collect(), self.k());
        let (cs, _) = cs.directly_convert_selectors_to_fixed(Vec::new());
        Ok(FixedColumns { cs, k, columns })
    }

    /// The same columns in the form that proofs of `protocol` take them in: those that are opened
    /// as coefficients, the secret ones, which are only ever added up, as values. Without it, each
    /// proof does that again.
    ///
    /// # Errors
    ///
    /// Columns of another number of rows.
    pub fn prepare(
        &self,
        mut fixed: FixedColumns,
        protocol: &Protocol,
    ) -> Result<FixedColumns, EngineError> {
        self.check_size(fixed.k)?;
        let columns = fixed.columns.par_iter_mut().enumerate();
        let opened = columns.filter(|(index, _)| !protocol.secret_columns.contains(index));
        self.pool.install(|| {
            opened.for_each_init(Vec::new, |scratch, (_, column)| {
                if let FixedColumn::Values(values) = column {
                    let mut values = Arc::unwrap_or_clone(std::mem::take(values));
                    self.domain.inverse(&mut values, scratch);
                    *column = FixedColumn::Coefficients(values);
                }
            });
        });
        Ok(fixed)
    }

    /// Whether columns of `2^k` rows are of the engine's size.
    pub(crate) fn check_size(&self, k: u32) -> Result<(), EngineError> {
        match k == self.k() {
            true => Ok(()),
            false => Err(EngineError::SizeMismatch { params: self.k(), key: k }),
        }
    }

    /// Checks and pads the fixed columns of a circuit that has nothing else to fix.
    pub(crate) fn check_fixed(
        &self,
        cs: &ConstraintSystem<Fr>,
        mut fixed: Vec<Vec<Fr>>,
    ) -> Result<Vec<Vec<Fr>>, EngineError> {
        let n = self.domain.size();
        if n < cs.minimum_rows() {
            return Err(EngineError::NotEnoughRows { needed: cs.minimum_rows(), k: self.k() });
        }
        let (selectors, copies) = (cs.num_selectors(), cs.permutation().get_columns().len());
        if selectors + copies > 0 {
            return Err(EngineError::NotOnlyColumns { selectors, copies });
        }
        if fixed.len() != cs.num_fixed_columns() {
            let (expected, got) = (cs.num_fixed_columns(), fixed.len());
            return Err(EngineError::FixedColumns { expected, got });
        }
        let limit = n - (cs.blinding_factors() + 1);
        for (column, values) in fixed.iter_mut().enumerate() {
            if values.len() > limit {
                return Err(EngineError::RowOutOfRange { column, row: values.len() - 1, limit });
            }
            values.resize(n, Fr::ZERO);
        }
        Ok(fixed)
    }
}
