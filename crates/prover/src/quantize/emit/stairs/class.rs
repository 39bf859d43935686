//! Rows of a view that have the same weights: all windows of a channel of a convolution, all
//! positions of an output of a dense map. With one line for each class the view stays the map that
//! it is, which takes far fewer rows of a circuit than a list of weights.

use super::{
    Row,
    line::{Grid, common_unit, gcd},
};
use crate::{graph::LinearMap, quantize::program::View};

/// The class of each row; nothing where maps differ, or have none.
pub(super) fn classes(view: &View) -> Option<Vec<usize>> {
    let class = |map: &LinearMap, row: usize| match map {
        LinearMap::Convolution(conv) => Some(conv.channel_of_output(row)),
        LinearMap::Dense { outputs, .. } => Some(row % (*outputs).max(1)),
        LinearMap::Diagonal(_) | LinearMap::Sparse(_) => None,
    };
    let of_row = |row: usize| {
        let mut own = view.parts.iter().map(|part| class(&part.map, row));
        let first = own.next()??;
        own.all(|other| other == Some(first)).then_some(first)
    };
    (0..view.len()).map(of_row).collect()
}

/// Gives the rows of a class one unit, one stride and the bounds of all of them: windows at a
/// border have fewer weights. False, and nothing is changed, where units are no multiples of
/// one.
pub(super) fn unite(rows: &mut [Row], grids: &mut [Grid], classes: &[usize]) -> bool {
    let count = classes.iter().max().map_or(0, |last| last + 1);
    let mut units = vec![0.0; count];
    for ((row, grid), class) in rows.iter().zip(grids.iter()).zip(classes) {
        // What has no weights stands for its start alone.
        if !row.is_empty() {
            units[*class] = common_unit(units[*class], grid.unit);
        }
    }
    let times = |grid: &Grid, unit: f64| {
        let times = (grid.unit / unit).round();
        let near = (times * unit - grid.unit).abs() <= 1e-9 * grid.unit;
        (near && times < 2f64.powi(30)).then_some(times as i64)
    };
    let of_row = |((row, grid), class): ((&Row, &Grid), &usize)| match row.is_empty() {
        true => Some(1),
        false => times(grid, units[*class]),
    };
    let all: Option<Vec<i64>> = rows.iter().zip(grids.iter()).zip(classes).map(of_row).collect();
    let Some(all) = all else { return false };
    let mut united: Vec<Option<((i128, i128), i128)>> = vec![None; count];
    for (((row, grid), class), times) in rows.iter_mut().zip(grids.iter_mut()).zip(classes).zip(all)
    {
        for (.., factor) in row.iter_mut() {
            *factor = factor.saturating_mul(times);
        }
        let times = i128::from(times);
        let own = ((grid.bounds.0 * times, grid.bounds.1 * times), grid.stride * times);
        let own = if row.is_empty() { ((0, 0), 0) } else { own };
        let known = united[*class].get_or_insert(own);
        known.0 = (known.0.0.min(own.0.0), known.0.1.max(own.0.1));
        known.1 = gcd(known.1, own.1);
    }
    for (grid, class) in grids.iter_mut().zip(classes) {
        if let Some((bounds, stride)) = united[*class] {
            grid.unit = if units[*class] > 0.0 { units[*class] } else { 1.0 };
            (grid.bounds, grid.stride) = (bounds, stride.max(1));
        }
    }
    true
}

/// What all rows of each class have, if they do; of a class without rows, what the first has.
pub(super) fn common<T: Copy + PartialEq>(
    classes: &[usize],
    of: impl Fn(usize) -> T,
) -> Option<Vec<T>> {
    let count = classes.iter().max().map_or(0, |last| last + 1);
    let mut common = vec![None; count];
    for (row, class) in classes.iter().enumerate() {
        let own = of(row);
        if *common[*class].get_or_insert(own) != own {
            return None;
        }
    }
    common.into_iter().map(|own| own.or_else(|| classes.first().map(|_| of(0)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_class_get_one_unit_and_the_bounds_of_all() {
        let grid = |unit, bounds| Grid { start: 0.0, unit, stride: 1, bounds };
        let mut rows: Vec<Row> =
            vec![vec![(0, 0, 1)], vec![(0, 0, 2), (0, 1, 3)], vec![(0, 2, 5)], vec![]];
        let mut grids =
            [grid(0.3, (0, 10)), grid(0.1, (-4, 25)), grid(0.7, (0, 50)), grid(1.0, (0, 0))];
        let classes = [0, 0, 1, 0];
        assert!(unite(&mut rows, &mut grids, &classes));
        assert_eq!(rows[0], [(0, 0, 3)]);
        assert_eq!(rows[1], [(0, 0, 2), (0, 1, 3)]);
        for row in [0, 1, 3] {
            assert!((grids[row].unit - 0.1).abs() < 1e-12);
            assert_eq!(grids[row].bounds, (-4, 30));
        }
        assert_eq!((grids[0].stride, grids[2].bounds), (1, (0, 50)));
        let factors = common(&classes, |row| grids[row].unit);
        assert_eq!(factors.map(|own| own.len()), Some(2));
        assert_eq!(common(&classes, |row| row), None);
    }
}
