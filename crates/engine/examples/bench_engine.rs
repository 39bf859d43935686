//! Ratios of the engine's kernels and proofs to halo2curves' and halo2-axiom's, as
//! medians of interleaved runs: `cargo run --release -p verdict-engine --example
//! bench_engine [msm|fft|proof|keygen] [max k]`.

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Shape, Synthetic};
use ff::Field;
use group::prime::PrimeCurveAffine;
use group::{Curve, Group};
use halo2_proofs::plonk::{keygen_pk, keygen_vk};
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use halo2_proofs::transcript::{Blake2bWrite, Challenge255, TranscriptWriterBuffer};
use halo2curves::bn256::{Bn256, Fr, G1, G1Affine};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::Instant;
use verdict_engine::{Backend, Bases, Domain, Engine, Options};

/// Median seconds of two functions, run in turn.
fn compare<A, B>(
    runs: usize,
    mut ours: impl FnMut() -> A,
    mut theirs: impl FnMut() -> B,
) -> (f64, f64) {
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let start = Instant::now();
        std::hint::black_box(ours());
        times.0.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        std::hint::black_box(theirs());
        times.1.push(start.elapsed().as_secs_f64());
    }
    times.0.sort_by(f64::total_cmp);
    times.1.sort_by(f64::total_cmp);
    (times.0[runs / 2], times.1[runs / 2])
}

fn row(name: &str, per: f64, (ours, theirs): (f64, f64)) {
    println!(
        "{name:<34} {:>9.2} ms {:>9.2} ms {:>9.1} ns each {:>7.2} x",
        ours * 1e3,
        theirs * 1e3,
        ours / per * 1e9,
        theirs / ours
    );
}

/// Points without small linear relations, as in an SRS.
fn points(n: usize) -> Vec<G1Affine> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut sum = G1::random(&mut rng);
    let points: Vec<G1> = (0..n)
        .map(|_| {
            sum = sum.double();
            sum
        })
        .collect();
    let mut affine = vec![G1Affine::identity(); n];
    G1::batch_normalize(&points, &mut affine);
    affine
}

fn msm(max_k: u32) {
    let mut rng = StdRng::seed_from_u64(2);
    let points = points(1 << max_k);
    for backend in [Backend::Portable, Backend::detect()] {
        for k in (11..=max_k).step_by(if max_k > 14 { 2 } else { 1 }) {
            let n = 1usize << k;
            let bases = Bases::new(&points[..n], backend);
            let full: Vec<Fr> = (0..n).map(|_| Fr::random(&mut rng)).collect();
            let small: Vec<Fr> = (0..n)
                .map(|_| {
                    let value = Fr::from(rng.gen_range(0..1u64 << 16));
                    if rng.r#gen() { value } else { -value }
                })
                .collect();
            let bytes: Vec<Fr> = (0..n).map(|_| Fr::from(rng.gen_range(0..256))).collect();
            for (name, scalars) in [("full", full), ("16 bits signed", small), ("8 bits", bytes)] {
                let times = compare(
                    5,
                    || bases.msm(&scalars),
                    || halo2curves::msm::msm_best(&scalars, &points[..n]),
                );
                row(&format!("msm 2^{k} {name} {backend:?}"), n as f64, times);
            }
        }
    }
}

fn fft(max_k: u32) {
    let mut rng = StdRng::seed_from_u64(3);
    for backend in [Backend::Portable, Backend::detect()] {
        for k in (14..=max_k).step_by(2) {
            let n = 1usize << k;
            let domain = Domain::new(k, backend);
            let mut ours: Vec<Fr> = (0..n).map(|_| Fr::random(&mut rng)).collect();
            let mut theirs = ours.clone();
            let mut scratch = Vec::new();
            let times = compare(
                7,
                || domain.forward(&mut ours, &mut scratch),
                || halo2curves::fft::best_fft(&mut theirs, domain.omega(), k),
            );
            row(&format!("fft 2^{k} {backend:?}"), n as f64, times);
        }
    }
}

/// Parameters of the right size without a common secret: enough to measure proving.
fn parameters(k: u32) -> ParamsKZG<Bn256> {
    let small = ParamsKZG::<Bn256>::setup(1, StdRng::seed_from_u64(4));
    let mut points = points(2 << k);
    let lagrange = points.split_off(1 << k);
    small.from_parts(k, points, Some(lagrange), small.g2(), small.s_g2())
}

fn shapes(max_k: u32) -> Vec<(&'static str, Shape)> {
    let mut shapes = Vec::new();
    for k in (10..=max_k).step_by(2) {
        let base = Shape { k, data: 3, products: 1, degree: 3, ..Shape::default() };
        shapes.push(("4 advice", base.clone()));
        shapes.push(("dense, 16 weights", Shape { weights: 16, instances: 8, ..base.clone() }));
        shapes.push(("4 advice, 3 permuted", Shape { permuted: 3, ..base.clone() }));
        if k <= 14 {
            shapes.push(("32 advice", Shape { data: 24, products: 8, degree: 4, ..base.clone() }));
            shapes.push((
                "16 advice, 8 permuted",
                Shape { data: 12, products: 4, degree: 5, permuted: 8, ..base },
            ));
        }
    }
    shapes
}

fn proof(max_k: u32) {
    let mut logs = Vec::new();
    for (name, shape) in shapes(max_k) {
        let params = parameters(shape.k);
        let circuit = Synthetic::new(shape.clone(), 5);
        let vk = keygen_vk(&params, &circuit).expect("verifying key");
        let pk = keygen_pk(&params, vk, &circuit).expect("proving key");
        let engine = Engine::new(&params, Options::default()).expect("engine");
        let instances = circuit.instances();
        let instances: Vec<&[Fr]> = instances.iter().map(Vec::as_slice).collect();
        let rng = StdRng::seed_from_u64(6);
        let times = compare(
            if shape.k > 12 { 3 } else { 5 },
            || {
                let mut transcript = Blake2bWrite::<_, _, Challenge255<_>>::init(vec![]);
                engine
                    .create_proof(&pk, &circuit, &instances, rng.clone(), &mut transcript)
                    .expect("engine proof");
                transcript.finalize()
            },
            || {
                let mut transcript = Blake2bWrite::<_, _, Challenge255<_>>::init(vec![]);
                halo2_proofs::plonk::create_proof::<
                    KZGCommitmentScheme<Bn256>,
                    ProverSHPLONK<'_, Bn256>,
                    _,
                    _,
                    _,
                    _,
                >(
                    &params, &pk, &[circuit.clone()], &[&instances], rng.clone(), &mut transcript
                )
                .expect("reference proof");
                transcript.finalize()
            },
        );
        logs.push((times.1 / times.0).ln());
        row(&format!("proof 2^{} {name}", shape.k), (1u64 << shape.k) as f64, times);
    }
    let mean = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
    println!("proofs, geometric mean {mean:.2} x");
}

fn keygen(max_k: u32) {
    for (name, shape) in shapes(max_k) {
        let params = parameters(shape.k);
        let engine = Engine::new(&params, Options::default()).expect("engine");
        let circuit = Synthetic { known: false, ..Synthetic::new(shape.clone(), 5) };
        let times = compare(
            3,
            || engine.keygen(&circuit, false).expect("engine key"),
            || {
                let vk = keygen_vk(&params, &circuit).expect("verifying key");
                keygen_pk(&params, vk, &circuit).expect("proving key")
            },
        );
        row(&format!("keygen 2^{} {name}", shape.k), (1u64 << shape.k) as f64, times);
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().unwrap_or_default();
    let max_k = arguments.next().and_then(|k| k.parse().ok());
    println!("{:<34} {:>12} {:>12}", "", "engine", "halo2");
    if part.is_empty() || part == "msm" {
        msm(max_k.unwrap_or(18));
    }
    if part.is_empty() || part == "fft" {
        fft(max_k.unwrap_or(20));
    }
    if part.is_empty() || part == "proof" {
        proof(max_k.unwrap_or(14));
    }
    if part.is_empty() || part == "keygen" {
        keygen(max_k.unwrap_or(14));
    }
}
