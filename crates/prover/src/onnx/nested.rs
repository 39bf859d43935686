//! If, Loop and Scan: graphs inside of graphs, read as often as they run.
//!
//! A condition that depends on the model's inputs would choose which circuit there is, so it
//! must be a constant; so must be how often a loop runs.

use tract_onnx::pb::{GraphProto, NodeProto};

use super::{
    error::OnnxError,
    node::{Value, operator},
    ops,
    read::Reader,
    shape,
    tensor::{Data, Tensor},
};
use crate::graph::{Element, Op};

/// Most runs of a graph inside of another.
const MAX_RUNS: usize = 4096;

/// The values of a node that has graphs inside; nothing where it has none, or is one that is
/// read as a whole.
pub(super) fn lower<'a>(
    reader: &mut Reader<'a>,
    proto: &'a NodeProto,
    name: &str,
    inputs: &[Option<Value>],
) -> Result<Option<Vec<Value>>, OnnxError> {
    let nested = Nested { operator: operator(proto), name };
    match nested.operator.as_str() {
        "If" => nested.choose(reader, proto, inputs).map(Some),
        "Loop" => nested.repeat(reader, proto, inputs).map(Some),
        "Scan" if !ops::is_distances(proto) => nested.scan(reader, proto, inputs).map(Some),
        _ => Ok(None),
    }
}

/// Puts what one run scans on what the runs before it did.
fn pile(stacks: &mut Vec<Vec<Value>>, made: impl Iterator<Item = Value>) {
    for (at, value) in made.enumerate() {
        if at == stacks.len() {
            stacks.push(Vec::new());
        }
        stacks[at].push(value);
    }
}

struct Nested<'n> {
    operator: String,
    name: &'n str,
}

impl Nested<'_> {
    fn unsupported(&self, reason: &str) -> OnnxError {
        OnnxError::UnsupportedOperator {
            operator: self.operator.clone(),
            node: self.name.to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn bad(&self, detail: impl Into<String>) -> OnnxError {
        OnnxError::BadNode { node: self.name.to_owned(), detail: detail.into() }
    }

    fn graph<'a>(&self, proto: &'a NodeProto, name: &str) -> Result<&'a GraphProto, OnnxError> {
        let own = proto.attribute.iter().find(|attribute| attribute.name == name);
        own.and_then(|attribute| attribute.g.as_ref())
            .ok_or_else(|| self.bad(format!("attribute {name} is no graph")))
    }

    /// A constant number, if the input is there.
    fn known(&self, value: Option<&Value>, what: &str) -> Result<Option<i64>, OnnxError> {
        match value {
            None => Ok(None),
            Some(Value::Const(Tensor { data: Data::Int(values), .. })) => match values[..] {
                [value] => Ok(Some(value)),
                _ => Err(self.bad(format!("{what} is not a single number"))),
            },
            Some(Value::Const(_)) => Err(self.bad(format!("{what} is a float"))),
            Some(Value::Signal(_)) => {
                Err(self.unsupported(&format!("{what} depends on the model's input")))
            }
        }
    }

    fn choose<'a>(
        &self,
        reader: &mut Reader<'a>,
        proto: &'a NodeProto,
        inputs: &[Option<Value>],
    ) -> Result<Vec<Value>, OnnxError> {
        let condition = self.known(inputs.first().and_then(Option::as_ref), "its condition")?;
        let branch = match condition {
            None => return Err(self.bad("its condition is missing")),
            Some(0) => "else_branch",
            Some(_) => "then_branch",
        };
        reader.inner(self.graph(proto, branch)?, Vec::new(), self.name)
    }

    fn repeat<'a>(
        &self,
        reader: &mut Reader<'a>,
        proto: &'a NodeProto,
        inputs: &[Option<Value>],
    ) -> Result<Vec<Value>, OnnxError> {
        let body = self.graph(proto, "body")?;
        let trips = self.known(inputs.first().and_then(Option::as_ref), "its trip count")?;
        let mut going = self.known(inputs.get(1).and_then(Option::as_ref), "its condition")?;
        let first = inputs.get(2..).unwrap_or_default().iter().cloned().collect::<Option<Vec<_>>>();
        let mut carried = first.ok_or_else(|| self.bad("a value that it carries is missing"))?;
        let count = carried.len();
        let mut stacks: Vec<Vec<Value>> = Vec::new();
        let mut run = 0i64;
        while going != Some(0) && trips.is_none_or(|trips| run < trips) {
            if run as usize == MAX_RUNS {
                return Err(self.unsupported(&format!("it runs over {MAX_RUNS} times")));
            }
            let number = Value::Const(Tensor::ints(Vec::new(), vec![run]));
            let yes = Value::Const(Tensor {
                shape: Vec::new(),
                dtype: super::dtype::DType::Bool,
                data: Data::Int(vec![1]),
            });
            let given = [number, yes].into_iter().chain(carried).collect();
            let mut made = reader.inner(body, given, self.name)?.into_iter();
            let condition = made.next();
            going = match inputs.get(1).and_then(Option::as_ref) {
                // Without a condition, what the graph says of it does not count.
                None => None,
                Some(_) => self.known(condition.as_ref(), "its condition")?,
            };
            carried = made.by_ref().take(count).collect();
            if carried.len() != count {
                return Err(self.bad("its graph has too few outputs"));
            }
            pile(&mut stacks, made);
            run += 1;
        }
        if run == 0 && proto.output.len() > count {
            return Err(self.unsupported("it never runs, and gives what it scans"));
        }
        for stack in stacks {
            carried.push(self.stack(reader, stack, 0)?);
        }
        Ok(carried)
    }

    fn scan<'a>(
        &self,
        reader: &mut Reader<'a>,
        proto: &'a NodeProto,
        inputs: &[Option<Value>],
    ) -> Result<Vec<Value>, OnnxError> {
        let body = self.graph(proto, "body")?;
        let attribute = |name: &str| proto.attribute.iter().find(|a| a.name == name);
        let list = |name: &str, at: usize| {
            attribute(name).and_then(|a| a.ints.get(at)).copied().unwrap_or(0)
        };
        let scanned = attribute("num_scan_inputs").map_or(0, |a| a.i);
        let values = inputs.iter().cloned().collect::<Option<Vec<_>>>();
        let mut values = values.ok_or_else(|| self.bad("an input is missing"))?;
        let states = usize::try_from(scanned)
            .ok()
            .filter(|scanned| *scanned > 0)
            .and_then(|scanned| values.len().checked_sub(scanned))
            .ok_or_else(|| self.bad(format!("{scanned} inputs to scan of {}", values.len())))?;
        let sequences = values.split_off(states);
        let mut axes = Vec::new();
        let mut length = None;
        for (at, sequence) in sequences.iter().enumerate() {
            let axis = self.axis(list("scan_input_axes", at), sequence.shape().len())?;
            let own = sequence.shape()[axis];
            if length.is_some_and(|length| length != own) {
                return Err(self.bad("its sequences have different lengths"));
            }
            (length, axes) = (Some(own), [axes, vec![axis]].concat());
        }
        let length = length.unwrap_or(0);
        if length == 0 || length > MAX_RUNS {
            return Err(self.unsupported(&format!("it runs {length} times")));
        }
        let mut stacks: Vec<Vec<Value>> = Vec::new();
        for run in 0..length {
            let mut given = values;
            for (at, (sequence, axis)) in sequences.iter().zip(&axes).enumerate() {
                let turned = list("scan_input_directions", at) != 0;
                let place = if turned { length - 1 - run } else { run };
                given.push(self.part(reader, sequence, *axis, place)?);
            }
            let mut made = reader.inner(body, given, self.name)?.into_iter();
            values = made.by_ref().take(states).collect();
            if values.len() != states {
                return Err(self.bad("its graph has too few outputs"));
            }
            pile(&mut stacks, made);
        }
        for (at, mut stack) in stacks.into_iter().enumerate() {
            if list("scan_output_directions", at) != 0 {
                stack.reverse();
            }
            let rank = stack.first().map_or(0, |value| value.shape().len()) + 1;
            let axis = self.axis(list("scan_output_axes", at), rank)?;
            values.push(self.stack(reader, stack, axis)?);
        }
        Ok(values)
    }

    fn axis(&self, axis: i64, rank: usize) -> Result<usize, OnnxError> {
        let from_front = if axis < 0 { axis + rank as i64 } else { axis };
        let axis = usize::try_from(from_front).ok().filter(|axis| *axis < rank);
        axis.ok_or_else(|| self.bad(format!("an axis of a tensor of rank {rank}")))
    }

    /// A slice of a tensor along an axis, which it loses.
    fn part(
        &self,
        reader: &mut Reader<'_>,
        value: &Value,
        axis: usize,
        place: usize,
    ) -> Result<Value, OnnxError> {
        let from = value.shape().to_vec();
        let to = [&from[..axis], &from[axis + 1..]].concat();
        reader.builder.budget.elements(self.name, &to)?;
        let mut choices: Vec<Vec<usize>> = from.iter().map(|&d| (0..d).collect()).collect();
        choices[axis] = vec![place];
        let positions = shape::select(&from, &choices);
        let elements = positions.iter().map(|&index| Element::Input { input: 0, index }).collect();
        let dtype = value.dtype();
        reader.builder.emit(self.name, Op::Select(elements), vec![value.clone()], to, dtype)
    }

    /// Tensors of one shape along a new axis.
    fn stack(
        &self,
        reader: &mut Reader<'_>,
        values: Vec<Value>,
        axis: usize,
    ) -> Result<Value, OnnxError> {
        let Some((own, dtype)) = values.first().map(|v| (v.shape().to_vec(), v.dtype())) else {
            return Err(self.bad("nothing to put together"));
        };
        let same = |value: &Value| value.shape() == own && value.dtype() == dtype;
        if !values.iter().all(same) {
            return Err(self.unsupported("what it scans has another shape in every run"));
        }
        let count = values.len();
        let to = [&own[..axis], &[count], &own[axis..]].concat();
        let len = reader.builder.budget.elements(self.name, &to)?;
        let inner: usize = own[axis..].iter().product::<usize>().max(1);
        let element = |at: usize| Element::Input {
            input: at / inner % count,
            index: at / inner / count * inner + at % inner,
        };
        let elements = (0..len).map(element).collect();
        reader.builder.emit(self.name, Op::Select(elements), values, to, dtype)
    }
}
