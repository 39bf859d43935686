//! The operators, each kind a file: shape rule, attributes, and what it becomes.
//!
//! An operator takes a [`Node`], whose form [`schema`](super::schema) has checked, and gives
//! its outputs. Those it doesn't give may not be read by anyone. To add one: its name in
//! scripts/make_operator_table.py, a file here, a line below.

mod activation;
mod arithmetic;
mod attention;
mod cast;
mod compare;
mod constant;
mod conv;
mod conv_transpose;
mod curves;
mod depth;
mod einsum;
mod extremum;
mod known;
mod layout;
mod leaves;
mod matrix;
mod ml;
mod neighbours;
mod normalize;
mod norms;
mod pad;
mod pieces;
mod pool;
mod products;
mod quantize;
mod ratio;
mod reduce;
mod resize;
mod softmax;
mod window;

use super::{
    error::OnnxError,
    node::{Node, Value},
};

/// How the names of ONNX-ML's operators start.
const ML: &str = "ai.onnx.ml.";

/// Lowers one node; gives its outputs in order.
pub(super) fn lower(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    if let Some(values) = leaves::lower(node, apply)? {
        return Ok(values);
    }
    match neighbours::lower(node, apply)? {
        Some(values) => Ok(values),
        None => apply(node),
    }
}

/// Lowers a node by its operator.
fn apply(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    let operator = node.operator();
    let value = match operator.as_str() {
        "Split" => return pieces::split(node),
        "Scan" => return neighbours::scan(node),
        "TopK" => return neighbours::top(node),
        ml if ml.starts_with(ML) => return ml::lower(node, &ml[ML.len()..]),
        "Exp" | "Log" | "Reciprocal" | "Softplus" | "Sqrt" | "Tanh" => {
            curves::lower(node, &operator)
        }
        "ReduceLogSumExp" => curves::reduce_log_sum_exp(node),
        "ReduceSumSquare" => curves::reduce_sum_square(node, false),
        "ReduceL2" => curves::reduce_sum_square(node, true),
        "LpNormalization" => ml::lp(node),
        "Sign" => compare::sign(node),
        "Abs" | "LeakyRelu" | "PRelu" | "Relu" | "Sigmoid" => activation::lower(node, &operator),
        "Clip" => activation::clip(node),
        "Add" | "Div" | "Mul" | "Sub" => arithmetic::lower(node, &operator),
        "Mean" | "Sum" => arithmetic::sum(node, operator == "Mean"),
        "Neg" => arithmetic::neg(node),
        "Max" | "Min" => extremum::lower(node, operator == "Min"),
        "Softmax" => softmax::lower(node),
        "Gemm" => matrix::gemm(node),
        "MatMul" => matrix::matmul(node),
        "LayerNormalization" => norms::layer(node, true),
        "RMSNormalization" => norms::layer(node, false),
        "InstanceNormalization" => norms::instance(node),
        "GroupNormalization" => norms::group(node),
        "MeanVarianceNormalization" => norms::mean_variance(node),
        "Attention" => attention::lower(node),
        "Einsum" => einsum::lower(node),
        "BatchNormalization" => normalize::batch_normalization(node),
        "Conv" => conv::lower(node),
        "ConvTranspose" => conv_transpose::lower(node),
        "MaxPool" => pool::max(node),
        "AveragePool" => pool::average(node),
        "GlobalAveragePool" | "GlobalMaxPool" => pool::global(node, operator == "GlobalMaxPool"),
        "ReduceMax" | "ReduceMean" | "ReduceMin" | "ReduceProd" | "ReduceSum" => {
            reduce::lower(node, &operator)
        }
        "ArgMax" | "ArgMin" => reduce::arg(node, operator == "ArgMin"),
        "Constant" => constant::constant(node),
        "ConstantOfShape" => constant::of_shape(node),
        "Range" => constant::range(node),
        "Shape" => constant::shape(node),
        "Size" => constant::size(node),
        "Cast" => cast::cast(node),
        "CastLike" => cast::cast_like(node),
        "DequantizeLinear" => quantize::dequantize(node),
        "And" | "Ceil" | "Equal" | "Floor" | "Greater" | "GreaterOrEqual" | "Less"
        | "LessOrEqual" | "Mod" | "Not" | "Or" | "Pow" | "Xor" => known::lower(node, &operator),
        "Where" => known::choose(node),
        "Identity" => node.take(0),
        "Dropout" => layout::dropout(node),
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
        "Resize" | "Upsample" => resize::lower(node, &operator),
        other => Err(node.unsupported(hint(other))),
    };
    Ok(vec![value?])
}

/// What to say about an operator that is not supported.
pub(super) fn hint(operator: &str) -> String {
    match operator {
        "If" | "Loop" | "Scan" => "graphs inside of graphs are not read".into(),
        _ => "the reader has no such operator".into(),
    }
}
