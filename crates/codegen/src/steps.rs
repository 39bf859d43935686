//! The statements of each protocol step, as lines of Yul.
//!
//! The template explains the steps; this module writes what depends on the shape.

use verdict_kzg::protocol::{Class, Group, Protocol};

use crate::{
    memory::{
        Denominator, DenominatorKind, Round, class_scalar_name, columns_of, denominators,
        distance_name, distance_note, group_name, rotation_point, rotation_suffix, secret_name,
        secret_scalar_name, value_name, weight_name, x_powers,
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

/// Step 5: the differences u^t − point, and the product of all denominators so far.
pub(crate) fn distances(protocol: &Protocol) -> Vec<String> {
    let mut lines = Vec::new();
    let mut raised = 1;
    for Denominator { inverse, kind, .. } in denominators(protocol) {
        let value = match kind {
            DenominatorKind::Instance(rotation) => {
                Yul::load(format!("INSTANCE_DENOMINATOR{}", rotation_suffix(rotation)))
            }
            DenominatorKind::X => Yul::atom("x"),
            DenominatorKind::Distance(fold, rotation) => {
                if fold != raised {
                    lines.push(format!("// u^{fold}"));
                    lines.extend(power("raised", "u", fold));
                    raised = fold;
                }
                lines.push(format!("// {}", distance_note(fold, rotation)));
                let shift = format!("KEY_SHIFT{}", rotation_suffix(rotation));
                let negated_point = match rotation {
                    0 => Yul::sub(Yul::atom("r"), Yul::atom("x")),
                    _ => Yul::mulmod(Yul::atom("x"), Yul::load(shift)),
                };
                let of = if fold == 1 { "u" } else { "raised" };
                let distance = Yul::add(Yul::atom(of), negated_point);
                lines.extend(distance.assigned_to("distance"));
                lines.push(format!("mstore({}, distance)", distance_name(fold, rotation)));
                Yul::atom("distance")
            }
        };
        lines.push(format!("mstore({inverse}, product)"));
        lines.extend(Yul::mulmod(Yul::atom("product"), value).assigned_to("product"));
    }
    lines
}

/// `target := base^exponent`, by squaring and multiplying; the exponent is above 1.
fn power(target: &str, base: &str, exponent: usize) -> Vec<String> {
    let bits = usize::BITS - exponent.leading_zeros();
    let mut lines = vec![format!("{target} := mulmod({base}, {base}, r)")];
    for bit in (0..bits.saturating_sub(1)).rev() {
        if exponent >> bit & 1 == 1 {
            lines.push(format!("{target} := mulmod({target}, {base}, r)"));
        }
        if bit > 0 {
            lines.push(format!("{target} := mulmod({target}, {target}, r)"));
        }
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
            DenominatorKind::Distance(fold, rotation) => distance_name(*fold, *rotation),
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

/// Step 8: R_c(u)/Z_c(u) of each class and the weights of the groups, `v^e/Z_c(u)` of the
/// first of each class; `opened` collects what is claimed.
pub(crate) fn opened_value(protocol: &Protocol) -> Vec<String> {
    let groups: Vec<&Group> = protocol.groups().collect();
    let mut lines = Vec::new();
    for (index, class) in protocol.classes.iter().enumerate() {
        let points: Vec<_> = class.rotations.iter().map(|at| rotation_point(*at)).collect();
        let opened = points.join(", ");
        lines.push(match class.fold {
            1 => format!("// Class {index}, columns opened at {opened}."),
            fold => format!("// Class {index}, groups of {fold} columns opened at {opened}."),
        });
        let claimed = claimed(protocol, index, class, &groups, &mut lines);
        let inverse = |rotation: &i32| format!("INVERSE_{}", distance_name(class.fold, *rotation));
        let mut inverses = class.rotations.iter().map(inverse).map(Yul::load);
        let mut scalar = match index {
            0 => inverses.next().unwrap_or_else(|| Yul::atom("1")),
            _ => Yul::atom("power"),
        };
        scalar = inverses.fold(scalar, Yul::mulmod);
        lines.extend(scalar.stored_at(&class_scalar_name(index)));
        match index {
            0 => lines.extend(claimed.assigned_to("opened")),
            // Its bound grows by r each time; past 4r it is reduced.
            _ => {
                let term = Yul::mulmod(Yul::atom("power"), claimed);
                let opened = Yul::atom("opened");
                let sum =
                    if index % 4 == 0 { Yul::addmod(opened, term) } else { Yul::add(opened, term) };
                lines.extend(sum.assigned_to("opened"));
            }
        }
        lines.extend(next_power(index == 0, class.groups.len()));
    }
    lines
}

/// `power` times v^count; it begins as 1.
fn next_power(first: bool, count: usize) -> Vec<String> {
    match (first, count) {
        (true, 1) => vec!["power := v".to_owned()],
        (true, _) => power("power", "v", count),
        (false, 1) => vec!["power := mulmod(power, v, r)".to_owned()],
        (false, _) => {
            let mut lines = power("value", "v", count);
            lines.push("power := mulmod(power, value, r)".to_owned());
            lines
        }
    }
}

/// Step 8: Σ v^i·R_i(u)/Z_c(u) over the groups of a class, below r: interpolation in
/// Lagrange form, Horner's rule in u within a group, in v over groups.
fn claimed(
    protocol: &Protocol,
    index: usize,
    class: &Class,
    groups: &[&Group],
    lines: &mut Vec<String>,
) -> Yul {
    for (position, rotation) in class.rotations.iter().enumerate() {
        for (rank, group) in class.groups.iter().rev().enumerate() {
            // Single columns need no sum of their own.
            let (sum, base) = if class.fold == 1 { ("value", "v") } else { ("inner", "u") };
            for (place, column) in groups[*group].columns.iter().rev().enumerate() {
                let value = Yul::load(value_name(*column, *rotation));
                let begins = if class.fold == 1 { rank == 0 } else { place == 0 };
                let folded = match begins {
                    true => value,
                    false => Yul::add(Yul::mulmod(Yul::atom(sum), Yul::atom(base)), value),
                };
                lines.extend(folded.assigned_to(sum));
            }
            if class.fold > 1 {
                let inner = Yul::atom("inner");
                let folded = match rank {
                    0 => inner,
                    _ => Yul::add(Yul::mulmod(Yul::atom("value"), Yul::atom("v")), inner),
                };
                lines.extend(folded.assigned_to("value"));
            }
        }
        let inverse = format!("INVERSE_{}", distance_name(class.fold, *rotation));
        let mut term = Yul::mulmod(Yul::atom("value"), Yul::load(inverse));
        if class.rotations.len() > 1 {
            term = Yul::mulmod(term, Yul::load(weight_name(protocol, index, *rotation)));
        }
        match position {
            _ if class.rotations.len() == 1 => return term,
            0 => lines.extend(term.assigned_to("sum")),
            // The sum's bound grows by r each time; past 4r it is reduced.
            _ if position % 4 == 0 => {
                lines.extend(Yul::addmod(Yul::atom("sum"), term).assigned_to("sum"));
            }
            _ => lines.extend(Yul::add(Yul::atom("sum"), term).assigned_to("sum")),
        }
    }
    Yul::mulmod(Yul::atom("sum"), Yul::load(inverse_x(class.rotations.len() - 1)))
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

/// Step 9: Σ v^e/Z_c·F_e, Horner's rule in v within a class; then the linearisation.
pub(crate) fn commitments(protocol: &Protocol) -> Vec<String> {
    let groups: Vec<&Group> = protocol.groups().collect();
    let mut lines = Vec::new();
    for (index, class) in protocol.classes.iter().enumerate() {
        let columns: Vec<_> =
            class.groups.iter().map(|group| format!("({})", columns_of(groups[*group]))).collect();
        lines.push(format!("// Class {index}: {}.", columns.join(", ")));
        let mut names = class.groups.iter().rev().map(|group| group_name(protocol, *group));
        if let Some(last) = names.next() {
            lines.push(format!("mcopy(ACCUMULATOR, {last}, 0x40)"));
        }
        if class.groups.len() > 1 {
            lines.push("mstore(SCALAR, mload(OPENING_V))".to_owned());
        }
        names.for_each(|name| multiply_add(&name, "ACCUMULATOR", &mut lines));
        lines.push(format!("mstore(SCALAR, mload({}))", class_scalar_name(index)));
        match index {
            0 => lines.push(
                "ok := and(staticcall(gas(), EC_MUL, ACCUMULATOR, 0x60, TOTAL, 0x40), ok)"
                    .to_owned(),
            ),
            _ => accumulate("TOTAL", &mut lines),
        }
    }
    linearisation(protocol, &mut lines);
    lines
}

/// Step 9: the linearisation's parts: Σ B_s·S_s and (1 − x^n)·Σ x^(i·(n−1))·H_i.
fn linearisation(protocol: &Protocol, lines: &mut Vec<String>) {
    let mut inner = Vec::new();
    for (column, _) in &protocol.secret_scalars {
        let scalar = format!("mulmod(weight, mload({}), r)", secret_scalar_name(*column));
        add_term(&secret_name(*column), &scalar, &mut inner);
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
    lines.extend([
        "// The linearisation: secret columns and the quotient.".to_owned(),
        "{".to_owned(),
        "    let r := R".to_owned(),
        "    let weight := mload(LINEARISATION_SCALAR)".to_owned(),
    ]);
    lines.extend(inner.into_iter().map(|line| format!("    {line}")));
    lines.push("}".to_owned());
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
        "// Minus W: no point of the curve has y = 0.".to_owned(),
        "mstore(TERM, mload(POINT_W))".to_owned(),
        format!("mstore({}, sub(Q, mload({})))", word_after("TERM", 32), word_after("POINT_W", 32)),
        "ok := and(staticcall(gas(), EC_ADD, TOTAL, 0x80, TOTAL, 0x40), ok)".to_owned(),
        "// Plus u·W'; the sum F goes to its place in the pairing's input.".to_owned(),
        "mcopy(ACCUMULATOR, POINT_W_PRIME, 0x40)".to_owned(),
        "mstore(SCALAR, mload(OPENING_U))".to_owned(),
    ]);
    accumulate("KEY_K", &mut lines);
    lines
}
