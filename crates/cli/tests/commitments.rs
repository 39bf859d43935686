//! Commitments to inputs: from `setup --commit-inputs` to a verified proof, and the same hash from
//! JavaScript.

mod common;

use std::process::Command;

use common::{Workplace, root};
use serde_json::Value;

/// The commitment that the package's module makes of an input, with the salt in a file.
fn from_javascript(manifest: &str, input: &str, commitment: &str) -> String {
    let module = root().join("contracts/commitment/index.js").display().to_string();
    let script = format!(
        "import {{ readFileSync }} from 'node:fs';
        import {{ commitment }} from '{module}';
        const [manifest, input, own] = process.argv.slice(1).map((path) => JSON.parse(readFileSync(path)));
        console.log('0x' + commitment(manifest, input, BigInt(own.salt)).toString(16).padStart(64, '0'));"
    );
    let run = Command::new("node")
        .args(["--input-type=module", "--eval", &script, manifest, input, commitment])
        .output()
        .expect("node runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).expect("text").trim().to_owned()
}

#[test]
fn inputs_are_committed_to_and_a_proof_states_that_and_nothing_else_of_them() {
    let place = Workplace::new();
    let model = root().join("examples/credit/logistic.onnx").display().to_string();
    let (setup, input, out) =
        (place.path("setup"), place.path("input.json"), place.path("own.json"));
    // Some on a grid, some as fine as the circuit is.
    let ranges: Vec<Value> = (0..20)
        .map(|index| match index % 3 {
            0 => serde_json::json!({"min": -2.5, "max": 72, "decimals": 1}),
            1 => serde_json::json!({"min": 0, "max": 4, "decimals": 0}),
            _ => serde_json::json!({"min": 0, "max": 10}),
        })
        .collect();
    let file = place.path("ranges.json");
    std::fs::write(&file, serde_json::json!({ "input": ranges }).to_string()).expect("written");
    let values: Vec<f64> =
        (0..20).map(|index| [f64::from(index) / 2.0, 3.0, 7.25][index as usize % 3]).collect();
    std::fs::write(&input, serde_json::to_string(&values).expect("a list")).expect("written");
    let arguments = ["setup", &model, "--out", &setup, "--dev-srs", "--ranges", &file];
    place.run(&[&arguments[..], &["--commit-inputs"]].concat());
    let told = place.json(&["commit", &setup, "--input", &input, "--out", &out]);
    let commitment = told["commitments"][0].as_str().expect("a word").to_owned();
    assert!(!told.to_string().contains("salt"), "the salt is in the file alone");
    assert_eq!(from_javascript(&format!("{setup}/public/manifest.json"), &input, &out), commitment);

    // Without a file both are printed, and do the same.
    let printed = place.json(&["commit", &setup, "--input", &input]);
    let (other, salt) = (&printed["commitments"][0], &printed["salts"][0]);
    assert_ne!(other, commitment.as_str(), "another salt");
    let own = place.path("printed.json");
    let file = serde_json::json!({ "commitment": other, "salt": salt });
    std::fs::write(&own, file.to_string()).expect("written");
    let made = from_javascript(&format!("{setup}/public/manifest.json"), &input, &own);
    assert_eq!(other, made.as_str());
    let text = place.run(&["commit", &setup, "--input", &input]).stdout;
    let text = String::from_utf8(text).expect("text");
    let shown = |name: &str, digits: usize| {
        let mut words =
            text.lines().find(|line| line.trim().starts_with(name)).expect(name).split(' ');
        words.any(|word| word.len() == 2 + digits && word.starts_with("0x"))
    };
    assert!(shown("commitment", 64) && shown("salt", 32), "{text}");

    let proof = place.path("proof.json");
    let prove = ["prove", &setup, "--input", &input, "--out", &proof];
    let error = place.failure(&prove);
    assert!(error.contains("verdict commit"), "{error}");
    let bundle = place.json(&[&prove[..], &["--commitment", &out]].concat());
    assert_eq!(bundle["instances"][1], commitment.as_str());
    assert_eq!(bundle["instances"].as_array().map(Vec::len), Some(3), "context, commitment, score");
    place.run(&["verify", &setup, &proof]);
    // Of another input, or with another salt, it is not that commitment.
    std::fs::write(&input, serde_json::to_string(&vec![1.0; 20]).expect("a list"))
        .expect("written");
    let error = place.failure(&[&prove[..], &["--commitment", &out]].concat());
    assert!(error.contains("commitment 0 is of other inputs"), "{error}");
    std::fs::write(&out, "{\"commitment\": \"0x12\"}").expect("written");
    let error = place.failure(&[&prove[..], &["--commitment", &out]].concat());
    assert!(error.contains("own.json: no commitments") && error.contains("column"), "{error}");
    // The salt of a commitment that may be known is not overwritten.
    let error = place.failure(&["commit", &setup, "--input", &input, "--out", &out]);
    assert!(error.contains("there is a file already"), "{error}");
    assert_eq!(std::fs::read_to_string(&out).expect("still there"), "{\"commitment\": \"0x12\"}");
}
