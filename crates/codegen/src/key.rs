//! The key contract: what a verifier of a shape needs to know about one circuit.
//!
//! The runtime code is a STOP byte, so that a call does nothing, followed by the
//! payload of 32-byte words that `memory::key_layout` lists. The verifier loads the
//! payload with EXTCODECOPY and compares the code's hash with the registered one.

use ff::{Field, PrimeField};
use halo2curves::{
    CurveAffine,
    bn256::{Fq, Fq2, Fr, G2Affine},
    group::prime::PrimeCurveAffine,
};
use verdict_kzg::{
    field::{domain_generator, rotate},
    key::{VerifyingKey, g1_bytes},
    protocol::Protocol,
    transcript::{keccak256, to_be_bytes},
};

use crate::{
    error::CodegenError,
    memory::{KeyContent, key_layout},
};

/// Creation code: return everything behind these twelve bytes.
///
/// PUSH2 length, DUP1, PUSH1 12, PUSH0, CODECOPY, PUSH0, RETURN, padded by a STOP.
const INIT_CODE_LENGTH: usize = 11;

/// Bytes of the payload.
pub(crate) fn key_payload_length(protocol: &Protocol) -> usize {
    key_layout(protocol).iter().map(|word| 32 * word.words).sum()
}

/// The payload of the key contract for `num_instances` instances.
///
/// `g2` and `s_g2` are the structured reference string's points in G2.
///
/// # Errors
/// The constraint system is not supported, the instances do not fit the circuit's
/// rows, rotations coincide at this k, or a point of the reference string is zero.
pub fn key_payload(
    vk: &VerifyingKey,
    g2: G2Affine,
    s_g2: G2Affine,
    num_instances: usize,
) -> Result<Vec<u8>, CodegenError> {
    let protocol = vk.protocol();
    check_instances(vk, num_instances)?;
    check_rotations(vk)?;
    let omega = domain_generator(vk.k());
    let n = Fr::from(1u64 << vk.k());
    let rotate = |rotation| rotate(omega, vk.k(), rotation);
    let mut payload = Vec::with_capacity(key_payload_length(protocol));
    for word in key_layout(protocol) {
        match word.content {
            KeyContent::ShapeId => payload.extend(protocol.shape_id()),
            KeyContent::NumInstances => payload.extend(number(num_instances as u64)),
            KeyContent::SG2 => payload.extend(g2_bytes(&s_g2, "τ·G2")?),
            KeyContent::K => payload.extend(number(u64::from(vk.k()))),
            KeyContent::InverseOfN => {
                payload.extend(scalar(inverse(n)));
            }
            KeyContent::NegatedG2 => payload.extend(g2_bytes(&-g2, "G2")?),
            KeyContent::InverseOfOmega => {
                payload.extend(scalar(rotate(-1)));
            }
            KeyContent::Shift(rotation) => payload.extend(scalar(-rotate(rotation))),
            KeyContent::Weight { class, rotation } => {
                let point = rotate(rotation);
                let mut product = Fr::one();
                for other in &protocol.classes[class].rotations {
                    if *other != rotation {
                        product *= point - rotate(*other);
                    }
                }
                payload.extend(scalar(inverse(product)));
            }
            KeyContent::Group(index) => payload.extend(g1_bytes(&vk.groups()[index])),
            KeyContent::Secret(index) => payload.extend(g1_bytes(&vk.secret()[index])),
            KeyContent::Digest => payload.extend(scalar(vk.digest())),
        }
    }
    Ok(payload)
}

/// Creation code of the key contract; its runtime code is a zero byte ‖ `payload`.
pub fn key_init_code(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() + 1) as u32;
    let [_, high, middle, low] = length.to_be_bytes();
    let offset = INIT_CODE_LENGTH as u8;
    // PUSH3 length, DUP1, PUSH1 offset, PUSH0, CODECOPY, PUSH0, RETURN
    let mut code = vec![0x62, high, middle, low, 0x80, 0x60, offset, 0x5f, 0x39, 0x5f, 0xf3];
    debug_assert_eq!(code.len(), INIT_CODE_LENGTH);
    code.extend(key_code(payload));
    code
}

/// Runtime code of the key contract.
pub fn key_code(payload: &[u8]) -> Vec<u8> {
    [&[0], payload].concat()
}

/// Code hash of the key contract, as EXTCODEHASH reports it.
pub fn key_hash(payload: &[u8]) -> [u8; 32] {
    keccak256(&key_code(payload))
}

fn check_rotations(vk: &VerifyingKey) -> Result<(), CodegenError> {
    let n = 1i64 << vk.k();
    let rotations = vk.protocol().rotations();
    for (i, first) in rotations.iter().enumerate() {
        for second in &rotations[i + 1..] {
            if (i64::from(*first) - i64::from(*second)) % n == 0 {
                let (first, second, k) = (*first, *second, vk.k());
                return Err(CodegenError::CoincidingRotations { first, second, k });
            }
        }
    }
    Ok(())
}

pub(crate) fn check_instances(vk: &VerifyingKey, num_instances: usize) -> Result<(), CodegenError> {
    let protocol = vk.protocol();
    if num_instances > 0 && !protocol.has_instances {
        return Err(CodegenError::UnexpectedInstances(num_instances));
    }
    let usable = (1usize << vk.k()).saturating_sub(protocol.unusable_rows);
    if num_instances > usable {
        return Err(CodegenError::TooManyInstances { given: num_instances, usable });
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

/// The pairing precompile's form: imaginary part first.
fn g2_bytes(point: &G2Affine, name: &'static str) -> Result<[u8; 128], CodegenError> {
    let coordinates = Option::<halo2curves::Coordinates<G2Affine>>::from(point.coordinates())
        .filter(|_| !bool::from(point.is_identity()))
        .ok_or(CodegenError::IdentityPoint(name))?;
    let (x, y): (&Fq2, &Fq2) = (coordinates.x(), coordinates.y());
    let mut bytes = [0; 128];
    for (chunk, part) in bytes.chunks_exact_mut(32).zip([&x.c1, &x.c0, &y.c1, &y.c0]) {
        chunk.copy_from_slice(&base(part));
    }
    Ok(bytes)
}

fn base(value: &Fq) -> [u8; 32] {
    debug_assert_eq!(Fq::NUM_BITS, 254);
    to_be_bytes(value)
}
