//! Claims that are a chain: every node reads results of the one before it alone, and what
//! is stated are the last one's. Nothing is copied; weights stay where the claims have them.

use std::ops::Range;

use crate::{
    circuit::graph::{Claims, Making, Node, claims::Rows},
    shape::Shape,
};

/// A chain of dense layers, in claims.
#[derive(Debug)]
pub struct Chain<'a> {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of public words.
    pub words: usize,
    /// The layers, first applied first.
    pub layers: Vec<Layer<'a>>,
}

/// One layer, x' = max(0, ⌊(A·x + c) / 2^n⌋).
#[derive(Debug)]
pub struct Layer<'a> {
    /// The numbers of the values that it reads.
    pub inputs: Range<u32>,
    /// The numbers of the values that it makes.
    pub outputs: Range<u32>,
    node: &'a Node<'a>,
}

impl<'a> Chain<'a> {
    /// The chain that claims are, if they are one and each word states one value.
    pub fn new(claims: &'a Claims<'a>, shape: &Shape) -> Option<Self> {
        let mut inputs = 0..claims.inputs as u32;
        let mut layers = Vec::with_capacity(claims.nodes.len());
        for node in &claims.nodes {
            let outputs = inputs.end..inputs.end + node.values() as u32;
            let layer = Layer { inputs, outputs: outputs.clone(), node };
            if !layer.is_one() {
                return None;
            }
            layers.push(layer);
            inputs = outputs;
        }
        let public = if shape.public_inputs { claims.inputs as u32 } else { 0 };
        let stated = (0..public).chain(inputs);
        let as_stated = claims.words.iter().map(Vec::as_slice).eq(stated.map(|value| [value]));
        let (inputs, words) = (claims.inputs, claims.words.len());
        let linear = claims.ensembles.is_empty() && !layers.is_empty();
        (as_stated && linear).then_some(Self { inputs, words, layers })
    }

    /// The numbers of the last layer's values.
    pub fn outputs(&self) -> Range<u32> {
        self.layers.last().map_or(0..0, |layer| layer.outputs.clone())
    }
}

impl Layer<'_> {
    /// c, one an equation.
    pub fn bias(&self) -> &[i64] {
        &self.node.bias
    }

    /// Calls `each` with (value, weight) for every term of an equation; terms of one value
    /// add up.
    pub fn row(&self, equation: usize, mut each: impl FnMut(u32, i64)) {
        self.node.maps.iter().for_each(|map| map.row(equation, &mut each));
    }

    /// Whether it reads the layer before only, and where terms add up, their sum is a weight.
    fn is_one(&self) -> bool {
        if self.node.windows.is_some() || self.node.making != Making::Rescaled {
            return false;
        }
        let mut read = vec![false; self.inputs.len()];
        let mut adds_up = false;
        for map in &self.node.maps {
            adds_up |= matches!(map.rows, Rows::Sparse(_));
            for value in &map.values {
                if !self.inputs.contains(value) {
                    return false;
                }
                let read = &mut read[(value - self.inputs.start) as usize];
                adds_up |= std::mem::replace(read, true);
            }
        }
        !adds_up || (0..self.outputs.len()).all(|equation| self.sum_fits(equation))
    }

    fn sum_fits(&self, equation: usize) -> bool {
        let mut sum = 0u128;
        self.row(equation, |_, weight| sum += u128::from(weight.unsigned_abs()));
        i64::try_from(sum).is_ok()
    }
}
