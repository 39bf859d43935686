//! Compilers that are none, or not the right one, as shell scripts.

use std::process::Command;

use super::*;
use crate::compile::Settings;

const VERSION: &str = "echo 'Version: 0.8.34+commit.80d5c536.Linux.g++'";
const SHORT: Duration = Duration::from_millis(300);

/// An executable with these lines. A shell writes it: were it open for writing in this process, a
/// test beside this one could hand it on to its own child, and nobody could run it meanwhile.
fn script(folder: &tempfile::TempDir, name: &str, lines: &str) -> PathBuf {
    let path = folder.path().join(name);
    let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod +x "$0""#;
    let status = Command::new("sh").arg("-c").arg(write).arg(&path).arg(lines).status();
    assert!(status.expect("a shell").success());
    path
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// What is said when these lines are taken for a compiler by its path.
fn refusal(lines: &str) -> String {
    let folder = folder();
    let path = script(&folder, "solc", lines);
    let error = Solc::find(Some(&path)).expect_err("no compiler of this version");
    let message = error.to_string();
    assert!(message.contains(&path.display().to_string()), "{message}");
    assert!(message.contains("--solc") && message.contains("npm ci"), "{message}");
    message
}

/// A compiler of the right version that does `lines` when it is to compile.
fn compile(lines: &str, limit: Duration) -> CompileError {
    let folder = folder();
    let lines = format!("if [ \"$1\" = --version ]; then {VERSION}; else {lines}; fi");
    let path = script(&folder, "solc", &lines);
    let mut solc = Solc::find(Some(&path)).expect("by its version");
    assert_eq!(solc.path(), path);
    solc.limits.compile = limit;
    let input = StandardInput::new("contract C {}", Settings::default());
    solc.compile(&input, "C").expect_err("no compiler")
}

#[test]
fn the_version_is_read_from_native_and_emscripten_builds() {
    let folder = folder();
    for (at, suffix) in ["+commit.1.Linux.g++", "+commit.1.Emscripten.clang", ""].iter().enumerate()
    {
        let lines = format!("echo 'solc, the compiler'; echo 'Version: 0.8.34{suffix}'");
        let path = script(&folder, &at.to_string(), &lines);
        assert_eq!(Solc::find(Some(&path)).expect("by its version").path(), path);
    }
}

#[test]
fn a_missing_compiler_is_named_with_a_hint() {
    let error = Solc::find(Some(Path::new("/nowhere/solc"))).expect_err("nothing there");
    let message = error.to_string();
    assert!(message.contains("/nowhere/solc does not run"), "{message}");
    assert!(message.contains("npm ci"), "{message}");
}

#[test]
fn an_explicit_path_is_not_looked_up_on_path() {
    // There is such a program on PATH, and none in this folder.
    let error = Solc::find(Some(Path::new("true"))).expect_err("nothing there");
    let here = env::current_dir().expect("a folder").join("true");
    assert!(error.to_string().contains(&format!("{} does not run", here.display())), "{error}");
}

#[test]
fn compilers_of_other_versions_are_refused_by_their_version() {
    for other in ["0.8.33+commit.1.Linux.g++", "0.8.340", "0.8.34-nightly.2026.1.1+commit.1"] {
        let message = refusal(&format!("echo 'Version: {other}'"));
        let said = other.replace("g++", "gcc");
        assert!(message.contains(&format!("solc is {said}")), "{message}");
    }
}

#[test]
fn another_program_is_not_taken_for_a_compiler() {
    let error = Solc::find(Some(Path::new("/bin/true"))).expect_err("not solc");
    assert!(error.to_string().contains("names no version"), "{error}");
    for garbage in
        ["echo nothing to see", "printf '\\377\\000\\n\\n'", "echo Version: 0.8", "exit 3"]
    {
        assert!(refusal(garbage).contains("names no version"), "{garbage}");
    }
    let message = refusal("echo the npm package is missing >&2; exit 1");
    assert!(message.contains("names no version (the npm package is missing)"), "{message}");
}

#[test]
fn of_several_the_first_of_the_version_is_taken_and_all_others_are_named() {
    let folder = folder();
    let old = script(&folder, "old", "echo 'Version: 0.8.33'");
    let right = script(&folder, "right", VERSION);
    let found = Solc::first(vec![old.clone(), right.clone()], LIMITS).expect("the second");
    assert_eq!(found.path(), right);
    let none = script(&folder, "none", "exit 1");
    let error = Solc::first(vec![old, none], LIMITS).expect_err("neither").to_string();
    assert!(error.contains("old is 0.8.33; ") && error.contains("none names no"), "{error}");
}

#[test]
fn a_compiler_that_does_not_say_its_version_is_not_waited_for() {
    let folder = folder();
    let path = script(&folder, "solc", "exec sleep 2");
    let limits = Limits { version: SHORT, ..LIMITS };
    let error = Solc::first(vec![path, "/nowhere/solc".into()], limits).expect_err("silent");
    let message = error.to_string();
    assert!(message.contains("solc is silent for") && message.contains("--solc"), "{message}");
    assert!(!message.contains("nowhere"), "{message}");
}

#[test]
fn a_compiler_that_does_not_come_to_an_end_is_not_waited_for() {
    let error = compile("exec sleep 2", SHORT);
    assert!(matches!(error, CompileError::Unanswered { .. }), "{error}");
    assert!(error.to_string().contains("--solc"), "{error}");
}

#[test]
fn answers_that_are_no_compilers_output_are_refused() {
    let answers = ["echo nothing", "echo '[1]'", "printf '\\377'", "true", "echo '{}'"];
    for answer in answers.map(|answer| format!("cat > /dev/null; {answer}")) {
        let error = compile(&answer, LIMITS.compile);
        assert!(matches!(error, CompileError::Output { .. }), "{answer}: {error}");
    }
    let error = compile("cat > /dev/null; echo out of memory >&2; exit 1", LIMITS.compile);
    assert!(error.to_string().contains("no usable output: out of memory"), "{error}");
}
