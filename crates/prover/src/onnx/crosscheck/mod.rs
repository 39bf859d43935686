//! The same file, run by someone else.
//!
//! tract reads the model independently of us and runs it in float32. Where both agree on
//! samples up to float32's rounding, the graph means what the file means. What rounding may
//! come to is computed for each sample and each element (`rounding`), relative to the
//! magnitudes that are added up on the way to it, not a constant.

mod rounding;
mod tract;

use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{LoadOptions, MAX_FILE_BYTES, OnnxError};
use crate::{
    bounded::read_bounded,
    graph::{ElementKind, Graph, GraphError, RunError, TensorId},
};

/// Most nodes of a file that tract runs: the time that it takes grows with their square.
const MAX_NODES: usize = 6000;

/// How a model's reading was checked from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reading {
    /// tract computes the same, up to float32's rounding.
    Checked(Difference),
    /// Nobody else could run it.
    Unchecked {
        /// Why not.
        reason: String,
    },
}

/// How far two runs of a model are apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Samples run.
    pub samples: usize,
    /// Output elements compared, of all samples. Left out are those that float32 does not
    /// determine: values beyond its range, positions of extremes that are nearly equal.
    pub compared: usize,
    /// Largest absolute difference of an output element.
    pub largest: f64,
    /// Largest part that a difference is of what float32's rounding allows there; at most 1.
    pub of_rounding: f64,
}

/// Why two runs could not be made, or differ.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CrosscheckError {
    /// The file could not be read.
    #[error(transparent)]
    Model(#[from] OnnxError),
    /// The file is not the one that the graph was read from.
    #[error("the model file was changed while it was read")]
    Changed,
    /// Our own run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The two disagree.
    #[error(
        "the model was not read as tract reads it: output {output} differs at {index}, {ours:e} \
         here and {theirs:e} there, {} apart where float32's rounding allows {allowed:.1e}",
        apart(*ours, *theirs)
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
        /// How far they may be apart.
        allowed: f64,
    },
}

fn apart(ours: f64, theirs: f64) -> String {
    format!("{:.1e}", (ours - theirs).abs())
}

impl From<GraphError> for CrosscheckError {
    fn from(error: GraphError) -> Self {
        Self::Run(error.into())
    }
}

impl Reading {
    /// Nobody else has run the model, and why.
    pub fn unchecked(reason: impl Into<String>) -> Self {
        Self::Unchecked { reason: reason.into() }
    }
}

/// Runs `graph` and the file it was read from, with the same options, on samples and
/// compares. A sample has the elements of all inputs, one input after the other; of the
/// last `regular` ones, elements may be equal or in other ways alike.
///
/// # Errors
/// The outputs differ by more than float32's rounding, or the file is not the graph's.
/// That tract cannot run it is no error: [`Reading::Unchecked`].
pub fn crosscheck(
    path: &Path,
    options: &LoadOptions,
    graph: &Graph,
    samples: &[Vec<f64>],
    regular: usize,
) -> Result<Reading, CrosscheckError> {
    let bytes = read_bounded(path, MAX_FILE_BYTES).map_err(OnnxError::from)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    // As the file has it, before anything is joined: what is added up in between counts.
    let plain = super::parse_in(&bytes, &graph.name, Some(folder), options, |_| {})?;
    if plain.sha256 != graph.sha256 {
        return Err(CrosscheckError::Changed);
    }
    let samples: Vec<Vec<Vec<f64>>> =
        samples.iter().filter_map(|sample| single_precision(graph, sample)).collect();
    if samples.is_empty() {
        return Ok(Reading::unchecked("the inputs' ranges go beyond float32"));
    }
    let category = |id: &TensorId| graph.tensors[id.0].kind == ElementKind::Category;
    if graph.inputs.iter().any(category) {
        return Ok(Reading::unchecked("tract takes no strings"));
    }
    let mut model = super::decode(&bytes, Some(folder), options.measure.as_ref())?.model;
    if tract::halves(&model) {
        return Ok(Reading::unchecked("it computes in half precision, here in full"));
    }
    let nodes = model.graph.as_ref().map_or(0, |graph| graph.node.len());
    if nodes > MAX_NODES {
        let reason = format!("of {nodes} nodes, tract takes minutes for more than {MAX_NODES}");
        return Ok(Reading::unchecked(reason));
    }
    tract::prepare(&mut model, &plain)?;
    let missing = tract::missing(&model);
    if !missing.is_empty() {
        return Ok(Reading::unchecked(format!("tract lacks {}", missing.join(", "))));
    }
    match tract::run(&model, graph, &samples) {
        Ok(theirs) => compare(graph, &plain, &samples, regular, &theirs),
        Err(reason) => Ok(Reading::unchecked(format!("tract cannot run it: {reason}"))),
    }
}

/// The elements of each input as tract will see them, if it can.
fn single_precision(graph: &Graph, sample: &[f64]) -> Option<Vec<Vec<f64>>> {
    let round = |value: &f64| Some(f64::from(*value as f32)).filter(|value| value.is_finite());
    let parts = graph.split(sample);
    parts.into_iter().map(|part| part.iter().map(round).collect()).collect()
}

/// Compares our run with theirs, outputs by sample.
fn compare(
    graph: &Graph,
    plain: &Graph,
    samples: &[Vec<Vec<f64>>],
    regular: usize,
    theirs: &[Vec<Vec<f64>>],
) -> Result<Reading, CrosscheckError> {
    let samples_run = samples.len();
    let mut difference =
        Difference { samples: samples_run, compared: 0, largest: 0.0, of_rounding: 0.0 };
    for (at, (sample, theirs)) in samples.iter().zip(theirs).enumerate() {
        let random = at + regular < samples.len();
        let ours = graph.run(sample)?;
        let allowed = rounding::allowed(plain, &plain.run_all(sample)?, random);
        for (((id, of), ours), theirs) in
            graph.outputs.iter().zip(&plain.outputs).zip(&ours).zip(theirs)
        {
            let name = &graph.tensors[id.0].name;
            if ours.len() != theirs.len() {
                let (ours, theirs) = (ours.len(), theirs.len());
                return Ok(Reading::unchecked(format!(
                    "output {name} has {theirs} elements with tract, {ours} here"
                )));
            }
            let values = ours.iter().zip(theirs).zip(&allowed[of.0]).enumerate();
            for (index, ((&ours, &theirs), &allowed)) in values {
                // What is finite here may be beyond float32 on tract's way to it.
                if !allowed.is_finite() || (ours.is_finite() && !theirs.is_finite()) {
                    continue;
                }
                let distance = (ours - theirs).abs();
                if distance.is_nan() || distance > allowed {
                    let output = name.clone();
                    return Err(CrosscheckError::Differs { output, index, ours, theirs, allowed });
                }
                difference.compared += 1;
                difference.largest = difference.largest.max(distance);
                if allowed > 0.0 {
                    difference.of_rounding = difference.of_rounding.max(distance / allowed);
                }
            }
        }
    }
    Ok(match difference.compared {
        0 => Reading::unchecked("its outputs are beyond what float32 determines"),
        _ => Reading::Checked(difference),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Function, Node, Op, Tensor};

    #[test]
    fn what_is_not_finite_with_the_other_is_left_out_and_the_rest_is_compared() {
        let tensor =
            |name: &str| Tensor { name: name.into(), dims: vec![3], kind: ElementKind::Real };
        let relu = Node {
            name: "relu".into(),
            op: Op::Function(Function::Relu),
            inputs: vec![TensorId(0)],
            output: TensorId(1),
        };
        let graph = Graph {
            name: "one".into(),
            sha256: [0; 32],
            tensors: vec![tensor("x"), tensor("y")],
            nodes: vec![relu],
            inputs: vec![TensorId(0)],
            outputs: vec![TensorId(1)],
            vocabulary: vec![],
            names: vec![],
        };
        let samples = [vec![vec![1.0, -2.0, 3.0]]];
        let with =
            |theirs: [f64; 3]| compare(&graph, &graph, &samples, 0, &[vec![theirs.to_vec()]]);
        match with([1.0, 0.0, f64::INFINITY]) {
            Ok(Reading::Checked(difference)) => assert_eq!(difference.compared, 2),
            other => panic!("{other:?}"),
        }
        assert!(with([1.0, 0.5, f64::NAN]).is_err(), "another element differs");
        let nothing = with([f64::NAN, f64::INFINITY, f64::INFINITY]);
        assert!(matches!(nothing, Ok(Reading::Unchecked { .. })));
    }
}
