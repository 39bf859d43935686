//! The graph while it is being read.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    budget::Budget,
    dtype::DType,
    error::OnnxError,
    node::{Signal, Value},
    ops::Made,
    tensor::{Data, Tensor},
};
use crate::graph::{
    self, Element, ElementKind, Graph, Linear, LinearMap, Node, Op, SparseRows, TensorId, run,
};

/// A graph, and what is left of the budget.
pub(super) struct Builder {
    pub(super) graph: Graph,
    pub(super) budget: Budget,
    /// The type of each tensor.
    pub(super) dtypes: Vec<DType>,
    /// Of each tensor whose elements were made of one element each: how.
    pub(super) made: HashMap<TensorId, Made>,
    /// Of each tensor that tells which elements of another are missing: that one.
    pub(super) gaps: HashMap<TensorId, TensorId>,
    /// Tensors that are rounded to floats of 16 bits on some way, which is not computed.
    pub(super) halved: HashSet<TensorId>,
    /// Names of constants that runtimes may compute otherwise.
    pub(super) doubted: HashSet<String>,
    /// Tensors that a Cast says are integers, whose elements still have fractions.
    pub(super) uncut: HashSet<TensorId>,
    /// Of each tensor that is ln Σ exp(x): x, and which of its elements each sum is over.
    pub(super) log_sums: HashMap<TensorId, (TensorId, Vec<Vec<usize>>)>,
    /// Tensors whose rows, along their last dimension, are probabilities that add up to 1.
    pub(super) normalized: HashSet<TensorId>,
    /// Of each tensor that is made of one tree alone: its values, leaf by leaf.
    pub(super) by_leaf: HashMap<TensorId, ByLeaf>,
    /// Of each tensor whose rows, along their last dimension, rise as another's: that one.
    pub(super) ordered: HashMap<TensorId, TensorId>,
    /// Of each tensor that stands for what is looked up of chosen points: of which.
    pub(super) chosen: HashMap<TensorId, Chosen>,
    /// Of each tensor that stands for something of a row's elements in order: of what.
    pub(super) sorted: HashMap<TensorId, Sorted>,
    /// Names of tensors that an ArrayFeatureExtractor takes for places.
    pub(super) places: HashSet<String>,
    /// Tensors whose elements are distances.
    pub(super) distances: HashSet<TensorId>,
    /// Tensors that integers were dequantized to.
    pub(super) dequantized: HashMap<TensorId, Dequantized>,
    /// By name of a constant that integers were dequantized to: the scales, and their axis.
    pub(super) dequantized_constants: HashMap<String, (Vec<f64>, usize)>,
    /// Of each tensor whose elements are sums of products of such integers: their units.
    pub(super) sums: HashMap<TensorId, Vec<f64>>,
    /// Of each tensor that an encoder makes of strings: the names that it tells apart.
    pub(super) encoded: HashMap<TensorId, Vec<usize>>,
    /// The number of each name in the graph's vocabulary.
    codes: HashMap<String, usize>,
}

/// (q − zero)·scale of integers of a type.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Dequantized {
    pub(super) source: TensorId,
    pub(super) dtype: DType,
    pub(super) scale: f64,
    pub(super) zero: f64,
}

impl Dequantized {
    /// Whether float32 holds what the type's least and greatest integers stand for.
    pub(super) fn is_finite(&self) -> bool {
        let (low, high) = self.dtype.limits().unwrap_or_default();
        let of = |q: i64| ((q as f64 - self.zero) * self.scale) as f32;
        of(low).is_finite() && of(high).is_finite()
    }
}

/// Values of points, of which some are chosen.
#[derive(Clone)]
pub(super) struct Chosen {
    /// Which are: 1 for each point that is, 0 for the others.
    pub(super) members: TensorId,
    /// What is meant of the chosen ones.
    pub(super) of: Of,
}

/// What is meant of chosen points.
#[derive(Clone)]
pub(super) enum Of {
    /// A value of each point.
    Table(Tensor),
    /// What they were chosen by, which is not computed: distances, if it is known that they are
    /// not negative (or that their negatives are not).
    Measures { sign: Option<f64> },
}

/// A stage of a weighted median: what is made of weights in the order of a row's elements, all of
/// which are sorted.
#[derive(Clone)]
pub(super) struct Sorted {
    /// The row.
    pub(super) of: TensorId,
    /// Whether the least comes first.
    pub(super) ascending: bool,
    pub(super) stage: Stage,
}

/// What a tensor is of a sorted row.
#[derive(Clone)]
pub(super) enum Stage {
    /// Values of the elements, by their places in the row, in its order.
    Looked(Vec<f64>),
    /// Running sums of these.
    Running(Vec<f64>),
    /// Whether a running sum is below a threshold.
    Below(Vec<f64>, f64),
    /// The first in order whose running sum is not.
    First(Vec<f64>, f64),
    /// Which element of the row that is.
    Element(Vec<f64>, f64),
}

/// What a tensor is at each leaf of a tree.
pub(super) struct ByLeaf {
    /// The tree's own scores.
    pub(super) tree: TensorId,
    /// Its leaves.
    pub(super) leaves: usize,
    /// The elements at each leaf, one leaf after the other.
    pub(super) values: Data,
}

impl Builder {
    pub(super) fn new(name: &str, sha256: [u8; 32], budget: Budget) -> Self {
        let graph = Graph {
            name: name.to_owned(),
            sha256,
            tensors: vec![],
            nodes: vec![],
            inputs: vec![],
            outputs: vec![],
            vocabulary: vec![],
            names: vec![],
        };
        let (made, uncut, codes) = (HashMap::new(), HashSet::new(), HashMap::new());
        let (log_sums, normalized) = (HashMap::new(), HashSet::new());
        let (by_leaf, ordered, chosen) = (HashMap::new(), HashMap::new(), HashMap::new());
        let (sorted, places, distances) = (HashMap::new(), HashSet::new(), HashSet::new());
        let (dequantized, encoded) = (HashMap::new(), HashMap::new());
        Self {
            graph,
            budget,
            dtypes: Vec::new(),
            made,
            gaps: HashMap::new(),
            halved: HashSet::new(),
            doubted: HashSet::new(),
            uncut,
            log_sums,
            normalized,
            by_leaf,
            ordered,
            chosen,
            sorted,
            places,
            distances,
            dequantized,
            dequantized_constants: HashMap::new(),
            sums: HashMap::new(),
            encoded,
            codes,
        }
    }

    /// An input of the model.
    pub(super) fn input(&mut self, name: &str, shape: Vec<usize>, dtype: DType) -> Signal {
        let id = self.tensor(name.to_owned(), shape.clone(), dtype);
        self.graph.inputs.push(id);
        Signal { id, shape, dtype }
    }

    fn tensor(&mut self, name: String, dims: Vec<usize>, dtype: DType) -> TensorId {
        let kind = match dtype {
            DType::String => ElementKind::Category,
            dtype if dtype.is_float() => ElementKind::Real,
            _ => ElementKind::Integer,
        };
        self.graph.tensors.push(graph::Tensor { name, dims, kind });
        self.dtypes.push(dtype);
        TensorId(self.graph.tensors.len() - 1)
    }

    /// The number that stands for a name of a category.
    pub(super) fn code(&mut self, node: &str, name: &str) -> Result<usize, OnnxError> {
        if let Some(code) = self.codes.get(name) {
            return Ok(*code);
        }
        self.budget.elements(node, &[name.len() / 4 + 16])?;
        let code = self.graph.vocabulary.len();
        self.graph.vocabulary.push(name.to_owned());
        self.codes.insert(name.to_owned(), code);
        Ok(code)
    }

    /// By element of all inputs, the names that encoders of it tell apart; a name of one column means
    /// nothing in another.
    pub(super) fn names(&self) -> Vec<Vec<usize>> {
        let graph = &self.graph;
        let of_strings = |id: &TensorId| graph.tensors[id.0].kind == ElementKind::Category;
        if !graph.inputs.iter().any(of_strings) {
            return vec![];
        }
        // By tensor that holds elements of inputs of strings, which.
        let mut origins: HashMap<TensorId, Vec<Option<usize>>> = HashMap::new();
        let mut first = 0;
        for id in &graph.inputs {
            let len = graph.tensors[id.0].len();
            if of_strings(id) {
                origins.insert(*id, (first..first + len).map(Some).collect());
            }
            first += len;
        }
        let mut names = vec![BTreeSet::new(); first];
        for node in &graph.nodes {
            if let Op::Select(elements) = &node.op {
                let from = |element: &Element| match element {
                    Element::Input { input, index } => {
                        *origins.get(node.inputs.get(*input)?)?.get(*index)?
                    }
                    Element::Constant(_) => None,
                };
                let moved: Vec<_> = elements.iter().map(from).collect();
                if moved.iter().any(Option::is_some) {
                    origins.insert(node.output, moved);
                }
                continue;
            }
            let read = node.inputs.iter().filter_map(|input| origins.get(input)).flatten();
            for element in read.flatten() {
                match self.encoded.get(&node.output) {
                    Some(own) => names[*element].extend(own),
                    None => names[*element].extend(0..graph.vocabulary.len()),
                }
            }
        }
        names.into_iter().map(|own| own.into_iter().collect()).collect()
    }

    /// The node that makes a tensor, unless it is an input.
    pub(super) fn maker(&self, tensor: TensorId) -> Option<&Node> {
        // Tensors are numbered in the order in which nodes make them.
        let nodes = &self.graph.nodes;
        let at = nodes.binary_search_by_key(&tensor, |node| node.output).ok()?;
        nodes.get(at)
    }

    /// Adds a node to the graph, or computes it at once where its operands are constants.
    pub(super) fn emit(
        &mut self,
        name: &str,
        mut op: Op,
        operands: Vec<Value>,
        shape: Vec<usize>,
        dtype: DType,
    ) -> Result<Value, OnnxError> {
        self.budget.elements(name, &[stored(&op)])?;
        let len = self.budget.elements(name, &shape)?;
        let wrong = |detail: &str| OnnxError::BadNode { node: name.into(), detail: detail.into() };
        if let Some(detail) = misfit(&op, &operands, len) {
            return Err(wrong(&detail));
        }
        let mut constants = vec![];
        for operand in &operands {
            constants.push(match operand {
                Value::Signal(_) => None,
                Value::Const(tensor) => {
                    self.budget.elements(name, &[tensor.data.len()])?;
                    Some(numbers(tensor).ok_or_else(|| wrong("an integer over 2^53"))?)
                }
            });
        }
        if constants.iter().all(Option::is_some) {
            let constants: Vec<&[f64]> = constants.iter().flatten().map(Vec::as_slice).collect();
            return constant(run::evaluate(&op, &constants), shape, dtype)
                .ok_or_else(|| wrong("an integer over 2^53, or beyond its type"));
        }
        substitute(&mut op, &constants);
        let signals = operands.into_iter().filter_map(|operand| match operand {
            Value::Signal(signal) => Some(signal.id),
            Value::Const(_) => None,
        });
        let inputs = signals.collect();
        debug_assert_eq!(shape.iter().product::<usize>(), len);
        let made = format!("{name}.{}", self.graph.nodes.len());
        let output = self.tensor(made, shape.clone(), dtype);
        self.graph.nodes.push(Node { name: name.to_owned(), op, inputs, output });
        Ok(Value::Signal(Signal { id: output, shape, dtype }))
    }
}

/// Why an operation does not fit its operands, as those of a malformed file may not: constants
/// among them are computed with at once, before the graph is checked.
fn misfit(op: &Op, operands: &[Value], len: usize) -> Option<String> {
    match op {
        Op::Linear(linear) => {
            let mut maps = linear.maps.iter().zip(operands);
            maps.find_map(|(map, operand)| map.misfit(operand.len(), len))
        }
        Op::Select(elements) => {
            let exists = |element: &Element| match *element {
                Element::Input { input, index } => {
                    operands.get(input).is_some_and(|operand| index < operand.len())
                }
                Element::Constant(_) => true,
            };
            let all = elements.iter().all(exists);
            (!all).then(|| "it moves elements that its inputs do not have".to_owned())
        }
        Op::Product(product) => {
            let ends = [operands.first(), operands.last()];
            product.misfit(ends.map(|operand| operand.map_or(0, Value::len)), len)
        }
        _ => None,
    }
}

/// Array elements that an operation is stored with.
pub(super) fn stored(op: &Op) -> usize {
    match op {
        Op::Linear(linear) => {
            linear.maps.iter().map(LinearMap::coefficients).sum::<usize>() + linear.bias.len()
        }
        Op::Function(_) => 0,
        Op::Extremum(e) | Op::ArgExtremum(e) => e.groups.iter().map(|group| group.len() + 3).sum(),
        Op::Leading(l) => l.extremum.groups.iter().map(|group| group.len() + 3).sum(),
        Op::Select(elements) => elements.len() * 3,
        Op::Product(product) => product.starts.len() + 2 * product.pairs.len(),
        Op::Quotient(_) | Op::Root => 0,
        Op::Shares(shares) => {
            2 * shares.of.len() + shares.groups.iter().map(|group| group.len() + 3).sum::<usize>()
        }
        Op::Trees(trees) => trees.size(),
    }
}

/// The elements of a constant as real numbers, if they are.
fn numbers(tensor: &Tensor) -> Option<Vec<f64>> {
    match &tensor.data {
        Data::Float(values) => Some(values.clone()),
        Data::Int(values) => values.iter().map(|&v| exact(v)).collect(),
    }
}

/// An integer that f64 holds exactly.
fn exact(value: i64) -> Option<f64> {
    (value.unsigned_abs() <= 1 << 53).then_some(value as f64)
}

fn constant(values: Vec<f64>, shape: Vec<usize>, dtype: DType) -> Option<Value> {
    let data = match dtype.is_float() {
        true => Data::Float(values),
        false => {
            let (low, high) = dtype.limits()?;
            let whole = |v: f64| {
                let exact = v.abs() <= 2f64.powi(53) && v.fract() == 0.0;
                exact.then_some(v as i64).filter(|v| (low..=high).contains(v))
            };
            Data::Int(values.into_iter().map(whole).collect::<Option<_>>()?)
        }
    };
    Some(Value::Const(Tensor { shape, dtype, data }))
}

/// Puts constants into an operation that reads them beside other tensors.
fn substitute(op: &mut Op, constants: &[Option<Vec<f64>>]) {
    match op {
        Op::Linear(linear) => {
            let mut known = constants.iter();
            let bias = &mut linear.bias;
            linear.maps.retain(|map| match known.next() {
                Some(Some(values)) => {
                    run::add(map, values, bias);
                    false
                }
                _ => true,
            });
        }
        Op::Select(elements) => {
            let before = |input: usize| constants[..input].iter().flatten().count();
            for element in elements {
                if let Element::Input { input, index } = *element {
                    *element = match &constants[input] {
                        Some(values) => Element::Constant(values[index]),
                        None => Element::Input { input: input - before(input), index },
                    };
                }
            }
        }
        Op::Product(product) => {
            let [a, b] = constants else { return };
            let (values, known) = match (a, b) {
                (Some(a), _) => (a, 0),
                (_, Some(b)) => (b, 1),
                _ => return,
            };
            // A sum over the elements of the other factor.
            let row = |row: &[[usize; 2]]| {
                let mut terms = std::collections::BTreeMap::new();
                for pair in row {
                    *terms.entry(pair[1 - known]).or_insert(0.0) += values[pair[known]];
                }
                terms.into_iter().collect::<Vec<_>>()
            };
            let rows = SparseRows::from_rows(product.rows().map(row));
            let bias = vec![0.0; rows.len()];
            *op = Op::Linear(Linear { maps: vec![LinearMap::Sparse(rows)], bias });
        }
        Op::Quotient(numbers) => {
            if let [Some(values), None] = constants {
                *numbers = Some(values.clone());
            }
        }
        Op::Function(_)
        | Op::Extremum(_)
        | Op::ArgExtremum(_)
        | Op::Leading(_)
        | Op::Trees(_)
        | Op::Root
        | Op::Shares(_) => {}
    }
}
