//! Multi-scalar multiplications and transforms against halo2curves'.

use crate::measure::{Seconds, Table, cpu_seconds, distance, interleaved};
use ff::Field;
use group::prime::PrimeCurveAffine;
use group::{Curve, Group};
use halo2curves::bn256::{Fr, G1, G1Affine};
use rand::{Rng, SeedableRng, rngs::StdRng};
use verdict_engine::{Backend, Bases, Domain, product_nanoseconds, products_so_far};

/// Different points at the cost of a doubling each.
pub fn points(n: usize) -> Vec<G1Affine> {
    let mut sum = G1::random(StdRng::seed_from_u64(1));
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

/// Random scalars of the whole field, and of 16 bits with a sign.
fn scalars(n: usize) -> [(&'static str, Vec<Fr>); 2] {
    let mut rng = StdRng::seed_from_u64(2);
    let full = (0..n).map(|_| Fr::random(&mut rng)).collect();
    let small = (0..n)
        .map(|_| {
            let value = Fr::from(rng.gen_range(0..1u64 << 16));
            if rng.r#gen() { value } else { -value }
        })
        .collect();
    [("full", full), ("16 bits signed", small)]
}

/// The reference's time and the others'.
fn split(times: &[Seconds]) -> (Seconds, &[Seconds]) {
    (times[0], &times[1..])
}

pub fn msm(ks: &[u32], backends: &[Backend]) {
    let points = points(1 << ks.iter().max().expect("a size"));
    let mut tables = [Vec::new(), Vec::new()];
    for &k in ks {
        let n = 1usize << k;
        let bases: Vec<Bases> = backends.iter().map(|b| Bases::new(&points[..n], *b)).collect();
        for ((name, scalars), rows) in scalars(n).iter().zip(&mut tables) {
            let mut sides: Vec<Box<dyn FnMut() + '_>> = vec![Box::new(|| {
                std::hint::black_box(halo2curves::msm::msm_best(scalars, &points[..n]));
            })];
            for bases in &bases {
                sides.push(Box::new(|| {
                    std::hint::black_box(bases.msm(scalars));
                }));
            }
            let runs = if k < 16 { 9 } else { 3 };
            rows.push((format!("2^{k} {name}"), interleaved(runs, &mut sides)));
        }
    }
    for (title, rows) in ["msm, full", "msm, 16 bits signed"].into_iter().zip(tables) {
        let mut table = Table::new(title, "halo2curves", backends);
        for (name, times) in rows {
            let (reference, ours) = split(&times);
            table.row(&name, reference, ours);
        }
        table.summary();
    }
}

pub fn fft(ks: &[u32], backends: &[Backend]) {
    let mut table = Table::new("fft", "halo2curves", backends);
    for &k in ks {
        let mut rng = StdRng::seed_from_u64(3);
        let values: Vec<Fr> = (0..1usize << k).map(|_| Fr::random(&mut rng)).collect();
        let domains: Vec<Domain> = backends.iter().map(|b| Domain::new(k, *b)).collect();
        let omega = domains[0].omega();
        let mut theirs = values.clone();
        let mut sides: Vec<Box<dyn FnMut() + '_>> =
            vec![Box::new(|| halo2curves::fft::best_fft(&mut theirs, omega, k))];
        for domain in &domains {
            let (mut data, mut scratch) = (values.clone(), Vec::new());
            sides.push(Box::new(move || domain.forward(&mut data, &mut scratch)));
        }
        let times = interleaved(if k < 18 { 9 } else { 5 }, &mut sides);
        let (reference, ours) = split(&times);
        table.row(&format!("2^{k}"), reference, ours);
    }
    table.summary();
}

/// Products counted × the cost of one, against the time taken.
pub fn limits(ks: &[u32], backend: Backend) {
    let cost = product_nanoseconds(backend);
    println!("\nlimit with {backend:?}: a product takes {cost:.2} ns");
    let timed = |name: String, run: &mut dyn FnMut()| {
        run();
        let (products, cpu) = (products_so_far(), cpu_seconds());
        run();
        distance(&name, products_so_far() - products, cost, cpu_seconds() - cpu);
    };
    let points = points(1 << ks.iter().max().expect("a size"));
    for &k in ks {
        let bases = Bases::new(&points[..1 << k], backend);
        for (name, scalars) in scalars(1 << k) {
            timed(format!("msm 2^{k} {name}"), &mut || {
                std::hint::black_box(bases.msm(&scalars));
            });
        }
        let domain = Domain::new(k, backend);
        let (mut data, mut scratch) = (vec![Fr::ONE; 1 << k], Vec::new());
        timed(format!("fft 2^{k}"), &mut || domain.forward(&mut data, &mut scratch));
    }
}
