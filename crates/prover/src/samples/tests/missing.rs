//! Missing values, where they are declared.

use super::*;

/// Two numbers of which the second may be missing, as ranges declare it.
fn declared(ranges: &str) -> Result<(Ranges, Vec<InputTensor>), String> {
    let tensors = [tensor("x", &[1, 2])];
    parse_ranges(ranges.as_bytes(), &tensors).map_err(|problem| problem.to_string())
}

const SECOND: &str =
    r#"{"x":[{"min":0,"max":9,"decimals":0},{"min":-1,"max":1,"decimals":1,"missing":true}]}"#;

#[test]
fn missing_stands_beside_ranges() {
    let (ranges, tensors) = declared(SECOND).expect("it is read");
    let grids: Vec<_> =
        ranges.grids.iter().map(|grid| grid.map(|g| (g.decimals, g.missing))).collect();
    assert_eq!(grids, [Some((0, false)), Some((1, true))]);
    assert_eq!(ranges.input, [[0.0, 9.0], [-1.0, 1.0]]);
    let missing = |index| tensors[0].categories(index).is_some_and(|own: &Categories| own.missing);
    assert_eq!([missing(0), missing(1)], [false, true]);
    // Without decimals the grid is as fine as float32, about.
    let (ranges, _) = declared(r#"{"min":0,"max":1,"missing":[false,true]}"#).expect("it is read");
    assert_eq!(ranges.grids[0], None);
    let grid = ranges.grids[1].expect("it has one");
    assert!(grid.missing && !grid.exact && grid.decimals == 6);
    says(
        declared(r#"{"min":0,"max":1,"missing":2}"#),
        &["missing is the number 2", "true or false"],
    );
    says(
        declared(r#"{"min":0,"max":1,"missing":"yes"}"#),
        &["the string \"yes\"", "true or false"],
    );
    says(declared(r#"{"missing":true}"#), &["keys"]);
}

#[test]
fn a_missing_value_is_read_where_it_is_declared_and_nowhere_else() {
    let (_, tensors) = declared(SECOND).expect("it is read");
    for content in [
        "[3, null]",
        "[[3, null]]",
        r#"{"x": [3, null]}"#,
        r#"[3, "NaN"]"#,
        r#"{"input": [[3, "nan"]]}"#,
    ] {
        let values = json(content, &tensors).expect(content);
        assert_eq!(values[0][0], 3.0, "{content}");
        assert!(values[0][1].is_nan(), "{content}");
    }
    let several = json("[[3, null], [4, 0.5]]", &tensors).expect("two samples");
    assert!(several[0][1].is_nan() && several[1] == [4.0, 0.5]);
    for (content, part) in [
        ("[null, 0.5]", "[0] is null; expected a number"),
        (r#"["NaN", 0.5]"#, "[0] is the string \"NaN\"; expected a number"),
        ("[3, NaN]", "a finite number"),
        (r#"[3, "none"]"#, "null where it is missing"),
        ("[null, null]", "[0] is null"),
    ] {
        says(json(content, &tensors), &[part]);
    }
    // Where nothing is declared.
    let undeclared = [tensor("x", &[1, 2])];
    for content in ["[3, null]", "[null, 3]", r#"{"x": [null, null]}"#] {
        says(json(content, &undeclared), &["is null; expected a number", "\"missing\": true"]);
    }
    says(read("3,\n4,5\n", Some(Format::Table), &undeclared), &["empty", "\"missing\": true"]);
}

#[test]
fn tables_and_arrays_have_missing_values_too() {
    let (_, tensors) = declared(SECOND).expect("it is read");
    for field in ["", "NaN", "nan", "NA", "null"] {
        let values = read(format!("3,{field}\n4,0.5\n"), Some(Format::Table), &tensors);
        let values = values.expect(field);
        assert!(values[0][1].is_nan() && values[1] == [4.0, 0.5], "{field}");
    }
    says(read("NaN,0.5\n4,0.5\n", Some(Format::Table), &tensors), &["a finite number"]);
    let npy = |values: [f32; 2]| {
        let header =
            format!("{:117}\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    };
    let values = read(npy([3.0, f32::NAN]), Some(Format::Npy), &tensors).expect("it may be");
    assert!(values[0][1].is_nan());
    says(read(npy([f32::NAN, 0.5]), Some(Format::Npy), &tensors), &["a finite number"]);
}

#[test]
fn null_is_told_with_what_may_be_said_instead() {
    let tensors = [tensor("age", &[1, 1]), tensor("home", &[1, 1])];
    let ranges = r#"{"age":{"min":0,"max":9},"home":{"categories":["own","rent"]}}"#;
    let (_, tensors) = parse_ranges(ranges.as_bytes(), &tensors).expect("it is read");
    says(json(r#"{"age": null, "home": "own"}"#, &tensors), &["age is null", "\"missing\": true"]);
    says(json(r#"{"age": 3, "home": null}"#, &tensors), &["home is null", "one of \"own\""]);
    says(json(r#"{"age": [[null]], "home": "own"}"#, &tensors), &["age[0][0] is null"]);
}

#[test]
fn names_that_are_other_numbers_than_their_places_are_refused() {
    let tensors = [tensor("age", &[1, 1])];
    let declared = |ranges: &str| {
        parse_ranges(ranges.as_bytes(), &tensors).map_err(|problem| problem.to_string())
    };
    says(declared(r#"{"age":{"categories":["20","30"]}}"#), &["the name \"20\"", "{\"20\": 20}"]);
    assert!(declared(r#"{"age":{"categories":["0","1"]}}"#).is_ok());
    assert!(declared(r#"{"age":{"categories":{"20":20,"30":30}}}"#).is_ok());
}
