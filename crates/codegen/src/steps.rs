//! The statements of each protocol step, as lines of Yul.
//!
//! The template explains the steps; this module writes what depends on the shape.

use verdict_kzg::protocol::{Commitment, Protocol, RotationSet};

use crate::{
    memory::{
        Denominator, DenominatorKind, Round, commitment_name, denominators, evaluation_name,
        rotation_point, rotation_suffix, secret_scalar_name, weight_name, x_powers,
    },
    yul::Yul,
};

fn word_after(name: &str, bytes: usize) -> String {
    format!("add({name}, {bytes:#04x})")
}

/// Step 3: replay the transcript.
pub(crate) fn transcript(rounds: &[Round]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut offset = 0;
    for (index, round) in rounds.iter().enumerate() {
        let names: Vec<_> = round.challenges.iter().map(|(name, _)| &**name).collect();
        lines.push(format!("// Round {index}; draws {}.", names.join(", ")));
        let bytes = 32 * round.words();
        if index == 0 {
            lines.extend([
                "let size := shl(5, instances.length)".to_owned(),
                format!("calldatacopy({}, instances.offset, size)", word_after("KEY_DIGEST", 32)),
                format!(
                    "calldatacopy(add({}, size), proof.offset, {bytes:#04x})",
                    word_after("KEY_DIGEST", 32)
                ),
                format!("let digest := keccak256(KEY_DIGEST, add(size, {:#04x}))", bytes + 32),
            ]);
        } else {
            let name = round.digest_name(index);
            let hashed = 32 * (round.hashed_words + 1);
            lines.extend([
                format!(
                    "calldatacopy({}, add(proof.offset, {offset:#06x}), {bytes:#04x})",
                    word_after(&name, 32)
                ),
                format!("digest := keccak256({name}, {hashed:#04x})"),
            ]);
        }
        for (position, (name, _)) in round.challenges.iter().enumerate() {
            let next = round.digest_name(index + 1);
            if position > 0 {
                lines.push(format!("mstore8({}, 1)", word_after(&next, 32)));
                lines.push(format!("digest := keccak256({next}, 0x21)"));
            }
            lines.push(format!("mstore({name}, mod(digest, r))"));
            if index + 1 < rounds.len() {
                lines.push(format!("mstore({next}, digest)"));
            }
        }
        offset += bytes;
    }
    let first = &rounds[0];
    if let Some(item) = first.items.first() {
        lines.push("// The points of round 0, now at their own place.".to_owned());
        lines.push(format!(
            "calldatacopy({}, proof.offset, {:#04x})",
            item.name,
            32 * first.words()
        ));
    }
    lines
}

/// Step 5: the differences u − point, and the product of all denominators so far.
pub(crate) fn distances(protocol: &Protocol) -> Vec<String> {
    let mut lines = Vec::new();
    for Denominator { inverse, kind, .. } in denominators(protocol) {
        let value = match kind {
            DenominatorKind::Instance(rotation) => {
                Yul::load(format!("INSTANCE_DENOMINATOR{}", rotation_suffix(rotation)))
            }
            DenominatorKind::X => Yul::atom("x"),
            DenominatorKind::Distance(rotation) => {
                lines.push(format!("// u − {}", rotation_point(rotation)));
                let name = format!("DISTANCE{}", rotation_suffix(rotation));
                let shift = format!("KEY_SHIFT{}", rotation_suffix(rotation));
                let negated_point = match rotation {
                    0 => Yul::sub(Yul::atom("r"), Yul::atom("x")),
                    _ => Yul::mulmod(Yul::atom("x"), Yul::load(shift)),
                };
                let distance = Yul::add(Yul::atom("u"), negated_point);
                lines.extend(distance.assigned_to("distance"));
                lines.push(format!("mstore({name}, distance)"));
                Yul::atom("distance")
            }
        };
        lines.push(format!("mstore({inverse}, product)"));
        lines.extend(Yul::mulmod(Yul::atom("product"), value).assigned_to("product"));
    }
    lines
}

/// Step 6: from the inverse of the product to the inverse of each denominator.
pub(crate) fn inverses(protocol: &Protocol) -> Vec<String> {
    let mut lines = Vec::new();
    for Denominator { inverse, kind, .. } in denominators(protocol).iter().rev() {
        let value = match kind {
            DenominatorKind::Instance(rotation) => {
                format!("INSTANCE_DENOMINATOR{}", rotation_suffix(*rotation))
            }
            DenominatorKind::X => "X".to_owned(),
            DenominatorKind::Distance(rotation) => {
                format!("DISTANCE{}", rotation_suffix(*rotation))
            }
        };
        lines.push(format!("mstore({inverse}, mulmod(inverse, mload({inverse}), r))"));
        lines.push(format!("inverse := mulmod(inverse, mload({value}), r)"));
    }
    lines
}

fn inverse_x(power: usize) -> String {
    if power == 1 { "INVERSE_X".to_owned() } else { format!("INVERSE_X_{power}") }
}

/// Step 8: powers of 1/x for the interpolations.
pub(crate) fn inverse_powers(protocol: &Protocol) -> Vec<String> {
    let powers = x_powers(protocol);
    let Some(last) = powers.last().copied().filter(|power| *power > 1) else {
        return Vec::new();
    };
    let mut lines = vec!["let power := mload(INVERSE_X)".to_owned()];
    for power in 2..=last {
        lines.push("power := mulmod(power, mload(INVERSE_X), r)".to_owned());
        if powers.contains(&power) {
            lines.push(format!("mstore({}, power)", inverse_x(power)));
        }
    }
    lines
}

/// Step 8: the value at u of what the sets should interpolate to, divided by the
/// vanishing polynomial of set 0; Horner's rule in y within a set, in v over sets.
pub(crate) fn opened_value(protocol: &Protocol) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, set) in protocol.sets.iter().enumerate().rev() {
        let points: Vec<_> = set.rotations.iter().map(|at| rotation_point(*at)).collect();
        lines.push(format!("// Set {index}, opened at {}.", points.join(", ")));
        let interpolated = interpolate(protocol, index, set, &mut lines);
        if index + 1 == protocol.sets.len() {
            lines.extend(interpolated.assigned_to("opened"));
        } else {
            let shifted = Yul::mulmod(Yul::atom("opened"), Yul::atom("v"));
            lines.extend(Yul::add(shifted, interpolated).assigned_to("opened"));
        }
    }
    lines
}

fn interpolate(
    protocol: &Protocol,
    index: usize,
    set: &RotationSet,
    lines: &mut Vec<String>,
) -> Yul {
    for (position, rotation) in set.rotations.iter().enumerate() {
        for (rank, member) in set.members.iter().rev().enumerate() {
            let value = Yul::load(evaluation_name(protocol, member.evaluations[position]));
            let folded = match rank {
                0 => value,
                _ => Yul::add(Yul::mulmod(Yul::atom("value"), Yul::atom("y")), value),
            };
            lines.extend(folded.assigned_to("value"));
        }
        let inverse = format!("INVERSE_DISTANCE{}", rotation_suffix(*rotation));
        let mut term = Yul::mulmod(Yul::atom("value"), Yul::load(inverse));
        if set.rotations.len() > 1 {
            term = Yul::mulmod(term, Yul::load(weight_name(index, *rotation)));
        }
        match position {
            _ if set.rotations.len() == 1 => return term,
            0 => lines.extend(term.assigned_to("sum")),
            // The sum's bound grows by r each time; past 4r it is reduced.
            _ if position % 4 == 0 => {
                lines.extend(Yul::addmod(Yul::atom("sum"), term).assigned_to("sum"));
            }
            _ => lines.extend(Yul::add(Yul::atom("sum"), term).assigned_to("sum")),
        }
    }
    Yul::mulmod(Yul::atom("sum"), Yul::load(inverse_x(set.rotations.len() - 1)))
}

/// Step 8: the vanishing polynomial of set 0 at u, reduced because it is negated. A
/// DISTANCE may be up to 2·r.
pub(crate) fn first_vanishing(protocol: &Protocol) -> Vec<String> {
    let rotations = &protocol.sets[0].rotations;
    let mut lines = Vec::new();
    for (position, rotation) in rotations.iter().enumerate() {
        let distance = format!("mload(DISTANCE{})", rotation_suffix(*rotation));
        lines.push(match position {
            0 if rotations.len() == 1 => format!("let vanishing := mod({distance}, r)"),
            0 => format!("let vanishing := {distance}"),
            _ => format!("vanishing := mulmod(vanishing, {distance}, r)"),
        });
    }
    lines
}

/// Step 8: v^i·Z_0(u)/Z_i(u) for the sets behind the first; equal factors cancel.
pub(crate) fn set_scalars(protocol: &Protocol) -> Vec<String> {
    let first = &protocol.sets[0].rotations;
    let mut lines = Vec::new();
    for (index, set) in protocol.sets.iter().enumerate().skip(1) {
        if index > 1 {
            lines.push("power_of_v := mulmod(power_of_v, v, r)".to_owned());
        }
        let numerators = first.iter().filter(|at| !set.rotations.contains(at));
        let divisors = set.rotations.iter().filter(|at| !first.contains(at));
        let factors = numerators
            .map(|at| ("DISTANCE", at))
            .chain(divisors.map(|at| ("INVERSE_DISTANCE", at)))
            .map(|(kind, at)| format!("mload({kind}{})", rotation_suffix(*at)));
        let mut value = "power_of_v";
        for factor in factors {
            lines.push(format!("value := mulmod({value}, {factor}, r)"));
            value = "value";
        }
        lines.push(format!("mstore(SET_SCALAR_{index}, {value})"));
    }
    lines
}

/// ecMul of the accumulator into PRODUCT, then ecAdd of ADDEND into `target`.
fn multiply_add(point: &str, target: &str, lines: &mut Vec<String>) {
    lines.extend([
        format!("mcopy(ADDEND, {point}, 0x40)"),
        "ok := and(".to_owned(),
        "    and(".to_owned(),
        format!("        staticcall(gas(), EC_ADD, PRODUCT, 0x80, {target}, 0x40),"),
        "        staticcall(gas(), EC_MUL, ACCUMULATOR, 0x60, PRODUCT, 0x40)".to_owned(),
        "    ),".to_owned(),
        "    ok".to_owned(),
        ")".to_owned(),
    ]);
}

/// ecMul of the accumulator into TERM, then ecAdd of TOTAL into `target`.
fn accumulate(target: &str, lines: &mut Vec<String>) {
    lines.extend([
        "ok := and(".to_owned(),
        "    and(".to_owned(),
        format!("        staticcall(gas(), EC_ADD, TOTAL, 0x80, {target}, 0x40),"),
        "        staticcall(gas(), EC_MUL, ACCUMULATOR, 0x60, TERM, 0x40)".to_owned(),
        "    ),".to_owned(),
        "    ok".to_owned(),
        ")".to_owned(),
    ]);
}

/// ecMul of `point` by `scalar`, added to TOTAL.
fn add_term(point: &str, scalar: &str, lines: &mut Vec<String>) {
    lines.push(format!("mcopy(ACCUMULATOR, {point}, 0x40)"));
    lines.push(format!("mstore(SCALAR, {scalar})"));
    accumulate("TOTAL", lines);
}

/// Step 9: Σ v^i·Z_0/Z_i·Σ y^j·C_ij, Horner's rule in y within a set. The linearisation is
/// its set's last member: its parts take their factors directly.
pub(crate) fn commitments(protocol: &Protocol) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, set) in protocol.sets.iter().enumerate() {
        let names: Vec<_> = set
            .members
            .iter()
            .filter(|member| member.commitment != Commitment::Linearisation)
            .map(|member| commitment_name(member.commitment))
            .collect();
        lines.push(format!("// Set {index}: {}.", describe(set)));
        if let Some(last) = names.last() {
            let single = names.len() == 1;
            let result = if index == 0 { "TOTAL" } else { "ACCUMULATOR" };
            let start = if single { result } else { "ACCUMULATOR" };
            lines.push(format!("mcopy({start}, {last}, 0x40)"));
            if !single {
                lines.push("mstore(SCALAR, mload(OPENING_Y))".to_owned());
            }
            for (position, name) in names.iter().enumerate().rev().skip(1) {
                let target = if position == 0 { result } else { "ACCUMULATOR" };
                multiply_add(name, target, &mut lines);
            }
            if index > 0 {
                lines.push(format!("mstore(SCALAR, mload(SET_SCALAR_{index}))"));
                accumulate("TOTAL", &mut lines);
            }
        }
        if names.len() < set.members.len() {
            linearisation(protocol, index, names.len(), &mut lines);
        }
    }
    lines
}

/// Step 9: the linearisation's parts, the set's member behind `before` others:
/// Σ B_s·S_s and (1 − x^n)·Σ x^(i·(n−1))·H_i.
fn linearisation(protocol: &Protocol, set: usize, before: usize, lines: &mut Vec<String>) {
    lines.push("// The linearisation: secret columns and the quotient's pieces.".to_owned());
    let mut weight = match set {
        0 => "1".to_owned(),
        _ => format!("mload(SET_SCALAR_{set})"),
    };
    lines.push("{".to_owned());
    lines.push("    let r := R".to_owned());
    lines.push("    let y := mload(OPENING_Y)".to_owned());
    lines.push(format!("    let weight := {weight}"));
    weight = "weight".to_owned();
    let mut inner = vec![format!("{weight} := mulmod({weight}, y, r)"); before];
    for (column, _) in &protocol.secret_scalars {
        let point = commitment_name(Commitment::Fixed(*column));
        let scalar = format!("mulmod(weight, mload({}), r)", secret_scalar_name(*column));
        add_term(&point, &scalar, &mut inner);
    }
    inner.push("weight := mulmod(weight, sub(add(r, 1), mload(X_TO_N)), r)".to_owned());
    for piece in 0..protocol.quotient_pieces {
        if piece == 1 {
            inner.push("let step := mulmod(mload(X_TO_N), mload(INVERSE_X), r)".to_owned());
        }
        if piece > 0 {
            inner.push("weight := mulmod(weight, step, r)".to_owned());
        }
        add_term(&format!("POINT_QUOTIENT_{piece}"), "weight", &mut inner);
    }
    lines.extend(inner.into_iter().map(|line| format!("    {line}")));
    lines.push("}".to_owned());
}

fn describe(set: &RotationSet) -> String {
    let names: Vec<_> = set
        .members
        .iter()
        .map(|member| match member.commitment {
            Commitment::Advice(column) => format!("advice {column}"),
            Commitment::Fixed(column) => format!("fixed {column}"),
            Commitment::Linearisation => "linearisation".to_owned(),
        })
        .collect();
    names.join(", ")
}

/// Step 9: the three terms that the opening adds.
pub(crate) fn opening_terms() -> Vec<String> {
    let mut lines = vec![
        "// Minus the opened value times G1.".to_owned(),
        "mstore(ACCUMULATOR, 1)".to_owned(),
        format!("mstore({}, 2)", word_after("ACCUMULATOR", 32)),
        "mstore(SCALAR, mload(OPENED_VALUE))".to_owned(),
    ];
    accumulate("TOTAL", &mut lines);
    lines.extend([
        "// Minus Z_0(u)·W.".to_owned(),
        "mcopy(ACCUMULATOR, POINT_W, 0x40)".to_owned(),
        "mstore(SCALAR, mload(SET_0_VANISHING))".to_owned(),
    ]);
    accumulate("TOTAL", &mut lines);
    lines.extend([
        "// Plus u·W'; the sum F goes to its place in the pairing's input.".to_owned(),
        "mcopy(ACCUMULATOR, POINT_W_PRIME, 0x40)".to_owned(),
        "mstore(SCALAR, mload(OPENING_U))".to_owned(),
    ]);
    accumulate("KEY_K", &mut lines);
    lines
}
