//! Groups of columns: committing to them, and the polynomials that open them.

use crate::columns::FixedColumns;
use crate::engine::{Engine, affine};
use crate::error::EngineError;
use crate::field::Backend;
use crate::poly::{divide_by_linear, linear_combination};
use ff::Field;
use halo2curves::bn256::{Fr, G1, G1Affine};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use verdict_kzg::field::interpolate;
use verdict_kzg::key::VerifyingKey;
use verdict_kzg::protocol::{ColumnId, Group, Protocol};

impl Engine {
    /// The verifying key of `protocol` and the fixed columns of the constraint system that it
    /// describes.
    ///
    /// # Errors
    ///
    /// Columns of another constraint system or size; a string too short for the protocol.
    pub fn verifying_key(
        &self,
        protocol: Arc<Protocol>,
        fixed: &FixedColumns,
    ) -> Result<VerifyingKey, EngineError> {
        self.check_size(fixed.k)?;
        self.check_string(&protocol, protocol.groups())?;
        let (expected, got) = (protocol.num_fixed_columns, fixed.columns().len());
        if expected != got {
            return Err(EngineError::FixedColumns { expected, got });
        }
        let columns: Vec<_> = (0..got).map(|column| fixed.values(self, column)).collect();
        let turned = Turned::new(&protocol, |column, turn| {
            let values = &columns[column][..];
            let (before, from) = values.split_at(turn.rem_euclid(values.len() as i32) as usize);
            [from, before].concat()
        });
        let column = |of| match of {
            ColumnId::Fixed(column, 0) => &columns[column][..],
            ColumnId::Fixed(column, turn) => turned.get(column, turn),
            ColumnId::Advice(_) => &[],
        };
        let groups = self.commit_groups(&protocol.key_groups, column)?;
        let secret = protocol.secret_scalars.par_iter().map(|(column, _)| &columns[*column][..]);
        let secret = self.pool.install(|| self.commit_values(secret));
        Ok(VerifyingKey::new(protocol, self.k(), groups, secret)?)
    }

    /// Whether the string is long enough, and prepared for `groups`.
    pub(super) fn check_string<'a>(
        &self,
        protocol: &Protocol,
        mut groups: impl Iterator<Item = &'a Group>,
    ) -> Result<(), EngineError> {
        let k = self.k();
        let (needed, available) = (protocol.powers_needed(k), self.srs.monomial.len());
        if needed > available {
            return Err(EngineError::StringTooShort { needed, available, k });
        }
        let missing = |group: &&Group| self.srs.folded(group.fold()).is_none();
        match groups.find(missing) {
            Some(group) => Err(EngineError::FoldedBases(group.fold())),
            None => Ok(()),
        }
    }

    /// `Σ τ^i·f_i(τ^t)` of each group from the values of its columns.
    pub(super) fn commit_groups<'a>(
        &self,
        groups: &[Group],
        column: impl Fn(ColumnId) -> &'a [Fr] + Sync,
    ) -> Result<Vec<G1Affine>, EngineError> {
        let mut terms = Vec::new();
        for group in groups {
            let fold = group.fold();
            let bases = self.srs.folded(fold).ok_or(EngineError::FoldedBases(fold))?;
            terms.extend(bases.iter().zip(&group.columns));
        }
        let commit = || terms.par_iter().map(|(bases, of)| bases.commit(column(**of))).collect();
        let points: Vec<G1> = self.pool.install(commit);
        let mut rest = &points[..];
        let sums = groups.iter().map(|group| {
            let (own, behind) = rest.split_at(group.fold());
            rest = behind;
            own.iter().sum()
        });
        Ok(affine(sums.collect()))
    }
}

/// The fixed columns that are committed to turned: values or coefficients.
pub(super) struct Turned(HashMap<(usize, i32), Vec<Fr>>);

impl Turned {
    /// `make` turns a column.
    pub(super) fn new(
        protocol: &Protocol,
        make: impl Fn(usize, i32) -> Vec<Fr> + Sync + Send,
    ) -> Self {
        let members = protocol.key_groups.iter().flat_map(|group| &group.columns);
        let turned: Vec<_> = members
            .filter_map(|column| match column {
                ColumnId::Fixed(column, turn) if *turn != 0 => Some((*column, *turn)),
                _ => None,
            })
            .collect();
        Self(turned.into_par_iter().map(|(at, turn)| ((at, turn), make(at, turn))).collect())
    }

    pub(super) fn get(&self, column: usize, turn: i32) -> &[Fr] {
        self.0.get(&(column, turn)).map_or(&[], Vec::as_slice)
    }
}

/// The groups of a class, or the linearisation, combined by powers of v: polynomials and
/// values are linear.
pub(super) struct Combined {
    /// `Σ v^e·f_ei` for each place i in a group.
    columns: Vec<Vec<Fr>>,
    /// Its values at the class's points, for each place.
    values: Vec<Vec<Fr>>,
}

impl Combined {
    /// One polynomial, open at one point, times a power of v.
    pub(super) fn of_one(mut polynomial: Vec<Fr>, power: Fr, value: Fr) -> Self {
        polynomial.par_iter_mut().for_each(|coefficient| *coefficient *= power);
        Self { columns: vec![polynomial], values: vec![vec![power * value]] }
    }

    fn fold(&self) -> usize {
        self.columns.len()
    }

    /// The coefficients of what the columns' values leave, for each place.
    fn low(&self, points: &[Fr]) -> Result<Vec<Vec<Fr>>, EngineError> {
        let low = |values: &Vec<Fr>| interpolate(points, values);
        self.values.iter().map(low).collect::<Option<_>>().ok_or(EngineError::QueryCollision)
    }
}

/// Combines the groups of each class; `values` are the proof's.
pub(super) fn combine<'a>(
    backend: Backend,
    protocol: &Protocol,
    column: impl Fn(ColumnId) -> &'a [Fr] + Sync,
    values: &[Fr],
    v: Fr,
) -> Vec<Combined> {
    let groups: Vec<&Group> = protocol.groups().collect();
    let mut power = Fr::ONE;
    let mut combined = Vec::with_capacity(protocol.classes.len() + 1);
    for class in &protocol.classes {
        let step = class.rotations.len();
        let mut powers = Vec::with_capacity(class.groups.len());
        let mut sums = vec![vec![Fr::ZERO; step]; class.fold];
        for index in &class.groups {
            let before: usize = groups[..*index].iter().map(|group| group.num_values()).sum();
            let own = values[before..before + groups[*index].num_values()].chunks(step);
            for (sum, value) in sums.iter_mut().zip(own) {
                sum.iter_mut().zip(value).for_each(|(sum, value)| *sum += power * value);
            }
            powers.push(power);
            power *= v;
        }
        let combine = |place: usize| {
            let members = class.groups.iter().map(|index| column(groups[*index].columns[place]));
            let members: Vec<&[Fr]> = members.collect();
            let length = members.iter().map(|member| member.len()).max().unwrap_or(0);
            let mut sum = vec![Fr::ZERO; length];
            linear_combination(backend, &members, &powers, &mut sum);
            sum
        };
        let columns = (0..class.fold).map(combine).collect();
        combined.push(Combined { columns, values: sums });
    }
    combined
}

/// W: the sum of `(F − R)/Π_r (X^t − z_r)` over what was combined, each with its points z_r.
/// Divides place by place: F − R is `Σ X^i·(f_i − r_i)(X^t)` with r_i through the values.
pub(super) fn quotient(
    backend: Backend,
    combined: &[Combined],
    points: &[Vec<Fr>],
) -> Result<Vec<Fr>, EngineError> {
    let parts = combined.par_iter().zip(points).map(|(class, points)| {
        let low = class.low(points)?;
        let divided = class.columns.par_iter().zip(low).map(|(column, low)| {
            let mut quotient = column.clone();
            quotient.iter_mut().zip(low).for_each(|(coefficient, low)| *coefficient -= low);
            points.iter().for_each(|point| divide_by_linear(&mut quotient, *point));
            quotient
        });
        Ok(interleave(divided.collect()))
    });
    let parts: Vec<Vec<Fr>> = parts.collect::<Result<_, EngineError>>()?;
    Ok(weighted(backend, &parts, &vec![Fr::ONE; parts.len()]))
}

/// W': `(Σ (F − R(u))/Z(u) − W)/(X − u)`.
pub(super) fn opening(
    backend: Backend,
    combined: &[Combined],
    points: &[Vec<Fr>],
    w: &[Fr],
    u: Fr,
) -> Result<Vec<Fr>, EngineError> {
    let mut factors = Vec::with_capacity(combined.len() + 1);
    let mut constant = Fr::ZERO;
    for (class, points) in combined.iter().zip(points) {
        let u_to_fold = u.pow_vartime([class.fold() as u64]);
        let at = |point: Fr, coefficients: &[Fr]| {
            coefficients.iter().rev().fold(Fr::ZERO, |sum, c| sum * point + c)
        };
        let vanishing: Fr = points.iter().map(|point| u_to_fold - point).product();
        let inverse = Option::<Fr>::from(vanishing.invert());
        let inverse = inverse.ok_or(EngineError::UnluckyChallenge)?;
        let low: Vec<Fr> = class.low(points)?.iter().map(|low| at(u_to_fold, low)).collect();
        constant += inverse * at(u, &low);
        factors.push(inverse);
    }
    factors.push(-Fr::ONE);
    let parts = combined.iter().map(|class| interleave(class.columns.clone()));
    let parts: Vec<Vec<Fr>> = parts.chain([w.to_vec()]).collect();
    let mut w_prime = weighted(backend, &parts, &factors);
    if let Some(lowest) = w_prime.first_mut() {
        *lowest -= constant;
    }
    divide_by_linear(&mut w_prime, u);
    Ok(w_prime)
}

fn weighted(backend: Backend, parts: &[Vec<Fr>], factors: &[Fr]) -> Vec<Fr> {
    let length = parts.iter().map(Vec::len).max().unwrap_or(0);
    let mut sum = vec![Fr::ZERO; length];
    let parts: Vec<&[Fr]> = parts.iter().map(Vec::as_slice).collect();
    linear_combination(backend, &parts, factors, &mut sum);
    sum
}

/// `Σ X^i·f_i(X^t)` for t polynomials.
fn interleave(mut columns: Vec<Vec<Fr>>) -> Vec<Fr> {
    let (fold, length) = (columns.len(), columns.iter().map(Vec::len).max().unwrap_or(0));
    if fold == 1 {
        return columns.swap_remove(0);
    }
    let mut out = vec![Fr::ZERO; fold * length];
    for (i, column) in columns.iter().enumerate() {
        for (target, coefficient) in out.iter_mut().skip(i).step_by(fold).zip(column) {
            *target = *coefficient;
        }
    }
    out
}
