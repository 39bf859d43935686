//! Linear maps in the forms that models have them in.

/// y = Σ M_i·x_i + b, one map for each input of the node.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear<T = f64> {
    /// M_i, in the order of the node's inputs.
    pub maps: Vec<LinearMap<T>>,
    /// b, one value an output element.
    pub bias: Vec<T>,
}

/// A linear map from a tensor's elements to an output's.
#[derive(Debug, Clone, PartialEq)]
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
    /// y[i] = factor[i]·x[i].
    Diagonal(Vec<T>),
    /// A few terms an output element.
    Sparse(SparseRows<T>),
}

/// A convolution of `[batch, channels, height, width]`; one variable has height 1.
///
/// y[b, o, r, c] = Σ over i, u, v of K[o, i, u, v]·x[b, i, r·stride₀ + u·dilation₀ − pad₀,
/// c·stride₁ + v·dilation₁ − pad₁], elements outside x being 0, i running over the input
/// channels of o's group.
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Debug, Clone, PartialEq, Default)]
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

    /// What does not fit about the map, for tensors of `inputs` and `outputs` elements.
    pub(super) fn misfit(&self, inputs: usize, outputs: usize) -> Option<String> {
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
