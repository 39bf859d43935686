//! How good a model is, as a graph: nodes that hold an output of a file against what was expected.
//!
//! They are added to the file as it was read, in ONNX's own operators, so that the rest reads them
//! like the model's, tract included. Added up over a batch ([`totals`](crate::shape::Shape::totals)),
//! their outputs are a model's figures on a set of samples.
//!
//! ```text
//! inputs of the model, expected, group ─► right, approved_0, approved_1, members_1
//!                                      or error
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType,
    tensor_proto::DataType, tensor_shape_proto::Dimension,
    tensor_shape_proto::dimension::Value as Size, type_proto,
};

use super::{LoadOptions, OnnxError, node::printable};
use crate::graph::{ElementKind, Graph};

/// The input that says what an output should be: a class, or a number.
pub const EXPECTED: &str = "expected";
/// The input that says which of two groups a sample is of, 0 or 1.
pub const GROUP: &str = "group";
/// Output: 1 where the answer is the one expected, else 0.
pub const RIGHT: &str = "right";
/// Output: how far the answer is from the number expected.
pub const ERROR: &str = "error";
/// Outputs: 1 where the answer is class 1 and the sample of group 0, or of group 1.
pub const APPROVED: [&str; 2] = ["approved_0", "approved_1"];
/// Output: 1 where the sample is of group 1.
pub const MEMBERS: &str = "members_1";

/// Names of nodes and tensors in between start with it.
const PREFIX: &str = "verdict/measure/";
/// Operator set of a file that imports none of ONNX's own.
const OWN_OPSET: i64 = 13;

/// What is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// The output that is held against what was expected.
    pub output: String,
    /// How.
    pub metric: Metric,
    /// Whether approvals of two groups are counted, too.
    #[serde(default)]
    pub groups: bool,
}

/// How an output is held against what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Metric {
    /// The position of its greatest element is the class; of equal ones the first.
    Greatest,
    /// The class is 1 from this value on, else 0.
    Threshold(f64),
    /// Its one element is the class.
    Label,
    /// Its one element is a number: |answer − expected| is measured.
    AbsoluteError,
}

/// What a caller wants to know.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figure {
    /// How many answers are right; of a single score from the threshold on, or 0.5.
    Accuracy {
        /// From where on a single score means class 1.
        threshold: Option<f64>,
    },
    /// How far answers are off.
    Error,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let output = &self.output;
        match self.metric {
            Metric::Greatest => write!(f, "the greatest of {output} is the class"),
            Metric::Threshold(from) => write!(f, "{output} is class 1 from {from} on, else 0"),
            Metric::Label => write!(f, "{output} is the class"),
            Metric::AbsoluteError => write!(f, "how far {output} is off"),
        }
    }
}

impl Measure {
    /// How `figure` is measured of an output of `graph`, the model as it is without a measure.
    ///
    /// # Errors
    /// Not one output, one of strings, or one that the figure cannot be measured of.
    pub fn of(graph: &Graph, figure: Figure, groups: bool) -> Result<Self, OnnxError> {
        let refuse = |output: &str, detail: &str| OnnxError::Measure {
            output: printable(output),
            detail: detail.to_owned(),
        };
        let [output] = graph.outputs[..] else {
            let names = graph.outputs.iter().map(|id| graph.tensors[id.0].name.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            return Err(refuse(&names, "one output is measured: name it"));
        };
        let tensor = &graph.tensors[output.0];
        let refuse = |detail| Err(refuse(&tensor.name, detail));
        let single = tensor.len() == 1;
        let metric = match (figure, tensor.kind) {
            (_, ElementKind::Category) => {
                return refuse("it is a string: measure the output of probabilities");
            }
            (Figure::Accuracy { threshold: None }, ElementKind::Integer) if single => Metric::Label,
            (Figure::Accuracy { threshold }, _) if single => {
                Metric::Threshold(threshold.unwrap_or(0.5))
            }
            (Figure::Accuracy { threshold: None }, _) => Metric::Greatest,
            (Figure::Accuracy { .. }, _) => {
                return refuse("it has several elements, a threshold is of one");
            }
            (Figure::Error, _) if single => Metric::AbsoluteError,
            (Figure::Error, _) => return refuse("it has several elements, the error is of one"),
        };
        let finite = |value: f64| value.is_finite() && (value as f32).is_finite();
        if matches!(metric, Metric::Threshold(value) if !finite(value)) {
            return refuse("the threshold is not a finite number");
        }
        if groups && metric == Metric::AbsoluteError {
            return refuse("approvals of groups are of classes, not of numbers");
        }
        Ok(Self { output: tensor.name.clone(), metric, groups })
    }

    /// The outputs that it adds, whose sums are a model's figures.
    pub fn outputs(&self) -> Vec<String> {
        let of_groups = APPROVED.iter().chain([&MEMBERS]).filter(|_| self.groups);
        let own = if self.metric == Metric::AbsoluteError { ERROR } else { RIGHT };
        [&own].into_iter().chain(of_groups).map(|name| (*name).to_owned()).collect()
    }

    /// The inputs that it adds, after the model's.
    pub fn inputs(&self) -> Vec<&'static str> {
        [EXPECTED].into_iter().chain(self.groups.then_some(GROUP)).collect()
    }

    /// Adds its nodes to a model.
    pub(super) fn add(&self, model: &mut ModelProto) -> Result<(), OnnxError> {
        let own = |set: &OperatorSetIdProto| ["", "ai.onnx"].contains(&set.domain.as_str());
        if !model.opset_import.iter().any(own) {
            let set = OperatorSetIdProto { domain: String::new(), version: OWN_OPSET };
            model.opset_import.push(set);
        }
        let Some(graph) = &mut model.graph else { return Ok(()) };
        if !graph.output.iter().any(|info| info.name == self.output) {
            let outputs = graph.output.iter().map(|info| info.name.as_str());
            let outputs = printable(&outputs.collect::<Vec<_>>().join(", "));
            return Err(OnnxError::UnknownOutput { name: printable(&self.output), outputs });
        }
        self.check_names(graph)?;
        let mut nodes = Nodes { graph };
        let number = match self.metric {
            Metric::AbsoluteError => DataType::Float,
            _ => DataType::Int64,
        };
        nodes.input(EXPECTED, number);
        nodes.integers("one", vec![1], &[1]);
        nodes.integers("all", vec![1], &[-1]);
        let flat = nodes.add("Reshape", "flat", &[&self.output, &named("all")], &[]);
        let class = match self.metric {
            Metric::AbsoluteError => {
                let answer = nodes.cast("answer", &flat, DataType::Float);
                let difference = nodes.add("Sub", "difference", &[&answer, EXPECTED], &[]);
                nodes.output("Abs", ERROR, &[&difference], &[], DataType::Float);
                return Ok(());
            }
            Metric::Greatest => {
                nodes.add("ArgMax", "class", &[&flat], &[("axis", 0), ("keepdims", 1)])
            }
            Metric::Label => nodes.cast("class", &flat, DataType::Int64),
            Metric::Threshold(threshold) => {
                nodes.float("threshold", threshold as f32);
                let answer = nodes.cast("answer", &flat, DataType::Float);
                let below = nodes.add("Less", "below", &[&answer, &named("threshold")], &[]);
                let from = nodes.add("Not", "from", &[&below], &[]);
                nodes.cast("class", &from, DataType::Int64)
            }
        };
        let right = nodes.add("Equal", "is_right", &[&class, EXPECTED], &[]);
        nodes.counted(RIGHT, &right);
        if self.groups {
            nodes.input(GROUP, DataType::Int64);
            let approved = nodes.add("Equal", "approved", &[&class, &named("one")], &[]);
            let second = nodes.add("Equal", "second", &[GROUP, &named("one")], &[]);
            let first = nodes.add("Not", "first", &[&second], &[]);
            for (name, group) in APPROVED.iter().zip([&first, &second]) {
                let both = nodes.add("And", &format!("is_{name}"), &[&approved, group], &[]);
                nodes.counted(name, &both);
            }
            nodes.counted(MEMBERS, &second);
        }
        Ok(())
    }

    /// Refuses a model that has tensors of these names already.
    fn check_names(&self, graph: &GraphProto) -> Result<(), OnnxError> {
        let (outputs, inputs) = (self.outputs(), self.inputs());
        let ours = |name: &str| {
            name.starts_with(PREFIX)
                || inputs.contains(&name)
                || outputs.iter().any(|output| output == name)
        };
        let made = graph.node.iter().flat_map(|node| &node.output);
        let given = graph.input.iter().map(|info| &info.name);
        let given = given.chain(graph.initializer.iter().map(|tensor| &tensor.name));
        match made.chain(given).find(|name| ours(name)) {
            Some(name) => Err(OnnxError::DefinedTwice {
                tensor: printable(name),
                definition: "by what is measured".into(),
            }),
            None => Ok(()),
        }
    }
}

impl LoadOptions {
    /// The outputs to prove: those that are measured, or that were asked for.
    pub(super) fn proven(&self) -> Option<Vec<String>> {
        self.measure.as_ref().map(Measure::outputs).or_else(|| self.outputs.clone())
    }
}

fn named(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// A graph being added to.
struct Nodes<'a> {
    graph: &'a mut GraphProto,
}

impl Nodes<'_> {
    /// A tensor of one element that is given.
    fn input(&mut self, name: &str, dtype: DataType) {
        self.graph.input.push(declared(name, dtype));
    }

    fn integers(&mut self, name: &str, dims: Vec<i64>, values: &[i64]) {
        self.graph.initializer.push(TensorProto {
            name: named(name),
            dims,
            data_type: DataType::Int64 as i32,
            int64_data: values.to_vec(),
            ..TensorProto::default()
        });
    }

    fn float(&mut self, name: &str, value: f32) {
        self.graph.initializer.push(TensorProto {
            name: named(name),
            dims: vec![1],
            data_type: DataType::Float as i32,
            float_data: vec![value],
            ..TensorProto::default()
        });
    }

    /// A node with one output, whose name it gives.
    fn add(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[&str],
        attributes: &[(&str, i64)],
    ) -> String {
        self.push(operator, named(name), inputs, attributes)
    }

    fn push(
        &mut self,
        operator: &str,
        output: String,
        inputs: &[&str],
        attributes: &[(&str, i64)],
    ) -> String {
        let attribute = |(name, value): &(&str, i64)| AttributeProto {
            name: (*name).to_owned(),
            r#type: AttributeType::Int as i32,
            i: *value,
            ..AttributeProto::default()
        };
        self.graph.node.push(NodeProto {
            name: output.clone(),
            op_type: operator.to_owned(),
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![output.clone()],
            attribute: attributes.iter().map(attribute).collect(),
            ..NodeProto::default()
        });
        output
    }

    fn cast(&mut self, name: &str, input: &str, dtype: DataType) -> String {
        self.add("Cast", name, &[input], &[("to", dtype as i64)])
    }

    /// The last node of an output.
    fn output(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[&str],
        attributes: &[(&str, i64)],
        dtype: DataType,
    ) {
        self.push(operator, name.to_owned(), inputs, attributes);
        self.graph.output.push(declared(name, dtype));
    }

    /// An output of 1 where something is so, else 0.
    fn counted(&mut self, name: &str, condition: &str) {
        let to = [("to", DataType::Int64 as i64)];
        self.output("Cast", name, &[condition], &to, DataType::Int64);
    }
}

/// A tensor of one element.
fn declared(name: &str, dtype: DataType) -> ValueInfoProto {
    let one = Dimension { value: Some(Size::DimValue(1)), ..Dimension::default() };
    let shape = Some(TensorShapeProto { dim: vec![one] });
    let tensor = type_proto::Tensor { elem_type: dtype as i32, shape };
    let value = Some(type_proto::Value::TensorType(tensor));
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { value, ..TypeProto::default() }),
        ..ValueInfoProto::default()
    }
}
