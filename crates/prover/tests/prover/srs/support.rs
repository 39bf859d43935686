//! A writer of small .ptau files, right and wrong ones, and other helpers.

use std::path::PathBuf;

use ff::{Field, PrimeField};
use group::Curve;
use halo2_proofs::poly::{
    EvaluationDomain,
    commitment::{Blind, Params, ParamsProver},
};
use halo2curves::{
    bn256::{Fq, Fr, G1Affine, G2Affine},
    serde::SerdeObject,
};
use tempfile::TempDir;
use verdict_prover::srs::{FileProblem, Import, Srs, SrsError};

/// The real ceremony's first 2^6 powers.
pub(crate) const CEREMONY: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/srs/ceremony-power-6.ptau");

/// A .ptau file as a list of sections.
#[derive(Clone)]
pub(crate) struct Ptau {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u32,
    pub(crate) sections: Vec<(u32, Vec<u8>)>,
}

impl Ptau {
    /// The powers of `tau`, without Lagrange points.
    pub(crate) fn unprepared(power: u32, tau: Fr) -> Self {
        let header = header(32, &modulus(), power);
        let g1 = powers(tau, (2 << power) - 1).map(|s| G1Affine::generator() * s);
        let g2 = powers(tau, 1 << power).map(|s| G2Affine::generator() * s);
        let g1 = g1.flat_map(|point| point.to_affine().to_raw_bytes()).collect();
        let g2 = g2.flat_map(|point| point.to_affine().to_raw_bytes()).collect();
        Self { magic: *b"ptau", version: 1, sections: vec![(1, header), (2, g1), (3, g2)] }
    }

    /// The powers of `tau` with the Lagrange points of snarkjs's domains.
    pub(crate) fn prepared(power: u32, tau: Fr) -> Self {
        let mut file = Self::unprepared(power, tau);
        let points = (0..=power).flat_map(|k| snarkjs_lagrange(k, tau));
        file.sections.push((7, vec![0; 4]));
        file.sections.push((12, points.flat_map(|point| point.to_raw_bytes()).collect()));
        file
    }

    pub(crate) fn section(&mut self, id: u32) -> &mut Vec<u8> {
        &mut self.sections.iter_mut().find(|section| section.0 == id).unwrap().1
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend((self.sections.len() as u32).to_le_bytes());
        for (id, content) in &self.sections {
            bytes.extend(id.to_le_bytes());
            bytes.extend((content.len() as u64).to_le_bytes());
            bytes.extend(content);
        }
        bytes
    }

    pub(crate) fn import(&self, import: &Import<'_>) -> Result<Srs, SrsError> {
        let folder = Folder::new();
        Srs::import_ptau(folder.write("powers.ptau", &self.bytes()), import)
    }
}

pub(crate) fn header(field_bytes: u32, prime: &[u8], power: u32) -> Vec<u8> {
    let mut header = field_bytes.to_le_bytes().to_vec();
    header.extend(prime);
    header.extend(power.to_le_bytes());
    header.extend(28u32.to_le_bytes());
    header
}

/// The base field's prime, little-endian.
pub(crate) fn modulus() -> Vec<u8> {
    let mut bytes = hex::decode(Fq::MODULUS.trim_start_matches("0x")).unwrap();
    bytes.reverse();
    bytes
}

fn powers(tau: Fr, count: usize) -> impl Iterator<Item = Fr> {
    std::iter::successors(Some(Fr::ONE), move |power| Some(power * tau)).take(count)
}

/// `L_i(τ)·G1` by the product formula, over the domain of `5^((r−1)/2^k)`.
fn snarkjs_lagrange(k: u32, tau: Fr) -> Vec<G1Affine> {
    let mut root = Fr::from(5);
    // Square roots of unity are reached by raising to (r−1)/2^k = odd · 2^(28−k).
    let two_to_28 = Fr::from(1 << 28);
    let odd = (-Fr::ONE * two_to_28.invert().unwrap()).to_repr();
    root = odd.as_ref().iter().rev().fold(Fr::ONE, |power, byte| {
        power.pow_vartime([256]) * root.pow_vartime([u64::from(*byte)])
    });
    (k..28).for_each(|_| root = root.square());
    let nodes: Vec<Fr> = powers(root, 1 << k).collect();
    let value = |node: &Fr| {
        nodes.iter().filter(|other| *other != node).fold(Fr::ONE, |product, other| {
            product * (tau - other) * (*node - other).invert().unwrap()
        })
    };
    nodes.iter().map(|node| (G1Affine::generator() * value(node)).to_affine()).collect()
}

/// Any τ will do.
pub(crate) fn tau() -> Fr {
    Fr::from(0x1234_5678_9abc_def1)
}

pub(crate) fn unknown_allowed() -> Import<'static> {
    Import { allow_unknown: true, ..Import::default() }
}

/// What is wrong with the file that was refused.
#[track_caller]
pub(crate) fn problem(result: Result<Srs, SrsError>) -> FileProblem {
    match result {
        Err(SrsError::File { problem, .. }) => problem,
        other => panic!("a problem of the file was expected, got {other:?}"),
    }
}

/// A folder that is removed at the end.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// Commits to one polynomial by coefficients and by values: a proof of use.
#[track_caller]
pub(crate) fn assert_commits_alike_in_both_bases(srs: &Srs) {
    let domain = EvaluationDomain::new(1, srs.k());
    let mut values = domain.empty_lagrange();
    values.iter_mut().enumerate().for_each(|(i, value)| *value = Fr::from(i as u64 * 7 + 3));
    let coefficients = domain.lagrange_to_coeff(values.clone());
    let blind = Blind(Fr::ZERO);
    assert_eq!(
        srs.params().commit(&coefficients, blind).to_affine(),
        srs.params().commit_lagrange(&values, blind).to_affine(),
    );
}
