//! The operators, each kind a file: shape rule, attributes, and what it becomes.
//!
//! An operator takes a [`Node`], whose form [`schema`](super::schema) has checked, and gives
//! its outputs. Those it doesn't give may not be read by anyone. To add one: its name in
//! scripts/make_operator_table.py, a file here, a line below.

mod activation;
mod arithmetic;
mod attention;
mod bits;
mod cast;
mod causal_conv;
mod clipped;
mod col2im;
mod compare;
mod constant;
mod conv;
mod conv_transpose;
mod curves;
mod depth;
mod dynamic;
mod einsum;
mod extremum;
mod grid_sample;
mod integers;
mod interpolate;
mod known;
mod layout;
mod leaves;
mod linear_attention;
mod local_response;
mod logic;
mod masks;
mod matrix;
mod median;
mod ml;
mod neighbours;
mod normalize;
mod norms;
mod one_hot;
mod pad;
mod pieces;
mod pool;
mod products;
mod qlinear;
mod quantize;
mod ratio;
mod recurrent;
mod reduce;
mod resize;
mod rotary;
mod scatter;
mod shares;
mod smooth;
mod softmax;
mod sums;
mod top;
mod whole;
mod window;

pub(super) use self::ml::Made;
use tract_onnx::pb::NodeProto;

use super::{
    builder::Builder,
    dtype::DType,
    error::OnnxError,
    node::{Node, Value},
    tensor::{Data, Tensor},
};
use crate::graph::Function;

/// How an operator is lowered.
type Lower = fn(&mut Node<'_>) -> Result<Value, OnnxError>;

/// How the names of ONNX-ML's operators start.
const ML: &str = "ai.onnx.ml.";

/// Lowers one node; gives its outputs in order.
pub(super) fn lower(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    let pending = ml::pending(node, &node.operator());
    let mut values = match leaves::lower(node, apply)? {
        Some(values) => values,
        None => match neighbours::lower(node, apply)? {
            Some(values) => values,
            None => apply(node)?,
        },
    };
    ml::note(node, pending, &values)?;
    fold(node, &mut values);
    Ok(values)
}

/// Operators whose constants every runtime computes alike, each rounded once.
const ALIKE: [&str; 31] = [
    "Abs",
    "Add",
    "Cast",
    "Ceil",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Div",
    "Expand",
    "Flatten",
    "Floor",
    "Gather",
    "GatherElements",
    "Identity",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "ReduceMax",
    "ReduceMin",
    "Relu",
    "Reshape",
    "Slice",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Transpose",
    "Unsqueeze",
    "Where",
];

/// Operators whose constants are left as they are: integers times a scale, which runtimes that
/// compute with the integers never round, and what moves such.
const UNROUNDED: [&str; 11] = [
    "Concat",
    "DequantizeLinear",
    "Expand",
    "Flatten",
    "Gather",
    "Identity",
    "Reshape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// Rounds constants that a node makes to their type, as the file does, and notes those that
/// runtimes may compute otherwise.
fn fold(node: &mut Node<'_>, values: &mut [Value]) {
    let mut floats = false;
    let rounded = !UNROUNDED.contains(&node.operator().as_str());
    for value in values {
        let Value::Const(Tensor { dtype, data: Data::Float(values), .. }) = value else { continue };
        floats = true;
        if *dtype != DType::Float32 || !rounded {
            continue;
        }
        for value in values {
            let single = f64::from(*value as f32);
            // Sums of masks may be beyond float32.
            if single.is_finite() {
                *value = single;
            }
        }
    }
    if floats && (node.reads_doubted() || !ALIKE.contains(&node.operator().as_str())) {
        node.doubt_results();
    }
}

/// Lowers a node by its operator.
fn apply(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    let operator = node.operator();
    let value = match operator.as_str() {
        "Attention" => return attention::lower(node),
        "CausalConvWithState" => return causal_conv::lower(node),
        "LinearAttention" => return linear_attention::lower(node),
        "LayerNormalization" => return norms::layer(node, true),
        "MaxPool" => return pool::max(node),
        "Dropout" => return layout::dropout(node),
        "Split" => return pieces::split(node),
        "Scan" => return neighbours::scan(node),
        "TopK" => return neighbours::top(node),
        own if own.starts_with(qlinear::DOMAIN) => {
            qlinear::lower(node, &own[qlinear::DOMAIN.len()..])
        }
        ml if ml.starts_with(ML) => return ml::lower(node, &ml[ML.len()..]),
        "Exp" => curves::exp(node),
        "Sqrt" => {
            let x = node.take_real(0)?;
            products::root(node, x)
        }
        "SwiGLU" => smooth::gated(node),
        "Softplus" => {
            let x = node.take_real(0)?;
            curves::softplus(node, x)
        }
        "LogSoftmax" => curves::log_softmax(node),
        "ReduceL1" => curves::reduce_l1(node),
        "ReduceLogSum" => curves::reduce_log_sum(node),
        "ReduceLogSumExp" => curves::reduce_log_sum_exp(node),
        "ReduceSumSquare" => curves::reduce_sum_square(node, false),
        "ReduceL2" => curves::reduce_sum_square(node, true),
        "LpNormalization" => ml::lp(node),
        "Sign" => compare::sign(node),
        "Relu" => integers::kept(node, |node| activation::lower(node, "Relu")),
        "Abs" | "LeakyRelu" | "PRelu" => activation::lower(node, &operator),
        "Clip" => activation::clip(node),
        "Add" | "Div" | "Mul" | "Sub" => arithmetic::lower(node, &operator),
        "Mean" | "Sum" => arithmetic::sum(node, operator == "Mean"),
        "Neg" => arithmetic::neg(node),
        "Max" | "Min" => extremum::lower(node, operator == "Min"),
        "Softmax" => softmax::lower(node),
        "Gemm" => integers::product(node, integers::Along::Columns, matrix::gemm),
        "MatMul" => integers::product(node, integers::Along::Columns, matrix::matmul),
        "RMSNormalization" => return norms::layer(node, false),
        "InstanceNormalization" => norms::instance(node),
        "GroupNormalization" => norms::group(node),
        "MeanVarianceNormalization" => norms::mean_variance(node),
        "Einsum" => einsum::lower(node),
        "BatchNormalization" => normalize::batch_normalization(node),
        "Conv" => integers::product(node, integers::Along::Channels, conv::lower),
        "ConvTranspose" => conv_transpose::lower(node),
        "AveragePool" => pool::average(node),
        "LpPool" => pool::lp(node),
        "GlobalAveragePool" | "GlobalMaxPool" => pool::global(node, operator == "GlobalMaxPool"),
        "ReduceMax" | "ReduceMean" | "ReduceMin" | "ReduceProd" | "ReduceSum" => {
            reduce::lower(node, &operator)
        }
        "CumSum" => reduce::cumulative(node),
        "CumProd" => reduce::cumulative_product(node),
        "ArgMax" | "ArgMin" => reduce::arg(node, operator == "ArgMin"),
        "Constant" => constant::constant(node),
        "ConstantOfShape" => constant::of_shape(node),
        "Range" => constant::range(node),
        "Shape" => constant::shape(node),
        "Size" => constant::size(node),
        "Cast" => cast::cast(node),
        "CastLike" => cast::cast_like(node),
        "QuantizeLinear" => quantize::quantize(node),
        "DequantizeLinear" => quantize::dequantize(node),
        "DynamicQuantizeLinear" => return dynamic::quantize(node),
        "MatMulInteger" => quantize::matmul_integer(node),
        "ConvInteger" => quantize::conv_integer(node),
        "QLinearMatMul" => quantize::qlinear_matmul(node),
        "QLinearConv" => quantize::qlinear_conv(node),
        "RNN" => return recurrent::lower(node, recurrent::Cell::Rnn),
        "GRU" => return recurrent::lower(node, recurrent::Cell::Gru),
        "LSTM" => return recurrent::lower(node, recurrent::Cell::Lstm),
        "RotaryEmbedding" => rotary::lower(node),
        "LRN" => local_response::lower(node),
        "OneHot" => one_hot::one_hot(node),
        "EyeLike" => one_hot::eye_like(node),
        "Hardmax" => one_hot::hardmax(node),
        "Compress" => scatter::compress(node),
        "GatherND" => scatter::gather_nd(node),
        "ScatterND" => scatter::scatter_nd(node),
        "Scatter" | "ScatterElements" => scatter::scatter_elements(node),
        "TensorScatter" => scatter::tensor_scatter(node),
        "ReverseSequence" => scatter::reverse_sequence(node),
        "Trilu" => scatter::trilu(node),
        "CenterCropPad" => scatter::center_crop_pad(node),
        "MaxUnpool" => scatter::max_unpool(node),
        "BitShift" => bits::shift(node),
        "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" => bits::two(node, &operator),
        "BitwiseNot" => bits::not(node),
        "BitCast" => bits::cast(node),
        "Ceil" | "Floor" | "Round" => whole::round(node, &operator),
        // Whatever depends on inputs in their ranges is a number, and finite.
        "IsInf" | "IsNaN" => known::is_no_number(node, operator == "IsNaN"),
        "And" | "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Mod" | "Not"
        | "Or" | "Pow" | "Xor" => known::lower(node, &operator),
        "Where" => known::choose(node),
        "Identity" => node.take(0),
        "Reshape" => layout::reshape(node),
        "Flatten" => layout::flatten(node),
        "Squeeze" => layout::squeeze(node),
        "Unsqueeze" => layout::unsqueeze(node),
        "Transpose" => layout::transpose(node),
        "Expand" => layout::expand(node),
        "Tile" => layout::tile(node),
        "Concat" => pieces::concat(node),
        "Slice" => pieces::slice(node),
        "Gather" => pieces::gather(node),
        "GatherElements" => pieces::gather_elements(node),
        "DepthToSpace" => depth::to_space(node),
        "SpaceToDepth" => depth::from_space(node),
        "Pad" => pad::lower(node),
        "Col2Im" => col2im::lower(node),
        "GridSample" => grid_sample::sample(node),
        "AffineGrid" => grid_sample::affine(node),
        "Resize" | "Upsample" => resize::lower(node, &operator),
        name if smooth::is_one(name) => smooth::lower(node, name),
        other => Err(node.unsupported(hint(other))),
    };
    Ok(vec![within(node, &operator, value?)?])
}

/// What a Cast to integers has left to be cut off, cut off.
pub(super) fn cut(builder: &mut Builder, name: &str, x: Value) -> Result<Value, OnnxError> {
    let dtype = x.dtype();
    whole::cut(builder, name, x, dtype)
}

/// The same within a node.
fn cut_here(node: &mut Node<'_>, x: Value) -> Result<Value, OnnxError> {
    let dtype = x.dtype();
    cut_to(node, x, dtype)
}

/// Floats cut off to integers of a type.
fn cut_to(node: &mut Node<'_>, x: Value, dtype: DType) -> Result<Value, OnnxError> {
    let name = node.name.clone();
    whole::cut(node.builder(), &name, x, dtype)
}

/// Operators whose results may be beyond their type.
const GROWING: [&str; 11] = [
    "Abs",
    "Add",
    "BitShift",
    "CumSum",
    "Mul",
    "Neg",
    "Pow",
    "ReduceL1",
    "ReduceProd",
    "ReduceSum",
    "Sub",
];

/// The result of an operator on integers, which may not wrap.
fn within(node: &mut Node<'_>, operator: &str, value: Value) -> Result<Value, OnnxError> {
    let may_wrap = |dtype: DType| dtype.computes() && !dtype.is_float();
    let narrow = matches!(&value, Value::Signal(signal) if may_wrap(signal.dtype));
    match value.dtype().limits() {
        Some((low, high)) if narrow && GROWING.contains(&operator) => {
            let within = Function::Within { low: low as f64, high: high as f64 };
            activation::apply(node, within, value)
        }
        _ => Ok(value),
    }
}

/// Whether a Scan is one over known points, whose distances are read as a whole.
pub(super) fn is_distances(proto: &NodeProto) -> bool {
    neighbours::is_distances(proto)
}

/// What to say about an operator that is not supported.
pub(super) fn hint(operator: &str) -> String {
    match operator {
        "Scan" => "it is no scan that is read".into(),
        _ => "the reader has no such operator".into(),
    }
}
