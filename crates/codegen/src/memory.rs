//! The verifier's memory: named words at fixed addresses.
//!
//! Addresses start behind the words that Solidity reserves, with room for variables
//! that solc's Yul pipeline may move from the stack to memory. Each word is written
//! before it is read; memory is never assumed to be zero. Two regions are
//! reused: the key's first words become the input of the pairing, and the first
//! transcript round, whose length depends on the number of instances, runs from the
//! end of the key over everything that is written later.

use verdict_kzg::{
    contract::{KeyWord, key_words, opening_points, weight_class},
    expression::Leaf,
    protocol::{ColumnId, Group, Protocol},
};

/// The first address that solc's legacy pipeline does not use itself.
const FREE: usize = 0x80;

/// The first address of the map. Compiling by way of Yul, solc moves variables that do
/// not fit the stack to addresses from 0x80 on: most of the evaluations, which it keeps
/// after their range check, and some more. The contract checks that they end before.
fn base(protocol: &Protocol) -> usize {
    let moved = protocol.num_evaluations() + protocol.num_points() + 40;
    (FREE + 32 * moved).next_multiple_of(0x100)
}

/// A named run of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Name of the Solidity constant that holds the address.
    pub name: String,
    /// Address of the first word.
    pub address: usize,
    /// Length in words.
    pub words: usize,
    /// What it holds.
    pub note: String,
}

/// A titled group of slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Title of the group.
    pub title: &'static str,
    /// Slots in ascending order.
    pub slots: Vec<Slot>,
}

/// The memory map of one shape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryMap {
    /// Groups in ascending order.
    pub sections: Vec<Section>,
    start: usize,
    end: usize,
}

/// "" for rotation 0, else "_NEXT_k" or "_PREV_k".
pub(crate) fn rotation_suffix(rotation: i32) -> String {
    match rotation {
        0 => String::new(),
        1.. => format!("_NEXT_{rotation}"),
        _ => format!("_PREV_{}", rotation.unsigned_abs()),
    }
}

/// x, ω·x, ω^-2·x …
pub(crate) fn rotation_point(rotation: i32) -> String {
    match rotation {
        0 => "x".to_owned(),
        1 => "ω·x".to_owned(),
        _ => format!("ω^{rotation}·x"),
    }
}

/// The word that holds a leaf of the gates.
pub(crate) fn leaf_name(protocol: &Protocol, leaf: Leaf) -> String {
    let value = |column: fn(usize) -> ColumnId, (index, rotation): (usize, i32)| {
        value_name(column(index), rotation)
    };
    match leaf {
        Leaf::Advice(i) => value(ColumnId::Advice, protocol.advice_queries[i]),
        Leaf::Fixed(i) => value(|column| ColumnId::Fixed(column, 0), protocol.fixed_queries[i]),
        Leaf::Instance(i) => instance_name(protocol.instance_queries[i]),
        Leaf::Challenge(i) => format!("CHALLENGE_{i}"),
        Leaf::Y => "Y".to_owned(),
    }
}

pub(crate) fn instance_name(rotation: i32) -> String {
    format!("EVAL_INSTANCE{}", rotation_suffix(rotation))
}

/// The word that holds a column's value at a rotation.
pub(crate) fn value_name(column: ColumnId, rotation: i32) -> String {
    let (kind, index) = match column {
        ColumnId::Advice(index) => ("ADVICE", index),
        ColumnId::Fixed(index, _) => ("FIXED", index),
    };
    format!("EVAL_{kind}_{index}{}", rotation_suffix(rotation + column.turn()))
}

/// The point of the group with this index among all groups.
pub(crate) fn group_name(protocol: &Protocol, index: usize) -> String {
    match index.checked_sub(protocol.num_advice_groups()) {
        None => format!("POINT_GROUP_{index}"),
        Some(key) => format!("KEY_GROUP_{key}"),
    }
}

/// A group's columns in words.
pub(crate) fn columns_of(group: &Group) -> String {
    let name = |column: &ColumnId| match column {
        ColumnId::Advice(index) => format!("advice {index}"),
        ColumnId::Fixed(index, 0) => format!("fixed {index}"),
        ColumnId::Fixed(index, turn) => format!("fixed {index} turned by {turn}"),
    };
    group.columns.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The point of a secret column.
pub(crate) fn secret_name(column: usize) -> String {
    format!("KEY_SECRET_{column}")
}

/// The word that holds B_s.
pub(crate) fn secret_scalar_name(column: usize) -> String {
    format!("SECRET_SCALAR_{column}")
}

impl MemoryMap {
    fn section(&mut self, title: &'static str) {
        self.sections.push(Section { title, slots: Vec::new() });
    }

    fn slot(&mut self, name: impl Into<String>, words: usize, note: impl Into<String>) {
        let address = self.end;
        self.end += 32 * words;
        let slot = Slot { name: name.into(), address, words, note: note.into() };
        if let Some(section) = self.sections.last_mut() {
            section.slots.push(slot);
        }
    }

    /// Lays out the memory for a protocol whose gates share `shared` words.
    pub(crate) fn new(protocol: &Protocol, rounds: &[Round], shared: usize) -> Self {
        let start = base(protocol);
        let mut map = Self { sections: Vec::new(), start, end: start };
        map.section("Key, as loaded from the key contract");
        for word in key_layout(protocol) {
            map.slot(word.name, word.words, word.note);
        }
        map.section("Proof, in transcript order; a digest in front of each round");
        for (index, round) in rounds.iter().enumerate() {
            if index > 0 {
                map.slot(round.digest_name(index), 1, "digest of the previous round");
            }
            for item in &round.items {
                map.slot(&item.name, item.words, &item.note);
            }
        }
        map.section("Challenges");
        for (name, note) in rounds.iter().flat_map(|round| &round.challenges) {
            map.slot(name, 1, note);
        }
        map.section("Values that only the verifier computes");
        map.slot("X_TO_N", 1, "x^n");
        for (fold, rotation) in opening_points(protocol) {
            map.slot(distance_name(fold, rotation), 1, distance_note(fold, rotation));
        }
        for rotation in &protocol.instance_queries {
            let suffix = rotation_suffix(*rotation);
            map.slot(format!("INSTANCE_NUMERATOR{suffix}"), 1, "Σ a_i/d_i, numerator");
            map.slot(format!("INSTANCE_DENOMINATOR{suffix}"), 1, "Σ a_i/d_i, denominator");
            map.slot(instance_name(*rotation), 1, "the instance polynomial's value");
        }
        for denominator in denominators(protocol) {
            let note = format!("1/({}); before, the product of those above", denominator.note);
            map.slot(denominator.inverse, 1, note);
        }
        for power in x_powers(protocol).into_iter().filter(|power| *power > 1) {
            map.slot(format!("INVERSE_X_{power}"), 1, format!("x^-{power}"));
        }
        map.slot("EVAL_LINEARISATION", 1, "what the gates say the linearisation is at x");
        for (column, _) in &protocol.secret_scalars {
            let note = format!("factor of fixed column {column} in the linearisation");
            map.slot(secret_scalar_name(*column), 1, note);
        }
        for index in 0..protocol.classes.len() {
            map.slot(
                class_scalar_name(index),
                1,
                format!("weight of the first group of class {index}"),
            );
        }
        map.slot("LINEARISATION_SCALAR", 1, "weight of the linearisation");
        map.slot("OPENED_VALUE", 1, "minus the opened value at u");
        for word in 0..shared {
            map.slot(format!("SHARED_{word}"), 1, "subexpression of the gates");
        }
        map.section("Curve arithmetic: inputs and outputs of the precompiles");
        map.slot("ACCUMULATOR", 2, "point to be multiplied");
        map.slot("SCALAR", 1, "its factor");
        map.slot("PRODUCT", 2, "the product");
        map.slot("ADDEND", 2, "point to be added to it");
        map.slot("TOTAL", 2, "sum so far");
        map.slot("TERM", 2, "next term of the sum");
        map
    }

    /// The slot of a name.
    pub fn get(&self, name: &str) -> Option<&Slot> {
        self.sections.iter().flat_map(|section| &section.slots).find(|slot| slot.name == name)
    }

    /// The map's first address.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The first address behind the map.
    pub fn end(&self) -> usize {
        self.end
    }
}

/// A word (or point) of the key payload.
pub(crate) struct KeySlot {
    pub(crate) name: String,
    pub(crate) words: usize,
    pub(crate) note: String,
}

/// The words of a key with their names.
pub(crate) fn key_layout(protocol: &Protocol) -> Vec<KeySlot> {
    let slot = |word: KeyWord| {
        let (name, note): (String, String) = match word {
            KeyWord::ShapeId => ("KEY_SHAPE_ID".into(), "shape id; later W', x".into()),
            KeyWord::NumInstances => {
                ("KEY_NUM_INSTANCES".into(), "number of instances; later W', y".into())
            }
            KeyWord::SG2 => ("KEY_S_G2".into(), "τ·G2".into()),
            KeyWord::K => ("KEY_K".into(), "log2 of the number of rows n; later F, x".into()),
            KeyWord::InverseOfN => ("KEY_INVERSE_OF_N".into(), "1/n; later F, y".into()),
            KeyWord::NegatedG2 => ("KEY_NEGATED_G2".into(), "−G2".into()),
            KeyWord::InverseOfOmega => ("KEY_INVERSE_OF_OMEGA".into(), "1/ω".into()),
            KeyWord::Shift(at) => (format!("KEY_SHIFT{}", rotation_suffix(at)), format!("−ω^{at}")),
            KeyWord::Weight { class, rotation } => {
                let rotations = &protocol.classes[class].rotations;
                let note = format!("1/Π (ω^{rotation} − ω^other), others of {rotations:?}");
                (weight_name(protocol, class, rotation), note)
            }
            KeyWord::Group(index) => {
                let columns = columns_of(&protocol.key_groups[index]);
                (format!("KEY_GROUP_{index}"), format!("commitment to {columns}"))
            }
            KeyWord::Secret(index) => {
                let (column, _) = protocol.secret_scalars[index];
                (secret_name(column), format!("commitment to secret fixed column {column}"))
            }
            KeyWord::Digest => ("KEY_DIGEST".into(), "digest of the verifying key".into()),
        };
        KeySlot { name, words: word.words(), note }
    };
    key_words(protocol).into_iter().map(slot).collect()
}

pub(crate) fn weight_name(protocol: &Protocol, class: usize, rotation: i32) -> String {
    format!("KEY_WEIGHT_{}{}", weight_class(protocol, class), rotation_suffix(rotation))
}

pub(crate) fn class_scalar_name(class: usize) -> String {
    format!("CLASS_SCALAR_{class}")
}

pub(crate) fn distance_name(fold: usize, rotation: i32) -> String {
    let suffix = rotation_suffix(rotation);
    if fold == 1 { format!("DISTANCE{suffix}") } else { format!("DISTANCE_FOLD_{fold}{suffix}") }
}

pub(crate) fn distance_note(fold: usize, rotation: i32) -> String {
    let point = rotation_point(rotation);
    if fold == 1 { format!("u − {point}") } else { format!("u^{fold} − {point}") }
}

/// Something the verifier divides by.
pub(crate) struct Denominator {
    pub(crate) inverse: String,
    pub(crate) note: String,
    pub(crate) kind: DenominatorKind,
}

/// Which denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DenominatorKind {
    Instance(i32),
    X,
    /// u^fold − point.
    Distance(usize, i32),
}

/// All denominators, in the order in which they are multiplied.
pub(crate) fn denominators(protocol: &Protocol) -> Vec<Denominator> {
    let entry = |inverse: String, note: String, kind| Denominator { inverse, note, kind };
    let mut list = Vec::new();
    for rotation in &protocol.instance_queries {
        let name = format!("INVERSE_INSTANCE{}", rotation_suffix(*rotation));
        list.push(entry(name, "instances".to_owned(), DenominatorKind::Instance(*rotation)));
    }
    if protocol.divides_by_x() {
        list.push(entry("INVERSE_X".to_owned(), "x".to_owned(), DenominatorKind::X));
    }
    for (fold, rotation) in opening_points(protocol) {
        let name = format!("INVERSE_{}", distance_name(fold, rotation));
        let kind = DenominatorKind::Distance(fold, rotation);
        list.push(entry(name, distance_note(fold, rotation), kind));
    }
    list
}

/// Powers of 1/x that the interpolations need, ascending.
pub(crate) fn x_powers(protocol: &Protocol) -> Vec<usize> {
    let mut powers: Vec<_> =
        protocol.classes.iter().map(|class| class.rotations.len() - 1).filter(|p| *p > 0).collect();
    powers.sort_unstable();
    powers.dedup();
    powers
}

/// A part of the proof: a point or a scalar.
#[derive(Debug, Clone)]
pub(crate) struct ProofItem {
    pub(crate) name: String,
    pub(crate) words: usize,
    pub(crate) note: String,
}

/// What is absorbed between two groups of challenges.
#[derive(Debug, Clone, Default)]
pub(crate) struct Round {
    pub(crate) items: Vec<ProofItem>,
    /// Words of `items` that are hashed; the last round carries more.
    pub(crate) hashed_words: usize,
    /// Challenges drawn after it: name and meaning.
    pub(crate) challenges: Vec<(String, String)>,
}

impl Round {
    pub(crate) fn digest_name(&self, index: usize) -> String {
        format!("ROUND_{index}")
    }

    fn point(&mut self, name: String, note: String) {
        self.items.push(ProofItem { name, words: 2, note });
        self.hashed_words += 2;
    }

    fn scalar(&mut self, name: String, note: String) {
        self.items.push(ProofItem { name, words: 1, note });
        self.hashed_words += 1;
    }

    fn draw(&mut self, name: &str, note: &str) {
        self.challenges.push((name.to_owned(), note.to_owned()));
    }

    pub(crate) fn words(&self) -> usize {
        self.items.iter().map(|item| item.words).sum()
    }
}

/// The transcript's rounds, in the protocol's order.
pub(crate) fn rounds(protocol: &Protocol) -> Vec<Round> {
    let mut rounds = Vec::new();
    let mut round = Round::default();
    let mut groups = 0;
    for (number, phase) in protocol.phases.iter().enumerate() {
        for group in &phase.groups {
            let note = format!("commitment to {}", columns_of(group));
            round.point(group_name(protocol, groups), note);
            groups += 1;
        }
        for challenge in &phase.challenges {
            let note = format!("challenge {challenge}, after phase {}", number + 1);
            round.draw(&format!("CHALLENGE_{challenge}"), &note);
        }
        if !phase.challenges.is_empty() && number + 1 < protocol.phases.len() {
            push(&mut rounds, std::mem::take(&mut round));
        }
    }
    round.draw("Y", "folds the constraints");
    push(&mut rounds, std::mem::take(&mut round));

    for piece in 0..protocol.quotient_pieces {
        let note = match protocol.quotient_pieces {
            1 => "commitment to the quotient".to_owned(),
            _ => format!("commitment to piece {piece} of the quotient"),
        };
        round.point(format!("POINT_QUOTIENT_{piece}"), note);
    }
    round.draw("X", "where the polynomials are evaluated");
    rounds.push(std::mem::take(&mut round));

    for group in protocol.groups() {
        for column in &group.columns {
            for rotation in &group.rotations {
                let (kind, index) = match column {
                    ColumnId::Advice(index) => ("advice", index),
                    ColumnId::Fixed(index, _) => ("fixed", index),
                };
                let point = rotation_point(*rotation + column.turn());
                let note = format!("{kind} column {index} at {point}");
                round.scalar(value_name(*column, *rotation), note);
            }
        }
    }
    round.draw("OPENING_V", "combines the groups");
    rounds.push(std::mem::take(&mut round));

    round.point("POINT_W".to_owned(), "first opening proof W".to_owned());
    round.draw("OPENING_U", "where the combination is opened");
    // Nothing is drawn after W', so it is copied along but not hashed.
    let note = "second opening proof W'".to_owned();
    round.items.push(ProofItem { name: "POINT_W_PRIME".to_owned(), words: 2, note });
    rounds.push(round);
    rounds
}

/// Challenges with nothing absorbed before them belong to the round before.
fn push(rounds: &mut Vec<Round>, round: Round) {
    match rounds.last_mut().filter(|_| round.items.is_empty()) {
        Some(last) => last.challenges.extend(round.challenges),
        None => rounds.push(round),
    }
}

#[cfg(test)]
mod tests {
    use verdict_prover::{keys, plan::OPENINGS, shape::Shape};

    use super::*;
    use crate::{ShapeVerifier, shape_verifier};

    fn verifiers() -> [ShapeVerifier; 4] {
        OPENINGS.map(|opening| {
            let protocol = keys::protocol(&Shape::default(), opening);
            shape_verifier(&protocol.expect("the dense shape is supported")).expect("it renders")
        })
    }

    fn maps() -> [MemoryMap; 4] {
        verifiers().map(|verifier| verifier.memory)
    }

    #[test]
    fn slots_follow_each_other_without_gap_or_overlap() {
        for map in maps() {
            let mut end = map.start();
            for slot in map.sections.iter().flat_map(|section| &section.slots) {
                assert_eq!(slot.address, end, "{}", slot.name);
                end += 32 * slot.words;
            }
            assert_eq!(end, map.end());
        }
    }

    #[test]
    fn names_are_distinct_and_each_is_used_by_the_contract() {
        for verifier in verifiers() {
            let mut names = std::collections::HashSet::new();
            for slot in verifier.memory.sections.iter().flat_map(|section| &section.slots) {
                assert!(names.insert(slot.name.clone()), "{} twice", slot.name);
                // The declaration, and at least one use.
                let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let uses = verifier.source.split(|c| !word(c)).filter(|text| *text == slot.name);
                let implicit =
                    ["KEY_S_G2", "KEY_NEGATED_G2", "PRODUCT", "ADDEND", "KEY_NUM_INSTANCES"];
                let expected = if implicit.contains(&&*slot.name) { 1 } else { 2 };
                assert!(uses.count() >= expected, "{} is not used", slot.name);
            }
        }
    }

    #[test]
    fn the_key_begins_as_the_pairings_input() {
        for map in maps() {
            let offset = |name| map.get(name).expect("a key word").address - map.start();
            assert_eq!(offset("KEY_SHAPE_ID"), 0x00);
            assert_eq!(offset("KEY_S_G2"), 0x40);
            assert_eq!(offset("KEY_K"), 0xc0);
            assert_eq!(offset("KEY_NEGATED_G2"), 0x100);
            // The words that the two points overwrite.
            assert_eq!(offset("KEY_NUM_INSTANCES"), 0x20);
            assert_eq!(offset("KEY_INVERSE_OF_N"), 0xe0);
        }
    }

    #[test]
    fn the_precompiles_inputs_are_contiguous() {
        for map in maps() {
            let address = |name| map.get(name).expect("a slot").address;
            assert_eq!(address("SCALAR"), address("ACCUMULATOR") + 0x40);
            assert_eq!(address("ADDEND"), address("PRODUCT") + 0x40);
            assert_eq!(address("TERM"), address("TOTAL") + 0x40);
        }
    }
}
