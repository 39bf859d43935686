//! Inputs and outputs as the file declares them.

use std::collections::BTreeMap;

use tract_onnx::pb::{
    ValueInfoProto, tensor_proto::DataType, tensor_shape_proto::dimension::Value as Dimension,
    type_proto,
};

use super::{
    dtype::{DType, type_name},
    error::OnnxError,
    node::printable,
    shape::{MAX_RANK, size},
};

/// A declared dimension: a number, or the name of a symbolic one (empty where it has none).
type Declared<'a> = Result<i64, &'a str>;

/// What the file says about a tensor.
struct Declaration<'a> {
    elements: i32,
    dims: Option<Vec<Declared<'a>>>,
}

/// Nothing where the file declares no type, or one that is not a tensor's.
fn declaration(info: &ValueInfoProto) -> Option<Declaration<'_>> {
    let type_proto::Value::TensorType(tensor) = info.r#type.as_ref()?.value.as_ref()?;
    let declared = |value| match value {
        // Some exporters write -1 for what is not known.
        &Some(Dimension::DimValue(-1)) => Err(""),
        &Some(Dimension::DimValue(size)) => Ok(size),
        Some(Dimension::DimParam(symbol)) => Err(symbol.as_str()),
        None => Err(""),
    };
    let dims = tensor.shape.as_ref().map(|s| s.dim.iter().map(|d| declared(&d.value)).collect());
    Some(Declaration { elements: tensor.elem_type, dims })
}

/// Dimensions that a caller binds: by the name of a symbolic one, or as `input:axis`.
pub(super) struct Bindings<'a> {
    given: &'a BTreeMap<String, usize>,
    used: Vec<String>,
}

impl<'a> Bindings<'a> {
    pub(super) fn new(given: &'a BTreeMap<String, usize>) -> Self {
        Self { given, used: vec![] }
    }

    fn find(&mut self, tensor: &str, axis: usize, symbol: &str) -> Option<usize> {
        let (name, &size) = (self.given.get_key_value(&format!("{tensor}:{axis}")))
            .or_else(|| self.given.get_key_value(symbol).filter(|_| !symbol.is_empty()))?;
        self.used.push(name.clone());
        Some(size)
    }

    /// Refuses bindings of dimensions that no input has.
    pub(super) fn check(&self) -> Result<(), OnnxError> {
        match self.given.keys().find(|name| !self.used.contains(name)) {
            Some(name) => Err(OnnxError::UnknownDimension { name: printable(name) }),
            None => Ok(()),
        }
    }
}

/// The type and dimensions of an input. A symbolic first dimension that is not bound is the
/// batch and becomes 1.
pub(super) fn input(
    info: &ValueInfoProto,
    bindings: &mut Bindings<'_>,
) -> Result<(DType, Vec<usize>), OnnxError> {
    let name = printable(&info.name);
    let wrong = |dtype: String| OnnxError::WrongType { tensor: name.clone(), dtype };
    let Some(declared) = declaration(info) else {
        return Err(wrong("none, or is not a tensor".into()));
    };
    let dtype = DType::of(declared.elements).ok_or_else(|| wrong(type_name(declared.elements)))?;
    let dynamic = |axis, symbol: &str| OnnxError::DynamicShape {
        tensor: name.clone(),
        axis,
        dimension: if symbol.is_empty() { "unknown".into() } else { printable(symbol) },
    };
    let dims = declared.dims.ok_or_else(|| dynamic(0, "not declared"))?;
    let bad = |detail| OnnxError::BadTensor { tensor: name.clone(), detail };
    let mut shape = Vec::with_capacity(dims.len());
    for (axis, dim) in dims.into_iter().enumerate() {
        let size = match dim {
            Ok(dim) => usize::try_from(dim).unwrap_or(0),
            Err(symbol) => match bindings.find(&info.name, axis, symbol) {
                Some(size) => size,
                None if axis == 0 => 1,
                None => return Err(dynamic(axis, symbol)),
            },
        };
        if size == 0 {
            let said = dim.map_or_else(|_| "0".to_owned(), |dim| dim.to_string());
            return Err(bad(format!("dimension {said} in its shape")));
        }
        shape.push(size);
    }
    match size(&shape) {
        Some(_) if shape.len() <= MAX_RANK => Ok((dtype, shape)),
        _ => Err(bad(format!("{} dimensions or too many elements", shape.len()))),
    }
}

/// Refuses an output that is not of the type its declaration says, if any. Its dimensions are those
/// that are computed: runtimes go by them too, and exporters declare others (skl2onnx one target
/// of several, CatBoost a dimension less).
pub(super) fn check_output(info: &ValueInfoProto, dtype: DType) -> Result<(), OnnxError> {
    let Some(declared) = declaration(info) else { return Ok(()) };
    // Of labels that are strings, the position among them is computed.
    let label = declared.elements == DataType::String as i32 && dtype == DType::Int64;
    if declared.elements == 0 || label || DType::of(declared.elements) == Some(dtype) {
        return Ok(());
    }
    let (declared, computed) = (type_name(declared.elements), dtype.name());
    let detail = format!("it is declared as {declared}, computed as {computed}");
    Err(OnnxError::BadTensor { tensor: printable(&info.name), detail })
}
