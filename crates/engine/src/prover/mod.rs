//! The provers: [`linearised`] follows Verdict's protocol, [`halo2`] halo2's.

mod advice;
mod groups;
mod halo2;
mod linearised;
mod opening;
mod permutation;
mod witness;

pub use halo2::create_proof;
pub use witness::WitnessSource;
pub(crate) use witness::evaluate_assigned;

use crate::engine::Engine;
use crate::error::EngineError;
use halo2_proofs::plonk::ConstraintSystem;
use halo2curves::bn256::Fr;

impl Engine {
    /// Estimated peak of a proof in bytes, parameters and key not counted.
    fn memory_estimate(&self, cs: &ConstraintSystem<Fr>) -> usize {
        let n = self.domain.size();
        let products = permutation::sets(cs);
        let opened = cs.num_advice_columns() + cs.num_instance_columns() + products;
        let transformed = opened
            + cs.num_fixed_columns()
            + if products > 0 { 4 + cs.permutation().get_columns().len() } else { 0 };
        // Polynomials, their values on a coset, quotient pieces twice, scratch.
        32 * n * (opened + transformed + 2 * cs.degree() + 4)
    }

    /// Whether a circuit of `2^k` rows and its instances are what this engine proves.
    pub(super) fn check(
        &self,
        cs: &ConstraintSystem<Fr>,
        k: u32,
        instances: &[&[Fr]],
    ) -> Result<(), EngineError> {
        self.check_size(k)?;
        if !cs.lookups().is_empty() {
            return Err(EngineError::UnsupportedLookups(cs.lookups().len()));
        }
        let limit = cs.degree();
        let gates = cs.gates().iter().flat_map(|gate| gate.polynomials());
        if let Some(gate) = gates.map(|p| p.degree()).max().filter(|degree| *degree > limit) {
            return Err(EngineError::GateDegree { gate, limit });
        }
        let n = self.domain.size();
        if n < cs.minimum_rows() {
            return Err(EngineError::NotEnoughRows { needed: cs.minimum_rows(), k });
        }
        if instances.len() != cs.num_instance_columns() {
            return Err(EngineError::InstanceColumns {
                expected: cs.num_instance_columns(),
                got: instances.len(),
            });
        }
        let limit = n - (cs.blinding_factors() + 1);
        for (column, values) in instances.iter().enumerate() {
            if values.len() > limit {
                return Err(EngineError::InstanceTooLong { column, got: values.len(), limit });
            }
        }
        if let Some(budget) = self.options.memory_budget {
            let needed = self.memory_estimate(cs);
            if needed > budget {
                return Err(EngineError::MemoryBudget { needed, budget });
            }
        }
        Ok(())
    }
}
