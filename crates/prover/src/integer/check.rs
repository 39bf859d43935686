//! What a graph from a file or from a caller must be before anything relies on it.

use thiserror::Error;

use super::{IntegerGraph, IntegerNode, IntegerOp, Intervals};
use crate::{
    circuit::WrongBatch,
    graph::{Linear, TensorId},
};

/// Most elements of all tensors: more than any circuit has rows.
const MAX_ELEMENTS: usize = 1 << 28;

/// Why an integer graph is not valid or could not be run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IntegerError {
    /// No nodes, no inputs or no outputs.
    #[error("the graph has no {what}")]
    Empty {
        /// What it lacks.
        what: &'static str,
    },
    /// A parameter that does not belong to the circuit, or to any.
    #[error("{what} is {value}, must be {constraint}")]
    Parameter {
        /// Which.
        what: &'static str,
        /// Its value.
        value: u64,
        /// What it must be.
        constraint: String,
    },
    /// A tensor that does not exist.
    #[error("{place} names tensor {tensor}, there are {count}")]
    NoTensor {
        /// Who names it.
        place: String,
        /// The tensor.
        tensor: usize,
        /// Tensors of the graph.
        count: usize,
    },
    /// A tensor that is read before it is made, or never.
    #[error("{place} reads tensor {tensor}, which nothing before it makes")]
    NotMade {
        /// Who reads it.
        place: String,
        /// The tensor's name.
        tensor: String,
    },
    /// A private input that is none.
    #[error("the list of private inputs names tensor {tensor}, which is no input")]
    NoInput {
        /// The tensor's name.
        tensor: String,
    },
    /// A tensor made twice.
    #[error("{place} makes tensor {tensor}, which something else makes too")]
    MadeTwice {
        /// Who makes it again.
        place: String,
        /// The tensor's name.
        tensor: String,
    },
    /// A node whose maps do not fit its tensors.
    #[error("node {node}: {cause}")]
    Node {
        /// The node.
        node: String,
        /// What does not fit.
        cause: String,
    },
    /// A node that selects an element which is not there.
    #[error("node {node}: element {index} comes from input {input}, element {from}, which is none")]
    Selected {
        /// The node.
        node: String,
        /// The element made.
        index: usize,
        /// The input it names.
        input: usize,
        /// The element it names.
        from: usize,
    },
    /// A value may lie where its function's table has no segment.
    #[error("node {node}, element {index}: the function's table does not cover all its values")]
    NoSegment {
        /// The node.
        node: String,
        /// Index within the node's output.
        index: usize,
    },
    /// An integer may leave its range.
    #[error(
        "node {node}, element {index}: a value may need {bits} bits, the circuit has {limit}; \
         narrow the declared input range or lower the precision"
    )]
    Overflow {
        /// The node.
        node: String,
        /// Index within the node's output.
        index: usize,
        /// Bits needed.
        bits: u32,
        /// Bits available.
        limit: u32,
    },
    /// Wrong number of inferences.
    #[error(transparent)]
    Batch(#[from] WrongBatch),
    /// Wrong number of salts.
    #[error("a salt is needed for each of {expected} inferences with committed inputs, got {got}")]
    Salts {
        /// Inferences whose inputs are committed.
        expected: usize,
        /// How many were given.
        got: usize,
    },
    /// Wrong number of inputs.
    #[error("the model takes {expected} inputs, got {got}")]
    InputLength {
        /// Elements of the graph's inputs.
        expected: usize,
        /// Elements given.
        got: usize,
    },
    /// An input outside [0, 2^input_bits).
    #[error("input {index} is {value} in integer units, outside its range of {bits} bits")]
    InputRange {
        /// Index of the input.
        index: usize,
        /// The value.
        value: i64,
        /// Bits of the range.
        bits: u32,
    },
}

impl IntegerGraph {
    /// Checks everything that a proof relies on: that tensors are made once and before
    /// they are read, that maps fit them, that the graph is for a circuit of these bits,
    /// and that no input in range can take a z out of [−2^accumulator_bits,
    /// 2^accumulator_bits). Whatever a file holds, this does not panic.
    ///
    /// A value's bits follow: z / 2^n is below 2^(accumulator_bits − n). Inputs must have
    /// as many.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(
        &self,
        accumulator_bits: u32,
        value_bits: u32,
    ) -> Result<Intervals, IntegerError> {
        if accumulator_bits > 62 {
            let constraint = "at most 62".to_owned();
            let value = accumulator_bits.into();
            return Err(IntegerError::Parameter { what: "accumulator_bits", value, constraint });
        }
        self.check_bits(value_bits, accumulator_bits.saturating_sub(value_bits))?;
        self.check_structure()?;
        self.intervals(accumulator_bits)
    }

    /// Checks that the graph is for a circuit of so many bits an input and a rescale.
    ///
    /// # Errors
    /// The first of the two that differs.
    pub fn check_bits(&self, value_bits: u32, shift_bits: u32) -> Result<(), IntegerError> {
        let check = |what, value: u32, expected: u32| {
            if value == expected {
                return Ok(());
            }
            let constraint = format!("{expected}, as the circuit has it");
            Err(IntegerError::Parameter { what, value: value.into(), constraint })
        };
        check("input_bits", self.input_bits, value_bits)?;
        check("shift_bits", self.shift_bits, shift_bits)
    }

    /// Checks tensors and maps, not the size of integers.
    pub fn check_structure(&self) -> Result<(), IntegerError> {
        for (what, count) in [
            ("inputs", self.inputs.len()),
            ("nodes", self.nodes.len()),
            ("outputs", self.outputs.len()),
        ] {
            if count == 0 {
                return Err(IntegerError::Empty { what });
            }
        }
        for (what, bits) in [("input_bits", self.input_bits), ("shift_bits", self.shift_bits)] {
            if !(1..=61).contains(&bits) {
                let constraint = "1 to 61".to_owned();
                return Err(IntegerError::Parameter { what, value: bits.into(), constraint });
            }
        }
        let elements = self.tensors.iter().fold(0usize, |sum, t| sum.saturating_add(t.len));
        if elements > MAX_ELEMENTS {
            let (what, value) = ("the number of elements of all tensors", elements as u64);
            let constraint = format!("at most {MAX_ELEMENTS}");
            return Err(IntegerError::Parameter { what, value, constraint });
        }
        if self.tensors.iter().any(|tensor| tensor.len == 0) {
            return Err(IntegerError::Empty { what: "elements in one of its tensors" });
        }
        let mut made = vec![false; self.tensors.len()];
        for tensor in &self.inputs {
            self.make(*tensor, &mut made, || "the list of inputs".to_owned())?;
        }
        for tensor in &self.private {
            let place = || "the list of private inputs".to_owned();
            self.exists(*tensor, place)?;
            if !self.inputs.contains(tensor) {
                let tensor = self.tensors[tensor.0].name.clone();
                return Err(IntegerError::NoInput { tensor });
            }
        }
        for node in &self.nodes {
            let place = || format!("node {}", node.name);
            for tensor in &node.inputs {
                self.read(*tensor, &made, place)?;
            }
            self.exists(node.output, place)?;
            self.check_node(node)?;
            self.make(node.output, &mut made, place)?;
        }
        for tensor in &self.outputs {
            self.read(*tensor, &made, || "the list of outputs".to_owned())?;
        }
        Ok(())
    }

    fn check_node(&self, node: &IntegerNode) -> Result<(), IntegerError> {
        match &node.op {
            IntegerOp::Linear(linear) => self.check_linear(node, linear, self.len(node.output)),
            IntegerOp::Maxima(maxima) => {
                self.check_linear(node, &maxima.linear, maxima.linear.bias.len())?;
                match maxima.misfit(self.len(node.output)) {
                    Some(cause) => Err(IntegerError::Node { node: node.name.clone(), cause }),
                    None => Ok(()),
                }
            }
            IntegerOp::Trees(trees) => {
                let inputs: Vec<usize> = node.inputs.iter().map(|input| self.len(*input)).collect();
                match trees.misfit(self.input_bits, &inputs, self.len(node.output)) {
                    Some(cause) => Err(IntegerError::Node { node: node.name.clone(), cause }),
                    None => Ok(()),
                }
            }
            IntegerOp::Curves(curves) => {
                let inputs: Vec<usize> = node.inputs.iter().map(|input| self.len(*input)).collect();
                match curves.misfit(self.input_bits, &inputs, self.len(node.output)) {
                    Some(cause) => Err(IntegerError::Node { node: node.name.clone(), cause }),
                    None => Ok(()),
                }
            }
            IntegerOp::Select(elements) => {
                self.check_selected(node, elements.len(), elements.iter().enumerate())
            }
            IntegerOp::Products(pairs) => {
                let all =
                    pairs.iter().enumerate().flat_map(|(i, pair)| pair.iter().map(move |s| (i, s)));
                self.check_selected(node, pairs.len(), all)
            }
            IntegerOp::Quotients(divisions) => {
                let all = divisions.iter().enumerate();
                let all = all.flat_map(|(i, own)| [(i, &own.numerator.of), (i, &own.divisor)]);
                self.check_selected(node, divisions.len(), all)
            }
            IntegerOp::Roots(radicands) => {
                let all = radicands.iter().enumerate().map(|(i, own)| (i, &own.of));
                self.check_selected(node, radicands.len(), all)
            }
        }
    }

    /// As many elements as outputs, and all that is selected, each for an element, must exist.
    fn check_selected<'a>(
        &self,
        node: &IntegerNode,
        elements: usize,
        selected: impl IntoIterator<Item = (usize, &'a super::Selected)>,
    ) -> Result<(), IntegerError> {
        let expected = self.len(node.output);
        if elements != expected {
            let cause = format!("{elements} elements for {expected} outputs");
            return Err(IntegerError::Node { node: node.name.clone(), cause });
        }
        match self.missing(&node.inputs, selected) {
            Some((index, at)) => Err(IntegerError::Selected {
                node: node.name.clone(),
                index,
                input: at.input,
                from: at.index,
            }),
            None => Ok(()),
        }
    }

    /// Maps must fit the inputs and make `rows` sums.
    fn check_linear(
        &self,
        node: &IntegerNode,
        linear: &Linear<i64>,
        rows: usize,
    ) -> Result<(), IntegerError> {
        let inputs: Vec<usize> = node.inputs.iter().map(|input| self.len(*input)).collect();
        let misfit = if linear.maps.len() != inputs.len() {
            Some(format!("{} maps for {} inputs", linear.maps.len(), inputs.len()))
        } else if linear.bias.len() != rows {
            Some(format!("{} biases for {rows} outputs", linear.bias.len()))
        } else if rows > MAX_ELEMENTS {
            Some(format!("{rows} sums, at most {MAX_ELEMENTS} are supported"))
        } else {
            let mut maps = linear.maps.iter().zip(&inputs);
            maps.find_map(|(map, inputs)| map.misfit(*inputs, rows))
        };
        match misfit {
            Some(cause) => Err(IntegerError::Node { node: node.name.clone(), cause }),
            None => Ok(()),
        }
    }

    fn exists(&self, tensor: TensorId, place: impl Fn() -> String) -> Result<(), IntegerError> {
        let count = self.tensors.len();
        if tensor.0 < count {
            return Ok(());
        }
        Err(IntegerError::NoTensor { place: place(), tensor: tensor.0, count })
    }

    fn read(
        &self,
        tensor: TensorId,
        made: &[bool],
        place: impl Fn() -> String,
    ) -> Result<(), IntegerError> {
        self.exists(tensor, &place)?;
        if made[tensor.0] {
            return Ok(());
        }
        let tensor = self.tensors[tensor.0].name.clone();
        Err(IntegerError::NotMade { place: place(), tensor })
    }

    fn make(
        &self,
        tensor: TensorId,
        made: &mut [bool],
        place: impl Fn() -> String,
    ) -> Result<(), IntegerError> {
        self.exists(tensor, &place)?;
        if !std::mem::replace(&mut made[tensor.0], true) {
            return Ok(());
        }
        let tensor = self.tensors[tensor.0].name.clone();
        Err(IntegerError::MadeTwice { place: place(), tensor })
    }
}
