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
