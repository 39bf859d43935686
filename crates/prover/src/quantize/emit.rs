//! Steps as integer nodes, for a circuit of given bits.

mod curves;
mod maxima;
mod outputs;
mod paths;
mod plain;
mod products;
mod ranked;
mod scale;
mod shares;
mod stairs;
mod tables;
mod trees;

use std::collections::HashMap;

use self::products::Factor;
use super::{
    Encoding, Halves, OutputSchema, QuantizeError,
    compose::selection,
    program::{Kind, Part, Program, Step, Terms, View},
    pwl::PiecewiseLinear,
    schema::InputSchema,
};
use crate::{
    graph::{Graph, Linear, LinearMap, SparseRows, TensorId},
    integer::{
        Analysis, IntegerGraph, IntegerNode, IntegerOp, IntegerTensor, Interval, Selected, bits_of,
    },
    shape::Shape,
};

/// Coarsest useful unit: 2^−8.
const MIN_FRACTION_BITS: i32 = 8;
/// Most decimals chosen without being asked.
pub(super) const DEFAULT_DECIMALS: u32 = 6;
/// Bits that weights have between values of which one is multiplied or divided.
const WEIGHT_BITS: i32 = 16;
/// How many of these weights below 1 may lose.
const SMALL_WEIGHT_BITS: i32 = 6;
/// Most knots of all functions of a step.
const MAX_KNOTS: usize = 1 << 22;
/// Most decimals of an output, those that contracts take.
const MAX_OUTPUT_DECIMALS: u32 = 18;

/// What a step's integers stand for.
enum Meaning {
    /// X_i = unit_i·x_i + offset_i. At x_i = middle_i, rounding of a weight is compensated
    /// in the bias.
    Affine { units: Vec<f64>, offsets: Vec<f64>, middles: Vec<f64> },
    /// X_i = the product of what two integers stand for.
    Products(Vec<[Factor; 2]>),
    /// X_i = constant_i + Σ_g d_g·unit_i·x_g over the knots of function i.
    Functions(Vec<Knots>),
}

impl Meaning {
    /// As the encoding of a tensor, which holds this one of the model's.
    fn encoding(&self, of: Option<TensorId>) -> Encoding {
        match self {
            Self::Affine { units, offsets, .. } => {
                Encoding { of, units: units.clone(), offsets: offsets.clone() }
            }
            // Only sums of these are numbers.
            Self::Products(_) => Encoding::default(),
            Self::Functions(knots) => {
                let units: Vec<f64> = knots.iter().map(|knots| knots.unit).collect();
                Encoding { of: None, offsets: vec![0.0; units.len()], units }
            }
        }
    }
}

/// A function as ReLUs at its knots.
struct Knots {
    /// The first of its ReLUs.
    first: usize,
    /// The slope right of each knot.
    slopes: Vec<f64>,
    /// The value left of the first knot.
    constant: f64,
    /// The unit of what it is a function of.
    unit: f64,
}

/// A step that has been made.
struct Made {
    tensor: TensorId,
    /// Fraction bits of its unit; all of an input's bits.
    bits: i32,
    meaning: Meaning,
}

/// A linear map in integers, and its bounds.
struct Scaled {
    inputs: Vec<TensorId>,
    linear: Linear<i64>,
    bounds: Vec<Interval>,
}

/// A model in integers.
pub(super) struct Emitted {
    pub(super) graph: IntegerGraph,
    pub(super) output: OutputSchema,
    /// What each tensor's integers stand for.
    pub(super) encodings: Vec<Encoding>,
    /// Values of which only the order counts may change places where they are closer than this.
    pub(super) apart: Option<f64>,
    /// What becomes of numbers next to a half.
    pub(super) halves: Halves,
}

/// The integer graph being made.
pub(super) struct Emitter<'a> {
    graph: IntegerGraph,
    analysis: Analysis,
    made: Vec<Made>,
    accumulator_bits: u32,
    value_bits: u32,
    /// Bits of how far a value is into a table's segment.
    offset_bits: u32,
    /// Fraction bits that the outputs need, about.
    output_bits: i32,
    schema: &'a InputSchema,
    /// By step: the bits of each element below a point of its grid, or below a whole number.
    shifts: HashMap<usize, Vec<u32>>,
    /// Fitted functions, by step.
    fitted: &'a [Vec<PiecewiseLinear>],
    /// The most fraction bits of the step that is being made.
    cap: i32,
    /// How close values may be that change places where only their order counts, if any are such.
    apart: Option<f64>,
    halves: Halves,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(
        schema: &'a InputSchema,
        shape: &Shape,
        output_bits: i32,
        fitted: &'a [Vec<PiecewiseLinear>],
    ) -> Self {
        Self {
            graph: IntegerGraph {
                shift_bits: shape.shift_bits(),
                input_bits: schema.bits,
                tensors: Vec::new(),
                inputs: Vec::new(),
                private: Vec::new(),
                nodes: Vec::new(),
                outputs: Vec::new(),
            },
            analysis: Analysis::new(shape.shift_bits()),
            made: Vec::new(),
            accumulator_bits: shape.accumulator_bits(),
            value_bits: shape.value_bits(),
            offset_bits: shape.offset_bits(),
            output_bits,
            schema,
            shifts: HashMap::new(),
            fitted,
            cap: i32::MAX,
            apart: None,
            halves: Halves::default(),
        }
    }

    /// Makes every step and the outputs.
    pub(super) fn run(
        mut self,
        program: &Program,
        model: &Graph,
        decimals: Option<u32>,
    ) -> Result<Emitted, QuantizeError> {
        let caps = self.caps(program);
        for (index, step) in program.steps.iter().enumerate() {
            self.cap = caps[index];
            let made = self.step(index, step, program)?;
            self.note_shifts(index, step, &made);
            self.made.push(made);
        }
        let output = self.outputs(&program.outputs, model, decimals)?;
        let mut encodings = vec![Encoding::default(); self.graph.tensors.len()];
        for (made, step) in self.made.iter().zip(&program.steps) {
            encodings[made.tensor.0] = made.meaning.encoding(step.of);
        }
        for (made, of) in self.graph.outputs.iter().zip(&model.outputs) {
            let len = self.graph.len(*made);
            let units = vec![10f64.powi(-(output.decimals as i32)); len];
            let offsets = vec![output.decode(0); len];
            encodings[made.0] = Encoding { of: Some(*of), units, offsets };
        }
        Ok(Emitted { graph: self.graph, output, encodings, apart: self.apart, halves: self.halves })
    }

    /// The most fraction bits that are of use to each step. What is multiplied or divided has few
    /// itself, whatever it reads: weights between many bits and few would have none left.
    fn caps(&self, program: &Program) -> Vec<i32> {
        let mut caps = vec![i32::MAX; program.steps.len()];
        for (index, step) in program.steps.iter().enumerate().rev() {
            let own = step.operand.map_or(i32::MAX, |fewer| self.operand_bits(step, fewer));
            let own = own.min(caps[index]);
            match &step.kind {
                Kind::Select(elements) => {
                    elements.iter().for_each(|(source, _)| caps[*source] = caps[*source].min(own));
                }
                Kind::Relu(view) | Kind::Shifted { view, .. } | Kind::Maxima { view, .. } => {
                    let kept = own.saturating_add(self.graph.shift_bits as i32);
                    for part in &view.parts {
                        let kept = kept.saturating_add(reserve(&part.map));
                        caps[part.step] = caps[part.step].min(kept);
                    }
                }
                // A share that is as fine as a rescale has a whole weight in it.
                Kind::Staircase { view, exact: false, .. } => {
                    let shares =
                        |part: &&Part| matches!(program.steps[part.step].kind, Kind::Shares { .. });
                    for part in view.parts.iter().filter(shares) {
                        caps[part.step] = caps[part.step].min(self.graph.shift_bits as i32);
                    }
                }
                _ => {}
            }
        }
        caps
    }

    /// The fraction bits that an operand of a product, a quotient or a root has: it fits the bits
    /// that a rescale drops, and its products those of a sum.
    fn operand_bits(&self, step: &Step, fewer: i32) -> i32 {
        let bits = self.value_bits.min(self.graph.shift_bits);
        let largest = ((1u64 << bits) - 4) as f64 * exp2(-fewer);
        let ends = step.bounds.iter().map(|(lo, hi)| hi.abs().max(lo.abs()));
        (largest / ends.fold(1e-9, f64::max)).log2().floor() as i32
    }

    /// Notes how far apart the integers of a step are that stand for points of a grid, or for whole
    /// numbers where that is what they are.
    fn note_shifts(&mut self, index: usize, step: &Step, made: &Made) {
        if step.ranked {
            return;
        }
        let shift = |at: usize| self.schema.grid(at).map_or(0, |grid| self.schema.shift(at, grid));
        let shifts: Vec<u32> = match &step.kind {
            Kind::Input { first } => (*first..*first + step.len).map(shift).collect(),
            Kind::Select(elements) => {
                let of = |(step, at): &(usize, usize)| self.shifts.get(step).map_or(0, |s| s[*at]);
                elements.iter().map(of).collect()
            }
            Kind::Kink { source, .. } => self.shifts.get(source).cloned().unwrap_or_default(),
            Kind::Relu(_) | Kind::Shifted { .. } | Kind::Maxima { whole: false, .. } => {
                let Meaning::Affine { offsets, .. } = &made.meaning else { return };
                if offsets.iter().any(|offset| offset.fract() != 0.0) {
                    return;
                }
                vec![u32::try_from(made.bits).unwrap_or(0); step.len]
            }
            _ => return,
        };
        if shifts.iter().any(|shift| *shift > 0) {
            self.shifts.insert(index, shifts);
        }
    }

    fn step(
        &mut self,
        index: usize,
        step: &Step,
        program: &Program,
    ) -> Result<Made, QuantizeError> {
        match &step.kind {
            Kind::Input { first } => Ok(self.input(step, *first)),
            Kind::Relu(view) => self.relu(step, view),
            Kind::Shifted { view, .. } if step.ranked => {
                let (made, apart) = match self.distances(step, view, program) {
                    Some(made) => (made, 0.0),
                    None => {
                        let made = self.shifted(step, view, true)?;
                        let apart = self.margin(view, made.bits);
                        (made, apart)
                    }
                };
                self.apart = Some(self.apart.map_or(apart, |other| other.max(apart)));
                Ok(made)
            }
            Kind::Shifted { view, uniform } => self.shifted(step, view, *uniform),
            Kind::Maxima { view, windows, cut, whole } => {
                self.maxima(step, view, windows, (*cut, *whole))
            }
            Kind::Kink { source, at } => self.kink(step, *source, at),
            Kind::Exact { rows, constants, like } => Ok(self.exact(step, rows, constants, *like)),
            Kind::Decisions { source, cuts } => self.decisions(step, program, *source, cuts),
            Kind::Paths { elements, trees, bias } => {
                self.paths(step, program, elements, trees, bias)
            }
            Kind::Curve { source, .. } => self.curves(step, *source, &self.fitted[index]),
            Kind::Argument { view, arguments } => self.argument(step, view, *arguments),
            Kind::Table { curve, source, domain, .. } => self.table(step, *curve, *source, domain),
            Kind::Staircase { view, stairs, exact } => self.staircase(step, view, stairs, *exact),
            Kind::Select(elements) => Ok(self.select(step, elements)),
            Kind::Products(pairs) => self.products(step, pairs),
            Kind::Quotients(pairs) => self.quotients(step, pairs),
            Kind::Roots(elements) => self.roots(step, elements),
            Kind::Shares { source, groups, of } => self.shares(step, *source, groups, of),
        }
    }

    fn tensor(&mut self, name: &str, len: usize) -> TensorId {
        self.graph.tensors.push(IntegerTensor { name: name.to_owned(), len });
        TensorId(self.graph.tensors.len() - 1)
    }

    fn push(&mut self, name: &str, scaled: Scaled) -> TensorId {
        let output = self.tensor(name, scaled.linear.bias.len());
        self.analysis.add_linear(output, &scaled.inputs, &scaled.linear, &scaled.bounds);
        self.graph.nodes.push(IntegerNode {
            name: name.to_owned(),
            op: IntegerOp::Linear(scaled.linear),
            inputs: scaled.inputs,
            output,
        });
        output
    }

    fn input(&mut self, step: &Step, first: usize) -> Made {
        let tensor = self.tensor(&step.name, step.len);
        if self.schema.private.contains(&self.graph.inputs.len()) {
            self.graph.private.push(tensor);
        }
        self.graph.inputs.push(tensor);
        self.analysis.add_input(tensor, step.len, self.schema.bits);
        let elements = first..first + step.len;
        let units: Vec<f64> = elements.clone().map(|index| self.schema.unit(index)).collect();
        let offsets: Vec<f64> = elements.map(|index| self.schema.lowest(index)).collect();
        let middles = vec![((1u64 << self.schema.bits) - 1) as f64 / 2.0; step.len];
        let meaning = Meaning::Affine { units, offsets, middles };
        Made { tensor, bits: self.schema.bits as i32, meaning }
    }

    /// The unit for values up to `magnitude`, as its fraction bits: on the straight line
    /// from the bits of what is read to the outputs', as far as the circuit holds it.
    ///
    /// A weight between values of b and b' fraction bits has n + b' − b of its own, so
    /// equal steps give the weights of all nodes the same precision.
    fn fraction_bits(&self, step: &Step, read: i32, magnitude: f64) -> Result<i32, QuantizeError> {
        let bits_of = |largest: f64| (largest / magnitude.max(1e-9)).log2().floor() as i32;
        let bits = bits_of(((1u64 << self.value_bits) - 4) as f64);
        let bits = match step.operand {
            None => bits,
            Some(fewer) => {
                let factor = ((1u64 << self.value_bits.min(self.graph.shift_bits)) - 4) as f64;
                bits_of(factor * exp2(-fewer)).min(self.operand_bits(step, fewer))
            }
        };
        if bits < MIN_FRACTION_BITS || !magnitude.is_finite() {
            let node = step.name.clone();
            return Err(QuantizeError::TooWide { node, magnitude, fraction_bits: bits });
        }
        // As finely as can be where only the order counts.
        if step.ranked {
            return Ok(bits);
        }
        let down = (read - self.output_bits) / step.remaining.max(1);
        Ok(bits.min(read - down).min(self.cap).max(MIN_FRACTION_BITS))
    }

    /// The least fraction bits of what a view reads.
    fn read_bits(&self, view: &View) -> i32 {
        let read = view.parts.iter().map(|part| self.made[part.step].bits).min();
        read.unwrap_or(self.output_bits)
    }

    /// The most fraction bits of units of what a view only names again.
    fn finest_named(&self, view: &View) -> i32 {
        let named = view.parts.iter().filter(|part| selection(&part.map).is_some());
        let bits = named.filter_map(|part| match &self.made[part.step].meaning {
            Meaning::Affine { units, .. } => {
                units.iter().map(|unit| -unit.log2().round() as i32).max()
            }
            _ => None,
        });
        bits.max().unwrap_or(MIN_FRACTION_BITS)
    }

    /// The bits that the circuit lacks for some bounds.
    fn excess(&self, bounds: &[Interval]) -> i32 {
        let needed = bounds.iter().map(|bounds| bits_of(*bounds)).max().unwrap_or(0);
        needed as i32 - self.accumulator_bits as i32
    }

    fn relu(&mut self, step: &Step, view: &View) -> Result<Made, QuantizeError> {
        // What is cut off below 0 has to fit the accumulator only, which is seen below.
        let magnitude = step.bounds.iter().map(|(_, hi)| *hi).fold(0.0, f64::max);
        let read = self.fraction_bits(step, self.read_bits(view), magnitude)?;
        // Of whole numbers whole numbers are made, which leave their readers' weights more bits.
        let mut bits = if self.is_whole(view) { read.min(0) } else { read };
        let offsets = vec![0.0; step.len];
        let scaled = loop {
            let scaled = self.scale(&step.name, view, &offsets, exp2(bits))?;
            let excess = self.excess_of(step, &scaled.bounds);
            if excess <= 0 || bits == MIN_FRACTION_BITS {
                break scaled;
            }
            bits = (bits - excess).max(MIN_FRACTION_BITS);
        };
        let units = vec![exp2(-bits); step.len];
        let middles = vec![0.0; step.len];
        let tensor = self.push(&step.name, scaled);
        // Nothing is lost by reading them, however fine a reader's unit is.
        let bits = if bits == 0 { read } else { bits };
        Ok(Made { tensor, bits, meaning: Meaning::Affine { units, offsets, middles } })
    }

    /// Whether all that a view makes are whole numbers.
    fn is_whole(&self, view: &View) -> bool {
        let whole = |x: f64| x.fract() == 0.0;
        let part = |part: &Part| {
            let Meaning::Affine { units, offsets, .. } = &self.made[part.step].meaning else {
                return false;
            };
            let grid = units.iter().chain(offsets).all(|x| whole(*x));
            !part.raw && grid && part.map.values().all(whole)
        };
        view.bias.iter().all(|bias| whole(*bias)) && view.parts.iter().all(part)
    }

    fn shifted(&mut self, step: &Step, view: &View, uniform: bool) -> Result<Made, QuantizeError> {
        let lowest = |bounds: &[(f64, f64)]| bounds.iter().map(|b| b.0).fold(f64::MAX, f64::min);
        let lowest = lowest(&step.bounds);
        let base = |lo: f64| if uniform { lowest } else { lo };
        let width = step.bounds.iter().map(|(lo, hi)| hi - base(*lo)).fold(0.0, f64::max);
        let bits = self.fraction_bits(step, self.read_bits(view), width)?;
        let mut bits = bits.max(self.least_bits(&view.parts).unwrap_or(bits));
        if step.operand.is_none() {
            // What is only named again has a weight of 1 at least in a rescale.
            bits = bits.max(self.finest_named(view) - self.graph.shift_bits as i32);
        }
        let (scaled, offsets) = loop {
            // On the grid, so that 0 and other bends of functions are.
            let snapped = |(lo, _): &(f64, f64)| (base(*lo) * exp2(bits)).floor() * exp2(-bits);
            let mut offsets: Vec<f64> = step.bounds.iter().map(snapped).collect();
            let mut scaled = self.scale(&step.name, view, &offsets, exp2(bits))?;
            self.lift(&mut scaled, &mut offsets, exp2(-bits), uniform);
            let excess = self.excess_of(step, &scaled.bounds);
            if excess <= 0 || bits == MIN_FRACTION_BITS {
                break (scaled, offsets);
            }
            bits = (bits - excess).max(MIN_FRACTION_BITS);
        };
        let units = vec![exp2(-bits); step.len];
        // A real 0, so that the error is in proportion to the real value.
        let middles = offsets.iter().map(|offset| -offset * exp2(bits)).collect();
        let tensor = self.push(&step.name, scaled);
        Ok(Made { tensor, bits, meaning: Meaning::Affine { units, offsets, middles } })
    }

    /// Lifts outputs by whole units until rounding cannot make them negative.
    fn lift(&self, scaled: &mut Scaled, offsets: &mut [f64], unit: f64, uniform: bool) {
        let one = 1i128 << self.graph.shift_bits;
        let shift = |(lo, _): &Interval| (-(*lo).min(0)).div_euclid(one) + i128::from(*lo < 0);
        let all = scaled.bounds.iter().map(shift).max().unwrap_or(0);
        for ((bounds, bias), offset) in
            scaled.bounds.iter_mut().zip(&mut scaled.linear.bias).zip(offsets)
        {
            let shift = if uniform { all } else { shift(bounds) };
            let by = shift.saturating_mul(one);
            *bounds = (bounds.0.saturating_add(by), bounds.1.saturating_add(by));
            // A shift this long would not fit the accumulator either.
            *bias = bias.saturating_add(i64::try_from(by).unwrap_or(i64::MAX));
            *offset -= shift as f64 * unit;
        }
    }

    /// max(0, Σ terms) of integers: no rounding.
    fn exact(
        &mut self,
        step: &Step,
        rows: &[Terms],
        constants: &[i64],
        like: Option<usize>,
    ) -> Made {
        let one = 1i64 << self.graph.shift_bits;
        let mut steps: Vec<usize> = rows.iter().flatten().map(|term| term.0).collect();
        steps.extend(like);
        steps.sort_unstable();
        steps.dedup();
        let map = |from: usize| {
            let rows = rows.iter().map(|row| {
                let own = row.iter().filter(move |term| term.0 == from);
                own.map(|(_, index, factor)| (*index, factor.saturating_mul(one)))
            });
            LinearMap::Sparse(SparseRows::from_rows(rows))
        };
        let maps: Vec<(usize, LinearMap<i64>)> = steps
            .into_iter()
            .map(|step| (step, map(step)))
            .filter(|(_, map)| map.coefficients() > 0)
            .collect();
        let bias = constants.iter().map(|constant| -constant.saturating_mul(one)).collect();
        let inputs: Vec<TensorId> = maps.iter().map(|(step, _)| self.made[*step].tensor).collect();
        let linear = Linear { maps: maps.into_iter().map(|(_, map)| map).collect(), bias };
        let bounds = self.analysis.linear(&inputs, &linear);
        let tensor = self.push(&step.name, Scaled { inputs, linear, bounds });
        let like = like.map(|like| &self.made[like]);
        let unit = match like.map(|made| &made.meaning) {
            Some(Meaning::Affine { units, .. }) => units.first().copied().unwrap_or(1.0),
            _ => 1.0,
        };
        // Nothing is lost by reading a count, however fine its reader's unit is.
        let bits = like.map_or(self.value_bits as i32, |made| made.bits);
        let zeros = vec![0.0; step.len];
        let meaning =
            Meaning::Affine { units: vec![unit; step.len], offsets: zeros.clone(), middles: zeros };
        Made { tensor, bits, meaning }
    }

    /// max(0, x − at) for each element of a step.
    fn kink(&mut self, step: &Step, source: usize, at: &[f64]) -> Result<Made, QuantizeError> {
        let Meaning::Affine { units, offsets, .. } = &self.made[source].meaning else {
            return Err(QuantizeError::Empty);
        };
        let units = units.clone();
        let one = 1i64 << self.graph.shift_bits;
        let bias = at
            .iter()
            .zip(units.iter().zip(offsets))
            .map(|(at, (unit, offset))| {
                let at = integer(&step.name, ((at - offset) / unit).round() * one as f64)?;
                Ok(-at)
            })
            .collect::<Result<Vec<i64>, QuantizeError>>()?;
        let linear = Linear { maps: vec![LinearMap::Diagonal(vec![one; step.len])], bias };
        let (inputs, bits) = (vec![self.made[source].tensor], self.made[source].bits);
        let bounds = self.analysis.linear(&inputs, &linear);
        let tensor = self.push(&step.name, Scaled { inputs, linear, bounds });
        let zeros = vec![0.0; step.len];
        let meaning = Meaning::Affine { units, offsets: zeros.clone(), middles: zeros };
        Ok(Made { tensor, bits, meaning })
    }

    fn select(&mut self, step: &Step, elements: &[(usize, usize)]) -> Made {
        let mut steps: Vec<usize> = elements.iter().map(|(step, _)| *step).collect();
        steps.sort_unstable();
        steps.dedup();
        let inputs: Vec<TensorId> = steps.iter().map(|step| self.made[*step].tensor).collect();
        let selected: Vec<Selected> = elements
            .iter()
            .map(|(step, index)| Selected {
                input: steps.binary_search(step).unwrap_or_default(),
                index: *index,
            })
            .collect();
        let (mut units, mut offsets, mut middles) = (Vec::new(), Vec::new(), Vec::new());
        for (from, index) in elements {
            if let Meaning::Affine { units: u, offsets: o, middles: m } = &self.made[*from].meaning
            {
                units.push(u[*index]);
                offsets.push(o[*index]);
                middles.push(m[*index]);
            }
        }
        let bits = steps.iter().map(|step| self.made[*step].bits).min().unwrap_or(0);
        let tensor = self.tensor(&step.name, step.len);
        self.analysis.add_select(tensor, &inputs, &selected);
        let (name, op) = (step.name.clone(), IntegerOp::Select(selected));
        self.graph.nodes.push(IntegerNode { name, op, inputs, output: tensor });
        Made { tensor, bits, meaning: Meaning::Affine { units, offsets, middles } }
    }
}

/// The fraction bits that a map's reader does without so that its weights have theirs.
fn reserve(map: &LinearMap<f64>) -> i32 {
    // What is only named again has no weights to lose.
    if selection(map).is_some() {
        return 0;
    }
    let largest = map.values().fold(0.0f64, |most, w| most.max(w.abs()));
    (largest.max(1e-9).log2() as i32 + SMALL_WEIGHT_BITS).min(0) - WEIGHT_BITS
}

fn exp2(bits: i32) -> f64 {
    2f64.powi(bits)
}

/// A real number rounded to an integer of 63 bits.
fn integer(node: &str, value: f64) -> Result<i64, QuantizeError> {
    let rounded = value.round();
    // Written so that NaN fails too.
    if rounded.abs() < 2f64.powi(62) {
        Ok(rounded as i64)
    } else {
        Err(QuantizeError::WeightTooLarge { node: node.to_owned(), weight: value })
    }
}
