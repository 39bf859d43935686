//! The same file, run by someone else.
//!
//! tract reads the model independently of us and runs it in float32. Where both agree on
//! samples up to float32's rounding, the graph means what the file means.

use std::{collections::BTreeMap, panic};

use thiserror::Error;
use tract_onnx::{
    pb::{ModelProto, tensor_shape_proto::dimension::Value as Dimension, type_proto},
    tract_hir::prelude::*,
};

use super::{OnnxError, node::printable};
use crate::graph::{Graph, RunError};

/// Relative to the largest value of an output: a few hundred roundings of float32.
const TOLERANCE: f64 = 1e-4;

/// How far two runs of a model are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Largest absolute difference of an output element.
    pub largest: f64,
    /// The same relative to the largest value of that output, or to 1 where that is less.
    pub relative: f64,
    /// How many samples were run.
    pub samples: usize,
}

/// Why two runs could not be compared, or differ.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CrosscheckError {
    /// The file could not be read.
    #[error(transparent)]
    Model(#[from] OnnxError),
    /// tract does not know an operator of the file, or cannot run the model.
    #[error("tract cannot run the model: {reason}")]
    Unsupported {
        /// What tract says.
        reason: String,
    },
    /// Our own run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The two disagree.
    #[error(
        "the model was not read as tract reads it: output {output} differs at {index}, {ours} \
         here and {theirs} there"
    )]
    Differs {
        /// The output.
        output: String,
        /// Position in it, row-major.
        index: usize,
        /// The value of our float run.
        ours: f64,
        /// The value of tract's.
        theirs: f64,
    },
}

/// Runs `graph` and the file it was read from on samples and compares. A sample has the
/// elements of each input, in the graph's order.
///
/// Elements that are integers by nature (positions of maxima) are left out: two float runs
/// may break a tie in two ways.
///
/// # Errors
/// tract lacks an operator, or the outputs differ by more than float32's rounding.
pub fn crosscheck(
    bytes: &[u8],
    folder: Option<&std::path::Path>,
    graph: &Graph,
    samples: &[Vec<Vec<f64>>],
) -> Result<Difference, CrosscheckError> {
    let mut model = super::decode(bytes, folder)?.model;
    bind(&mut model, graph);
    let unsupported = |reason: String| CrosscheckError::Unsupported { reason };
    // tract asserts on some models where it could refuse.
    let run = panic::catch_unwind(|| run(&model, graph, samples));
    let theirs = run
        .map_err(|_| unsupported("it fails without a reason".into()))?
        .map_err(|e| unsupported(printable(&format!("{e:#}"))))?;
    let mut difference = Difference { largest: 0.0, relative: 0.0, samples: samples.len() };
    for (sample, theirs) in samples.iter().zip(theirs) {
        let ours = graph.run(sample)?;
        for ((id, ours), theirs) in graph.outputs.iter().zip(&ours).zip(theirs) {
            let Some(theirs) = theirs else { continue };
            let name = &graph.tensors[id.0].name;
            if ours.len() != theirs.len() {
                let (ours, theirs) = (ours.len(), theirs.len());
                return Err(unsupported(format!(
                    "output {name} has {theirs} elements there, {ours} here"
                )));
            }
            let size = ours.iter().fold(1.0f64, |m, v| m.max(v.abs()));
            for (index, (&ours, &theirs)) in ours.iter().zip(&theirs).enumerate() {
                let distance = (ours - theirs).abs();
                if distance.is_nan() || distance / size > TOLERANCE {
                    let output = name.clone();
                    return Err(CrosscheckError::Differs { output, index, ours, theirs });
                }
                difference.largest = difference.largest.max(distance);
                difference.relative = difference.relative.max(distance / size);
            }
        }
    }
    Ok(difference)
}

/// Writes the sizes of the graph's inputs into the model, and leaves it only the outputs of
/// the graph.
fn bind(model: &mut ModelProto, graph: &Graph) {
    let Some(proto) = &mut model.graph else { return };
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
    let mut kept = vec![];
    for id in &graph.outputs {
        let name = &graph.tensors[id.0].name;
        kept.extend(proto.output.iter().find(|info| printable(&info.name) == *name).cloned());
    }
    // Declared output shapes may still be symbolic; tract finds them itself.
    kept.iter_mut().for_each(|info| info.r#type = None);
    proto.output = kept;
    proto.value_info.clear();
}

/// Outputs for each sample; nothing for those that are integers.
type Outputs = Vec<Vec<Option<Vec<f64>>>>;

fn run(model: &ModelProto, graph: &Graph, samples: &[Vec<Vec<f64>>]) -> TractResult<Outputs> {
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
    let mut all = vec![];
    for sample in samples {
        let mut inputs = tvec![];
        for ((id, values), datum) in graph.inputs.iter().zip(sample).zip(&facts) {
            let dims = &graph.tensors[id.0].dims;
            let tensor = Tensor::from_shape(dims, values)?.cast_to_dt(*datum)?.into_owned();
            inputs.push(tensor.into_tvalue());
        }
        let mut outputs = vec![];
        for value in runnable.run(inputs)? {
            outputs.push(match value.datum_type().is_float() {
                true => {
                    let floats = value.cast_to::<f64>()?;
                    Some(floats.to_plain_array_view::<f64>()?.iter().copied().collect())
                }
                false => None,
            });
        }
        all.push(outputs);
    }
    Ok(all)
}
