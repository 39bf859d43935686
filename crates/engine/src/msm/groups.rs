//! Sums of groups of points: the core of bucket accumulation and reduction.
//!
//! Entries come sorted by group. Neighbours within a group are added pairwise,
//! level by level, until one point is left of each: the additions of a level are
//! independent, so they share inversions. Groups are taken in blocks whose points
//! fit the second-level cache.

use super::add::{Job, add_pairs};
use super::point::Point;
use crate::field::Backend;
use std::ops::Range;

/// Entries a block aims at.
const BLOCK: usize = 4096;

/// Sums `source[entry >> 1]`, negated where `entry & 1`, over each group
/// `entries[offsets[g]..offsets[g + 1]]`. No entry may be infinity.
pub(crate) fn sum_groups(
    backend: Backend,
    source: &[Point],
    entries: &[u32],
    offsets: &[u32],
) -> Vec<Point> {
    let groups = offsets.len().saturating_sub(1);
    let mut sums = vec![Point::INFINITY; groups];
    let mut scratch = Scratch::default();
    let mut start = 0;
    while start < groups {
        let mut end = start + 1;
        while end < groups && (offsets[end + 1] - offsets[start]) as usize <= BLOCK {
            end += 1;
        }
        scratch.sum_block(backend, source, entries, &offsets[start..=end], &mut sums[start..end]);
        start = end;
    }
    sums
}

/// Groups of points of one slice, to be summed.
#[derive(Default)]
pub(crate) struct Groups {
    entries: Vec<u32>,
    /// Where each group ends.
    ends: Vec<u32>,
}

impl Groups {
    /// Adds a group; points at infinity are left out.
    pub(crate) fn push(&mut self, source: &[Point], members: impl Iterator<Item = usize>) {
        let finite = members.filter(|at| !source[*at].is_infinity());
        self.entries.extend(finite.map(|at| (at as u32) << 1));
        self.ends.push(self.entries.len() as u32);
    }

    /// The groups' sums.
    pub(crate) fn sums(mut self, backend: Backend, source: &[Point]) -> Vec<Point> {
        self.ends.insert(0, 0);
        sum_groups(backend, source, &self.entries, &self.ends)
    }
}

/// Buffers reused from block to block.
#[derive(Default)]
struct Scratch {
    jobs: Vec<Job>,
    from: Vec<Point>,
    into: Vec<Point>,
    ranges: Vec<Range<u32>>,
}

impl Scratch {
    fn sum_block(
        &mut self,
        backend: Backend,
        source: &[Point],
        entries: &[u32],
        offsets: &[u32],
        sums: &mut [Point],
    ) {
        // First level: straight from the source, with signs.
        self.jobs.clear();
        self.ranges.clear();
        let members = (offsets[offsets.len() - 1] - offsets[0]) as usize;
        resize(&mut self.into, members / 2 + offsets.len());
        let mut next = 0u32;
        for bounds in offsets.windows(2) {
            let group = &entries[bounds[0] as usize..bounds[1] as usize];
            let first = next;
            let pairs = group.chunks_exact(2);
            if let [single] = *pairs.remainder() {
                let point = source[(single >> 1) as usize];
                self.into[next as usize] = if single & 1 == 1 { point.negated() } else { point };
                next += 1;
            }
            for pair in pairs {
                self.jobs.push(Job { a: pair[0], b: pair[1], to: next });
                next += 1;
            }
            self.ranges.push(first..next);
        }
        let mut complete = add_pairs(backend, source, &mut self.into, &mut self.jobs, false);
        // Further levels: between the two buffers.
        while self.ranges.iter().any(|range| range.len() > 1) {
            std::mem::swap(&mut self.from, &mut self.into);
            self.jobs.clear();
            resize(&mut self.into, next as usize);
            next = 0;
            for range in &mut self.ranges {
                let (mut at, first) = (range.start, next);
                if range.len() % 2 == 1 {
                    self.into[next as usize] = self.from[at as usize];
                    (at, next) = (at + 1, next + 1);
                }
                while at < range.end {
                    self.jobs.push(Job { a: at << 1, b: (at + 1) << 1, to: next });
                    (at, next) = (at + 2, next + 1);
                }
                *range = first..next;
            }
            complete |= add_pairs(backend, &self.from, &mut self.into, &mut self.jobs, complete);
        }
        for (sum, range) in sums.iter_mut().zip(&self.ranges) {
            if !range.is_empty() {
                *sum = self.into[range.start as usize];
            }
        }
    }
}

fn resize(buffer: &mut Vec<Point>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, Point::INFINITY);
    }
}
