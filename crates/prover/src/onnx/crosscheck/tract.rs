//! Running a model file with tract.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet, HashSet},
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use tract_onnx::{
    pb::{
        ModelProto, NodeProto, ValueInfoProto, tensor_proto::DataType,
        tensor_shape_proto::dimension::Value as Dimension, type_proto,
    },
    tract_hir::prelude::*,
};

use super::super::{OnnxError, functions, node, node::printable, order};
use crate::graph::Graph;

/// Puts functions in the place of their calls, leaves the model the outputs of `graph` and
/// what they need, and writes the sizes of its inputs.
pub(super) fn prepare(model: &mut ModelProto, graph: &Graph) -> Result<(), OnnxError> {
    let Some(mut proto) = model.graph.take() else { return Ok(()) };
    proto.node = functions::expand(model, std::mem::take(&mut proto.node))?;
    model.functions.clear();
    let mut kept = vec![];
    for id in &graph.outputs {
        let name = &graph.tensors[id.0].name;
        kept.extend(proto.output.iter().find(|info| printable(&info.name) == *name).cloned());
    }
    let live: HashSet<usize> =
        order::live(&proto, kept.iter().map(|info| info.name.as_str()))?.into_iter().collect();
    let mut position = 0;
    proto.node.retain(|_| {
        position += 1;
        live.contains(&(position - 1))
    });
    // Declared output shapes may still be symbolic; tract finds them itself.
    kept.iter_mut().for_each(|info| info.r#type = None);
    proto.output = kept;
    proto.value_info.clear();
    let sizes: BTreeMap<&str, &[usize]> = graph
        .inputs
        .iter()
        .map(|id| (graph.tensors[id.0].name.as_str(), graph.tensors[id.0].dims.as_slice()))
        .collect();
    for info in &mut proto.input {
        let Some(dims) = sizes.get(printable(&info.name).as_str()) else { continue };
        if let Some(type_proto::Value::TensorType(tensor)) =
            info.r#type.as_mut().and_then(|t| t.value.as_mut())
            && let Some(shape) = &mut tensor.shape
        {
            for (dim, &size) in shape.dim.iter_mut().zip(*dims) {
                dim.value = Some(Dimension::DimValue(size as i64));
            }
        }
    }
    model.graph = Some(proto);
    Ok(())
}

/// What the model has and tract does not know, each once: operators, sparse tensors.
pub(super) fn missing(model: &ModelProto) -> Vec<String> {
    let known = &tract_onnx::onnx().op_register.0;
    let Some(graph) = &model.graph else { return vec![] };
    let unknown = graph.node.iter().filter(|node| !known.contains_key(&node.op_type));
    let mut missing: BTreeSet<String> = unknown.map(node::operator).collect();
    // It takes other labels and scores than onnxruntime: where two classes have one column of
    // weights, and where not every class has one.
    if graph.node.iter().any(|node| node.op_type == "TreeEnsembleClassifier") {
        missing.insert("ai.onnx.ml.TreeEnsembleClassifier as onnxruntime runs it".into());
    }
    // It transforms a single score that onnxruntime leaves as it is, and gives a lone score of two
    // classes another one beside it.
    for node in graph.node.iter().filter(|node| transforms_one(node)) {
        missing.insert(format!("{} as onnxruntime runs it", node::operator(node)));
    }
    if softmax_of_dequantized(&graph.node) {
        missing.insert("Softmax of dequantized numbers as onnxruntime runs it".into());
    }
    if !graph.sparse_initializer.is_empty() {
        missing.insert("sparse initializers".into());
    }
    missing.into_iter().collect()
}

/// Whether a Softmax reads what is dequantized, which tract makes one of integers, of another scale.
fn softmax_of_dequantized(nodes: &[NodeProto]) -> bool {
    const MOVES: [&str; 6] =
        ["Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"];
    let makers: BTreeMap<&str, &NodeProto> =
        nodes.iter().flat_map(|n| n.output.iter().map(move |name| (name.as_str(), n))).collect();
    let dequantized = |node: &NodeProto| {
        let mut at = node.input.first();
        // No chain is longer than the file.
        for _ in 0..nodes.len() {
            match at.and_then(|name| makers.get(name.as_str())) {
                Some(maker) if maker.op_type == "DequantizeLinear" => return true,
                Some(maker) if MOVES.contains(&maker.op_type.as_str()) => at = maker.input.first(),
                _ => return false,
            }
        }
        false
    };
    nodes.iter().any(|node| node.op_type == "Softmax" && dequantized(node))
}

/// Whether a linear model has one score, and another post transform than a sigmoid of two classes.
fn transforms_one(node: &NodeProto) -> bool {
    let attribute = |name: &str| node.attribute.iter().find(|a| a.name == name);
    let transform = attribute("post_transform").map_or(&b"NONE"[..], |a| &a.s);
    match node.op_type.as_str() {
        "LinearRegressor" => transform != b"NONE" && attribute("targets").is_none_or(|a| a.i == 1),
        "LinearClassifier" => {
            transform != b"LOGISTIC" && attribute("intercepts").is_none_or(|a| a.floats.len() == 1)
        }
        _ => false,
    }
}

/// The elements of the outputs for each sample, or why tract does not run the model.
pub(super) fn run(
    model: &ModelProto,
    graph: &Graph,
    samples: &[Vec<Vec<f64>>],
) -> Result<Vec<Vec<Vec<f64>>>, String> {
    // tract asserts on some models where it could refuse.
    match quietly(|| try_run(model, graph, samples)) {
        Some(Ok(outputs)) => Ok(outputs),
        Some(Err(error)) => Err(printable(&format!("{error:#}"))),
        None => Err("it fails without a reason".into()),
    }
}

fn try_run(
    model: &ModelProto,
    graph: &Graph,
    samples: &[Vec<Vec<f64>>],
) -> TractResult<Vec<Vec<Vec<f64>>>> {
    let runnable = tract_onnx::onnx()
        .model_for_proto_model(model)?
        .into_typed()?
        .into_decluttered()?
        .into_optimized()?
        .into_runnable()?;
    let facts: Vec<_> = runnable
        .model()
        .input_outlets()?
        .iter()
        .map(|outlet| runnable.model().outlet_fact(*outlet).map(|fact| fact.datum_type))
        .collect::<TractResult<_>>()?;
    let elements = |value: TValue| -> TractResult<Vec<f64>> {
        let floats = value.cast_to::<f64>()?;
        Ok(floats.to_plain_array_view::<f64>()?.iter().copied().collect())
    };
    let mut all = vec![];
    for sample in samples {
        let mut inputs = tvec![];
        for ((id, values), datum) in graph.inputs.iter().zip(sample).zip(&facts) {
            let dims = &graph.tensors[id.0].dims;
            let tensor = Tensor::from_shape(dims, values)?.cast_to_dt(*datum)?.into_owned();
            inputs.push(tensor.into_tvalue());
        }
        let outputs = runnable.run(inputs)?.into_iter().map(elements);
        all.push(outputs.collect::<TractResult<_>>()?);
    }
    Ok(all)
}

thread_local! {
    /// Whether a panic of this thread is caught and need not be told.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives, or nothing if it panics, of which nobody is told.
fn quietly<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    let outer = QUIET.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work)).ok();
    QUIET.set(outer);
    result
}

/// Whether a model has numbers of half precision.
pub(super) fn halves(model: &ModelProto) -> bool {
    let half = |code: i32| [DataType::Float16 as i32, DataType::Bfloat16 as i32].contains(&code);
    let Some(graph) = &model.graph else { return false };
    let mut tensors = graph.initializer.iter().map(|tensor| tensor.data_type);
    let mut casts = graph.node.iter().flat_map(|node| &node.attribute);
    let typed = |info: &ValueInfoProto| match info.r#type.as_ref().and_then(|t| t.value.as_ref()) {
        Some(type_proto::Value::TensorType(tensor)) => half(tensor.elem_type),
        None => false,
    };
    tensors.any(half)
        || graph.input.iter().chain(&graph.output).any(typed)
        || casts.any(|a| a.name == "to" && i32::try_from(a.i).is_ok_and(half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_and_those_of_others_are_not_hidden() {
        assert_eq!(quietly(|| 7), Some(7));
        assert_eq!(quietly(|| -> u8 { panic!("an assertion of tract's") }), None);
        assert!(!QUIET.get());
    }
}
