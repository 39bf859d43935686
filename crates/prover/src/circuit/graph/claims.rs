//! What must be proven about committed integers, independent of columns.
//!
//! Values are numbered: the inputs first, then every node's results. A claim is a list of
//! equations `z_w = Σ_v A_wv·x_v + c_w`, one for each result of a node, whose value is
//! `x = max(0, ⌊z / 2^n⌋)`, of nodes with windows that of the greatest of several z, of
//! nodes that multiply `x = (z mod 2^n)·⌊z / 2^n⌋`, z being in [0, 2^B); values that no
//! equation gives; and the public words, each of which states some values.

use std::borrow::Cow;

use super::committed::Commitment;
use crate::{
    graph::{LinearMap, SparseRows},
    integer::{self, Tree},
};

/// Everything a proof of a model states.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims<'a> {
    /// Number of inputs, a salt's included: values that no equation gives.
    pub inputs: usize,
    /// The nodes, in topological order.
    pub nodes: Vec<Node<'a>>,
    /// Trees whose leaves join the equations of some nodes.
    pub ensembles: Vec<Ensemble<'a>>,
    /// Functions of one variable that join the equations of some nodes.
    pub curves: Vec<Curves<'a>>,
    /// What the first public word is a hash of, if inputs are committed; it states no values
    /// itself. The salt's values come after the inputs.
    pub commitment: Option<Commitment>,
    /// The public words after the context. A word states its values, the first in the
    /// lowest bits.
    pub words: Vec<Vec<u32>>,
}

/// Trees whose leaves join a node's equations: `z_o = Σ A·x + c_o + Σ leaf` over the trees
/// of output o.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble<'a> {
    /// The node, by index.
    pub node: usize,
    /// The value of each feature.
    pub values: Vec<u32>,
    /// The trees.
    pub trees: &'a [Tree],
}

/// Functions that join a node's equations: `z_o = Σ A·x + c_o + f_o(x_o)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves<'a> {
    /// The node, by index.
    pub node: usize,
    /// The value that each function is of.
    pub values: Vec<u32>,
    /// The functions.
    pub curves: &'a integer::Curves,
}

/// What a node's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Making {
    /// max(0, ⌊z / 2^n⌋).
    Rescaled,
    /// (z mod 2^n)·⌊z / 2^n⌋, and z is in [0, 2^B).
    Multiplied,
    /// So many values in [0, 2^(B − n)) that no equation gives.
    Given(usize),
}

/// One node's equations.
#[derive(Debug, Clone, PartialEq)]
pub struct Node<'a> {
    /// What its values are.
    pub making: Making,
    /// c, one an equation.
    pub bias: Cow<'a, [i64]>,
    /// What is added up.
    pub maps: Vec<Map<'a>>,
    /// For each value the equations whose greatest z it is made of; each its own equation's
    /// where there are none.
    pub windows: Option<Cow<'a, [Vec<usize>]>>,
    /// The values in the order in which their equations are packed: those next to each other
    /// should read the same values. All of them, each once.
    pub order: Option<Vec<u32>>,
    /// In that order, as many equations at a time read the same values.
    pub alike: usize,
}

/// A part of a node's equations: A, and the values that its columns stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct Map<'a> {
    /// The value of each column.
    pub values: Vec<u32>,
    /// A.
    pub rows: Rows<'a>,
}

/// A matrix, row by row.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows<'a> {
    /// All columns of every row, row-major.
    Dense(&'a [i64]),
    /// A few columns of each row.
    Sparse(Cow<'a, SparseRows<i64>>),
    /// Rows that follow from fewer numbers.
    Structured(&'a LinearMap<i64>),
}

impl Map<'_> {
    /// Calls `each` with (value, weight) for every term of an equation.
    pub(in crate::circuit) fn row(&self, equation: usize, mut each: impl FnMut(u32, i64)) {
        match &self.rows {
            Rows::Dense(weights) => {
                let columns = self.values.len();
                let row = &weights[equation * columns..(equation + 1) * columns];
                self.values.iter().zip(row).for_each(|(value, weight)| each(*value, *weight));
            }
            Rows::Sparse(rows) => {
                let terms = &rows.terms[rows.starts[equation]..rows.starts[equation + 1]];
                terms.iter().for_each(|(column, weight)| each(self.values[*column], *weight));
            }
            Rows::Structured(map) => {
                map.for_each_in_row(equation, |column, weight| each(self.values[column], weight));
            }
        }
    }
}

/// An equation and its place among those of its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed {
    /// The place.
    pub(super) index: usize,
    /// The equation.
    pub(super) equation: usize,
    /// Which of the node's values it belongs to.
    pub(super) value: usize,
}

impl Node<'_> {
    /// Values equal to those with these numbers, in circuits that drop `shift` bits.
    pub(in crate::circuit) fn copy(values: &[u32], shift: u32) -> Self {
        let terms = (0..values.len()).map(|index| (index, 1 << shift)).collect();
        let rows = SparseRows { starts: (0..=values.len()).collect(), terms };
        Self {
            making: Making::Rescaled,
            bias: Cow::Owned(vec![0; values.len()]),
            maps: vec![Map { values: values.to_vec(), rows: Rows::Sparse(Cow::Owned(rows)) }],
            windows: None,
            order: None,
            alike: 1,
        }
    }

    /// Number of values that it makes.
    pub(in crate::circuit) fn values(&self) -> usize {
        match self.making {
            Making::Given(count) => count,
            _ => self.windows.as_ref().map_or(self.bias.len(), |windows| windows.len()),
        }
    }

    /// Equations of the widest window; 1 without windows.
    pub(super) fn widest(&self) -> usize {
        let windows = self.windows.iter().flat_map(|windows| windows.iter());
        windows.map(Vec::len).max().unwrap_or(1)
    }

    /// How many equations a value is the maximum of; 0 for one that is none.
    pub(super) fn members(&self, value: usize) -> usize {
        self.windows.as_ref().map_or(0, |windows| windows[value].len())
    }

    /// Its equations by their places, `stripe` of which are of one stripe. Those of a window
    /// are of one stripe; an equation stands once for each window that it is in.
    pub(super) fn packed(&self, stripe: usize) -> Box<dyn Iterator<Item = Packed> + '_> {
        let value = |at: usize| self.order.as_ref().map_or(at, |order| order[at] as usize);
        let Some(windows) = &self.windows else {
            return Box::new((0..self.bias.len()).map(move |index| {
                let equation = value(index);
                Packed { index, equation, value: equation }
            }));
        };
        let widest = self.widest();
        let together = (stripe / widest).max(1);
        let stripe = stripe.max(widest);
        Box::new((0..windows.len()).flat_map(move |at| {
            let (value, first) = (value(at), at / together * stripe + at % together * widest);
            let members = windows[value].iter().enumerate();
            members.map(move |(member, equation)| Packed {
                index: first + member,
                equation: *equation,
                value,
            })
        }))
    }

    /// Places that its equations take.
    pub(super) fn places(&self, stripe: usize) -> usize {
        match &self.windows {
            None => self.bias.len(),
            Some(windows) => {
                let widest = self.widest();
                let together = (stripe / widest).max(1);
                windows.len().div_ceil(together) * stripe.max(widest)
            }
        }
    }
}

impl Claims<'_> {
    /// Number of values.
    pub fn values(&self) -> usize {
        self.inputs + self.nodes.iter().map(Node::values).sum::<usize>()
    }
}
