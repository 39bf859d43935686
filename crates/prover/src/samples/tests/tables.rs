//! Tables of numbers.

use super::*;

fn table(content: &str, tensors: &[InputTensor]) -> Result<Vec<Sample>, String> {
    parse(content.as_bytes(), Some(Format::Table), tensors).map_err(|problem| problem.to_string())
}

fn three(content: &str) -> Result<Vec<(String, Vec<f64>)>, String> {
    let samples = table(content, &[tensor("x", &[1, 3])])?;
    Ok(samples.into_iter().map(|s| (s.id.unwrap_or_default(), s.values)).collect())
}

#[test]
fn headers_ids_and_delimiters_are_recognized() {
    let (a, b) = (vec![1.0, 2.5, 3.0], vec![4.0, -5.0, 6.0]);
    for content in [
        "1,2.5,3\n4,-5,6\n",
        "1,2.5,3\r\n4,-5,6",
        "a,b,c\n1,2.5,3\n4,-5,6\n",
        "\"a\",\"b, or c\",\"d\"\n\"1\",2.5,3\n4,-5,6\n",
        "1;2.5;3\n4;-5;6\n",
        "1\t2.5\t3\n4\t-5\t6\n",
        "1 2.5  3\n 4 -5 6\n",
        " 1 , 2.5 , 3 \n\n4,-5,6\n",
        "# age income debt\n1 2.5 3\n4 -5 6\n",
        "\u{feff}a,b,c\n1,2.5,3\n4,-5,6\n",
    ] {
        let expected = Ok(vec![(String::new(), a.clone()), (String::new(), b.clone())]);
        assert_eq!(three(content), expected, "{content:?}");
    }
    for content in [
        "id,a,b,c\nA,1,2.5,3\nB,4,-5,6\n",
        "ID;a;b;c\nA;1;2.5;3\nB;4;-5;6\n",
        ",a,b,c\nA,1,2.5,3\nB,4,-5,6\n",
        "A,1,2.5,3\nB,4,-5,6\n",
        ",0,1,2\nA,1,2.5,3\nB,4,-5,6\n",
    ] {
        let expected = Ok(vec![("A".to_owned(), a.clone()), ("B".to_owned(), b.clone())]);
        assert_eq!(three(content), expected, "{content:?}");
    }
    assert_eq!(three("1\n2\n3\n").map(|samples| samples.len()), Ok(1));
    assert_eq!(three("True,False,1e2").map(|s| s[0].1.clone()), Ok(vec![1.0, 0.0, 100.0]));
}

#[test]
fn lines_of_numbers_alone_are_read_as_any_others() {
    for (plain, other) in [
        ("1,2.5,3\n4,-5,6\n", "1, 2.5,3\n4 ,-5,6\n"),
        ("1,2.5,3\n4,-5,6\n", "1,2.5,3\n4, -5,6\n"),
        ("1 2.5 3\n4 -5 6\n", "1  2.5 3\n 4 -5 6\n"),
    ] {
        assert_eq!(three(plain).map(|samples| samples.len()), Ok(2), "{plain:?}");
        assert_eq!(three(plain), three(other), "{other:?}");
    }
    for (content, part) in [
        ("1,2,3\n4,5\n", "line 2 has 2 fields"),
        ("1,2,3\n4,5,6,7\n", "line 2 has 4 fields"),
        ("1,2,3\n4,5,9007199254740993\n", "line 2, column 3 is the integer 9007199254740993"),
        ("1,2,3\n4,5,1e999\n", "line 2, column 3 is 1e999"),
        ("1 2 3\n4 5 x\n", "line 2, column 3 is \"x\""),
    ] {
        let error = three(content).unwrap_err();
        assert!(error.contains(part), "{content:?}: {error}");
    }
}

#[test]
fn columns_of_single_inputs_are_found_by_name() {
    let columns = [tensor("age", &[1, 1]), tensor("income", &[1, 1])];
    let content = "id,income,target,age\nA,100,1,30\nB,200,0,40\n";
    let samples = table(content, &columns).unwrap();
    assert_eq!(samples[0].values, [30.0, 100.0]);
    assert_eq!(samples[1].values, [40.0, 200.0]);
}

#[test]
fn what_is_wrong_with_a_table_is_named_with_line_and_column() {
    for (content, parts) in [
        ("a,b,c\n1,2,3\n4,x,6\n", &["line 3, column 2 (b) is \"x\"; expected a number"][..]),
        ("id,a,b,c\nA,1,2,3\nB,4,5,\n", &["line 3, column 4 (c) is empty"]),
        ("1,2,3\n4,NaN,6\n", &["line 2, column 2 is NaN; expected a finite"]),
        ("1,2,3\n4,inf,6\n", &["line 2, column 2 is inf"]),
        ("1,2,1e999\n", &["line 1, column 3 is 1e999", "finite"]),
        ("1,2,9007199254740993\n", &["line 1, column 3 is the integer 9007199254740993"]),
        ("0,1;2;3\n", &["line 1, column 1 is \"0,1\"", "decimal point"]),
        ("1,2,3\n4,5\n", &["line 2 has 2 fields", "expected 3"]),
        ("\n1,2,3\n\n\n4,5\n", &["line 5 has 2 fields"]),
        ("# a note\n1,2,3\n4,5\n", &["line 3 has 2 fields"]),
        ("a,b,c\n", &["a header and no samples"]),
        ("1,2,3,4\n", &["shape [1, 4]", "3 numbers"]),
        ("a,b,c,target\n1,2,3,0\n", &["4 columns of numbers (a, b, c, target)", "3 numbers"]),
        ("a,b,a\n1,2,3\n", &["line 1 names two columns \"a\""]),
        ("a,b,id,c\n1,2,A,3\n", &["column 3 is named \"id\"", "first column"]),
        ("id,a,b,c\nA,1,2,3\nA,4,5,6\n", &["samples 0 and 1 both have the id \"A\""]),
        ("not a table at all", &["a header and no samples"]),
    ] {
        says(three(content), parts);
    }
}
