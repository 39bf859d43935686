//! Maxima and minima of lists, and where they stand.

use crate::graph::Extremum;

/// The extremum of each group.
pub(super) fn values(extremum: &Extremum, x: &[f64]) -> Vec<f64> {
    let find =
        |group: &Vec<usize>| group.get(first(extremum, group, x)).map_or(f64::NAN, |&i| x[i]);
    extremum.groups.iter().map(find).collect()
}

/// The position of the extremum within each group; the first of equal ones.
pub(super) fn positions(extremum: &Extremum, x: &[f64]) -> Vec<f64> {
    extremum.groups.iter().map(|group| first(extremum, group, x) as f64).collect()
}

fn first(extremum: &Extremum, group: &[usize], x: &[f64]) -> usize {
    let mut best = 0;
    for (at, &index) in group.iter().enumerate() {
        let (value, champion) = (x[index], x[group[best]]);
        if if extremum.minimum { value < champion } else { value > champion } {
            best = at;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_elements_is_the_extremum() {
        let groups = vec![vec![3, 1, 0, 2], vec![2]];
        let x = [1.0, 5.0, 0.5, 5.0];
        let maximum = Extremum { minimum: false, groups };
        assert_eq!(values(&maximum, &x), [5.0, 0.5]);
        assert_eq!(positions(&maximum, &x), [0.0, 0.0]);
        let minimum = Extremum { minimum: true, ..maximum };
        assert_eq!(positions(&minimum, &x), [3.0, 0.0]);
        assert_eq!(values(&minimum, &x), [0.5, 0.5]);
    }
}
