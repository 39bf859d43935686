//! Where a missing value may go.
//!
//! A missing value is NaN: trees send it where their file says, comparisons do not hold for it,
//! and an Imputer replaces it. Whatever else would read it computes NaN, so that no proof could
//! say what the model says; a model in which an output depends on that is refused.

use super::{Ranges, SchemaError};
use crate::graph::{Element, Function, Graph, Node, Op};

/// What an element is for some inputs: missing, or computed from what is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Always a number.
    Number,
    /// Missing where this input element is.
    Missing(usize),
    /// NaN where this input element is missing, by a node's fault.
    Computed(usize, usize),
}

impl State {
    /// What a node makes that computes with elements in these states.
    fn computed(states: impl IntoIterator<Item = Self>, node: usize) -> Self {
        states.into_iter().fold(Self::Number, |so_far, state| match (so_far, state) {
            (Self::Number, Self::Missing(element)) => Self::Computed(element, node),
            (Self::Number, other) => other,
            (found, _) => found,
        })
    }
}

/// Refuses a graph that computes with what may be missing. `element` names an input element.
///
/// # Errors
/// [`SchemaError::MissingComputed`].
pub(super) fn check(
    graph: &Graph,
    ranges: &Ranges,
    element: &impl Fn(usize) -> String,
) -> Result<(), SchemaError> {
    let missing = |index: usize| ranges.grid(index).is_some_and(|grid| grid.missing);
    if !(0..ranges.input.len()).any(missing) {
        return Ok(());
    }
    let mut states = vec![Vec::new(); graph.tensors.len()];
    let mut first = 0;
    for id in &graph.inputs {
        let len = graph.tensors[id.0].len();
        let state = |index| if missing(index) { State::Missing(index) } else { State::Number };
        states[id.0] = (first..first + len).map(state).collect();
        first += len;
    }
    for (number, node) in graph.nodes.iter().enumerate() {
        states[node.output.0] = after(node, number, &states);
    }
    let outputs = graph.outputs.iter().flat_map(|id| states[id.0].iter().map(move |s| (id, *s)));
    for (id, state) in outputs {
        let (index, node) = match state {
            State::Number => continue,
            State::Missing(index) => (index, graph.tensors[id.0].name.clone()),
            State::Computed(index, node) => (index, graph.nodes[node].name.clone()),
        };
        return Err(SchemaError::MissingComputed { element: element(index), node });
    }
    Ok(())
}

fn after(node: &Node, number: usize, states: &[Vec<State>]) -> Vec<State> {
    let inputs: Vec<&Vec<State>> = node.inputs.iter().map(|id| &states[id.0]).collect();
    match &node.op {
        Op::Select(elements) => elements
            .iter()
            .map(|element| match *element {
                Element::Input { input, index } => inputs[input][index],
                Element::Constant(_) => State::Number,
            })
            .collect(),
        Op::Linear(linear) => (0..linear.bias.len())
            .map(|row| {
                let mut terms = Vec::new();
                for (map, input) in linear.maps.iter().zip(&inputs) {
                    map.for_each_in_row(row, |index, factor| {
                        if factor != 0.0 {
                            terms.push(input[index]);
                        }
                    });
                }
                match terms[..] {
                    // Scaled, it is as missing as before.
                    [one] => one,
                    _ => State::computed(terms, number),
                }
            })
            .collect(),
        Op::Trees(trees) => {
            let mut own = Vec::with_capacity(trees.positions * trees.outputs);
            for position in 0..trees.positions {
                let compared = trees.branches.iter().map(|branch| {
                    match inputs[0][position * trees.features + branch.feature] {
                        computed @ State::Computed(..) => computed,
                        State::Missing(index) if trees.numbers.contains(&branch.feature) => {
                            State::Computed(index, number)
                        }
                        _ => State::Number,
                    }
                });
                let state = State::computed(compared, number);
                own.extend(std::iter::repeat_n(state, trees.outputs));
            }
            own
        }
        Op::Function(Function::Impute { .. }) => {
            let known = |state: &State| match *state {
                State::Missing(_) => State::Number,
                other => other,
            };
            inputs[0].iter().map(known).collect()
        }
        Op::Function(_) => {
            inputs[0].iter().map(|state| State::computed([*state], number)).collect()
        }
        Op::Product(product) => {
            let second = inputs.get(1).unwrap_or(&inputs[0]);
            let row = |row: &[[usize; 2]]| {
                let states = row.iter().flat_map(|[i, j]| [inputs[0][*i], second[*j]]);
                State::computed(states, number)
            };
            product.rows().map(row).collect()
        }
        Op::Quotient(_) => (0..inputs[0].len())
            .map(|index| State::computed(inputs.iter().map(|input| input[index]), number))
            .collect(),
        Op::Shares(shares) => {
            let of = |(_, group): &(usize, usize)| {
                let states = shares.groups[*group].iter().map(|index| inputs[0][*index]);
                State::computed(states, number)
            };
            shares.of.iter().map(of).collect()
        }
        Op::Root => inputs[0].iter().map(|state| State::computed([*state], number)).collect(),
        Op::Leading(leading) => leading
            .extremum
            .groups
            .iter()
            .flat_map(|group| {
                let states = group.iter().map(|index| inputs[0][*index]);
                std::iter::repeat_n(State::computed(states, number), group.len())
            })
            .collect(),
        Op::Extremum(extremum) | Op::ArgExtremum(extremum) => extremum
            .groups
            .iter()
            .map(|group| State::computed(group.iter().map(|index| inputs[0][*index]), number))
            .collect(),
    }
}
