//! The Solidity source of a shape's verifier.

use askama::Template;
use verdict_kzg::{protocol::Protocol, transcript::SCALAR_BYTES};

use crate::{
    compile::SOLC_VERSION,
    error::CodegenError,
    memory::{
        MemoryMap, instance_name, key_layout, leaf_name, rotation_suffix, rounds,
        secret_scalar_name,
    },
    steps,
    yul::{GateCode, Yul, fold_constraints, modulus_multiple, modulus_multiples},
};

/// The verifier of one shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeVerifier {
    /// Solidity source; self-contained.
    pub source: String,
    /// Name of the contract in it.
    pub contract_name: String,
    /// Keccak-256 of the constraint system's canonical description; also in the
    /// contract and in every key of the shape.
    pub shape_id: [u8; 32],
    /// Where the contract keeps what in memory.
    pub memory: MemoryMap,
}

struct Query {
    negated_point: String,
    suffix: String,
    value: Vec<String>,
}

struct ConstraintLines {
    name: String,
    lines: Vec<String>,
}

#[derive(Template)]
#[template(path = "verifier.sol", escape = "none")]
struct Contract<'a> {
    solc_version: &'a str,
    name: &'a str,
    shape_id: String,
    summary: String,
    proof_length: usize,
    hint_offset: usize,
    key_length: usize,
    modulus_multiples: Vec<(u32, String)>,
    memory: &'a MemoryMap,
    memory_base: usize,
    has_instances: bool,
    instance_queries: Vec<Query>,
    interpolates: bool,
    denominators: String,
    transcript: Vec<String>,
    points: Vec<String>,
    scalars: Vec<String>,
    k_bits: Vec<(usize, Vec<&'static str>)>,
    distances: Vec<String>,
    inverses: Vec<String>,
    constraints: Vec<ConstraintLines>,
    secret_scalars: Vec<String>,
    inverse_powers: Vec<String>,
    opened_value: Vec<String>,
    groups: bool,
    commitments: Vec<String>,
}

/// Generates the verifier for a protocol; the result depends on nothing else.
///
/// # Errors
/// The template fails, which it does for no protocol.
pub fn shape_verifier(protocol: &Protocol) -> Result<ShapeVerifier, CodegenError> {
    let shape_id = protocol.shape_id();
    let hexadecimal: String = shape_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let contract_name = format!("Verifier{}", &hexadecimal[..8]);

    let rounds = rounds(protocol);
    let gates = gate_code(protocol);
    let memory = MemoryMap::new(protocol, &rounds, gates.shared);
    let (points, scalars): (Vec<_>, Vec<_>) =
        rounds.iter().flat_map(|round| &round.items).partition(|item| item.words == 2);
    let mut commitments = steps::commitments(protocol);
    commitments.extend(steps::opening_terms());

    let source = Contract {
        solc_version: SOLC_VERSION,
        name: &contract_name,
        shape_id: format!("0x{hexadecimal}"),
        summary: summary(protocol),
        proof_length: protocol.proof_length() + SCALAR_BYTES,
        hint_offset: protocol.proof_length(),
        key_length: key_layout(protocol).iter().map(|word| 32 * word.words).sum(),
        modulus_multiples: modulus_multiples(&gates)
            .into_iter()
            .map(|multiple| (multiple, modulus_multiple(multiple)))
            .collect(),
        memory: &memory,
        memory_base: memory.start(),
        has_instances: protocol.has_instances,
        instance_queries: protocol.instance_queries.iter().map(|at| query(*at)).collect(),
        interpolates: protocol.interpolates(),
        denominators: denominator_note(protocol),
        transcript: steps::transcript(&rounds),
        points: points.into_iter().map(|item| item.name.clone()).collect(),
        scalars: range_checks(scalars.into_iter().map(|item| &*item.name).collect()),
        k_bits: [16, 8, 4, 2, 1]
            .map(|bit| (bit, vec!["x_to_n := mulmod(x_to_n, x_to_n, r)"; bit]))
            .to_vec(),
        distances: steps::distances(protocol),
        inverses: steps::inverses(protocol),
        constraints: protocol
            .constraints
            .iter()
            .zip(gates.constraints)
            .map(|(gate, lines)| ConstraintLines { name: comment(&gate.name), lines })
            .collect(),
        secret_scalars: gates.stored.concat(),
        inverse_powers: steps::inverse_powers(protocol),
        opened_value: steps::opened_value(protocol),
        groups: protocol.classes.iter().any(|class| class.fold > 1),
        commitments,
    }
    .render()?;
    Ok(ShapeVerifier { source: source + "\n", contract_name, shape_id, memory })
}

/// The code that computes A and the B_s.
pub(crate) fn gate_code(protocol: &Protocol) -> GateCode {
    let roots: Vec<_> = protocol.constraints.iter().map(|constraint| constraint.root).collect();
    let secret = protocol.secret_scalars.iter();
    let values: Vec<_> =
        secret.map(|(column, root)| (secret_scalar_name(*column), *root)).collect();
    fold_constraints(&protocol.graph, &roots, &values, |leaf| leaf_name(protocol, leaf))
}

/// What is divided by, in words.
fn denominator_note(protocol: &Protocol) -> String {
    let mut parts = Vec::new();
    if !protocol.instance_queries.is_empty() {
        parts.push("that of the instances");
    }
    if protocol.divides_by_x() {
        parts.push("x");
    }
    parts.push("u^t − point for every opening");
    parts.join(", ")
}

fn query(rotation: i32) -> Query {
    let suffix = rotation_suffix(rotation);
    let value = Yul::mulmod(
        Yul::mulmod(
            Yul::load(format!("INSTANCE_NUMERATOR{suffix}")),
            Yul::load(format!("INVERSE_INSTANCE{suffix}")),
        ),
        Yul::atom("scale"),
    );
    let negated_point = match rotation {
        0 => "sub(r, mload(X))".to_owned(),
        _ => format!("mulmod(mload(X), mload(KEY_SHIFT{suffix}), r)"),
    };
    Query { negated_point, value: value.stored_at(&instance_name(rotation)), suffix }
}

/// One line of what the constraint system looks like.
fn summary(protocol: &Protocol) -> String {
    format!(
        "{} advice columns in {} phases, {} fixed columns of which {} secret, {} constraints; \
         {} commitments to columns, {} to the quotient",
        protocol.num_advice_columns(),
        protocol.phases.len(),
        protocol.num_fixed_columns,
        protocol.secret_columns.len(),
        protocol.constraints.len(),
        protocol.groups().count() + protocol.secret_scalars.len(),
        protocol.quotient_pieces
    )
}

/// `ok := and(lt(…), …)` over four words at a time.
fn range_checks(names: Vec<&str>) -> Vec<String> {
    names
        .chunks(4)
        .flat_map(|chunk| {
            let checks = chunk.iter().map(|name| Yul::below_r(Yul::load(*name)));
            checks.fold(Yul::atom("ok"), |all, check| Yul::and(check, all)).assigned_to("ok")
        })
        .collect()
}

/// A gate's name as the text of a line comment: no line breaks, nothing that changes
/// the direction of text.
fn comment(name: &str) -> String {
    name.chars()
        .map(|c| {
            let direction = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let separator = matches!(c, '\u{2028}' | '\u{2029}');
            if c.is_control() || direction || separator { ' ' } else { c }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_name_cannot_leave_its_comment() {
        assert_eq!(comment("a\n} evil\u{202e}\u{2028}"), "a } evil  ");
    }
}
