//! The protocol of a constraint system.

use halo2_proofs::plonk::ConstraintSystem;
use halo2curves::bn256::Fr;

use super::{Opening, Phase, Protocol, ProtocolError, lower};
use crate::expression::Graph;

impl Protocol {
    /// Reads a constraint system whose selectors are fixed columns already, and of whose
    /// fixed columns `secret` hold a model.
    ///
    /// # Errors
    /// Permutation arguments, built-in lookups and more than one instance column are not
    /// supported; gates must be linear in the secret columns and read them on their own
    /// row.
    pub fn new(
        cs: &ConstraintSystem<Fr>,
        secret: &[usize],
        opening: Opening,
    ) -> Result<Self, ProtocolError> {
        let mut protocol = Self::outline(cs, secret, opening)?;
        protocol.lower_gates(cs)?;
        Ok(protocol)
    }

    /// The protocol without its gates: enough for what depends on columns, queries and
    /// groups alone. Secret columns count as read by gates.
    ///
    /// # Errors
    /// As [`Self::new`], but for those about gates.
    pub fn outline(
        cs: &ConstraintSystem<Fr>,
        secret: &[usize],
        opening: Opening,
    ) -> Result<Self, ProtocolError> {
        lower::check_supported(cs)?;
        let mut secret_columns = secret.to_vec();
        secret_columns.sort_unstable();
        secret_columns.dedup();
        let columns = cs.num_fixed_columns();
        if let Some(&column) = secret_columns.iter().find(|column| **column >= columns) {
            return Err(ProtocolError::UnknownSecret { column, columns });
        }
        let advice_queries: Vec<_> =
            cs.advice_queries().iter().map(|(column, at)| (column.index(), at.0)).collect();
        let fixed_queries: Vec<_> = cs
            .fixed_queries()
            .iter()
            .map(|(column, at)| (column.index(), at.0))
            .filter(|(column, _)| !secret_columns.contains(column))
            .collect();
        let quotient_degree = cs.degree() - 1;
        let mut protocol = Self {
            phases: phases(cs),
            num_fixed_columns: columns,
            key_groups: Vec::new(),
            has_instances: cs.num_instance_columns() == 1,
            advice_queries,
            fixed_queries,
            instance_queries: cs.instance_queries().iter().map(|(_, at)| at.0).collect(),
            quotient_degree,
            quotient_pieces: if opening.whole_quotient { 1 } else { quotient_degree },
            unusable_rows: 0,
            secret_scalars: secret_columns.iter().map(|column| (*column, 0)).collect(),
            secret_columns,
            graph: Graph::default(),
            constraints: Vec::new(),
            classes: Vec::new(),
        };
        protocol.unusable_rows = (cs.blinding_factors() + 1).max(protocol.rows_to_hide());
        protocol.group(opening);
        // Its challenges would bind nothing that the proof sends.
        let first = protocol.phases.first();
        if first.is_some_and(|phase| phase.groups.is_empty() && !phase.challenges.is_empty()) {
            return Err(ProtocolError::Empty("advice queries in the phase before its challenges"));
        }
        Ok(protocol)
    }
}

fn phases(cs: &ConstraintSystem<Fr>) -> Vec<Phase> {
    let columns = cs.advice_column_phase();
    let challenges = cs.challenge_phase();
    let last = columns.iter().copied().max().unwrap_or_default();
    let of = |phases: &[u8], phase| {
        phases.iter().enumerate().filter(|(_, p)| **p == phase).map(|(i, _)| i).collect()
    };
    let phase = |phase| Phase {
        columns: of(&columns, phase),
        groups: Vec::new(),
        challenges: of(&challenges, phase),
    };
    (0..=last).map(phase).collect()
}
