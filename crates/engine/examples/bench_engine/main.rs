//! Ratios of the engine's kernels and proofs to halo2curves' and halo2-axiom's, as
//! medians of interleaved runs: `cargo run --release -p verdict-engine --example
//! bench_engine [msm|fft|proof|keygen] [max k]`; memory of one proof: `memory <k>
//! [reference]`; proofs without vector instructions: `proof <k> portable`.

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Shape, Synthetic};
use ff::Field;
use group::prime::PrimeCurveAffine;
use group::{Curve, Group};
use halo2_proofs::plonk::{ProvingKey, create_proof, keygen_pk, keygen_vk};
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use halo2_proofs::transcript::{Blake2bWrite, Challenge255, TranscriptWriterBuffer};
use halo2curves::bn256::{Bn256, Fr, G1, G1Affine};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::Instant;
use verdict_engine::{Backend, Bases, Domain, Engine, Options};

/// Seconds of one side: on the clock, and of all threads together. The latter hardly
/// depends on what else the machine does.
#[derive(Clone, Copy)]
struct Seconds {
    wall: f64,
    cpu: f64,
}

/// CPU seconds of this process so far (Linux; elsewhere the ratio reads NaN).
fn cpu_seconds() -> f64 {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return f64::NAN };
    let nanoseconds: u64 = threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next().and_then(|run| run.parse::<u64>().ok()))
        .sum();
    nanoseconds as f64 * 1e-9
}

/// Medians of two functions, run in turn.
fn compare<A, B>(
    runs: usize,
    mut ours: impl FnMut() -> A,
    mut theirs: impl FnMut() -> B,
) -> [Seconds; 2] {
    fn time<T>(times: &mut Vec<Seconds>, run: &mut impl FnMut() -> T) {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        std::hint::black_box(run());
        times.push(Seconds { wall: start.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu });
    }
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..runs {
        time(&mut times[0], &mut ours);
        time(&mut times[1], &mut theirs);
    }
    times.map(|mut times| {
        let mut median = |key: fn(&Seconds) -> f64| {
            times.sort_by(|a, b| key(a).total_cmp(&key(b)));
            key(&times[runs / 2])
        };
        Seconds { wall: median(|s| s.wall), cpu: median(|s| s.cpu) }
    })
}

fn row(name: &str, per: f64, [ours, theirs]: [Seconds; 2]) {
    println!(
        "{name:<34} {:>9.2} ms {:>9.2} ms {:>9.1} ns each {:>6.2} x clock {:>6.2} x cpu",
        ours.wall * 1e3,
        theirs.wall * 1e3,
        ours.cpu / per * 1e9,
        theirs.wall / ours.wall,
        theirs.cpu / ours.cpu,
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

/// halo2-axiom's proof.
fn reference(
    params: &ParamsKZG<Bn256>,
    pk: &ProvingKey<G1Affine>,
    circuit: &Synthetic,
    instances: &[&[Fr]],
) -> Vec<u8> {
    let mut transcript = Blake2bWrite::<_, _, Challenge255<_>>::init(vec![]);
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
        params,
        pk,
        std::slice::from_ref(circuit),
        &[instances],
        StdRng::seed_from_u64(6),
        &mut transcript,
    )
    .expect("reference proof");
    transcript.finalize()
}

/// A line of /proc/self/status in MiB (Linux).
fn status(field: &str) -> f64 {
    std::fs::read_to_string("/proc/self/status")
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.parse::<f64>().ok())
        .map_or(f64::NAN, |kib| kib / 1024.0)
}

/// Peak memory of one proof beyond key and parameters; one prover a process.
fn memory(k: u32, engine: bool) {
    let shape =
        Shape { k, data: 6, products: 2, degree: 3, weights: 16, permuted: 3, instances: 8 };
    let params = parameters(k);
    let circuit = Synthetic::new(shape, 5);
    let key = Engine::new(&params, Options::default()).expect("engine");
    let pk = key.keygen(&circuit, false).expect("key");
    drop(key);
    let instances = circuit.instances();
    let instances: Vec<&[Fr]> = instances.iter().map(Vec::as_slice).collect();
    // Start the peak anew; needs write access to clear_refs.
    let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = status("VmRSS:");
    if engine {
        let mut transcript = Blake2bWrite::<_, _, Challenge255<_>>::init(vec![]);
        let rng = StdRng::seed_from_u64(6);
        let options = Options::default();
        verdict_engine::create_proof(
            &params,
            &pk,
            &circuit,
            &instances,
            rng,
            &mut transcript,
            &options,
        )
        .expect("engine proof");
    } else {
        reference(&params, &pk, &circuit, &instances);
    }
    println!(
        "memory 2^{k}, engine {engine}: {:.1} MiB above {before:.1} MiB (peak reset: {reset})",
        status("VmHWM:") - before
    );
}

fn proof(max_k: u32, backend: Option<Backend>) {
    let (mut logs, mut cpu_logs) = (Vec::new(), Vec::new());
    for (name, shape) in shapes(max_k) {
        let params = parameters(shape.k);
        let circuit = Synthetic::new(shape.clone(), 5);
        let vk = keygen_vk(&params, &circuit).expect("verifying key");
        let pk = keygen_pk(&params, vk, &circuit).expect("proving key");
        let options = Options { backend, ..Options::default() };
        let engine = Engine::new(&params, options).expect("engine");
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
            || reference(&params, &pk, &circuit, &instances),
        );
        logs.push((times[1].wall / times[0].wall).ln());
        cpu_logs.push((times[1].cpu / times[0].cpu).ln());
        row(&format!("proof 2^{} {name}", shape.k), (1u64 << shape.k) as f64, times);
    }
    let mean = |logs: &[f64]| (logs.iter().sum::<f64>() / logs.len() as f64).exp();
    println!("proofs, geometric mean {:.2} x clock {:.2} x cpu", mean(&logs), mean(&cpu_logs));
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
    if part == "memory" {
        return memory(max_k.unwrap_or(14), arguments.next().as_deref() != Some("reference"));
    }
    if part.is_empty() || part == "msm" {
        msm(max_k.unwrap_or(18));
    }
    if part.is_empty() || part == "fft" {
        fft(max_k.unwrap_or(20));
    }
    if part.is_empty() || part == "proof" {
        let portable = arguments.next().as_deref() == Some("portable");
        proof(max_k.unwrap_or(14), portable.then_some(Backend::Portable));
    }
    if part.is_empty() || part == "keygen" {
        keygen(max_k.unwrap_or(14));
    }
}
