//! The whole way in one command.

use std::process::Command;

use crate::common::Workplace;

#[test]
fn the_demo_tells_its_story_and_leaves_nothing_running() {
    let place = Workplace::new();
    let report = place.json(&["demo", "--model", "logistic.onnx"]);
    assert!(report["verification_gas"].as_u64().is_some_and(|gas| gas <= 360_000));
    assert!(report["replayed"].as_str().is_some_and(|text| text.contains("NonceAlreadyUsed")));
    let tampered = report["tampered"].as_str().expect("an error");
    assert!(!tampered.contains("nknown") && !tampered.contains("NonceAlreadyUsed"), "{tampered}");
    let difference = report["score"].as_f64().expect("a score")
        - report["float_score"].as_f64().expect("a score");
    assert!(difference.abs() < 1e-4);
}

#[test]
fn an_interrupted_demo_stops_its_chain_and_removes_its_files() {
    let place = Workplace::new();
    let temporary = place.path("tmp");
    std::fs::create_dir(&temporary).expect("a folder");
    let mut child = place
        .command(&["demo"])
        .env("TMPDIR", &temporary)
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("starts");
    // The chain's address is printed once it runs.
    let mut url = None;
    let lines =
        std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().expect("piped")));
    // Read to the end: a pipe that nobody reads would stop the demo in another way.
    for line in lines.map_while(Result::ok) {
        if let Some(at) = line.find("http://127.0.0.1:") {
            url = Some(line[at..].trim().trim_start_matches("http://").to_owned());
            let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
            assert!(signalled.expect("kill runs").success());
        }
    }
    let url = url.expect("the demo started a chain");
    assert_eq!(child.wait().expect("ends").code(), Some(130));
    assert!(std::net::TcpStream::connect(url).is_err(), "the chain is stopped");
    let left: Vec<_> = std::fs::read_dir(&temporary).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_quantized_network_and_a_recurrent_one_go_the_whole_way() {
    let place = Workplace::new();
    for (model, id, digit) in [("int8.onnx", "D7", 7.0), ("lstm.onnx", "D6", 6.0)] {
        let options = ["--example", "examples/digits", "--model", model, "--id", id];
        let report = place.json(&[&["demo"], &options[..]].concat());
        assert_eq!(report["score"].as_f64(), Some(digit), "{report}");
        assert_eq!(report["float_score"].as_f64(), Some(digit), "{report}");
    }
}
