//! Operators that are computed while reading, on constants, as exporters use them for shapes
//! and masks. Comparisons, Not and Where also take what depends on the input.

use crate::{
    graph::{Element, Function, Op},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Signal, Value},
        ops::{
            activation, arithmetic::add, compare, curves, logic, ml, products, quantize, shares,
            whole,
        },
        tensor::{Data, Tensor},
    },
};

/// Comparisons of numbers.
const COMPARISONS: [&str; 5] = ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"];

pub(super) fn lower(node: &mut Node<'_>, operator: &str) -> Result<Value, OnnxError> {
    let count = node.input_count();
    // Masks of attention.
    let inputs = (0..count).map(|index| shares::finite(node.take_unchecked(index)));
    let inputs = inputs.collect();
    node.replace_inputs(inputs);
    let mut values = (0..count).map(|i| node.take(i)).collect::<Result<Vec<_>, _>>()?;
    if values.iter().any(|value| matches!(value, Value::Signal(_))) {
        match (operator, values.pop(), values.pop()) {
            ("Not", Some(x), None) => return compare::not(node, x),
            ("And" | "Or" | "Xor", Some(b), Some(a)) => {
                return logic::lower(node, operator, [a, b]);
            }
            ("Mod", Some(Value::Const(c)), Some(x)) => {
                let mut both = node.broadcast(vec![x, Value::Const(c)])?;
                return match (both.pop(), both.pop()) {
                    (Some(Value::Const(c)), Some(x)) => whole::modulo(node, x, &c),
                    _ => Err(node.malformed("it has no operands".into())),
                };
            }
            ("Pow", Some(exponent), Some(x)) => return curves::power(node, x, exponent),
            (_, Some(b), Some(a)) if COMPARISONS.contains(&operator) => {
                return compare::lower(node, operator, a, b);
            }
            (_, b, a) => values.extend(a.into_iter().chain(b)),
        }
    }
    if values.iter().any(|value| matches!(value, Value::Signal(_))) {
        return Err(node.unsupported("it depends on the model's input; only constants can be"));
    }
    let mut tensors = vec![];
    for value in node.broadcast(values)? {
        if let Value::Const(tensor) = value {
            tensors.push(tensor);
        }
    }
    match &tensors[..] {
        [x] => one(node, operator, x),
        [a, b] => two(node, operator, a, b),
        _ => Err(node.malformed(format!("{count} inputs"))),
    }
}

fn one(node: &Node<'_>, operator: &str, x: &Tensor) -> Result<Value, OnnxError> {
    let data = match (&x.data, operator) {
        (Data::Int(v), "Not") if x.dtype == DType::Bool => {
            Data::Int(v.iter().map(|v| 1 - v).collect())
        }
        _ => return Err(node.malformed(format!("its input has type {}", x.dtype.name()))),
    };
    Ok(Value::Const(Tensor { shape: x.shape.clone(), dtype: x.dtype, data }))
}

fn two(node: &Node<'_>, operator: &str, a: &Tensor, b: &Tensor) -> Result<Value, OnnxError> {
    let truth = |values: Vec<bool>| {
        let data = Data::Int(values.into_iter().map(i64::from).collect());
        Ok(Value::Const(Tensor { shape: a.shape.clone(), dtype: DType::Bool, data }))
    };
    fn compare<T: PartialOrd>(operator: &str, a: &[T], b: &[T]) -> Option<Vec<bool>> {
        let compare: fn(&T, &T) -> bool = match operator {
            "Equal" => |a, b| a == b,
            "Greater" => |a, b| a > b,
            "GreaterOrEqual" => |a, b| a >= b,
            "Less" => |a, b| a < b,
            "LessOrEqual" => |a, b| a <= b,
            _ => return None,
        };
        Some(a.iter().zip(b).map(|(a, b)| compare(a, b)).collect())
    }
    let wrong = || {
        let (a, b) = (a.dtype.name(), b.dtype.name());
        node.malformed(format!("its operands have types {a} and {b}"))
    };
    if operator != "Pow" && a.dtype != b.dtype {
        return Err(wrong());
    }
    match (&a.data, &b.data) {
        (Data::Int(x), Data::Int(y)) => {
            if let Some(values) = compare(operator, x, y) {
                return truth(values);
            }
            let pairs = x.iter().zip(y);
            let logical = a.dtype == DType::Bool;
            match operator {
                "And" if logical => truth(pairs.map(|(a, b)| a & b == 1).collect()),
                "Or" if logical => truth(pairs.map(|(a, b)| a | b == 1).collect()),
                "Xor" if logical => truth(pairs.map(|(a, b)| a ^ b == 1).collect()),
                "Mod" | "Pow" if !logical => {
                    let fmod = node.int("fmod") == Some(1);
                    let compute = |(&a, &b): (&i64, &i64)| match (operator, fmod) {
                        ("Pow", _) => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
                        // The sign of the divisor, or of the dividend.
                        (_, false) => {
                            let rest = a.checked_rem(b)?;
                            Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
                        }
                        (_, true) => a.checked_rem(b),
                    };
                    let values: Option<_> = pairs.map(compute).collect();
                    let values =
                        values.ok_or_else(|| node.malformed("integers overflow".into()))?;
                    let data = Data::Int(values);
                    Ok(Value::Const(Tensor { shape: a.shape.clone(), dtype: a.dtype, data }))
                }
                _ => Err(wrong()),
            }
        }
        (Data::Float(x), y) => {
            let y: Vec<f64> = match y {
                Data::Float(y) => y.clone(),
                Data::Int(y) => y.iter().map(|&y| y as f64).collect(),
            };
            if let Some(values) = compare(operator, x, &y) {
                return truth(values);
            }
            let data = match operator {
                "Pow" => Data::Float(x.iter().zip(&y).map(|(a, b)| a.powf(*b)).collect()),
                "Mod" if node.int("fmod") == Some(1) => {
                    Data::Float(x.iter().zip(&y).map(|(a, b)| a % b).collect())
                }
                _ => return Err(wrong()),
            };
            Ok(Value::Const(Tensor { shape: a.shape.clone(), dtype: a.dtype, data }))
        }
        _ => Err(wrong()),
    }
}

/// Where: elements of one tensor or the other, by a constant condition; constants by any.
pub(super) fn choose(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let imputes = node.imputed().is_some();
    let inputs = [0, 1, 2].map(|index| node.take_unchecked(index));
    // Masks of attention.
    node.replace_inputs(inputs.map(shares::finite).into());
    let values = vec![node.take(0)?, node.take(1)?, node.take(2)?];
    let mut values = node.broadcast(values)?;
    let (Some(b), Some(a), Some(condition)) = (values.pop(), values.pop(), values.pop()) else {
        return Err(node.malformed("it has no operands".into()));
    };
    if let (true, Value::Const(Tensor { data: Data::Float(values), .. })) = (imputes, &a) {
        return activation::apply(node, Function::Impute { values: values.clone() }, b);
    }
    if let (Value::Signal(_), Value::Const(a), Value::Const(b)) = (&condition, &a, &b)
        && a.dtype == b.dtype
        && condition.dtype() == DType::Bool
    {
        return compare::choose(node, condition.clone(), a, b);
    }
    if let Value::Signal(yes) = &condition
        && yes.dtype == DType::Bool
    {
        // b + c·(a − b).
        let dtype = a.dtype();
        if a.dtype() != b.dtype() {
            let (a, b) = (a.dtype().name(), b.dtype().name());
            return Err(node.malformed(format!("it mixes {a} with {b}")));
        }
        // float64 stays float64.
        let real = |value: Value| match value.dtype().is_float() {
            true => value,
            false => quantize::as_real(value),
        };
        let (a, b) = (real(a), real(b));
        let condition = Value::Signal(Signal { dtype: a.dtype(), ..yes.clone() });
        let difference = add(node, vec![(a, 1.0), (b.clone(), -1.0)])?;
        let chosen = products::multiply(node, condition, difference)?;
        let sum = add(node, vec![(b, 1.0), (chosen, 1.0)])?;
        return if dtype.is_float() { Ok(sum) } else { quantize::as_whole(node, sum, dtype) };
    }
    let Value::Const(Tensor { data: Data::Int(condition), dtype: DType::Bool, shape }) = condition
    else {
        return Err(node.unsupported("its condition is not a constant"));
    };
    if a.dtype() != b.dtype() {
        let (a, b) = (a.dtype().name(), b.dtype().name());
        return Err(node.malformed(format!("it mixes {a} with {b}")));
    }
    let dtype = a.dtype();
    let input = |yes: i64| usize::from(yes == 0);
    if let (Value::Const(a), Value::Const(b)) = (&a, &b) {
        let pick = condition.iter().map(|&yes| input(yes)).enumerate();
        let data = match (&a.data, &b.data) {
            (Data::Int(a), Data::Int(b)) => {
                Data::Int(pick.map(|(i, of)| [a[i], b[i]][of]).collect())
            }
            (Data::Float(a), Data::Float(b)) => {
                Data::Float(pick.map(|(i, of)| [a[i], b[i]][of]).collect())
            }
            _ => return Err(node.malformed("it mixes floats with integers".into())),
        };
        return Ok(Value::Const(Tensor { shape, dtype, data }));
    }
    let elements = condition
        .iter()
        .enumerate()
        .map(|(index, &yes)| Element::Input { input: input(yes), index })
        .collect();
    node.emit(Op::Select(elements), vec![a, b], shape, dtype)
}

/// Whether elements are infinite, or no numbers: constants may be, and what may be missing is none.
pub(super) fn is_no_number(node: &mut Node<'_>, nan: bool) -> Result<Value, OnnxError> {
    let x = node.take_unchecked(0);
    let x = x.ok_or_else(|| node.malformed("its input is missing".into()))?;
    let (positive, negative) =
        (node.flag("detect_positive", true)?, node.flag("detect_negative", true)?);
    let len = node.pay(x.shape())?;
    if let (true, Value::Signal(signal)) = (nan && x.dtype().is_float(), &x)
        && (ml::may_be_missing(node.builder(), signal.id)
            || ml::is_made_of_inputs(node.builder(), signal.id))
    {
        let (of, is) = (signal.id, compare::is_missing(node, x)?);
        if let Value::Signal(signal) = &is {
            node.builder().gaps.insert(signal.id, of);
        }
        return Ok(is);
    }
    let is = |v: f64| match nan {
        true => v.is_nan(),
        false => v == f64::INFINITY && positive || v == f64::NEG_INFINITY && negative,
    };
    let data = match &x {
        Value::Const(Tensor { data: Data::Float(values), .. }) => {
            values.iter().map(|v| i64::from(is(*v))).collect()
        }
        _ => vec![0; len],
    };
    let shape = x.shape().to_vec();
    Ok(Value::Const(Tensor { shape, dtype: DType::Bool, data: Data::Int(data) }))
}
