//! Every kind of model file that cannot be read is refused with a typed error that
//! names what is wrong. The files are written by scripts/make_fixtures.py.

use std::{fs, path::Path};

use verdict_prover::{
    bounded::ReadError,
    onnx::{self, LoadOptions, OnnxError},
};

fn load(path: &Path) -> Result<verdict_prover::graph::Graph, OnnxError> {
    onnx::load(path, &LoadOptions::default())
}

fn refused(name: &str) -> OnnxError {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/bad")
        .join(format!("{name}.onnx"));
    let error = load(&path).expect_err("the model was read");
    let message = error.to_string();
    assert!(!message.contains(['\n', '\r', '\x1b']), "{message:?} is not one line");
    error
}

/// The error's operator and node.
fn unsupported(name: &str) -> (String, String, String) {
    match refused(name) {
        OnnxError::UnsupportedOperator { operator, node, reason } => (operator, node, reason),
        other => panic!("{name}: {other}"),
    }
}

fn assert_unsupported(name: &str, operator: &str, node: &str) {
    let (got_operator, got_node, _) = unsupported(name);
    assert_eq!((got_operator.as_str(), got_node.as_str()), (operator, node));
}

macro_rules! refusals {
    ($($test:ident: $file:literal => $pattern:pat $(if $guard:expr)?,)*) => {$(
        #[test]
        fn $test() {
            let error = refused($file);
            assert!(matches!(&error, $pattern $(if $guard)?), "{error:?}");
        }
    )*};
}

#[test]
fn an_unsupported_operator_is_named_with_its_node() {
    assert_unsupported("det", "Det", "squash");
    assert!(refused("det").to_string().starts_with("operator Det (node squash)"));
}

#[test]
fn an_operator_of_a_foreign_domain_is_named_with_it() {
    assert_unsupported("foreign_domain", "com.example.FusedGelu", "gelu");
}

#[test]
fn a_dropout_in_training_mode_is_refused() {
    assert_unsupported("training_dropout", "Dropout", "drop");
}

#[test]
fn control_characters_and_overlong_names_do_not_reach_the_terminal() {
    let (_, node, _) = unsupported("terminal_escape");
    assert!(node.starts_with("a\\u{1b}[31m\\nb"), "{node}");
    assert!(node.chars().count() < 150);
}

refusals! {
    a_division_by_zero_is_refused:
        "divides_by_zero" => OnnxError::BadNode { node, detail }
            if node == "inverse" && detail.contains("position 2"),
    a_nan_weight_is_refused_with_node_and_index:
        "nan_weight" => OnnxError::NotFinite { node, index: 5, value }
            if node == "fc" && value.is_nan(),
    an_infinite_weight_is_refused_with_node_and_index:
        "infinite_weight" => OnnxError::NotFinite { node, index: 5, value: f64::NEG_INFINITY }
            if node == "fc",
    weights_that_overflow_when_folded_are_refused:
        "overflowing_fold" => OnnxError::NotFinite { index: 0, value: f64::INFINITY, .. },
    a_symbolic_dimension_other_than_the_batch_is_refused_by_name:
        "dynamic_features" => OnnxError::DynamicShape { axis: 1, dimension, .. }
            if dimension == "features",
    an_input_without_a_shape_is_refused:
        "no_shape" => OnnxError::DynamicShape { tensor, .. } if tensor == "x",
    a_dimension_of_zero_is_refused:
        "zero_dimension" => OnnxError::BadTensor { tensor, .. } if tensor == "x",
    an_input_of_absurd_size_is_refused_before_it_is_allocated:
        "enormous_input" => OnnxError::TooLarge { .. },
    broadcasting_to_an_absurd_size_is_refused_before_it_is_allocated:
        "enormous_broadcast" => OnnxError::TooLarge { node, .. } if node == "outer",
    a_complex_model_is_refused:
        "complex" => OnnxError::WrongType { dtype, .. } if dtype == "complex64",
    int8_weights_are_refused:
        "int8_weights" => OnnxError::UnsupportedOperator { operator, reason, .. }
            if operator == "MatMul" && reason.contains("int8"),
    an_output_of_another_type_than_declared_is_refused:
        "integer_input" => OnnxError::BadTensor { tensor, detail }
            if tensor == "y" && detail.contains("int64"),
    a_graph_without_nodes_is_refused:
        "no_nodes" => OnnxError::BadNode { .. },
    a_window_that_covers_padding_only_is_refused:
        "average_pool_padding_only" => OnnxError::UnsupportedOperator { reason, .. }
            if reason.contains("covers padding only"),
    a_reflection_of_more_than_there_is_is_refused:
        "pad_reflect_far" => OnnxError::BadNode { node, detail }
            if node == "pd" && detail.contains("reflects 3 and 3 of 3"),
    outputs_that_do_not_need_what_is_refused_are_named:
        "output_spared" => OnnxError::Spared { outputs, error }
            if outputs == &["z"] && error.to_string().contains("Det"),
    a_constant_output_is_refused:
        "constant_output" => OnnxError::ConstantOutput { name } if name == "y",
    inner_sizes_that_differ_are_refused_by_node:
        "inner_sizes" => OnnxError::ShapeMismatch { node, .. } if node == "fc",
    shapes_that_do_not_broadcast_are_refused_by_node:
        "no_broadcast" => OnnxError::ShapeMismatch { node, .. } if node == "shift",
    a_reshape_to_another_size_is_refused:
        "reshape_size" => OnnxError::ShapeMismatch { node, .. } if node == "reshape",
    a_cycle_is_refused:
        "cycle" => OnnxError::BadNode { node, .. } if node == "first",
    a_tensor_defined_twice_is_refused:
        "defined_twice" => OnnxError::DefinedTwice { tensor, .. } if tensor == "x",
    a_missing_input_is_refused_by_node:
        "missing_input" => OnnxError::BadNode { node, .. } if node == "half",
    an_index_out_of_range_is_refused_by_node:
        "gather_out_of_range" => OnnxError::BadNode { node, .. } if node == "pick",
    a_step_of_zero_is_refused_by_node:
        "zero_step" => OnnxError::BadNode { node, .. } if node == "cut",
    an_old_operator_set_is_refused:
        "opset_6" => OnnxError::UnsupportedOpset { version: 6, .. },
    weights_outside_the_file_are_refused:
        "external_data" => OnnxError::ExternalData { tensor, detail }
            if tensor == "w" && detail.contains("outside the model's folder"),
    weights_shorter_than_their_shape_are_refused:
        "short_weights" => OnnxError::BadTensor { tensor, .. } if tensor == "w",
    loops_around_loops_are_refused_before_they_run_for_ever:
        "loops_in_loops" => OnnxError::BadNode { detail, .. } if detail.contains("run over"),
    a_state_of_absurd_size_is_refused_before_it_is_allocated:
        "enormous_state" => OnnxError::UnsupportedOperator { node, reason, .. }
            if node == "cell" && reason.contains("a state of"),
    a_softmax_of_what_is_masked_throughout_is_refused:
        "softmax_of_nothing" => OnnxError::UnsupportedOperator { node, reason, .. }
            if node == "shares" && reason.contains("a row without any element"),
    padding_nothing_with_what_is_in_it_is_refused:
        "pads_nothing" => OnnxError::BadNode { node, detail } if node == "around" && detail.contains("pads nothing"),
    a_vast_tensor_without_elements_is_refused:
        "vast_and_empty" => OnnxError::ShapeMismatch { node, .. } if node == "vast",
    windows_far_beyond_their_input_are_refused_before_they_are_gone_through:
        "endless_average" => OnnxError::TooLarge { node, .. } if node == "mean",
    negative_dimensions_of_an_image_are_refused:
        "negative_image" => OnnxError::BadNode { node, detail } if node == "image" && detail.contains("dimension -5"),
    more_elements_in_order_than_can_be_planned_are_refused:
        "many_in_order" => OnnxError::UnsupportedOperator { node, reason, .. }
            if node == "top" && reason.contains("in order"),
    constants_beyond_their_type_are_refused:
        "integers_over_their_type" => OnnxError::BadNode { node, detail }
            if node == "product" && detail.contains("beyond its type"),
    a_model_without_a_graph_is_refused:
        "no_graph" => OnnxError::NotOnnx { .. },
}

#[test]
fn a_file_that_is_not_onnx_is_refused() {
    for bytes in
        [&b""[..], b"hello, world", b"{\"input\": [1, 2]}", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04"]
    {
        let error =
            onnx::parse(bytes, "x", &LoadOptions::default()).expect_err("the bytes were read");
        assert!(matches!(error, OnnxError::NotOnnx { .. }), "{bytes:?}: {error:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_refused_with_its_path() {
    let error = load(Path::new("no/such/model.onnx")).expect_err("a model was read");
    assert!(matches!(error, OnnxError::File(_)));
    assert!(error.to_string().contains("no/such/model.onnx"), "{error}");
}

#[test]
fn a_directory_is_refused() {
    let error = load(Path::new(env!("CARGO_MANIFEST_DIR"))).expect_err("a model was read");
    assert!(matches!(error, OnnxError::File(_)), "{error:?}");
}

#[test]
fn a_file_over_the_limit_is_refused_without_reading_all_of_it() -> std::io::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("huge.onnx");
    // Sparse: takes no space on the disk.
    fs::File::create(&path)?.set_len(1 << 40)?;
    let error = load(&path).expect_err("a model was read");
    assert!(matches!(error, OnnxError::File(ReadError::TooLarge { .. })), "{error:?}");
    Ok(())
}

#[test]
fn every_bad_fixture_is_refused() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bad");
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        assert!(load(&path).is_err(), "{} was read", path.display());
        count += 1;
    }
    assert!(count >= 34, "only {count} fixtures");
    Ok(())
}
