//! Names in the place of numbers.

use super::{super::Categories, *};

/// An input of two numbers, the second with names, and one of two strings.
fn tensors() -> Vec<InputTensor> {
    let vocabulary = ["A30", "A31", "rent", "own", "7"].map(str::to_owned);
    let strings =
        InputTensor { categories: vec![Some(Categories::of(&vocabulary))], ..tensor("s", &[1, 2]) };
    let jobs = Categories {
        missing: false,
        names: [("none".to_owned(), 0), ("skilled".to_owned(), 5)].into(),
        other: Some(9),
        only: false,
    };
    let numbers = InputTensor { categories: vec![None, Some(jobs)], ..tensor("n", &[1, 2]) };
    vec![numbers, strings]
}

fn read(content: &[u8]) -> Result<Vec<Vec<f64>>, String> {
    let read = parse(content, None, &tensors()).map_err(|problem| problem.to_string())?;
    Ok(read.into_iter().map(|sample| sample.values).collect())
}

#[test]
fn names_are_read_in_every_arrangement_of_json() {
    let expected = vec![vec![1.5, 5.0, 1.0, 3.0]];
    for content in [
        r#"{"n": [1.5, "skilled"], "s": ["A31", "own"]}"#,
        r#"{"n": [[1.5, 5]], "s": [["A31", "own"]]}"#,
        r#"[1.5, "skilled", "A31", "own"]"#,
        r#"{"input": [1.5, "skilled", "A31", "own"]}"#,
        r#"{"input": [[1.5, "skilled"], ["A31", "own"]]}"#,
        r#"{"input_data": [[1.5, "skilled"], ["A31", "own"]]}"#,
        r#"[{"id": "a", "n": [1.5, 5], "s": ["A31", "own"]}]"#,
    ] {
        assert_eq!(read(content.as_bytes()), Ok(expected.clone()), "{content}");
    }
    let two = r#"[[1, "none", "7", "A30"], [2, "what", "own", "A31"]]"#;
    let expected = vec![vec![1.0, 0.0, 4.0, 0.0], vec![2.0, 9.0, 3.0, 1.0]];
    assert_eq!(read(two.as_bytes()), Ok(expected));
}

#[test]
fn a_name_that_is_unknown_and_a_number_for_a_name_are_refused_by_their_place() {
    for (content, parts) in [
        (r#"{"n": [1, 5], "s": ["A31", "lent"]}"#, ["s[1] is the category \"lent\"", "\"own\""]),
        (r#"{"n": [1, 5], "s": ["A31", 3]}"#, ["s[1] is the number 3", "one of \"7\""]),
        (r#"{"n": [1, 5], "s": [0, 3]}"#, ["s is numbers", "names for \"s\""]),
        (r#"{"n": ["A30", 5], "s": ["A31", "own"]}"#, ["n[0] is the string", "a number"]),
        ("[1, 5, 0, 3]", ["numbers", "names for \"s\""]),
    ] {
        let error = read(content.as_bytes()).expect_err(content);
        assert!(parts.iter().all(|part| error.contains(part)), "{content}: {error}");
    }
}

#[test]
fn names_are_read_in_tables_whatever_they_look_like() {
    let expected = vec![vec![1.5, 5.0, 4.0, 3.0], vec![2.0, 9.0, 1.0, 0.0]];
    for content in [
        "1.5,skilled,7,own\n2,other,A31,A30\n",
        "a,1.5,5,7,own\nb,2,9,A31,A30\n",
        "n0,n1,s0,s1\n1.5,5,7,own\n2,9,A31,A30\n",
        "id,n0,n1,s0,s1\na,1.5,5,7,own\nb,2,9,A31,A30\n",
    ] {
        assert_eq!(read(content.as_bytes()), Ok(expected.clone()), "{content}");
    }
    let error = read(b"n0,n1,s0,s1\n1.5,5,7,lent\n").expect_err("unknown");
    assert!(error.contains("line 2, column 4 (s1) is the category \"lent\""), "{error}");
    // By the names of inputs of one number each, in any order.
    let single = |name: &str| InputTensor { shape: vec![1, 1], ..tensor(name, &[1]) };
    let strings = InputTensor {
        categories: vec![Some(Categories::of(&["yes".to_owned(), "no".to_owned()]))],
        ..single("phone")
    };
    let samples = parse(b"phone,label,age\nno,1,40\n", None, &[single("age"), strings]);
    assert_eq!(samples.expect("reads")[0].values, [40.0, 1.0]);
}

/// A .npy file of strings.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).expect("short").to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

#[test]
fn names_are_read_from_numpy() {
    let strings = &tensors()[1..];
    let wide = |text: &str, order: fn(u32) -> [u8; 4]| {
        text.chars().flat_map(|c| order(u32::from(c))).collect::<Vec<u8>>()
    };
    let text = "A31\0own\0A30\0\x37\0\0\0";
    let bytes = text.as_bytes();
    for file in [
        npy("<U4", "(2, 2)", &wide(text, u32::to_le_bytes)),
        npy(">U4", "(2, 1, 2)", &wide(text, u32::to_be_bytes)),
        npy("|S4", "(2, 2)", bytes),
    ] {
        let samples = parse(&file, None, strings).expect("reads");
        let values: Vec<_> = samples.into_iter().map(|sample| sample.values).collect();
        assert_eq!(values, [[1.0, 3.0], [0.0, 4.0]]);
    }
    let error = |file: &[u8]| parse(file, None, strings).expect_err("refused").to_string();
    assert!(error(&npy("|S4", "(1, 2)", b"A31\0lent")).contains("[0][1] is the category"));
    assert!(error(&npy("|S4", "(1, 2)", b"A31\0own")).contains("does not fit"));
    assert!(error(&npy("|S4", "(1, 2)", b"A31\0\xff\xfe\xfd\xfc")).contains("no text"));
    assert!(error(&npy("<f8", "(1, 2)", &[0; 16])).contains("names for \"s\""));
}

#[test]
fn ranges_name_categories() {
    let plain = tensor("n", &[1, 2]);
    let strings = tensors().remove(1);
    let read = |content: &str| {
        let read = parse_ranges(content.as_bytes(), &[plain.clone(), strings.clone()]);
        read.map_err(|problem| problem.to_string())
    };
    let (ranges, tensors) = read(
        r#"{"n": [{"min": 0, "max": 9.5, "decimals": 1}, {"categories": {"a": 3, "b": 8}}],
            "s": [{"categories": ["own", "rent"]}, {"categories": ["A30", "A31", "own", "rent", "7"], "other": true}]}"#,
    )
    .expect("reads");
    assert_eq!(ranges.input, [[0.0, 9.5], [3.0, 8.0], [2.0, 3.0], [0.0, 5.0]]);
    assert_eq!(ranges.grids[1].map(|grid| (grid.decimals, grid.exact)), Some((0, true)));
    assert_eq!(tensors[0].categories(0), None);
    let number = |tensor: &InputTensor, index, name| {
        tensor.categories(index).and_then(|categories| categories.number(name))
    };
    assert_eq!(number(&tensors[0], 1, "b"), Some(8.0));
    assert_eq!(number(&tensors[1], 0, "A30"), None);
    assert_eq!(number(&tensors[1], 1, "A30"), Some(0.0));
    assert_eq!(number(&tensors[1], 1, "lent"), Some(5.0));
    // What was declared is what a setup keeps.
    let kept = strings.clone().declared(&tensors);
    assert_eq!(kept, tensors[1]);
    // An input of strings needs no range, and all its elements may have one declaration.
    let (ranges, all) = read(r#"{"n": [[0, 1], [0, 1]]}"#).expect("reads");
    assert_eq!(ranges.input[2..], [[0.0, 4.0]; 2]);
    assert_eq!(all[1], strings);
    let (ranges, all) =
        read(r#"{"n": {"categories": ["x", "y"]}, "s": {"categories": ["own", "rent"]}}"#)
            .expect("reads");
    assert_eq!(ranges.input, [[0.0, 1.0], [0.0, 1.0], [2.0, 3.0], [2.0, 3.0]]);
    assert_eq!(all[0].categories.len(), 1);
    for (content, part) in [
        (r#"{"n": {"categories": []}, "s": []}"#, "n.categories has no names"),
        (r#"{"n": {"categories": [1, 2]}}"#, "a list of names, or names and their numbers"),
        (r#"{"n": {"categories": {"a": 0.5}}}"#, "n.categories.a is the number 0.5"),
        (r#"{"n": {"categories": ["a", "a"]}}"#, "has the key \"a\" twice"),
        (r#"{"n": {"categories": ["a"], "min": 0}}"#, "\"categories\", \"other\", and no other"),
        (r#"{"n": [0, 1], "s": {"categories": ["lent"]}}"#, "which the model knows"),
        (r#"{"n": [0, 1], "s": {"categories": {"own": 1}}}"#, "the model itself says"),
        (r#"{"n": {"categories": ["a"], "other": "b"}}"#, "n.other is the string"),
    ] {
        let error = read(content).expect_err(content);
        assert!(error.contains(part), "{content}: {error}");
    }
}

#[test]
fn a_setup_cannot_give_the_models_strings_other_numbers() {
    let own = tensors().remove(1);
    let mut swapped = own.clone();
    if let Some(Some(categories)) = swapped.categories.first_mut() {
        categories.names.insert("own".into(), 2);
        categories.names.insert("rent".into(), 3);
    }
    let kept = own.clone().declared(std::slice::from_ref(&swapped));
    let number = |name| kept.categories(0).and_then(|categories| categories.number(name));
    assert_eq!((number("own"), number("A31")), (None, Some(1.0)));
    assert_ne!(kept, swapped);
}

#[test]
fn an_element_that_the_model_does_not_read_takes_any_name() {
    use crate::graph::{Element, ElementKind, Graph, Node, Op, Tensor, TensorId};

    let graph = |elements: Option<Vec<usize>>| {
        let tensor = |name: &str, dims: &[usize]| Tensor {
            name: name.into(),
            dims: dims.to_vec(),
            kind: ElementKind::Category,
        };
        let read = |index| Element::Input { input: 0, index };
        let op = |elements: Vec<usize>| Op::Select(elements.into_iter().map(read).collect());
        let node = |op| {
            let (inputs, output) = (vec![TensorId(0)], TensorId(1));
            Node { name: "moved".into(), op, inputs, output }
        };
        Graph {
            name: "strings".into(),
            sha256: [0; 32],
            tensors: vec![tensor("s", &[1, 2]), tensor("y", &[1, 1])],
            nodes: elements.map(op).map(node).into_iter().collect(),
            inputs: vec![TensorId(0)],
            outputs: vec![TensorId(1)],
            vocabulary: vec!["own".into(), "rent".into()],
            names: vec![],
        }
    };
    let read = |elements, content: &str| {
        let tensors = InputTensor::of(&graph(elements));
        let read = parse(content.as_bytes(), None, &tensors).map_err(|problem| problem.to_string());
        read.map(|samples| samples[0].values.clone())
    };
    assert_eq!(read(Some(vec![0]), r#"["rent", "what"]"#), Ok(vec![1.0, 0.0]));
    assert_eq!(read(None, r#"["what", "own"]"#), Ok(vec![0.0, 0.0]));
    let error = read(Some(vec![1]), r#"["rent", "what"]"#).expect_err("unknown");
    assert!(error.contains("[1] is the category \"what\""), "{error}");
    // Names that are declared for it are as good as others.
    let tensors = InputTensor::of(&graph(Some(vec![0])));
    let declared = r#"{"s": [{"categories": ["own"]}, {"categories": ["A151", "A152"]}]}"#;
    let (ranges, kept) = parse_ranges(declared.as_bytes(), &tensors).expect("reads");
    assert_eq!(ranges.input, [[0.0, 1.0], [0.0, 1.0]]);
    assert_eq!(tensors[0].clone().declared(&kept), kept[0]);
    assert_eq!(kept[0].categories(1).and_then(|any| any.number("A153")), Some(0.0));
}
