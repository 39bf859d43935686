//! Multi-scalar multiplication over fixed bases.
//!
//! Pippenger's method with signed windows: scalars are classified and the long ones
//! halved ([`digits`], [`split`]), each window sorts its points by digit into buckets, and
//! buckets are summed in affine form with shared inversions ([`groups`], [`add`]). The
//! weighted sum of a window's buckets is taken by rows and columns of the bucket square, then
//! by the bits of their weights, in affine form but for one point a bit. Work is cut into
//! (window, range of points) tasks; how does not change the sum, which is a group element.

mod add;
mod digits;
mod double;
mod groups;
mod lagrange;
mod multiples;
mod point;
mod repeated;
mod split;
mod suffix;

use crate::field::Backend;
pub(crate) use add::{Job, add_pairs};
use digits::Class;
pub(crate) use digits::classify;
use group::Group;
use groups::{Groups, sum_groups};
use halo2curves::bn256::{Fr, G1, G1Affine};
pub use lagrange::lagrange_points;
pub(crate) use multiples::multiples;
pub(crate) use point::{Lower, Point};
use rayon::prelude::*;
pub(crate) use repeated::repeated;
pub(crate) use suffix::differences;

/// Bases prepared for many multiplications.
#[derive(Debug)]
pub struct Bases {
    /// Every base and, behind it, its image under the endomorphism.
    points: Vec<Point>,
    any_infinity: bool,
    backend: Backend,
}

impl Bases {
    /// Prepares bases.
    pub fn new(bases: &[G1Affine], backend: Backend) -> Self {
        Self::with_images(bases, |base| Point::new(base, backend), backend)
    }

    /// The bases that `point` makes.
    fn with_images<T: Sync>(
        bases: &[T],
        point: impl Fn(&T) -> Point + Sync,
        backend: Backend,
    ) -> Self {
        let mut points = vec![Point::INFINITY; 2 * bases.len()];
        let pairs = points.par_chunks_mut(2 * CHUNK).zip(bases.par_chunks(CHUNK));
        let any_infinity = pairs
            .map(|(pairs, bases)| {
                let mut any_infinity = false;
                for (pair, base) in pairs.chunks_exact_mut(2).zip(bases) {
                    let point = point(base);
                    any_infinity |= point.is_infinity();
                    pair.copy_from_slice(&[point, point.image()]);
                }
                any_infinity
            })
            .reduce(|| false, |a, b| a | b);
        Self { points, any_infinity, backend }
    }

    /// Number of bases.
    pub fn len(&self) -> usize {
        self.points.len() / 2
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// `Σ scalars[i] · bases[i]`; there may be fewer scalars than bases.
    pub fn msm(&self, scalars: &[Fr]) -> G1 {
        assert!(scalars.len() <= self.len(), "more scalars than bases");
        let pieces = scalars.len().div_ceil(PIECE).max(1);
        (0..pieces)
            .map(|i| {
                let range = i * PIECE..scalars.len().min((i + 1) * PIECE);
                let (small, full) = classify(self.backend, &scalars[range.clone()], |i| {
                    self.any_infinity && self.points[2 * (range.start + i)].is_infinity()
                });
                let points = &self.points[2 * range.start..2 * range.end];
                let (a, b) = rayon::join(
                    || sum_class(self.backend, points, &small),
                    || sum_class(self.backend, points, &full),
                );
                a + b
            })
            .sum()
    }
}

/// Bases prepared at a time.
const CHUNK: usize = 1 << 10;

/// Scalars taken at a time: bounds the memory of digits and buckets.
const PIECE: usize = 1 << 18;

/// Entries that one task takes at least, so that inversions are shared widely.
const TASK: usize = 1 << 15;

/// A complete addition costs about this many batched affine ones.
const COMPLETE_COST: usize = 5;

/// The window size of least cost and the number of windows.
fn windows(points: usize, bits: usize) -> (usize, usize) {
    (2..=16)
        .map(|c| {
            let buckets = 1usize << (c - 1);
            let (rows, columns) = square(buckets);
            // Every bucket in two lines, half the lines in each of half the bits, and an
            // addition and a doubling a bit.
            let reduction = 2 * buckets + (rows + columns) * c / 4 + 2 * COMPLETE_COST * c;
            (c, (bits + 1).div_ceil(c), points + reduction)
        })
        .min_by_key(|(_, windows, cost)| windows * cost)
        .map_or((2, 0), |(c, windows, _)| (c, windows))
}

/// Rows and columns of the rectangle buckets are reduced in.
fn square(buckets: usize) -> (usize, usize) {
    let rows = 1 << (buckets.ilog2() / 2);
    (rows, buckets / rows)
}

/// A window over a range of the scalars of a class.
struct Task {
    window: usize,
    start: usize,
    end: usize,
}

fn sum_class(backend: Backend, points: &[Point], class: &Class) -> G1 {
    if class.len() == 0 {
        return G1::identity();
    }
    let (c, windows) = windows(class.len(), class.bits);
    // A few windows over many points are cut by points as well, once more when there
    // are many threads.
    let threads = rayon::current_num_threads();
    let most = (class.len() * windows / TASK).max(1);
    let parts = most.min(8.max(2 * threads)).div_ceil(windows);
    let length = class.len().div_ceil(parts);
    let tasks: Vec<Task> = (0..windows)
        .flat_map(|window| {
            (0..parts).map(move |part| Task {
                window,
                start: (part * length).min(class.len()),
                end: ((part + 1) * length).min(class.len()),
            })
        })
        .collect();
    // As many equal groups for every thread.
    let together = (TASK / length).clamp(1, tasks.len().div_ceil(2));
    let groups = tasks.len().div_ceil(together).next_multiple_of(threads).min(tasks.len());
    let sums: Vec<G1> = (0..groups)
        .into_par_iter()
        .flat_map_iter(|group| {
            let range = group * tasks.len() / groups..(group + 1) * tasks.len() / groups;
            sum_tasks(backend, points, class, c, &tasks[range])
        })
        .collect();
    let mut total = G1::identity();
    for window in (0..windows).rev() {
        for _ in 0..c {
            total = total.double();
        }
        for sum in &sums[window * parts..(window + 1) * parts] {
            total += sum;
        }
    }
    total
}

/// `Σ digit · point` of each task.
fn sum_tasks(
    backend: Backend,
    points: &[Point],
    class: &Class,
    c: usize,
    tasks: &[Task],
) -> Vec<G1> {
    let buckets = 1usize << (c - 1);
    let (entries, offsets) = sort_into_buckets(class, c, tasks);
    let sums = sum_groups(backend, points, &entries, &offsets);
    drop((entries, offsets));
    // Bucket i has weight i + 1 = row · columns + column + 1.
    let (rows, columns) = square(buckets);
    let mut lines = Groups::default();
    for task in 0..tasks.len() {
        let bucket = |i| task * buckets + i;
        for row in 0..rows {
            lines.push(&sums, (row * columns..(row + 1) * columns).map(bucket));
        }
        for column in 0..columns {
            lines.push(&sums, (column..buckets).step_by(columns).map(bucket));
        }
    }
    let lines = lines.sums(backend, &sums);
    // For every bit of a weight, the lines that have it.
    let low = columns.ilog2() as usize;
    let mut bits = Groups::default();
    for task in 0..tasks.len() {
        let first = task * (rows + columns);
        for bit in 0..c {
            let by_row = (0..rows).filter(|row| bit >= low && (row >> (bit - low)) & 1 == 1);
            let by_column = (0..columns).filter(|column| ((column + 1) >> bit) & 1 == 1);
            let members = by_row.chain(by_column.map(|column| rows + column));
            bits.push(&lines, members.map(|line| first + line));
        }
    }
    let lower = Lower::new(backend);
    bits.sums(backend, &lines)
        .chunks_exact(c)
        .map(|bits| {
            let highest_first = bits.iter().rev();
            highest_first
                .fold(G1::identity(), |total, point| total.double() + point.to_affine(&lower))
        })
        .collect()
}

/// Counting sort of the tasks' scalars by the magnitude of their digit: entries and
/// the offsets of `2^(c-1)` buckets a task.
fn sort_into_buckets(class: &Class, c: usize, tasks: &[Task]) -> (Vec<u32>, Vec<u32>) {
    let buckets = 1usize << (c - 1);
    let mut offsets = vec![0u32; tasks.len() * buckets + 1];
    let mut digits = Vec::with_capacity(tasks.iter().map(|task| task.end - task.start).sum());
    for (task, counts) in tasks.iter().zip(offsets[1..].chunks_exact_mut(buckets)) {
        for i in task.start..task.end {
            let digit = class.digit(i, task.window, c);
            digits.push(digit);
            if digit != 0 {
                counts[digit.unsigned_abs() as usize - 1] += 1;
            }
        }
    }
    for i in 1..offsets.len() {
        offsets[i] += offsets[i - 1];
    }
    let mut next = offsets.clone();
    let mut entries = vec![0u32; offsets.last().map_or(0, |&last| last as usize)];
    let mut digits = digits.into_iter();
    for (task, next) in tasks.iter().zip(next.chunks_mut(buckets)) {
        for (i, digit) in (task.start..task.end).zip(digits.by_ref()) {
            if digit != 0 {
                let slot = &mut next[digit.unsigned_abs() as usize - 1];
                entries[*slot as usize] = class.entries[i] ^ u32::from(digit < 0);
                *slot += 1;
            }
        }
    }
    (entries, offsets)
}

#[cfg(test)]
mod tests;
