//! A model as a graph of tensors, before any quantization.
//!
//! The reader brings every ONNX operator to one of the few operations of [`Op`], so that
//! whoever works on a graph (float run, quantizer, printing) knows those only. Nodes stand
//! in topological order; a tensor may be read any number of times. Elements are numbered
//! in row-major order.

mod check;
mod curve;
mod display;
pub mod linear;
pub(crate) mod passes;
mod product;
pub(crate) mod run;
mod share;
mod single;
mod staircase;
mod trees;

use serde::{Deserialize, Serialize};

pub use self::{
    check::GraphError,
    curve::Curve,
    linear::{Convolution, Linear, LinearMap, SparseRows},
    product::Product,
    run::RunError,
    share::Shares,
    single::{Doubt, Single},
    staircase::{Rounding, Scale, Staircase},
    trees::{Branch, Child, Leaf, Test, TreeEnsemble},
};

/// A tensor of a [`Graph`], by its index in [`Graph::tensors`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TensorId(pub usize);

/// A directed graph of operations on tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// The model's name: the file's stem, or what the caller of the reader said.
    pub name: String,
    /// SHA-256 of the model file.
    pub sha256: [u8; 32],
    /// Every tensor, those of inputs first.
    pub tensors: Vec<Tensor>,
    /// In topological order; each makes one tensor.
    pub nodes: Vec<Node>,
    /// The model's inputs, in the file's order.
    pub inputs: Vec<TensorId>,
    /// The outputs that are to be proven, in the file's order.
    pub outputs: Vec<TensorId>,
    /// The names that categories stand for, by their numbers.
    pub vocabulary: Vec<String>,
    /// By element of all inputs, the numbers of the names that who reads it tells apart; empty
    /// where no input is of categories.
    pub names: Vec<Vec<usize>>,
}

/// Name, dimensions and kind of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// The name in the ONNX graph.
    pub name: String,
    /// Dimensions, the batch dimension included. A scalar has none.
    pub dims: Vec<usize>,
    /// What its elements are.
    pub kind: ElementKind,
}

/// What a tensor's elements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementKind {
    /// Real numbers.
    Real,
    /// Integers; they are proven exactly.
    Integer,
    /// Strings of the file, as integers: positions in [`Graph::vocabulary`], which holds all
    /// that the model tells apart. Any other integer is a string that it does not know.
    Category,
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The ONNX nodes it comes from, in their order, joined by `+`.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// The tensors it reads.
    pub inputs: Vec<TensorId>,
    /// The tensor it makes.
    pub output: TensorId,
}

/// What a node computes.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// y = Σ M_i·x_i + b over the node's inputs.
    Linear(Linear),
    /// A function of one variable applied to every element of the only input.
    Function(Function),
    /// For every list of elements of the only input, their maximum (or minimum).
    Extremum(Extremum),
    /// For every list of elements of the only input, the position of the maximum (or
    /// minimum) within the list; the first of equal ones.
    ArgExtremum(Extremum),
    /// For every list of elements of the only input, 1 for each that is among the greatest (or
    /// least) of it, 0 for the others.
    Leading(Leading),
    /// Elements moved: output element i is the one named. Costs nothing.
    Select(Vec<Element>),
    /// Decision trees applied to every row of the only input.
    Trees(TreeEnsemble),
    /// Sums of products of elements of the two inputs, or of the only one with itself.
    Product(Product),
    /// The first input's elements divided by the last one's, which are positive; of a single
    /// input, these numbers divided by its elements.
    Quotient(Option<Vec<f64>>),
    /// Square roots of the only input's elements, which are not negative.
    Root,
    /// Elements of the only input divided by sums of absolute values that they are in.
    Shares(Shares),
}

/// Where an element of a [`Op::Select`] comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Element {
    /// Element `index` of the node's input number `input`.
    Input {
        /// Which of the node's inputs.
        input: usize,
        /// Index within it.
        index: usize,
    },
    /// A constant, as padding is.
    Constant(f64),
}

/// Maxima (or minima) of lists of elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extremum {
    /// Whether the least is meant.
    pub minimum: bool,
    /// For each output element, the input elements it is taken over; none is empty.
    pub groups: Vec<Vec<usize>>,
}

/// The greatest (or least) elements of lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leading {
    /// The lists, and whether the least are meant.
    pub extremum: Extremum,
    /// How many of each list; of equal ones the first.
    pub count: usize,
}

/// A function of one variable.
#[derive(Debug, Clone, PartialEq)]
pub enum Function {
    /// max(x, 0).
    Relu,
    /// x for x ≥ 0, slope·x below: one slope for each element, or one for all.
    LeakyRelu {
        /// One slope, or one an element.
        slopes: Vec<f64>,
    },
    /// |x|.
    Abs,
    /// min(max(x, low), high); a bound may be infinite.
    Clip {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// x, which is a whole number between bounds for every input in range: a type that holds
    /// no others does not wrap.
    Within {
        /// Least value of the type.
        low: f64,
        /// Greatest value of the type.
        high: f64,
    },
    /// x, or the element's own value where x is missing (NaN).
    Impute {
        /// One value an element.
        values: Vec<f64>,
    },
    /// A curve, approximated by straight pieces.
    Curve(Curve),
    /// Whole numbers.
    Staircase(Staircase),
}

impl Function {
    /// Whether it is curved, and so approximated by straight pieces.
    pub fn is_curve(&self) -> bool {
        matches!(self, Self::Curve(_))
    }
}

impl Graph {
    /// Number of elements of all inputs.
    pub fn input_len(&self) -> usize {
        self.inputs.iter().map(|tensor| self.tensors[tensor.0].len()).sum()
    }

    /// The elements of each input, of those of all, one input after the other.
    pub fn split<'a>(&self, inputs: &'a [f64]) -> Vec<&'a [f64]> {
        let mut rest = inputs;
        let mut result = Vec::with_capacity(self.inputs.len());
        for tensor in &self.inputs {
            let (own, others) = rest.split_at(self.tensors[tensor.0].len().min(rest.len()));
            result.push(own);
            rest = others;
        }
        result
    }

    /// How far sums of float32 may be from exact ones in outputs that are scores of trees: what
    /// runtimes add up, in any order. 0 where there are none.
    pub fn float32_sums(&self) -> f64 {
        let of = |node: &Node| match &node.op {
            Op::Trees(trees) if self.outputs.contains(&node.output) => {
                let kind = self.tensors[node.output.0].kind;
                if kind == ElementKind::Real { trees.float32_sums() } else { 0.0 }
            }
            _ => 0.0,
        };
        self.nodes.iter().map(of).fold(0.0, f64::max)
    }

    /// Multiplications that a run takes, about; a function of an element counts for several.
    pub fn multiplications(&self) -> usize {
        const FUNCTION: usize = 8;
        let of = |node: &Node| match &node.op {
            Op::Linear(linear) => {
                linear.maps.iter().map(LinearMap::term_count).fold(0, usize::saturating_add)
            }
            Op::Trees(trees) => trees.positions.saturating_mul(trees.roots.len().saturating_mul(8)),
            Op::Function(_) => self.tensors[node.output.0].len().saturating_mul(FUNCTION),
            Op::Product(product) => product.pairs.len(),
            _ => self.tensors[node.output.0].len(),
        };
        self.nodes.iter().map(of).fold(0, usize::saturating_add)
    }
}

impl Tensor {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
