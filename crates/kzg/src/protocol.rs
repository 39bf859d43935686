//! The protocol: what a proof of a constraint system commits to, which challenges are
//! drawn when, what the gates compute, what is opened where and in which order.
//!
//! Everything here depends on the constraint system and on the declaration of its secret
//! fixed columns alone. Prover, verifiers and generator follow this one description.
//!
//! ```text
//! key digest, instances
//! advice of phase 1 … → its challenges        for every phase
//!                     → y                     weights the constraints
//! pieces of the quotient H → x                where all is evaluated
//! advice and structural fixed columns at x·ω^rotation → y', v of the opening
//! W → u;  W'                                  SHPLONK
//! ```
//!
//! Gates are linear in the secret columns S_s: `g_j = a_j + Σ_s b_js·S_s`. With
//! `A = Σ y^(m−1−j)·a_j(x)` and `B_s = Σ y^(m−1−j)·b_js(x)` from the opened values, the
//! *linearisation* `Σ_s B_s·S_s(X) − (x^n − 1)·H(X)` must have the value −A at x, and its
//! commitment follows from those of S_s and H: neither is opened.

use std::collections::BTreeMap;

use ff::{Field, PrimeField};
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use halo2curves::bn256::Fr;

use crate::{
    expression::{Graph, Leaf, NodeId},
    transcript::{POINT_BYTES, SCALAR_BYTES, keccak256},
};

/// Prefix of the canonical description. It changes with the layout of keys or
/// proofs, so that a verifier refuses keys made for another layout.
const FORMAT: &str = "verdict-shape-v2";

/// Rows among which a row for blinding secret columns is looked for.
const MAX_BLINDING_SEARCH: usize = 64;

/// A polynomial `free + Σ secret_s·S_s` over the secret columns.
struct Linear {
    free: NodeId,
    secret: BTreeMap<usize, NodeId>,
}

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
    /// A column was declared secret that does not exist.
    #[error("fixed column {column} is declared secret, there are {columns} fixed columns")]
    UnknownSecret {
        /// The declared column.
        column: usize,
        /// Number of fixed columns.
        columns: usize,
    },
    /// A gate multiplies secret columns with each other.
    #[error(
        "gate `{gate}` is not linear in the secret fixed columns: a secret column may be \
         multiplied by public ones only"
    )]
    NotLinear {
        /// The gate's name.
        gate: String,
    },
    /// A gate reads a secret column elsewhere than on its own row.
    #[error(
        "gate `{gate}` reads secret fixed column {column} at rotation {rotation}: secret columns \
         are read at rotation 0 only"
    )]
    RotatedSecret {
        /// The gate's name.
        gate: String,
        /// The column.
        column: usize,
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
    /// The linearisation, put together from secret columns and the quotient's pieces.
    Linearisation,
}

/// The value of a polynomial at an opening point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evaluation {
    /// Advice query i.
    Advice(usize),
    /// Fixed query i.
    Fixed(usize),
    /// What the gates say the linearisation must be.
    Linearisation,
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

/// One constraint: its gate's name and its polynomial, less what is secret in it.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// Name of the gate.
    pub name: String,
    /// a_j in the graph.
    pub root: NodeId,
    /// Its place among all polynomials of the constraint system's gates.
    pub position: usize,
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
    /// Column and rotation of the queries of structural fixed columns.
    pub fixed_queries: Vec<(usize, i32)>,
    /// Rotations of the instance column's queries.
    pub instance_queries: Vec<i32>,
    /// Pieces of the quotient: `H = Σ X^(i·(n−1))·H_i`, each of degree below n.
    pub quotient_pieces: usize,
    /// Rows at the end of every column that are not the circuit's.
    pub unusable_rows: usize,
    /// Fixed columns that hold a model, ascending.
    pub secret_columns: Vec<usize>,
    /// B_s for each secret column that some gate reads.
    pub secret_scalars: Vec<(usize, NodeId)>,
    /// All gates.
    pub graph: Graph,
    /// What must vanish, folded by Horner's rule in y; those with secret columns last.
    pub constraints: Vec<Constraint>,
    /// What is opened at which points.
    pub sets: Vec<RotationSet>,
}

impl Protocol {
    /// Reads a constraint system whose selectors are fixed columns already, and of whose
    /// fixed columns `secret` hold a model.
    ///
    /// # Errors
    /// Permutation arguments, built-in lookups and more than one instance column are not
    /// supported; gates must be linear in the secret columns and read them on their own
    /// row.
    pub fn new(cs: &ConstraintSystem<Fr>, secret: &[usize]) -> Result<Self, ProtocolError> {
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
        let mut secret_columns = secret.to_vec();
        secret_columns.sort_unstable();
        secret_columns.dedup();
        let columns = cs.num_fixed_columns();
        if let Some(&column) = secret_columns.iter().find(|column| **column >= columns) {
            return Err(ProtocolError::UnknownSecret { column, columns });
        }
        let fixed_queries: Vec<_> = cs
            .fixed_queries()
            .iter()
            .map(|(column, at)| (column.index(), at.0))
            .filter(|(column, _)| !secret_columns.contains(column))
            .collect();
        let sets = rotation_sets(&advice_queries, &fixed_queries);
        let mut protocol = Self {
            phases: phases(cs),
            num_fixed_columns: cs.num_fixed_columns(),
            has_instances: cs.num_instance_columns() == 1,
            advice_queries,
            fixed_queries,
            instance_queries: cs.instance_queries().iter().map(|(_, at)| at.0).collect(),
            quotient_pieces: degree - 1,
            unusable_rows: cs.blinding_factors() + 1,
            secret_columns,
            secret_scalars: Vec::new(),
            graph: Graph::default(),
            constraints: Vec::new(),
            sets,
        };
        let mut parts: Vec<(Constraint, BTreeMap<usize, NodeId>)> = Vec::new();
        for gate in cs.gates() {
            for (index, polynomial) in gate.polynomials().iter().enumerate() {
                if polynomial.degree() > degree {
                    let (gate, degree_got) = (gate.name().to_owned(), polynomial.degree());
                    return Err(ProtocolError::Degree { gate, degree: degree_got, limit: degree });
                }
                let Linear { free, secret } = protocol.lower(polynomial, gate.name())?;
                let name = match gate.constraint_name(index) {
                    "" => gate.name().to_owned(),
                    constraint => format!("{}: {constraint}", gate.name()),
                };
                let position = parts.len();
                parts.push((Constraint { name, root: free, position }, secret));
            }
        }
        if parts.is_empty() {
            return Err(ProtocolError::Empty("gates"));
        }
        // The last constraint has the weight 1: scalars of secret columns stay short.
        parts.sort_by_key(|(_, secret)| !secret.is_empty());
        protocol.collect_secret_scalars(&parts);
        protocol.constraints = parts.into_iter().map(|(constraint, _)| constraint).collect();
        protocol.unusable_rows = protocol.unusable_rows.max(protocol.blinding_rows());
        Ok(protocol)
    }

    /// B_s = Σ_j y^(m−1−j)·b_js.
    fn collect_secret_scalars(&mut self, parts: &[(Constraint, BTreeMap<usize, NodeId>)]) {
        let y = self.graph.leaf(Leaf::Y);
        for column in self.secret_columns.clone() {
            let mut sum = self.graph.constant(Fr::ZERO);
            let mut power = self.graph.constant(Fr::ONE);
            let mut used = false;
            for (_, secret) in parts.iter().rev() {
                if secret.is_empty() {
                    break;
                }
                if let Some(factor) = secret.get(&column) {
                    let term = self.graph.product(power, *factor);
                    sum = self.graph.sum(sum, term);
                    used = true;
                }
                power = self.graph.product(power, y);
            }
            if used {
                self.secret_scalars.push((column, sum));
            }
        }
    }

    /// Adds a gate polynomial to the graph, split by secret columns.
    fn lower(&mut self, root: &Expression<Fr>, gate: &str) -> Result<Linear, ProtocolError> {
        let free = match root {
            Expression::Constant(value) => self.graph.constant(*value),
            Expression::Selector(_) => {
                return Err(ProtocolError::Selector { gate: gate.to_owned() });
            }
            Expression::Advice(query) => {
                let at = (query.column_index(), query.rotation().0);
                let index = position(&self.advice_queries, at, "advice")?;
                self.graph.leaf(Leaf::Advice(index))
            }
            Expression::Fixed(query) if self.secret_columns.contains(&query.column_index()) => {
                let (column, rotation) = (query.column_index(), query.rotation().0);
                if rotation != 0 {
                    let gate = gate.to_owned();
                    return Err(ProtocolError::RotatedSecret { gate, column, rotation });
                }
                let (free, one) = (self.graph.constant(Fr::ZERO), self.graph.constant(Fr::ONE));
                return Ok(Linear { free, secret: BTreeMap::from([(column, one)]) });
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
                let minus_one = self.graph.constant(-Fr::ONE);
                let a = self.lower(a, gate)?;
                return Ok(self.scaled(a, minus_one));
            }
            Expression::Sum(a, b) => {
                let (mut sum, b) = (self.lower(a, gate)?, self.lower(b, gate)?);
                sum.free = self.graph.sum(sum.free, b.free);
                for (column, factor) in b.secret {
                    let total = match sum.secret.get(&column) {
                        Some(first) => self.graph.sum(*first, factor),
                        None => factor,
                    };
                    sum.secret.insert(column, total);
                }
                return Ok(sum);
            }
            Expression::Product(a, b) => {
                let (a, b) = (self.lower(a, gate)?, self.lower(b, gate)?);
                return match (a.secret.is_empty(), b.secret.is_empty()) {
                    (_, true) => Ok(self.scaled(a, b.free)),
                    (true, _) => Ok(self.scaled(b, a.free)),
                    _ => Err(ProtocolError::NotLinear { gate: gate.to_owned() }),
                };
            }
            Expression::Scaled(a, factor) => {
                let (a, factor) = (self.lower(a, gate)?, self.graph.constant(*factor));
                return Ok(self.scaled(a, factor));
            }
        };
        Ok(Linear { free, secret: BTreeMap::new() })
    }

    fn scaled(&mut self, mut linear: Linear, factor: NodeId) -> Linear {
        linear.free = self.graph.product(linear.free, factor);
        for value in linear.secret.values_mut() {
            *value = self.graph.product(*value, factor);
        }
        linear
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

    /// Whether the values of some set have to be interpolated.
    pub fn interpolates(&self) -> bool {
        self.sets.iter().any(|set| set.rotations.len() > 1)
    }

    /// Whether a verifier divides by x: interpolations do, and `x^(n−1) = x^n/x` joins the
    /// quotient's pieces.
    pub fn divides_by_x(&self) -> bool {
        self.interpolates() || self.quotient_pieces > 1
    }

    /// Fixed columns whose commitments a verifier needs, ascending: opened ones and
    /// secret ones.
    pub fn key_columns(&self) -> Vec<usize> {
        let opened = self.fixed_queries.iter().map(|query| query.0);
        let secret = self.secret_scalars.iter().map(|(column, _)| *column);
        let mut columns: Vec<usize> = opened.chain(secret).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Random rows at the end of every advice column that hide it.
    ///
    /// A proof shows a column at `x·ω^rotation` for each of its rotations, its commitment
    /// (its value at τ), and the quotient's, which depends on the values at
    /// `τ·ω^rotation`. As many random rows make all of these uniform and independent,
    /// since the Lagrange basis on m rows at m points is a Cauchy matrix up to factors.
    pub fn blinding_rows(&self) -> usize {
        let rotations = |column: usize| {
            let of = self.advice_queries.iter().filter(move |query| query.0 == column);
            let own_row = of.clone().any(|query| query.1 == 0);
            2 * of.count() + usize::from(!own_row)
        };
        (0..self.num_advice_columns()).map(rotations).max().unwrap_or(0)
    }

    /// The last of the first `limit` rows on which no gate looks at a secret column,
    /// whatever advice, instances and challenges are; `fixed` are the values of all fixed
    /// columns of `2^k` rows, zeros at their ends left out.
    pub fn blinding_row(&self, k: u32, limit: usize, fixed: &[Vec<Fr>]) -> Option<usize> {
        let n = 1i64 << k;
        let unread = |row: usize| {
            let value = |leaf: Leaf| match leaf {
                Leaf::Fixed(query) => {
                    let (column, rotation) = self.fixed_queries[query];
                    let at = (row as i64 + i64::from(rotation)).rem_euclid(n) as usize;
                    Some(fixed.get(column)?.get(at).copied().unwrap_or(Fr::ZERO))
                }
                _ => None,
            };
            let values = self.graph.evaluate_known(value);
            self.secret_scalars.iter().all(|(_, root)| values[*root] == Some(Fr::ZERO))
        };
        (limit.saturating_sub(MAX_BLINDING_SEARCH)..limit).rev().find(|row| unread(*row))
    }

    /// Advice columns of all phases.
    pub fn num_advice_columns(&self) -> usize {
        self.phases.iter().map(|phase| phase.columns.len()).sum()
    }

    /// Scalars of the proof.
    pub fn num_evaluations(&self) -> usize {
        self.advice_queries.len() + self.fixed_queries.len()
    }

    /// Points of the proof, the two of the opening included.
    pub fn num_points(&self) -> usize {
        self.num_advice_columns() + self.quotient_pieces + 2
    }

    /// Bytes of a proof.
    pub fn proof_length(&self) -> usize {
        self.num_points() * POINT_BYTES + self.num_evaluations() * SCALAR_BYTES
    }

    /// Multiplications by a scalar that verifying takes: everything opened but the first,
    /// secret columns, the quotient's pieces, the opening's three.
    pub fn multiplications(&self) -> usize {
        let opened: usize = self.sets.iter().map(|set| set.members.len()).sum();
        opened - 2 + self.secret_scalars.len() + self.quotient_pieces + 3
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
        lines.push(format!("secret columns {:?}", self.secret_columns));
        lines.push(format!("secret scalars {:?}", self.secret_scalars));
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
/// advice, fixed, linearisation.
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
        .chain([(Commitment::Linearisation, 0, Evaluation::Linearisation)]);
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
