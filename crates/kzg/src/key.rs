//! The verifying key: a protocol, a number of rows, commitments to groups of structural
//! columns and to secret columns.

use std::sync::Arc;

use halo2curves::{
    CurveAffine,
    bn256::{Fq2, Fr, G1Affine, G2Affine},
    group::prime::PrimeCurveAffine,
};

use crate::{
    protocol::Protocol,
    transcript::{POINT_BYTES, from_be_bytes, keccak256, reduce_be, to_be_bytes},
};

/// Prefix of what the digest is taken of.
const DOMAIN: &[u8] = b"verdict-key-v2";

/// Largest supported k: the field has no larger domain.
pub(crate) const MAX_K: u32 = 28;

/// What a verifier knows about a circuit.
#[derive(Debug, Clone)]
pub struct VerifyingKey {
    protocol: Arc<Protocol>,
    k: u32,
    groups: Vec<G1Affine>,
    secret: Vec<G1Affine>,
    digest: Fr,
}

/// Why bytes are not a verifying key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key is of another number of rows or columns.
    #[error(
        "the verifying key does not belong to this circuit: {what} is {got}, expected {expected}"
    )]
    Foreign {
        /// What differs.
        what: &'static str,
        /// The circuit's.
        expected: usize,
        /// The key's.
        got: usize,
    },
    /// A commitment is not a point.
    #[error("point {0} of the verifying key is not on the curve")]
    Point(usize),
}

impl VerifyingKey {
    /// A key from commitments to the groups of structural columns and to the secret columns
    /// that gates read, in the order of [`Protocol::secret_scalars`].
    ///
    /// # Errors
    /// Not as many commitments as the protocol asks for; k above 28.
    pub fn new(
        protocol: Arc<Protocol>,
        k: u32,
        groups: Vec<G1Affine>,
        secret: Vec<G1Affine>,
    ) -> Result<Self, KeyError> {
        equal("the number of groups", protocol.key_groups.len(), groups.len())?;
        equal("the number of secret columns", protocol.secret_scalars.len(), secret.len())?;
        if k > MAX_K {
            let (expected, got) = (MAX_K as usize, k as usize);
            return Err(KeyError::Foreign { what: "k", expected, got });
        }
        let mut description = [DOMAIN, &protocol.shape_id(), &k.to_be_bytes()].concat();
        description.extend(groups.iter().chain(&secret).flat_map(g1_bytes));
        let digest = reduce_be(&keccak256(&description));
        Ok(Self { protocol, k, groups, secret, digest })
    }

    /// The protocol that proofs follow.
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// log2 of the number of rows.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// Commitments to the groups of structural columns.
    pub fn groups(&self) -> &[G1Affine] {
        &self.groups
    }

    /// Commitments to the secret columns that gates read.
    pub fn secret(&self) -> &[G1Affine] {
        &self.secret
    }

    /// What the transcript begins with: Keccak-256 of shape, k and commitments, modulo r.
    pub fn digest(&self) -> Fr {
        self.digest
    }

    /// k in four bytes, then x ‖ y of each commitment, groups first, all big-endian; the
    /// point at infinity is zeros.
    pub fn to_bytes(&self) -> Vec<u8> {
        let points = self.groups.iter().chain(&self.secret).flat_map(g1_bytes);
        self.k.to_be_bytes().into_iter().chain(points).collect()
    }

    /// Reads a key of a protocol for `2^k` rows.
    ///
    /// # Errors
    /// The bytes are of another size or k, or hold something that is not a point.
    pub fn from_bytes(protocol: Arc<Protocol>, k: u32, bytes: &[u8]) -> Result<Self, KeyError> {
        let groups = protocol.key_groups.len();
        let points = groups + protocol.secret_scalars.len();
        equal("the length in bytes", 4 + POINT_BYTES * points, bytes.len())?;
        let (head, points) = bytes.split_at(4);
        let got = head.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        equal("k", k as usize, got as usize)?;
        let mut points = points
            .chunks_exact(POINT_BYTES)
            .enumerate()
            .map(|(index, bytes)| g1_from_bytes(bytes).ok_or(KeyError::Point(index)))
            .collect::<Result<Vec<_>, _>>()?;
        let secret = points.split_off(groups);
        Self::new(protocol, k, points, secret)
    }
}

fn equal(what: &'static str, expected: usize, got: usize) -> Result<(), KeyError> {
    if expected == got { Ok(()) } else { Err(KeyError::Foreign { what, expected, got }) }
}

/// x ‖ y; the point at infinity is 64 zero bytes, as the EVM's precompiles have it.
pub fn g1_bytes(point: &G1Affine) -> [u8; POINT_BYTES] {
    let mut bytes = [0; POINT_BYTES];
    if let Some(coordinates) = Option::<halo2curves::Coordinates<_>>::from(point.coordinates()) {
        bytes[..32].copy_from_slice(&to_be_bytes(coordinates.x()));
        bytes[32..].copy_from_slice(&to_be_bytes(coordinates.y()));
    }
    bytes
}

/// x ‖ y, of each the imaginary part first, as the pairing precompile has it; the point at
/// infinity is zeros.
pub fn g2_bytes(point: &G2Affine) -> [u8; 128] {
    let mut bytes = [0; 128];
    if let Some(coordinates) = Option::<halo2curves::Coordinates<_>>::from(point.coordinates()) {
        let (x, y): (&Fq2, &Fq2) = (coordinates.x(), coordinates.y());
        for (chunk, part) in bytes.chunks_exact_mut(32).zip([&x.c1, &x.c0, &y.c1, &y.c0]) {
            chunk.copy_from_slice(&to_be_bytes(part));
        }
    }
    bytes
}

/// The point that x ‖ y are; `None` if none is.
pub(crate) fn g1_from_bytes(bytes: &[u8]) -> Option<G1Affine> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Some(G1Affine::identity());
    }
    let (x, y) = bytes.split_at_checked(32)?;
    let (x, y) = (from_be_bytes(x.try_into().ok()?)?, from_be_bytes(y.try_into().ok()?)?);
    Option::from(G1Affine::from_xy(x, y))
}
