//! Functions that a model defines, put in the place of their calls.

use std::collections::HashMap;

use tract_onnx::pb::{AttributeProto, FunctionProto, ModelProto, NodeProto};

use super::{
    error::OnnxError,
    node::{display_name, printable},
};

/// Nodes that all calls together may become.
const MAX_NODES: usize = 100_000;

/// Functions within functions.
const MAX_DEPTH: usize = 32;

type Functions<'a> = HashMap<(&'a str, &'a str), &'a FunctionProto>;

/// The nodes of the model's graph, calls of its functions replaced by their bodies.
pub(super) fn expand(
    model: &ModelProto,
    nodes: Vec<NodeProto>,
) -> Result<Vec<NodeProto>, OnnxError> {
    if model.functions.is_empty() {
        return Ok(nodes);
    }
    let mut functions = Functions::new();
    for function in &model.functions {
        let key = (domain(function.domain.as_deref()), function.name.as_deref().unwrap_or(""));
        if functions.insert(key, function).is_some() {
            let detail = "two functions have this name".to_owned();
            return Err(OnnxError::BadNode { node: printable(key.1), detail });
        }
    }
    let mut out = vec![];
    for (position, node) in nodes.into_iter().enumerate() {
        let name = display_name(&node, position);
        call(model, &functions, node, &name, 0, &mut out)?;
    }
    Ok(out)
}

fn domain(name: Option<&str>) -> &str {
    match name.unwrap_or("") {
        "ai.onnx" => "",
        other => other,
    }
}

fn call(
    model: &ModelProto,
    functions: &Functions<'_>,
    node: NodeProto,
    name: &str,
    depth: usize,
    out: &mut Vec<NodeProto>,
) -> Result<(), OnnxError> {
    let bad = |detail: String| OnnxError::BadNode { node: printable(name), detail };
    let key = (domain(Some(&node.domain)), node.op_type.as_str());
    let Some(function) = functions.get(&key) else {
        out.push(node);
        return match out.len() > MAX_NODES {
            true => Err(bad(format!("the model's functions expand to over {MAX_NODES} nodes"))),
            false => Ok(()),
        };
    };
    if depth == MAX_DEPTH {
        return Err(bad(format!("functions call each other over {MAX_DEPTH} deep, or for ever")));
    }
    if node.input.len() > function.input.len() || node.output.len() > function.output.len() {
        return Err(bad(format!(
            "it gives {} inputs and {} outputs to a function of {} and {}",
            node.input.len(),
            node.output.len(),
            function.input.len(),
            function.output.len()
        )));
    }
    for import in &function.opset_import {
        let of_model = model
            .opset_import
            .iter()
            .find(|own| domain(Some(&own.domain)) == domain(Some(&import.domain)));
        if of_model.is_some_and(|own| own.version != import.version) {
            return Err(bad(format!(
                "its function imports another version of operator set \"{}\" than the model",
                printable(&import.domain)
            )));
        }
    }
    let declared = |a: &&AttributeProto| !function.attribute.contains(&a.name);
    if let Some(attribute) = node.attribute.iter().find(declared) {
        return Err(bad(format!("its function has no attribute {}", printable(&attribute.name))));
    }
    // Names inside are the call's own; what is handed over has the caller's.
    let mut names: HashMap<&str, String> = HashMap::new();
    for (at, formal) in function.input.iter().enumerate() {
        names.insert(formal, node.input.get(at).cloned().unwrap_or_default());
    }
    for (formal, actual) in function.output.iter().zip(&node.output) {
        if !actual.is_empty() {
            names.insert(formal, actual.clone());
        }
    }
    let rename = |inner: &String| match names.get(inner.as_str()) {
        Some(outer) => outer.clone(),
        None if inner.is_empty() => String::new(),
        None => format!("{name}/{inner}"),
    };
    for (position, inner) in function.node.iter().enumerate() {
        let mut copy = inner.clone();
        copy.input = inner.input.iter().map(rename).collect();
        copy.output = inner.output.iter().map(rename).collect();
        copy.name = format!("{name}/{}", display_name(inner, position));
        copy.attribute = inner.attribute.iter().filter_map(|a| bind(a, &node)).collect();
        let name = copy.name.clone();
        call(model, functions, copy, &name, depth + 1, out)?;
    }
    Ok(())
}

/// An attribute inside a function: its own value, or the call's that it refers to.
fn bind(attribute: &AttributeProto, call: &NodeProto) -> Option<AttributeProto> {
    if attribute.ref_attr_name.is_empty() {
        return Some(attribute.clone());
    }
    let given = call.attribute.iter().find(|a| a.name == attribute.ref_attr_name)?;
    Some(AttributeProto { name: attribute.name.clone(), ..given.clone() })
}
