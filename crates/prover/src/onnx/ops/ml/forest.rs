//! Nodes in a file's lists, put together to trees and checked.

use crate::{
    graph::{Branch, Child, Leaf, Test},
    onnx::{error::OnnxError, node::Node},
};

/// Most comparisons on a way to a leaf.
const MAX_DEPTH: usize = 512;

/// A node as a file lists it.
pub(super) enum Listed {
    /// A comparison, with its children's places in the list.
    Branch {
        feature: usize,
        test: Test,
        missing_holds: bool,
        holds: usize,
        fails: usize,
    },
    Leaf(Leaf),
}

/// The trees of a list of nodes.
#[derive(Default)]
pub(super) struct Forest {
    pub(super) branches: Vec<Branch>,
    pub(super) leaves: Vec<Leaf>,
    pub(super) roots: Vec<Child>,
}

impl Forest {
    /// Follows the trees from their roots; `name` is how a message calls a node of the list.
    ///
    /// # Errors
    /// Nodes that are reached twice or not at all, and trees that are too deep.
    pub(super) fn new(
        node: &Node<'_>,
        listed: Vec<Listed>,
        roots: &[usize],
        name: impl Fn(usize) -> String,
    ) -> Result<Self, OnnxError> {
        let mut listed: Vec<Option<Listed>> = listed.into_iter().map(Some).collect();
        let mut forest = Self::default();
        for &root in roots {
            // (place in the list, depth, whose child on which side)
            let mut open = vec![(root, 0, None::<(usize, bool)>)];
            while let Some((place, depth, parent)) = open.pop() {
                let Some(one) = listed.get_mut(place).and_then(Option::take) else {
                    let name = name(place);
                    return Err(node.malformed(format!(
                        "{name} is reached twice: a cycle, or a child of two nodes"
                    )));
                };
                if depth > MAX_DEPTH {
                    return Err(node.unsupported(format!("a tree is deeper than {MAX_DEPTH}")));
                }
                let child = match one {
                    Listed::Leaf(leaf) => {
                        forest.leaves.push(leaf);
                        Child::Leaf(forest.leaves.len() - 1)
                    }
                    Listed::Branch { feature, test, missing_holds, holds, fails } => {
                        let first = (test, missing_holds, fails);
                        let (test, missing_holds, fails) =
                            set_of(&mut listed, (feature, holds), first);
                        let index = forest.branches.len();
                        let unknown = Child::Leaf(usize::MAX);
                        forest.branches.push(Branch {
                            feature,
                            test,
                            holds: unknown,
                            fails: unknown,
                            missing_holds,
                        });
                        open.push((fails, depth + 1, Some((index, false))));
                        open.push((holds, depth + 1, Some((index, true))));
                        Child::Branch(index)
                    }
                };
                match parent {
                    None => forest.roots.push(child),
                    Some((parent, true)) => forest.branches[parent].holds = child,
                    Some((parent, false)) => forest.branches[parent].fails = child,
                }
            }
        }
        match listed.iter().position(Option::is_some) {
            Some(orphan) => {
                let name = name(orphan);
                Err(node.malformed(format!("{name} belongs to no tree: no way leads to it")))
            }
            None => Ok(forest),
        }
    }

    /// The first leaf of a tree, whose leaves stand together from there on.
    pub(super) fn first_leaf(&self, mut at: Child) -> usize {
        loop {
            match at {
                Child::Leaf(leaf) => return leaf,
                Child::Branch(branch) => at = self.branches[branch].holds,
            }
        }
    }
}

/// A feature that is compared with one value after the other, and goes to the same node wherever it
/// is equal, is held against a set: so exporters write sets of categories. Gives the test, where a
/// missing value goes, and where the path goes on if the test fails; takes what it is made of off
/// the list.
fn set_of(
    listed: &mut [Option<Listed>],
    (feature, holds): (usize, usize),
    (test, mut missing_holds, mut fails): (Test, bool, usize),
) -> (Test, bool, usize) {
    let Test::Equal(value) = test else { return (test, missing_holds, fails) };
    let mut members = vec![value];
    while let Some(Some(Listed::Branch {
        feature: other,
        test: Test::Equal(value),
        missing_holds: missing,
        holds: to,
        fails: next,
    })) = listed.get(fails)
        && (*other, *to) == (feature, holds)
    {
        members.push(*value);
        missing_holds |= *missing;
        let next = *next;
        listed[fails] = None;
        fails = next;
    }
    let test = if members.len() == 1 { Test::Equal(value) } else { Test::Member(members) };
    (test, missing_holds, fails)
}
