//! What a layout's rows are spent on.

use super::{Layout, Rows, graph::committed::salt_values};

/// The rows of a laid-out model, by what they are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Rows of the inputs.
    pub inputs: usize,
    /// Rows of each node with equations, in the order of the claims.
    pub nodes: Vec<usize>,
    /// Rows of what belongs to no value: instances, biases, the ends of layers.
    pub shared: usize,
    /// Rows of paths through decision trees.
    pub paths: usize,
    /// Rows that the range table needs: its entries, the two of every value, gaps, evaluations
    /// and a path's steps, on which none can stand; or rows of another table, if these are more.
    pub table: usize,
    /// Rows that no gate, or nothing, uses.
    pub free: usize,
}

impl Usage {
    /// Rows that values, weights and biases take.
    pub fn taken(&self) -> usize {
        self.inputs + self.nodes.iter().sum::<usize>() + self.shared + self.paths
    }
}

impl Layout {
    /// Rows that tables need.
    fn table_rows(&self) -> usize {
        let range = self.shape.table_size();
        match &self.rows {
            Rows::Graph(layout) => {
                let batch = self.shape.batch();
                let values = 2 * layout.value_rows.len() + layout.gaps().count();
                let values = values + layout.evaluations().count();
                let taken = values * batch + layout.paths.steps(batch).count();
                let lanes = self.shape.node_lanes().max(1);
                let segment_lanes = self.shape.segment_lanes().max(1);
                let segments = layout.curves.segments().div_ceil(segment_lanes);
                (range + taken).max(layout.paths.nodes.div_ceil(lanes)).max(segments)
            }
            Rows::Chain(layout) => range + 2 * layout.blocks.len(),
        }
    }

    /// What the rows are spent on; `inputs` values are inputs, and every node has as many
    /// results as `nodes` says.
    pub fn usage(&self, inputs: usize, nodes: &[usize]) -> Usage {
        let mut usage = Usage {
            inputs: 0,
            nodes: vec![0; nodes.len()],
            shared: 0,
            paths: 0,
            table: self.table_rows(),
            free: 0,
        };
        // Values are numbered: the inputs, then every node's results.
        let inputs = inputs + salt_values(&self.shape);
        let owners: Vec<Option<usize>> = std::iter::repeat_n(None, inputs)
            .chain(nodes.iter().enumerate().flat_map(|(i, n)| std::iter::repeat_n(Some(i), *n)))
            .collect();
        let owner = |value: usize| owners.get(value).copied().unwrap_or(None);
        match &self.rows {
            Rows::Graph(layout) => {
                // The first block begins on the row of the last swap, or the one after a hash.
                let hash = layout.committed.rows() * self.shape.batch();
                let first = layout.swaps.last().copied().unwrap_or(0) + hash;
                let trees = layout.paths.groups().map(|tree| tree.depth + 1);
                usage.paths = self.shape.batch() * trees.sum::<usize>();
                usage.shared = first - usage.paths;
                let mut start = first.saturating_sub(1);
                let mut windows = layout.windows.iter().peekable();
                for (value, row) in layout.value_rows.iter().enumerate() {
                    let window = windows.next_if(|(maximum, _)| *maximum == value);
                    let below = window.map_or(0, |(_, gaps)| *gaps)
                        + usize::from(layout.curves.is_argument(value));
                    let below = below * self.shape.batch();
                    usage.add(owner(value), row + below - start);
                    start = row + below;
                }
            }
            Rows::Chain(layout) => {
                let mut start = 0;
                let mut blocks = layout.blocks.iter().peekable();
                // The last swap is the circuit's last row, far from everything.
                let swaps = layout.swaps.split_last().map_or(&[][..], |(_, swaps)| swaps);
                for swap in swaps.iter().copied().chain([usize::MAX]) {
                    while let Some(block) = blocks.next_if(|block| block.value_row < swap) {
                        let rows = block.value_row - start;
                        match block.value {
                            Some(value) => usage.add(owner(value as usize), rows),
                            None => usage.shared += rows,
                        }
                        start = block.value_row;
                    }
                    if swap != usize::MAX {
                        usage.shared += swap - start;
                        start = swap;
                    }
                }
            }
        }
        usage.free = (1usize << self.k).saturating_sub(usage.taken());
        usage
    }
}

impl Usage {
    fn add(&mut self, node: Option<usize>, rows: usize) {
        match node.map(|node| self.nodes.get_mut(node)) {
            None => self.inputs += rows,
            Some(Some(node)) => *node += rows,
            Some(None) => self.shared += rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        integer::IntegerGraph,
        shape::{GraphShape, Shape},
    };

    /// Two layers, 6 → 5 → 2.
    fn model(shape: &Shape) -> IntegerGraph {
        let layers = [(vec![1 << 20; 30], vec![0; 5]), (vec![1 << 18; 10], vec![0; 2])];
        IntegerGraph::chain(shape.value_bits(), shape.shift_bits(), 6, layers)
    }

    fn usage(shape: Shape) -> (Usage, usize) {
        let layout = Layout::new(&model(&shape), shape).expect("fits");
        (layout.usage(6, &[5, 2]), 1 << layout.k)
    }

    #[test]
    fn every_row_is_counted_once_in_either_circuit() {
        let graph = Some(GraphShape::new(2, 1));
        for graph in [None, graph] {
            let (usage, rows) = usage(Shape { graph, ..Shape::default() });
            assert_eq!(usage.taken() + usage.free, rows);
            assert!(usage.nodes.iter().all(|rows| *rows > 0) && usage.inputs > 0, "{usage:?}");
        }
    }

    #[test]
    fn a_value_costs_a_row_for_each_stripe_that_reads_it_and_one_more() {
        // One equation a stripe: inputs are read by five of them, hidden values by two.
        let graph = Some(GraphShape::new(5, 1));
        let (usage, _) = usage(Shape { graph, ..Shape::default() });
        assert_eq!((usage.inputs, &usage.nodes[..]), (6 * 6, &[5 * 3, 2 * 2][..]));
    }
}
