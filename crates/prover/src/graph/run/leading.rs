//! Which elements of a list are among the greatest.

use crate::graph::Leading;

/// 1 for each element of each group that is among the first of it, else 0.
pub(super) fn run(leading: &Leading, x: &[f64]) -> Vec<f64> {
    let sign = if leading.extremum.minimum { 1.0 } else { -1.0 };
    let of = |group: &Vec<usize>| {
        let mut order: Vec<usize> = (0..group.len()).collect();
        // Stable: of equal ones the first stay first.
        order.sort_by(|a, b| (sign * x[group[*a]] + 0.0).total_cmp(&(sign * x[group[*b]] + 0.0)));
        let mut chosen = vec![0.0; group.len()];
        order.iter().take(leading.count).for_each(|at| chosen[*at] = 1.0);
        chosen
    };
    leading.extremum.groups.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Extremum;

    #[test]
    fn of_equal_elements_the_first_are_chosen() {
        let extremum = Extremum { minimum: true, groups: vec![vec![3, 1, 0, 2], vec![2, 0, 1, 3]] };
        let leading = Leading { extremum, count: 2 };
        let x = [1.0, 5.0, 1.0, 1.0];
        assert_eq!(run(&leading, &x), [1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        let greatest =
            Leading { extremum: Extremum { minimum: false, ..leading.extremum }, count: 1 };
        assert_eq!(run(&greatest, &x), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    }
}
