//! The standard's own operator tests: one of each operator, as scripts/conformance keeps them.

use std::{collections::BTreeMap, fs, path::Path};

use self::case::{Failure, Variant, run};

mod case;

/// Circuits of more rows, as 2^k, are checked by `make conformance` only.
const LARGEST_K: u32 = 9;

#[test]
fn a_case_of_every_operator_is_read_quantized_and_proven_as_the_standard_has_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/conformance");
    let text = fs::read_to_string(folder.join("cases.json")).expect("fixtures");
    let cases: BTreeMap<String, Variant> = serde_json::from_str(&text).expect("cases");
    assert!(cases.len() > 120, "{} operators", cases.len());
    let mut checked = 0;
    for (operator, case) in &cases {
        match run(&folder, case, LARGEST_K) {
            Ok((_, _, circuit)) => checked += usize::from(circuit),
            Err(Failure::Refused(why) | Failure::Failed(why)) => panic!("{operator}: {why}"),
        }
    }
    assert!(checked > 60, "{checked} circuits");
}
