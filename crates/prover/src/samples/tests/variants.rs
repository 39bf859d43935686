//! The JSON that people produce.

use super::*;

const A: [f64; 4] = [0.1, 0.2, 0.3, 0.4];

fn four(content: &str) -> Result<Vec<Vec<f64>>, String> {
    json(content, &[tensor("x", &[1, 4])])
}

#[test]
fn every_shape_of_one_sample_is_read_as_that_sample() {
    for content in [
        "[0.1,0.2,0.3,0.4]",
        r#"{"input":[0.1,0.2,0.3,0.4]}"#,
        "[[0.1,0.2,0.3,0.4]]",
        r#"{"input":[[0.1,0.2,0.3,0.4]]}"#,
        r#"{"input_data":[[0.1,0.2,0.3,0.4]]}"#,
        r#"{"input_data":[0.1,0.2,0.3,0.4]}"#,
        r#"{"input_data":[[0.1,0.2,0.3,0.4]],"output_data":[[1]]}"#,
        r#"{"x":[0.1,0.2,0.3,0.4]}"#,
        r#"{"inputs":[0.1,0.2,0.3,0.4]}"#,
        "[[[0.1,0.2,0.3,0.4]]]",
        "[[0.1],[0.2],[0.3],[0.4]]",
        "\u{feff}[0.1,0.2,0.3,0.4]",
        "[0.1,\r\n0.2,0.3,0.4]\r\n",
        "0.1,0.2,0.3,0.4",
        r#"{"input":[0.1,0.2,0.3,0.4],"note":"hi"}"#,
        r#"{"input":[0.1,0.2,0.3,0.4],"labels":["good",1,null],"at":{"day":[1,[2]]}}"#,
        r#"{"applicants":[{"id":7,"input":[0.1,0.2,0.3,0.4]}]}"#,
        r#"[{"id":"a","x":[0.1,0.2,0.3,0.4]}]"#,
        r#"{"samples":[{"id":"a","input":[[0.1,0.2,0.3,0.4]]}]}"#,
    ] {
        assert_eq!(four(content), Ok(vec![A.to_vec()]), "{content}");
    }
}

#[test]
fn numbers_are_read_as_they_stand() {
    for (content, values) in [
        ("[0,1,-1,0]", [0.0, 1.0, -1.0, 0.0]),
        ("[true,false,true,false]", [1.0, 0.0, 1.0, 0.0]),
        ("[0,1,1e-400,0]", [0.0, 1.0, 0.0, 0.0]),
        ("[-0.0,0,1E2,1.5e+1]", [0.0, 0.0, 100.0, 15.0]),
        ("[0,0,0,1.0000001]", [0.0, 0.0, 0.0, 1.0000001]),
        (
            "[9007199254740992,1152921504606846976,-9007199254740994,1e300]",
            [9007199254740992.0, 1152921504606846976.0, -9007199254740994.0, 1e300],
        ),
        // Halfway cases that a fast reader rounds wrongly.
        (
            "[2.2250738585072011e-308,9007199254740993.0,0.1e-6,5e-324]",
            [2.225073858507201e-308, 9007199254740992.0, 1e-7, 5e-324],
        ),
    ] {
        assert_eq!(four(content), Ok(vec![values.to_vec()]), "{content}");
    }
}

#[test]
fn several_samples_are_read_in_order() {
    let zero = vec![0.0; 4];
    for content in [
        "[[0.1,0.2,0.3,0.4],[0,0,0,0]]",
        "[[[0.1,0.2,0.3,0.4]],[[0,0,0,0]]]",
        r#"{"x":[[0.1,0.2,0.3,0.4],[0,0,0,0]]}"#,
        r#"{"input_data":[[0.1,0.2,0.3,0.4],[0,0,0,0]]}"#,
        r#"{"input_data":[[0.1,0.2,0.3,0.4,0,0,0,0]]}"#,
        r#"{"instances":[[0.1,0.2,0.3,0.4],[0,0,0,0]]}"#,
        r#"[{"input":[0.1,0.2,0.3,0.4]},[0,0,0,0]]"#,
        r#"{"applicants":[{"id":"a","input":[0.1,0.2,0.3,0.4]},{"id":"b","input":[0,0,0,0]}]}"#,
    ] {
        assert_eq!(four(content), Ok(vec![A.to_vec(), zero.clone()]), "{content}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (content, parts) in [
        (r#"{"x":[0.1,0.2],"x2":[0.3,0.4]}"#, &["x has 2 values", "expected 4 numbers"][..]),
        (r#"["0.1","0.2","0.3","0.4"]"#, &["[0] is the string \"0.1\"; expected a number"]),
        (r#"[0.1,0.2,"0.3",0.4]"#, &["[2] is the string \"0.3\"; expected a number"]),
        (r#"{"input":[0.1,0.2,"0.3",0.4]}"#, &["input[2] is the string"]),
        (
            r#"{"samples":[{"input":[1,2,3,4]},{"input":[[1,2],[3,"x"]]}]}"#,
            &["samples[1].input[1][1] is the string \"x\""],
        ),
        ("[0.1,null,0.3,0.4]", &["[1] is null; expected a number"]),
        ("[0.1,[0.2],0.3,0.4]", &["[1] is a list of numbers; expected a number"]),
        ("[0,1,123456789012345678901234567890,0]", &["[2] is the integer 1234567890", "2^53"]),
        ("[0,1,9007199254740993,0]", &["[2] is the integer 9007199254740993"]),
        ("[0,1,1e400,0]", &["[2] is 1e400", "finite"]),
        ("[0,1,-1e400,0]", &["[2] is -1e400", "finite"]),
        ("[NaN,0,0,0]", &["[0] is NaN; expected a finite number"]),
        ("[0,Infinity,0,0]", &["[1] is Infinity; expected a finite number"]),
        ("[0,-inf,0,0]", &["[1] is -inf; expected a finite number"]),
        (r#"["NaN",0,0,0]"#, &["[0] is the string \"NaN\""]),
        ("[]", &["no values", "expected 4 numbers (shape [1, 4]) for \"x\""]),
        ("[[]]", &["shape [1, 0]"]),
        ("", &["it is empty"]),
        (" \r\n\t", &["it is empty"]),
        ("{}", &["no keys", "\"input\"", "\"x\""]),
        ("[{}]", &["[0] has no keys"]),
        ("[0.1,0.2,0.3]", &["3 values", "expected 4 numbers"]),
        ("[0.1,0.2,0.3,0.4,0.5]", &["5 values", "expected 4 numbers"]),
        ("[[1,2],[3,4]]", &["shape [2, 2]", "shape [1, 4]", "as one list"]),
        ("0.5", &["shape [1, 1]", "expected 4 numbers"]),
        ("null", &["the content is null", "expected 4 numbers"]),
        (r#""a""#, &["the content is the string \"a\""]),
        ("[0.1,0.2,0.3,0.4,]", &["line 1, column 18", "comma before ]"]),
        ("[0,0,0,0][0,0,0,0]", &["line 1, column 10", "after the end"]),
        ("[0 0]", &["line 1, column 4", "a comma or ]"]),
        ("[0,\n 0,\n  +1,0]", &["line 3, column 3", "+1 is no JSON value"]),
        ("[0,1", &["line 1, column 5", "the file ends"]),
        ("[0,None]", &["None is Python's", "json.dump"]),
        ("[01,2,3,4]", &["01 is no JSON value"]),
        ("[.5,2,3,4]", &[".5 is no JSON value"]),
        ("{'input':[0.1,0.2,0.3,0.4]}", &["line 1, column 2", "single quote"]),
        ("{\"input\":[0,\"a\n\"]}", &["line 1, column 15", "within a string"]),
        (r#"{"input" [1]}"#, &["a colon"]),
        (r#"{"input":[1,2,3,4],"input":[1,1,1,1]}"#, &["key \"input\" twice"]),
        (r#"[{"id":"a","id":"b","input":[1,2,3,4]}]"#, &["[0] has the key \"id\" twice"]),
        (r#"{"input":[1,2,3,4],"x":[1,1,1,1]}"#, &["\"input\", \"x\"", "only one of them"]),
        ("[[0.1,0.2],[0.3]]", &["[1] has shape [1], but those before it have [2]"]),
        (r#"[{"v":1}]"#, &["[0] has the key \"v\"", "\"input\"", "\"x\""]),
        ("\u{0}\u{1}", &["line 1"]),
        (
            r#"{"applicants":[{"id":"a","input":[0,0,0,0]},{"id":"a","input":[1,1,1,1]}]}"#,
            &["samples 0 and 1 both have the id \"a\""],
        ),
        (
            r#"{"applicants":[{"id":7,"input":[0,0,0,0]},{"id":"7","input":[1,1,1,1]}]}"#,
            &["both have the id \"7\""],
        ),
        (r#"{"id":[1],"input":[1,2,3,4]}"#, &["id is a list", "a string or an integer"]),
        (r#"{"id":"","input":[1,2,3,4]}"#, &["id is the string \"\""]),
        (r#"{"id":0.5,"input":[1,2,3,4]}"#, &["id is a fraction"]),
        (r#"{"id":1,"input":[[1,2,3,4],[1,2,3,4]]}"#, &["one id and 2 samples"]),
        (r#"{"applicants":[]}"#, &["applicants has no values"]),
        (r#"{"applicants":[{"input":[1,2,3]}]}"#, &["applicants[0].input has 3 values"]),
    ] {
        says(four(content), parts);
    }
}

#[test]
fn text_that_is_not_utf_8_is_named() {
    let tensors = [tensor("x", &[1, 4])];
    says(json(b"\xff\xfe[\x000\x00", &tensors), &["UTF-16", "UTF-8"]);
    says(json(b"[1,2,\xff,4]", &tensors), &["byte 5", "UTF-8"]);
    says(json(b"\x1f\x8b\x08", &tensors), &["gzip", "unpack"]);
    says(json(b"\x80\x04\x95", &tensors), &["pickle", "never run"]);
}

#[test]
fn nested_lists_are_those_of_the_models_shape() {
    let image = [tensor("x", &[1, 3, 4])];
    let flat: Vec<f64> = (0..12).map(f64::from).collect();
    for content in [
        "[[[0,1,2,3],[4,5,6,7],[8,9,10,11]]]",
        "[[0,1,2,3],[4,5,6,7],[8,9,10,11]]",
        "[0,1,2,3,4,5,6,7,8,9,10,11]",
        r#"{"input":[[[0,1,2,3],[4,5,6,7],[8,9,10,11]]]}"#,
        r#"{"input_data":[[0,1,2,3,4,5,6,7,8,9,10,11]]}"#,
        r#"{"input_data":[[[0,1,2,3],[4,5,6,7],[8,9,10,11]]]}"#,
    ] {
        assert_eq!(json(content, &image), Ok(vec![flat.clone()]), "{content}");
    }
    // Two rows of a matrix are not two samples.
    let matrix = [tensor("x", &[2, 4])];
    assert_eq!(json("[[1,2,3,4],[5,6,7,8]]", &matrix).map(|samples| samples.len()), Ok(1));
    // A transposed image is not an image.
    let transposed = "[[0,4,8],[1,5,9],[2,6,10],[3,7,11]]";
    says(json(transposed, &image), &["shape [4, 3]", "shape [1, 3, 4]", "order of dimensions"]);
}

#[test]
fn several_inputs_are_read_by_name_in_order_or_as_one_list() {
    let two = [tensor("a", &[1, 2]), tensor("b", &[1, 3])];
    let expected = Ok(vec![vec![1.0, 2.0, 3.0, 4.0, 5.0]]);
    for content in [
        r#"{"a":[1,2],"b":[3,4,5]}"#,
        r#"{"b":[[3,4,5]],"a":[[1,2]],"comment":"any"}"#,
        "[1,2,3,4,5]",
        "[[1,2],[3,4,5]]",
        r#"{"input":[1,2,3,4,5]}"#,
        r#"{"input_data":[[1,2],[3,4,5]]}"#,
        r#"{"samples":[{"id":"s","a":[1,2],"b":[3,4,5]}]}"#,
        r#"[{"id":"s","input":[[1,2],[3,4,5]]}]"#,
    ] {
        assert_eq!(json(content, &two), expected, "{content}");
    }
    let batch = r#"{"a":[[1,2],[1,2]],"b":[[3,4,5],[3,4,5]]}"#;
    assert_eq!(json(batch, &two).map(|samples| samples.len()), Ok(2));
    let ezkl = r#"{"input_data":[[1,2,1,2],[3,4,5,3,4,5]]}"#;
    assert_eq!(json(ezkl, &two).map(|samples| samples.len()), Ok(2));
    for (content, parts) in [
        (r#"{"a":[1,2]}"#, &["the key \"a\"", "expected \"b\" too"][..]),
        (r#"{"a":[1,2],"b":[3,4]}"#, &["b has 2 values", "3 numbers"]),
        (r#"{"a":[[1,2],[1,2]],"b":[3,4,5]}"#, &["1 samples of \"b\"", "expected 2"]),
        (r#"{"a":[1,2],"b":"x"}"#, &["b is the string \"x\""]),
        (r#"{"a":[1,2],"b":[3,4,5],"input":[1]}"#, &["only one of them"]),
        (r#"{"input_data":[[1,2]]}"#, &["input_data has 1 lists", "one for each input"]),
        (r#"{"input_data":[[1,2],[3,4]]}"#, &["input_data[1] has 2 values"]),
        ("[[1,2],[3,4]]", &["shape [2, 2]", "\"a\" and", "\"b\""]),
    ] {
        says(json(content, &two), parts);
    }
    // Columns of a pipeline: one number each.
    let columns = [tensor("age", &[1, 1]), tensor("income", &[1, 1])];
    let records = r#"[{"age":35,"income":1000.5},{"income":20,"age":[[41]]}]"#;
    assert_eq!(json(records, &columns), Ok(vec![vec![35.0, 1000.5], vec![41.0, 20.0]]));
}

#[test]
fn a_models_own_names_come_before_ours() {
    let id = [tensor("id", &[1, 2]), tensor("data", &[1, 1])];
    assert_eq!(json(r#"{"id":[1,2],"data":3}"#, &id), Ok(vec![vec![1.0, 2.0, 3.0]]));
    let samples = [tensor("samples", &[1, 2])];
    assert_eq!(json(r#"{"samples":[1,2]}"#, &samples), Ok(vec![vec![1.0, 2.0]]));
    let scalar = [tensor("x", &[])];
    assert_eq!(json(r#"{"x":0.5}"#, &scalar), Ok(vec![vec![0.5]]));
    assert_eq!(json("0.5", &scalar), Ok(vec![vec![0.5]]));
}
