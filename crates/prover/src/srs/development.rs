//! Making a structured reference string whose τ somebody knew: insecure, but at once.
//!
//! Whoever knows τ can prove anything. Here τ lives in this process's memory for as
//! long as it takes to compute the points and is overwritten before returning; still,
//! nothing but this program's word says so. Such an SRS is for development and demos.

use ff::Field;
use group::Curve;
use halo2curves::bn256::{Fr, G1Affine, G2Affine};
use rand::RngCore;
use verdict_kzg::field::{lagrange_basis, powers};

use super::{
    fixed_base::FixedBase,
    progress::{Progress, Step},
};

/// Scalars that are overwritten when dropped.
struct Secret(Vec<Fr>);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(Fr::ZERO);
        // Keeps the compiler from leaving out stores to memory about to be freed.
        std::hint::black_box(&self.0);
    }
}

/// The points of a fresh SRS.
pub(super) struct Points {
    pub(super) powers: Vec<G1Affine>,
    pub(super) lagrange: Vec<G1Affine>,
    pub(super) s_g2: G2Affine,
}

/// Draws τ from `rng` and computes the points for `k`, which the caller has checked.
pub(super) fn generate(k: u32, rng: &mut impl RngCore, progress: &dyn Progress) -> Points {
    let n = 1usize << k;
    let tau = Secret(vec![draw(n, rng)]);
    let table = FixedBase::new(G1Affine::generator(), 2 * n);
    let scalars = Secret(powers(Fr::ONE, tau.0[0], n));
    let powers = table.multiply(&scalars.0, Step::Powers, progress);
    drop(scalars);
    let scalars = Secret(lagrange_basis(k, tau.0[0]));
    let lagrange = table.multiply(&scalars.0, Step::Lagrange, progress);
    drop(scalars);
    let s_g2 = (G2Affine::generator() * tau.0[0]).to_affine();
    Points { powers, lagrange, s_g2 }
}

/// A τ that is neither zero nor in the domain, where a Lagrange point would vanish.
fn draw(n: usize, rng: &mut impl RngCore) -> Fr {
    loop {
        let tau = Fr::random(&mut *rng);
        if tau != Fr::ZERO && tau.pow_vartime([n as u64]) != Fr::ONE {
            return tau;
        }
    }
}
