//! Choosing one of a file's samples.

use std::io::Write;

use super::*;

fn samples(content: &str) -> Samples {
    let mut file = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    file.write_all(content.as_bytes()).unwrap();
    Samples::read(file.path(), &[tensor("x", &[1])]).unwrap()
}

fn select(samples: &Samples, id: Option<&str>) -> Result<usize, String> {
    samples.select(id).map_err(|error| error.to_string())
}

#[test]
fn samples_with_ids_are_chosen_by_them() {
    let named = samples(r#"[{"id":"a","x":1},{"id":"1","x":2},{"id":7,"x":3}]"#);
    for (id, index) in [("a", 0), ("1", 1), ("7", 2)] {
        assert_eq!(select(&named, Some(id)), Ok(index));
        assert_eq!(named.name(index), id);
    }
    says(select(&named, Some("b")), &["no sample \"b\"", "a, 1, 7", ".json"]);
    says(select(&named, Some("0")), &["no sample \"0\"", "a, 1, 7"]);
    says(select(&named, None), &["3 samples", "a, 1, 7"]);
}

#[test]
fn samples_without_ids_are_chosen_by_their_index() {
    let unnamed = samples("[[1],[2],[3],[4],[5],[6],[7],[8]]");
    assert_eq!(select(&unnamed, Some("3")), Ok(3));
    assert_eq!(select(&unnamed, Some("#3")), Ok(3));
    assert_eq!(unnamed.name(3), "#3");
    says(select(&unnamed, Some("8")), &["no sample \"8\"", "#0, #1", "(8 in all)"]);
    says(select(&unnamed, None), &["8 samples", "(8 in all)"]);
}

#[test]
fn the_only_sample_needs_no_choice() {
    assert_eq!(select(&samples("[1]"), None), Ok(0));
    assert_eq!(select(&samples(r#"{"id":"a","x":1}"#), None), Ok(0));
    says(select(&samples("[1]"), Some("a")), &["no sample \"a\"", "#0"]);
}
