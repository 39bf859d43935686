//! Where everything stands: from claims to rows.
//!
//! **Equations** are packed: E of a node's in a *group*, C groups (one a lane) in a
//! *stripe*. Equation e of the group in lane c of stripe m counts with the coefficient
//! S^e·ρ^c / (γ + m), S = 2^(B + 1) (see below), so that a row can say anything about the C·E
//! equations of any one stripe: lane c holds Σ_e S^e·A_(m,c,e).
//!
//! The equations of a window stand in one stripe, so that one row holds all places of its
//! maximum.
//!
//! *Why packing is exact.* Let d_w be the difference between the z_w that was committed
//! and Σ A_wv·x_v + c_w with the values that were committed. As functions of γ and ρ the
//! ρ^c / (γ + m) are linearly independent, and all integers are committed before γ and ρ
//! are drawn: a sum of 0 means Σ_e S^e·d_(m,c,e) ≡ 0 (mod p) for every group, but for a
//! probability below (stripes + C + T) / p. (In a batch of T inferences, the equations of
//! inference t count σ^t times; a group holds equations of one inference.) By induction over the nodes, the values that a
//! group's equations read are those of an honest run, for which interval analysis bounds
//! Σ A·x + c to [−2^B, 2^B), as the limbs do z; so |d_w| < S. (A group never holds
//! equations of two nodes.) Then |Σ_e S^e·d_e| ≤ S^E − 1 < p/2, as E·(B + 1) ≤ 252, so
//! the sum is 0 as an integer; modulo S, d_0 = 0; divided by S, d_1 = 0; and so on.
//! A value that no equation gives is within its limbs, and so are those bounds, whatever it is:
//! the nodes that read it next leave one that it can be.
//! Where there are maxima, z_w may be a maximum less a gap, y − g with y in [−2^B, 2^B) and
//! g in [0, 2^B): then |d_w| < 2^(B+2), and S is that.
//!
//! **Blocks.** Every value has a block of rows: one row for each stripe that reads it, with
//! its weights there; the value row, which multiplies the sum by x and whose own lanes hold
//! the place of the value's own equation; and the end row, which multiplies that by z. Where
//! the value is a maximum, a gap row follows for each equation of its window; what stands on
//! one row is the place of the next one's equation.
//!
//! Where the value is the argument of a function, a row for its evaluation follows, in the same
//! way: see [`curves`](super::curves).
//!
//! ```text
//! rows 0 … m       instances: each row holds the place of the next one's equation
//! rows m …         where totals are stated, their constants and a swap; then
//!                  the biases of every stripe, then a swap, which counts them
//! paths            of each tree the steps, then a swap, which counts the leaf; see `paths`
//! hash             of committed inputs; see `committed`
//! blocks           inputs, the salt of committed ones, then results in the order of the
//!                  nodes; the end row of one block may be the first row of the next
//! ```
//!
//! **Totals.** A word may state the sum of a value over all inferences of a batch. Its equation
//! counts once, with σ^0: the reading of that value is not carried from one inference to the next,
//! but made again on each of its value rows, so that what it adds up to is coefficient·Σ_t x_t.
//! No other equation reads such a value. What is constant in equations that count once, the 1 of
//! an instance's row and e_0 of a hash, is counted by a swap of one row, before the biases.
//!
//! In a batch, swaps of instances and of biases, value rows, end rows, and those above them
//! that hold limbs, stand T times, an inference each. Weights stand on the last of them
//! only, which meets the T rows after it: the weights of a value are read once.

use std::sync::Arc;

use halo2curves::bn256::Fr;

use super::{
    cells::{Cells, Readings},
    claims::{Claims, Making, Packed},
    committed::{Committed, element_zero},
    curves::Curves,
    paths::Paths,
    schedule::{Schedule, active_rows},
};
use crate::{
    circuit::{LayoutError, field},
    shape::Shape,
};

/// The fixed part of a circuit: a model in rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The constraint system's shape.
    pub shape: Shape,
    /// log2 of the number of rows.
    pub k: u32,
    /// Number of instances, the context included.
    pub instances: usize,
    /// The value row of every value, of the first inference; T value rows, then T end rows.
    pub value_rows: Vec<usize>,
    /// Values that are maxima, and how many equations each is the maximum of: as many rows
    /// for each inference, the gaps, follow its end rows.
    pub windows: Vec<(usize, usize)>,
    /// Values that are products.
    pub products: Vec<usize>,
    /// Rows on which a sum meets the constant 1 or an instance.
    pub swaps: Vec<usize>,
    /// The first of the rows on which the biases meet the constant 1.
    pub bias_swap: usize,
    /// Values that an equation which counts once reads: not carried from one inference to the
    /// next. In order.
    pub uncarried: Vec<usize>,
    /// The stripe on every active row (trailing zeros left out).
    pub stripes: Vec<u32>,
    /// For each lane, the weight on every active row (trailing zeros left out); what stands on other
    /// rows means nothing.
    pub weights: Vec<Arc<Vec<Fr>>>,
    /// (row, entry) of the range table; entries absent here are 0.
    pub table: Vec<(usize, u64)>,
    /// Paths of decision trees.
    pub paths: Paths,
    /// Functions of one variable.
    pub curves: Curves,
    /// Hashes of committed inputs.
    pub committed: Committed,
    /// The free row that balances the multiplicity of the entry 0.
    pub zero_row: usize,
}

impl Layout {
    /// Lays claims out in the fewest rows of `shape`, a power of two.
    pub fn new(claims: &Claims<'_>, shape: Shape) -> Result<Self, LayoutError> {
        let schedule = Schedule::new(claims, shape);
        let k = schedule.k()?;
        let active = active_rows(&shape, k);
        let (value_rows, rows) = schedule.value_rows();
        let (batch, totals) = (shape.batch(), shape.totals());
        let (first_bias, statements) = (schedule.first_bias(), shape.statements());
        let mut cells = Cells::new(shape.lanes, rows);

        let powers = schedule.powers();
        for (word, place) in schedule.words.iter().enumerate() {
            cells.add(word * statements, *place, Fr::one());
            // The swap on an instance's row counts the constant 1 as well.
            cells.add(schedule.constant(*place, totals), *place, -Fr::one());
        }
        let committed = schedule.committed();
        if let (Some(own), [salt, elements @ ..]) = (&claims.commitment, &schedule.hashed[..]) {
            // Left sides: e_0, then every word; the hash is taken off the word that states it.
            let together = batch / statements;
            let zero = element_zero(own.count, together);
            cells.add(schedule.constant(*salt, totals), *salt, -zero);
            cells.add(committed.first - 1, *salt, Fr::one());
            for (word, place) in elements.iter().enumerate() {
                cells.add(committed.link(word, batch) + batch - 1, *place, Fr::one());
            }
            let (stated, last) = (schedule.words[0], committed.link(committed.words, batch));
            match schedule.link {
                None => cells.add(last - 1, stated, -Fr::one()),
                Some(link) => {
                    cells.add(committed.first, link, Fr::one());
                    cells.add(last - 1, link, -Fr::one());
                    cells.add(last + batch - 2, stated, -Fr::one());
                }
            }
        }
        let mut value = claims.inputs;
        let mut products = Vec::new();
        for (node, taken) in claims.nodes.iter().zip(&schedule.nodes) {
            if node.making == Making::Multiplied {
                products.extend(value..value + node.values());
            }
            let mut placed = vec![0; if node.windows.is_some() { node.values() } else { 0 }];
            for Packed { index, equation, value: own } in node.packed(shape.lanes * shape.packed())
            {
                let place = taken.place(index);
                let unit = powers[place.packed];
                let bias = first_bias + place.stripe as usize;
                cells.add(bias, place, -unit * field(node.bias[equation]));
                let last = value_rows[value + own] + batch - 1;
                // A maximum counts in every equation of its window, and in each a gap.
                cells.add(last, place, unit);
                if let Some(gaps) = placed.get_mut(own) {
                    *gaps += 1;
                    cells.add(last + *gaps * batch, place, unit);
                }
            }
            value += node.values();
        }
        for ((argument, _), (node, output)) in
            schedule.curves.evaluations.iter().zip(&schedule.curves.outputs)
        {
            // An evaluation counts in its equation; its place stands on the last end row.
            let place = schedule.nodes[*node].place(*output);
            cells.add(value_rows[*argument] + 2 * batch - 1, place, powers[place.packed]);
        }
        let paths = Paths::new(claims, &shape, schedule.last_swap());
        let groups = paths.groups().zip(&paths.outputs);
        for (group, (tree, (node, output))) in (1..).zip(groups) {
            let place = schedule.nodes[*node].place(*output);
            let unit = powers[place.packed];
            cells.add(tree.first - 1, place, -unit);
            // The swap on a leaf's row counts the constant 1 as well.
            cells.add(first_bias + place.stripe as usize, place, unit);
            for row in (0..batch).flat_map(|t| tree.start(t)..tree.start(t) + tree.depth) {
                cells.number(row, group);
            }
        }
        let readers = value_rows.iter().zip(&schedule.readers);
        let first = readers.map(|(row, readers)| row - *readers as usize).collect();
        let mut readings = Readings::new(first, shape.lanes, shape.difference_bits());
        schedule.read(false, |value, place, weight| {
            readings.add(&mut cells, value, place, weight);
        });
        readings.write(&mut cells);

        let mut uncarried = Vec::new();
        if totals {
            uncarried.extend(claims.commitment.iter().flat_map(|own| &own.salt));
            for (word, place) in claims.words.iter().zip(&schedule.words) {
                let mut unit = Fr::one();
                for value in word {
                    uncarried.push(*value);
                    let first = value_rows[*value as usize];
                    (first..first + batch - 1).for_each(|row| cells.add(row, *place, unit));
                    unit *= Fr::from(1u64 << shape.value_bits());
                }
            }
        }
        let mut uncarried: Vec<usize> = uncarried.into_iter().map(|value| value as usize).collect();
        uncarried.sort_unstable();

        let mut taken = vec![false; active];
        for (value, row) in value_rows.iter().enumerate() {
            taken[*row..*row + schedule.rows_below(value) * batch].fill(true);
        }
        let members = schedule.members.iter().enumerate().filter(|(_, members)| **members > 0);
        let windows = members.map(|(value, members)| (value, *members as usize)).collect();
        paths.steps(batch).for_each(|row| taken[row] = true);
        let mut free = (0..active).filter(|row| !taken[*row]);
        // `k` left a free row for every entry.
        let zero_row = free.next().unwrap_or_default();
        let table = free.zip(1..shape.table_size() as u64).collect();
        let instances = 1 + schedule.last_instance();
        let once = totals.then_some(first_bias);
        let bias_swap = schedule.bias_swap();
        let leaves = paths.groups().flat_map(|tree| tree.leaves(batch));
        let swaps = (0..instances).chain(once).chain(bias_swap..bias_swap + batch);
        let swaps = swaps.chain(leaves).collect();
        let (Cells { weights, stripes }, curves) = (cells, schedule.curves);
        let weights = weights.into_iter().map(Arc::new).collect();
        Ok(Self {
            shape,
            k,
            instances,
            value_rows,
            windows,
            products,
            swaps,
            bias_swap,
            uncarried,
            stripes,
            weights,
            table,
            paths,
            curves,
            committed,
            zero_row,
        })
    }

    /// log2 of the rows the claims need, without laying them out.
    pub fn required_k(claims: &Claims<'_>, shape: Shape) -> Result<u32, LayoutError> {
        Schedule::new(claims, shape).k()
    }

    /// The value row of every value and inference, those of a value one after the other; the
    /// end row is T rows below.
    pub fn value_cells(&self) -> impl Iterator<Item = usize> {
        let batch = self.shape.batch();
        self.value_rows.iter().flat_map(move |row| *row..row + batch)
    }

    /// The row of every gap, of the first inference; T rows each.
    pub fn gaps(&self) -> impl Iterator<Item = usize> {
        let batch = self.shape.batch();
        self.windows.iter().flat_map(move |(value, members)| {
            (2..2 + members).map(move |gap| self.value_rows[*value] + gap * batch)
        })
    }

    /// The end row of every product, of the first inference; T rows each.
    pub fn products(&self) -> impl Iterator<Item = usize> {
        self.products.iter().map(|value| self.value_rows[*value] + self.shape.batch())
    }

    /// Rows on which a sum is used for an inference of a batch that is not the last, so that
    /// the next one's is σ times it.
    pub fn steps(&self) -> impl Iterator<Item = usize> {
        let (batch, totals) = (self.shape.batch(), self.shape.totals());
        let words = if totals { 0 } else { (self.instances - 1) / batch };
        // The instances of each word, the bias swap, value rows and end rows: T rows each.
        let instances = (0..words).map(move |word| 1 + word * batch);
        let carried = |value: &usize| self.uncarried.binary_search(value).is_err();
        let values = (0..self.value_rows.len()).filter(carried).map(|value| self.value_rows[value]);
        let ends = self.value_rows.iter().map(move |row| row + batch);
        let runs = instances.chain([self.bias_swap]).chain(values).chain(ends);
        let runs = runs.chain(self.gaps()).chain(self.evaluations());
        let runs = runs.chain(self.committed.used(batch));
        let leaves = self.paths.groups().flat_map(move |tree| tree.leaves(batch - 1));
        let passed = self.committed.passed(&self.shape);
        let steps = runs.flat_map(move |first| first..first + batch - 1).chain(leaves);
        steps.filter(move |row| !passed.contains(&Some(*row)))
    }

    /// Rows on which the gates apply: 0 to `active_rows` − 1.
    pub fn active_rows(&self) -> usize {
        active_rows(&self.shape, self.k)
    }
}
