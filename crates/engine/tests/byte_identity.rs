//! The engine's proofs are, byte for byte, halo2-axiom's.
//!
//! halo2-axiom draws one polynomial from the operating system's randomness whatever
//! generator the caller gives it. This binary replaces the `getrandom` system call by
//! constant bytes, so that a fresh thread's `thread_rng` is the same every time; the
//! reference runs on such a thread, and the engine is given the same polynomial.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(missing_docs)]

mod common;

use common::{Shape, Synthetic};
use ff::Field;
use halo2_proofs::plonk::{ProvingKey, keygen_pk, keygen_vk, verify_proof};
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::{ProverSHPLONK, VerifierSHPLONK};
use halo2_proofs::poly::kzg::strategy::SingleStrategy;
use halo2_proofs::transcript::{
    Blake2bRead, Blake2bWrite, Challenge255, TranscriptReadBuffer, TranscriptWriterBuffer,
};
use halo2curves::bn256::{Bn256, Fr, G1Affine};
use rand::{SeedableRng, rngs::StdRng};
use verdict_engine::{Backend, Engine, EngineError, Options, WitnessSource};

/// Replaces libc's `syscall` for this binary: `getrandom` gives constant bytes,
/// everything else goes to the kernel.
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: i64,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> i64 {
    const GETRANDOM: i64 = 318;
    if number == GETRANDOM {
        if b > 0 {
            // SAFETY: the caller passes a buffer of `b` bytes at `a`.
            unsafe { std::ptr::write_bytes(a as *mut u8, 0x5a, b) };
        }
        return b as i64;
    }
    let result: i64;
    // SAFETY: the kernel's calling convention; arguments are the caller's.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            out("rcx") _, out("r11") _,
            options(nostack),
        );
    }
    if (-4095..0).contains(&result) {
        unsafe extern "C" {
            fn __errno_location() -> *mut i32;
        }
        // SAFETY: libc's thread-local error number.
        unsafe { *__errno_location() = -result as i32 };
        return -1;
    }
    result
}

fn on_fresh_thread<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread").install(f)
}

/// What halo2-axiom draws on a fresh thread.
fn blinder(coefficients: &mut [Fr]) {
    on_fresh_thread(|| {
        let mut rng = rand::thread_rng();
        for coefficient in coefficients {
            *coefficient = Fr::random(&mut rng);
        }
    });
}

struct Setup {
    params: ParamsKZG<Bn256>,
    pk: ProvingKey<G1Affine>,
    circuit: Synthetic,
}

fn setup(shape: &Shape) -> Setup {
    let params = ParamsKZG::<Bn256>::setup(shape.k, StdRng::seed_from_u64(1));
    let circuit = Synthetic::new(shape.clone(), 2);
    let vk = keygen_vk(&params, &circuit).expect("vk");
    let pk = keygen_pk(&params, vk, &circuit).expect("pk");
    Setup { params, pk, circuit }
}

fn reference(setup: &Setup) -> Vec<u8> {
    on_fresh_thread(|| {
        let mut transcript = Blake2bWrite::<_, _, Challenge255<_>>::init(vec![]);
        let instances = setup.circuit.instances();
        let instances: Vec<&[Fr]> = instances.iter().map(Vec::as_slice).collect();
        halo2_proofs::plonk::create_proof::<
            KZGCommitmentScheme<Bn256>,
            ProverSHPLONK<'_, Bn256>,
            _,
            _,
            _,
            _,
        >(
            &setup.params,
            &setup.pk,
            std::slice::from_ref(&setup.circuit),
            &[&instances],
            StdRng::seed_from_u64(3),
            &mut transcript,
        )
        .expect("reference proof");
        transcript.finalize()
    })
}

fn verify(setup: &Setup, proof: &[u8]) -> bool {
    let instances = setup.circuit.instances();
    let instances: Vec<&[Fr]> = instances.iter().map(Vec::as_slice).collect();
    let mut transcript = Blake2bRead::<_, _, Challenge255<_>>::init(proof);
    verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
        &setup.params,
        setup.pk.get_vk(),
        SingleStrategy::new(&setup.params),
        &[&instances],
        &mut transcript,
    )
    .is_ok()
}

fn ours(setup: &Setup, options: Options) -> Result<Vec<u8>, EngineError> {
    let engine = Engine::new(&setup.params, options)?;
    let instances = setup.circuit.instances();
    let instances: Vec<&[Fr]> = instances.iter().map(Vec::as_slice).collect();
    let mut transcript = Blake2bWrite::<_, _, Challenge255<_>>::init(vec![]);
    engine.create_proof_with_blinder(
        &setup.pk,
        &setup.circuit,
        &instances,
        StdRng::seed_from_u64(3),
        &mut transcript,
        &mut blinder,
    )?;
    Ok(transcript.finalize())
}

fn check(shape: Shape) {
    let setup = setup(&shape);
    let expected = reference(&setup);
    assert!(verify(&setup, &expected), "the reference proof of {shape:?} verifies");
    for backend in Backend::ALL {
        for threads in [1, 2, 3] {
            if !backend.is_available() || (backend == Backend::Portable && threads > 1) {
                continue;
            }
            let options = Options { threads, backend: Some(backend), ..Options::default() };
            let proof = ours(&setup, options).expect("engine proof");
            assert!(proof == expected, "{shape:?} with {threads} threads, {backend:?}");
        }
    }
}

#[test]
fn one_phase_without_permutation() {
    check(Shape { k: 6, data: 3, products: 2, degree: 3, ..Shape::default() });
    check(Shape { k: 5, data: 1, products: 1, degree: 2, ..Shape::default() });
}

#[test]
fn gates_of_every_degree() {
    for degree in 2..=5 {
        check(Shape { k: 6, data: 4, products: 3, degree, instances: 3, ..Shape::default() });
    }
}

#[test]
fn two_phases_with_weight_columns() {
    for weights in [1, 2, 7] {
        check(Shape {
            k: 7,
            data: 2,
            products: 1,
            degree: 3,
            weights,
            instances: 4,
            ..Shape::default()
        });
    }
}

#[test]
fn permutations_of_few_and_many_columns() {
    for (degree, permuted) in [(3, 2), (3, 5), (4, 5), (5, 4), (2, 3)] {
        check(Shape { k: 6, data: 6, products: 2, degree, permuted, ..Shape::default() });
    }
}

#[test]
fn everything_at_once_at_several_sizes() {
    for k in [6, 8, 9, 11] {
        check(Shape { k, data: 5, products: 4, degree: 4, weights: 5, permuted: 3, instances: 9 });
    }
}

#[test]
fn proofs_with_the_engines_own_randomness_verify_and_repeat() {
    let setup = setup(&Shape {
        k: 8,
        data: 3,
        products: 2,
        degree: 3,
        weights: 2,
        permuted: 2,
        instances: 1,
    });
    let instances = setup.circuit.instances();
    let instances: Vec<&[Fr]> = instances.iter().map(Vec::as_slice).collect();
    let prove = |threads| {
        let options = Options { threads, ..Options::default() };
        let mut transcript = Blake2bWrite::<_, _, Challenge255<_>>::init(vec![]);
        verdict_engine::create_proof(
            &setup.params,
            &setup.pk,
            &setup.circuit,
            &instances,
            StdRng::seed_from_u64(9),
            &mut transcript,
            &options,
        )
        .expect("proof");
        transcript.finalize()
    };
    let proof = prove(1);
    assert!(verify(&setup, &proof));
    assert!(prove(2) == proof && prove(4) == proof, "threads must not change a proof");
    let mut tampered = proof.clone();
    tampered[40] ^= 1;
    assert!(!verify(&setup, &tampered));
}

/// The synthetic circuit's columns without its `synthesize`.
struct Columns<'a>(&'a Synthetic);

impl WitnessSource for Columns<'_> {
    fn phase(
        &mut self,
        phase: u8,
        challenges: &[Option<Fr>],
    ) -> Result<Vec<Vec<Fr>>, Box<dyn std::error::Error + Send + Sync>> {
        let data = self.0.data();
        if phase == 0 {
            return Ok(data.iter().chain(self.0.products()).cloned().collect());
        }
        let challenge = challenges[0].ok_or("the challenge is missing")?;
        Ok(vec![self.0.sum(data, challenge)])
    }
}

#[test]
fn columns_given_directly_make_the_same_proof_as_synthesize() {
    let setup = setup(&Shape {
        k: 7,
        data: 2,
        products: 1,
        degree: 3,
        weights: 3,
        permuted: 2,
        instances: 2,
    });
    let instances = setup.circuit.instances();
    let instances: Vec<&[Fr]> = instances.iter().map(Vec::as_slice).collect();
    let engine = Engine::new(&setup.params, Options::default()).expect("engine");
    let mut direct = Blake2bWrite::<_, _, Challenge255<_>>::init(vec![]);
    let rng = StdRng::seed_from_u64(4);
    let mut source = Columns(&setup.circuit);
    engine
        .create_proof_from(&setup.pk, &mut source, &instances, rng.clone(), &mut direct)
        .expect("proof");
    let mut synthesized = Blake2bWrite::<_, _, Challenge255<_>>::init(vec![]);
    engine
        .create_proof(&setup.pk, &setup.circuit, &instances, rng, &mut synthesized)
        .expect("proof");
    let proof = direct.finalize();
    assert!(verify(&setup, &proof));
    assert!(proof == synthesized.finalize());
}
