//! Columns behind one commitment.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Protocol;

/// About what one value of a proof costs on chain: 32 bytes of calldata, their hashing,
/// one multiplication.
const EVALUATION_GAS: usize = 560;

/// About what one group costs on chain: a curve multiplication and addition, a point of
/// calldata, its check.
const GROUP_GAS: usize = 7_700;

/// How columns and the quotient are committed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Most columns behind one commitment, at least 1.
    pub max_fold: usize,
    /// Whether the quotient is committed to in one piece, which takes as many powers of τ
    /// as it has coefficients.
    pub whole_quotient: bool,
}

impl Opening {
    /// A commitment for each column and each n − 1 coefficients of the quotient: the
    /// quickest to prove.
    pub const COLUMNS: Self = Self { max_fold: 1, whole_quotient: false };

    /// One commitment for up to `max_fold` columns, one for the quotient: the cheapest to
    /// verify. The opening's polynomials have `max_fold` times as many coefficients.
    pub const fn folded(max_fold: usize) -> Self {
        Self { max_fold: if max_fold == 0 { 1 } else { max_fold }, whole_quotient: true }
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.max_fold {
            1 => f.write_str("a commitment a column")?,
            fold => write!(f, "up to {fold} columns a commitment")?,
        }
        f.write_str(if self.whole_quotient { "" } else { ", the quotient in pieces" })
    }
}

/// A column of a constraint system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnId {
    /// Advice column; its group's commitment is in the proof.
    Advice(usize),
    /// Fixed column f turned by a rotation r, `f(ω^r·X)`; its group's commitment is in the
    /// key. What holds of the key needs no proof, so a column may be in it several times, each
    /// turned to where a gate reads it: then all are opened at one point.
    Fixed(usize, i32),
}

impl ColumnId {
    /// Whether both are one column, however turned.
    pub fn same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Advice(a), Self::Advice(b)) | (Self::Fixed(a, _), Self::Fixed(b, _)) => a == b,
            _ => false,
        }
    }

    /// Its rotation in front of that of the opening.
    pub fn turn(self) -> i32 {
        match self {
            Self::Advice(_) => 0,
            Self::Fixed(_, turn) => turn,
        }
    }
}

/// Columns behind one commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Advice columns of one phase, or structural fixed columns: column i takes the
    /// coefficients whose exponent is i modulo the number of columns.
    pub columns: Vec<ColumnId>,
    /// Where every column of the group is opened, ascending.
    pub rotations: Vec<i32>,
}

/// Groups of as many columns, opened at the same points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Columns of each group, t.
    pub fold: usize,
    /// Where they are opened, ascending.
    pub rotations: Vec<i32>,
    /// Indices into [`Protocol::groups`], ascending.
    pub groups: Vec<usize>,
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

impl Protocol {
    /// Groups the columns of each phase and the structural fixed columns: columns of equal
    /// rotations first, then groups whose union costs less gas than both, as long as the
    /// rows that are not the circuit's hide its columns. Columns that no gate reads are
    /// left out.
    pub(super) fn group(&mut self, opening: Opening) {
        let max_fold = opening.max_fold.max(1);
        let (advice, fixed) = (&self.advice_queries, &self.fixed_queries);
        let hidden = |group: &Group| {
            let rows = |column| rows_to_hide(group.rotations.len(), &rotations_of(column, advice));
            group.columns.iter().all(|column| rows(*column) <= self.unusable_rows)
        };
        let phases = self.phases.iter().map(|phase| {
            let columns = phase.columns.iter().map(|column| ColumnId::Advice(*column));
            groups(columns, advice, max_fold, hidden)
        });
        let phases: Vec<Vec<Group>> = phases.collect();
        let columns = (0..self.num_fixed_columns).map(|column| ColumnId::Fixed(column, 0));
        let straight = groups(columns, fixed, max_fold, |_| true);
        let mut turned: Vec<Group> = Vec::new();
        if max_fold > 1 && !fixed.is_empty() {
            let mut queries = fixed.clone();
            queries.sort_unstable();
            let parts = queries.len().div_ceil(max_fold);
            let part = queries.len().div_ceil(parts);
            turned.extend(queries.chunks(part).map(|queries| {
                let columns = queries.iter().map(|(column, at)| ColumnId::Fixed(*column, *at));
                Group { columns: columns.collect(), rotations: vec![0] }
            }));
        }
        let gas = |groups: &[Group]| -> usize {
            groups.iter().map(|group| GROUP_GAS + EVALUATION_GAS * group.num_values()).sum()
        };
        let turns = !turned.is_empty() && gas(&turned) < gas(&straight);
        self.key_groups = if turns { turned } else { straight };
        self.phases.iter_mut().zip(phases).for_each(|(phase, groups)| phase.groups = groups);
        self.classify();
    }

    /// Puts the groups that are opened alike into classes.
    pub(crate) fn classify(&mut self) {
        let mut classes: Vec<Class> = Vec::new();
        for (index, group) in self.groups().enumerate() {
            let (fold, rotations) = (group.fold(), &group.rotations);
            let same = |class: &&mut Class| class.fold == fold && class.rotations == *rotations;
            match classes.iter_mut().find(same) {
                Some(class) => class.groups.push(index),
                None => {
                    let (rotations, groups) = (rotations.clone(), vec![index]);
                    classes.push(Class { fold, rotations, groups });
                }
            }
        }
        self.classes = classes;
    }

    /// Random rows at the end of every advice column that hide it, whatever its group.
    ///
    /// A proof shows a column at `x·ω^rotation` for the rotations of its group; its
    /// group's commitment depends on its value at `τ^t`, the quotient's on those at
    /// `τ·ω^rotation` for its own rotations. As many random rows make all of these uniform
    /// and independent, since the Lagrange basis on m rows at m points is a Cauchy matrix up
    /// to factors. Groups that would take more than other columns do anyway are not formed.
    pub(super) fn rows_to_hide(&self) -> usize {
        let own = |column| rotations_of(ColumnId::Advice(column), &self.advice_queries);
        let rows = |column| rows_to_hide(own(column).len(), &own(column));
        (0..self.num_advice_columns()).map(rows).max().unwrap_or(0)
    }
}

/// Rows that hide a column opened at `opened` points and read at `own` rotations.
fn rows_to_hide(opened: usize, own: &[i32]) -> usize {
    opened + own.len() + 1
}

/// Ascending rotations at which gates read a column.
fn rotations_of(column: ColumnId, queries: &[(usize, i32)]) -> Vec<i32> {
    let (ColumnId::Advice(index) | ColumnId::Fixed(index, _)) = column;
    let of = queries.iter().filter(|query| query.0 == index);
    let mut rotations: Vec<i32> = of.map(|query| query.1).collect();
    rotations.sort_unstable();
    rotations
}

fn groups(
    columns: impl Iterator<Item = ColumnId>,
    queries: &[(usize, i32)],
    max_fold: usize,
    allowed: impl Fn(&Group) -> bool,
) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for column in columns {
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
            let of = |columns: &[ColumnId]| Group {
                columns: columns.to_vec(),
                rotations: rotations.clone(),
            };
            columns.chunks(part).map(of).collect::<Vec<_>>()
        })
        .collect();
    let allowed = |group: &Group| group.fold() <= max_fold && allowed(group);
    while let Some((i, j, merged)) = best_union(&groups, allowed) {
        groups[i] = merged;
        groups.remove(j);
    }
    groups
}

/// The pair i < j whose union saves most, if one saves anything; the first of equals.
fn best_union(groups: &[Group], allowed: impl Fn(&Group) -> bool) -> Option<(usize, usize, Group)> {
    let mut best: Option<(isize, (usize, usize, Group))> = None;
    for (i, first) in groups.iter().enumerate() {
        for (j, second) in groups.iter().enumerate().skip(i + 1) {
            let (merged, saved) = first.merged(second);
            let most = best.as_ref().map_or(0, |(most, _)| *most);
            if saved > most && allowed(&merged) {
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
        let columns = (0..columns.len()).map(ColumnId::Advice);
        let index = |column: &ColumnId| match column {
            ColumnId::Advice(index) => *index,
            ColumnId::Fixed(..) => usize::MAX,
        };
        groups(columns, &queries, max_fold, |_| true)
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
