//! A bound on what reading one model may cost.
//!
//! Shapes in a file are just numbers: a few bytes of broadcasting could ask for
//! terabytes. Every array the lowering creates is paid for first, so memory and
//! time stay bounded whatever the file says.

use super::error::OnnxError;

/// Array elements created while reading a model of `bytes` bytes, all together. A
/// float32 weight is four bytes of the file and needs two elements, up to four if
/// its layer must be folded; this allows eight, and 256 MB whatever the file.
fn max_elements(bytes: usize) -> u64 {
    (1 << 25) + 2 * bytes as u64
}

/// What is left of the limits.
pub(super) struct Budget {
    max_elements: u64,
    elements: u64,
}

impl Budget {
    /// What reading a model file of `bytes` bytes may cost.
    pub(super) fn new(bytes: usize) -> Self {
        let max_elements = max_elements(bytes);
        Self { max_elements, elements: max_elements }
    }

    /// Pays for an array of the given dimensions; returns its length. One without elements costs
    /// what its other dimensions come to, for these are gone through.
    pub(super) fn elements(&mut self, node: &str, dims: &[usize]) -> Result<usize, OnnxError> {
        pay(&mut self.elements, dims)
            .ok_or_else(|| too_large(node, "array elements", self.max_elements))
    }
}

fn pay(left: &mut u64, dims: &[usize]) -> Option<usize> {
    let amount = dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d.max(1) as u64))?;
    *left = left.checked_sub(amount)?;
    if dims.contains(&0) { Some(0) } else { usize::try_from(amount).ok() }
}

fn too_large(node: &str, what: &'static str, limit: u64) -> OnnxError {
    OnnxError::TooLarge { node: node.into(), what, limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_paid_for_until_nothing_is_left() {
        let mut budget = Budget::new(100);
        assert_eq!(budget.elements("a", &[3, 4]).unwrap(), 12);
        assert!(budget.elements("a", &[1 << 12, 1 << 11]).is_ok());
        assert!(budget.elements("a", &[1 << 25]).is_err());
        assert!(budget.elements("a", &[1 << 40, 1 << 40]).is_err());
        assert!(budget.elements("a", &[1 << 40, 0]).is_err());
        assert_eq!(budget.elements("a", &[1 << 19, 0]).unwrap(), 0);
        assert!(budget.elements("a", &[1 << 18]).is_ok());
    }
}
