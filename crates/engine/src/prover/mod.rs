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
use halo2_proofs::plonk::ProvingKey;
use halo2curves::bn256::{Fr, G1Affine};

impl Engine {
    /// Estimated peak of a proof in bytes, parameters and key not counted.
    pub fn memory_estimate(&self, pk: &ProvingKey<G1Affine>) -> usize {
        let cs = pk.get_vk().cs();
        let n = self.domain.size();
        let products = permutation::sets(cs);
        let opened = cs.num_advice_columns() + cs.num_instance_columns() + products;
        let transformed = opened
            + cs.num_fixed_columns()
            + if products > 0 { 4 + cs.permutation().get_columns().len() } else { 0 };
        // Polynomials, their values on a coset, quotient pieces twice, scratch.
        32 * n * (opened + transformed + 2 * cs.degree() + 4)
    }

    pub(super) fn check(
        &self,
        pk: &ProvingKey<G1Affine>,
        instances: &[&[Fr]],
    ) -> Result<(), EngineError> {
        let vk = pk.get_vk();
        let (cs, key) = (vk.cs(), vk.get_domain().k());
        if key != self.k() {
            return Err(EngineError::SizeMismatch { params: self.k(), key });
        }
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
            return Err(EngineError::NotEnoughRows { needed: cs.minimum_rows(), k: key });
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
            let needed = self.memory_estimate(pk);
            if needed > budget {
                return Err(EngineError::MemoryBudget { needed, budget });
            }
        }
        Ok(())
    }
}
