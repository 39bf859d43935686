//! Gas, put down to the parts of a transaction.

use std::collections::BTreeMap;

use verdict_codegen::explain::{Outline, Part, Rules, Run, Spending};

use super::{Gas, GasPart, scene::Scene};

/// Opcodes that are told apart outside of the verifier.
mod opcode {
    pub(super) const KECCAK256: u8 = 0x20;
    pub(super) const EXTCODEHASH: u8 = 0x3f;
    pub(super) const SLOAD: u8 = 0x54;
    pub(super) const SSTORE: u8 = 0x55;
    pub(super) const LOG0: u8 = 0xa0;
    pub(super) const LOG4: u8 = 0xa4;
    pub(super) const STATICCALL: u8 = 0xfa;
}

/// The groups of a verifier's parts, in the order in which they are told.
const GROUPS: [&str; 7] =
    ["checks", "key", "hashing", "evaluations", "gates", "commitments", "pairing"];

/// Parts in the order in which they are told: the transaction's, the oracle's, the registry's, the
/// verifier's.
pub(super) struct Ledger<'a> {
    outline: &'a Outline,
    parts: BTreeMap<(usize, usize), (Part, Gas)>,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(outline: &'a Outline) -> Self {
        Self { outline, parts: BTreeMap::new() }
    }

    /// Puts a transaction's gas down, all of it.
    pub(super) fn add(&mut self, rules: Rules, run: &Run, scene: &Scene) {
        let spent: u64 = run.spendings.iter().map(|spending| spending.gas).sum();
        let paid = run.base + run.calldata + spent;
        self.put(rules, (0, 0), Part::new("transaction", "base"), run.base);
        self.put(rules, (0, 1), Part::new("transaction", "calldata"), run.calldata);
        let floor = Part::new("transaction", "floor of calldata, beyond all below");
        self.put(rules, (0, 2), floor, run.gas.saturating_sub(paid));
        for spending in &run.spendings {
            if spending.code == scene.verifier {
                let index = self.outline.at(spending.pc);
                let part = self.outline.parts()[index].clone();
                let rank = GROUPS.iter().position(|group| *group == part.group);
                self.put(rules, (3 + rank.unwrap_or(GROUPS.len()), index), part, spending.gas);
                continue;
            }
            let (rank, group) = match spending.code == scene.oracle {
                true => (1, "oracle"),
                false => (2, "registry"),
            };
            let (place, what) = kind(spending);
            self.put(rules, (rank, place), Part::new(group, what), spending.gas);
        }
    }

    fn put(&mut self, rules: Rules, place: (usize, usize), part: Part, gas: u64) {
        let (_, sum) = self.parts.entry(place).or_insert_with(|| (part, Gas::default()));
        *sum.of(rules) += gas;
    }

    pub(super) fn into_parts(self) -> Vec<GasPart> {
        let parts = self.parts.into_values().filter(|(_, gas)| *gas != Gas::default());
        parts.map(|(Part { group, what }, gas)| GasPart { group, part: what, gas }).collect()
    }
}

/// What an instruction of a contract that was written by hand is for.
fn kind(spending: &Spending) -> (usize, &'static str) {
    match spending.opcode {
        opcode::SLOAD => (0, "slots read"),
        opcode::SSTORE => (1, "records written"),
        opcode::LOG0..=opcode::LOG4 => (2, "events"),
        opcode::EXTCODEHASH => (3, "code hashes of verifier and key"),
        opcode::STATICCALL => (4, "calls"),
        opcode::KECCAK256 => (5, "hashing"),
        _ => (6, "arithmetic, memory, copying"),
    }
}
