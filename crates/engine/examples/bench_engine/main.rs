//! The engine's speed as ratios to halo2curves' and halo2-axiom's, for every backend
//! that the CPU has, as medians of runs in turn:
//! `cargo run --release -p verdict-engine --example bench_engine -- [--quick]
//! [msm] [fft] [proof] [keygen] [limits]`; all parts by default. Memory of one proof:
//! `memory <k> [reference]`.
#![allow(missing_docs, unreachable_pub)]

#[path = "../../tests/common/mod.rs"]
mod common;
mod kernels;
mod measure;
mod proofs;

use verdict_engine::Backend;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    if has("memory") {
        let k = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(14);
        return proofs::memory(k, !has("reference"));
    }
    let quick = has("--quick");
    let parts = ["msm", "fft", "proof", "keygen", "limits"];
    let all = !parts.iter().any(|part| has(part));
    let wanted = |part: &str| all || has(part);
    let backends: Vec<Backend> = Backend::ALL
        .into_iter()
        .filter(|backend| *backend != Backend::IfmaEmulated && backend.is_available())
        .collect();
    println!(
        "{} threads; engine's time and ratio to the reference's, on the clock and of CPU",
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    if wanted("msm") {
        kernels::msm(if quick { &[11, 14] } else { &[11, 14, 16, 18, 20] }, &backends);
    }
    if wanted("fft") {
        kernels::fft(if quick { &[14, 16] } else { &[14, 16, 18, 20] }, &backends);
    }
    let advice: &[usize] = if quick { &[4, 16] } else { &[4, 8, 16, 32] };
    if wanted("proof") {
        proofs::proofs(if quick { &[10, 12] } else { &[10, 12, 14, 16, 18] }, advice, &backends);
    }
    if wanted("keygen") {
        proofs::keygen(if quick { &[10] } else { &[10, 14, 18] }, &[8], &backends);
    }
    if wanted("limits") {
        for backend in backends {
            kernels::limits(if quick { &[14] } else { &[14, 18] }, backend);
            proofs::limits(if quick { 12 } else { 16 }, backend);
        }
    }
}
