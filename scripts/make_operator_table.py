"""Writes crates/prover/src/onnx/schema/table.rs from the standard's own operator schemas.

    python scripts/make_operator_table.py && cargo fmt

An operator that the reader learns is added to OPERATORS here.
"""

from pathlib import Path

import onnx

OUT = Path(__file__).resolve().parent.parent / "crates/prover/src/onnx/schema/table.rs"
OLDEST = {"": 7, "ai.onnx.ml": 1}
OPERATORS = {
    "": """Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool
        BatchNormalization BitCast BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike
        CausalConvWithState Ceil Celu CenterCropPad Clip Col2Im Compress Concat Constant ConstantOfShape
        Conv ConvInteger ConvTranspose Cos Cosh CumProd CumSum DepthToSpace DequantizeLinear Div Dropout DynamicQuantizeLinear
        Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu
        Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization
        HardSigmoid HardSwish Hardmax Identity If InstanceNormalization IsInf IsNaN LRN LSTM
        LayerNormalization LeakyRelu Less LessOrEqual LinearAttention Log LogSoftmax Loop
        LpNormalization LpPool MatMul MatMulInteger Max MaxPool MaxUnpool Mean MeanVarianceNormalization
        Min Mish Mod Mul Neg Not OneHot Or PRelu Pad Pow QLinearConv QLinearMatMul QuantizeLinear
        RMSNormalization RNN Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
        ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence
        RotaryEmbedding Round Scan Scatter ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin
        Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum SwiGLU Swish
        Tan Tanh TensorScatter ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Upsample Where Xor""",
    "ai.onnx.ml": """ArrayFeatureExtractor Binarizer CategoryMapper FeatureVectorizer Imputer LabelEncoder
        LinearClassifier LinearRegressor Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler TreeEnsemble TreeEnsembleClassifier
        TreeEnsembleRegressor ZipMap""",
}
UNBOUNDED = 2**31 - 1

rows = []
for domain, names in OPERATORS.items():
    versions = [s for s in onnx.defs.get_all_schemas_with_history() if s.domain == domain]
    for name in names.split():
        own = sorted((s for s in versions if s.name == name), key=lambda s: s.since_version)
        assert own, name
        # Versions that a newer one had replaced before the oldest operator set that is read.
        first = max([i for i, s in enumerate(own) if s.since_version <= OLDEST[domain]], default=0)
        before = None
        for schema in own[first:]:
            attributes = sorted(
                f'("{a.name}", {a.type.name.title().replace("_", "")}, {str(a.required).lower()})'
                for a in schema.attributes.values())
            top = "usize::MAX" if schema.max_input == UNBOUNDED else schema.max_input
            outputs = "usize::MAX" if schema.max_output == UNBOUNDED else schema.max_output
            full = f"{domain}.{name}" if domain else name
            # Runtimes run the version that the next one replaced.
            replaced = schema.deprecated and schema is not own[-1] and not own[own.index(schema) + 1].deprecated
            if schema.deprecated and not replaced:
                outputs = 0
            entry = f'{schema.min_input}, {top}, {outputs}, &[{", ".join(attributes)}]),'
            # Most versions only add element types.
            if entry != before:
                rows.append(f'    schema("{full}", {schema.since_version}, {entry}')
            before = entry

newest = onnx.defs.onnx_opset_version()
newest_ml = max(s.since_version for s in onnx.defs.get_all_schemas_with_history() if s.domain == "ai.onnx.ml")
OUT.write_text(f"""//! Operators by version, as the standard defines them; written by
//! scripts/make_operator_table.py from onnx {onnx.__version__}.

use super::{{
    Schema,
    Type::{{self, Float, Graph, Floats, Int, Ints, SparseTensor, String, Strings, Tensor}},
}};

/// The newest version of the operator set that the table covers.
pub(in crate::onnx) const NEWEST: i64 = {newest};

/// The newest version of the operator set `ai.onnx.ml` that the table covers.
pub(in crate::onnx) const NEWEST_ML: i64 = {newest_ml};

const fn schema(
    operator: &'static str,
    since: i64,
    min_inputs: usize,
    max_inputs: usize,
    max_outputs: usize,
    attributes: &'static [(&'static str, Type, bool)],
) -> Schema {{
    Schema {{ operator, since, min_inputs, max_inputs, max_outputs, attributes }}
}}

/// One entry a version of an operator: the name with its domain, the version of the
/// operator set, least and most inputs, most outputs (none: the version removes the
/// operator), and attributes with whether they are required.
#[rustfmt::skip]
pub(super) const TABLE: &[Schema] = &[
{chr(10).join(rows)}
];
""")
print(len(rows), newest, newest_ml)
