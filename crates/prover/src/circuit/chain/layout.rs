//! Where everything stands: from a chain of layers to rows.
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

use super::{config::unusable_rows, model::Chain};
use crate::{
    circuit::{LayoutError, MAX_K, graph::Claims},
    shape::Shape,
};

/// The rows of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Which value it is, numbered as in the claims; none for the constant 0.
    pub value: Option<u32>,
    /// The row on which the value meets its Horner sum; the end row of its
    /// pre-activation is `shift_limbs` rows further.
    pub value_row: usize,
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
    /// End rows of public inputs. They hold the entry 1 of the table, which marks them.
    pub public_ends: Vec<usize>,
}

impl Layout {
    /// Lays claims out in the fewest rows of `shape`, a power of two.
    ///
    /// # Errors
    /// Claims that are no chain, or too many rows.
    pub fn new(claims: &Claims<'_>, shape: Shape) -> Result<Self, LayoutError> {
        let chain = Chain::new(claims, &shape).ok_or(LayoutError::NoChain)?;
        let schedule = Schedule::new(&chain, shape);
        let k = schedule.k()?;
        Ok(schedule.finish(k))
    }

    /// log2 of the rows the claims need, without laying them out.
    ///
    /// # Errors
    /// As [`Layout::new`].
    pub fn required_k(claims: &Claims<'_>, shape: Shape) -> Result<u32, LayoutError> {
        let chain = Chain::new(claims, &shape).ok_or(LayoutError::NoChain)?;
        Schedule::new(&chain, shape).k()
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

/// Where the values of a chain stand.
struct Schedule<'a> {
    chain: &'a Chain<'a>,
    shape: Shape,
    blocks: Vec<Block>,
    /// One before the first layer's outputs, then one a layer, from the last to the first.
    swaps: Vec<usize>,
    /// The value row of every value, by its number.
    value_rows: Vec<usize>,
    /// The last row after which the Horner sum starts afresh.
    restart: usize,
    /// The first row that the limbs of the next value may use.
    next_limb: usize,
}

impl<'a> Schedule<'a> {
    fn new(chain: &'a Chain<'a>, shape: Shape) -> Self {
        let values = chain.outputs().end as usize;
        let mut schedule = Self {
            chain,
            shape,
            blocks: Vec::with_capacity(values + 1),
            swaps: Vec::with_capacity(chain.layers.len() + 2),
            value_rows: vec![0; values],
            // The rows of the instances, which end the list on row 0.
            restart: chain.words,
            next_limb: 0,
        };
        schedule.place(None, 0);
        schedule.place_swap(1);
        for (index, value) in chain.outputs().enumerate() {
            schedule.place(Some(value), schedule.output_power(index) + 1);
        }
        for layer in chain.layers.iter().rev() {
            let equations = layer.outputs.len();
            schedule.place_swap(equations);
            // Public inputs stand in the reverse order of their instances, so that both
            // are collected with the same powers of ρ.
            if shape.public_inputs && layer.inputs.start == 0 {
                layer.inputs.clone().rev().for_each(|value| schedule.place(Some(value), equations));
            } else {
                layer.inputs.clone().for_each(|value| schedule.place(Some(value), equations));
            }
        }
        schedule
    }

    /// The power of ρ with which an output's instance is collected, after the zero value's
    /// row.
    fn output_power(&self, index: usize) -> usize {
        let inputs = self.chain.words - self.chain.outputs().len();
        self.shape.lanes * (inputs + index) + 1
    }

    /// Places a value whose list has `length` weights.
    fn place(&mut self, value: Option<u32>, length: usize) {
        let after_weights = self.restart + self.shape.weight_rows(length).max(1);
        let after_limbs = self.next_limb + self.shape.limbs - 1 - self.shape.shift_limbs;
        let value_row = after_weights.max(after_limbs);
        self.blocks.push(Block { value, value_row });
        if let Some(value) = value {
            self.value_rows[value as usize] = value_row;
        }
        self.restart = value_row;
        self.next_limb = value_row + self.shape.shift_limbs + 1;
    }

    /// Places a swap that reads a list of `length` biases.
    fn place_swap(&mut self, length: usize) {
        let row = self.next_limb.max(self.restart + self.shape.weight_rows(length));
        self.swaps.push(row);
        self.restart = row;
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

    /// The weight lanes.
    fn weights(&self) -> Vec<Vec<i64>> {
        let mut lists = Lists(vec![Vec::new(); self.shape.lanes]);
        // The weight 1 in the lane of ρ^0 makes the Horner column 1 on row 1.
        lists.add(1, 0, 1);
        for (index, value) in self.chain.outputs().enumerate() {
            lists.add(self.value_rows[value as usize], self.output_power(index), 1);
        }
        let swaps = self.swaps.iter().skip(1);
        for (layer, swap) in self.chain.layers.iter().rev().zip(swaps) {
            let last = layer.outputs.len() - 1;
            for (equation, bias) in layer.bias().iter().enumerate() {
                lists.add(*swap, last - equation, *bias);
                layer.row(equation, |value, weight| {
                    lists.add(self.value_rows[value as usize], last - equation, weight);
                });
            }
        }
        lists.0
    }

    fn finish(mut self, k: u32) -> Layout {
        let active = active_rows(&self.shape, k);
        let weights = self.weights();
        self.swaps.push(active - 1);
        let end = |block: &Block| block.value_row + self.shape.shift_limbs;
        let mut taken = vec![false; active];
        for block in &self.blocks {
            taken[block.value_row] = true;
            taken[end(block)] = true;
        }
        let public = if self.shape.public_inputs { self.chain.inputs as u32 } else { 0 };
        let inputs = self.blocks.iter().filter(|block| block.value.is_some_and(|v| v < public));
        let public_ends = inputs.map(end).collect();
        let mut free = (0..active).filter(|row| !taken[*row]);
        // `k` left a free row for every entry.
        let zero_row = free.next().unwrap_or_default();
        let table = free.zip(1..self.shape.table_size() as u64).collect();
        Layout {
            shape: self.shape,
            k,
            instances: 1 + self.chain.words,
            blocks: self.blocks,
            swaps: self.swaps,
            weights,
            table,
            zero_row,
            public_ends,
        }
    }
}

/// The weight lanes, being written.
struct Lists(Vec<Vec<i64>>);

impl Lists {
    /// Adds a weight to the list whose Horner sum stands on `row`, where `power` weights
    /// follow it.
    fn add(&mut self, row: usize, power: usize, weight: i64) {
        if weight == 0 {
            return;
        }
        let lanes = self.0.len();
        let column = &mut self.0[lanes - 1 - power % lanes];
        let at = row - 1 - power / lanes;
        if column.len() <= at {
            column.resize(at + 1, 0);
        }
        column[at] += weight;
    }
}
