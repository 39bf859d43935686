//! The nearest of known points: distances by Scan, the least of them by TopK, and what is made
//! of those points' labels.
//!
//! Which points are the nearest is a set here, one truth value a point; their order is not
//! computed. So TopK's indices, and what exporters look up by them, stand for a table: a value
//! of each point, of which those of the chosen ones are meant. A sum over them is a sum over
//! all points, by their truth values.

use tract_onnx::pb::{GraphProto, NodeProto};

use super::{activation::apply as function, layout, median, products, reduce, top};
use crate::{
    graph::{
        Curve, Element, Extremum, Function, Leading, Linear, LinearMap, Op, SparseRows, TensorId,
    },
    onnx::{
        builder::{Chosen, Of, Sorted, Stage},
        dtype::DType,
        error::OnnxError,
        node::{Node, Signal, Value},
        tensor::{Data, Tensor},
    },
};

/// Operators that only give the chosen elements another shape.
const SHAPED: [&str; 5] = ["Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"];
/// Operators of one element each, beside constants that are single numbers.
const SINGLE: [&str; 8] = ["Add", "Cast", "Div", "Equal", "Greater", "Less", "Mul", "Sub"];
/// The most that are chosen.
const MOST: usize = 64;

/// Whether a Scan computes distances to the points it goes over.
pub(super) fn is_distances(proto: &NodeProto) -> bool {
    let body = proto.attribute.iter().find(|attribute| attribute.name == "body");
    body.and_then(|body| body.g.as_ref()).and_then(distance).is_some()
}

/// Distances of rows to constant points, as exporters write them: a Scan over the points.
pub(super) fn scan(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    let other = "graphs inside of graphs are not read, but for distances to known points";
    let power = node.graph("body").and_then(distance);
    let (Some(power), Some(1), 2) = (power, node.int("num_scan_inputs"), node.input_count()) else {
        return Err(node.unsupported(other));
    };
    let listed = ["scan_input_axes", "scan_input_directions", "scan_output_axes"];
    let directed = listed.into_iter().chain(["scan_output_directions"]);
    if directed.into_iter().any(|name| node.ints(name).is_some_and(|v| v.iter().any(|v| *v != 0))) {
        return Err(node.unsupported(other));
    }
    let (x, points) = (node.take_real(0)?, node.take(1)?);
    let Value::Const(Tensor { shape, data: Data::Float(points), .. }) = points else {
        return Err(node.unsupported("its points are not constants"));
    };
    let (&[rows, features], [count, width]) = (x.shape(), &shape[..]) else {
        return Err(
            node.mismatch(format!("{:?} and {shape:?} where matrices are needed", x.shape()))
        );
    };
    if features != *width {
        return Err(node.mismatch(format!("rows of {features} numbers, points of {width}")));
    }
    let count = *count;
    node.pay(&[rows, count, features, 4])?;
    let distances = match power {
        Power::Two => squares(node, x.clone(), (rows, features, count), &points)?,
        Power::One => {
            let place =
                move |at: usize| (at / features / rows, at / features % rows, at % features);
            let terms = (0..count * rows * features).map(|at| {
                let (_, row, feature) = place(at);
                Some((row * features + feature, 1.0))
            });
            let maps = vec![LinearMap::Sparse(SparseRows::from_rows(terms))];
            let bias = (0..count * rows * features).map(|at| {
                let (point, _, feature) = place(at);
                -points[point * features + feature]
            });
            let linear = Linear { maps, bias: bias.collect() };
            let shape = vec![count, rows, features];
            let differences = node.emit(Op::Linear(linear), vec![x.clone()], shape, x.dtype())?;
            let lengths = function(node, Function::Abs, differences)?;
            reduce::reduce(node, lengths, &[2], false, "ReduceSum")?
        }
    };
    node.note_distances(&distances);
    Ok(vec![x, distances])
}

/// Which distance a Scan's body computes.
#[derive(Clone, Copy)]
enum Power {
    /// Σ |x − p|.
    One,
    /// Σ (x − p)².
    Two,
}

fn distance(body: &GraphProto) -> Option<Power> {
    let ([state, point], [state_out, scan_out]) = (&body.input[..], &body.output[..]) else {
        return None;
    };
    let maker = |name: &str| {
        let found = body.node.iter().find(|node| node.output.iter().any(|o| o == name))?;
        Some((found.op_type.as_str(), found))
    };
    // What is passed on as it is.
    let source = |name: &str| -> Option<String> {
        let mut name = name.to_owned();
        for _ in 0..=body.node.len() {
            match maker(&name) {
                Some(("Identity", node)) => name.clone_from(node.input.first()?),
                _ => return Some(name),
            }
        }
        None
    };
    let is_difference = |name: &str| match maker(name) {
        Some(("Sub", node)) => {
            let names = [&state.name, &point.name];
            node.input.len() == 2 && names.iter().all(|name| node.input.contains(name))
        }
        _ => false,
    };
    if source(&state_out.name)? != state.name {
        return None;
    }
    let (operator, sum) = maker(&source(&scan_out.name)?)?;
    if !reduces_rows(sum, body) {
        return None;
    }
    let summed = source(sum.input.first()?)?;
    match operator {
        "ReduceSumSquare" if is_difference(&summed) => Some(Power::Two),
        "ReduceSum" => match maker(&summed)? {
            ("Abs", abs) if is_difference(&source(abs.input.first()?)?) => Some(Power::One),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a reduction is over axis 1 and drops it.
fn reduces_rows(sum: &NodeProto, body: &GraphProto) -> bool {
    let attribute = |name: &str| sum.attribute.iter().find(|a| a.name == name);
    let listed = attribute("axes").map(|axes| axes.ints.clone());
    let constant = || {
        let own = body.initializer.iter().find(|i| Some(&i.name) == sum.input.get(1))?;
        match Tensor::decode(own, "axes").ok()?.data {
            Data::Int(axes) => Some(axes),
            Data::Float(_) => None,
        }
    };
    let axes = listed.or_else(constant).unwrap_or_default();
    let keeps = attribute("keepdims").is_none_or(|keep| keep.i != 0);
    axes == [1] && !keeps
}

/// Σ (x − p)² = Σ x² − 2·Σ x·p + Σ p², in which only what is linear tells points apart.
fn squares(
    node: &mut Node<'_>,
    x: Value,
    (rows, features, count): (usize, usize, usize),
    points: &[f64],
) -> Result<Value, OnnxError> {
    let row = |at: usize| {
        let (point, row) = (at / rows, at % rows);
        (0..features).map(move |f| (row * features + f, -2.0 * points[point * features + f]))
    };
    let lengths: Vec<f64> =
        points.chunks_exact(features).map(|p| p.iter().map(|v| v * v).sum()).collect();
    let bias: Vec<f64> = (0..count * rows).map(|at| lengths[at / rows]).collect();
    let maps = vec![LinearMap::Sparse(SparseRows::from_rows((0..count * rows).map(row)))];
    let (shape, dtype) = (vec![count, rows], x.dtype());
    let apart =
        node.emit(Op::Linear(Linear { maps, bias }), vec![x.clone()], shape.clone(), dtype)?;
    let own: Vec<Vec<usize>> =
        (0..rows).map(|row| (row * features..(row + 1) * features).collect()).collect();
    let own = products::sums_of_squares(node, x, &own, vec![rows])?;
    let spread = (0..count * rows).map(|at| Some((at % rows, 1.0)));
    let maps = vec![
        LinearMap::Diagonal(vec![1.0; count * rows]),
        LinearMap::Sparse(SparseRows::from_rows(spread)),
    ];
    let linear = Linear { maps, bias: vec![0.0; count * rows] };
    let order = match &apart {
        Value::Signal(signal) => Some(signal.id),
        Value::Const(_) => None,
    };
    let distances = node.emit(Op::Linear(linear), vec![apart, own], shape, dtype)?;
    if rows == 1 {
        order.into_iter().for_each(|order| node.note_ordered(&distances, order));
    }
    Ok(distances)
}

/// The greatest or least elements along an axis, and where they are: of distances in one row, and
/// of a row as a whole, what is made of them is known only when it is read.
pub(super) fn top(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    let x = node.take(0)?;
    if !x.dtype().computes() {
        return Err(node.unsupported(format!("its input has type {}", x.dtype().name())));
    }
    let count = match node.opset {
        ..10 => node.int("k").map(|k| vec![k]).unwrap_or_default(),
        _ => node.take_ints(1)?.unwrap_or_default(),
    };
    let axis = node.axis(node.int("axis").unwrap_or(-1), x.shape().len())?;
    let (size, len) = (x.shape()[axis], x.len());
    let [count] = count[..] else {
        return Err(node.malformed("it is not told how many to choose".into()));
    };
    let known = usize::try_from(count).ok().filter(|count| (1..=size).contains(count));
    let count = known.ok_or_else(|| node.malformed(format!("it chooses {count} of {size}")))?;
    let minimum = !node.flag("largest", true)?;
    let row = axis + 1 == x.shape().len() && size == len;
    // Exporters look the weights of a median up by the places of all elements in order.
    let median = count == len && (len > top::MOST || node.extracts_by(1));
    let looked_up = match &x {
        Value::Signal(signal) => row && (median || node.sign_of_distances(signal.id).is_some()),
        Value::Const(_) => false,
    };
    if !looked_up && (count <= top::MOST || matches!(x, Value::Const(_))) {
        let x = layout::turned(node, x, axis, false)?;
        let made = top::in_order(node, x, count, minimum)?;
        return made.into_iter().map(|value| layout::turned(node, value, axis, true)).collect();
    }
    let (Value::Signal(signal), true) = (x, row) else {
        return Err(node.unsupported(format!("it chooses more than {} of several rows", top::MOST)));
    };
    if count > MOST && count < len {
        return Err(node.unsupported(format!("it chooses {count}, more than {MOST}")));
    }
    let x = Value::Signal(Signal { id: comparable(node, signal.id), ..signal.clone() });
    node.pay(&[len, count])?;
    let extremum = Extremum { minimum, groups: vec![(0..len).collect()] };
    let op = Op::Leading(Leading { extremum, count });
    let members = node.emit(op, vec![x], vec![1, len], DType::Int64)?;
    let mut shape = signal.shape;
    if let Some(last) = shape.last_mut() {
        *last = count;
    }
    let (Value::Signal(own), true) = (&members, node.output_count() > 1) else {
        return Err(node.unsupported("only the places of what it chooses are computed"));
    };
    let id = own.id;
    let sign = node.sign_of_distances(signal.id);
    let values = placeholder(node, id, len, Of::Measures { sign }, shape.clone())?;
    let table = Tensor::ints(vec![len], (0..len as i64).collect());
    let places = placeholder(node, id, len, Of::Table(table), shape)?;
    if let (Value::Signal(places), true) = (&places, count == len) {
        let stage = Stage::Looked((0..len).map(|at| at as f64).collect());
        node.note_sorted(places.id, Sorted { of: signal.id, ascending: minimum, stage });
    }
    Ok(vec![values, places])
}

/// What has the same order: before square roots, and as it stands in another shape.
fn comparable(node: &Node<'_>, mut tensor: TensorId) -> TensorId {
    loop {
        let ordered = node.ordered_as(tensor);
        let Some(maker) = node.maker(ordered) else { return ordered };
        let same = |elements: &[Element]| {
            let own = |(at, element): (usize, &Element)| matches!(element, Element::Input { input: 0, index } if *index == at);
            let graph = node.so_far();
            maker.inputs.len() == 1
                && elements.len() == graph.tensors[maker.inputs[0].0].len()
                && elements.iter().enumerate().all(own)
        };
        tensor = match &maker.op {
            Op::Function(Function::Curve(Curve::Power(power))) if *power > 0.0 && *power < 1.0 => {
                maker.inputs[0]
            }
            Op::Root => maker.inputs[0],
            Op::Select(elements) if same(elements) => maker.inputs[0],
            _ => return ordered,
        };
    }
}

/// A tensor that stands for the chosen ones of a table's values, one for each of `width` points.
fn placeholder(
    node: &mut Node<'_>,
    members: TensorId,
    width: usize,
    of: Of,
    shape: Vec<usize>,
) -> Result<Value, OnnxError> {
    let len: usize = shape.iter().product();
    let dtype = match &of {
        Of::Table(table) => table.dtype,
        Of::Measures { .. } => DType::Float32,
    };
    let operand = Signal { id: members, shape: vec![1, width], dtype: DType::Int64 };
    let elements = vec![Element::Input { input: 0, index: 0 }; len];
    let stands = node.emit(Op::Select(elements), vec![Value::Signal(operand)], shape, dtype)?;
    if let Value::Signal(signal) = &stands {
        node.note_chosen(signal.id, Chosen { members, of });
    }
    Ok(stands)
}

/// Lowers a node that reads what stands for chosen values; nothing where none does.
pub(super) fn lower(
    node: &mut Node<'_>,
    apply: fn(&mut Node<'_>) -> Result<Vec<Value>, OnnxError>,
) -> Result<Option<Vec<Value>>, OnnxError> {
    let chosen = |node: &Node<'_>, index: usize| match node.peek(index) {
        Some(Value::Signal(signal)) => node.chosen(signal.id).cloned(),
        _ => None,
    };
    let found = (0..node.input_count()).find_map(|at| Some((at, chosen(node, at)?)));
    if let Some(values) = median::lower(node)? {
        return Ok(Some(values));
    }
    let Some((at, Chosen { members, of })) = found else { return Ok(None) };
    let order = match node.peek(at) {
        Some(Value::Signal(signal)) => node.sorted(signal.id).cloned(),
        _ => None,
    };
    let table = match of {
        Of::Table(table) => table,
        Of::Measures { sign } => return measures(node, at, members, sign).map(|v| Some(vec![v])),
    };
    let operator = node.operator();
    let others = (0..node.input_count()).filter(|other| *other != at);
    let constant = |other: usize| !matches!(node.peek(other), Some(Value::Signal(_)));
    let single = |other: usize| node.peek(other).is_none_or(is_one_number);
    let unsupported = "it reads which points are the nearest in a way that is not known";
    if !others.clone().all(constant) {
        return Err(node.unsupported(unsupported));
    }
    let shape = node.peek(at).map(|value| value.shape().to_vec()).unwrap_or_default();
    let looks_up = operator == "ai.onnx.ml.ArrayFeatureExtractor" && at == 1;
    let is_single = SINGLE.contains(&operator.as_str()) && others.clone().all(single);
    let sums = matches!(operator.as_str(), "ReduceMean" | "ReduceSum") && at == 0;
    if !(looks_up || is_single || sums || SHAPED.contains(&operator.as_str()) && at == 0) {
        return Err(node.unsupported(unsupported));
    }
    let inputs: Vec<Option<Value>> =
        (0..node.input_count()).map(|i| node.peek(i).cloned()).collect();
    let run = |node: &mut Node<'_>, value: Tensor, flat: bool| {
        let mut own = inputs.clone();
        if flat {
            for other in own.iter_mut().flatten() {
                if let Value::Const(tensor) = other {
                    tensor.shape = vec![1; tensor.shape.len().min(1)];
                    match &mut tensor.data {
                        Data::Float(values) => values.truncate(1),
                        Data::Int(values) => values.truncate(1),
                    }
                }
            }
        }
        own[at] = Some(Value::Const(value));
        node.replace_inputs(own);
        match apply(node)?.pop() {
            Some(Value::Const(tensor)) => Ok(tensor),
            _ => Err(node.unsupported(unsupported)),
        }
    };
    // The shape that comes of any constant.
    let first = match &table.data {
        Data::Float(_) => Data::Float(vec![0.0; shape.iter().product()]),
        Data::Int(_) => Data::Int(vec![0; shape.iter().product()]),
    };
    let to = run(node, Tensor { shape: shape.clone(), dtype: table.dtype, data: first }, false)?;
    if sums {
        // All that are chosen stand in one row, of which the sum is one.
        if to.data.len() != 1 {
            return Err(node.unsupported(unsupported));
        }
        let mean = operator == "ReduceMean";
        return total(node, members, &table, (shape.iter().product(), mean), to)
            .map(|v| Some(vec![v]));
    }
    let table = match SHAPED.contains(&operator.as_str()) {
        true => table,
        false => {
            let width = table.data.len();
            let made = run(node, Tensor { shape: vec![width], ..table }, !looks_up)?;
            Tensor { shape: vec![made.data.len()], ..made }
        }
    };
    let values = match &table.data {
        Data::Float(values) => values.clone(),
        Data::Int(values) => values.iter().map(|value| *value as f64).collect(),
    };
    let made = placeholder(node, members, table.data.len(), Of::Table(table), to.shape)?;
    if let (Value::Signal(made), Some(order)) = (&made, order) {
        node.note_sorted(made.id, Sorted { stage: Stage::Looked(values), ..order });
    }
    Ok(Some(vec![made]))
}

/// Whether a value is a constant, all elements of which are one number.
fn is_one_number(value: &Value) -> bool {
    match value {
        Value::Const(Tensor { data: Data::Float(values), .. }) => {
            values.windows(2).all(|pair| pair[0] == pair[1])
        }
        Value::Const(Tensor { data: Data::Int(values), .. }) => {
            values.windows(2).all(|pair| pair[0] == pair[1])
        }
        Value::Signal(_) => false,
    }
}

/// What is made of the chosen ones' distances: their negatives, and of these the greater of a
/// positive number and each, which is that number.
fn measures(
    node: &mut Node<'_>,
    at: usize,
    members: TensorId,
    sign: Option<f64>,
) -> Result<Value, OnnxError> {
    let (operator, shape) = (node.operator(), node.peek(at).map(|v| v.shape().to_vec()));
    let shape = shape.unwrap_or_default();
    let other = match node.peek(1 - at.min(1)) {
        Some(Value::Const(Tensor { data: Data::Float(values), .. })) if node.input_count() == 2 => {
            values.first().copied().filter(|_| values.len() == 1)
        }
        _ => None,
    };
    match (operator.as_str(), other, sign) {
        ("Mul", Some(-1.0), Some(sign)) => {
            let width = node.maker(members).map_or(0, |maker| match &maker.op {
                Op::Leading(leading) => leading.extremum.groups.iter().map(Vec::len).sum(),
                _ => 0,
            });
            placeholder(node, members, width, Of::Measures { sign: Some(-sign) }, shape)
        }
        ("Max", Some(least), Some(sign)) if sign < 0.0 && least >= 0.0 => {
            let count = node.pay(&shape)?;
            Ok(Value::Const(Tensor::floats(shape, vec![least; count])))
        }
        _ => Err(node.unsupported("it reads the distances of the nearest points, one by one")),
    }
}

/// The sum, or the mean, of the chosen ones' values.
fn total(
    node: &mut Node<'_>,
    members: TensorId,
    table: &Tensor,
    (count, mean): (usize, bool),
    to: Tensor,
) -> Result<Value, OnnxError> {
    let factor = if mean { 1.0 / count as f64 } else { 1.0 };
    let values: Vec<f64> = match &table.data {
        Data::Float(values) => values.iter().map(|value| value * factor).collect(),
        Data::Int(values) => values.iter().map(|value| *value as f64 * factor).collect(),
    };
    let width = node.pay(&[values.len()])?;
    let map = LinearMap::Dense { positions: 1, inputs: width, outputs: 1, weights: values };
    let linear = Linear { maps: vec![map], bias: vec![0.0] };
    let operand = Signal { id: members, shape: vec![1, width], dtype: DType::Int64 };
    node.emit(Op::Linear(linear), vec![Value::Signal(operand)], to.shape, to.dtype)
}
