//! Plain polynomials, and gates over any ring: what textbook provers are made of.
#![allow(dead_code, missing_docs, unreachable_pub)]

use ff::Field;
use halo2_proofs::plonk::Expression;
use halo2curves::bn256::Fr;

pub type Poly = Vec<Fr>;

pub fn add(a: &Poly, b: &Poly) -> Poly {
    let at = |p: &Poly, i: usize| p.get(i).copied().unwrap_or(Fr::ZERO);
    (0..a.len().max(b.len())).map(|i| at(a, i) + at(b, i)).collect()
}

pub fn scale(a: &Poly, factor: Fr) -> Poly {
    a.iter().map(|c| *c * factor).collect()
}

pub fn multiply(a: &Poly, b: &Poly) -> Poly {
    let mut product = vec![Fr::ZERO; (a.len() + b.len()).saturating_sub(1)];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            product[i + j] += *x * y;
        }
    }
    product
}

/// The exact quotient.
pub fn divide(a: &Poly, b: &Poly) -> Poly {
    let (quotient, rest) = divide_with_rest(a, b);
    assert!(rest.iter().all(|c| *c == Fr::ZERO), "there is a remainder");
    quotient
}

/// Quotient and remainder.
pub fn divide_with_rest(a: &Poly, b: &Poly) -> (Poly, Poly) {
    let (mut rest, lead) = (a.clone(), b.last().expect("nonzero").invert().expect("nonzero"));
    let mut quotient = vec![Fr::ZERO; a.len().saturating_sub(b.len() - 1)];
    for i in (0..quotient.len()).rev() {
        quotient[i] = rest[i + b.len() - 1] * lead;
        for (j, c) in b.iter().enumerate() {
            let term = quotient[i] * c;
            rest[i + j] -= term;
        }
    }
    (quotient, rest)
}

pub fn at(a: &Poly, x: Fr) -> Fr {
    a.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c)
}

pub fn vanishing(points: &[Fr]) -> Poly {
    points.iter().fold(vec![Fr::ONE], |product, p| multiply(&product, &vec![-*p, Fr::ONE]))
}

/// The value of a gate over any ring.
pub fn gate<T>(
    expression: &Expression<Fr>,
    constant: &dyn Fn(Fr) -> T,
    read: &dyn Fn(char, usize, i32) -> T,
    sum: &dyn Fn(T, T) -> T,
    product: &dyn Fn(T, T) -> T,
) -> T {
    let again = |e: &Expression<Fr>| gate(e, constant, read, sum, product);
    match expression {
        Expression::Constant(value) => constant(*value),
        Expression::Selector(_) => unreachable!("keys have none"),
        Expression::Fixed(q) => read('f', q.column_index(), q.rotation().0),
        Expression::Advice(q) => read('a', q.column_index(), q.rotation().0),
        Expression::Instance(q) => read('i', q.column_index(), q.rotation().0),
        Expression::Challenge(c) => read('c', c.index(), 0),
        Expression::Negated(a) => product(constant(-Fr::ONE), again(a)),
        Expression::Sum(a, b) => sum(again(a), again(b)),
        Expression::Product(a, b) => product(again(a), again(b)),
        Expression::Scaled(a, factor) => product(constant(*factor), again(a)),
    }
}
