//! Which place an equation has, and which rows a value: claims counted out before anything is laid down.

use ff::Field;
use halo2curves::bn256::Fr;

use super::{
    claims::{Claims, Making, Node, Packed},
    committed::{Committed, salt_unit},
    config::unusable_rows,
    curves::Curves,
    paths::{Extent, Paths},
};
use crate::{
    circuit::{LayoutError, MAX_K},
    shape::Shape,
};

/// Where an equation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) stripe: u32,
    pub(super) lane: usize,
    /// e of S^e.
    pub(super) packed: usize,
}

/// What a value counts in an equation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Weight {
    /// A model's weight, which S^e multiplies.
    Whole(i64),
    /// All of it.
    Element(Fr),
}

/// Places of all equations.
struct Places {
    lanes: usize,
    packed: usize,
    /// Groups taken.
    groups: usize,
}

impl Places {
    fn new(shape: &Shape) -> Self {
        Self { lanes: shape.lanes, packed: shape.packed(), groups: 0 }
    }

    /// Takes groups for `equations` that are read together: from the current stripe if
    /// they fit and need not be its first, else from the next one.
    fn take(&mut self, equations: usize, first: bool) -> Taken {
        let groups = equations.div_ceil(self.packed);
        let used = self.groups % self.lanes;
        if used != 0 && (first || used + groups > self.lanes) {
            self.groups += self.lanes - used;
        }
        let first = self.groups;
        self.groups += groups;
        Taken { first, lanes: self.lanes, packed: self.packed }
    }

    fn stripes(&self) -> usize {
        self.groups.div_ceil(self.lanes)
    }
}

/// The groups of one node.
#[derive(Clone, Copy)]
pub(super) struct Taken {
    first: usize,
    lanes: usize,
    packed: usize,
}

impl Taken {
    pub(super) fn place(&self, index: usize) -> Place {
        let group = self.first + index / self.packed;
        Place {
            stripe: (group / self.lanes) as u32,
            lane: group % self.lanes,
            packed: index % self.packed,
        }
    }
}

/// Claims with a place for every equation and the number of rows of every value.
pub(super) struct Schedule<'a> {
    pub(super) claims: &'a Claims<'a>,
    pub(super) shape: Shape,
    pub(super) words: Vec<Place>,
    /// What a hash of committed inputs is of: the salt's element, then words.
    pub(super) hashed: Vec<Place>,
    /// What links the hashes of several inferences, where one hash is of all of them.
    pub(super) link: Option<Place>,
    pub(super) nodes: Vec<Taken>,
    pub(super) stripes: usize,
    /// Stripes that read each value.
    pub(super) readers: Vec<u32>,
    /// Equations that each value is the maximum of.
    pub(super) members: Vec<u32>,
    /// What paths take.
    pub(super) paths: Extent,
    /// Functions of one variable.
    pub(super) curves: Curves,
}

/// No stripe yet.
pub(super) const NONE: u32 = u32::MAX;

impl<'a> Schedule<'a> {
    pub(super) fn new(claims: &'a Claims<'a>, shape: Shape) -> Self {
        let mut places = Places::new(&shape);
        // A word is no small integer, so its group holds nothing else.
        let mut word = || places.take(1, false).place(0);
        let words = claims.words.iter().map(|_| word()).collect();
        let hashed = claims.commitment.iter().flat_map(|own| 0..=own.words.len());
        let hashed: Vec<_> = hashed.map(|_| word()).collect();
        let link = (shape.totals() && !hashed.is_empty()).then(word);
        let stripe = shape.lanes * shape.packed();
        let take = |node: &Node<'_>| places.take(node.places(stripe), node.windows.is_some());
        let nodes = claims.nodes.iter().map(take).collect();
        let made = claims.nodes.iter();
        let made = made.flat_map(|node| (0..node.values()).map(|value| node.members(value) as u32));
        let members = std::iter::repeat_n(0, claims.inputs).chain(made).collect();
        let stripes = places.stripes();
        let (readers, paths) = (Vec::new(), Paths::extent(claims, &shape));
        let curves = Curves::new(claims);
        let mut schedule = Self {
            claims,
            shape,
            words,
            hashed,
            link,
            nodes,
            stripes,
            readers,
            members,
            paths,
            curves,
        };
        let mut readers = vec![0; claims.values()];
        let mut last = vec![NONE; claims.values()];
        schedule.read(true, |value, place, _| {
            let value = value as usize;
            if last[value] != place.stripe {
                readers[value] += 1;
                last[value] = place.stripe;
            }
        });
        schedule.readers = readers;
        schedule
    }

    /// Calls `each` with (value, place, weight) for every term of every equation, in the
    /// order of stripes. For `stripes_only`, of equations that read the same values one a
    /// stripe is enough.
    pub(super) fn read(&self, stripes_only: bool, mut each: impl FnMut(u32, Place, Weight)) {
        let value_unit = Fr::from(1u64 << self.shape.value_bits());
        let mut packed = |word: &[u32], place: &Place, first: Fr| {
            let mut unit = first;
            for value in word {
                each(*value, *place, Weight::Element(unit));
                unit *= value_unit;
            }
        };
        for (word, place) in self.claims.words.iter().zip(&self.words) {
            packed(word, place, Fr::one());
        }
        if let (Some(own), [salt, words @ ..]) = (&self.claims.commitment, &self.hashed[..]) {
            packed(&own.salt, salt, salt_unit());
            own.words.iter().zip(words).for_each(|(word, place)| packed(word, place, Fr::one()));
        }
        let stripe = self.shape.lanes * self.shape.packed();
        for (node, taken) in self.claims.nodes.iter().zip(&self.nodes) {
            let first = taken.first % self.shape.lanes * self.shape.packed();
            for Packed { index, equation, .. } in node.packed(stripe) {
                let starts_stripe = (first + index).is_multiple_of(stripe);
                if stripes_only && !starts_stripe && !index.is_multiple_of(node.alike) {
                    continue;
                }
                let place = taken.place(index);
                for map in &node.maps {
                    map.row(equation, |value, weight| {
                        if stripes_only || weight != 0 {
                            each(value, place, Weight::Whole(weight));
                        }
                    });
                }
            }
        }
    }

    /// S^e.
    pub(super) fn powers(&self) -> Vec<Fr> {
        let unit = Fr::from(2).pow_vartime([u64::from(self.shape.difference_bits())]);
        let mut power = Fr::one();
        (0..self.shape.packed())
            .map(|_| {
                let own = power;
                power *= unit;
                own
            })
            .collect()
    }

    /// The last instance's row.
    pub(super) fn last_instance(&self) -> usize {
        self.claims.words.len() * self.shape.statements()
    }

    /// Stripes of equations that count once for all inferences, and have a constant.
    fn stated_once(&self) -> usize {
        let places = self.words.iter().chain(self.hashed.first());
        let stripes = places.filter(|_| self.shape.totals()).map(|place| place.stripe as usize + 1);
        stripes.max().unwrap_or(0)
    }

    /// The row of an equation's constant, which counts once or once an inference.
    pub(super) fn constant(&self, place: Place, once: bool) -> usize {
        let first = if once { self.last_instance() } else { self.first_bias() };
        first + place.stripe as usize
    }

    /// The first row of biases: the last instance's, or that of the constants that count once.
    pub(super) fn first_bias(&self) -> usize {
        self.last_instance() + self.stated_once()
    }

    /// The first row of the bias swap.
    pub(super) fn bias_swap(&self) -> usize {
        self.first_bias() + self.stripes
    }

    /// The last row of the bias swap, with which paths start.
    pub(super) fn last_swap(&self) -> usize {
        self.bias_swap() + self.shape.batch() - 1
    }

    /// The rows of a block above its value rows: for its weights, and for the limbs that
    /// stand above those next to the value.
    fn above(&self, readers: u32) -> usize {
        let limbs = (self.shape.value_rows().max(2) - 2) * self.shape.batch() + 1;
        limbs.max(readers as usize)
    }

    /// The rows of a hash.
    pub(super) fn committed(&self) -> Committed {
        let words = self.hashed.len().saturating_sub(1);
        Committed { first: self.last_swap() + self.paths.rows + 1, words }
    }

    /// The first value row of every value, and the row after the last block.
    pub(super) fn value_rows(&self) -> (Vec<usize>, usize) {
        let batch = self.shape.batch();
        // On the row of the last leaf, if there are paths, or the one after a hash.
        let mut start = self.last_swap() + self.paths.rows + self.committed().rows() * batch;
        let rows = self.readers.iter().enumerate().map(|(value, readers)| {
            let row = start + self.above(*readers);
            // The last end row, gap or evaluation may be the first row of the next block.
            start = row + self.rows_below(value) * batch - 1;
            row
        });
        (rows.collect(), start + 1)
    }

    /// Rows of an inference from a value's row on: that, its end row, gaps or an evaluation.
    pub(super) fn rows_below(&self, value: usize) -> usize {
        2 + self.members[value] as usize + usize::from(self.curves.is_argument(value))
    }

    pub(super) fn k(&self) -> Result<u32, LayoutError> {
        self.paths.check(self.shape.path_lanes().max(1))?;
        self.curves.check(&self.shape, &self.members)?;
        let needed = self.value_rows().1 + 1;
        let batch = self.shape.batch();
        let gaps: usize = self.members.iter().map(|members| *members as usize).sum();
        let evaluations = self.curves.evaluations.len();
        let taken = (2 * self.readers.len() + gaps + evaluations) * batch + self.paths.steps;
        let stripe = self.shape.lanes * self.shape.packed();
        if let Some(node) = self.claims.nodes.iter().find(|node| node.windows.is_some()) {
            let window = node.widest();
            if !self.shape.windows() || window > stripe {
                return Err(LayoutError::NoWindows { window, stripe });
            }
        }
        if !self.shape.products()
            && self.claims.nodes.iter().any(|node| node.making != Making::Rescaled)
        {
            return Err(LayoutError::NoProducts);
        }
        let nodes = match (self.paths.nodes, self.shape.node_lanes()) {
            (1.., 0) => return Err(LayoutError::NoPaths),
            (nodes, lanes) => nodes.div_ceil(lanes.max(1)),
        };
        let segments = self.curves.segments().div_ceil(self.shape.segment_lanes().max(1));
        let rows = needed.max(self.shape.table_size() + taken).max(nodes).max(segments);
        (1..=MAX_K)
            .find(|k| active_rows(&self.shape, *k) >= rows)
            .ok_or(LayoutError::TooLarge { rows, limit: MAX_K })
    }
}

/// The accumulators have one row more than the gates, and it must be usable.
pub(super) fn active_rows(shape: &Shape, k: u32) -> usize {
    (1usize << k).saturating_sub(unusable_rows(shape) + 1)
}
