//! One linear map after another as one, where the form of the result is known.

use rayon::prelude::*;

use crate::graph::{Convolution, LinearMap, SparseRows};

/// Coefficients and multiplications of a composition, known before it is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Size {
    pub(super) form: Form,
    pub(super) coefficients: usize,
    pub(super) products: u64,
}

/// The forms of a linear map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Form {
    Dense { positions: usize },
    Convolution,
    Diagonal,
    Sparse,
}

/// The size of outer∘inner for an x of the given dimensions; nothing where the result
/// would have no form of its own.
pub(super) fn size(outer: &LinearMap, inner: &LinearMap, x: &[usize]) -> Option<Size> {
    use LinearMap::{Convolution, Dense, Diagonal, Sparse};
    let of = |form, coefficients: Option<usize>| {
        coefficients.map(|coefficients| Size { form, coefficients, products: coefficients as u64 })
    };
    let len: usize = x.iter().product();
    let one = Form::Dense { positions: 1 };
    match (outer, inner) {
        (Diagonal(_), Diagonal(f)) => of(Form::Diagonal, Some(f.len())),
        (Diagonal(_), Sparse(rows)) => of(Form::Sparse, Some(rows.terms.len())),
        (Sparse(rows), Diagonal(_)) => of(Form::Sparse, Some(rows.terms.len())),
        (Sparse(a), Sparse(b)) => {
            let row = |&(i, _): &(usize, f64)| b.starts[i + 1] - b.starts[i];
            of(Form::Sparse, Some(a.terms.iter().map(row).sum()))
        }
        (Dense { positions, inputs, weights, .. }, Diagonal(f)) => {
            let form = Form::Dense { positions: *positions };
            periodic(f, *inputs).then_some(()).and_then(|()| of(form, Some(weights.len())))
        }
        (Diagonal(f), Dense { positions, outputs, weights, .. }) => {
            let form = Form::Dense { positions: *positions };
            periodic(f, *outputs).then_some(()).and_then(|()| of(form, Some(weights.len())))
        }
        (Dense { positions: 1, outputs, .. }, Sparse(_)) => of(one, outputs.checked_mul(len)),
        (Sparse(rows), Dense { positions: 1, inputs, .. }) => {
            let mut size = of(one, rows.len().checked_mul(*inputs))?;
            size.products = (rows.terms.len() as u64).checked_mul(*inputs as u64)?;
            Some(size)
        }
        (
            Dense { positions: p, outputs, inputs: middle, .. },
            Dense { positions: q, inputs, .. },
        ) if p == q => {
            let coefficients = outputs.checked_mul(*inputs)?;
            let products = (coefficients as u64).checked_mul(*middle as u64)?;
            Some(Size { form: Form::Dense { positions: *p }, coefficients, products })
        }
        (Convolution(conv), Diagonal(f)) => {
            let plane = conv.in_size[0] * conv.in_size[1];
            by_channel(f, plane, conv.in_channels)
                .and_then(|_| of(Form::Convolution, Some(conv.weights.len())))
        }
        (Diagonal(f), Convolution(conv)) => {
            let plane = conv.out_size[0] * conv.out_size[1];
            by_channel(f, plane, conv.out_channels)
                .and_then(|_| of(Form::Convolution, Some(conv.weights.len())))
        }
        (Convolution(conv), Sparse(rows)) => {
            padding(conv, rows, x).and_then(|_| of(Form::Convolution, Some(conv.weights.len())))
        }
        _ => None,
    }
}

/// outer∘inner, where [`size`] says it has a form.
pub(super) fn compose(outer: &LinearMap, inner: &LinearMap, x: &[usize]) -> Option<LinearMap> {
    use LinearMap::{Convolution, Dense, Diagonal, Sparse};
    let len: usize = x.iter().product();
    Some(match (outer, inner) {
        (Diagonal(f), Diagonal(g)) => Diagonal(f.iter().zip(g).map(|(f, g)| f * g).collect()),
        (Diagonal(f), Sparse(rows)) => {
            let scaled =
                f.iter().zip(rows.iter()).map(|(f, row)| row.iter().map(move |&(i, g)| (i, f * g)));
            tidy(SparseRows::from_rows(scaled), len)
        }
        (Sparse(rows), Diagonal(g)) => {
            let scaled = rows.iter().map(|row| row.iter().map(|&(i, f)| (i, f * g[i])));
            tidy(SparseRows::from_rows(scaled), len)
        }
        (Sparse(a), Sparse(b)) => {
            let inner: Vec<&[(usize, f64)]> = b.iter().collect();
            let row = |row: &[(usize, f64)]| {
                let terms =
                    row.iter().flat_map(|&(m, f)| inner[m].iter().map(move |&(i, g)| (i, f * g)));
                collected(terms.collect())
            };
            tidy(SparseRows::from_rows(a.iter().map(row)), len)
        }
        (Dense { positions, inputs, outputs, weights }, Diagonal(f)) => {
            let f = &f[..*inputs];
            let scaled = weights.chunks_exact((*inputs).max(1)).flat_map(|row| row.iter().zip(f));
            let weights = scaled.map(|(w, f)| w * f).collect();
            Dense { positions: *positions, inputs: *inputs, outputs: *outputs, weights }
        }
        (Diagonal(f), Dense { positions, inputs, outputs, weights }) => {
            let rows = weights.chunks_exact((*inputs).max(1)).zip(f);
            let weights = rows.flat_map(|(row, f)| row.iter().map(move |w| w * f)).collect();
            Dense { positions: *positions, inputs: *inputs, outputs: *outputs, weights }
        }
        (Dense { positions: 1, inputs, outputs, weights }, Sparse(rows)) => {
            let mut product = vec![0.0; outputs.checked_mul(len)?];
            let old = weights.chunks_exact((*inputs).max(1));
            for (new, old) in product.chunks_exact_mut(len).zip(old) {
                for (w, row) in old.iter().zip(rows.iter()) {
                    row.iter().for_each(|&(i, f)| new[i] += w * f);
                }
            }
            Dense { positions: 1, inputs: len, outputs: *outputs, weights: product }
        }
        (Sparse(rows), Dense { positions: 1, inputs, weights, .. }) => {
            let mut product = vec![0.0; rows.len().checked_mul(*inputs)?];
            for (new, row) in product.chunks_exact_mut((*inputs).max(1)).zip(rows.iter()) {
                for &(m, f) in row {
                    let old = &weights[m * inputs..(m + 1) * inputs];
                    new.iter_mut().zip(old).for_each(|(new, w)| *new += f * w);
                }
            }
            Dense { positions: 1, inputs: *inputs, outputs: rows.len(), weights: product }
        }
        (
            Dense { positions, inputs: middle, outputs, weights: a },
            Dense { inputs, weights: b, .. },
        ) => {
            let mut weights = vec![0.0; outputs.checked_mul(*inputs)?];
            let rows = weights.par_chunks_exact_mut((*inputs).max(1));
            rows.zip(a.par_chunks_exact((*middle).max(1))).for_each(|(new, row)| {
                for (f, old) in row.iter().zip(b.chunks_exact((*inputs).max(1))) {
                    new.iter_mut().zip(old).for_each(|(new, w)| *new += f * w);
                }
            });
            Dense { positions: *positions, inputs: *inputs, outputs: *outputs, weights }
        }
        (Convolution(conv), Diagonal(f)) => {
            let factors = by_channel(f, conv.in_size[0] * conv.in_size[1], conv.in_channels)?;
            let group = conv.group_inputs().max(1);
            Convolution(rescaled(conv, |o, i| factors[o / conv.group_outputs().max(1) * group + i]))
        }
        (Diagonal(f), Convolution(conv)) => {
            let factors = by_channel(f, conv.out_size[0] * conv.out_size[1], conv.out_channels)?;
            Convolution(rescaled(conv, |o, _| factors[o]))
        }
        (Convolution(conv), Sparse(rows)) => {
            let (in_size, pads) = padding(conv, rows, x)?;
            Convolution(crate::graph::Convolution { in_size, pads, ..conv.clone() })
        }
        _ => return None,
    })
}

/// Whether the elements repeat after `period`.
fn periodic(values: &[f64], period: usize) -> bool {
    values.len() == period || values.iter().enumerate().all(|(i, v)| *v == values[i % period])
}

/// One factor a channel, if all of a channel's planes have the same in every image.
fn by_channel(factors: &[f64], plane: usize, channels: usize) -> Option<Vec<f64>> {
    let of = |c: usize| factors.get(c * plane).copied();
    let each = (0..channels).map(of).collect::<Option<Vec<f64>>>()?;
    let same = factors.chunks_exact(plane.max(1)).enumerate();
    same.into_iter()
        .all(|(at, chunk)| chunk.iter().all(|f| *f == each[at % channels]))
        .then_some(each)
}

fn rescaled(conv: &Convolution, factor: impl Fn(usize, usize) -> f64) -> Convolution {
    let (ins, window) = (conv.group_inputs().max(1), (conv.kernel[0] * conv.kernel[1]).max(1));
    let by = |at: usize| factor(at / window / ins, at / window % ins);
    let weights = conv.weights.iter().enumerate().map(|(at, w)| w * by(at)).collect();
    Convolution { weights, ..conv.clone() }
}

/// The size of x and the convolution's pads, if the rows only put zeros around planes of x.
fn padding(conv: &Convolution, rows: &SparseRows, x: &[usize]) -> Option<([usize; 2], [usize; 2])> {
    let size = match *x {
        [batch, channels, height, width] if [batch, channels] == [conv.batch, conv.in_channels] => {
            [height, width]
        }
        [batch, channels, width] if [batch, channels] == [conv.batch, conv.in_channels] => {
            [1, width]
        }
        _ => return None,
    };
    let [height, width] = conv.in_size;
    let first = rows.iter().position(|row| !row.is_empty())?;
    let before = [first / width.max(1) % height.max(1), first % width.max(1)];
    let fits = rows.iter().enumerate().all(|(at, row)| {
        let (plane, y, x) = (at / (height * width), at / width % height, at % width);
        let inside = (y.checked_sub(before[0]).filter(|&y| y < size[0]))
            .zip(x.checked_sub(before[1]).filter(|&x| x < size[1]));
        match (inside, row) {
            (None, []) => true,
            (Some((y, x)), [(index, factor)]) => {
                *factor == 1.0 && *index == (plane * size[0] + y) * size[1] + x
            }
            _ => false,
        }
    });
    fits.then(|| (size, [conv.pads[0] + before[0], conv.pads[1] + before[1]]))
}

/// Terms with equal indices added up, in order of their first appearance.
fn collected(mut terms: Vec<(usize, f64)>) -> Vec<(usize, f64)> {
    terms.sort_by_key(|term| term.0);
    terms.dedup_by(|later, first| {
        let same = later.0 == first.0;
        if same {
            first.1 += later.1;
        }
        same
    });
    terms
}

/// Rows in their simplest form: a diagonal where they are one.
pub(super) fn tidy(rows: SparseRows, inputs: usize) -> LinearMap {
    let diagonal = rows.len() == inputs
        && rows.terms.len() == inputs
        && rows.iter().enumerate().all(|(o, row)| matches!(row, [(i, _)] if *i == o));
    match diagonal {
        true => LinearMap::Diagonal(rows.terms.into_iter().map(|term| term.1).collect()),
        false => LinearMap::Sparse(rows),
    }
}

/// The sum of two maps of the same tensor in one form, or both back.
pub(super) fn sum(a: LinearMap, b: LinearMap) -> Result<LinearMap, Box<(LinearMap, LinearMap)>> {
    use LinearMap::{Convolution, Dense, Diagonal, Sparse};
    let add = |a: Vec<f64>, b: Vec<f64>| a.into_iter().zip(b).map(|(a, b)| a + b).collect();
    match (a, b) {
        (Diagonal(f), Diagonal(g)) => Ok(Diagonal(add(f, g))),
        (Dense { positions, inputs, outputs, weights }, Dense { positions: q, weights: w, .. })
            if positions == q =>
        {
            Ok(Dense { positions, inputs, outputs, weights: add(weights, w) })
        }
        (Dense { positions: 1, inputs, outputs, mut weights }, few @ (Diagonal(_) | Sparse(_)))
        | (few @ (Diagonal(_) | Sparse(_)), Dense { positions: 1, inputs, outputs, mut weights }) =>
        {
            few.for_each_term(|o, i, f| weights[o * inputs + i] += f);
            Ok(Dense { positions: 1, inputs, outputs, weights })
        }
        (Convolution(a), Convolution(b)) => {
            let geometry = |conv: &crate::graph::Convolution| crate::graph::Convolution {
                weights: vec![],
                ..conv.clone()
            };
            match geometry(&a) == geometry(&b) {
                true => {
                    let weights = add(a.weights.clone(), b.weights);
                    Ok(Convolution(crate::graph::Convolution { weights, ..a }))
                }
                false => Err(Box::new((Convolution(a), Convolution(b)))),
            }
        }
        (a @ (Diagonal(_) | Sparse(_)), b @ (Diagonal(_) | Sparse(_))) => {
            let rows = |map: &LinearMap| match map {
                Diagonal(f) => f.iter().enumerate().map(|(i, &f)| vec![(i, f)]).collect(),
                Sparse(rows) => rows.iter().map(<[_]>::to_vec).collect(),
                _ => vec![],
            };
            let pairs = rows(&a).into_iter().zip(rows(&b));
            Ok(Sparse(SparseRows::from_rows(pairs.map(|(a, b)| collected([a, b].concat())))))
        }
        pair => Err(Box::new(pair)),
    }
}
