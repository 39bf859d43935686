//! Key generation: the same keys as halo2-axiom's, with the engine's kernels.

use crate::columns::FixedColumns;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::poly::CHUNK;
use crate::prover::evaluate_assigned;
use ff::{Field, PrimeField};
use halo2_proofs::circuit::Value;
use halo2_proofs::plonk::{
    Advice, Any, Assigned, Assignment, Challenge, Circuit, Column, ConstraintSystem, Error, Fixed,
    FloorPlanner, Instance, ProvingKey, Selector, VerifyingKey, permutation,
};
use halo2_proofs::poly::EvaluationDomain;
use halo2curves::bn256::{Fr, G1Affine};
use rayon::prelude::*;
use verdict_kzg::field::powers;

impl Engine {
    /// Makes the proving key of a circuit, with its verifying key inside: the keys
    /// that halo2-axiom's `keygen_vk_custom` and `keygen_pk` make. Pass
    /// `compress_selectors = false` for what `keygen_vk` does.
    ///
    /// # Errors
    ///
    /// When the circuit does not fit or its `synthesize` fails.
    pub fn keygen<C: Circuit<Fr>>(
        &self,
        circuit: &C,
        compress_selectors: bool,
    ) -> Result<ProvingKey<G1Affine>, EngineError> {
        let mut cs = ConstraintSystem::default();
        let config = C::configure_with_params(&mut cs, circuit.params());
        let n = self.domain.size();
        if n < cs.minimum_rows() {
            return Err(EngineError::NotEnoughRows { needed: cs.minimum_rows(), k: self.k() });
        }
        let mut assembly = Assembly {
            k: self.k(),
            usable_rows: n - (cs.blinding_factors() + 1),
            fixed: vec![vec![Assigned::Zero; n]; cs.num_fixed_columns()],
            selectors: vec![vec![false; n]; cs.num_selectors()],
            copies: Copies::new(cs.permutation().get_columns(), n),
            error: None,
        };
        let constants = cs.constants().clone();
        let result = C::FloorPlanner::synthesize(&mut assembly, circuit, config, constants);
        if let Some(error) = assembly.error.take() {
            return Err(error);
        }
        result?;
        let Assembly { fixed, selectors, copies, .. } = assembly;

        let mut fixed: Vec<Vec<Fr>> =
            self.pool.install(|| fixed.par_iter().map(|c| evaluate_assigned(c)).collect());
        let (cs, selector_columns, selectors) = if compress_selectors {
            let (cs, columns) = cs.compress_selectors(selectors.clone());
            (cs, columns, selectors)
        } else {
            let (cs, columns) = cs.directly_convert_selectors_to_fixed(selectors);
            (cs, columns, Vec::new())
        };
        fixed.extend(selector_columns);

        self.pool.install(|| {
            let sigma = copies.sigma(self.domain.omega());
            let columns = fixed.par_iter().chain(&sigma).map(Vec::as_slice);
            let mut commitments = self.commit_values(columns);
            let sigma_commitments = commitments.split_off(fixed.len());
            let vk = VerifyingKey::from_parts(
                EvaluationDomain::new(cs.degree() as u32, self.k()),
                commitments,
                permutation::VerifyingKey::from_commitments(sigma_commitments),
                cs,
                selectors,
                compress_selectors,
            );
            Ok(self.proving_key(vk, fixed, sigma))
        })
    }

    /// Makes the proving key of a circuit without selectors and copies from its fixed
    /// columns (shorter ones end in zeros): the key that [`Self::keygen`] makes of a
    /// circuit that assigns them, without the detour over cells.
    ///
    /// # Errors
    ///
    /// When the columns do not fit the constraint system or the number of rows.
    pub fn keygen_from(
        &self,
        cs: ConstraintSystem<Fr>,
        fixed: Vec<Vec<Fr>>,
    ) -> Result<ProvingKey<G1Affine>, EngineError> {
        self.halo2_key(&self.fixed_columns(cs, fixed)?)
    }

    /// Makes halo2's proving key of fixed columns.
    ///
    /// # Errors
    ///
    /// Columns of another number of rows.
    pub fn halo2_key(&self, fixed: &FixedColumns) -> Result<ProvingKey<G1Affine>, EngineError> {
        self.check_size(fixed.k)?;
        let (cs, columns) = (fixed.cs.clone(), 0..fixed.columns().len());
        Ok(self.pool.install(|| {
            let fixed: Vec<Vec<Fr>> =
                columns.map(|column| fixed.values(self, column).to_vec()).collect();
            let vk = VerifyingKey::from_parts(
                EvaluationDomain::new(cs.degree() as u32, self.k()),
                self.commit_values(fixed.par_iter().map(Vec::as_slice)),
                permutation::VerifyingKey::from_commitments(Vec::new()),
                cs,
                Vec::new(),
                false,
            );
            self.proving_key(vk, fixed, Vec::new())
        }))
    }

    /// The proving key: everything in the verifying key once more, as polynomials.
    fn proving_key(
        &self,
        vk: VerifyingKey<G1Affine>,
        fixed: Vec<Vec<Fr>>,
        sigma: Vec<Vec<Fr>>,
    ) -> ProvingKey<G1Affine> {
        let (n, blinding) = (self.domain.size(), vk.cs().blinding_factors());
        let halo2_domain = vk.get_domain().clone();
        let mut unit = vec![vec![Fr::ZERO; n]; 3];
        unit[0][0] = Fr::ONE;
        unit[1][n - blinding - 1] = Fr::ONE;
        unit[2][..n - blinding - 1].fill(Fr::ONE);
        let coefficients = |columns: &[Vec<Fr>]| -> Vec<_> {
            columns
                .par_iter()
                .map_init(Vec::new, |scratch, column| {
                    let mut column = column.clone();
                    self.domain.inverse(&mut column, scratch);
                    halo2_domain.coeff_from_vec(column)
                })
                .collect()
        };
        let fixed_polys = coefficients(&fixed);
        let sigma_polys = coefficients(&sigma);
        let mut unit = coefficients(&unit).into_iter();
        let mut next = || unit.next().unwrap_or_else(|| halo2_domain.empty_coeff());
        let (l_first, l_last, l_active) = (next(), next(), next());
        let lagrange = |columns: Vec<Vec<Fr>>| {
            columns.into_iter().map(|c| halo2_domain.lagrange_from_vec(c)).collect::<Vec<_>>()
        };
        let permutation = permutation::ProvingKey::from_parts(lagrange(sigma), sigma_polys);
        let fixed = lagrange(fixed);
        ProvingKey::from_parts(vk, l_first, l_last, l_active, fixed, fixed_polys, permutation)
    }
}

/// Copy constraints as cycles of equal cells.
struct Copies {
    columns: Vec<Column<Any>>,
    rows: usize,
    /// The next cell of each cell's cycle, cells numbered column by column.
    next: Vec<u32>,
    /// Union-find forest over cycles.
    parent: Vec<u32>,
}

impl Copies {
    fn new(columns: Vec<Column<Any>>, rows: usize) -> Self {
        let cells = (columns.len() * rows) as u32;
        Self { columns, rows, next: (0..cells).collect(), parent: (0..cells).collect() }
    }

    fn cell(&self, column: &Column<Any>, row: usize) -> Option<usize> {
        let position = self.columns.iter().position(|c| c == column)?;
        Some(position * self.rows + row)
    }

    fn root(&mut self, mut cell: usize) -> usize {
        while self.parent[cell] as usize != cell {
            self.parent[cell] = self.parent[self.parent[cell] as usize];
            cell = self.parent[cell] as usize;
        }
        cell
    }

    /// Joins the cycles of two cells by exchanging their successors; cells already on
    /// one cycle stay as they are.
    fn join(&mut self, a: usize, b: usize) {
        let (root_a, root_b) = (self.root(a), self.root(b));
        if root_a != root_b {
            self.parent[root_b] = root_a as u32;
            self.next.swap(a, b);
        }
    }

    /// Values of the permutation polynomials: δ^column · ω^row of the next cell.
    fn sigma(&self, omega: Fr) -> Vec<Vec<Fr>> {
        let points = powers(Fr::ONE, omega, self.rows);
        let deltas = powers(Fr::ONE, Fr::DELTA, self.columns.len());
        (0..self.columns.len())
            .map(|column| {
                let mut values = vec![Fr::ZERO; self.rows];
                values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
                    let start = column * self.rows + chunk * CHUNK;
                    for (value, next) in values.iter_mut().zip(&self.next[start..]) {
                        let next = *next as usize;
                        *value = points[next % self.rows] * deltas[next / self.rows];
                    }
                });
                values
            })
            .collect()
    }
}

/// Collects fixed cells, selectors and copies; the first error is kept.
struct Assembly {
    k: u32,
    usable_rows: usize,
    fixed: Vec<Vec<Assigned<Fr>>>,
    selectors: Vec<Vec<bool>>,
    copies: Copies,
    error: Option<EngineError>,
}

impl Assembly {
    fn check_row(&mut self, column: usize, row: usize) -> bool {
        let limit = self.usable_rows;
        if row >= limit {
            self.error.get_or_insert(EngineError::RowOutOfRange { column, row, limit });
        }
        row < limit
    }
}

impl Assignment<Fr> for Assembly {
    fn enter_region<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}
    fn exit_region(&mut self) {}
    fn annotate_column<A: FnOnce() -> AR, AR: Into<String>>(&mut self, _: A, _: Column<Any>) {}
    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}
    fn pop_namespace(&mut self, _: Option<String>) {}

    fn enable_selector<A: FnOnce() -> AR, AR: Into<String>>(
        &mut self,
        _: A,
        selector: &Selector,
        row: usize,
    ) -> Result<(), Error> {
        if row >= self.usable_rows {
            return Err(Error::NotEnoughRowsAvailable { current_k: self.k });
        }
        let column = self.selectors.get_mut(selector.index()).ok_or(Error::BoundsFailure)?;
        column[row] = true;
        Ok(())
    }

    fn query_instance(&self, _: Column<Instance>, row: usize) -> Result<Value<Fr>, Error> {
        if row >= self.usable_rows {
            return Err(Error::NotEnoughRowsAvailable { current_k: self.k });
        }
        Ok(Value::unknown())
    }

    fn assign_advice<'v>(
        &mut self,
        _: Column<Advice>,
        _: usize,
        _: Value<Assigned<Fr>>,
    ) -> Value<&'v Assigned<Fr>> {
        Value::unknown()
    }

    fn assign_fixed(&mut self, column: Column<Fixed>, row: usize, to: Assigned<Fr>) {
        if self.check_row(column.index(), row) {
            match self.fixed.get_mut(column.index()) {
                Some(cells) => cells[row] = to,
                None => {
                    self.error.get_or_insert(EngineError::UnknownColumn(column.index()));
                }
            }
        }
    }

    fn copy(&mut self, a: Column<Any>, a_row: usize, b: Column<Any>, b_row: usize) {
        if !self.check_row(a.index(), a_row) || !self.check_row(b.index(), b_row) {
            return;
        }
        match (self.copies.cell(&a, a_row), self.copies.cell(&b, b_row)) {
            (Some(a), Some(b)) => self.copies.join(a, b),
            (None, _) => {
                self.error.get_or_insert(Error::ColumnNotInPermutation(a).into());
            }
            (_, None) => {
                self.error.get_or_insert(Error::ColumnNotInPermutation(b).into());
            }
        }
    }

    fn fill_from_row(
        &mut self,
        column: Column<Fixed>,
        from: usize,
        to: Value<Assigned<Fr>>,
    ) -> Result<(), Error> {
        if from >= self.usable_rows {
            return Err(Error::NotEnoughRowsAvailable { current_k: self.k });
        }
        let usable = self.usable_rows;
        let cells = self.fixed.get_mut(column.index()).ok_or(Error::BoundsFailure)?;
        let mut known = false;
        to.map(|value| {
            cells[from..usable].fill(value);
            known = true;
        });
        if known { Ok(()) } else { Err(Error::Synthesis) }
    }

    fn get_challenge(&self, _: Challenge) -> Value<Fr> {
        Value::unknown()
    }
}
