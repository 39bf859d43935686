//! Arrays of numbers and how they fill a model's inputs.

use serde::{Deserialize, Serialize};

use super::{categories::Categories, error::Problem, place::Place};
use crate::graph::{Element, ElementKind, Graph, Op, Tensor, TensorId};

/// Numbers that one file may hold: 256 MiB as 64-bit floats.
pub(super) const MAX_NUMBERS: usize = 1 << 25;

/// Samples that one file may hold.
const MAX_SAMPLES: usize = 1 << 20;

/// One tensor that a model takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputTensor {
    /// The name in the ONNX graph.
    pub name: String,
    /// Dimensions, the batch dimension included. A scalar has none.
    pub shape: Vec<usize>,
    /// The categories of each element that has any, or one entry for all elements; none of
    /// them has where this is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Option<Categories>>,
}

impl InputTensor {
    /// An input of numbers.
    pub fn new(name: impl Into<String>, shape: Vec<usize>) -> Self {
        Self { name: name.into(), shape, categories: vec![] }
    }

    /// The inputs of a model, in its order.
    pub fn of(model: &Graph) -> Vec<Self> {
        let mut first = 0;
        let of = |(id, tensor): (TensorId, &Tensor)| {
            let categories = match tensor.kind {
                ElementKind::Category => strings(model, id, (first, tensor.len())),
                _ => vec![],
            };
            first += tensor.len();
            Self { name: tensor.name.clone(), shape: tensor.dims.clone(), categories }
        };
        let tensors = model.inputs.iter().filter_map(|id| Some((*id, model.tensors.get(id.0)?)));
        tensors.map(of).collect()
    }

    /// The categories of element `index`.
    pub fn categories(&self, index: usize) -> Option<&Categories> {
        match self.categories.as_slice() {
            [all] => all.as_ref(),
            each => each.get(index)?.as_ref(),
        }
    }

    /// Whether it takes strings.
    pub fn takes_names_only(&self) -> bool {
        self.categories(0).is_some_and(|own| own.only)
    }

    /// The categories that were declared for a tensor of this name and shape: of numbers as
    /// they are, of strings those that the model knows by the same numbers.
    pub fn declared(mut self, declared: &[Self]) -> Self {
        let same = |other: &&Self| other.name == self.name && other.shape == self.shape;
        let Some(declared) = declared.iter().find(same) else { return self };
        if !self.takes_names_only() {
            self.categories.clone_from(&declared.categories);
            return self;
        }
        let narrowed = |index: usize| {
            let own = self.categories(index).filter(|own| own.only)?;
            let mut categories = declared.categories(index).filter(|own| own.only)?.clone();
            categories.names.retain(|name, code| own.names.get(name) == Some(code));
            // What the model knows has its name.
            categories.other = categories.other.filter(|other| own.is_unknown(*other));
            Some(categories)
        };
        let count = self.categories.len().max(declared.categories.len());
        let narrowed: Vec<_> = (0..count).map(narrowed).collect();
        if !narrowed.is_empty() && narrowed.iter().all(Option::is_some) {
            self.categories = narrowed;
        }
        self
    }

    /// The same, of which those elements may be missing that `missing` says and that take numbers.
    pub fn with_missing(mut self, missing: impl Fn(usize) -> bool) -> Self {
        let of = |index: usize| {
            let own = self.categories(index).cloned();
            match own.as_ref().is_some_and(|own| own.only) || !missing(index) {
                true => own,
                false => Some(Categories { missing: true, ..own.unwrap_or_default() }),
            }
        };
        let mut categories: Vec<_> = (0..self.elements()).map(of).collect();
        if categories.windows(2).all(|pair| pair[0] == pair[1]) {
            categories.truncate(usize::from(categories.first().is_some_and(Option::is_some)));
        }
        self.categories = categories;
        self
    }

    /// Number of elements, at most `usize::MAX`.
    pub fn elements(&self) -> usize {
        product(&self.shape)
    }
}

/// The names that each element of an input of strings may be given by, or one entry for all: those
/// that the model knows there, or any for an element that it does not read. `first` is the tensor's
/// first element among those of all inputs.
fn strings(
    model: &Graph,
    input: TensorId,
    (first, len): (usize, usize),
) -> Vec<Option<Categories>> {
    let mut read = vec![model.outputs.contains(&input); len];
    for node in &model.nodes {
        for (position, _) in node.inputs.iter().enumerate().filter(|(_, own)| **own == input) {
            let Op::Select(elements) = &node.op else {
                read.fill(true);
                continue;
            };
            for element in elements {
                if let Element::Input { input, index } = element
                    && *input == position
                    && let Some(read) = read.get_mut(*index)
                {
                    *read = true;
                }
            }
        }
    }
    let of = |(index, read): (usize, bool)| match model.names.get(first + index) {
        _ if !read => Categories { other: Some(0), ..Categories::of(&[]) },
        Some(names) => Categories::among(&model.vocabulary, names),
        None => Categories::of(&model.vocabulary),
    };
    let mut all: Vec<_> = read.into_iter().enumerate().map(of).map(Some).collect();
    if all.windows(2).all(|pair| pair[0] == pair[1]) {
        all.truncate(1);
    }
    all
}

/// Numbers in row-major order, all of them finite but for missing ones (NaN). A single number has no dimension.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f64>,
}

/// What numbers are to fill: all of a model's inputs one after the other, or one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// The tensors, at least one.
    pub(super) tensors: &'a [InputTensor],
}

impl<'a> Target<'a> {
    /// Number of elements in all.
    pub(super) fn elements(&self) -> usize {
        self.tensors.iter().fold(0, |sum, tensor| sum.saturating_add(tensor.elements()))
    }

    /// The categories of element `index` of all of them.
    pub(super) fn categories(&self, index: usize) -> Option<&'a Categories> {
        let mut at = index;
        for tensor in self.tensors {
            match at.checked_sub(tensor.elements()) {
                Some(rest) => at = rest,
                None => return tensor.categories(at),
            }
        }
        None
    }

    /// Whether any element has categories.
    pub(super) fn has_categories(&self) -> bool {
        self.tensors.iter().any(|tensor| tensor.categories.iter().any(Option::is_some))
    }

    /// Whether there are elements that may be missing.
    pub(super) fn may_miss(&self) -> bool {
        let missing = |own: &Option<Categories>| own.as_ref().is_some_and(|own| own.missing);
        self.tensors.iter().any(|tensor| tensor.categories.iter().any(missing))
    }

    /// Each tensor as a target of its own.
    pub(super) fn each(self) -> impl Iterator<Item = Target<'a>> {
        self.tensors.chunks(1).map(|tensors| Target { tensors })
    }

    /// What is expected, for a message.
    pub(super) fn describe(&self) -> String {
        let one = |tensor: &InputTensor| {
            let plural = if tensor.elements() == 1 { "number" } else { "numbers" };
            format!(
                "{} {plural} (shape {:?}) for \"{}\"",
                tensor.elements(),
                tensor.shape,
                super::place::shortened(&tensor.name)
            )
        };
        let parts: Vec<_> = self.tensors.iter().take(8).map(one).collect();
        let more = self.tensors.len().saturating_sub(parts.len());
        match more {
            0 => parts.join(" and "),
            _ => format!("{} and {more} inputs more", parts.join(", ")),
        }
    }

    /// Whether numbers arranged as `shape` are one of this: in one list, or in the
    /// tensor's own shape. Dimensions of one arrange nothing.
    pub(super) fn fits(&self, shape: &[usize]) -> bool {
        let elements = self.elements();
        if product(shape) != elements {
            return false;
        }
        let shape = squeezed(shape);
        let own = |tensor: &InputTensor| shape == squeezed(&tensor.shape);
        match self.tensors {
            _ if shape.len() <= 1 => true,
            [tensor] => own(tensor),
            // Tensors of one size, one after the other.
            tensors => {
                shape.first() == Some(&tensors.len())
                    && tensors.iter().all(|tensor| {
                        let rest = &shape[1..];
                        product(rest) == tensor.elements()
                            && (rest.len() <= 1 || rest == squeezed(&tensor.shape))
                    })
            }
        }
    }

    /// Takes an array as one sample, or as a list of them.
    pub(super) fn samples(&self, array: Array, place: &Place) -> Result<Vec<Vec<f64>>, Problem> {
        let elements = self.elements();
        if self.fits(&array.shape) {
            return Ok(vec![array.values]);
        }
        if let [_, rest @ ..] = array.shape.as_slice()
            && !rest.is_empty()
            && elements > 0
            && !array.values.is_empty()
            && self.fits(rest)
        {
            return self.split(&array.values, place);
        }
        Err(self.mismatch(&array, place))
    }

    /// Samples that stand one after the other.
    pub(super) fn split(&self, values: &[f64], place: &Place) -> Result<Vec<Vec<f64>>, Problem> {
        let elements = self.elements().max(1);
        if values.len() / elements > MAX_SAMPLES {
            let place = place.clone();
            return Err(Problem::TooMany { place, what: "samples", limit: MAX_SAMPLES });
        }
        Ok(values.chunks_exact(elements).map(<[f64]>::to_vec).collect())
    }

    /// The error of an array that is neither one of this nor a list of them.
    pub(super) fn mismatch(&self, array: &Array, place: &Place) -> Problem {
        let expected = self.describe();
        let got = match array.shape.as_slice() {
            [] => "one number".to_owned(),
            [0] => "no values".to_owned(),
            [1] => "1 value".to_owned(),
            [count] => format!("{count} values"),
            shape => format!("shape {shape:?}"),
        };
        let same = array.shape.len() > 1 && array.values.len() == self.elements();
        let hint = if same { ", in that order of dimensions or as one list" } else { "" };
        Problem::shape(place, got, format!("{expected}{hint}"))
    }
}

impl Array {
    /// One number.
    pub(super) fn number(value: f64) -> Self {
        Self { shape: vec![], values: vec![value] }
    }

    /// The elements of the first dimension, each an array.
    pub(super) fn rows(self) -> Vec<Array> {
        let [_, rest @ ..] = self.shape.as_slice() else { return vec![self] };
        let length = product(rest);
        if length == 0 {
            return vec![];
        }
        let row = |values: &[f64]| Array { shape: rest.to_vec(), values: values.to_vec() };
        self.values.chunks_exact(length).map(row).collect()
    }
}

/// Number of elements of a shape, at most `usize::MAX`.
pub(super) fn product(shape: &[usize]) -> usize {
    if shape.contains(&0) {
        return 0;
    }
    shape.iter().fold(1, |product, dim| product.saturating_mul(*dim))
}

fn squeezed(shape: &[usize]) -> Vec<usize> {
    shape.iter().copied().filter(|dim| *dim != 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[usize]) -> InputTensor {
        InputTensor::new(name, shape.to_vec())
    }

    fn count(tensors: &[InputTensor], shape: &[usize]) -> Result<usize, String> {
        let array = Array { shape: shape.to_vec(), values: vec![0.5; product(shape)] };
        let samples = Target { tensors }.samples(array, &Place::default());
        let samples = samples.map_err(|problem| problem.to_string())?;
        let elements = Target { tensors }.elements();
        assert!(samples.iter().all(|sample| sample.len() == elements));
        Ok(samples.len())
    }

    #[test]
    fn an_array_of_the_tensors_shape_is_one_sample_and_a_dimension_more_is_several() {
        let image = [tensor("x", &[1, 3, 4])];
        for shape in [&[12][..], &[1, 12], &[3, 4], &[1, 3, 4], &[1, 1, 3, 4], &[12, 1]] {
            assert_eq!(count(&image, shape), Ok(1), "{shape:?}");
        }
        for shape in [&[5, 12][..], &[5, 3, 4], &[5, 1, 3, 4], &[5, 1, 12]] {
            assert_eq!(count(&image, shape), Ok(5), "{shape:?}");
        }
        let pair = [tensor("x", &[2, 4])];
        assert_eq!(count(&pair, &[2, 4]), Ok(1));
        assert_eq!(count(&pair, &[2, 8]), Ok(2));
        assert_eq!(count(&pair, &[2, 2, 4]), Ok(2));
    }

    #[test]
    fn another_arrangement_or_number_is_refused_with_both_shapes() {
        let image = [tensor("x", &[1, 3, 4])];
        for shape in [&[4, 3][..], &[11], &[24], &[0], &[0, 12], &[], &[12, 12, 1, 2], &[2, 4, 3]] {
            let problem = count(&image, shape).unwrap_err();
            assert!(problem.contains("expected 12 numbers (shape [1, 3, 4])"), "{problem}");
        }
        assert!(count(&image, &[4, 3]).unwrap_err().contains("shape [4, 3]"));
        assert!(count(&image, &[11]).unwrap_err().contains("11 values"));
    }

    #[test]
    fn a_model_of_one_number_takes_columns_but_not_lists() {
        let one = [tensor("x", &[1, 1])];
        assert_eq!(count(&one, &[]), Ok(1));
        assert_eq!(count(&one, &[1, 1]), Ok(1));
        assert_eq!(count(&one, &[7, 1]), Ok(7));
        assert!(count(&one, &[7]).is_err());
    }

    #[test]
    fn several_tensors_are_filled_from_one_list_or_from_rows_of_their_size() {
        let two = [tensor("a", &[1, 2]), tensor("b", &[2])];
        assert_eq!(count(&two, &[4]), Ok(1));
        assert_eq!(count(&two, &[2, 2]), Ok(1));
        assert_eq!(count(&two, &[3, 4]), Ok(3));
        let uneven = [tensor("a", &[1]), tensor("b", &[3])];
        assert_eq!(count(&uneven, &[4]), Ok(1));
        assert!(count(&uneven, &[2, 2]).is_err());
    }
}
