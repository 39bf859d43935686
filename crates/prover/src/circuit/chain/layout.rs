//! Where everything stands: from an integer network to rows.
//!
//! Layers are laid out from the outputs to the inputs, because instances sit on the
//! first rows:
//!
//! ```text
//! row 0          weight 1, so that the Horner column runs through ρ^(C·j) …
//! rows 1 … m     … on the rows of the instances, which are collected
//! zero value     restarts the Horner sum
//! swap
//! output layer   a block for each value: its weights in the next layer's equations
//!                (here the instances), its limbs, its value row and end row
//! bias list, swap
//! …              hidden layers, then the inputs
//! last row       a swap: nothing may be left open
//! ```
//!
//! For layer L with values x_v, and next layer's equations z_w = Σ_v A_wv·x_v + c_w,
//! each block's weight list is A_·v in the order in which the z_w were collected, so
//! its Horner sum is u_v = Σ_w ρ^(N−1−w)·A_wv, and Σ_v x_v·u_v must equal
//! Σ_w ρ^(N−1−w)·(z_w − c_w): the swap moves the latter into `open`, every value row
//! takes x_v·u_v off it, the next swap demands that it is zero.

use super::config::unusable_rows;
use crate::{
    circuit::{LayoutError, MAX_K},
    network::{Layer, Network},
    shape::Shape,
};

/// The rows of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// What the value is.
    pub source: Source,
    /// The row on which the value meets its Horner sum; the end row of its
    /// pre-activation is `shift_limbs` rows further.
    pub value_row: usize,
}

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The constant 0.
    Zero,
    /// An input of the network.
    Input(usize),
    /// An output of a layer.
    Output {
        /// Index of the layer.
        layer: usize,
        /// Index within the layer.
        index: usize,
    },
}

/// The fixed part of a circuit: a model in rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The constraint system's shape.
    pub shape: Shape,
    /// log2 of the number of rows.
    pub k: u32,
    /// Number of instances, the context included.
    pub instances: usize,
    /// All values in row order.
    pub blocks: Vec<Block>,
    /// Rows on which a layer ends.
    pub swaps: Vec<usize>,
    /// For each lane, the weight on every active row (trailing zeros left out).
    pub weights: Vec<Vec<i64>>,
    /// (row, entry) of the range table; entries absent here are 0.
    pub table: Vec<(usize, u64)>,
    /// The free row that balances the multiplicity of the entry 0.
    pub zero_row: usize,
    /// The number of the first value of each layer, inputs counted first.
    pub first_output: Vec<usize>,
    /// End rows of public inputs. They hold the entry 1 of the table, which marks them.
    pub public_ends: Vec<usize>,
}

impl Layout {
    /// Lays `network` out in the fewest rows of `shape`, a power of two.
    pub fn new(network: &Network, shape: Shape) -> Result<Self, LayoutError> {
        let mut schedule = Schedule::new(network, shape, true);
        schedule.place_all();
        let k = schedule.k()?;
        Ok(schedule.finish(k))
    }

    /// log2 of the rows `network` needs, without laying it out.
    pub fn required_k(network: &Network, shape: Shape) -> Result<u32, LayoutError> {
        let mut schedule = Schedule::new(network, shape, false);
        schedule.place_all();
        schedule.k()
    }

    /// Rows on which the gates apply: 0 to `active_rows` − 1.
    pub fn active_rows(&self) -> usize {
        active_rows(&self.shape, self.k)
    }

    /// The end row of a block.
    pub fn end_row(&self, block: &Block) -> usize {
        block.value_row + self.shape.shift_limbs
    }
}

/// The accumulators have one row more than the gates, and it must be usable.
fn active_rows(shape: &Shape, k: u32) -> usize {
    (1usize << k).saturating_sub(unusable_rows(shape) + 1)
}

/// A layout being made, row by row.
struct Schedule<'a> {
    network: &'a Network,
    shape: Shape,
    instances: usize,
    blocks: Vec<Block>,
    swaps: Vec<usize>,
    weights: Vec<Vec<i64>>,
    /// Whether weights are written, or only their rows counted.
    write: bool,
    /// The last row after which the Horner sum starts afresh.
    restart: usize,
    /// The first row that the limbs of the next value may use.
    next_limb: usize,
}

impl<'a> Schedule<'a> {
    fn new(network: &'a Network, shape: Shape, write: bool) -> Self {
        let public = if shape.public_inputs { network.inputs } else { 0 };
        Self {
            network,
            shape,
            instances: 1 + public + network.outputs(),
            blocks: Vec::new(),
            swaps: Vec::new(),
            weights: vec![Vec::new(); shape.lanes],
            write,
            restart: 0,
            next_limb: 0,
        }
    }

    fn place_all(&mut self) {
        let network = self.network;
        // Row 0: the weight 1 in the lane of ρ^0 makes the Horner column 1 on row 1.
        self.write_list(1, std::iter::once(1));
        self.restart = self.instances - 1;
        self.place_value(Source::Zero, 0, std::iter::empty());
        self.place_swap(1, std::iter::empty());

        let last = network.layers.len() - 1;
        let public = if self.shape.public_inputs { network.inputs } else { 0 };
        for index in 0..network.outputs() {
            // The zero value came after the instances, hence one more factor ρ.
            let power = self.shape.lanes * (public + index) + 1;
            let list = std::iter::once(1).chain(std::iter::repeat_n(0, power));
            self.place_value(Source::Output { layer: last, index }, power + 1, list);
        }
        for layer in (0..network.layers.len()).rev() {
            let equations = &network.layers[layer];
            self.place_swap(equations.outputs, equations.bias.iter().copied());
            for index in 0..equations.inputs {
                // Public inputs stand in the reverse order of their instances, so
                // that both are collected with the same powers of ρ.
                let (source, column) = match layer.checked_sub(1) {
                    Some(previous) => (Source::Output { layer: previous, index }, index),
                    None if self.shape.public_inputs => {
                        let index = equations.inputs - 1 - index;
                        (Source::Input(index), index)
                    }
                    None => (Source::Input(index), index),
                };
                let list = (0..equations.outputs)
                    .map(move |row| equations.weights[row * equations.inputs + column]);
                self.place_value(source, equations.outputs, list);
            }
        }
    }

    /// Places a value whose list has `length` weights.
    fn place_value(&mut self, source: Source, length: usize, list: impl Iterator<Item = i64>) {
        let after_weights = self.restart + self.shape.weight_rows(length).max(1);
        let after_limbs = self.next_limb + self.shape.limbs - 1 - self.shape.shift_limbs;
        let value_row = after_weights.max(after_limbs);
        self.write_list_at(value_row, length, list);
        self.blocks.push(Block { source, value_row });
        self.restart = value_row;
        self.next_limb = value_row + self.shape.shift_limbs + 1;
    }

    /// Places a swap that reads a list of `length` biases.
    fn place_swap(&mut self, length: usize, list: impl Iterator<Item = i64>) {
        let row = self.next_limb.max(self.restart + self.shape.weight_rows(length));
        self.write_list_at(row, length, list);
        self.swaps.push(row);
        self.restart = row;
    }

    /// Writes a list so that its Horner sum stands on `row`.
    fn write_list_at(&mut self, row: usize, length: usize, list: impl Iterator<Item = i64>) {
        if !self.write {
            return;
        }
        let lanes = self.shape.lanes;
        for (index, weight) in list.enumerate() {
            if weight == 0 {
                continue;
            }
            let from_end = length - 1 - index;
            let column = &mut self.weights[lanes - 1 - from_end % lanes];
            let at = row - 1 - from_end / lanes;
            if column.len() <= at {
                column.resize(at + 1, 0);
            }
            column[at] = weight;
        }
    }

    fn write_list(&mut self, row: usize, list: impl ExactSizeIterator<Item = i64>) {
        self.write_list_at(row, list.len(), list);
    }

    /// log2 of the rows: room for the blocks and the last swap, and enough free
    /// rows for the range table.
    fn k(&self) -> Result<u32, LayoutError> {
        let needed = self.next_limb.max(self.restart) + 2;
        let table = self.shape.table_size() + 2 * self.blocks.len();
        let rows = needed.max(table);
        (1..=MAX_K)
            .find(|k| active_rows(&self.shape, *k) >= rows)
            .ok_or(LayoutError::TooLarge { rows, limit: MAX_K })
    }

    fn finish(mut self, k: u32) -> Layout {
        let active = active_rows(&self.shape, k);
        self.swaps.push(active - 1);
        let mut taken = vec![false; active];
        let public =
            |block: &&Block| self.shape.public_inputs && matches!(block.source, Source::Input(_));
        let public_ends = self.blocks.iter().filter(public);
        let public_ends = public_ends.map(|b| b.value_row + self.shape.shift_limbs).collect();
        for block in &self.blocks {
            taken[block.value_row] = true;
            taken[block.value_row + self.shape.shift_limbs] = true;
        }
        let mut values = self.network.inputs;
        let count = |layer: &Layer| {
            let first = values;
            values += layer.outputs;
            first
        };
        let first_output = self.network.layers.iter().map(count).collect();
        let mut free = (0..active).filter(|row| !taken[*row]);
        // `k` left a free row for every entry.
        let zero_row = free.next().unwrap_or_default();
        let table = free.zip(1..self.shape.table_size() as u64).collect();
        Layout {
            shape: self.shape,
            k,
            instances: self.instances,
            blocks: self.blocks,
            swaps: self.swaps,
            weights: self.weights,
            table,
            zero_row,
            first_output,
            public_ends,
        }
    }
}
