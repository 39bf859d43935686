//! Damaged model files: reading one gives an error or a model that can be run,
//! never a panic, and takes little time and memory.

use std::{fs, path::Path, time::Instant};

use super::protobuf::forest;
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use verdict_prover::onnx::{self, LoadOptions};

/// The credit network and every small fixture: together they use every operator.
fn files() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fixtures = ["good", "operators", "cases", "conformance"]
        .map(|name| root.join("tests/fixtures").join(name));
    let mut paths: Vec<_> = fixtures
        .iter()
        .flat_map(|folder| fs::read_dir(folder).expect("fixtures are checked in"))
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "onnx"))
        .chain([root.join("../../examples/credit/model.onnx")])
        .collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| fs::read(path).expect("fixtures are readable");
    paths.iter().map(|path| (path.display().to_string(), read(path))).collect()
}

/// Reads the bytes and, when they are a model, runs it. Returns whether they were.
fn survives(bytes: &[u8], what: &str) -> bool {
    let start = Instant::now();
    let outcome = std::panic::catch_unwind(|| {
        let Ok(graph) = onnx::parse(bytes, "damaged", &LoadOptions::default()) else {
            return false;
        };
        graph.check().expect("a graph that was read fits together");
        assert!(!graph.nodes.is_empty());
        let inputs: Vec<Vec<f64>> =
            graph.inputs.iter().map(|id| vec![0.5; graph.tensors[id.0].len()]).collect();
        // Damaged weights may overflow; that is an error too, not a panic.
        let _ = graph.run(&inputs);
        true
    });
    assert!(start.elapsed().as_secs() < 5, "{what} took {:?}", start.elapsed());
    outcome.unwrap_or_else(|_| panic!("{what} panics"))
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_a_model() {
    for (name, bytes) in files() {
        // All of a small file, a sample of a large one.
        let step = bytes.len() / 200 + 1;
        for cut in (0..bytes.len()).step_by(step) {
            survives(&bytes[..cut], &format!("{name} cut at {cut}"));
        }
        assert!(survives(&bytes, &name) || name.contains("/cases/"));
    }
}

#[test]
fn a_file_with_flipped_bits_is_an_error_or_a_model() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut read, mut refused) = (0, 0);
    for (name, bytes) in files() {
        for round in 0..200 {
            let mut damaged = bytes.clone();
            for _ in 0..rng.gen_range(1..=4) {
                let at = rng.gen_range(0..damaged.len());
                damaged[at] ^= 1 << rng.gen_range(0..8);
            }
            match survives(&damaged, &format!("{name} damaged in round {round}")) {
                true => read += 1,
                false => refused += 1,
            }
        }
    }
    // Both outcomes happen: the damage reaches beyond the outer parser.
    assert!(read > 100 && refused > 100, "{read} read, {refused} refused");
}

#[test]
fn a_file_with_overwritten_deleted_or_repeated_pieces_is_an_error_or_a_model() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for (name, bytes) in files() {
        for round in 0..100 {
            let mut damaged = bytes.clone();
            let start = rng.gen_range(0..damaged.len());
            let end = rng.gen_range(start..damaged.len().min(start + 40));
            let piece = damaged[start..end].to_vec();
            match round % 3 {
                0 => damaged[start..end]
                    .fill(*[0x00, 0x7f, 0x80, 0xff].choose(&mut rng).unwrap_or(&0)),
                1 => drop(damaged.drain(start..end)),
                _ => drop(damaged.splice(start..start, piece)),
            }
            survives(&damaged, &format!("{name} rewritten in round {round}"));
        }
    }
}

/// What a file says that it has is not made before it is found there: the last of these numbers
/// would be an address space, the first ones gigabytes.
#[test]
fn targets_that_no_leaf_has_are_refused_before_anything_is_made_of_them() {
    for targets in [5, 100_000_000, 1_000_000_000, 1 << 40, 1 << 62, i64::MAX, 0, -1, i64::MIN] {
        let start = Instant::now();
        let error = onnx::parse(&forest(1, 2, targets), "targets", &LoadOptions::default());
        let error = error.expect_err("four weights").to_string();
        assert!(error.contains(&targets.to_string()), "{error}");
        assert!(start.elapsed().as_secs() < 1, "{targets} took {:?}", start.elapsed());
    }
    let graph = onnx::parse(&forest(1, 2, 4), "targets", &LoadOptions::default());
    let output = graph.expect("four weights").run(&[vec![0.5; 4]]).expect("it runs").concat();
    assert_eq!(output.len(), 4);
    assert_eq!(output[1..], [0.0; 3]);
}
