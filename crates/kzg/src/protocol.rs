//! The verifier's view of a constraint system: what the proof contains, which
//! challenges are drawn when, what the gates compute and what is opened where.
//!
//! Everything here depends on the constraint system alone. It follows halo2's
//! verifier (plonk/verifier.rs) and its SHPLONK opening for circuits whose
//! constraints are gates only.

use ff::PrimeField;
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use halo2curves::bn256::Fr;

use crate::{
    expression::{Graph, Leaf, NodeId},
    transcript::{POINT_BYTES, SCALAR_BYTES, keccak256},
};

/// Prefix of the canonical description. It changes with the layout of keys or
/// proofs, so that a verifier refuses keys made for another layout.
const FORMAT: &str = "verdict-shape-v1";

/// Why a constraint system has no proof that could be verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The constraint system uses an argument the generator does not know.
    #[error(
        "the constraint system has {count} {feature}, the generated verifier supports {limit}: \
         express the argument as gates"
    )]
    Unsupported {
        /// What is used.
        feature: &'static str,
        /// How often.
        count: usize,
        /// How many are supported.
        limit: usize,
    },
    /// There is nothing to verify.
    #[error("the constraint system has no {0}, so there is nothing to prove")]
    Empty(&'static str),
    /// Keygen turns selectors into fixed columns; this one was not.
    #[error("gate `{gate}` uses a selector: take the constraint system from a verifying key")]
    Selector {
        /// The gate's name.
        gate: String,
    },
    /// halo2 caps the degree by the variable MAX_DEGREE; proofs would be broken.
    #[error(
        "gate `{gate}` has degree {degree}, the constraint system {limit}: split the gate \
         (halo2 caps the degree by MAX_DEGREE)"
    )]
    Degree {
        /// The gate's name.
        gate: String,
        /// Its degree.
        degree: usize,
        /// The degree the quotient is made for.
        limit: usize,
    },
    /// A gate reads a cell that the constraint system does not list as a query.
    #[error(
        "a gate reads {column} column {index} at rotation {rotation}, which is not among the queries"
    )]
    UnknownQuery {
        /// Advice, fixed or instance.
        column: &'static str,
        /// The column's index.
        index: usize,
        /// The rotation.
        rotation: i32,
    },
}

/// A committed polynomial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commitment {
    /// Advice column; the commitment is in the proof.
    Advice(usize),
    /// Fixed column; the commitment is in the key.
    Fixed(usize),
    /// The quotient, put together from its pieces in the proof.
    Quotient,
    /// The vanishing argument's random polynomial.
    Random,
}

/// The value of a polynomial at an opening point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evaluation {
    /// Advice query i.
    Advice(usize),
    /// Fixed query i.
    Fixed(usize),
    /// What the gates say the quotient must be.
    Quotient,
    /// The random polynomial's value.
    Random,
}

/// A polynomial with its values at the points of its rotation set, in their order.
#[derive(Debug, Clone)]
pub struct Member {
    /// The polynomial.
    pub commitment: Commitment,
    /// Its values.
    pub evaluations: Vec<Evaluation>,
}

/// Polynomials opened at the same points x·ω^rotation.
#[derive(Debug, Clone)]
pub struct RotationSet {
    /// In ascending order.
    pub rotations: Vec<i32>,
    /// The i-th is weighted with the i-th power of the opening's y.
    pub members: Vec<Member>,
}

/// One constraint: its gate's name and its polynomial.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// Name of the gate.
    pub name: String,
    /// The polynomial in the graph.
    pub root: NodeId,
}

/// Advice columns of one phase and the challenges drawn after it.
#[derive(Debug, Clone, Default)]
pub struct Phase {
    /// Indices of the columns.
    pub columns: Vec<usize>,
    /// Indices of the challenges.
    pub challenges: Vec<usize>,
}

/// Everything a verifier does, independent of k, key and number of instances.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// In order.
    pub phases: Vec<Phase>,
    /// Fixed columns, opened or not.
    pub num_fixed_columns: usize,
    /// Whether there is an instance column.
    pub has_instances: bool,
    /// Column and rotation of the advice queries.
    pub advice_queries: Vec<(usize, i32)>,
    /// Column and rotation of the fixed queries.
    pub fixed_queries: Vec<(usize, i32)>,
    /// Rotations of the instance column's queries.
    pub instance_queries: Vec<i32>,
    /// Pieces of the quotient, each of degree below n.
    pub quotient_pieces: usize,
    /// All gates.
    pub graph: Graph,
    /// The gates that must vanish.
    pub constraints: Vec<Constraint>,
    /// What is opened at which points.
    pub sets: Vec<RotationSet>,
}

impl Protocol {
    /// Reads a constraint system whose selectors are fixed columns already.
    pub fn new(cs: &ConstraintSystem<Fr>) -> Result<Self, ProtocolError> {
        refuse("permutation columns", cs.permutation().get_columns().len(), 0)?;
        refuse("built-in lookups", cs.lookups().len(), 0)?;
        refuse("instance columns", cs.num_instance_columns(), 1)?;
        if cs.num_advice_columns() == 0 {
            return Err(ProtocolError::Empty("advice columns"));
        }
        if cs.advice_queries().is_empty() {
            return Err(ProtocolError::Empty("advice queries"));
        }
        let degree = cs.degree();
        let advice_queries: Vec<_> =
            cs.advice_queries().iter().map(|(column, at)| (column.index(), at.0)).collect();
        let fixed_queries: Vec<_> =
            cs.fixed_queries().iter().map(|(column, at)| (column.index(), at.0)).collect();
        let sets = rotation_sets(&advice_queries, &fixed_queries);
        let mut protocol = Self {
            phases: phases(cs),
            num_fixed_columns: cs.num_fixed_columns(),
            has_instances: cs.num_instance_columns() == 1,
            advice_queries,
            fixed_queries,
            instance_queries: cs.instance_queries().iter().map(|(_, at)| at.0).collect(),
            quotient_pieces: degree - 1,
            graph: Graph::default(),
            constraints: Vec::new(),
            sets,
        };
        for gate in cs.gates() {
            for (index, polynomial) in gate.polynomials().iter().enumerate() {
                if polynomial.degree() > degree {
                    let (gate, degree_got) = (gate.name().to_owned(), polynomial.degree());
                    return Err(ProtocolError::Degree { gate, degree: degree_got, limit: degree });
                }
                let root = protocol.lower(polynomial, gate.name())?;
                let name = match gate.constraint_name(index) {
                    "" => gate.name().to_owned(),
                    constraint => format!("{}: {constraint}", gate.name()),
                };
                protocol.constraints.push(Constraint { name, root });
            }
        }
        if protocol.constraints.is_empty() {
            return Err(ProtocolError::Empty("gates"));
        }
        Ok(protocol)
    }

    /// Adds a gate polynomial to the graph.
    fn lower(&mut self, root: &Expression<Fr>, gate: &str) -> Result<NodeId, ProtocolError> {
        Ok(match root {
            Expression::Constant(value) => self.graph.constant(*value),
            Expression::Selector(_) => {
                return Err(ProtocolError::Selector { gate: gate.to_owned() });
            }
            Expression::Advice(query) => {
                let at = (query.column_index(), query.rotation().0);
                let index = position(&self.advice_queries, at, "advice")?;
                self.graph.leaf(Leaf::Advice(index))
            }
            Expression::Fixed(query) => {
                let at = (query.column_index(), query.rotation().0);
                let index = position(&self.fixed_queries, at, "fixed")?;
                self.graph.leaf(Leaf::Fixed(index))
            }
            Expression::Instance(query) => {
                let rotation = query.rotation().0;
                let found = self.instance_queries.iter().position(|at| *at == rotation);
                let index = found.ok_or(ProtocolError::UnknownQuery {
                    column: "instance",
                    index: query.column_index(),
                    rotation,
                })?;
                self.graph.leaf(Leaf::Instance(index))
            }
            Expression::Challenge(challenge) => self.graph.leaf(Leaf::Challenge(challenge.index())),
            Expression::Negated(a) => {
                let a = self.lower(a, gate)?;
                self.graph.negated(a)
            }
            Expression::Sum(a, b) => {
                let (a, b) = (self.lower(a, gate)?, self.lower(b, gate)?);
                self.graph.sum(a, b)
            }
            Expression::Product(a, b) => {
                let (a, b) = (self.lower(a, gate)?, self.lower(b, gate)?);
                self.graph.product(a, b)
            }
            Expression::Scaled(a, factor) => {
                let (a, factor) = (self.lower(a, gate)?, self.graph.constant(*factor));
                self.graph.product(a, factor)
            }
        })
    }

    /// The distinct rotations of the openings: 0 first, the others ascending.
    pub fn rotations(&self) -> Vec<i32> {
        let mut rotations: Vec<i32> =
            self.sets.iter().flat_map(|set| set.rotations.iter().copied()).collect();
        rotations.extend(&self.instance_queries);
        rotations.sort_unstable_by_key(|rotation| (*rotation != 0, *rotation));
        rotations.dedup();
        rotations
    }

    /// The distinct rotations at which something is opened.
    pub fn opened_rotations(&self) -> Vec<i32> {
        let opened = |at: &i32| self.sets.iter().any(|set| set.rotations.contains(at));
        self.rotations().into_iter().filter(opened).collect()
    }

    /// Whether the interpolation in some set divides by powers of x.
    pub fn divides_by_x(&self) -> bool {
        self.sets.iter().any(|set| set.rotations.len() > 1)
    }

    /// Fixed columns that are opened, in the order of the key payload.
    pub fn opened_fixed_columns(&self) -> Vec<usize> {
        let mut columns: Vec<usize> = self.fixed_queries.iter().map(|query| query.0).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Points of the proof before the openings: advice, random polynomial, quotient.
    pub fn num_advice_columns(&self) -> usize {
        self.phases.iter().map(|phase| phase.columns.len()).sum()
    }

    /// Scalars of the proof.
    pub fn num_evaluations(&self) -> usize {
        self.advice_queries.len() + self.fixed_queries.len() + 1
    }

    /// Points of the proof, the two of the opening included.
    pub fn num_points(&self) -> usize {
        self.num_advice_columns() + 1 + self.quotient_pieces + 2
    }

    /// Bytes of a halo2 proof.
    pub fn halo2_proof_length(&self) -> usize {
        self.num_points() * POINT_BYTES + self.num_evaluations() * SCALAR_BYTES
    }

    /// Bytes of the EVM form: the halo2 proof and the inverse hint.
    pub fn proof_length(&self) -> usize {
        self.halo2_proof_length() + SCALAR_BYTES
    }

    /// Commitments that are opened: those of the proof and those of the key.
    pub fn num_opened(&self) -> usize {
        self.sets.iter().map(|set| set.members.len()).sum()
    }

    /// Keccak-256 of the canonical description. Names of gates do not count.
    pub fn shape_id(&self) -> [u8; 32] {
        keccak256(self.describe().as_bytes())
    }

    fn describe(&self) -> String {
        let mut lines = vec![FORMAT.to_owned(), format!("modulus {}", Fr::MODULUS)];
        for phase in &self.phases {
            lines.push(format!("phase {:?} {:?}", phase.columns, phase.challenges));
        }
        lines.push(format!("fixed columns {}", self.num_fixed_columns));
        lines.push(format!("instance columns {}", u8::from(self.has_instances)));
        lines.push(format!("advice queries {:?}", self.advice_queries));
        lines.push(format!("fixed queries {:?}", self.fixed_queries));
        lines.push(format!("instance queries {:?}", self.instance_queries));
        lines.push(format!("quotient pieces {}", self.quotient_pieces));
        lines.extend(self.graph.describe());
        lines.extend(self.constraints.iter().map(|gate| format!("gate {}", gate.root)));
        lines.join("\n")
    }
}

fn refuse(feature: &'static str, count: usize, limit: usize) -> Result<(), ProtocolError> {
    if count <= limit {
        return Ok(());
    }
    Err(ProtocolError::Unsupported { feature, count, limit })
}

fn position(
    queries: &[(usize, i32)],
    at: (usize, i32),
    column: &'static str,
) -> Result<usize, ProtocolError> {
    queries.iter().position(|query| *query == at).ok_or(ProtocolError::UnknownQuery {
        column,
        index: at.0,
        rotation: at.1,
    })
}

fn phases(cs: &ConstraintSystem<Fr>) -> Vec<Phase> {
    let columns = cs.advice_column_phase();
    let challenges = cs.challenge_phase();
    let last = columns.iter().copied().max().unwrap_or_default();
    let of = |phases: &[u8], phase| {
        phases.iter().enumerate().filter(|(_, p)| **p == phase).map(|(i, _)| i).collect()
    };
    (0..=last)
        .map(|phase| Phase { columns: of(&columns, phase), challenges: of(&challenges, phase) })
        .collect()
}

/// Groups the openings as halo2's SHPLONK does: sets in the order in which their
/// first polynomial is queried, polynomials in the order of their first query:
/// advice, fixed, quotient, random.
fn rotation_sets(advice: &[(usize, i32)], fixed: &[(usize, i32)]) -> Vec<RotationSet> {
    let queries = advice
        .iter()
        .enumerate()
        .map(|(i, (column, at))| (Commitment::Advice(*column), *at, Evaluation::Advice(i)))
        .chain(
            fixed
                .iter()
                .enumerate()
                .map(|(i, (column, at))| (Commitment::Fixed(*column), *at, Evaluation::Fixed(i))),
        )
        .chain([
            (Commitment::Quotient, 0, Evaluation::Quotient),
            (Commitment::Random, 0, Evaluation::Random),
        ]);
    let mut polynomials: Vec<(Commitment, Vec<(i32, Evaluation)>)> = Vec::new();
    for (commitment, rotation, evaluation) in queries {
        match polynomials.iter_mut().find(|(known, _)| *known == commitment) {
            Some((_, openings)) => openings.push((rotation, evaluation)),
            None => polynomials.push((commitment, vec![(rotation, evaluation)])),
        }
    }
    let mut sets: Vec<RotationSet> = Vec::new();
    for (commitment, mut openings) in polynomials {
        openings.sort_unstable_by_key(|(rotation, _)| *rotation);
        let (rotations, evaluations): (Vec<_>, Vec<_>) = openings.into_iter().unzip();
        let member = Member { commitment, evaluations };
        match sets.iter_mut().find(|set| set.rotations == rotations) {
            Some(set) => set.members.push(member),
            None => sets.push(RotationSet { rotations, members: vec![member] }),
        }
    }
    sets
}
