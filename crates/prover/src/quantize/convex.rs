//! Sums of values that shares weigh, as attention mixes its values: where the factors are shares
//! of one sum, which add up to 1 at most, the sum is among the values and 0. Intervals of the
//! products alone are as many times wider as there are shares.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use crate::graph::{Element, Function, Graph, Node, Op, Product, TensorId};

/// An element of a tensor.
type Place = (TensorId, usize);

/// Most steps from an element back to what it is.
const MAX_STEPS: usize = 64;

/// A graph, and who makes each of its tensors.
pub(super) struct Convexity<'a> {
    makers: Vec<Option<&'a Node>>,
}

/// What an element of a tensor of shares is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Share {
    /// Always 0.
    None,
    /// This element's of what that one adds up.
    Of { above: Place, sum: Place },
}

impl<'a> Convexity<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        let mut makers = vec![None; graph.tensors.len()];
        for node in &graph.nodes {
            makers[node.output.0] = Some(node);
        }
        Self { makers }
    }

    /// Bounds of sums of products whose factors are shares, if all rows are such.
    pub(super) fn bounds(
        &self,
        node: &Node,
        product: &Product,
        bounds: &[Vec<(f64, f64)>],
    ) -> Option<Vec<(f64, f64)>> {
        let [a, b] = node.inputs[..] else { return None };
        (0..2).find_map(|side| {
            let (of, weighed) = if side == 0 { (a, b) } else { (b, a) };
            let shares = self.shares(of, bounds)?;
            let values = &bounds[weighed.0];
            let row = |pairs: &[[usize; 2]]| {
                let (mut sum, mut seen) = (None, HashSet::new());
                let mut ends = (0.0f64, 0.0f64);
                for pair in pairs {
                    let (share, value) = (pair[side], values[pair[1 - side]]);
                    let Share::Of { above, sum: own } = shares[share] else { continue };
                    // A share that stands twice adds up to more than its sum has.
                    if *sum.get_or_insert(own) != own || !seen.insert(above) {
                        return None;
                    }
                    ends = (ends.0.min(value.0), ends.1.max(value.1));
                }
                Some(ends)
            };
            product.rows().map(row).collect()
        })
    }

    /// What each element of a tensor is a share of, if all are shares.
    fn shares(&self, tensor: TensorId, bounds: &[Vec<(f64, f64)>]) -> Option<Vec<Share>> {
        let mut sums: HashMap<Place, HashSet<Place>> = HashMap::new();
        let of = |at: usize| {
            let Some((place, maker)) = self.origin((tensor, at), false)? else {
                return Some(Share::None);
            };
            match &maker?.op {
                Op::Shares(shares) if !shares.signed => {
                    let (element, group) = shares.of[place.1];
                    let (above, sum) = ((maker?.inputs[0], element), (place.0, group));
                    Some(Share::Of { above, sum })
                }
                Op::Quotient(None) => {
                    let inputs = &maker?.inputs;
                    let (above, _) = self.origin((inputs[0], place.1), false)??;
                    let (sum, by) = self.origin((inputs[1], place.1), true)??;
                    if bounds[above.0.0][above.1].0 < 0.0 {
                        return None;
                    }
                    let summands = match sums.entry(sum) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(new) => new.insert(self.summands(by?, sum.1, bounds)?),
                    };
                    summands.contains(&above).then_some(Share::Of { above, sum })
                }
                _ => None,
            }
        };
        (0..bounds[tensor.0].len()).map(of).collect()
    }

    /// What a row of a linear map is the plain sum of, none of which is negative.
    fn summands(
        &self,
        maker: &Node,
        row: usize,
        bounds: &[Vec<(f64, f64)>],
    ) -> Option<HashSet<Place>> {
        let Op::Linear(linear) = &maker.op else { return None };
        let mut summands = HashSet::new();
        let mut plain = linear.bias[row] >= 0.0;
        for (map, input) in linear.maps.iter().zip(&maker.inputs) {
            map.for_each_in_row(row, |index, factor| {
                let place = self.origin((*input, index), false).flatten();
                let place = place.map_or((*input, index), |(place, _)| place);
                let positive = bounds[place.0.0][place.1].0 >= 0.0;
                plain &= factor == 1.0 && positive && summands.insert(place);
            });
        }
        plain.then_some(summands)
    }

    /// Follows an element back through what moves it, and where `raised` through what makes it
    /// no smaller; to nothing if it is 0. None if it is another constant.
    fn origin(&self, mut at: Place, raised: bool) -> Option<Option<(Place, Option<&'a Node>)>> {
        for _ in 0..MAX_STEPS {
            let Some(maker) = self.makers[at.0.0] else { return Some(Some((at, None))) };
            at = match &maker.op {
                Op::Select(elements) => match elements[at.1] {
                    Element::Input { input, index } => (maker.inputs[input], index),
                    Element::Constant(0.0) => return Some(None),
                    Element::Constant(_) => return None,
                },
                Op::Function(Function::Relu | Function::Clip { high: f64::INFINITY, .. })
                    if raised =>
                {
                    (maker.inputs[0], at.1)
                }
                _ => return Some(Some((at, Some(maker)))),
            };
        }
        None
    }
}
