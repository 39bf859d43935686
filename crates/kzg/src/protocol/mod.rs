//! The protocol: what a proof of a constraint system commits to, which challenges are
//! drawn when, what the gates compute, what is opened where and in which order.
//!
//! Everything here depends on the constraint system, on the declaration of its secret
//! fixed columns and on the [`Opening`] alone. Prover, verifiers and generator follow this
//! one description.
//!
//! ```text
//! key digest, instances
//! groups of phase 1 … → its challenges        for every phase
//!                     → y                     weights the constraints
//! the quotient H      → x                     where all is evaluated
//! every column of every group at x·ω^rotation, rotations of its group → v
//! W → u;  W'                                  SHPLONK
//! ```
//!
//! Gates are linear in the secret columns S_s: `g_j = a_j + Σ_s b_js·S_s`. With
//! `A = Σ y^(m−1−j)·a_j(x)` and `B_s = Σ y^(m−1−j)·b_js(x)` from the opened values, the
//! *linearisation* `Σ_s B_s·S_s(X) − (x^n − 1)·H(X)` must have the value −A at x, and its
//! commitment follows from those of S_s and H: neither is opened.
//!
//! A [`Group`] of t columns is committed to as `F(X) = Σ_i X^i·f_i(X^t)` (after fflonk,
//! eprint 2021/1167); a single column is a group of t = 1. Groups of equal t and rotations
//! are a [`Class`]: their members' vanishing polynomials are the same. With Z_c a class's,
//! v the challenge and e running over all groups class by class, the linearisation last,
//!
//! ```text
//! W             = Σ v^e·(F_e − R_e)/Z_c
//! W'·(X − u)    = Σ v^e/Z_c(u)·(F_e − R_e(u)) − W
//! ```

mod groups;
#[cfg(feature = "prover")]
mod lower;
#[cfg(feature = "prover")]
mod system;

use std::fmt::Write;

use ff::PrimeField;
use halo2curves::bn256::Fr;

pub use self::groups::{Class, ColumnId, Group, Opening};
#[cfg(feature = "prover")]
pub use self::lower::ProtocolError;
use crate::{
    expression::{Graph, NodeId},
    transcript::{POINT_BYTES, SCALAR_BYTES, keccak256},
};

/// Prefix of the canonical description. It changes with the layout of keys or
/// proofs, so that a verifier refuses keys made for another layout.
const FORMAT: &str = "verdict-shape-v3";

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
    /// Those that gates read, as they are committed to.
    pub groups: Vec<Group>,
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
    /// Structural fixed columns that gates read, as they are committed to.
    pub key_groups: Vec<Group>,
    /// Whether there is an instance column.
    pub has_instances: bool,
    /// Column and rotation of the advice queries.
    pub advice_queries: Vec<(usize, i32)>,
    /// Column and rotation of the queries of structural fixed columns.
    pub fixed_queries: Vec<(usize, i32)>,
    /// Rotations of the instance column's queries.
    pub instance_queries: Vec<i32>,
    /// The quotient has `quotient_degree·(n − 1)` coefficients, n the number of rows.
    pub quotient_degree: usize,
    /// Its commitments: one, or one for each `n − 1` coefficients:
    /// `H = Σ X^(i·(n−1))·H_i`.
    pub quotient_pieces: usize,
    /// Rows at the end of every column that are not the circuit's. They do not depend on
    /// the opening.
    pub unusable_rows: usize,
    /// Fixed columns that hold a model, ascending.
    pub secret_columns: Vec<usize>,
    /// B_s for each secret column that some gate reads.
    pub secret_scalars: Vec<(usize, NodeId)>,
    /// All gates.
    pub graph: Graph,
    /// What must vanish, folded by Horner's rule in y; those with secret columns last.
    pub constraints: Vec<Constraint>,
    /// Groups opened alike, by index into [`Self::groups`]; every group is in one.
    pub classes: Vec<Class>,
}

/// The numbers of columns of groups, ascending, and 1.
fn sizes<'a>(groups: impl Iterator<Item = &'a Group>) -> Vec<usize> {
    let mut sizes: Vec<usize> = groups.map(Group::fold).chain([1]).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

impl Protocol {
    /// All groups in the proof's order: phases, then the key's.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.advice_groups().chain(&self.key_groups)
    }

    /// Groups of advice columns, in the order of their commitments.
    pub fn advice_groups(&self) -> impl Iterator<Item = &Group> {
        self.phases.iter().flat_map(|phase| &phase.groups)
    }

    /// Groups of advice columns: those whose commitments are in the proof.
    pub fn num_advice_groups(&self) -> usize {
        self.advice_groups().count()
    }

    /// The numbers of columns that groups have, ascending, and 1, which secret columns have.
    pub fn folds(&self) -> Vec<usize> {
        sizes(self.groups())
    }

    /// The same of the groups whose commitments are in a proof.
    pub fn proof_folds(&self) -> Vec<usize> {
        sizes(self.advice_groups())
    }

    /// The largest group's number of columns.
    pub fn max_fold(&self) -> usize {
        self.groups().map(Group::fold).max().unwrap_or(1)
    }

    /// Powers of τ that commitments take for `2^k` rows: the largest group's
    /// coefficients, or the quotient's.
    pub fn powers_needed(&self, k: u32) -> usize {
        let n = 1usize << k;
        let quotient = if self.quotient_pieces == 1 { self.quotient_degree * (n - 1) } else { n };
        (self.max_fold() * n).max(quotient)
    }

    /// The distinct rotations of the openings: 0 first, the others ascending.
    pub fn rotations(&self) -> Vec<i32> {
        let opened = self.groups().flat_map(|group| group.rotations.iter().copied());
        let mut rotations: Vec<i32> = opened.chain([0]).collect();
        rotations.extend(&self.instance_queries);
        rotations.sort_unstable_by_key(|rotation| (*rotation != 0, *rotation));
        rotations.dedup();
        rotations
    }

    /// Whether some values have to be interpolated.
    pub fn interpolates(&self) -> bool {
        self.classes.iter().any(|class| class.rotations.len() > 1)
    }

    /// Whether a verifier divides by x: interpolations do, and `x^(n−1) = x^n/x` joins the
    /// quotient's pieces.
    pub fn divides_by_x(&self) -> bool {
        self.interpolates() || self.quotient_pieces > 1
    }

    /// Advice columns of all phases.
    pub fn num_advice_columns(&self) -> usize {
        self.phases.iter().map(|phase| phase.columns.len()).sum()
    }

    /// Scalars of the proof.
    pub fn num_evaluations(&self) -> usize {
        self.groups().map(Group::num_values).sum()
    }

    /// Points of the proof: groups of the phases, the quotient, W and W'.
    pub fn num_points(&self) -> usize {
        self.num_advice_groups() + self.quotient_pieces + 2
    }

    /// Bytes of a proof.
    pub fn proof_length(&self) -> usize {
        self.num_points() * POINT_BYTES + self.num_evaluations() * SCALAR_BYTES
    }

    /// Multiplications by a scalar that verifying takes: groups, secret columns, the
    /// quotient, the opened value, W'. W is subtracted as it is.
    pub fn multiplications(&self) -> usize {
        self.groups().count() + self.secret_scalars.len() + self.quotient_pieces + 2
    }

    /// Values of the advice and fixed queries out of all values of a proof.
    ///
    /// `values` has [`Self::num_evaluations`] elements.
    pub fn query_values<T: Copy>(&self, values: &[T]) -> [Vec<T>; 2] {
        let of = |queries: &[(usize, i32)], column: fn(usize) -> ColumnId| {
            let value = |(index, rotation): &(usize, i32)| {
                self.value_index(column(*index), *rotation).and_then(|at| values.get(at).copied())
            };
            queries.iter().filter_map(value).collect()
        };
        let fixed = |column| ColumnId::Fixed(column, 0);
        [of(&self.advice_queries, ColumnId::Advice), of(&self.fixed_queries, fixed)]
    }

    /// The place of a column's value at a rotation among the values of a proof, in whatever
    /// turn it is committed to; every query has one.
    pub fn value_index(&self, column: ColumnId, rotation: i32) -> Option<usize> {
        let mut before = 0;
        let rotation = rotation + column.turn();
        for group in self.groups() {
            for (position, member) in group.columns.iter().enumerate() {
                let found = group.rotations.iter().position(|at| at + member.turn() == rotation);
                if let Some(at) = found.filter(|_| member.same(column)) {
                    return Some(before + position * group.rotations.len() + at);
                }
            }
            before += group.num_values();
        }
        None
    }

    /// Keccak-256 of the canonical description. Names of gates do not count.
    pub fn shape_id(&self) -> [u8; 32] {
        keccak256(self.describe().as_bytes())
    }

    fn describe(&self) -> String {
        let mut lines = vec![FORMAT.to_owned(), format!("modulus {}", Fr::MODULUS)];
        let groups = |groups: &[Group]| {
            let mut text = String::new();
            for Group { columns, rotations } in groups {
                let _ = write!(text, " {columns:?} at {rotations:?}");
            }
            text
        };
        for phase in &self.phases {
            lines.push(format!("phase {:?} {:?}", phase.columns, phase.challenges));
            lines.push(format!("groups{}", groups(&phase.groups)));
        }
        lines.push(format!("fixed columns {}", self.num_fixed_columns));
        lines.push(format!("key groups{}", groups(&self.key_groups)));
        lines.push(format!("instance columns {}", u8::from(self.has_instances)));
        lines.push(format!("advice queries {:?}", self.advice_queries));
        lines.push(format!("fixed queries {:?}", self.fixed_queries));
        lines.push(format!("instance queries {:?}", self.instance_queries));
        lines.push(format!("quotient {} in {}", self.quotient_degree, self.quotient_pieces));
        lines.push(format!("secret columns {:?}", self.secret_columns));
        lines.push(format!("secret scalars {:?}", self.secret_scalars));
        lines.extend(self.graph.describe());
        lines.extend(self.constraints.iter().map(|gate| format!("gate {}", gate.root)));
        lines.join("\n")
    }
}
