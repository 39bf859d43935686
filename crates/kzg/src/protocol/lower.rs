//! Gates as one graph, split by the secret columns they are linear in.

use std::collections::BTreeMap;

use ff::Field;
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use halo2curves::bn256::Fr;

use super::{Constraint, Protocol};
use crate::expression::{Leaf, NodeId};

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

/// Refuses constraint systems with arguments that are no gates.
pub(super) fn check_supported(cs: &ConstraintSystem<Fr>) -> Result<(), ProtocolError> {
    refuse("permutation columns", cs.permutation().get_columns().len(), 0)?;
    refuse("built-in lookups", cs.lookups().len(), 0)?;
    refuse("instance columns", cs.num_instance_columns(), 1)?;
    if cs.num_advice_columns() == 0 {
        return Err(ProtocolError::Empty("advice columns"));
    }
    if cs.advice_queries().is_empty() {
        return Err(ProtocolError::Empty("advice queries"));
    }
    Ok(())
}

impl Protocol {
    /// Fills in the graph, the constraints and the scalars of secret columns.
    pub(super) fn lower_gates(&mut self, cs: &ConstraintSystem<Fr>) -> Result<(), ProtocolError> {
        let degree = cs.degree();
        let mut parts: Vec<(Constraint, BTreeMap<usize, NodeId>)> = Vec::new();
        for gate in cs.gates() {
            for (index, polynomial) in gate.polynomials().iter().enumerate() {
                if polynomial.degree() > degree {
                    let (gate, degree_got) = (gate.name().to_owned(), polynomial.degree());
                    return Err(ProtocolError::Degree { gate, degree: degree_got, limit: degree });
                }
                let Linear { free, secret } = self.lower(polynomial, gate.name())?;
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
        self.secret_scalars.clear();
        self.collect_secret_scalars(&parts);
        self.constraints = parts.into_iter().map(|(constraint, _)| constraint).collect();
        Ok(())
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
