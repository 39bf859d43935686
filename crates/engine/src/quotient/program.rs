//! The numerator compiled to a flat program, run on several rows at once.

use super::expr::{Arena, Atom, Query, Sum};
use crate::field::Backend;
use crate::field::{Lanes, Mark, Scalar, Words, dispatch, raised, to_words};
use ff::Field;
use halo2curves::bn256::Fr;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A column that is a linear combination of others at one rotation, formed from
/// coefficients before the transform.
pub(crate) struct Combined {
    pub(crate) terms: Vec<(usize, Fr)>,
}

/// One step; registers hold a value for every lane.
#[derive(Clone, Copy, Debug)]
enum Step {
    Load {
        to: usize,
        query: Query,
    },
    Constant {
        to: usize,
        index: usize,
    },
    Add {
        to: usize,
        a: usize,
        b: usize,
    },
    Sub {
        to: usize,
        a: usize,
        b: usize,
    },
    /// Multiplies by the raised constant `index`.
    Scale {
        to: usize,
        a: usize,
        index: usize,
    },
    Multiply {
        to: usize,
        a: usize,
        b: usize,
    },
}

/// See the module.
pub(crate) struct Program {
    steps: Vec<Step>,
    registers: usize,
    /// Steps that are field products.
    products: usize,
    result: usize,
    constants: Vec<Words>,
    raised: Vec<Words>,
    shift: u32,
    /// Columns to be formed, numbered after the given ones.
    pub(crate) combined: Vec<Combined>,
    /// Columns read, given or combined.
    pub(crate) columns: BTreeSet<usize>,
}

impl Program {
    /// Compiles a sum over `given` columns.
    pub(crate) fn new(arena: &Arena, total: usize, given: usize, backend: Backend) -> Self {
        let reachable = reachable(arena, total);
        let (combined, replaced) = combine_columns(arena, &reachable, given);
        let mut compiler = Compiler {
            arena,
            replaced,
            sums: HashMap::new(),
            products: HashMap::new(),
            loads: HashMap::new(),
            program: Self {
                steps: Vec::new(),
                registers: 0,
                products: 0,
                result: 0,
                constants: Vec::new(),
                raised: Vec::new(),
                shift: backend.shift(),
                combined,
                columns: BTreeSet::new(),
            },
        };
        compiler.program.result = compiler.sum(total);
        let product = |step: &&Step| matches!(step, Step::Scale { .. } | Step::Multiply { .. });
        compiler.program.products = compiler.program.steps.iter().filter(product).count();
        compiler.program
    }

    /// Evaluates rows of a coset: `columns[c]` holds the values of column `c` if the
    /// program reads it.
    pub(crate) fn run(
        &self,
        backend: Backend,
        columns: &[Option<&[Fr]>],
        start: usize,
        out: &mut [Fr],
    ) {
        let columns: Vec<&[Words]> = columns
            .iter()
            .map(|column| column.map_or(&[][..], crate::field::words::<Scalar>))
            .collect();
        crate::limits::count(self.products * out.len());
        run(backend, self, &columns, start, crate::field::words_mut::<Scalar>(out));
    }
}

/// Sums that the total is made of.
fn reachable(arena: &Arena, total: usize) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut open = vec![total];
    while let Some(sum) = open.pop() {
        if seen.insert(sum) {
            for atom in arena.sums[sum].terms.keys() {
                if let Atom::Product(product) = atom {
                    open.extend(&arena.products[*product]);
                }
            }
        }
    }
    seen
}

type Replaced = HashMap<usize, Sum>;

/// Finds columns that occur in one sum only, at one rotation only. Two or more of
/// them in the same sum and at the same rotation become one column, and the other
/// queries of that sum and rotation join them.
fn combine_columns(
    arena: &Arena,
    reachable: &BTreeSet<usize>,
    given: usize,
) -> (Vec<Combined>, Replaced) {
    let mut uses: BTreeMap<usize, BTreeSet<(usize, i32)>> = BTreeMap::new();
    for sum in reachable {
        for atom in arena.sums[*sum].terms.keys() {
            if let Atom::Query(query) = atom {
                uses.entry(query.column).or_default().insert((*sum, query.rotation));
            }
        }
    }
    let mut combined = Vec::new();
    let mut replaced = Replaced::new();
    for index in reachable {
        let sum = &arena.sums[*index];
        let mut groups: BTreeMap<i32, Vec<(usize, Fr)>> = BTreeMap::new();
        for (atom, weight) in &sum.terms {
            if let Atom::Query(query) = atom {
                groups.entry(query.rotation).or_default().push((query.column, *weight));
            }
        }
        let mut rewritten = sum.clone();
        for (rotation, terms) in groups {
            let private = terms.iter().filter(|(column, _)| uses[column].len() == 1).count();
            if private < 2 {
                continue;
            }
            for (column, _) in &terms {
                rewritten.terms.remove(&Atom::Query(Query { column: *column, rotation }));
            }
            let column = given + combined.len();
            rewritten.terms.insert(Atom::Query(Query { column, rotation }), Fr::ONE);
            combined.push(Combined { terms });
        }
        if rewritten != *sum {
            replaced.insert(*index, rewritten);
        }
    }
    (combined, replaced)
}

struct Compiler<'a> {
    arena: &'a Arena,
    replaced: Replaced,
    sums: HashMap<usize, usize>,
    products: HashMap<usize, usize>,
    loads: HashMap<Query, usize>,
    program: Program,
}

impl Compiler<'_> {
    fn register(&mut self) -> usize {
        self.program.registers += 1;
        self.program.registers - 1
    }

    fn constant(&mut self, value: Fr) -> usize {
        self.program.constants.push(to_words::<Scalar>(&value));
        let lifted = raised::<Scalar>(value, self.program.shift);
        self.program.raised.push(to_words::<Scalar>(&lifted));
        self.program.constants.len() - 1
    }

    fn sum(&mut self, index: usize) -> usize {
        if let Some(register) = self.sums.get(&index) {
            return *register;
        }
        let sum = self.replaced.get(&index).unwrap_or(&self.arena.sums[index]).clone();
        let mut result = None;
        for (atom, weight) in &sum.terms {
            let mut value = match atom {
                Atom::Query(query) => self.load(*query),
                Atom::Product(product) => self.product(*product),
            };
            if *weight != Fr::ONE && *weight != -Fr::ONE {
                let (a, index) = (value, self.constant(*weight));
                value = self.register();
                self.program.steps.push(Step::Scale { to: value, a, index });
            }
            result = Some(match (result, *weight == -Fr::ONE) {
                (None, false) => value,
                (None, true) => {
                    let index = self.constant(Fr::ZERO);
                    let zero = self.register();
                    self.program.steps.push(Step::Constant { to: zero, index });
                    let to = self.register();
                    self.program.steps.push(Step::Sub { to, a: zero, b: value });
                    to
                }
                (Some(a), negative) => {
                    let to = self.register();
                    self.program.steps.push(if negative {
                        Step::Sub { to, a, b: value }
                    } else {
                        Step::Add { to, a, b: value }
                    });
                    to
                }
            });
        }
        let register = if sum.constant == Fr::ZERO && result.is_some() {
            result.unwrap_or_default()
        } else {
            let index = self.constant(sum.constant);
            let mut to = self.register();
            self.program.steps.push(Step::Constant { to, index });
            if let Some(a) = result {
                let b = to;
                to = self.register();
                self.program.steps.push(Step::Add { to, a, b });
            }
            to
        };
        self.sums.insert(index, register);
        register
    }

    fn load(&mut self, query: Query) -> usize {
        if let Some(register) = self.loads.get(&query) {
            return *register;
        }
        let to = self.register();
        self.program.columns.insert(query.column);
        self.program.steps.push(Step::Load { to, query });
        self.loads.insert(query, to);
        to
    }

    fn product(&mut self, index: usize) -> usize {
        if let Some(register) = self.products.get(&index) {
            return *register;
        }
        let mut result: Option<usize> = None;
        for factor in &self.arena.products[index] {
            let b = self.sum(*factor);
            result = Some(match result {
                None => b,
                Some(a) => {
                    let to = self.register();
                    self.program.steps.push(Step::Multiply { to, a, b });
                    to
                }
            });
        }
        // Products have at least two factors.
        let register = result.unwrap_or_default();
        self.products.insert(index, register);
        register
    }
}

dispatch! {
    fn run[](program: &Program, columns: &[&[Words]], start: usize, out: &mut [Words]) = kernel, Scalar
}

/// Rows `start..` of the coset into `out`.
///
/// # Safety
///
/// Under [`dispatch!`].
#[inline(always)]
unsafe fn kernel<L: Lanes<Scalar>>(
    _: Mark<L>,
    program: &Program,
    columns: &[&[Words]],
    start: usize,
    out: &mut [Words],
) {
    let mut sink = [0u64; 4];
    let (length, target, sink) = (out.len(), out.as_mut_ptr(), &raw mut sink);
    // SAFETY: rows are reduced modulo a column's length, which is not zero for a
    // column that is read; lanes past the end write to `sink`.
    unsafe {
        let mut registers = vec![L::splat(&[0; 4]); program.registers];
        for at in (0..length).step_by(L::W) {
            for step in &program.steps {
                match *step {
                    Step::Load { to, query } => {
                        let column = columns[query.column];
                        let shift = query.rotation.rem_euclid(column.len() as i32) as usize;
                        let first = start + at + shift;
                        let mask = column.len() - 1;
                        let column = column.as_ptr();
                        registers[to] = L::load(|l| column.add((first + l) & mask));
                    }
                    Step::Constant { to, index } => {
                        registers[to] = L::splat(&program.constants[index]);
                    }
                    Step::Add { to, a, b } => registers[to] = registers[a].add(registers[b]).tidy(),
                    Step::Sub { to, a, b } => registers[to] = registers[a].sub(registers[b]).tidy(),
                    Step::Scale { to, a, index } => {
                        registers[to] = registers[a].mul(&L::splat(&program.raised[index]));
                    }
                    Step::Multiply { to, a, b } => {
                        registers[to] = registers[a].mul(&registers[b].raise());
                    }
                }
            }
            registers[program.result]
                .tidy()
                .store(|l| if at + l < length { target.add(at + l) } else { sink });
        }
    }
}
