//! Folding (after fflonk, eprint 2021/1167): one commitment for a group of columns.
//!
//! A group of t columns f_i opened at the same points is committed to as
//! `F(X) = Σ_i X^i·f_i(X^t)`. Modulo `X^t − z` this is `Σ_i f_i(z)·X^i`, so modulo
//! `Π_r (X^t − z_r)` it is `Σ_r L_r(X^t)·Σ_i f_i(z_r)·X^i` with the Lagrange basis L_r of
//! the points z_r: a verifier needs no t-th roots, and t is any number.
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
//! Secret columns stay out of groups and are not opened: the linearisation of
//! [`crate::protocol`], with H in one piece, is the last member of the opening.

mod key;
mod verify;

use std::{fmt::Write, sync::Arc};

pub use key::FoldedKey;
pub use verify::{FoldedProof, Remainder, read_folded, verify_folded};

use crate::{
    protocol::{Commitment, Protocol},
    transcript::{POINT_BYTES, SCALAR_BYTES, keccak256},
};

/// Prefix of the canonical description. It changes with the layout of keys or proofs.
const FORMAT: &str = "verdict-folded-shape-v1";

/// About what one value of a proof costs on chain: 32 bytes of calldata, their hashing,
/// one multiplication.
const EVALUATION_GAS: usize = 560;

/// About what one group costs on chain: a curve multiplication and addition, a point of
/// calldata, its check.
const GROUP_GAS: usize = 7_700;

/// Columns behind one commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Advice columns of one phase, or structural fixed columns: column i takes the
    /// coefficients whose exponent is i modulo the number of columns.
    pub columns: Vec<Commitment>,
    /// Where every column of the group is opened, ascending.
    pub rotations: Vec<i32>,
}

impl Group {
    /// The number of columns, t.
    pub fn fold(&self) -> usize {
        self.columns.len()
    }

    /// Values a proof shows of the group: rotations within columns.
    pub fn num_values(&self) -> usize {
        self.columns.len() * self.rotations.len()
    }

    /// The group of both, and the gas that it saves.
    fn merged(&self, other: &Self) -> (Self, isize) {
        let mut rotations = [&self.rotations[..], &other.rotations].concat();
        rotations.sort_unstable();
        rotations.dedup();
        let columns = [&self.columns[..], &other.columns].concat();
        let group = Self { columns, rotations };
        let added = group.num_values() - self.num_values() - other.num_values();
        (group, GROUP_GAS as isize - (added * EVALUATION_GAS) as isize)
    }
}

/// A protocol with its columns in groups.
#[derive(Debug, Clone)]
pub struct FoldedProtocol {
    protocol: Arc<Protocol>,
    phases: Vec<Vec<Group>>,
    key: Vec<Group>,
}

impl FoldedProtocol {
    /// Groups the columns of each phase and the structural fixed columns, at most
    /// `max_fold` (at least 1) to a group: columns of equal rotations first, then groups
    /// whose union costs less gas than both. Columns that no gate reads are left out.
    pub fn new(protocol: Arc<Protocol>, max_fold: usize) -> Self {
        let max_fold = max_fold.max(1);
        let advice = |column: &usize| (Commitment::Advice(*column), &protocol.advice_queries);
        let phases = protocol.phases.iter();
        let phases =
            phases.map(|phase| groups(phase.columns.iter().map(advice), max_fold)).collect();
        let fixed = |column| (Commitment::Fixed(column), &protocol.fixed_queries);
        let key = groups((0..protocol.num_fixed_columns).map(fixed), max_fold);
        Self { protocol, phases, key }
    }

    /// What is folded.
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Groups of advice columns, by phase.
    pub fn phases(&self) -> &[Vec<Group>] {
        &self.phases
    }

    /// Groups of structural fixed columns.
    pub fn key_groups(&self) -> &[Group] {
        &self.key
    }

    /// All groups in the order of the opening: phases, then the key.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.phases.iter().flatten().chain(&self.key)
    }

    /// The largest group's number of columns.
    pub fn max_fold(&self) -> usize {
        self.groups().map(Group::fold).max().unwrap_or(1)
    }

    /// Powers of τ that commitments take for `2^k` rows: the largest group's
    /// coefficients, or the quotient's `(d − 1)·(n − 1)`.
    pub fn powers_needed(&self, k: u32) -> usize {
        let n = 1usize << k;
        (self.max_fold() * n).max(self.protocol.quotient_pieces * (n - 1))
    }

    /// Random rows at the end of every advice column that hide it.
    ///
    /// A proof shows a column at `x·ω^rotation` for the rotations of its group; its
    /// group's commitment depends on its value at `τ^t`, the quotient's on those at
    /// `τ·ω^rotation` for its own rotations. As many random rows make all of these uniform
    /// and independent.
    pub fn blinding_rows(&self) -> usize {
        let rows = |group: &Group, column: &Commitment| {
            let own = rotations_of(*column, &self.protocol.advice_queries);
            let committed = group.fold() > 1 || !own.contains(&0);
            group.rotations.len() + own.len() + usize::from(committed)
        };
        let groups = self.phases.iter().flatten();
        groups
            .flat_map(|group| group.columns.iter().map(move |c| rows(group, c)))
            .max()
            .unwrap_or(0)
    }

    /// Rows at the end of every column that are not the circuit's.
    pub fn unusable_rows(&self) -> usize {
        self.protocol.unusable_rows.max(self.blinding_rows())
    }

    /// Scalars of a proof.
    pub fn num_evaluations(&self) -> usize {
        self.groups().map(Group::num_values).sum()
    }

    /// Points of a proof: groups of the phases, H, W, W'.
    pub fn num_points(&self) -> usize {
        self.phases.iter().map(Vec::len).sum::<usize>() + 3
    }

    /// Bytes of a proof.
    pub fn proof_length(&self) -> usize {
        self.num_points() * POINT_BYTES + self.num_evaluations() * SCALAR_BYTES
    }

    /// Multiplications by a scalar that verifying takes: groups but the first, secret
    /// columns, H, the opening's three.
    pub fn multiplications(&self) -> usize {
        self.groups().count().saturating_sub(1) + self.protocol.secret_scalars.len() + 4
    }

    /// Keccak-256 of the canonical description: the protocol's, and the groups.
    pub fn shape_id(&self) -> [u8; 32] {
        let mut description = FORMAT.as_bytes().to_vec();
        description.extend(self.protocol.shape_id());
        description.extend(self.describe().as_bytes());
        keccak256(&description)
    }

    fn describe(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, groups: &[Group]| {
            let _ = write!(text, "\n{name}");
            for group in groups {
                let _ = write!(text, " {:?} at {:?}", group.columns, group.rotations);
            }
        };
        self.phases.iter().for_each(|groups| line("phase", groups));
        line("key", &self.key);
        text
    }

    /// Values of the advice and fixed queries out of all values of a proof.
    ///
    /// `values` has [`Self::num_evaluations`] elements.
    pub fn query_values<T: Copy>(&self, values: &[T]) -> [Vec<T>; 2] {
        let of = |queries: &[(usize, i32)], column: fn(usize) -> Commitment| {
            let value = |(index, rotation): &(usize, i32)| {
                self.value_index(column(*index), *rotation).and_then(|at| values.get(at).copied())
            };
            queries.iter().filter_map(value).collect()
        };
        [
            of(&self.protocol.advice_queries, Commitment::Advice),
            of(&self.protocol.fixed_queries, Commitment::Fixed),
        ]
    }

    /// The place of a column's value among the values of a proof; every query has one.
    pub fn value_index(&self, column: Commitment, rotation: i32) -> Option<usize> {
        let mut before = 0;
        for group in self.groups() {
            if let Some(position) = group.columns.iter().position(|c| *c == column) {
                let at = group.rotations.iter().position(|at| *at == rotation)?;
                return Some(before + position * group.rotations.len() + at);
            }
            before += group.num_values();
        }
        None
    }
}

/// Ascending rotations at which gates read a column.
fn rotations_of(column: Commitment, queries: &[(usize, i32)]) -> Vec<i32> {
    let (Commitment::Advice(index) | Commitment::Fixed(index)) = column else {
        return Vec::new();
    };
    let of = queries.iter().filter(|query| query.0 == index);
    let mut rotations: Vec<i32> = of.map(|query| query.1).collect();
    rotations.sort_unstable();
    rotations
}

fn groups<'a>(
    columns: impl Iterator<Item = (Commitment, &'a Vec<(usize, i32)>)>,
    max_fold: usize,
) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (column, queries) in columns {
        let rotations = rotations_of(column, queries);
        if rotations.is_empty() {
            continue;
        }
        match groups.iter_mut().find(|group| group.rotations == rotations) {
            Some(group) => group.columns.push(column),
            None => groups.push(Group { columns: vec![column], rotations }),
        }
    }
    // Too large ones in equal parts, so that the largest is as small as it can be.
    let mut groups: Vec<Group> = groups
        .into_iter()
        .flat_map(|Group { columns, rotations }| {
            let parts = columns.len().div_ceil(max_fold);
            let part = columns.len().div_ceil(parts);
            let of = |columns: &[Commitment]| Group {
                columns: columns.to_vec(),
                rotations: rotations.clone(),
            };
            columns.chunks(part).map(of).collect::<Vec<_>>()
        })
        .collect();
    while let Some((i, j, merged)) = best_union(&groups, max_fold) {
        groups[i] = merged;
        groups.remove(j);
    }
    groups
}

/// The pair i < j whose union saves most, if one saves anything; the first of equals.
fn best_union(groups: &[Group], max_fold: usize) -> Option<(usize, usize, Group)> {
    let mut best: Option<(isize, (usize, usize, Group))> = None;
    for (i, first) in groups.iter().enumerate() {
        for (j, second) in groups.iter().enumerate().skip(i + 1) {
            let (merged, saved) = first.merged(second);
            let most = best.as_ref().map_or(0, |(most, _)| *most);
            if merged.fold() <= max_fold && saved > most {
                best = Some((saved, (i, j, merged)));
            }
        }
    }
    best.map(|(_, pair)| pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(index: usize, rotations: &[i32]) -> Vec<(usize, i32)> {
        rotations.iter().map(|at| (index, *at)).collect()
    }

    fn grouped(columns: &[&[i32]], max_fold: usize) -> Vec<(Vec<usize>, Vec<i32>)> {
        let queries: Vec<_> =
            columns.iter().enumerate().flat_map(|(i, rotations)| column(i, rotations)).collect();
        let columns = (0..columns.len()).map(|i| (Commitment::Advice(i), &queries));
        let index = |column: &Commitment| match column {
            Commitment::Advice(index) => *index,
            _ => usize::MAX,
        };
        groups(columns, max_fold)
            .into_iter()
            .map(|group| (group.columns.iter().map(index).collect(), group.rotations))
            .collect()
    }

    #[test]
    fn like_rotations_come_together_and_unread_columns_stay_out() {
        let groups = grouped(&[&[0], &[0, 1], &[], &[1, 0], &[0]], 2);
        assert_eq!(groups, [(vec![0, 4], vec![0]), (vec![1, 3], vec![0, 1])]);
    }

    #[test]
    fn unlike_rotations_come_together_only_where_that_saves_gas() {
        assert_eq!(grouped(&[&[0], &[-1, 0, 1]], 4), [(vec![0, 1], vec![-1, 0, 1])]);
        // Fourteen more values would cost more than the commitment.
        let wide: Vec<&[i32]> = [&[0][..]].repeat(14).into_iter().chain([&[0, 1][..]]).collect();
        assert_eq!(grouped(&wide, 20).len(), 2);
        assert_eq!(grouped(&wide[1..], 20).len(), 1);
    }

    #[test]
    fn no_group_is_larger_than_allowed_and_parts_are_equal() {
        let columns: Vec<&[i32]> = [&[0][..]].repeat(9);
        let sizes: Vec<_> = grouped(&columns, 4).iter().map(|group| group.0.len()).collect();
        assert_eq!(sizes, [3, 3, 3]);
    }
}
