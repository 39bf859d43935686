//! Declared ranges.

use super::{super::Categories, *};

fn ranges(content: &str, tensors: &[InputTensor]) -> Result<Vec<[f64; 2]>, String> {
    let read = parse_ranges(content.as_bytes(), tensors);
    read.map(|(ranges, _)| ranges.input).map_err(|problem| problem.to_string())
}

fn three(content: &str) -> Result<Vec<[f64; 2]>, String> {
    ranges(content, &[tensor("x", &[1, 3])])
}

#[test]
fn every_shape_of_ranges_is_read() {
    for content in [
        "[[0,1],[0,1],[0,1]]",
        "[[[0,1],[0,1],[0,1]]]",
        r#"{"input":[[0,1],[0,1],[0,1]]}"#,
        r#"{"inputs":[[0,1],[0,1],[0,1]]}"#,
        r#"{"ranges":[[0,1],[0,1],[0,1]]}"#,
        r#"{"x":[[0,1],[0,1],[0,1]]}"#,
        r#"{"x":{"min":0,"max":1}}"#,
        r#"{"input":{"min":[0,0,0],"max":[1,1,1]}}"#,
        r#"{"min":0,"max":[1,1,1]}"#,
        r#"{"max":1,"min":0}"#,
        r#"{"input":[{"min":0,"max":1},[0,1],{"max":1,"min":0}]}"#,
        r#"{"input":[0,1]}"#,
        "[0,1]",
    ] {
        assert_eq!(three(content), Ok(vec![[0.0, 1.0]; 3]), "{content}");
    }
    let two = [tensor("a", &[1, 2]), tensor("b", &[1])];
    let expected = Ok(vec![[0.0, 1.0], [0.0, 2.0], [5.0, 6.0]]);
    assert_eq!(ranges(r#"{"b":[[5,6]],"a":[[0,1],[0,2]]}"#, &two), expected);
    assert_eq!(ranges("[[0,1],[0,2],[5,6]]", &two), expected);
    let image = [tensor("x", &[1, 2, 2])];
    let nested = "[[[0,1],[0,2]],[[0,3],[0,4]]]";
    assert_eq!(ranges(nested, &image).map(|ranges| ranges[2]), Ok([0.0, 3.0]));
}

#[test]
fn decimals_stand_beside_ranges() {
    let decimals = |content: &str| {
        let read = parse_ranges(content.as_bytes(), &[tensor("x", &[1, 3])]);
        let read = read.map(|(ranges, _)| {
            ranges.grids.iter().map(|grid| grid.map(|grid| grid.decimals)).collect::<Vec<_>>()
        });
        read.map_err(|problem| problem.to_string())
    };
    let all = Ok(vec![Some(2); 3]);
    assert_eq!(decimals(r#"{"min":0,"max":1,"decimals":2}"#), all);
    assert_eq!(decimals(r#"{"x":{"min":0,"max":1,"decimals":[2,2,2]}}"#), all);
    let some = r#"{"input":[{"min":0,"max":1,"decimals":2},[0,1],{"min":0,"max":1}]}"#;
    assert_eq!(decimals(some), Ok(vec![Some(2), None, None]));
    assert_eq!(decimals("[0,1]"), Ok(vec![]));
    for (content, part) in [
        (r#"{"min":0,"max":1,"decimals":0.5}"#, "decimals is the number 0.5"),
        (r#"{"min":0,"max":1,"decimals":-1}"#, "0 to 15"),
        (r#"{"min":0,"max":1,"decimals":[1,2]}"#, "decimals has 2 values; expected 3"),
        (r#"[[0,1],[0,1],{"min":0,"max":1,"decimals":"two"}]"#, "the string"),
    ] {
        let error = decimals(content).expect_err(content);
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn what_is_wrong_with_ranges_is_named_with_its_place() {
    for (content, parts) in [
        (r#"{"input":[[0,1]]}"#, &["input has 1 range;", "3 numbers (shape [1, 3])"][..]),
        (r#"{"input":[[0,1],[0,1],[0,1],[0,1]]}"#, &["input has 4 ranges", "3 numbers"]),
        (r#"{"input":[[1,0],[0,1],[0,1]]}"#, &["input[0] is the range [1, 0]", "reversed"]),
        (r#"{"input":[[0,1],[1,1],[0,1]]}"#, &["input[1] is the range [1, 1]", "single value"]),
        (r#"{"input":[[0,1],[0,1],[-1e308,1e308]]}"#, &["the range [-1e308, 1e308]", "wider"]),
        (r#"{"input":[[0,1],[0,1],[0,1,2]]}"#, &["input[2] has 3 numbers", "[lo, hi]"]),
        (r#"{"input":[[0,1,2],[0,1,2],[0,1,2]]}"#, &["input[0] has 3 numbers", "[lo, hi]"]),
        (r#"{"input":[[0],[0,1],[0,1]]}"#, &["input[0] has 1 numbers", "[lo, hi]"]),
        (r#"{"input":[["0","1"],[0,1],[0,1]]}"#, &["input[0][0] is the string \"0\""]),
        (r#"{"input":[[0,"1"],[0,1],[0,1]]}"#, &["input[0][1] is the string \"1\""]),
        (r#"{"input":[[null,1],[0,1],[0,1]]}"#, &["input[0][0] is null"]),
        (r#"{"input":[[NaN,1],[0,1],[0,1]]}"#, &["input[0][0] is NaN", "finite"]),
        (r#"{"input":[[0,1e999],[0,1],[0,1]]}"#, &["input[0][1] is 1e999", "finite"]),
        (r#"{"input":[[0,1],[0,1],"x"]}"#, &["input[2] is the string \"x\""]),
        (r#"{"y":[[0,1],[0,1],[0,1]]}"#, &["the key \"y\"", "\"x\""]),
        (r#"{"input":[[0,1]],"output":[[0,1]]}"#, &["\"input\", \"output\"", "alone"]),
        (r#"{"x":[0,1],"y":[0,1]}"#, &["the key \"y\"", "no key besides"]),
        (r#"{"input":[[0,1]],"input":[[0,1]]}"#, &["twice"]),
        (r#"{"min":0}"#, &["the key \"min\"", "\"max\""]),
        (r#"{"min":0,"max":1,"step":2}"#, &["\"step\"", "no other"]),
        (r#"{"min":0,"max":1,"missng":true}"#, &["\"missng\"", "\"decimals\"", "\"missing\""]),
        (r#"[{"min":"0","max":1},[0,1],[0,1]]"#, &["[0].min is the string", "expected a number"]),
        (r#"[{"min":0,"max":1,"decimals":2},[0,1]]"#, &["2 ranges", "3 numbers"]),
        (r#"{"min":[0,0],"max":1}"#, &["min has 2 values", "3 numbers"]),
        (r#"{"min":[0,5,0],"max":1}"#, &["min[1] is the range [5, 1]", "reversed"]),
        (r#"[{"min":0,"max":1},{"min":1,"max":0},[0,1]]"#, &["[1] is the range [1, 0]"]),
        (r#"[{"min":[0],"max":1},[0,1],[0,1]]"#, &["[0] has lists of ends"]),
        (r#"[{"min":0,"max":1},[0,1]]"#, &["2 ranges"]),
        ("", &["it is empty"]),
        ("{}", &["no keys"]),
        (r#"{"input":[]}"#, &["input is a list of numbers", "a range [lo, hi] for each"]),
        (r#"{"input":[0.1,0.2,0.3,0.4]}"#, &["input is a list of numbers", "range [lo, hi]"]),
        ("0.5", &["the number 0.5", "range [lo, hi]"]),
        ("0,1\n0,1\n0,1", &["line 1, column 2", "after the end of the JSON value"]),
        ("\u{feff}{", &["the file ends"]),
    ] {
        says(three(content), parts);
    }
    let two = [tensor("a", &[1, 2]), tensor("b", &[1])];
    says(ranges(r#"{"a":[[0,1],[0,2]]}"#, &two), &["the key \"a\"", "expected \"b\" too"]);
    says(ranges(r#"{"a":[[0,1]],"b":[0,1]}"#, &two), &["a has 1 range", "2 numbers"]);
    let image = [tensor("x", &[1, 2, 3])];
    let transposed = "[[[0,1],[0,1]],[[0,1],[0,1]],[[0,1],[0,1]]]";
    says(ranges(transposed, &image), &["ranges of shape [3, 2]", "[1, 2, 3]"]);
}

/// Strings need no range, and are not told as keys that a file has.
#[test]
fn only_keys_of_the_file_are_told() {
    let names = Categories::of(&["own".to_owned(), "rent".to_owned()]);
    let home = InputTensor { categories: vec![Some(names)], ..tensor("home", &[1, 1]) };
    let tensors = [home, tensor("amt", &[1, 1]), tensor("dur", &[1, 1])];
    let error = ranges(r#"{"amt": [0, 1]}"#, &tensors);
    let error = error.expect_err("it lacks one");
    assert!(error.contains(r#"the key "amt"; expected "dur" too"#), "{error}");
}
