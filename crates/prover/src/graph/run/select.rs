//! Moved elements.

use crate::graph::Element;

/// The elements named.
pub(super) fn run(elements: &[Element], operands: &[&[f64]]) -> Vec<f64> {
    let pick = |element: &Element| match *element {
        Element::Input { input, index } => operands[input][index],
        Element::Constant(value) => value,
    };
    elements.iter().map(pick).collect()
}
