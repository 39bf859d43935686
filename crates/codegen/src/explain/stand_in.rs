//! A key and a proof of random points and scalars, which cost what real ones cost.

use std::sync::Arc;

use halo2curves::{
    bn256::{Fr, G1, G1Affine, G2, G2Affine},
    ff::Field,
    group::Curve,
};
use rand::{SeedableRng, rngs::StdRng};
use verdict_kzg::{
    contract::{evm_proof, key_payload},
    key::{VerifyingKey, g1_bytes},
    protocol::Protocol,
    transcript::to_be_bytes,
};

use crate::{error::CodegenError, memory::rounds};

/// A key of a shape, of no model.
#[derive(Debug, Clone)]
pub struct StandIn {
    vk: VerifyingKey,
    num_instances: usize,
    payload: Vec<u8>,
}

impl StandIn {
    /// For `2^k` rows and `num_instances` instances.
    ///
    /// # Errors
    /// As [`key_payload`].
    pub fn new(
        protocol: Arc<Protocol>,
        k: u32,
        num_instances: usize,
    ) -> Result<Self, CodegenError> {
        let mut rng = StdRng::seed_from_u64(1);
        let groups = (0..protocol.key_groups.len()).map(|_| point(&mut rng)).collect();
        let secret = (0..protocol.secret_scalars.len()).map(|_| point(&mut rng)).collect();
        let vk = VerifyingKey::new(protocol, k, groups, secret)?;
        let tau_g2 = (G2::generator() * Fr::random(&mut rng)).to_affine();
        let payload = key_payload(&vk, G2Affine::generator(), tau_g2, num_instances)?;
        Ok(Self { vk, num_instances, payload })
    }

    /// The key contract's payload.
    pub fn key_payload(&self) -> &[u8] {
        &self.payload
    }

    /// How many instances a proof has.
    pub fn num_instances(&self) -> usize {
        self.num_instances
    }

    /// A proof in EVM form that passes every check but the pairing. None of its bytes is zero.
    ///
    /// # Errors
    /// There are more or fewer instances than the key is for.
    pub fn proof(&self, instances: &[Fr]) -> Result<Vec<u8>, CodegenError> {
        let mut rng = StdRng::seed_from_u64(2);
        loop {
            let mut proof = Vec::with_capacity(self.vk.protocol().proof_length());
            for item in rounds(self.vk.protocol()).iter().flat_map(|round| &round.items) {
                match item.words {
                    2 => proof.extend(g1_bytes(&point(&mut rng))),
                    _ => proof.extend(scalar(&mut rng)),
                }
            }
            // The last word depends on all others.
            let proof = evm_proof(&self.vk, instances, &proof)?;
            if !proof.contains(&0) {
                return Ok(proof);
            }
        }
    }
}

/// A point without a zero byte.
fn point(rng: &mut StdRng) -> G1Affine {
    loop {
        let point = (G1::generator() * Fr::random(&mut *rng)).to_affine();
        if !g1_bytes(&point).contains(&0) {
            return point;
        }
    }
}

/// A scalar without a zero byte.
fn scalar(rng: &mut StdRng) -> [u8; 32] {
    loop {
        let bytes = to_be_bytes(&Fr::random(&mut *rng));
        if !bytes.contains(&0) {
            return bytes;
        }
    }
}
