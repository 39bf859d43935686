//! Maxima of pre-activations, rescaled once a window.

use serde::{Deserialize, Serialize};

use super::Interval;
use crate::graph::Linear;

/// x' = max(0, ⌊max z / 2^n⌋) over each window of z = Σ M_i·x_i + c.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Maxima {
    /// What gives the z.
    pub linear: Linear<i64>,
    /// For each element made, the z that it is the maximum of, by their index; none is empty.
    /// A z may stand in several windows, or in none.
    pub windows: Vec<Vec<usize>>,
}

impl Maxima {
    /// The maximum of every window, and how far below it each of its z is, window by window.
    pub(super) fn run(&self, z: &[i64]) -> (Vec<i64>, Vec<i64>) {
        let mut gaps = Vec::with_capacity(self.windows.iter().map(Vec::len).sum());
        let mut maximum = |window: &Vec<usize>| {
            let largest = window.iter().map(|row| z[*row]).max().unwrap_or(0);
            gaps.extend(window.iter().map(|row| largest - z[*row]));
            largest
        };
        let maxima = self.windows.iter().map(&mut maximum).collect();
        (maxima, gaps)
    }

    /// Bounds of the maximum of every window, from those of the z.
    pub(crate) fn bounds(&self, z: &[Interval]) -> Vec<Interval> {
        let of = |window: &Vec<usize>| {
            let bounds = window.iter().map(|row| z[*row]);
            bounds.reduce(|a, b| (a.0.max(b.0), a.1.max(b.1))).unwrap_or((0, 0))
        };
        self.windows.iter().map(of).collect()
    }

    /// From 0 to how far below its window's maximum a z can be, for every window.
    pub(crate) fn gaps(&self, z: &[Interval]) -> Vec<Interval> {
        let of = |window: &Vec<usize>| {
            let bounds = window.iter().map(|row| z[*row]);
            let (lo, hi) = bounds.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0, 0));
            (0, hi.saturating_sub(lo))
        };
        self.windows.iter().map(of).collect()
    }

    /// Why it does not make `outputs` elements, or reads a z that is none.
    pub(super) fn misfit(&self, outputs: usize) -> Option<String> {
        if self.windows.len() != outputs {
            return Some(format!("{} windows for {outputs} outputs", self.windows.len()));
        }
        let rows = self.linear.bias.len();
        let wrong =
            |window: &Vec<usize>| window.is_empty() || window.iter().any(|row| *row >= rows);
        let index = self.windows.iter().position(wrong)?;
        Some(format!("window {index} is empty or reads beyond {rows} pre-activations"))
    }
}
