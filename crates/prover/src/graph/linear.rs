//! Linear maps in the forms that models have them in.

use serde::{Deserialize, Serialize};

/// y = Σ M_i·x_i + b, one map for each input of the node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Linear<T = f64> {
    /// M_i, in the order of the node's inputs.
    pub maps: Vec<LinearMap<T>>,
    /// b, one value an output element.
    pub bias: Vec<T>,
}

/// A linear map from a tensor's elements to an output's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LinearMap<T = f64> {
    /// The same matrix at every position: y[p, o] = Σ_i W[o, i]·x[p, i].
    Dense {
        /// Rows of x and y.
        positions: usize,
        /// Columns of x and of W.
        inputs: usize,
        /// Columns of y, rows of W.
        outputs: usize,
        /// W, row-major.
        weights: Vec<T>,
    },
    /// A convolution in one or two variables.
    Convolution(Convolution<T>),
    /// `y[i] = factor[i]·x[i]`.
    Diagonal(Vec<T>),
    /// A few terms an output element.
    Sparse(SparseRows<T>),
}

/// A convolution of `[batch, channels, height, width]`; one variable has height 1.
///
/// y[b, o, r, c] = Σ over i, u, v of K[o, i, u, v]·x[b, i, r·stride₀ + u·dilation₀ − pad₀,
/// c·stride₁ + v·dilation₁ − pad₁], elements outside x being 0, i running over the input
/// channels of o's group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Convolution<T = f64> {
    /// Independent images.
    pub batch: usize,
    /// Groups; divides both numbers of channels.
    pub groups: usize,
    /// Channels of x.
    pub in_channels: usize,
    /// Channels of y.
    pub out_channels: usize,
    /// Height and width of x.
    pub in_size: [usize; 2],
    /// Height and width of y.
    pub out_size: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Steps between windows.
    pub strides: [usize; 2],
    /// Zeros before the first row and column. What stands behind the last follows from
    /// the sizes.
    pub pads: [usize; 2],
    /// Steps within a window.
    pub dilations: [usize; 2],
    /// K, row-major: `[out_channels, in_channels / groups, height, width]`.
    pub weights: Vec<T>,
}

/// Rows of a sparse matrix, one an output element.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SparseRows<T = f64> {
    /// Row r's terms are `terms[starts[r]..starts[r + 1]]`; one entry more than rows.
    pub starts: Vec<usize>,
    /// (input element, factor).
    pub terms: Vec<(usize, T)>,
}

impl<T: Copy> LinearMap<T> {
    /// Number of coefficients it is stored with.
    pub fn coefficients(&self) -> usize {
        match self {
            Self::Dense { weights, .. } => weights.len(),
            Self::Convolution(conv) => conv.weights.len(),
            Self::Diagonal(factors) => factors.len(),
            Self::Sparse(rows) => rows.terms.len(),
        }
    }

    /// The coefficients, in the order they are stored in.
    pub fn values(&self) -> Box<dyn Iterator<Item = T> + '_> {
        match self {
            Self::Dense { weights, .. } => Box::new(weights.iter().copied()),
            Self::Convolution(conv) => Box::new(conv.weights.iter().copied()),
            Self::Diagonal(factors) => Box::new(factors.iter().copied()),
            Self::Sparse(rows) => Box::new(rows.terms.iter().map(|term| term.1)),
        }
    }

    /// Calls `f(output element, input element, coefficient)` for every entry of the matrix
    /// that the map stores, those beyond a convolution's border left out.
    ///
    /// The map must fit its tensors, as [`Graph::check`](super::Graph::check) demands.
    pub fn for_each_term(&self, mut f: impl FnMut(usize, usize, T)) {
        match self {
            Self::Dense { positions, inputs, outputs, weights } => {
                for p in 0..*positions {
                    for (o, row) in weights.chunks_exact((*inputs).max(1)).enumerate() {
                        for (i, &w) in row.iter().enumerate() {
                            f(p * outputs + o, p * inputs + i, w);
                        }
                    }
                }
            }
            Self::Convolution(conv) => conv.for_each_term(f),
            Self::Diagonal(factors) => {
                factors.iter().enumerate().for_each(|(i, &factor)| f(i, i, factor));
            }
            Self::Sparse(rows) => {
                for (o, row) in rows.iter().enumerate() {
                    row.iter().for_each(|&(i, factor)| f(o, i, factor));
                }
            }
        }
    }

    /// Number of terms of all of y's elements, those beyond a convolution's border included.
    pub fn term_count(&self) -> usize {
        match self {
            Self::Dense { positions, weights, .. } => positions.saturating_mul(weights.len()),
            Self::Convolution(conv) => {
                let places = [conv.batch, conv.out_size[0], conv.out_size[1]];
                places.iter().fold(conv.weights.len(), |n, &size| n.saturating_mul(size))
            }
            Self::Diagonal(factors) => factors.len(),
            Self::Sparse(rows) => rows.terms.len(),
        }
    }

    /// Calls `f(input element, coefficient)` for every entry of one row, as
    /// [`for_each_term`](Self::for_each_term) does for all.
    pub fn for_each_in_row(&self, row: usize, mut f: impl FnMut(usize, T)) {
        match self {
            Self::Dense { inputs, outputs, weights, .. } => {
                let (position, output) = (row / outputs, row % outputs);
                let weights = &weights[output * inputs..(output + 1) * inputs];
                weights.iter().enumerate().for_each(|(i, &w)| f(position * inputs + i, w));
            }
            Self::Convolution(conv) => conv.for_each_in_row(row, f),
            Self::Diagonal(factors) => f(row, factors[row]),
            Self::Sparse(rows) => {
                let terms = &rows.terms[rows.starts[row]..rows.starts[row + 1]];
                terms.iter().for_each(|&(i, factor)| f(i, factor));
            }
        }
    }

    /// Folds every row's terms into y: `y[o] = step(y[o], coefficient, x[i])`, term after term.
    pub fn fold<X: Copy, Y: Copy>(&self, x: &[X], y: &mut [Y], step: impl Fn(Y, T, X) -> Y) {
        if let Self::Dense { inputs, outputs, weights, .. } = self {
            let chunks =
                x.chunks_exact((*inputs).max(1)).zip(y.chunks_exact_mut((*outputs).max(1)));
            for (x, y) in chunks {
                for (weights, y) in weights.chunks_exact((*inputs).max(1)).zip(y) {
                    *y = weights.iter().zip(x).fold(*y, |y, (w, x)| step(y, *w, *x));
                }
            }
            return;
        }
        for (row, y) in y.iter_mut().enumerate() {
            let mut sum = *y;
            self.for_each_in_row(row, |i, w| sum = step(sum, w, x[i]));
            *y = sum;
        }
    }

    /// The map with every coefficient replaced by `f` of one input element it belongs to and
    /// itself. A convolution's coefficient belongs to a whole channel, a dense map's to every
    /// position: the first element of either is given.
    ///
    /// # Errors
    /// The first that `f` gives.
    pub fn try_map<U, E>(
        &self,
        mut f: impl FnMut(usize, T) -> Result<U, E>,
    ) -> Result<LinearMap<U>, E> {
        self.try_map_by_output(|_, index, w| f(index, w))
    }

    /// The same with what the coefficient makes before that: the channel of a convolution, the
    /// output of a dense map at one position, else the element.
    ///
    /// # Errors
    /// The first that `f` gives.
    pub fn try_map_by_output<U, E>(
        &self,
        mut f: impl FnMut(usize, usize, T) -> Result<U, E>,
    ) -> Result<LinearMap<U>, E> {
        Ok(match self {
            Self::Dense { positions, inputs, outputs, weights } => LinearMap::Dense {
                positions: *positions,
                inputs: *inputs,
                outputs: *outputs,
                weights: weights
                    .iter()
                    .enumerate()
                    .map(|(k, &w)| f(k / (*inputs).max(1), k % (*inputs).max(1), w))
                    .collect::<Result<_, E>>()?,
            },
            Self::Convolution(conv) => LinearMap::Convolution(Convolution {
                batch: conv.batch,
                groups: conv.groups,
                in_channels: conv.in_channels,
                out_channels: conv.out_channels,
                in_size: conv.in_size,
                out_size: conv.out_size,
                kernel: conv.kernel,
                strides: conv.strides,
                pads: conv.pads,
                dilations: conv.dilations,
                weights: conv
                    .weights
                    .iter()
                    .enumerate()
                    .map(|(k, &w)| f(conv.made_by(k), conv.first_of_channel(conv.channel_of(k)), w))
                    .collect::<Result<_, E>>()?,
            }),
            Self::Diagonal(factors) => {
                let factors = factors.iter().enumerate().map(|(i, &w)| f(i, i, w));
                LinearMap::Diagonal(factors.collect::<Result<_, E>>()?)
            }
            Self::Sparse(rows) => {
                let made = rows.iter().enumerate();
                let terms = made.flat_map(|(o, row)| row.iter().map(move |&(i, w)| (o, i, w)));
                LinearMap::Sparse(SparseRows {
                    starts: rows.starts.clone(),
                    terms: terms.map(|(o, i, w)| Ok((i, f(o, i, w)?))).collect::<Result<_, E>>()?,
                })
            }
        })
    }

    /// What does not fit about the map, for tensors of `inputs` and `outputs` elements.
    pub(crate) fn misfit(&self, inputs: usize, outputs: usize) -> Option<String> {
        let product = |dims: &[usize]| dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let sizes = match self {
            Self::Dense { positions, inputs: n, outputs: m, weights } => {
                if product(&[*n, *m]) != Some(weights.len()) {
                    return Some(format!("{} weights for a {m} × {n} matrix", weights.len()));
                }
                [product(&[*positions, *n]), product(&[*positions, *m])]
            }
            Self::Convolution(conv) => {
                if let Some(detail) = conv.misfit() {
                    return Some(detail);
                }
                let plane = |size: [usize; 2]| product(&size);
                let of = |channels, size| product(&[conv.batch, channels, plane(size)?]);
                [of(conv.in_channels, conv.in_size), of(conv.out_channels, conv.out_size)]
            }
            Self::Diagonal(factors) => [Some(factors.len()); 2],
            Self::Sparse(rows) => {
                let ends = rows.starts.first() == Some(&0)
                    && rows.starts.last() == Some(&rows.terms.len())
                    && rows.starts.is_sorted();
                if !ends || rows.terms.iter().any(|&(index, _)| index >= inputs) {
                    return Some("sparse rows that don't fit their input".into());
                }
                [Some(inputs), rows.starts.len().checked_sub(1)]
            }
        };
        let expected = [Some(inputs), Some(outputs)];
        (sizes != expected).then(|| {
            let number = |n: Option<usize>| n.map_or_else(|| "too many".into(), |n| n.to_string());
            format!(
                "a map of {} to {} elements, between tensors of {inputs} and {outputs}",
                number(sizes[0]),
                number(sizes[1])
            )
        })
    }
}

impl<T> Convolution<T> {
    /// Input channels of one group.
    pub fn group_inputs(&self) -> usize {
        self.in_channels / self.groups.max(1)
    }

    /// Output channels of one group.
    pub fn group_outputs(&self) -> usize {
        self.out_channels / self.groups.max(1)
    }

    /// The row (axis 0) or column (axis 1) of x that offset `at` of the window of output
    /// `out` stands on, unless it is padding.
    pub fn source(&self, axis: usize, out: usize, at: usize) -> Option<usize> {
        let place = out * self.strides[axis] + at * self.dilations[axis];
        place.checked_sub(self.pads[axis]).filter(|&place| place < self.in_size[axis])
    }

    /// The input channel that coefficient number `k` multiplies.
    pub fn channel_of(&self, k: usize) -> usize {
        let (window, ins) = (self.kernel[0] * self.kernel[1], self.group_inputs());
        let (o, i) = (k / window / ins, k / window % ins);
        o / self.group_outputs() * ins + i
    }

    /// The output channel that coefficient number `k` is of.
    pub fn made_by(&self, k: usize) -> usize {
        k / (self.kernel[0] * self.kernel[1] * self.group_inputs()).max(1)
    }

    /// The output channel that element `row` of y is in.
    pub fn channel_of_output(&self, row: usize) -> usize {
        row / (self.out_size[0] * self.out_size[1]).max(1) % self.out_channels.max(1)
    }

    /// The first element of an input channel, of the first image.
    pub fn first_of_channel(&self, channel: usize) -> usize {
        channel * self.in_size[0] * self.in_size[1]
    }

    fn misfit(&self) -> Option<String> {
        let groups = self.groups;
        if groups == 0
            || !self.in_channels.is_multiple_of(groups)
            || !self.out_channels.is_multiple_of(groups)
        {
            return Some(format!(
                "{groups} groups of {} and {} channels",
                self.in_channels, self.out_channels
            ));
        }
        let dims = [self.out_channels, self.group_inputs(), self.kernel[0], self.kernel[1]];
        if dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) != Some(self.weights.len()) {
            return Some(format!("{} weights for a kernel of {dims:?}", self.weights.len()));
        }
        for axis in 0..2 {
            let step = self.strides[axis].checked_mul(self.out_size[axis]);
            let reach = self.dilations[axis].checked_mul(self.kernel[axis]);
            let fits = step.zip(reach).and_then(|(a, b)| a.checked_add(b)).is_some();
            if self.strides[axis] == 0 || self.dilations[axis] == 0 || !fits {
                return Some("a window that is too large, or that doesn't move".into());
            }
        }
        None
    }
}

impl<T: Copy> Convolution<T> {
    /// As [`LinearMap::for_each_in_row`].
    fn for_each_in_row(&self, row: usize, mut f: impl FnMut(usize, T)) {
        let [rows, columns] = self.out_size;
        let (r, c) = (row / columns % rows, row % columns);
        let channel = row / (rows * columns);
        let (b, o) = (channel / self.out_channels, channel % self.out_channels);
        let ins = self.group_inputs();
        let first = o / self.group_outputs() * ins;
        for i in 0..ins {
            let plane = (b * self.in_channels + first + i) * self.in_size[0];
            for u in 0..self.kernel[0] {
                let Some(y) = self.source(0, r, u) else { continue };
                let k = ((o * ins + i) * self.kernel[0] + u) * self.kernel[1];
                for v in 0..self.kernel[1] {
                    let Some(x) = self.source(1, c, v) else { continue };
                    f((plane + y) * self.in_size[1] + x, self.weights[k + v]);
                }
            }
        }
    }

    /// As [`LinearMap::for_each_term`].
    fn for_each_term(&self, mut f: impl FnMut(usize, usize, T)) {
        let [height, width] = self.in_size;
        let [rows, columns] = self.out_size;
        let (ins, outs) = (self.group_inputs(), self.group_outputs());
        for b in 0..self.batch {
            for o in 0..self.out_channels {
                let first = o / outs.max(1) * ins;
                for r in 0..rows {
                    for c in 0..columns {
                        let out = ((b * self.out_channels + o) * rows + r) * columns + c;
                        for i in 0..ins {
                            let plane = (b * self.in_channels + first + i) * height;
                            for u in 0..self.kernel[0] {
                                let Some(y) = self.source(0, r, u) else { continue };
                                for v in 0..self.kernel[1] {
                                    let Some(x) = self.source(1, c, v) else { continue };
                                    let k = ((o * ins + i) * self.kernel[0] + u) * self.kernel[1];
                                    f(out, (plane + y) * width + x, self.weights[k + v]);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl<T> SparseRows<T> {
    /// Rows given one after the other.
    pub fn from_rows<R: IntoIterator<Item = (usize, T)>>(
        rows: impl IntoIterator<Item = R>,
    ) -> Self {
        let (mut starts, mut terms) = (vec![0], vec![]);
        for row in rows {
            terms.extend(row);
            starts.push(terms.len());
        }
        Self { starts, terms }
    }

    /// The terms of each row.
    pub fn iter(&self) -> impl Iterator<Item = &[(usize, T)]> {
        self.starts.windows(2).map(|ends| self.terms.get(ends[0]..ends[1]).unwrap_or_default())
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn convolution() -> impl Strategy<Value = Convolution<i64>> {
        let pair = |range: std::ops::Range<usize>| [range.clone(), range];
        (1usize..3, 1usize..3, 1usize..3, 1usize..3, pair(1..6), pair(1..4), pair(1..4), pair(0..3))
            .prop_flat_map(move |(batch, groups, ins, outs, size, kernel, strides, pads)| {
                let count = outs * groups * ins * kernel[0] * kernel[1];
                let weights = proptest::collection::vec(-9i64..9, count);
                (weights, pair(1..3), pair(1..5)).prop_map(move |(weights, dilations, out_size)| {
                    Convolution {
                        batch,
                        groups,
                        in_channels: ins * groups,
                        out_channels: outs * groups,
                        in_size: size,
                        out_size,
                        kernel,
                        strides,
                        pads,
                        dilations,
                        weights,
                    }
                })
            })
    }

    /// The definition, element by element.
    fn naive(c: &Convolution<i64>, x: &[i64]) -> Vec<i64> {
        let (ins, outs) = (c.in_channels / c.groups, c.out_channels / c.groups);
        let mut y = Vec::new();
        for b in 0..c.batch {
            for o in 0..c.out_channels {
                for r in 0..c.out_size[0] as i64 {
                    for s in 0..c.out_size[1] as i64 {
                        let mut sum = 0;
                        for i in 0..ins {
                            for u in 0..c.kernel[0] {
                                for v in 0..c.kernel[1] {
                                    let row = r * c.strides[0] as i64 + (u * c.dilations[0]) as i64
                                        - c.pads[0] as i64;
                                    let column = s * c.strides[1] as i64
                                        + (v * c.dilations[1]) as i64
                                        - c.pads[1] as i64;
                                    let inside = |at: i64, size| at >= 0 && at < size as i64;
                                    if inside(row, c.in_size[0]) && inside(column, c.in_size[1]) {
                                        let channel = b * c.in_channels + o / outs * ins + i;
                                        let at = (channel * c.in_size[0] + row as usize)
                                            * c.in_size[1]
                                            + column as usize;
                                        let k = ((o * ins + i) * c.kernel[0] + u) * c.kernel[1] + v;
                                        sum += c.weights[k] * x[at];
                                    }
                                }
                            }
                        }
                        y.push(sum);
                    }
                }
            }
        }
        y
    }

    proptest! {
        #[test]
        fn a_convolution_is_its_definition(c in convolution(), seed in 0i64..1000) {
            let inputs = c.batch * c.in_channels * c.in_size[0] * c.in_size[1];
            let outputs = c.batch * c.out_channels * c.out_size[0] * c.out_size[1];
            let x: Vec<i64> = (0..inputs as i64).map(|i| (i * 7919 + seed) % 101 - 50).collect();
            let expected = naive(&c, &x);
            let map = LinearMap::Convolution(c);
            prop_assert_eq!(map.misfit(inputs, outputs), None);
            let mut y = vec![0; outputs];
            map.fold(&x, &mut y, |y, w, x| y + w * x);
            prop_assert_eq!(&y, &expected);
            y.fill(0);
            map.for_each_term(|o, i, w| y[o] += w * x[i]);
            prop_assert_eq!(y, expected);
        }
    }

    #[test]
    fn a_dense_map_is_the_same_at_every_position() {
        let map = LinearMap::Dense { positions: 2, inputs: 2, outputs: 1, weights: vec![10i64, 1] };
        assert_eq!(map.misfit(4, 2), None);
        let mut y = vec![100, 200];
        map.fold(&[1, 2, 3, 4], &mut y, |y, w, x| y + w * x);
        assert_eq!(y, vec![112, 234]);
        let mut terms = Vec::new();
        map.for_each_in_row(1, |i, w| terms.push((i, w)));
        assert_eq!(terms, vec![(2, 10), (3, 1)]);
    }
}
