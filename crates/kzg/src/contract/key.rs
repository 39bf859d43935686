//! The key contract: a key in the words that a generated verifier reads.

use std::collections::HashMap;

use ff::Field;
use group::prime::PrimeCurveAffine;
use halo2curves::bn256::{Fr, G2Affine};

use super::ContractError;
use crate::{
    field::{domain_generator, rotate},
    key::{VerifyingKey, g1_bytes, g2_bytes},
    protocol::Protocol,
    transcript::{keccak256, to_be_bytes},
};

/// What a word of a key holds, or a few words in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyWord {
    /// The shape's id.
    ShapeId,
    /// The number of instances.
    NumInstances,
    /// τ·G2.
    SG2,
    /// log2 of the number of rows n.
    K,
    /// 1/n.
    InverseOfN,
    /// −G2.
    NegatedG2,
    /// 1/ω.
    InverseOfOmega,
    /// −ω^rotation.
    Shift(i32),
    /// 1/Π (ω^rotation − ω^other) over the others of the class.
    Weight {
        /// The class.
        class: usize,
        /// The rotation.
        rotation: i32,
    },
    /// Commitment to a group of structural columns.
    Group(usize),
    /// Commitment to a secret column, by its place among them.
    Secret(usize),
    /// Digest of the verifying key.
    Digest,
}

impl KeyWord {
    /// How many words it is.
    pub fn words(self) -> usize {
        match self {
            Self::SG2 | Self::NegatedG2 => 4,
            Self::Group(_) | Self::Secret(_) => 2,
            _ => 1,
        }
    }
}

/// The words of a key. The order matters: the words in front of the two G2 points are
/// overwritten by the points they are paired with, and the digest ends the payload
/// because the transcript starts with it.
pub fn key_words(protocol: &Protocol) -> Vec<KeyWord> {
    use KeyWord::*;
    let mut words = vec![ShapeId, NumInstances, SG2, K, InverseOfN, NegatedG2];
    if !protocol.instance_queries.is_empty() {
        words.push(InverseOfOmega);
    }
    words.extend(protocol.rotations().into_iter().filter(|at| *at != 0).map(Shift));
    for (class, of) in protocol.classes.iter().enumerate() {
        // Classes of the same rotations have the same weights.
        if of.rotations.len() > 1 && weight_class(protocol, class) == class {
            words.extend(of.rotations.iter().map(|&rotation| Weight { class, rotation }));
        }
    }
    words.extend((0..protocol.key_groups.len()).map(Group));
    words.extend((0..protocol.secret_scalars.len()).map(Secret));
    words.push(Digest);
    words
}

/// The first class of the same rotations as `class`, which is one of the protocol's.
pub fn weight_class(protocol: &Protocol, class: usize) -> usize {
    let rotations = &protocol.classes[class].rotations;
    protocol.classes.iter().position(|other| other.rotations == *rotations).unwrap_or(class)
}

/// The payload of the key contract for `num_instances` instances.
///
/// `g2` and `s_g2` are the structured reference string's points in G2.
///
/// # Errors
/// The instances do not fit the circuit's rows, rotations coincide at this k, or a point of the
/// reference string is zero.
pub fn key_payload(
    vk: &VerifyingKey,
    g2: G2Affine,
    s_g2: G2Affine,
    num_instances: usize,
) -> Result<Vec<u8>, ContractError> {
    let protocol = vk.protocol();
    check_instances(vk, num_instances)?;
    check_rotations(vk)?;
    let omega = domain_generator(vk.k());
    let n = Fr::from(1u64 << vk.k());
    // A root for each rotation, once: there are products of all pairs.
    let roots: HashMap<i32, Fr> = protocol
        .rotations()
        .into_iter()
        .chain([-1])
        .map(|rotation| (rotation, rotate(omega, vk.k(), rotation)))
        .collect();
    let rotate = |rotation| roots.get(&rotation).copied().unwrap_or_default();
    let mut payload = Vec::new();
    for word in key_words(protocol) {
        match word {
            KeyWord::ShapeId => payload.extend(protocol.shape_id()),
            KeyWord::NumInstances => payload.extend(number(num_instances as u64)),
            KeyWord::SG2 => payload.extend(finite(&s_g2, "τ·G2")?),
            KeyWord::K => payload.extend(number(u64::from(vk.k()))),
            KeyWord::InverseOfN => {
                payload.extend(scalar(inverse(n)));
            }
            KeyWord::NegatedG2 => payload.extend(finite(&-g2, "G2")?),
            KeyWord::InverseOfOmega => {
                payload.extend(scalar(rotate(-1)));
            }
            KeyWord::Shift(rotation) => payload.extend(scalar(-rotate(rotation))),
            KeyWord::Weight { class, rotation } => {
                let point = rotate(rotation);
                let mut product = Fr::one();
                for other in &protocol.classes[class].rotations {
                    if *other != rotation {
                        product *= point - rotate(*other);
                    }
                }
                payload.extend(scalar(inverse(product)));
            }
            KeyWord::Group(index) => payload.extend(g1_bytes(&vk.groups()[index])),
            KeyWord::Secret(index) => payload.extend(g1_bytes(&vk.secret()[index])),
            KeyWord::Digest => payload.extend(scalar(vk.digest())),
        }
    }
    Ok(payload)
}

/// Runtime code of the key contract.
pub fn key_code(payload: &[u8]) -> Vec<u8> {
    [&[0], payload].concat()
}

/// Code hash of the key contract, as EXTCODEHASH reports it.
pub fn key_hash(payload: &[u8]) -> [u8; 32] {
    keccak256(&key_code(payload))
}

fn check_rotations(vk: &VerifyingKey) -> Result<(), ContractError> {
    let n = 1i64 << vk.k();
    let rotations = vk.protocol().rotations();
    for (i, first) in rotations.iter().enumerate() {
        for second in &rotations[i + 1..] {
            if (i64::from(*first) - i64::from(*second)) % n == 0 {
                let (first, second, k) = (*first, *second, vk.k());
                return Err(ContractError::CoincidingRotations { first, second, k });
            }
        }
    }
    Ok(())
}

/// Whether a key's rows hold so many instances.
///
/// # Errors
/// They do not, or the circuit takes none.
pub fn check_instances(vk: &VerifyingKey, num_instances: usize) -> Result<(), ContractError> {
    let protocol = vk.protocol();
    if num_instances > 0 && !protocol.has_instances {
        return Err(ContractError::UnexpectedInstances(num_instances));
    }
    let usable = (1usize << vk.k()).saturating_sub(protocol.unusable_rows);
    if num_instances > usable {
        return Err(ContractError::TooManyInstances { given: num_instances, usable });
    }
    Ok(())
}

/// The inverse of what is not zero: n, and products of differences of rotations that
/// [`check_rotations`] found distinct.
fn inverse(value: Fr) -> Fr {
    value.invert().unwrap_or(Fr::ZERO)
}

fn number(value: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&value.to_be_bytes());
    word
}

fn scalar(value: Fr) -> [u8; 32] {
    to_be_bytes(&value)
}

/// The pairing precompile's form of a point that is not at infinity.
fn finite(point: &G2Affine, name: &'static str) -> Result<[u8; 128], ContractError> {
    if bool::from(point.is_identity()) {
        return Err(ContractError::IdentityPoint(name));
    }
    Ok(g2_bytes(point))
}
