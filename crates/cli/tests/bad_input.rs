//! Bad input of every kind: one line, a hint, exit code 1, nothing half-written.

mod common;

use std::{fs, path::Path, process::Command};

use common::{Workplace, example};

fn fixture(name: &str) -> String {
    common::root().join("crates/prover/tests/fixtures/bad").join(name).display().to_string()
}

#[test]
fn models_that_cannot_be_read_are_explained() {
    let place = Workplace::new();
    let text = place.path("text.onnx");
    fs::write(&text, "this is not a model").expect("written");
    let missing = place.path("missing.onnx");
    for model in [&text, &missing] {
        let error = place.failure(&["inspect", model, "--range", "0,1"]);
        assert!(error.contains(".onnx"), "{error}");
    }
    let error = place.failure(&["inspect", &example("model.onnx")]);
    assert!(error.contains("--ranges"), "{error}");
}

#[test]
fn unsupported_operators_and_bad_weights_are_named() {
    let place = Workplace::new();
    let folder = common::root().join("crates/prover/tests/fixtures/bad");
    for entry in fs::read_dir(folder).expect("there") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let error = place.failure(&["inspect", &fixture(&name), "--range", "0,1"]);
        if name == "det.onnx" {
            assert!(error.contains("Det"), "{error}");
        }
        if name == "nan_weight.onnx" {
            assert!(error.to_lowercase().contains("nan"), "{error}");
        }
    }
}

#[test]
fn inputs_of_the_wrong_length_shape_or_range_are_explained() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let out = place.path("proof.json");
    let cases = [
        ("[1, 2, 3]", "20"),
        ("{\"inputs\": [1]}", "input"),
        ("[\"a\"]", "[0] is the string"),
        ("{\"input\": [1, 2, null]}", "input[2] is null"),
        ("{\"applicants\": [{\"input\": [NaN]}]}", "applicants[0].input[0] is NaN"),
        ("[[1], [2, 3]]", "[1] has shape [2]"),
        ("{\"input\": [1], \"input\": [2]}", "twice"),
        ("", "empty"),
        ("[1,1000,1,1,1,1,1,1,1,1,1,1,30,1,1,1,1,1,1,1]", "range"),
    ];
    for (content, expected) in cases {
        let input = place.path("input.json");
        fs::write(&input, content).expect("written");
        let error = place.failure(&["prove", &setup, "--input", &input, "--out", &out]);
        assert!(error.contains(expected), "{content}: {error}");
        assert!(!Path::new(&out).exists());
    }
    let applicants = example("applicants.json");
    let error = place.failure(&["prove", &setup, "--input", &applicants, "--out", &out]);
    assert!(error.contains("--id") && error.contains("A01, A02"), "{error}");
    let args = ["prove", &setup, "--input", &applicants, "--id", "B", "--out", &out];
    let error = place.failure(&args);
    assert!(error.contains("no sample \"B\"") && error.contains("A01, A02"), "{error}");
    for (input, expected) in [("/dev/zero", "268435456"), ("examples", "folder")] {
        let error = place.failure(&["prove", &setup, "--input", input, "--out", &out]);
        assert!(error.contains(input) && error.contains(expected), "{error}");
    }
}

#[test]
fn ranges_that_are_none_are_explained() {
    let place = Workplace::new();
    let model = example("logistic.onnx");
    for (content, expected) in [
        ("{\"input\": [[0, 1]]}", "20 numbers"),
        ("{\"input\": [[1, 0], [0, 1]]}", "input[0] is the range [1, 0]: it is reversed"),
        ("{\"input\": [[0, 1], [2, 2]]}", "input[1] is the range [2, 2]"),
        ("{\"inptu\": [[0, 1]]}", "inptu"),
    ] {
        let ranges = place.path("ranges.json");
        fs::write(&ranges, content).expect("written");
        let error = place.failure(&["inspect", &model, "--ranges", &ranges]);
        assert!(error.contains(expected) && error.contains("ranges.json"), "{content}: {error}");
    }
    let samples = place.path("samples.csv");
    fs::write(&samples, "1,2,3\n4,x,6\n").expect("written");
    let error = place.failure(&["inspect", &model, "--calibration", &samples]);
    assert!(error.contains("line 2, column 2 is \"x\""), "{error}");
    let error = place.failure(&["inspect", &model, "--ranges", "/dev/zero"]);
    assert!(error.contains("/dev/zero") && error.contains("268435456"), "{error}");
}

#[test]
fn the_engines_options_are_obeyed_or_explained() {
    let place = Workplace::new();
    let setup = place.setup("model.onnx", &["--threads", "1"]);
    let (input, out) = (example("applicants.json"), place.path("proof.json"));
    let prove = ["prove", &setup, "--input", &input, "--id", "A01", "--out", &out];
    for (option, value, expected) in [
        ("--threads", "5000", "threads"),
        ("--memory-budget", "0", "memory_budget"),
        ("--memory-budget", "1", "1000000"),
    ] {
        let error = place.failure(&[&prove[..], &[option, value]].concat());
        assert!(error.contains(expected), "{error}");
        assert!(!Path::new(&out).exists());
    }
    let all = ["--threads", "1", "--memory-budget", "500", "--backend", "portable"];
    place.json(&[&prove[..], &all].concat());
    place.json(&["verify", &setup, &out]);
}

#[test]
fn generated_models_are_measured_stage_by_stage() {
    let report = Workplace::new().json(&["bench", "--dense", "12-8-3", "--runs", "1"]);
    let model = &report["models"][0];
    assert_eq!(model["parameters"], 12 * 8 + 8 + 8 * 3 + 3);
    let stages = model["stages"].as_array().expect("a list");
    let sum: f64 = stages.iter().map(|stage| stage["seconds"].as_f64().expect("a time")).sum();
    let proof = model["proof_seconds_median"].as_f64().expect("a time");
    assert!(sum > 0.8 * proof && sum <= proof, "{sum} of {proof}");
    assert!(model["reference_seconds_median"].as_f64().expect("a time") > 0.0);
}

#[test]
fn the_planners_expectations_are_printed_beside_measurements() {
    let args = ["bench", "--dense", "12-8-3", "--shapes", "2", "--runs", "1"];
    let report = Workplace::new().json(&args);
    let shapes = report["shapes"].as_array().expect("a list");
    // Each of two shapes, its columns opened singly and in groups.
    let of = |field: &str| -> std::collections::BTreeSet<&str> {
        shapes.iter().filter_map(|shape| shape[field].as_str()).collect()
    };
    assert_eq!(of("shape").len(), 2);
    assert!(of("opening").len() >= 2);
    for field in ["expected_gas", "expected_seconds", "seconds_median", "to_opened"] {
        assert!(shapes.iter().all(|shape| shape[field].as_f64().is_some_and(|n| n > 0.0)));
    }
}

#[test]
fn a_setup_is_held_against_its_model_or_refused_with_the_reason() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &["--public-weights"]);
    let (model, public) = (example("logistic.onnx"), format!("{setup}/public"));
    let check = ["setup", &model, "--check", &public, "--dev-srs"];
    let report = place.json(&check);
    assert_eq!(report["equal"], true);
    let other = place.failure(&["setup", &example("model.onnx"), "--check", &public, "--dev-srs"]);
    assert!(
        other.contains("is not the setup of this model")
            && other.contains("the hash of the model's file"),
        "{other}"
    );
    place.setup("logistic.onnx", &[]);
    assert_eq!(place.json(&check)["equal"], true, "with the private part at hand");
    std::fs::rename(format!("{setup}/private"), place.path("private")).expect("renamed");
    let hidden = place.failure(&check);
    assert!(
        hidden.contains("hides its weights") && hidden.contains("--public-weights"),
        "{hidden}"
    );
}

#[test]
fn a_damaged_setup_folder_is_refused_file_by_file() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let input = example("applicants.json");
    let out = place.path("proof.json");
    let prove = ["prove", &setup, "--input", &input, "--id", "A01", "--out", &out];
    place.json(&prove);
    fs::remove_file(&out).expect("there");
    for file in [
        "private/circuit.bin",
        "private/srs.bin",
        "private/manifest.json",
        "public/vk.bin",
        "public/manifest.json",
    ] {
        let path = Path::new(&setup).join(file);
        let good = fs::read(&path).expect("there");
        for damaged in [&good[..good.len() / 2], &[&good[..], b"x"].concat(), b""] {
            fs::write(&path, damaged).expect("written");
            let error = place.failure(&prove);
            assert!(error.contains(file) || error.contains("manifest"), "{file}: {error}");
            assert!(!Path::new(&out).exists());
        }
        fs::remove_file(&path).expect("there");
        place.failure(&prove);
        fs::write(&path, good).expect("written");
    }
    place.json(&prove);
    let error =
        place.failure(&["prove", "examples", "--input", &input, "--id", "A01", "--out", &out]);
    assert!(error.contains("setup"), "{error}");
}

#[test]
fn a_foreign_srs_key_or_bundle_is_refused() {
    let (ours, theirs) = (Workplace::new(), Workplace::new());
    let setup = ours.setup("logistic.onnx", &[]);
    let foreign = theirs.setup("model.onnx", &[]);
    let (input, out) = (example("applicants.json"), ours.path("proof.json"));
    let srs = ours.path("other.srs");
    ours.json(&["srs", "dev", "--k", "13", "--out", &srs]);
    let prove = ["prove", &setup, "--input", &input, "--id", "A01", "--out", &out];
    let error = ours.failure(&[&prove[..], &["--srs", &srs]].concat());
    assert!(error.contains("fingerprint"), "{error}");
    ours.json(&prove);
    let error = theirs.fails_with(6, &["verify", &foreign, &out]);
    assert!(error.contains("key"), "{error}");

    let key = |setup: &str| Path::new(setup).join("public/vk.bin");
    fs::copy(key(&foreign), key(&setup)).expect("copied");
    let error = ours.failure(&["verify", &setup, &out]);
    assert!(error.contains("vk.bin"), "{error}");
    let good = fs::read(&out).expect("the bundle");
    fs::write(&out, &good[..good.len() / 2]).expect("written");
    ours.failure(&["verify", &setup, &out]);
}

#[test]
fn a_missing_node_and_a_port_in_use_are_explained() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port().to_string();
    let key = format!("0x{}", "22".repeat(32));
    drop(listener);
    let url = format!("http://127.0.0.1:{port}");
    let mut command = place.command(&["deploy", &setup, "--rpc-url", &url]);
    let output = command.env("VERDICT_PRIVATE_KEY", &key).output().expect("starts");
    let error = common::failure(&["deploy"], output, 5);
    assert!(error.contains(&url) && error.contains("--rpc-url"), "{error}");
    assert!(!error.contains("2222"), "the key stays secret");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port().to_string();
    let error = place.failure(&["demo", "--model", "logistic.onnx", "--port", &port]);
    assert!(error.contains("anvil"), "{error}");
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let place = Workplace::new();
    // Fills the cache, so that only the setup folder remains to be written.
    place.setup("logistic.onnx", &[]);
    let (model, ranges) = (example("logistic.onnx"), example("ranges.json"));
    let out = place.path("full");
    let args = ["setup", &model, "--ranges", &ranges, "--dev-srs", "--out", &out];
    // A limit on the size of files fails writes as a full disk does.
    let script = "trap '' XFSZ; ulimit -f 40; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(env!("CARGO_BIN_EXE_verdict")).args(args);
    command.current_dir(common::root()).env("XDG_CACHE_HOME", place.path("cache"));
    let error = common::failure(&args, command.output().expect("sh starts"), 1);
    assert!(error.contains("full"), "the file that failed is named: {error}");
    let parts = ["public", "private"].map(|part| Path::new(&out).join(part));
    let entries = parts.iter().flat_map(|part| fs::read_dir(part).expect("the folder"));
    let left: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert!(!left.iter().any(|name| name == "manifest.json"), "{left:?}");
    assert!(left.iter().all(|name| !name.starts_with('.')), "temporary files stay: {left:?}");
    place.json(&args);
}

#[test]
fn wrong_usage_exits_with_two() {
    let place = Workplace::new();
    for args in [
        &["setup"][..],
        &["nonsense"],
        &["prove", "x", "--oracle", "y"],
        &["prove", "x", "--input", "y", "--out", "z", "--nonce", "3"],
        &["bench", "--dense", "4"],
    ] {
        assert_eq!(place.run(args).status.code(), Some(2), "{args:?}");
        let output = place.command(args).arg("--json").output().expect("starts");
        let error: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(error["error"]["kind"], "usage", "{args:?}");
        assert_eq!(error["error"]["exit_code"], 2);
    }
    let help = place.run(&["--help"]);
    assert!(help.status.success());
    let text = String::from_utf8_lossy(&help.stdout);
    for code in ["3  rejected", "4  pending", "5  not reachable", "6  invalid proof"] {
        assert!(text.contains(code), "{code}");
    }
    for command in ["inspect", "srs", "setup", "prove", "verify", "codegen", "deploy", "submit"] {
        assert!(text.contains(command), "{command}");
    }
}

#[test]
fn a_failure_is_one_json_object_where_json_is_asked_for() {
    let place = Workplace::new();
    let output = place.run(&["verify", "no/such/setup", "proof.json", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let error = &value["error"];
    assert_eq!((&error["kind"], &error["exit_code"]), (&"failed".into(), &1.into()));
    assert!(error["message"].as_str().is_some_and(|text| text.contains("no/such/setup")));
    assert!(error["hint"].as_str().is_some_and(|text| text.contains("verdict setup")));
}

#[test]
fn endless_files_are_refused_wherever_one_is_read() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let zero = "/dev/zero";
    place.failure(&["verify", &setup, zero]);
    for file in ["public/manifest.json", "public/vk.bin"] {
        let path = Path::new(&setup).join(file);
        let good = fs::read(&path).expect("there");
        fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink(zero, &path).expect("linked");
        place.failure(&["verify", &setup, zero]);
        fs::remove_file(&path).expect("removed");
        fs::write(&path, good).expect("written");
    }
}

#[test]
fn where_a_result_goes_is_looked_at_before_it_is_made() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let (input, folder) = (place.path("input.json"), place.path("folder"));
    fs::write(&input, "[0]").expect("written");
    fs::create_dir(&folder).expect("made");
    let below_a_file = format!("{input}/proof.json");
    // The input would be refused, later.
    for out in [&folder, &below_a_file] {
        let error = place.failure(&["prove", &setup, "--input", &input, "--out", out]);
        assert!(error.contains(out.as_str()) && !error.contains(".verdict-"), "{error}");
    }
    let model = example("logistic.onnx");
    let ranges = example("ranges.json");
    let args = ["setup", &model, "--ranges", &ranges, "--dev-srs", "--out", &input];
    assert!(place.failure(&args).contains("it is a file, not a folder"));
    assert!(place.failure(&["srs", "dev", "--k", "4", "--out", &folder]).contains("a folder"));
    // A folder that is missing is made.
    let applicants = example("applicants.json");
    let out = place.path("some/where/proof.json");
    place.json(&["prove", &setup, "--input", &applicants, "--id", "A01", "--out", &out]);
    place.json(&["verify", &setup, &out]);
}

/// Pad to a million elements and Relu, in 102 bytes.
const MILLION_OUTPUTS: &str = "08063a5e0a310a017812017022035061642a130a047061647340004000400040c0843da0\
     01072a0f0a046d6f6465220465646765a001030a0c0a0170120179220452656c751201675a130a0178120e0a0c0801120\
     80a0208010a02080462030a017942021009";

#[test]
fn more_outputs_than_a_proof_can_state_are_refused_before_anything_is_planned() {
    let place = Workplace::new();
    let model = place.path("pad.onnx");
    fs::write(&model, alloy::primitives::hex::decode(MILLION_OUTPUTS).expect("hex"))
        .expect("written");
    let start = std::time::Instant::now();
    let error = place.failure(&["inspect", &model, "--range=-1,1"]);
    assert!(error.contains("1000005 public values"), "{error}");
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn a_missing_compiler_is_said_to_be_missing() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let mut command = place.command(&["codegen", &setup]);
    let nowhere = place.folder.path();
    command.current_dir(nowhere).env_remove("XDG_DATA_HOME");
    let output = command.env("PATH", nowhere).env("HOME", nowhere).output();
    let error = common::failure(&["codegen"], output.expect("starts"), 1);
    assert!(error.contains("there is none on PATH") && error.contains("--solc"), "{error}");
}

#[test]
fn numbers_that_nothing_can_hold_are_refused_by_name() {
    let place = Workplace::new();
    let (model, setup) = (example("logistic.onnx"), place.setup("logistic.onnx", &[]));
    let ranges = example("ranges.json");
    for decimals in ["19", "2147483648", "4294967295"] {
        let args = ["inspect", &model, "--ranges", &ranges, "--decimals", decimals];
        let error = place.failure(&args);
        assert!(error.contains(&format!("too large for {decimals} decimals")), "{error}");
    }
    // What no oracle takes is no request.
    let applicants = example("applicants.json");
    let prove = ["prove", &setup, "--input", &applicants, "--id", "A01", "--out", "o", "--subject"];
    let prove = [&prove[..], &["0x00000000000000000000000000000000000000aa"]].concat();
    for wrong in [&["--nonce", "0"][..], &["--nonce", "1", "--valid-for", "0"]] {
        place.fails_with(2, &[&prove[..], wrong].concat());
    }
    for seconds in ["0", "31536001", "18446744073709551615"] {
        place.fails_with(2, &["deploy", &setup, "--time-to-live", seconds]);
    }
}

#[test]
fn what_is_asked_for_is_named_as_what_it_is() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let error = place.failure(&["verify", &format!("{setup}/private"), "proof.json"]);
    assert!(error.contains("is the private part of a setup"), "{error}");
    // A key must not end up in the password's place.
    let keystore = place.path("keystore.json");
    fs::write(&keystore, "{}").expect("written");
    let mut command = place.command(&["deploy", &setup, "--keystore", &keystore]);
    let output = command.env_remove("VERDICT_KEYSTORE_PASSWORD").output().expect("starts");
    let error = common::failure(&["deploy"], output, 1);
    assert!(error.contains("password") && !error.contains("private key"), "{error}");
    let output = place.run(&["prove", &setup, "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let message = told["error"]["message"].as_str().expect("words");
    assert!(message.contains("--out") && message.contains("--input"), "{message}");
}
