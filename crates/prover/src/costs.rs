//! A plan node by node: what is proven, in which units, and what it costs in rows.

use std::collections::HashSet;

use serde::Serialize;

use crate::{
    circuit::{Layout, LayoutError},
    graph::{Graph, LinearMap},
    integer::{IntegerNode, IntegerOp, Maxima},
    plan::Plan,
    quantize::Encoding,
};

/// What a planned model costs, by what it is for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Costs {
    /// The inputs, then the nodes in the order in which they are proven.
    pub nodes: Vec<NodeCost>,
    /// Rows of public values, biases and the ends of layers.
    pub shared_rows: usize,
    /// Rows that tables need: the range table's entries, the two of every value and a path's
    /// steps, on which none can stand; or rows of the node table. They share rows with
    /// weights.
    pub table_rows: usize,
    /// Rows that are left.
    pub free_rows: usize,
    /// Rows of the circuit, 2^k.
    pub rows: usize,
}

/// What a node is proven by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// Elements that are given.
    Input,
    /// Linear maps, cut at 0.
    Linear,
    /// Maxima over windows.
    Maxima,
    /// Paths through decision trees.
    Trees,
    /// Functions of one variable by tables.
    Functions,
    /// Products of two values.
    Products,
    /// Quotients.
    Quotients,
    /// Square roots.
    Roots,
    /// Elements named again, which cost nothing.
    Selection,
}

impl NodeKind {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "inputs",
            Self::Linear => "linear maps",
            Self::Maxima => "maxima",
            Self::Trees => "trees",
            Self::Functions => "functions by tables",
            Self::Products => "products",
            Self::Quotients => "quotients",
            Self::Roots => "roots",
            Self::Selection => "elements named again",
        }
    }

    fn of(op: &IntegerOp) -> Self {
        match op {
            IntegerOp::Linear(_) => Self::Linear,
            IntegerOp::Maxima(_) => Self::Maxima,
            IntegerOp::Trees(_) => Self::Trees,
            IntegerOp::Curves(_) => Self::Functions,
            IntegerOp::Products(_) => Self::Products,
            IntegerOp::Quotients(_) => Self::Quotients,
            IntegerOp::Roots(_) => Self::Roots,
            IntegerOp::Select(_) => Self::Selection,
        }
    }
}

/// A tensor of integers that is committed to, or named again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeCost {
    /// The model's nodes that it comes from, joined by `+`; the name of an input.
    pub name: String,
    /// What these compute.
    pub operator: String,
    /// What it is proven by.
    pub kind: NodeKind,
    /// How that is proven: the integer node's maps.
    pub form: String,
    /// The tensor of the integer graph that it makes.
    pub tensor: usize,
    /// The tensors it reads.
    pub reads: Vec<String>,
    /// Dimensions of what it makes.
    pub shape: Vec<usize>,
    /// The smallest and the largest real value of one unit of its elements.
    pub unit: [f64; 2],
    /// Weights and biases.
    pub parameters: usize,
    /// Rows of the circuit; 0 for elements that are named again.
    pub rows: usize,
}

impl Costs {
    /// Lays a plan out and counts.
    ///
    /// # Errors
    /// None for a plan that was made for `model`.
    pub fn of(model: &Graph, plan: &Plan) -> Result<Self, LayoutError> {
        let graph = &plan.quantized.graph;
        let layout = Layout::new(graph, plan.shape)?;
        let makers = graph.nodes.iter().filter(|node| node.op.makes_values());
        let lengths = makers.map(|node| node.op.commitments(graph.len(node.output)));
        let lengths: Vec<usize> = lengths.collect();
        let usage = layout.usage(graph.input_len(), &lengths);
        let encodings = &plan.quantized.encodings;
        let unit = |tensor: usize| encodings.get(tensor).map_or([1.0; 2], Encoding::unit_range);
        let mut nodes = Vec::with_capacity(graph.inputs.len() + graph.nodes.len());
        // Inputs cost the more the more stripes read them; together they are known.
        let (mut rest, mut elements) = (usage.inputs, graph.input_len());
        for (integer, input) in graph.inputs.iter().zip(&model.inputs) {
            let tensor = &model.tensors[input.0];
            let rows = rest * tensor.len() / elements.max(1);
            (rest, elements) = (rest - rows, elements.saturating_sub(tensor.len()));
            nodes.push(NodeCost {
                name: tensor.name.clone(),
                operator: "input".into(),
                kind: NodeKind::Input,
                form: "given".into(),
                tensor: integer.0,
                reads: vec![],
                shape: tensor.dims.clone(),
                unit: unit(integer.0),
                parameters: 0,
                rows,
            });
        }
        let mut rows = usage.nodes.iter().copied();
        let trees = graph.nodes.iter().filter_map(|node| match &node.op {
            IntegerOp::Trees(trees) => Some(&trees.trees),
            _ => None,
        });
        let all_steps: usize = trees.flatten().map(|tree| tree.depth + 1).sum();
        for node in &graph.nodes {
            let (form, parameters, rows) = match &node.op {
                IntegerOp::Linear(linear) => {
                    let maps: Vec<String> = linear.maps.iter().map(LinearMap::to_string).collect();
                    let weights: usize = linear.maps.iter().map(LinearMap::coefficients).sum();
                    (maps.join(" + "), weights + linear.bias.len(), rows.next().unwrap_or(0))
                }
                IntegerOp::Maxima(Maxima { linear, windows }) => {
                    let maps: Vec<String> = linear.maps.iter().map(LinearMap::to_string).collect();
                    let weights: usize = linear.maps.iter().map(LinearMap::coefficients).sum();
                    let widest = windows.iter().map(Vec::len).max().unwrap_or(0);
                    let form = format!("maximum of {widest} of {}", maps.join(" + "));
                    (form, weights + linear.bias.len(), rows.next().unwrap_or(0))
                }
                IntegerOp::Trees(trees) => {
                    let nodes: usize = trees.trees.iter().map(|tree| tree.nodes.len()).sum();
                    let form = format!("{} paths of {nodes} tree nodes", trees.trees.len());
                    // Paths of several ensembles share their rows by depth.
                    let own = trees.trees.iter().map(|tree| tree.depth + 1).sum::<usize>();
                    let paths = usage.paths * own / all_steps.max(1);
                    (form, 2 * nodes + trees.bias.len(), rows.next().unwrap_or(0) + paths)
                }
                IntegerOp::Curves(curves) => {
                    let (functions, segments) = (curves.tables.len(), curves.segments());
                    let form = format!("tables of {segments} segments, {functions} functions");
                    (form, 2 * segments, rows.next().unwrap_or(0))
                }
                IntegerOp::Products(pairs) => {
                    (format!("{} products", pairs.len()), 0, rows.next().unwrap_or(0))
                }
                IntegerOp::Quotients(own) => {
                    (format!("{} quotients", own.len()), 4 * own.len(), rows.next().unwrap_or(0))
                }
                IntegerOp::Roots(own) => {
                    (format!("{} roots", own.len()), 2 * own.len(), rows.next().unwrap_or(0))
                }
                IntegerOp::Select(selected) => (format!("select {}", selected.len()), 0, 0),
            };
            let (operator, shape) = origin(model, node, graph.len(node.output));
            nodes.push(NodeCost {
                name: node.name.clone(),
                operator: operator.unwrap_or_else(|| form.clone()),
                kind: NodeKind::of(&node.op),
                form,
                tensor: node.output.0,
                reads: node.inputs.iter().map(|id| graph.tensors[id.0].name.clone()).collect(),
                shape,
                unit: unit(node.output.0),
                parameters,
                rows,
            });
        }
        Ok(Self {
            nodes,
            shared_rows: usage.shared,
            table_rows: usage.table,
            free_rows: usage.free,
            rows: 1 << plan.k,
        })
    }

    /// Rows that values, weights and biases take.
    pub fn taken(&self) -> usize {
        self.rows - self.free_rows
    }

    /// The part of the taken rows that a node has.
    pub fn share(&self, node: &NodeCost) -> f64 {
        node.rows as f64 / self.taken().max(1) as f64
    }

    /// What decides how many rows the circuit has.
    pub fn dominant(&self) -> String {
        if self.table_rows > self.taken() {
            return format!("the tables, which need {} rows", self.table_rows);
        }
        let most = self.nodes.iter().max_by_key(|node| node.rows);
        match most.filter(|node| node.rows >= self.shared_rows) {
            Some(node) => format!("{} ({})", node.name, node.operator),
            None => "public values and biases".into(),
        }
    }
}

/// The operators of the model's nodes that an integer node comes from, and the dimensions of
/// what the last of them makes.
fn origin(model: &Graph, node: &IntegerNode, len: usize) -> (Option<String>, Vec<usize>) {
    let parts: HashSet<&str> = node.name.split('+').collect();
    let of = model.nodes.iter().filter(|own| own.name.split('+').all(|name| parts.contains(name)));
    let (mut operators, mut shape) = (vec![], vec![len]);
    for own in of {
        operators.push(own.op.to_string());
        let tensor = &model.tensors[own.output.0];
        if tensor.len() == len {
            shape.clone_from(&tensor.dims);
        }
    }
    ((!operators.is_empty()).then(|| operators.join(", ")), shape)
}
