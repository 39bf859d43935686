//! What the standard allows a node to look like: attributes with their types, numbers of
//! inputs and outputs, by version of the operator set.
//!
//! Every node is held against the table before its operator is asked, so that nothing in a
//! file is passed over: an attribute of another type, or of another version, means that the
//! file was not written for this operator.

mod table;

use tract_onnx::pb::{NodeProto, attribute_proto::AttributeType};

use self::table::TABLE;
pub(super) use self::table::{NEWEST, NEWEST_ML};
use super::{
    error::OnnxError,
    node::{display_name, operator, printable},
};

/// One version of an operator.
pub(super) struct Schema {
    /// The name, with its domain unless that is ONNX's own.
    operator: &'static str,
    /// The version of the operator set that brought it.
    since: i64,
    min_inputs: usize,
    max_inputs: usize,
    /// None where this version removes the operator.
    max_outputs: usize,
    /// Name, type, and whether it is required.
    attributes: &'static [(&'static str, Type, bool)],
}

/// The type of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Float,
    Int,
    String,
    Tensor,
    SparseTensor,
    Floats,
    Ints,
    Strings,
    Graph,
}

impl Type {
    fn of(code: i32) -> Option<Self> {
        Some(match AttributeType::try_from(code) {
            Ok(AttributeType::Float) => Self::Float,
            Ok(AttributeType::Int) => Self::Int,
            Ok(AttributeType::String) => Self::String,
            Ok(AttributeType::Tensor) => Self::Tensor,
            Ok(AttributeType::SparseTensor) => Self::SparseTensor,
            Ok(AttributeType::Floats) => Self::Floats,
            Ok(AttributeType::Ints) => Self::Ints,
            Ok(AttributeType::Strings) => Self::Strings,
            Ok(AttributeType::Graph) => Self::Graph,
            _ => return None,
        })
    }
}

/// Operators of onnxruntime's own set, which has one version.
const OF_RUNTIME: [Schema; 11] = {
    const fn schema(
        operator: &'static str,
        (min_inputs, max_inputs): (usize, usize),
        attributes: &'static [(&'static str, Type, bool)],
    ) -> Schema {
        Schema { operator, since: 1, min_inputs, max_inputs, max_outputs: 1, attributes }
    }
    const GEMM: &[(&str, Type, bool)] = &[
        ("alpha", Type::Float, false),
        ("transA", Type::Int, false),
        ("transB", Type::Int, false),
    ];
    const POOL: &[(&str, Type, bool)] = &[
        ("auto_pad", Type::String, false),
        ("ceil_mode", Type::Int, false),
        ("channels_last", Type::Int, false),
        ("count_include_pad", Type::Int, false),
        ("kernel_shape", Type::Ints, true),
        ("pads", Type::Ints, false),
        ("strides", Type::Ints, false),
    ];
    [
        schema("com.microsoft.DynamicQuantizeMatMul", (3, 5), &[]),
        schema("com.microsoft.MatMulIntegerToFloat", (4, 7), &[]),
        schema("com.microsoft.QGemm", (6, 9), GEMM),
        schema("com.microsoft.QLinearAdd", (7, 8), &[]),
        schema("com.microsoft.QLinearAveragePool", (4, 5), POOL),
        schema("com.microsoft.QLinearConcat", (5, usize::MAX), &[("axis", Type::Int, true)]),
        schema(
            "com.microsoft.QLinearGlobalAveragePool",
            (5, 5),
            &[("channels_last", Type::Int, false)],
        ),
        schema("com.microsoft.QLinearLeakyRelu", (4, 5), &[("alpha", Type::Float, false)]),
        schema("com.microsoft.QLinearMul", (7, 8), &[]),
        schema("com.microsoft.QLinearSigmoid", (4, 5), &[]),
        schema(
            "com.microsoft.QLinearSoftmax",
            (4, 5),
            &[("axis", Type::Int, false), ("opset", Type::Int, true)],
        ),
    ]
};

/// Whether the table has any version of an operator, named with its domain.
pub(super) fn knows(operator: &str) -> bool {
    TABLE.iter().chain(&OF_RUNTIME).any(|schema| schema.operator == operator)
}

/// Refuses a node that is not what the operator set of `version` defines.
pub(super) fn check(proto: &NodeProto, position: usize, version: i64) -> Result<(), OnnxError> {
    let operator = operator(proto);
    let bad = |detail| OnnxError::BadNode { node: display_name(proto, position), detail };
    let versions = TABLE.iter().chain(&OF_RUNTIME).filter(|schema| schema.operator == operator);
    let Some(schema) = versions.filter(|s| s.since <= version).max_by_key(|s| s.since) else {
        return Err(bad(format!("operator set {version} has no operator {operator} yet")));
    };
    if schema.max_outputs == 0 {
        let since = schema.since;
        return Err(bad(format!("operator {operator} was removed by operator set {since}")));
    }
    for (at, attribute) in proto.attribute.iter().enumerate() {
        let name = printable(&attribute.name);
        if proto.attribute[..at].iter().any(|other| other.name == attribute.name) {
            return Err(bad(format!("attribute {name} is given twice")));
        }
        let Some((_, expected, _)) = schema.attributes.iter().find(|a| a.0 == attribute.name)
        else {
            return Err(bad(format!(
                "{operator} has no attribute {name} in operator set {version}"
            )));
        };
        if !attribute.ref_attr_name.is_empty() {
            return Err(bad(format!("attribute {name} refers to a function's outside of one")));
        }
        if Type::of(attribute.r#type) != Some(*expected) {
            let got = AttributeType::try_from(attribute.r#type)
                .map_or_else(|_| format!("number {}", attribute.r#type), |t| format!("{t:?}"));
            return Err(bad(format!("attribute {name} has type {got}, it must be {expected:?}")));
        }
    }
    let given = |name: &str| proto.attribute.iter().any(|attribute| attribute.name == name);
    if let Some((name, ..)) = schema.attributes.iter().find(|(name, _, must)| *must && !given(name))
    {
        return Err(bad(format!("attribute {name} is missing")));
    }
    let inputs = proto.input.len();
    if inputs < schema.min_inputs || inputs > schema.max_inputs {
        let limits = match schema.max_inputs {
            usize::MAX => format!("at least {}", schema.min_inputs),
            most if most == schema.min_inputs => most.to_string(),
            most => format!("{} to {most}", schema.min_inputs),
        };
        return Err(bad(format!("{inputs} inputs, {operator} takes {limits}")));
    }
    let outputs = proto.output.len();
    if outputs > schema.max_outputs {
        let most = schema.max_outputs;
        return Err(bad(format!("{outputs} outputs, {operator} has at most {most}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_every_operator_has_a_name_once_a_version() {
        for pair in TABLE.windows(2) {
            let same = pair[0].operator == pair[1].operator;
            assert!(!same || pair[0].since < pair[1].since, "{}", pair[0].operator);
        }
        assert!(knows("Gemm") && knows("ai.onnx.ml.Scaler") && !knows("RandomNormal"));
    }
}
