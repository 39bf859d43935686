//! The verifying key of a folded protocol.

use std::sync::Arc;

use halo2curves::bn256::{Fr, G1Affine};

use super::FoldedProtocol;
use crate::{
    key::{KeyError, MAX_K, g1_bytes, g1_from_bytes},
    transcript::{POINT_BYTES, keccak256, reduce_be},
};

/// Prefix of what the digest is taken of.
const DOMAIN: &[u8] = b"verdict-folded-key-v1";

/// What a verifier of folded proofs knows about a circuit.
#[derive(Debug, Clone)]
pub struct FoldedKey {
    protocol: Arc<FoldedProtocol>,
    k: u32,
    groups: Vec<G1Affine>,
    secret: Vec<G1Affine>,
    digest: Fr,
}

impl FoldedKey {
    /// A key from commitments to the key's groups and to the secret columns that gates
    /// read, in the order of `Protocol::secret_scalars`.
    ///
    /// # Errors
    /// Not as many commitments as the protocol asks for; k above 28.
    pub fn new(
        protocol: Arc<FoldedProtocol>,
        k: u32,
        groups: Vec<G1Affine>,
        secret: Vec<G1Affine>,
    ) -> Result<Self, KeyError> {
        let check = |what, expected, got| match expected == got {
            true => Ok(()),
            false => Err(KeyError::Foreign { what, expected, got }),
        };
        check("the number of key groups", protocol.key_groups().len(), groups.len())?;
        let columns = protocol.protocol().secret_scalars.len();
        check("the number of secret columns", columns, secret.len())?;
        if k > MAX_K {
            return Err(KeyError::Foreign { what: "k", expected: MAX_K as usize, got: k as usize });
        }
        let mut description = [DOMAIN, &protocol.shape_id(), &k.to_be_bytes()].concat();
        description.extend(groups.iter().chain(&secret).flat_map(g1_bytes));
        let digest = reduce_be(&keccak256(&description));
        Ok(Self { protocol, k, groups, secret, digest })
    }

    /// The protocol that proofs follow.
    pub fn protocol(&self) -> &FoldedProtocol {
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

    /// Commitments to the secret columns.
    pub fn secret(&self) -> &[G1Affine] {
        &self.secret
    }

    /// What the transcript begins with: Keccak-256 of shape, groups, k and commitments,
    /// modulo r.
    pub fn digest(&self) -> Fr {
        self.digest
    }

    /// k in four bytes, then x ‖ y of each commitment, all big-endian; the point at
    /// infinity is zeros.
    pub fn to_bytes(&self) -> Vec<u8> {
        let points = self.groups.iter().chain(&self.secret).flat_map(g1_bytes);
        self.k.to_be_bytes().into_iter().chain(points).collect()
    }

    /// Reads a key of a protocol for `2^k` rows.
    ///
    /// # Errors
    /// The bytes are of another size or k, or hold something that is not a point.
    pub fn from_bytes(
        protocol: Arc<FoldedProtocol>,
        k: u32,
        bytes: &[u8],
    ) -> Result<Self, KeyError> {
        let groups = protocol.key_groups().len();
        let expected = 4 + POINT_BYTES * (groups + protocol.protocol().secret_scalars.len());
        let foreign = |what, expected, got| KeyError::Foreign { what, expected, got };
        if bytes.len() != expected {
            return Err(foreign("the length in bytes", expected, bytes.len()));
        }
        let (head, points) = bytes.split_at(4);
        let got = head.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        if got != k {
            return Err(foreign("k", k as usize, got as usize));
        }
        let mut points = points
            .chunks_exact(POINT_BYTES)
            .enumerate()
            .map(|(index, bytes)| g1_from_bytes(bytes).ok_or(KeyError::Point(index)))
            .collect::<Result<Vec<_>, _>>()?;
        let secret = points.split_off(groups);
        Self::new(protocol, k, points, secret)
    }
}
