//! Whole proofs and keys against halo2-axiom's, on the identical circuit.

use crate::common::{Shape, Synthetic};
use crate::kernels::points;
use crate::measure::{Table, cpu_seconds, distance, interleaved};
use halo2_proofs::plonk::{ProvingKey, create_proof, keygen_pk, keygen_vk};
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use halo2_proofs::transcript::{Blake2bWrite, Challenge255, TranscriptWriterBuffer};
use halo2curves::bn256::{Bn256, Fr, G1Affine};
use rand::{SeedableRng, rngs::StdRng};
use std::sync::{Arc, Mutex};
use verdict_engine::{
    Backend, Engine, Options, Progress, Stage, product_nanoseconds, products_so_far,
};

/// Parameters of the right size without a common secret: enough to measure proving.
fn parameters(k: u32) -> ParamsKZG<Bn256> {
    let small = ParamsKZG::<Bn256>::setup(1, StdRng::seed_from_u64(4));
    let mut points = points(2 << k);
    let lagrange = points.split_off(1 << k);
    small.from_parts(k, points, Some(lagrange), small.g2(), small.s_g2())
}

fn engine(params: &ParamsKZG<Bn256>, backend: Backend) -> Engine {
    let options = Options { backend: Some(backend), ..Options::default() };
    Engine::new(params, options).expect("engine")
}

/// Circuits of one size: 4 to 32 advice columns, a quarter of them products, with and
/// without half of the others in the permutation; and the dense shape.
fn shapes(k: u32, advice: &[usize]) -> Vec<(String, Shape)> {
    let mut shapes = Vec::new();
    for &columns in advice {
        for permuted in [0, columns * 3 / 8] {
            let products = columns / 4;
            let data = columns - products;
            let shape = Shape { k, data, products, degree: 3, permuted, ..Shape::default() };
            let with = if permuted > 0 { format!(", {permuted} permuted") } else { String::new() };
            shapes.push((format!("2^{k}, {columns} advice{with}"), shape));
        }
    }
    let dense = Shape { k, data: 3, products: 1, degree: 3, instances: 8, ..Shape::default() };
    shapes.push((format!("2^{k}, dense, 16 weights"), Shape { weights: 16, ..dense }));
    shapes
}

/// halo2-axiom's proof.
fn reference(
    params: &ParamsKZG<Bn256>,
    pk: &ProvingKey<G1Affine>,
    circuit: &Synthetic,
    instances: &[&[Fr]],
) {
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
}

fn ours(engine: &Engine, pk: &ProvingKey<G1Affine>, circuit: &Synthetic, instances: &[&[Fr]]) {
    let mut transcript = Blake2bWrite::<_, _, Challenge255<_>>::init(vec![]);
    let rng = StdRng::seed_from_u64(6);
    engine.create_proof(pk, circuit, instances, rng, &mut transcript).expect("engine proof");
}

pub fn proofs(ks: &[u32], advice: &[usize], backends: &[Backend]) {
    let mut table = Table::new("proof", "halo2-axiom", backends);
    for &k in ks {
        let params = parameters(k);
        let engines: Vec<Engine> = backends.iter().map(|b| engine(&params, *b)).collect();
        for (name, shape) in shapes(k, advice) {
            let circuit = Synthetic::new(shape, 5);
            let pk = engines[0].keygen(&circuit, false).expect("key");
            let instances = circuit.instances();
            let instances: Vec<&[Fr]> = instances.iter().map(Vec::as_slice).collect();
            let mut sides: Vec<Box<dyn FnMut() + '_>> =
                vec![Box::new(|| reference(&params, &pk, &circuit, &instances))];
            for engine in &engines {
                sides.push(Box::new(|| ours(engine, &pk, &circuit, &instances)));
            }
            let times = interleaved(if k < 14 { 5 } else { 3 }, &mut sides);
            table.row(&name, times[0], &times[1..]);
        }
    }
    table.summary();
}

pub fn keygen(ks: &[u32], advice: &[usize], backends: &[Backend]) {
    let mut table = Table::new("keygen", "halo2-axiom", backends);
    for &k in ks {
        let params = parameters(k);
        let engines: Vec<Engine> = backends.iter().map(|b| engine(&params, *b)).collect();
        for (name, shape) in shapes(k, advice) {
            let circuit = Synthetic { known: false, ..Synthetic::new(shape, 5) };
            let mut sides: Vec<Box<dyn FnMut() + '_>> = vec![Box::new(|| {
                let vk = keygen_vk(&params, &circuit).expect("verifying key");
                keygen_pk(&params, vk, &circuit).expect("proving key");
            })];
            for engine in &engines {
                sides.push(Box::new(|| {
                    engine.keygen(&circuit, false).expect("engine key");
                }));
            }
            let times = interleaved(3, &mut sides);
            table.row(&name, times[0], &times[1..]);
        }
    }
    table.summary();
}

/// Notes products and CPU time at the start of every stage.
#[derive(Default)]
struct Stages(Mutex<Vec<(String, u64, f64)>>);

impl Stages {
    fn note(&self, name: String) {
        self.0.lock().expect("lock").push((name, products_so_far(), cpu_seconds()));
    }
}

impl Progress for Stages {
    fn stage(&self, stage: Stage) {
        self.note(stage.to_string());
    }
}

/// Products counted × the cost of one, against the time taken, stage by stage. What
/// precedes a phase's commitments (its witness) counts to the stage before.
pub fn limits(k: u32, backend: Backend) {
    let params = parameters(k);
    let stages = Arc::new(Stages::default());
    let progress: Arc<dyn Progress> = stages.clone();
    let options =
        Options { backend: Some(backend), progress: Some(progress), ..Options::default() };
    let engine = Engine::new(&params, options).expect("engine");
    let cost = product_nanoseconds(backend);
    println!("\nlimit of a proof's stages with {backend:?}: a product takes {cost:.2} ns");
    for (name, shape) in shapes(k, &[8]) {
        let circuit = Synthetic::new(shape, 5);
        let pk = engine.keygen(&circuit, false).expect("key");
        let instances = circuit.instances();
        let instances: Vec<&[Fr]> = instances.iter().map(Vec::as_slice).collect();
        ours(&engine, &pk, &circuit, &instances);
        stages.0.lock().expect("lock").clear();
        ours(&engine, &pk, &circuit, &instances);
        stages.note(String::new());
        let noted = std::mem::take(&mut *stages.0.lock().expect("lock"));
        println!("{name}");
        for pair in noted.windows(2) {
            distance(
                &format!("  {}", pair[0].0),
                pair[1].1 - pair[0].1,
                cost,
                pair[1].2 - pair[0].2,
            );
        }
    }
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
pub fn memory(k: u32, with_engine: bool) {
    let shape =
        Shape { k, data: 6, products: 2, degree: 3, weights: 16, permuted: 3, instances: 8 };
    let params = parameters(k);
    let circuit = Synthetic::new(shape, 5);
    let pk = engine(&params, Backend::detect()).keygen(&circuit, false).expect("key");
    let instances = circuit.instances();
    let instances: Vec<&[Fr]> = instances.iter().map(Vec::as_slice).collect();
    // Start the peak anew; needs write access to clear_refs.
    let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = status("VmRSS:");
    if with_engine {
        ours(&engine(&params, Backend::detect()), &pk, &circuit, &instances);
    } else {
        reference(&params, &pk, &circuit, &instances);
    }
    println!(
        "memory 2^{k}, engine {with_engine}: {:.1} MiB above {before:.1} MiB (peak reset: {reset})",
        status("VmHWM:") - before
    );
}
