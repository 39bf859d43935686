//! A node as a sum of linear maps, whatever it is written as.

use super::compose::{self, tidy};
use crate::graph::{Element, Linear, LinearMap, Node, Op, SparseRows, Tensor, TensorId};

/// y = Σ M_i·x_i + b.
#[derive(Debug, Clone)]
pub(super) struct Sum {
    pub(super) maps: Vec<(TensorId, LinearMap)>,
    pub(super) bias: Vec<f64>,
    /// It was written as a selection, so that it only moves elements.
    pub(super) moves: bool,
}

impl Sum {
    /// A linear node or a selection as a sum.
    pub(super) fn of(node: &Node, tensors: &[Tensor]) -> Option<Self> {
        match &node.op {
            Op::Linear(linear) => {
                let maps = node.inputs.iter().copied().zip(linear.maps.iter().cloned()).collect();
                Some(Self { maps, bias: linear.bias.clone(), moves: false })
            }
            Op::Select(elements) => {
                let bias = elements.iter().map(|element| match element {
                    Element::Constant(value) => *value,
                    Element::Input { .. } => 0.0,
                });
                let of = |(number, id): (usize, &TensorId)| {
                    let row = |element: &Element| match *element {
                        Element::Input { input, index } if input == number => Some((index, 1.0)),
                        _ => None,
                    };
                    let rows = SparseRows::from_rows(elements.iter().map(row));
                    (*id, tidy(rows, tensors[id.0].len()))
                };
                let maps = node.inputs.iter().enumerate().map(of).collect();
                Some(Self { maps, bias: bias.collect(), moves: true })
            }
            _ => None,
        }
    }

    /// Coefficients; moving elements costs none.
    pub(super) fn cost(&self) -> usize {
        match self.moves {
            true => 0,
            false => self.maps.iter().map(|(_, map)| map.coefficients()).sum(),
        }
    }

    /// Adds a map, to that of the same tensor where their sum has a form.
    pub(super) fn push(&mut self, id: TensorId, mut map: LinearMap) {
        let mut at = 0;
        while let Some((other, _)) = self.maps.get(at) {
            if *other != id {
                at += 1;
                continue;
            }
            let (_, old) = self.maps.remove(at);
            match compose::sum(old, map) {
                Ok(both) => {
                    map = both;
                    // Stands where the first of them stood, tried against the others.
                }
                Err(pair) => {
                    let (old, new) = *pair;
                    self.maps.insert(at, (id, old));
                    map = new;
                    at += 1;
                }
            }
        }
        self.maps.push((id, map));
    }

    /// The node's inputs and operation: a selection if the sum only moves elements.
    pub(super) fn into_op(self) -> (Vec<TensorId>, Op) {
        let ids = self.maps.iter().map(|(id, _)| *id).collect();
        match self.selection() {
            Some(elements) => (ids, Op::Select(elements)),
            None => {
                let maps = self.maps.into_iter().map(|(_, map)| map).collect();
                (ids, Op::Linear(Linear { maps, bias: self.bias }))
            }
        }
    }

    fn selection(&self) -> Option<Vec<Element>> {
        let few = |map: &LinearMap| matches!(map, LinearMap::Diagonal(_) | LinearMap::Sparse(_));
        if !self.maps.iter().all(|(_, map)| few(map) && map.values().all(|f| f == 1.0)) {
            return None;
        }
        let mut elements: Vec<Element> = self.bias.iter().map(|&b| Element::Constant(b)).collect();
        let mut fits = true;
        for (input, (_, map)) in self.maps.iter().enumerate() {
            map.for_each_term(|o, index, _| match elements[o] {
                Element::Constant(0.0) => elements[o] = Element::Input { input, index },
                _ => fits = false,
            });
        }
        fits.then_some(elements)
    }
}
