//! Linear maps.

use rayon::prelude::*;

use crate::graph::{Convolution, Linear, LinearMap};

/// Σ M_i·x_i + b.
pub(super) fn run(linear: &Linear, operands: &[&[f64]]) -> Vec<f64> {
    let mut y = linear.bias.clone();
    for (map, x) in linear.maps.iter().zip(operands) {
        add(map, x, &mut y);
    }
    y
}

/// y += M·x.
pub(crate) fn add(map: &LinearMap, x: &[f64], y: &mut [f64]) {
    match map {
        LinearMap::Dense { inputs, outputs, weights, .. } => {
            let dot = |row: &[f64], x: &[f64]| row.iter().zip(x).map(|(w, v)| w * v).sum::<f64>();
            y.par_chunks_mut((*outputs).max(1)).zip(x.par_chunks((*inputs).max(1))).for_each(
                |(y, x)| {
                    y.par_iter_mut()
                        .zip(weights.par_chunks((*inputs).max(1)))
                        .with_min_len(64)
                        .for_each(|(y, row)| *y += dot(row, x));
                },
            );
        }
        LinearMap::Convolution(conv) => convolve(conv, x, y),
        LinearMap::Diagonal(factors) => {
            y.iter_mut().zip(factors).zip(x).for_each(|((y, factor), x)| *y += factor * x);
        }
        LinearMap::Sparse(rows) => {
            for (y, row) in y.iter_mut().zip(rows.iter()) {
                *y += row.iter().map(|&(i, factor)| factor * x[i]).sum::<f64>();
            }
        }
    }
}

fn convolve(conv: &Convolution, x: &[f64], y: &mut [f64]) {
    let [height, width] = conv.in_size;
    let [rows, columns] = conv.out_size;
    let (ins, outs) = (conv.group_inputs(), conv.group_outputs().max(1));
    let window = conv.kernel[0] * conv.kernel[1];
    y.par_chunks_mut((rows * columns).max(1)).enumerate().for_each(|(at, plane)| {
        let (b, o) = (at / conv.out_channels, at % conv.out_channels);
        for i in 0..ins {
            let start = (b * conv.in_channels + o / outs * ins + i) * height * width;
            let image = &x[start..start + height * width];
            let kernel = &conv.weights[(o * ins + i) * window..][..window];
            for (at, &weight) in kernel.iter().enumerate() {
                let (u, v) = (at / conv.kernel[1], at % conv.kernel[1]);
                for r in 0..rows {
                    let Some(from) = conv.source(0, r, u) else { continue };
                    let line = &image[from * width..(from + 1) * width];
                    for (c, y) in plane[r * columns..(r + 1) * columns].iter_mut().enumerate() {
                        if let Some(from) = conv.source(1, c, v) {
                            *y += weight * line[from];
                        }
                    }
                }
            }
        }
    });
}
