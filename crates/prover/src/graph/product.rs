//! Sums of products of two tensors' elements.

/// y_i = Σ a·b over pairs of elements of two tensors, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Where each row's pairs start, and the end of the last.
    pub starts: Vec<usize>,
    /// An element of the first input, and one of the second (or of the first, if there is one
    /// input only).
    pub pairs: Vec<[usize; 2]>,
}

impl Product {
    /// One pair an element: the elements in order.
    pub fn elementwise(len: usize) -> Self {
        Self { starts: (0..=len).collect(), pairs: (0..len).map(|i| [i, i]).collect() }
    }

    /// A·B of `batch` pairs of matrices, `rows` × `inner` and `inner` × `columns`.
    pub fn matrices(batch: usize, [rows, inner, columns]: [usize; 3]) -> Self {
        let len = batch * rows * columns;
        let pairs = (0..len).flat_map(|at| {
            let (b, r, c) = (at / columns / rows, at / columns % rows, at % columns);
            (0..inner).map(move |k| [(b * rows + r) * inner + k, (b * inner + k) * columns + c])
        });
        Self { starts: (0..=len).map(|row| row * inner).collect(), pairs: pairs.collect() }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pairs of each row.
    pub fn rows(&self) -> impl Iterator<Item = &[[usize; 2]]> {
        self.starts.windows(2).map(|ends| self.pairs.get(ends[0]..ends[1]).unwrap_or_default())
    }

    /// Σ a·b of each row.
    pub(crate) fn run(&self, a: &[f64], b: &[f64]) -> Vec<f64> {
        self.rows().map(|row| row.iter().map(|[i, j]| a[*i] * b[*j]).sum()).collect()
    }

    /// Bounds of each row; a square's are those of one value. `same`: whether both are one
    /// tensor.
    pub(crate) fn bounds(&self, a: &[(f64, f64)], b: &[(f64, f64)], same: bool) -> Vec<(f64, f64)> {
        let pair = |[i, j]: &[usize; 2]| {
            let ((a, b), (c, d)) = (a[*i], b[*j]);
            if same && i == j {
                let least = if a <= 0.0 && b >= 0.0 { 0.0 } else { (a * a).min(b * b) };
                return (least, (a * a).max(b * b));
            }
            let corners = [a * c, a * d, b * c, b * d];
            corners.into_iter().fold((f64::MAX, f64::MIN), |(lo, hi), x| (lo.min(x), hi.max(x)))
        };
        let sum = |(a, b): (f64, f64), (c, d)| (a + c, b + d);
        self.rows().map(|row| row.iter().map(pair).fold((0.0, 0.0), sum)).collect()
    }

    /// Why it does not fit tensors of these lengths.
    pub(crate) fn misfit(&self, inputs: [usize; 2], outputs: usize) -> Option<String> {
        let [n, m] = inputs;
        let ordered = self.starts.first() == Some(&0)
            && self.starts.last() == Some(&self.pairs.len())
            && self.starts.is_sorted();
        let exist = self.pairs.iter().all(|[i, j]| *i < n && *j < m);
        (self.len() != outputs || !ordered || !exist)
            .then(|| format!("sums of products of {n} and {m} elements for {outputs} outputs"))
    }
}
