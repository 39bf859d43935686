//! What nodes of one operand make of each of its elements, noted while they are read.

use super::{
    choices,
    steps::{Does, Step},
};
use crate::{
    graph::{Curve, TensorId},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Signal, Value},
        shape,
        tensor::{Data, Tensor},
    },
};

/// Most elements of a constant that is kept.
const MAX_CONSTANT: usize = 1 << 16;

/// What a tensor was made of, element by element.
#[derive(Debug)]
pub(in crate::onnx) struct Made {
    /// Of which elements, by its own.
    pub(super) of: Source,
    /// How, and the constant's element for each of its own, if there is one.
    how: How,
    wide: bool,
    /// The ends of an integer's type.
    fits: Option<[f64; 2]>,
    /// Whether by a constant that runtimes may compute otherwise.
    pub(super) doubted: bool,
}

/// The operand.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) tensor: TensorId,
    /// Its type as the node sees it.
    pub(super) dtype: DType,
    /// Which element, where these are not the result's own.
    places: Option<Vec<usize>>,
}

#[derive(Debug)]
enum How {
    Alike(Does),
    With(fn(f64) -> Does, Vec<f64>),
    Each(Vec<Does>),
    /// By the last dimension.
    Scaled {
        offset: Vec<f64>,
        scale: Vec<f64>,
        wide: bool,
    },
    Imputed {
        replaced: f64,
        values: Vec<f64>,
    },
}

impl Made {
    /// What element `index` is of which element.
    pub(super) fn element(&self, index: usize) -> (usize, Step) {
        let of = |values: &[f64]| values[index % values.len().max(1)];
        let does = match &self.how {
            How::Alike(does) => does.clone(),
            How::With(does, values) => does(of(values)),
            How::Each(all) => all[index].clone(),
            How::Scaled { offset, scale, wide } => {
                Does::Scale { offset: of(offset), scale: of(scale), wide: *wide }
            }
            How::Imputed { replaced, values } if replaced.is_nan() => Does::Impute(of(values)),
            How::Imputed { replaced, values } => Does::Replace(*replaced, of(values)),
        };
        let place = self.of.places.as_ref().map_or(index, |places| places[index]);
        (place, Step { does, wide: self.wide, fits: self.fits })
    }
}

/// A node's operand before it is lowered, and what it does to it.
pub(in crate::onnx::ops) struct Pending {
    operand: Signal,
    constant: Option<Tensor>,
    how: How,
    /// Which elements of the operand, where that is known.
    places: Option<Vec<usize>>,
}

impl Pending {
    fn new(operand: Signal, constant: Option<Tensor>, how: How) -> Self {
        Self { operand, constant, how, places: None }
    }
}

/// What a node will do to its one operand, if that is known.
pub(in crate::onnx::ops) fn pending(node: &Node<'_>, operator: &str) -> Option<Pending> {
    let operands: Vec<&Value> = (0..node.input_count()).filter_map(|at| node.peek(at)).collect();
    let alike = |does: Does| match operands[..] {
        [Value::Signal(x), ..] => Some(Pending::new(x.clone(), None, How::Alike(does))),
        _ => None,
    };
    match operator {
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Max" | "Min" => {
            let [a, b] = operands[..] else { return None };
            two(operator, a, b)
        }
        "Neg" => alike(Does::Times(-1.0)),
        "Abs" => alike(Does::Abs),
        "Relu" => alike(Does::Clip(0.0, f64::INFINITY)),
        "LeakyRelu" => alike(Does::Leaky(node.float("alpha", f64::from(0.01f32)).ok()?)),
        "Sqrt" => alike(Does::Root),
        "Exp" => alike(Does::Curve(Curve::Exp)),
        "Log" => alike(Does::Curve(Curve::Log)),
        "Sigmoid" => alike(Does::Curve(Curve::Sigmoid)),
        "Floor" => alike(Does::Floor),
        "Ceil" => alike(Does::Ceil),
        "Round" => alike(Does::Round),
        "Clip" => {
            let bound = |at: usize, name: &str| match node.opset {
                ..11 => Some(node.bound(name)),
                _ => match node.peek(at) {
                    None => Some(None),
                    Some(Value::Const(tensor)) => Some(numbers(tensor)?.first().copied()),
                    Some(Value::Signal(_)) => None,
                },
            };
            let low = bound(1, "min")?.unwrap_or(f64::NEG_INFINITY);
            let high = bound(2, "max")?.unwrap_or(f64::INFINITY);
            let sound = !low.is_nan() && !high.is_nan();
            sound.then(|| alike(Does::Clip(low, high))).flatten()
        }
        "Cast" => {
            let to = DType::of(i32::try_from(node.int("to")?).ok()?)?;
            let from = operands.first()?.dtype();
            match (from.limits(), to.limits()) {
                _ if !to.computes() => None,
                (_, None) => alike(Does::Nothing),
                (None, _) if matches!(to, DType::Int32 | DType::Int64) => alike(Does::Truncate),
                // What may wrap is computed, within its type.
                (None, _) => None,
                (Some((low, high)), Some((least, greatest))) => {
                    (low >= least && high <= greatest).then(|| alike(Does::Nothing)).flatten()
                }
            }
        }
        "Where" => {
            let Some((x, value)) = node.imputed() else {
                let (operand, all) = choices::chosen(node)?;
                let (places, all) = all.into_iter().unzip();
                let pending = Pending::new(operand, None, How::Each(all));
                return Some(Pending { places: Some(places), ..pending });
            };
            let constant = (value.data.len() <= MAX_CONSTANT).then(|| value.clone())?;
            let how = How::With(Does::Impute, Vec::new());
            Some(Pending::new(x.clone(), Some(constant), how))
        }
        "ai.onnx.ml.Scaler" => {
            let [x @ Value::Signal(operand)] = operands[..] else { return None };
            let list = |name: &str, default| Some(node.floats(name).ok()?.unwrap_or(vec![default]));
            let how = How::Scaled {
                offset: list("offset", 0.0)?,
                scale: list("scale", 1.0)?,
                wide: x.dtype() == DType::Float64,
            };
            let mut operand = operand.clone();
            // Integers are made float32.
            if operand.dtype != DType::Float64 {
                operand.dtype = DType::Float32;
            }
            Some(Pending::new(operand, None, how))
        }
        "ai.onnx.ml.Imputer" => {
            let [x @ Value::Signal(operand)] = operands[..] else { return None };
            let (values, replaced) = match x.dtype().is_float() {
                true => {
                    let replaced = node.bound("replaced_value_float").unwrap_or(0.0);
                    (node.floats("imputed_value_floats").ok()??, replaced)
                }
                false => {
                    let values = node.ints("imputed_value_int64s")?;
                    let replaced = node.int("replaced_value_int64").unwrap_or(0) as f64;
                    (values.iter().map(|value| *value as f64).collect(), replaced)
                }
            };
            let how = How::Imputed { replaced, values };
            Some(Pending::new(operand.clone(), None, how))
        }
        _ => None,
    }
}

/// An element and a constant, or an element twice.
fn two(operator: &str, a: &Value, b: &Value) -> Option<Pending> {
    let float = a.dtype().is_float();
    let (operand, constant, does): (_, _, fn(f64) -> Does) = match (a, b) {
        (Value::Signal(x), Value::Const(c)) => match operator {
            "Add" => (x, c, Does::Add),
            "Sub" => (x, c, |c| Does::Add(-c)),
            "Mul" => (x, c, Does::Times),
            "Max" => (x, c, |c| Does::Clip(c, f64::INFINITY)),
            "Min" => (x, c, |c| Does::Clip(f64::NEG_INFINITY, c)),
            "Div" if float => (x, c, Does::Over),
            "Pow" => {
                let does = match numbers(c)?[..] {
                    [2.0] => Does::Square,
                    [3.0] => Does::Cube,
                    [power] if power > 0.0 && power.is_finite() => Does::Curve(Curve::Power(power)),
                    _ => return None,
                };
                let (operand, how) = (x.clone(), How::Alike(does));
                return Some(Pending::new(operand, None, how));
            }
            _ => return None,
        },
        (Value::Const(c), Value::Signal(x)) => match operator {
            "Add" => (x, c, Does::Add),
            "Sub" => (x, c, Does::From),
            "Mul" => (x, c, Does::Times),
            "Max" => (x, c, |c| Does::Clip(c, f64::INFINITY)),
            "Min" => (x, c, |c| Does::Clip(f64::NEG_INFINITY, c)),
            "Div" if float => (x, c, Does::Under),
            _ => return None,
        },
        (Value::Signal(x), Value::Signal(y)) if x.id == y.id && x.shape == y.shape => {
            let does = match operator {
                "Mul" => Does::Square,
                "Add" => Does::Times(2.0),
                _ => return None,
            };
            let (operand, how) = (x.clone(), How::Alike(does));
            return Some(Pending::new(operand, None, how));
        }
        _ => return None,
    };
    let how = How::With(does, Vec::new());
    let constant = (constant.data.len() <= MAX_CONSTANT).then(|| constant.clone())?;
    Some(Pending::new(operand.clone(), Some(constant), how))
}

/// Notes what a node has made.
///
/// # Errors
/// The budget is used up.
pub(in crate::onnx::ops) fn note(
    node: &mut Node<'_>,
    pending: Option<Pending>,
    made: &[Value],
) -> Result<(), OnnxError> {
    let (Some(Pending { operand, constant, mut how, places }), [Value::Signal(result)]) =
        (pending, made)
    else {
        return Ok(());
    };
    let wide = match result.dtype {
        DType::Float32 => false,
        dtype if dtype.is_float() && dtype != DType::Float64 => return Ok(()),
        _ => true,
    };
    // What is known already was made before.
    if result.id <= operand.id || node.builder().made.contains_key(&result.id) {
        return Ok(());
    }
    let other = |does: &Does| matches!(does, Does::Choose(choice) if !choice.makes(wide));
    if matches!(&how, How::Each(all) if all.iter().any(other)) {
        return Ok(());
    }
    let len: usize = result.shape.iter().product();
    if let (How::With(_, values), Some(constant)) = (&mut how, constant) {
        let numbers = numbers(&constant).unwrap_or_default();
        let places = positions(node, &constant.shape, &result.shape)?;
        let own = places.map(|places| places.iter().map(|at| numbers[*at]).collect());
        *values = own.unwrap_or(numbers);
        if values.len() != len {
            return Ok(());
        }
    }
    let places = match places {
        Some(places) if places.len() == len => Some(places),
        Some(_) => return Ok(()),
        None => positions(node, &operand.shape, &result.shape)?,
    };
    let of = Source { tensor: operand.id, dtype: operand.dtype, places };
    let doubted = node.reads_doubted();
    let last = |high: i64| if high == i64::MAX { (high as f64).next_down() } else { high as f64 };
    let integer = result.dtype.limits().filter(|_| result.dtype.computes());
    let fits = integer.map(|(low, high)| [low as f64, last(high)]);
    node.builder().made.insert(result.id, Made { of, how, wide, fits, doubted });
    Ok(())
}

/// Which element each element is of a tensor that broadcasts, unless they are the same.
fn positions(
    node: &mut Node<'_>,
    from: &[usize],
    to: &[usize],
) -> Result<Option<Vec<usize>>, OnnxError> {
    let same = from.iter().product::<usize>() == to.iter().product::<usize>();
    if same || shape::broadcast(from, to).as_deref() != Some(to) {
        return Ok(None);
    }
    node.pay(to)?;
    Ok(Some(shape::broadcast_positions(from, to)))
}

pub(super) fn numbers(tensor: &Tensor) -> Option<Vec<f64>> {
    // Constants that were computed from others are rounded as these are in the file.
    let round = |x: &f64| match tensor.dtype {
        DType::Float32 => f64::from(*x as f32),
        _ => *x,
    };
    (tensor.data.len() <= MAX_CONSTANT).then(|| match &tensor.data {
        Data::Float(values) => values.iter().map(round).collect(),
        Data::Int(values) => values.iter().map(|value| *value as f64).collect(),
    })
}
