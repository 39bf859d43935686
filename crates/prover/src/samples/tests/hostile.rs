//! Damaged and made-up files: an error or samples, never a panic, in little time.

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

const JSON: [&str; 6] = [
    r#"{"samples":[{"id":"a\u00e9\n","input":[[0.5,-1e-3],[1E5,0]]},{"id":7,"x":[1,2,3,4]}]}"#,
    r#"{"input_data":[[1,2,3,4,5,6,7,8]],"output_data":[["a",null,true]]}"#,
    "[[1,2,3,4],[5,6,7,8]]",
    r#"{"min":[[0,0],[0,0]],"max":1}"#,
    r#"[{"min":0,"max":1},[0,1],[0,2],[3,4]]"#,
    r#"{"y":[[0,1],[0,1],[0,1],[0,1]],"\ud83d\ude00":{}}"#,
];
const TABLES: [&str; 3] =
    ["id,a,b,c,d\nA,1,2,3,4\nB,5,6,7,8\n", "# x\n1 2 3 4\n5 6 7 8\n", "\"1\";2;3;4\n5;6;7;8\n"];

fn files() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/samples");
    let binary = ["f4.npy", "fortran.npy", "version3.npy", "named.npz", "numbered.npz"];
    let binary = binary.iter().map(|name| std::fs::read(folder.join(name)).unwrap());
    JSON.iter().chain(&TABLES).map(|text| text.as_bytes().to_vec()).chain(binary).collect()
}

/// Reads bytes in every way; returns whether they were samples.
fn survives(bytes: &[u8]) -> bool {
    let start = Instant::now();
    let square = [tensor("x", &[2, 2])];
    let two = [tensor("x", &[1, 3]), tensor("y", &[])];
    let image = [tensor("x", &[1, 3, 4])];
    let mut read = false;
    for tensors in [&square[..], &two, &image] {
        for said in [None, Some(Format::Json), Some(Format::Table)] {
            match parse(bytes, said, tensors) {
                Ok(samples) => {
                    let elements = Target { tensors }.elements();
                    for sample in samples {
                        assert_eq!(sample.values.len(), elements);
                        assert!(sample.values.iter().all(|value| value.is_finite()));
                    }
                    read = true;
                }
                Err(problem) => {
                    let text = problem.to_string();
                    assert!(!text.chars().any(char::is_control), "{text:?}");
                    assert!(text.len() < 2000, "{text}");
                }
            }
        }
        if let Ok((ranges, _)) = parse_ranges(bytes, tensors) {
            assert!(ranges.input.iter().all(|[lo, hi]| lo < hi && (hi - lo).is_finite()));
        }
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    read
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_samples() {
    for file in files() {
        for cut in 0..=file.len() {
            survives(&file[..cut]);
        }
    }
}

#[test]
fn a_file_with_changed_pieces_is_an_error_or_samples() {
    let mut rng = StdRng::seed_from_u64(23);
    let words: [&[u8]; 12] =
        [b"[", b"]", b"{", b"}", b",", b"\"", b"NaN", b"1e999", b"null", b"\xff", b"\n", b"'"];
    let (mut read, mut refused) = (0, 0);
    for file in files() {
        for _ in 0..400 {
            let mut bytes = file.clone();
            for _ in 0..rng.gen_range(1..=3) {
                let at = rng.gen_range(0..bytes.len());
                let end = rng.gen_range(at..bytes.len().min(at + 8));
                match rng.gen_range(0..5) {
                    0 => bytes[at] ^= 1 << rng.gen_range(0..8),
                    1 => bytes[at] = rng.r#gen(),
                    2 => drop(bytes.splice(at..end, words[rng.gen_range(0..12)].to_vec())),
                    3 if end - at < bytes.len() => drop(bytes.drain(at..end)),
                    _ => {
                        let piece = bytes[at..end].to_vec();
                        drop(bytes.splice(at..at, piece));
                    }
                }
            }
            if survives(&bytes) { read += 1 } else { refused += 1 }
        }
    }
    assert!(read > 200 && refused > 200, "{read} read, {refused} refused");
}

/// What serde_json takes for JSON we take for it, and the reverse.
#[test]
fn the_grammar_is_that_of_json() {
    let mut rng = StdRng::seed_from_u64(24);
    let alphabet = br#"[]{},:"\ue1-+.0 tfnal0e5xN"#;
    let (mut valid, mut invalid) = (0, 0);
    for round in 0..60_000 {
        let mut bytes = JSON[round % JSON.len()].as_bytes().to_vec();
        for _ in 0..rng.gen_range(0..3) {
            let at = rng.gen_range(0..bytes.len());
            match rng.gen_range(0..3) {
                0 => bytes[at] = alphabet[rng.gen_range(0..alphabet.len())],
                1 => bytes.insert(at, alphabet[rng.gen_range(0..alphabet.len())]),
                _ => drop(bytes.remove(at)),
            }
        }
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        let theirs = serde_json::from_str::<serde_json::Value>(text);
        let ours = super::super::json::parse(text);
        match (theirs, ours) {
            (Ok(_), Ok(_)) => valid += 1,
            (Err(_), Err(_)) => invalid += 1,
            (Ok(_), Err(Problem::DuplicateKey { .. })) => {}
            // We name these where they are used.
            (Err(error), Ok(_))
                if text.to_ascii_lowercase().contains("na")
                    || error.to_string().contains("out of range") => {}
            (theirs, ours) => panic!("{text}: serde_json {theirs:?}, ours {ours:?}"),
        }
    }
    assert!(valid > 10_000 && invalid > 10_000, "{valid} valid, {invalid} invalid");
}

#[test]
fn deep_wide_and_long_files_end_in_an_error_in_little_time() {
    let four = [tensor("x", &[4])];
    let start = Instant::now();
    for open in ["[", "{\"a\":", "[[1],"] {
        says(json(open.repeat(200_000), &four), &["deeper than 64"]);
    }
    says(json(format!("[{}1]", "[],".repeat(3_000_000)), &four), &["[3000000] is the number 1"]);
    says(json(format!("[{}1]", "{},".repeat(3_000_000)), &four), &["more than"]);
    says(json(format!("[{}1]", "0,".repeat((1 << 25) + 1)), &four), &["more than 33554432"]);
    says(json(format!("[1,{}", "9".repeat(10_000_000)), &four), &["file ends"]);
    says(json(format!("\"{}", "\\".repeat(1_000_001)), &four), &["closing quote"]);
    let wide = format!("{}\n{}", vec!["a"; 100_000].join(","), vec!["1"; 100_000].join(","));
    says(read(wide, Some(Format::Table), &four), &["two columns"]);
    let rows = "1\n".repeat((1 << 20) + 1);
    says(read(rows, Some(Format::Table), &[tensor("x", &[1])]), &["more than 1048576 samples"]);
    let keys: String = (0..200_000).map(|i| format!("\"{i}\":1,")).collect();
    says(json(format!("{{{keys}\"a\":1}}"), &four), &["keys", "…"]);
    assert!(start.elapsed() < Duration::from_secs(300), "{:?}", start.elapsed());
}
