//! Steps: tensors of integers to be.

use super::{Cut, PathTree, View};
use crate::graph::{self, TensorId};

/// Integer multiples of steps' elements: (step, element, factor).
pub(in crate::quantize) type Terms = Vec<(usize, usize, i64)>;

/// A tensor to be.
#[derive(Debug)]
pub(in crate::quantize) struct Step {
    pub(in crate::quantize) name: String,
    pub(in crate::quantize) len: usize,
    pub(in crate::quantize) kind: Kind,
    /// The model's tensor that it holds; none for what is the circuit's own.
    pub(in crate::quantize) of: Option<TensorId>,
    /// Bounds of its real values; empty for those that have the unit of another step.
    pub(in crate::quantize) bounds: Vec<(f64, f64)>,
    /// Whether only the order of its elements counts, which are sums of the model's inputs.
    pub(in crate::quantize) ranked: bool,
    /// Roundings from here to the nearest output, this one included.
    pub(in crate::quantize) remaining: i32,
    /// Of steps whose elements are multiplied: how many bits sums of products leave each factor
    /// less than the circuit has.
    pub(in crate::quantize) operand: Option<i32>,
}

/// What a table holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::quantize) struct Domain {
    /// The least and the greatest argument.
    pub(in crate::quantize) arguments: (f64, f64),
    /// The least and the greatest value.
    pub(in crate::quantize) values: (f64, f64),
    /// Whether the table is several nodes'.
    pub(in crate::quantize) shared: bool,
}

#[derive(Debug)]
pub(in crate::quantize) enum Kind {
    /// Elements of the model's inputs, from `first` on.
    Input { first: usize },
    /// max(0, view).
    Relu(View),
    /// The view, shifted so that it is never negative; by one shift for all where `uniform`.
    Shifted { view: View, uniform: bool },
    /// The maximum of the view over each window, rounded once; cut at 0 where `cut`, else
    /// shifted so that it is never negative, by one shift for all. Of whole numbers in their own
    /// unit where `whole`.
    Maxima { view: View, windows: Vec<Vec<usize>>, cut: bool, whole: bool },
    /// max(0, x − at) of a step's elements, in its unit.
    Kink { source: usize, at: Vec<f64> },
    /// max(0, Σ terms − constant) of integers, a constant for each, in the unit of `like`, or in
    /// that of counts, which is 1.
    Exact { rows: Vec<Terms>, constants: Vec<i64>, like: Option<usize> },
    /// Of each (element, cut) of a step: 1 where the element is not below the cut, else 0.
    Decisions { source: usize, cuts: Vec<(usize, Cut)> },
    /// Scores of trees by their paths, which compare `elements` of steps: base values and what
    /// leaves add to them.
    Paths { elements: Vec<(usize, usize)>, trees: Vec<PathTree>, bias: Vec<f64> },
    /// A curve of a step's elements, as ReLUs at its knots. `argument` and `tensor`, what is
    /// made of it, are the graph's.
    Curve { curve: graph::Curve, source: usize, argument: TensorId, tensor: TensorId },
    /// A curve of a step's elements by a table of straight segments, one for all of them.
    Table {
        curve: graph::Curve,
        source: usize,
        argument: TensorId,
        tensor: TensorId,
        domain: Domain,
    },
    /// max(0, view − low) for a table whose arguments are `(low, high)`: in the finest unit that these fit.
    Argument { view: View, arguments: (f64, f64) },
    /// The view made whole, counted from the least of all elements; `exact` where it is of
    /// integers that are not rounded.
    Staircase { view: View, stairs: graph::Staircase, exact: bool },
    /// Elements named again.
    Select(Vec<(usize, usize)>),
    /// Products of pairs of elements of steps that are operands.
    Products(Vec<[(usize, usize); 2]>),
    /// Elements of operands, or numbers, divided by such elements.
    Quotients(Vec<(Numerator, (usize, usize))>),
    /// Square roots of elements of operands.
    Roots(Vec<(usize, usize)>),
    /// Shares of elements of a step of one unit in sums of absolute values: for each an element
    /// and a group of them.
    Shares { source: usize, groups: Vec<Vec<usize>>, of: Vec<(usize, usize)> },
}

/// What is divided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::quantize) enum Numerator {
    /// An element of a step.
    Element((usize, usize)),
    /// A number.
    Number(f64),
}

impl Step {
    /// A step of the circuit's own, read by nobody yet.
    pub(in crate::quantize) fn new(name: String, len: usize, kind: Kind) -> Self {
        Self {
            name,
            len,
            kind,
            of: None,
            bounds: Vec::new(),
            ranked: false,
            remaining: 0,
            operand: None,
        }
    }

    /// The same, with nothing that it is made of.
    pub(in crate::quantize) fn outline(&self) -> Self {
        Self {
            name: self.name.clone(),
            len: self.len,
            kind: Kind::Select(Vec::new()),
            of: self.of,
            bounds: self.bounds.clone(),
            ranked: self.ranked,
            remaining: self.remaining,
            operand: self.operand,
        }
    }
}

impl Kind {
    /// The steps it reads.
    pub(in crate::quantize) fn sources(&self) -> Vec<usize> {
        match self {
            Self::Input { .. } => Vec::new(),
            Self::Relu(view)
            | Self::Shifted { view, .. }
            | Self::Maxima { view, .. }
            | Self::Staircase { view, .. }
            | Self::Argument { view, .. } => view.parts.iter().map(|part| part.step).collect(),
            Self::Kink { source, .. }
            | Self::Curve { source, .. }
            | Self::Table { source, .. }
            | Self::Decisions { source, .. }
            | Self::Shares { source, .. } => vec![*source],
            Self::Exact { rows, like, .. } => {
                let mut steps: Vec<usize> = rows.iter().flatten().map(|term| term.0).collect();
                steps.extend(like);
                steps
            }
            Self::Select(elements) | Self::Paths { elements, .. } | Self::Roots(elements) => {
                elements.iter().map(|element| element.0).collect()
            }
            Self::Products(pairs) => pairs.iter().flatten().map(|element| element.0).collect(),
            Self::Quotients(pairs) => {
                pairs.iter().flat_map(|(over, by)| over.step().into_iter().chain([by.0])).collect()
            }
        }
    }

    pub(super) fn sources_mut(&mut self) -> Vec<&mut usize> {
        match self {
            Self::Input { .. } => Vec::new(),
            Self::Relu(view)
            | Self::Shifted { view, .. }
            | Self::Maxima { view, .. }
            | Self::Staircase { view, .. }
            | Self::Argument { view, .. } => {
                view.parts.iter_mut().map(|part| &mut part.step).collect()
            }
            Self::Kink { source, .. }
            | Self::Curve { source, .. }
            | Self::Table { source, .. }
            | Self::Decisions { source, .. }
            | Self::Shares { source, .. } => vec![source],
            Self::Exact { rows, like, .. } => {
                let terms = rows.iter_mut().flatten().map(|term| &mut term.0);
                terms.chain(like).collect()
            }
            Self::Select(elements) | Self::Paths { elements, .. } | Self::Roots(elements) => {
                elements.iter_mut().map(|element| &mut element.0).collect()
            }
            Self::Products(pairs) => {
                pairs.iter_mut().flatten().map(|element| &mut element.0).collect()
            }
            Self::Quotients(pairs) => pairs
                .iter_mut()
                .flat_map(|(over, by)| over.step_mut().into_iter().chain([&mut by.0]))
                .collect(),
        }
    }
}
