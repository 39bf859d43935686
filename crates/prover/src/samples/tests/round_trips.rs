//! What is written in a format is read as it was.

use proptest::prelude::*;

use super::{numpy::npy, *};

/// A shape of one to four dimensions with as many finite numbers.
fn array() -> impl Strategy<Value = (Vec<usize>, Vec<f64>)> {
    prop::collection::vec(1usize..5, 1..5).prop_flat_map(|shape| {
        let count: usize = shape.iter().product();
        let number = any::<f64>().prop_filter("finite", |value| value.is_finite());
        (Just(shape), prop::collection::vec(number, count))
    })
}

/// Python's `tolist()`.
fn nested(shape: &[usize], values: &[f64]) -> String {
    let [dim, rest @ ..] = shape else { return format!("{:?}", values[0]) };
    let rows = values.chunks(values.len() / dim).map(|row| nested(rest, row));
    format!("[{}]", rows.collect::<Vec<_>>().join(","))
}

/// Row-major numbers in column-major order.
fn column_major(shape: &[usize], values: &[f64]) -> Vec<f64> {
    let index = |mut position: usize| {
        let mut at = 0;
        let mut step = values.len();
        for dim in shape {
            step /= dim;
            at += position % dim * step;
            position /= dim;
        }
        values[at]
    };
    (0..values.len()).map(index).collect()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn only(samples: Result<Vec<Vec<f64>>, String>) -> Vec<u64> {
    let samples = samples.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(samples.len(), 1);
    bits(&samples[0])
}

proptest! {
    #[test]
    fn json_and_tables_give_every_bit_back((shape, values) in array()) {
        let tensors = [tensor("x", &shape)];
        prop_assert_eq!(only(json(nested(&shape, &values), &tensors)), bits(&values));
        let flat = nested(&[values.len()], &values);
        prop_assert_eq!(only(json(&flat, &tensors)), bits(&values));
        prop_assert_eq!(only(json(format!("{{\"x\": {flat}}}"), &tensors)), bits(&values));
        let line = flat.trim_matches(['[', ']']);
        prop_assert_eq!(only(read(line, Some(Format::Table), &tensors)), bits(&values));
    }

    #[test]
    fn numpys_files_give_every_bit_back((shape, values) in array(), big in any::<bool>()) {
        let tensors = [tensor("x", &shape)];
        let dims: String = shape.iter().map(|dim| format!("{dim}, ")).collect();
        for fortran in [false, true] {
            let order = if fortran { column_major(&shape, &values) } else { values.clone() };
            let bytes = order.iter().map(|v| if big { v.to_be_bytes() } else { v.to_le_bytes() });
            let data = bytes.collect::<Vec<_>>().concat();
            let (sign, word) = (if big { '>' } else { '<' }, if fortran { "True" } else { "False" });
            let header =
                format!("{{'descr': '{sign}f8', 'fortran_order': {word}, 'shape': ({dims}), }}\n");
            prop_assert_eq!(only(read(npy(&header, &data), None, &tensors)), bits(&values));
        }
    }

    #[test]
    fn ranges_give_every_bit_back(ends in prop::collection::vec((-1e300..0.0, 0.0..1e300), 1..20)) {
        let tensors = [tensor("x", &[1, ends.len()])];
        let pairs: Vec<_> = ends.iter().map(|(lo, hi)| format!("[{lo:?}, {hi:?}]")).collect();
        let content = format!("{{\"input\": [{}]}}", pairs.join(", "));
        let read = parse_ranges(content.as_bytes(), &tensors);
        let expected: Vec<_> = ends.iter().map(|&(lo, hi)| [lo, hi]).collect();
        let valid = ends.iter().all(|(lo, hi)| lo < hi);
        prop_assert_eq!(read.ok().map(|(ranges, _)| ranges.input), valid.then_some(expected));
    }

    /// Integers are exact or refused.
    #[test]
    fn integers_are_exact_or_refused(integer in any::<i64>(), shift in 0u32..64) {
        let integer = integer >> shift;
        let tensors = [tensor("x", &[1])];
        match json(format!("[{integer}]"), &tensors) {
            Ok(samples) => prop_assert_eq!(samples[0][0] as i128, i128::from(integer)),
            Err(error) => {
                prop_assert!((integer as f64) as i128 != i128::from(integer), "{}", error);
            }
        }
    }
}
