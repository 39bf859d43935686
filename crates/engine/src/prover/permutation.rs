//! The permutation argument: grand products and their constraints.

use crate::engine::Engine;
use crate::poly::CHUNK;
use crate::quotient::expr::{Arena, Columns, Sum};
use ff::{Field, PrimeField};
use halo2_proofs::plonk::{Any, Column, ConstraintSystem, ProvingKey};
use halo2curves::bn256::{Fr, G1Affine};
use rand::RngCore;
use rayon::prelude::*;
use verdict_kzg::field::{invert_all, powers};

/// Column values by kind, in the Lagrange basis.
pub(super) struct Values<'a> {
    pub(super) fixed: Vec<&'a [Fr]>,
    pub(super) advice: Vec<&'a [Fr]>,
    pub(super) instance: Vec<&'a [Fr]>,
}

impl<'a> Values<'a> {
    fn get(&self, column: &Column<Any>) -> &'a [Fr] {
        match column.column_type() {
            Any::Advice(_) => self.advice[column.index()],
            Any::Fixed => self.fixed[column.index()],
            Any::Instance => self.instance[column.index()],
        }
    }
}

/// Columns a set takes: its product has the degree of the constraint system.
fn columns_per_set(cs: &ConstraintSystem<Fr>) -> usize {
    cs.degree() - 2
}

/// Number of sets.
pub(super) fn sets(cs: &ConstraintSystem<Fr>) -> usize {
    cs.permutation().get_columns().len().div_ceil(columns_per_set(cs))
}

/// Values for the blinded rows of every set's product, drawn as halo2 draws them.
pub(super) fn draw_blinds(cs: &ConstraintSystem<Fr>, rng: &mut impl RngCore) -> Vec<Vec<Fr>> {
    (0..sets(cs))
        .map(|_| {
            let rows = (0..cs.blinding_factors()).map(|_| Fr::random(&mut *rng)).collect();
            // The commitment's blinding factor, unused by KZG.
            Fr::random(&mut *rng);
            rows
        })
        .collect()
}

/// Values of the grand product of every set, with `blinds` in its last rows.
pub(super) fn products(
    engine: &Engine,
    pk: &ProvingKey<G1Affine>,
    values: &Values<'_>,
    beta: Fr,
    gamma: Fr,
    blinds: &[Vec<Fr>],
) -> Vec<Vec<Fr>> {
    let cs = pk.get_vk().cs();
    let n = engine.domain.size();
    let usable = n - (cs.blinding_factors() + 1);
    let columns = cs.permutation().get_columns();
    let sigmas = pk.permutation().permutations();
    let identity = powers(Fr::ONE, engine.domain.omega(), n);
    let mut last = Fr::ONE;
    let mut delta = Fr::ONE;
    let size = columns_per_set(cs);
    columns
        .chunks(size)
        .zip(sigmas.chunks(size))
        .zip(blinds)
        .map(|((columns, sigmas), blinds)| {
            let mut ratios = vec![Fr::ONE; n];
            ratios.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, ratios)| {
                let start = chunk * CHUNK;
                for (column, sigma) in columns.iter().zip(sigmas) {
                    let column = &values.get(column)[start..];
                    for ((ratio, value), sigma) in
                        ratios.iter_mut().zip(column).zip(&sigma[start..])
                    {
                        *ratio *= beta * sigma + gamma + value;
                    }
                }
            });
            invert_all(&mut ratios);
            let first_delta = delta;
            ratios.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, ratios)| {
                let start = chunk * CHUNK;
                let mut factor = beta * first_delta;
                for column in columns {
                    let column = &values.get(column)[start..];
                    for ((ratio, value), point) in
                        ratios.iter_mut().zip(column).zip(&identity[start..])
                    {
                        *ratio *= factor * point + gamma + value;
                    }
                    factor *= Fr::DELTA;
                }
            });
            for _ in columns {
                delta *= Fr::DELTA;
            }
            // The running product, in place of the ratios.
            let mut product = last;
            for ratio in &mut ratios {
                let next = product * *ratio;
                *ratio = product;
                product = next;
            }
            ratios[usable + 1..].copy_from_slice(blinds);
            last = ratios[usable];
            ratios
        })
        .collect()
}

/// Where the polynomials of the argument are among the quotient's sources.
pub(super) struct Layout {
    pub(super) columns: Columns,
    pub(super) sigma: usize,
    pub(super) product: usize,
    pub(super) l_first: usize,
    pub(super) l_last: usize,
    pub(super) l_active: usize,
    /// The polynomial X.
    pub(super) identity: usize,
}

/// The constraints in halo2's order.
pub(super) fn constraints(
    arena: &mut Arena,
    cs: &ConstraintSystem<Fr>,
    layout: &Layout,
    beta: Fr,
    gamma: Fr,
) -> Vec<Sum> {
    let sets = sets(cs);
    if sets == 0 {
        return Vec::new();
    }
    let last_rotation = -(cs.blinding_factors() as i32 + 1);
    let z = |set: usize, rotation: i32| Sum::query(layout.product + set, rotation);
    let query = |column: usize| Sum::query(column, 0);
    let mut constraints = Vec::new();
    // l_0 · (1 - z_0)
    let start = Sum::constant(Fr::ONE).add_scaled(&z(0, 0), -Fr::ONE);
    constraints.push(arena.product(&start, &query(layout.l_first)));
    // l_last · (z_l² - z_l)
    let end = z(sets - 1, 0);
    let end = arena.product(&end, &end).add_scaled(&end, -Fr::ONE);
    constraints.push(arena.product(&end, &query(layout.l_last)));
    // l_0 · (z_i - z_{i-1}(ω^last X))
    for set in 1..sets {
        let link = z(set, 0).add_scaled(&z(set - 1, last_rotation), -Fr::ONE);
        constraints.push(arena.product(&link, &query(layout.l_first)));
    }
    // l_active · (z_i(ωX) Π (p + β s + γ) - z_i Π (p + δ^j β X + γ))
    let size = columns_per_set(cs);
    let mut factor = beta;
    for (set, columns) in cs.permutation().get_columns().chunks(size).enumerate() {
        let (mut left, mut right) = (z(set, 1), z(set, 0));
        for (i, column) in columns.iter().enumerate() {
            let value = query(match column.column_type() {
                Any::Advice(_) => layout.columns.advice + column.index(),
                Any::Fixed => layout.columns.fixed + column.index(),
                Any::Instance => layout.columns.instance + column.index(),
            });
            let value = value.add_scaled(&Sum::constant(Fr::ONE), gamma);
            let sigma = query(layout.sigma + set * size + i);
            left = arena.product(&left, &value.clone().add_scaled(&sigma, beta));
            right = arena.product(&right, &value.add_scaled(&query(layout.identity), factor));
            factor *= Fr::DELTA;
        }
        let difference = left.add_scaled(&right, -Fr::ONE);
        constraints.push(arena.product(&difference, &query(layout.l_active)));
    }
    constraints
}
