//! Shapes: positions of elements under broadcasting, selection and transposition.
//!
//! All functions take and give row-major positions. Their results have as many
//! entries as the new shape has elements; callers pay for that before they call.

/// More dimensions than any model has; keeps work on shapes negligible.
pub(super) const MAX_RANK: usize = 32;

/// Number of elements, unless it overflows.
pub(super) fn size(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

/// The common shape of two tensors under ONNX's (NumPy's) broadcasting.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let dim = |shape: &[usize], i: usize| match (i + shape.len()).checked_sub(rank) {
        Some(j) => shape[j],
        None => 1,
    };
    (0..rank)
        .map(|i| match (dim(a, i), dim(b, i)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// For each element of `to`, its position in a tensor of shape `from` that
/// broadcasts to it.
pub(super) fn broadcast_positions(from: &[usize], to: &[usize]) -> Vec<usize> {
    let lead = to.len() - from.len();
    let choices: Vec<Vec<usize>> = to
        .iter()
        .enumerate()
        .map(|(i, &d)| match i.checked_sub(lead).map(|j| from[j]) {
            Some(f) if f == d => (0..d).collect(),
            _ => vec![0; d],
        })
        .collect();
    let mut padded = vec![1; lead];
    padded.extend_from_slice(from);
    select(&padded, &choices)
}

/// For each combination of the chosen coordinates, `choices[axis]` for each axis,
/// its position in a tensor of shape `from`.
pub(super) fn select(from: &[usize], choices: &[Vec<usize>]) -> Vec<usize> {
    if choices.iter().any(Vec::is_empty) {
        return vec![];
    }
    let mut positions = vec![0];
    for (&dim, choice) in from.iter().zip(choices) {
        positions =
            positions.iter().flat_map(|&p| choice.iter().map(move |&c| p * dim + c)).collect();
    }
    positions
}

/// For each element of the transposed tensor, its position in the original, whose
/// axis `axes[i]` becomes axis i.
pub(super) fn transpose(from: &[usize], axes: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; from.len()];
    for i in (1..from.len()).rev() {
        strides[i - 1] = strides[i] * from[i];
    }
    let mut positions = vec![0];
    for &axis in axes {
        positions = positions
            .iter()
            .flat_map(|&p| (0..from[axis]).map(move |c| (p, c)))
            .map(|(p, c)| p + c * strides[axis])
            .collect();
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_in_numpy() {
        assert_eq!(broadcast(&[1, 3], &[2, 1]), Some(vec![2, 3]));
        assert_eq!(broadcast(&[3], &[2, 1]), Some(vec![2, 3]));
        assert_eq!(broadcast(&[], &[4]), Some(vec![4]));
        assert_eq!(broadcast(&[2], &[3]), None);
        assert_eq!(broadcast_positions(&[3], &[2, 3]), vec![0, 1, 2, 0, 1, 2]);
        assert_eq!(broadcast_positions(&[2, 1], &[2, 3]), vec![0, 0, 0, 1, 1, 1]);
        assert_eq!(broadcast_positions(&[], &[2]), vec![0, 0]);
    }

    #[test]
    fn selection_and_transposition_give_positions_in_the_original() {
        assert_eq!(select(&[2, 3], &[vec![1], vec![2, 0]]), vec![5, 3]);
        assert_eq!(transpose(&[2, 3], &[1, 0]), vec![0, 3, 1, 4, 2, 5]);
        assert_eq!(transpose(&[1, 2, 2], &[2, 0, 1]), vec![0, 2, 1, 3]);
    }
}
