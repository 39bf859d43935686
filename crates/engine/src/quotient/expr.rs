//! The numerator of the quotient as one sum of products.
//!
//! Challenges are known by now, so every gate is a polynomial in column queries
//! with constant coefficients. [`Sum`] is a constant plus weighted atoms; an atom is
//! a query or a product of sums. Equal sums and products are stored once, factors
//! are scaled to leading coefficient one so that equal ones are found, and products
//! with a common factor (a selector, most often) are grouped under it.

use ff::Field;
use halo2_proofs::plonk::Expression;
use halo2curves::bn256::Fr;
use std::collections::{BTreeMap, HashMap};

/// One of the [`crate::quotient::Source`]s at a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Query {
    pub(crate) column: usize,
    pub(crate) rotation: i32,
}

/// What a sum adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Atom {
    Query(Query),
    /// Index of a product of the [`Arena`].
    Product(usize),
}

/// A constant and weighted atoms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) constant: Fr,
    pub(crate) terms: BTreeMap<Atom, Fr>,
}

impl Sum {
    /// A constant.
    pub(crate) fn constant(constant: Fr) -> Self {
        Self { constant, terms: BTreeMap::new() }
    }

    /// A column at a rotation.
    pub(crate) fn query(column: usize, rotation: i32) -> Self {
        Self::atom(Atom::Query(Query { column, rotation }))
    }

    fn atom(atom: Atom) -> Self {
        Self { constant: Fr::ZERO, terms: BTreeMap::from([(atom, Fr::ONE)]) }
    }

    /// `self + factor · other`.
    pub(crate) fn add_scaled(mut self, other: &Self, factor: Fr) -> Self {
        self.constant += other.constant * factor;
        for (atom, weight) in &other.terms {
            let sum = self.terms.entry(*atom).or_insert(Fr::ZERO);
            *sum += *weight * factor;
            if *sum == Fr::ZERO {
                self.terms.remove(atom);
            }
        }
        self
    }

    fn scaled(&self, factor: Fr) -> Self {
        Self::default().add_scaled(self, factor)
    }

    fn key(&self) -> Key {
        use ff::PrimeField;
        let mut key = vec![(self.constant.to_repr(), None)];
        key.extend(self.terms.iter().map(|(atom, weight)| (weight.to_repr(), Some(*atom))));
        key
    }
}

/// A sum in a form that can be hashed.
type Key = Vec<([u8; 32], Option<Atom>)>;

/// Stores sums and products once.
#[derive(Default)]
pub(crate) struct Arena {
    pub(crate) sums: Vec<Sum>,
    sum_index: HashMap<Key, usize>,
    /// Products as sorted lists of sums.
    pub(crate) products: Vec<Vec<usize>>,
    product_index: HashMap<Vec<usize>, usize>,
}

impl Arena {
    /// The index of a sum.
    pub(crate) fn intern(&mut self, sum: Sum) -> usize {
        *self.sum_index.entry(sum.key()).or_insert_with(|| {
            self.sums.push(sum);
            self.sums.len() - 1
        })
    }

    fn intern_product(&mut self, mut factors: Vec<usize>) -> Atom {
        factors.sort_unstable();
        Atom::Product(*self.product_index.entry(factors.clone()).or_insert_with(|| {
            self.products.push(factors);
            self.products.len() - 1
        }))
    }

    /// A sum as weight and list of factors.
    fn factors(&mut self, sum: &Sum) -> (Fr, Vec<usize>) {
        if let (Some((Atom::Product(product), weight)), true, 1) =
            (sum.terms.first_key_value(), sum.constant == Fr::ZERO, sum.terms.len())
        {
            return (*weight, self.products[*product].clone());
        }
        let lead = sum.terms.first_key_value().map_or(Fr::ONE, |(_, weight)| *weight);
        // Weights are nonzero by construction.
        let inverse = lead.invert().unwrap_or(Fr::ONE);
        let monic = sum.scaled(inverse);
        (lead, vec![self.intern(monic)])
    }

    /// The product of two sums.
    pub(crate) fn product(&mut self, a: &Sum, b: &Sum) -> Sum {
        if a.terms.is_empty() {
            return b.scaled(a.constant);
        }
        if b.terms.is_empty() {
            return a.scaled(b.constant);
        }
        let (weight_a, mut factors) = self.factors(a);
        let (weight_b, others) = self.factors(b);
        factors.extend(others);
        Sum::atom(self.intern_product(factors)).scaled(weight_a * weight_b)
    }

    /// Converts a gate; `column` numbers the columns of the three kinds.
    pub(crate) fn convert(
        &mut self,
        expression: &Expression<Fr>,
        columns: &Columns,
        challenges: &[Fr],
    ) -> Sum {
        match expression {
            Expression::Constant(value) => Sum::constant(*value),
            // Keys hold no selectors: key generation turned them into fixed columns.
            Expression::Selector(_) => Sum::default(),
            Expression::Fixed(q) => Sum::query(columns.fixed + q.column_index(), q.rotation().0),
            Expression::Advice(q) => Sum::query(columns.advice + q.column_index(), q.rotation().0),
            Expression::Instance(q) => {
                Sum::query(columns.instance + q.column_index(), q.rotation().0)
            }
            Expression::Challenge(challenge) => {
                Sum::constant(challenges.get(challenge.index()).copied().unwrap_or(Fr::ZERO))
            }
            Expression::Negated(a) => self.convert(a, columns, challenges).scaled(-Fr::ONE),
            Expression::Sum(a, b) => {
                let b = self.convert(b, columns, challenges);
                self.convert(a, columns, challenges).add_scaled(&b, Fr::ONE)
            }
            Expression::Product(a, b) => {
                let a = self.convert(a, columns, challenges);
                let b = self.convert(b, columns, challenges);
                self.product(&a, &b)
            }
            Expression::Scaled(a, factor) => self.convert(a, columns, challenges).scaled(*factor),
        }
    }

    /// Groups products of the sum that share a factor: `Σ w·f·g` becomes `f·Σ w·g`,
    /// the most frequent factor first.
    pub(crate) fn group(&mut self, mut sum: Sum) -> Sum {
        loop {
            let mut uses: BTreeMap<usize, usize> = BTreeMap::new();
            for atom in sum.terms.keys() {
                if let Atom::Product(product) = atom {
                    let mut factors = self.products[*product].clone();
                    factors.dedup();
                    for factor in factors {
                        *uses.entry(factor).or_default() += 1;
                    }
                }
            }
            let Some((factor, count)) = uses.into_iter().max_by_key(|(f, count)| (*count, *f))
            else {
                return sum;
            };
            if count < 2 {
                return sum;
            }
            let mut inner = Sum::default();
            let mut rest = Sum::constant(sum.constant);
            for (atom, weight) in &sum.terms {
                let cofactor = match atom {
                    Atom::Product(product) => self.without(*product, factor),
                    Atom::Query(_) => None,
                };
                match cofactor {
                    Some(cofactor) => inner = inner.add_scaled(&cofactor, *weight),
                    None => {
                        rest.terms.insert(*atom, *weight);
                    }
                }
            }
            let inner = self.group(inner);
            let shared = self.sums[factor].clone();
            let product = self.product(&shared, &inner);
            sum = rest.add_scaled(&product, Fr::ONE);
        }
    }

    /// The product without one of its factors.
    fn without(&mut self, product: usize, factor: usize) -> Option<Sum> {
        let mut factors = self.products[product].clone();
        let at = factors.iter().position(|f| *f == factor)?;
        factors.remove(at);
        match factors[..] {
            [single] => Some(self.sums[single].clone()),
            _ => Some(Sum::atom(self.intern_product(factors))),
        }
    }
}

/// Where the columns of each kind start among the sources.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    pub(crate) fixed: usize,
    pub(crate) advice: usize,
    pub(crate) instance: usize,
}
