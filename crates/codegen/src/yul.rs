//! Yul expressions: the gate graph as code, and printing within a line width.
//!
//! Operands of `mulmod` and `addmod` need not be reduced, so sums are plain `add`s
//! as long as they provably stay below 2^256: every value carries a bound, a
//! multiple of r, and 5·r < 2^256. Products and `addmod` bring the bound back to 1.
//!
//! Yul evaluates arguments from right to left; the deeper operand is therefore
//! written last, which keeps the stack flat. What would still be too deep, and what
//! is cheaper to load than to compute again, is stored in a `SHARED` word.

use std::fmt::Write;

use ff::Field;
use halo2curves::bn256::Fr;
use verdict_kzg::{
    expression::{Graph, Leaf, Node, NodeId},
    transcript::to_be_bytes,
};

/// Largest multiple of r that fits 256 bits.
const MAX_BOUND: u32 = 5;
/// Stack words an expression may take while it is evaluated.
const MAX_DEPTH: u32 = 7;
/// As in foundry.toml's `fmt`, less the indentation of the blocks.
const LINE_WIDTH: usize = 110 - 12;

/// A Yul expression.
#[derive(Debug, Clone)]
pub(crate) enum Yul {
    Atom(String),
    Call(&'static str, Vec<Yul>),
}

impl Yul {
    pub(crate) fn atom(text: impl Into<String>) -> Self {
        Self::Atom(text.into())
    }

    pub(crate) fn load(name: impl Into<String>) -> Self {
        Self::Call("mload", vec![Self::atom(name)])
    }

    pub(crate) fn add(a: Self, b: Self) -> Self {
        Self::Call("add", vec![a, b])
    }

    pub(crate) fn and(a: Self, b: Self) -> Self {
        Self::Call("and", vec![a, b])
    }

    /// a < r
    pub(crate) fn below_r(a: Self) -> Self {
        Self::Call("lt", vec![a, Self::atom("r")])
    }

    pub(crate) fn sub(a: Self, b: Self) -> Self {
        Self::Call("sub", vec![a, b])
    }

    pub(crate) fn mulmod(a: Self, b: Self) -> Self {
        Self::Call("mulmod", vec![a, b, Self::atom("r")])
    }

    pub(crate) fn addmod(a: Self, b: Self) -> Self {
        Self::Call("addmod", vec![a, b, Self::atom("r")])
    }

    /// On one line.
    pub(crate) fn flat(&self) -> String {
        match self {
            Self::Atom(text) => text.clone(),
            Self::Call(name, arguments) => {
                let arguments: Vec<_> = arguments.iter().map(Self::flat).collect();
                format!("{name}({})", arguments.join(", "))
            }
        }
    }

    /// Broken into lines where one is not enough; `used` columns are taken already.
    fn write(&self, out: &mut String, indent: usize, used: usize) {
        let flat = self.flat();
        match self {
            Self::Call(name, arguments) if indent + used + flat.len() > LINE_WIDTH => {
                let _ = writeln!(out, "{name}(");
                for (i, argument) in arguments.iter().enumerate() {
                    let _ = write!(out, "{:1$}", "", indent + 4);
                    argument.write(out, indent + 4, usize::from(i + 1 < arguments.len()));
                    out.push_str(if i + 1 < arguments.len() { ",\n" } else { "\n" });
                }
                let _ = write!(out, "{:1$})", "", indent);
            }
            _ => out.push_str(&flat),
        }
    }

    /// `name := expression` as lines.
    pub(crate) fn assigned_to(&self, name: &str) -> Vec<String> {
        self.statement(&format!("{name} := "), "")
    }

    /// `mstore(name, expression)` as lines.
    pub(crate) fn stored_at(&self, name: &str) -> Vec<String> {
        let call = Self::Call("mstore", vec![Self::atom(name), self.clone()]);
        call.statement("", "")
    }

    /// `before` ‖ expression ‖ `after` as lines.
    fn statement(&self, before: &str, after: &str) -> Vec<String> {
        let mut out = before.to_owned();
        self.write(&mut out, 0, before.len() + after.len());
        out.push_str(after);
        out.lines().map(str::to_owned).collect()
    }
}

/// A field element as a Yul literal.
fn literal(value: &Fr) -> String {
    let bytes = to_be_bytes(value);
    let significant = bytes.iter().skip_while(|byte| **byte == 0);
    let digits = significant.fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    });
    if digits.is_empty() { "0".to_owned() } else { format!("0x{digits}") }
}

/// How a node is computed.
#[derive(Debug, Clone, Default)]
struct Plan {
    /// Uses by reachable parents and constraints.
    uses: usize,
    /// The value is at most bound·r.
    bound: u32,
    /// Stack words while it is evaluated.
    depth: u32,
    /// Gas to compute it where it is used.
    cost: usize,
    /// Number of its `SHARED` word, if it has one.
    shared: Option<usize>,
}

/// The code that folds all constraints into one value.
#[derive(Debug, Clone)]
pub(crate) struct GateCode {
    /// Per constraint: its statements.
    pub(crate) constraints: Vec<Vec<String>>,
    /// Per stored value: its statements.
    pub(crate) stored: Vec<Vec<String>>,
    /// `SHARED` words.
    pub(crate) shared: usize,
    /// Estimated gas of the statements.
    pub(crate) gas: usize,
}

/// Evaluates constraints with `folded ← folded·y + constraint`, given the names of
/// the words that hold the leaves; then stores other values, each at its address. Uses
/// the Yul variables `folded`, `y` and `r`.
pub(crate) fn fold_constraints(
    graph: &Graph,
    roots: &[NodeId],
    values: &[(String, NodeId)],
    name: impl Fn(Leaf) -> String,
) -> GateCode {
    let all: Vec<NodeId> =
        roots.iter().copied().chain(values.iter().map(|(_, root)| *root)).collect();
    let mut emitter = Emitter { graph, plans: plan(graph, &all), name };
    let mut written = vec![false; graph.nodes().len()];
    let mut gas = 0;
    let mut constraints = Vec::new();
    for (index, root) in roots.iter().enumerate() {
        let mut lines = emitter.store_shared(*root, &mut written, &mut gas);
        let value = emitter.value(*root);
        gas += emitter.inline_cost(*root) + 22;
        let folded = Yul::mulmod(Yul::atom("folded"), Yul::atom("y"));
        let sum = match (index, emitter.plans[*root].bound) {
            (0, _) => value,
            (_, MAX_BOUND) => Yul::addmod(folded, value),
            _ => Yul::add(folded, value),
        };
        lines.extend(sum.assigned_to("folded"));
        constraints.push(lines);
    }
    let mut stored = Vec::new();
    for (word, root) in values {
        let mut lines = emitter.store_shared(*root, &mut written, &mut gas);
        let value = emitter.value(*root);
        gas += emitter.inline_cost(*root) + 6;
        // Reduced: it is multiplied further, but a bound is not known there.
        let value = match emitter.plans[*root].bound {
            1 => value,
            _ => Yul::addmod(value, Yul::atom("0")),
        };
        lines.extend(value.stored_at(word));
        stored.push(lines);
    }
    let shared = emitter.plans.iter().filter(|plan| plan.shared.is_some()).count();
    GateCode { constraints, stored, shared, gas }
}

struct Emitter<'a, N> {
    graph: &'a Graph,
    plans: Vec<Plan>,
    name: N,
}

impl<N: Fn(Leaf) -> String> Emitter<'_, N> {
    /// Statements that fill the `SHARED` words below `root` not written yet.
    fn store_shared(&mut self, root: NodeId, written: &mut [bool], gas: &mut usize) -> Vec<String> {
        let mut lines = Vec::new();
        for id in self.stored_below(root) {
            if !std::mem::replace(&mut written[id], true) {
                let word = self.plans[id].shared.unwrap_or_default();
                lines.extend(self.compute(id).statement(&format!("mstore(SHARED_{word}, "), ")"));
                *gas += self.plans[id].cost + 6;
            }
        }
        lines
    }

    /// Nodes with a `SHARED` word that `root` depends on, children first.
    fn stored_below(&self, root: NodeId) -> Vec<NodeId> {
        let mut reached = vec![false; root + 1];
        reached[root] = true;
        for id in (0..=root).rev() {
            if reached[id] {
                for child in children(&self.graph.nodes()[id]) {
                    reached[child] = true;
                }
            }
        }
        (0..=root).filter(|id| reached[*id] && self.plans[*id].shared.is_some()).collect()
    }

    fn inline_cost(&self, id: NodeId) -> usize {
        if self.plans[id].shared.is_some() { 6 } else { self.plans[id].cost }
    }

    /// The node where it is used: a load if it has a word.
    fn value(&mut self, id: NodeId) -> Yul {
        match self.plans[id].shared {
            Some(word) => Yul::load(format!("SHARED_{word}")),
            None => self.compute(id),
        }
    }

    fn compute(&mut self, id: NodeId) -> Yul {
        match self.graph.nodes()[id] {
            Node::Leaf(leaf) => Yul::load((self.name)(leaf)),
            Node::Constant(value) => Yul::Atom(literal(&value)),
            Node::Negated(a) => {
                let modulus = match self.plans[a].bound {
                    1 => "r".to_owned(),
                    bound => format!("R_TIMES_{bound}"),
                };
                Yul::sub(Yul::atom(modulus), self.value(a))
            }
            Node::Sum(a, b) => {
                let reduced = self.plans[a].bound + self.plans[b].bound > MAX_BOUND;
                let (a, b) = self.ordered(a, b);
                if reduced { Yul::addmod(a, b) } else { Yul::add(a, b) }
            }
            Node::Product(a, b) => {
                let (a, b) = self.ordered(a, b);
                Yul::mulmod(a, b)
            }
        }
    }

    fn ordered(&mut self, a: NodeId, b: NodeId) -> (Yul, Yul) {
        let (shallow, deep) = by_depth(&self.plans, a, b);
        (self.value(shallow), self.value(deep))
    }
}

fn children(node: &Node) -> impl Iterator<Item = NodeId> {
    let (first, second) = match node {
        Node::Leaf(_) | Node::Constant(_) => (None, None),
        Node::Negated(a) => (Some(*a), None),
        Node::Sum(a, b) | Node::Product(a, b) => (Some(*a), Some(*b)),
    };
    first.into_iter().chain(second)
}

/// The operands, shallower first.
fn by_depth(plans: &[Plan], a: NodeId, b: NodeId) -> (NodeId, NodeId) {
    let depth = |id: NodeId| if plans[id].shared.is_some() { 1 } else { plans[id].depth };
    if depth(a) <= depth(b) { (a, b) } else { (b, a) }
}

/// Decides for every node its bound, cost and whether it gets a word.
fn plan(graph: &Graph, roots: &[NodeId]) -> Vec<Plan> {
    let mut plans = vec![Plan::default(); graph.nodes().len()];
    for root in roots {
        plans[*root].uses += 1;
    }
    for id in (0..plans.len()).rev() {
        if plans[id].uses > 0 {
            for child in children(&graph.nodes()[id]) {
                plans[child].uses += 1;
            }
        }
    }
    let mut words = 0;
    for id in 0..plans.len() {
        let loaded = |id: NodeId| match plans[id].shared {
            Some(_) => (1, 6),
            None => (plans[id].depth, plans[id].cost),
        };
        let (bound, depth, cost) = match graph.nodes()[id] {
            Node::Leaf(_) => (1, 1, 6),
            Node::Constant(_) => (1, 1, 3),
            Node::Negated(a) => {
                let (depth, cost) = loaded(a);
                (plans[a].bound, depth.max(2), cost + 6)
            }
            Node::Sum(a, b) => {
                let bound = plans[a].bound + plans[b].bound;
                let reduced = bound > MAX_BOUND;
                let (shallow, deep) = by_depth(&plans, a, b);
                let ((da, ca), (db, cb)) = (loaded(shallow), loaded(deep));
                let modulus = u32::from(reduced);
                let depth = (da + 1 + modulus).max(db + modulus);
                if reduced { (1, depth, ca + cb + 11) } else { (bound, depth, ca + cb + 3) }
            }
            Node::Product(a, b) => {
                let (shallow, deep) = by_depth(&plans, a, b);
                let ((da, ca), (db, cb)) = (loaded(shallow), loaded(deep));
                (1, (da + 2).max(db + 1), ca + cb + 11)
            }
        };
        let inner = children(&graph.nodes()[id]).next().is_some();
        let pays = cost * plans[id].uses > cost + 6 + 6 * plans[id].uses;
        let shared = (plans[id].uses > 0 && inner && (pays || depth > MAX_DEPTH)).then(|| {
            words += 1;
            words - 1
        });
        let uses = plans[id].uses;
        plans[id] = Plan { uses, bound, depth, cost, shared };
    }
    plans
}

/// The multiples of r that negations subtract from, beside r itself.
pub(crate) fn modulus_multiples(code: &GateCode) -> Vec<u32> {
    let text = [code.constraints.concat(), code.stored.concat()].concat().join("\n");
    (2..=MAX_BOUND).filter(|bound| text.contains(&format!("R_TIMES_{bound},"))).collect()
}

/// multiple·r as a literal.
pub(crate) fn modulus_multiple(multiple: u32) -> String {
    // multiple·r = multiple·(r − 1) + multiple, in 256-bit arithmetic on bytes.
    let below = to_be_bytes(&-Fr::ONE);
    let mut carry = multiple;
    let mut digits = [0u8; 32];
    for (digit, byte) in digits.iter_mut().zip(below).rev() {
        let value = u32::from(byte) * multiple + carry;
        *digit = value as u8;
        carry = value >> 8;
    }
    let mut text = "0x".to_owned();
    for digit in digits {
        let _ = write!(text, "{digit:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(leaf: Leaf) -> String {
        format!("{leaf:?}").replace(['(', ')'], "")
    }

    #[test]
    fn sums_below_five_moduli_are_not_reduced_and_longer_ones_are() {
        let mut graph = Graph::default();
        let leaves: Vec<_> = (0..6).map(|i| graph.leaf(Leaf::Advice(i))).collect();
        let five = leaves[1..5].iter().fold(leaves[0], |sum, leaf| graph.sum(sum, *leaf));
        let six = graph.sum(five, leaves[5]);
        let code = fold_constraints(&graph, &[five], &[], name);
        assert!(!code.constraints[0].concat().contains("addmod"));
        let code = fold_constraints(&graph, &[six], &[], name);
        assert_eq!(code.constraints[0].concat().matches("addmod").count(), 1);
    }

    #[test]
    fn the_negative_of_a_sum_subtracts_from_its_bound() {
        let mut graph = Graph::default();
        let (a, b) = (graph.leaf(Leaf::Advice(0)), graph.leaf(Leaf::Advice(1)));
        let sum = graph.sum(a, b);
        let negative = graph.negated(sum);
        let code = fold_constraints(&graph, &[negative], &[], name);
        assert_eq!(
            code.constraints[0],
            ["folded := sub(R_TIMES_2, add(mload(Advice0), mload(Advice1)))"]
        );
        assert_eq!(modulus_multiples(&code), [2]);
    }

    #[test]
    fn multiples_of_the_modulus_are_exact() {
        assert_eq!(
            modulus_multiple(1),
            "0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001"
        );
        assert_eq!(
            modulus_multiple(5),
            "0xf1f5883e65f820d099915c908786b9d1c903896a609f32d65369cbe3b0000005"
        );
    }

    #[test]
    fn deep_expressions_are_cut_by_shared_words() {
        let mut graph = Graph::default();
        // A full binary tree of products of depth 12.
        let mut level: Vec<_> = (0..4096).map(|i| graph.leaf(Leaf::Advice(i))).collect();
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| graph.product(pair[0], pair[1])).collect();
        }
        let plans = plan(&graph, &level);
        assert!(plans.iter().any(|plan| plan.shared.is_some()));
        assert!(plans.iter().all(|plan| plan.shared.is_some() || plan.depth <= MAX_DEPTH));
    }
}
