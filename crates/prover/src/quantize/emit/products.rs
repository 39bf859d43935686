//! Products, quotients and roots.
//!
//! An operand's integer x stands for unit·(x − zero), unit being a power of two and zero a whole
//! number. So a product of two is unit·unit'·(x·y − zero'·x − zero·y + zero·zero'), in which all
//! factors are whole.

use std::collections::BTreeMap;

use super::{Emitter, MIN_FRACTION_BITS, Made, Meaning, Part, exp2, integer};
use crate::{
    graph::{LinearMap, SparseRows, TensorId},
    integer::{Affine, Division, IntegerNode, IntegerOp, Interval, Selected, bits_of},
    quantize::{
        QuantizeError,
        program::{Numerator, Step},
    },
};

/// An element that is multiplied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factor {
    step: usize,
    index: usize,
    /// Fraction bits of its unit.
    bits: i32,
    /// The integer that stands for 0.
    zero: i64,
}

impl Emitter<'_> {
    /// Products of pairs of elements, exactly.
    pub(super) fn products(
        &mut self,
        step: &Step,
        pairs: &[[(usize, usize); 2]],
    ) -> Result<Made, QuantizeError> {
        let mut factors = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let [a, b] = pair.map(|at| self.factor(&step.name, at));
            factors.push([a?, b?]);
        }
        let steps = sources(pairs.iter().flatten().map(|at| at.0));
        let selected: Vec<[Selected; 2]> =
            pairs.iter().map(|pair| pair.map(|at| select(&steps, at))).collect();
        let inputs: Vec<TensorId> = steps.iter().map(|step| self.made[*step].tensor).collect();
        let known = self.analysis.selected(&inputs, selected.iter().copied());
        // Never negative.
        let bounds: Vec<Interval> =
            known.iter().map(|[a, b]| (a.0.saturating_mul(b.0), a.1.saturating_mul(b.1))).collect();
        let tensor = self.tensor(&step.name, step.len);
        self.analysis.add_products(tensor, &inputs, &selected, &bounds);
        let (name, op) = (step.name.clone(), IntegerOp::Products(selected));
        self.graph.nodes.push(IntegerNode { name, op, inputs, output: tensor });
        let bits = factors.iter().flatten().map(|factor| factor.bits).min().unwrap_or(0);
        Ok(Made { tensor, bits, meaning: Meaning::Products(factors) })
    }

    /// Quotients, in the finest unit that holds them.
    pub(super) fn quotients(
        &mut self,
        step: &Step,
        pairs: &[(Numerator, (usize, usize))],
    ) -> Result<Made, QuantizeError> {
        let mut operands = Vec::with_capacity(pairs.len());
        for (over, by) in pairs {
            let over = match over {
                Numerator::Number(number) => Err(*number),
                Numerator::Element(at) => Ok(self.factor(&step.name, *at)?),
            };
            operands.push((over, self.factor(&step.name, *by)?));
        }
        let all = pairs.iter().flat_map(|(over, by)| over.step().into_iter().chain([by.0]));
        let steps = sources(all);
        let inputs: Vec<TensorId> = steps.iter().map(|step| self.made[*step].tensor).collect();
        let width = step.bounds.iter().map(|(lo, hi)| hi.max(0.0) - lo.min(0.0));
        let width = width.fold(0.0, f64::max);
        let read = operands.iter().map(|(_, by)| by.bits).min().unwrap_or(0);
        // A numerator's unit is not finer than the quotient's and the divisor's together.
        let least = operands.iter().filter_map(|(over, by)| Some(over.ok()?.bits - by.bits));
        let least = least.max().unwrap_or(MIN_FRACTION_BITS).max(MIN_FRACTION_BITS);
        let mut bits = self.fraction_bits(step, read, width)?.max(least);
        let (divisions, bounds) = loop {
            let mut divisions = Vec::with_capacity(operands.len());
            let (mut bounds, mut excess) = (Vec::with_capacity(operands.len()), 0);
            for (over, by) in &operands {
                let divisor = select(&steps, (by.step, by.index));
                let numerator = match over {
                    Ok(a) => {
                        let weight = integer(&step.name, exp2(bits + by.bits - a.bits))?;
                        let constant = integer(&step.name, -(weight as f64) * a.zero as f64)?;
                        Affine { of: select(&steps, (a.step, a.index)), weight, constant }
                    }
                    Err(number) => {
                        let constant = integer(&step.name, number * exp2(bits + by.bits))?;
                        Affine { of: divisor, weight: 0, constant }
                    }
                };
                let mut own = Division { numerator, divisor, offset: -by.zero, lift: 0 };
                let [[x, b]] = self.analysis.selected(&inputs, [[numerator.of, divisor]])[..]
                else {
                    return Err(QuantizeError::Empty);
                };
                let quotients = own.bounds(x, b, None).ok_or_else(|| QuantizeError::Divisor {
                    node: step.name.clone(),
                    lowest: (b.0 - i128::from(by.zero)) as f64 * exp2(-by.bits),
                })?;
                own.lift = i64::try_from(-quotients.0.min(0)).unwrap_or(i64::MAX >> 1);
                let lifted = (quotients.0 - quotients.0.min(0), quotients.1 - quotients.0.min(0));
                let numbers = bits_of(numerator.bounds(x)) as i32 - (self.accumulator_bits as i32);
                excess = excess.max(numbers + 1).max(self.excess_of_values(step, lifted));
                divisions.push(own);
                bounds.push(lifted);
            }
            if excess <= 0 {
                break (divisions, bounds);
            }
            if bits == least {
                return Err(self.too_coarse(step));
            }
            bits = (bits - excess).max(least);
        };
        let lifts: Vec<i64> = divisions.iter().map(|own| own.lift).collect();
        let op = IntegerOp::Quotients(divisions);
        Ok(self.bounded(step, (op, inputs), bounds, (bits, &lifts)))
    }

    /// Square roots, in the finest unit that holds them.
    pub(super) fn roots(
        &mut self,
        step: &Step,
        elements: &[(usize, usize)],
    ) -> Result<Made, QuantizeError> {
        let mut operands = Vec::with_capacity(elements.len());
        for element in elements {
            operands.push(self.factor(&step.name, *element)?);
        }
        let steps = sources(elements.iter().map(|at| at.0));
        let mut inputs: Vec<TensorId> = steps.iter().map(|step| self.made[*step].tensor).collect();
        let mut places: Vec<Selected> =
            operands.iter().map(|own| select(&steps, (own.step, own.index))).collect();
        if let Some(raised) = self.raised(step, &operands, &places, &inputs) {
            inputs = vec![raised];
            for (index, (own, place)) in operands.iter_mut().zip(&mut places).enumerate() {
                (own.zero, *place) = (-1, Selected { input: 0, index });
            }
        }
        let largest = step.bounds.iter().map(|(_, hi)| *hi).fold(0.0, f64::max);
        let read = operands.iter().map(|own| own.bits).min().unwrap_or(0);
        // The square of its unit is not coarser than that of what it is a root of.
        let least = operands.iter().map(|own| (own.bits + 1).div_euclid(2)).max();
        let least = least.unwrap_or(MIN_FRACTION_BITS).max(MIN_FRACTION_BITS);
        let as_operand = Step { operand: step.operand.or(Some(0)), ..step.outline() };
        // As fine as it can be: a root's operand was rounded already.
        let read = read.max(self.value_bits as i32);
        let mut bits = self.fraction_bits(&as_operand, read, largest)?.max(least);
        let (radicands, bounds) = loop {
            let mut radicands = Vec::with_capacity(operands.len());
            let (mut bounds, mut excess) = (Vec::with_capacity(operands.len()), 0);
            for (own, of) in operands.iter().zip(&places) {
                let weight = integer(&step.name, exp2(2 * bits - own.bits))?;
                let constant = integer(&step.name, -(weight as f64) * own.zero as f64)?;
                let mut radicand = Affine { of: *of, weight, constant };
                let [[x]] = self.analysis.selected(&inputs, [[radicand.of]])[..] else {
                    return Err(QuantizeError::Empty);
                };
                // What rounding made negative is lifted to 0.
                let lowest = radicand.bounds(x).0.min(0);
                radicand.constant =
                    constant.saturating_sub(i64::try_from(lowest).unwrap_or(i64::MIN >> 1));
                let (lo, hi) = radicand.bounds(x);
                let own = (lo.max(0).isqrt(), hi.max(0).isqrt());
                let needed = bits_of((lo, hi)) as i32 - self.accumulator_bits as i32 + 1;
                let needed = needed.max(2 * self.excess_of_values(&as_operand, own));
                excess = excess.max((needed + 1).div_euclid(2));
                radicands.push(radicand);
                bounds.push(own);
            }
            if excess <= 0 {
                break (radicands, bounds);
            }
            if bits == least {
                return Err(self.too_coarse(step));
            }
            bits = (bits - excess).max(least);
        };
        let lifts = vec![0; radicands.len()];
        let op = IntegerOp::Roots(radicands);
        Ok(self.bounded(step, (op, inputs), bounds, (bits, &lifts)))
    }

    /// What roots are taken of less a unit each, cut at 0, where none of them is 0 but rounding
    /// makes one: the root of a unit stands for it, since what is divided by it must be positive.
    fn raised(
        &mut self,
        step: &Step,
        operands: &[Factor],
        places: &[Selected],
        inputs: &[TensorId],
    ) -> Option<TensorId> {
        let known = self.analysis.selected(inputs, places.iter().map(|place| [*place]));
        let is_zero = |((own, [x]), (lowest, _)): ((&Factor, &[Interval; 1]), &(f64, f64))| {
            *lowest > 0.0 && x.0 <= i128::from(own.zero)
        };
        if !operands.iter().zip(&known).zip(&step.bounds).any(is_zero) {
            return None;
        }
        let row = |(own, place): (&Factor, &Selected)| {
            (vec![(inputs[place.input], place.index, 1)], -own.zero - 1)
        };
        self.whole(&step.name, operands.iter().zip(places).map(row).collect())
    }

    /// The maps of a part that reads products, by tensor.
    pub(super) fn scale_products(
        &self,
        node: &str,
        part: &Part,
        factors: &[[Factor; 2]],
        scale: f64,
        constants: &mut [f64],
    ) -> Result<Vec<(TensorId, LinearMap<i64>)>, QuantizeError> {
        let mut own = Vec::with_capacity(constants.len());
        let mut others: BTreeMap<usize, Vec<BTreeMap<usize, i64>>> = BTreeMap::new();
        let count = constants.len();
        for (row, constant) in constants.iter_mut().enumerate() {
            let mut terms = Vec::new();
            let mut error = None;
            part.map.for_each_in_row(row, |index, w| {
                let [a, b] = factors[index];
                let real = w * exp2(-a.bits - b.bits) * scale;
                let weight = match integer(node, real) {
                    // Less than half a unit is no weight.
                    Ok(0) if w != 0.0 => {
                        let node = node.to_owned();
                        error = Some(QuantizeError::ProductTooWide { node });
                        return;
                    }
                    Ok(weight) => weight,
                    Err(e) => {
                        error = Some(e);
                        return;
                    }
                };
                terms.push((index, weight));
                for (of, other) in [(a, b), (b, a)] {
                    if other.zero != 0 {
                        let rows =
                            others.entry(of.step).or_insert_with(|| vec![BTreeMap::new(); count]);
                        *rows[row].entry(of.index).or_insert(0) -= weight * other.zero;
                    }
                }
                *constant += weight as f64 * (a.zero as f64 * b.zero as f64);
            });
            if let Some(error) = error {
                return Err(error);
            }
            own.push(terms);
        }
        let map = LinearMap::Sparse(SparseRows::from_rows(own));
        let mut maps = vec![(self.made[part.step].tensor, map)];
        for (step, rows) in others {
            let map = LinearMap::Sparse(SparseRows::from_rows(rows));
            maps.push((self.made[step].tensor, map));
        }
        Ok(maps)
    }

    /// The least fraction bits of what adds up a view's products: their weights are not below 1.
    pub(super) fn least_bits(&self, parts: &[Part]) -> Option<i32> {
        let of = |part: &Part| match &self.made[part.step].meaning {
            Meaning::Products(factors) => factors.iter().map(|[a, b]| a.bits + b.bits).max(),
            _ => None,
        };
        let bits = parts.iter().filter_map(of).max()?;
        Some(bits - self.graph.shift_bits as i32)
    }

    /// The bits of a value that a step's elements may have.
    fn bits_of_values(&self, step: &Step) -> i32 {
        let most = match step.operand {
            Some(_) => self.value_bits.min(self.graph.shift_bits),
            None => self.value_bits,
        };
        most as i32
    }

    /// The bits that values within some bounds have too many.
    fn excess_of_values(&self, step: &Step, bounds: Interval) -> i32 {
        bits_of(bounds) as i32 - self.bits_of_values(step)
    }

    /// The bits that the circuit lacks for the z of a step.
    pub(super) fn excess_of(&self, step: &Step, bounds: &[Interval]) -> i32 {
        let lacks =
            self.accumulator_bits as i32 - self.graph.shift_bits as i32 - self.bits_of_values(step);
        // Of what is negative, which is cut at 0, nothing is multiplied.
        let values = bounds.iter().map(|(_, hi)| (0, (*hi).max(0))).collect::<Vec<_>>();
        self.excess(bounds).max(self.excess(&values) + lacks)
    }

    fn factor(&self, node: &str, (step, index): (usize, usize)) -> Result<Factor, QuantizeError> {
        let made = &self.made[step];
        let Meaning::Affine { units, offsets, .. } = &made.meaning else {
            return Err(QuantizeError::Empty);
        };
        let bits = -units[index].log2().round() as i32;
        let zero = integer(node, -offsets[index] / units[index])?;
        Ok(Factor { step, index, bits, zero })
    }

    pub(super) fn too_coarse(&self, step: &Step) -> QuantizeError {
        QuantizeError::ProductTooWide { node: step.name.clone() }
    }

    /// Adds the node of a step whose values have these bounds, 0 being what they are lifted by.
    pub(super) fn bounded(
        &mut self,
        step: &Step,
        (op, inputs): (IntegerOp, Vec<TensorId>),
        bounds: Vec<Interval>,
        (bits, lifts): (i32, &[i64]),
    ) -> Made {
        let tensor = self.tensor(&step.name, step.len);
        self.analysis.add_bounded(tensor, bounds);
        self.graph.nodes.push(IntegerNode { name: step.name.clone(), op, inputs, output: tensor });
        let meaning = Meaning::Affine {
            units: vec![exp2(-bits); step.len],
            offsets: lifts.iter().map(|lift| -(*lift as f64) * exp2(-bits)).collect(),
            middles: lifts.iter().map(|lift| *lift as f64).collect(),
        };
        Made { tensor, bits, meaning }
    }
}

/// The steps of some elements, each once, in order.
fn sources(steps: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut steps: Vec<usize> = steps.collect();
    steps.sort_unstable();
    steps.dedup();
    steps
}

/// An element by the place of its step among a node's.
fn select(steps: &[usize], (step, index): (usize, usize)) -> Selected {
    Selected { input: steps.binary_search(&step).unwrap_or_default(), index }
}
