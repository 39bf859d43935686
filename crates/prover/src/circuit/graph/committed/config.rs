//! Columns and gates of hashes.

use halo2_proofs::{
    plonk::{Advice, Column, ConstraintSystem, Expression, FirstPhase, Fixed, VirtualCells},
    poly::Rotation,
};
use halo2curves::bn256::Fr;

use super::poseidon::{WIDTH, permutation};
use crate::{
    circuit::{
        chain::config::sum,
        graph::{Columns, config::before},
    },
    shape::Shape,
};

/// The columns of hashes.
#[derive(Debug, Clone, Copy)]
pub struct CommittedColumns {
    /// The state.
    pub state: [Column<Advice>; WIDTH],
    /// The first element and its constant, squared.
    pub square: Column<Advice>,
    /// That, squared.
    pub fourth: Column<Advice>,
    /// What is added to the first element.
    pub constant: Column<Fixed>,
    /// 1 on rows that turn the state.
    pub turn: Column<Fixed>,
    /// 1 on rows that end a full round.
    pub full: Column<Fixed>,
    /// 1 on rows of partial rounds.
    pub partial: Column<Fixed>,
    /// 1 on link rows.
    pub link: Column<Fixed>,
}

impl CommittedColumns {
    /// Adds the advice columns; they are of the first phase.
    pub(in crate::circuit::graph) fn first_phase(
        meta: &mut ConstraintSystem<Fr>,
        shape: &Shape,
    ) -> Option<[Column<Advice>; WIDTH + 2]> {
        shape.committed().then(|| [(); WIDTH + 2].map(|()| meta.advice_column_in(FirstPhase)))
    }

    /// Adds the fixed columns.
    pub(in crate::circuit::graph) fn new(
        meta: &mut ConstraintSystem<Fr>,
        [a, b, c, square, fourth]: [Column<Advice>; WIDTH + 2],
    ) -> Self {
        let [constant, turn, full, partial, link] = [(); 5].map(|()| meta.fixed_column());
        Self { state: [a, b, c], square, fourth, constant, turn, full, partial, link }
    }

    /// The advice columns in the order of their index.
    pub(in crate::circuit::graph) fn advice(&self) -> Vec<Column<Advice>> {
        self.state.into_iter().chain([self.square, self.fourth]).collect()
    }

    /// The fixed columns in the order of their index.
    pub(in crate::circuit::graph) fn fixed(&self) -> [Column<Fixed>; 5] {
        [self.constant, self.turn, self.full, self.partial, self.link]
    }
}

impl Columns {
    /// The gates of hashes.
    pub(in crate::circuit::graph) fn committed_gates(
        &self,
        meta: &mut ConstraintSystem<Fr>,
        shape: &Shape,
    ) {
        let Some(columns) = self.committed else { return };
        let next = Rotation(shape.batch() as i32);
        let rows = |meta: &mut VirtualCells<'_, Fr>| {
            [columns.turn, columns.full, columns.partial]
                .map(|column| meta.query_fixed(column, Rotation::cur()))
        };
        let raised = |meta: &mut VirtualCells<'_, Fr>| {
            let constant = meta.query_fixed(columns.constant, Rotation::cur());
            meta.query_advice(columns.state[0], Rotation::cur()) + constant
        };
        meta.create_gate("the first element is raised to the fourth power", |meta| {
            let [turn, full, partial] = rows(meta);
            let there = turn + full + partial;
            let element = raised(meta);
            let square = meta.query_advice(columns.square, Rotation::cur());
            let fourth = meta.query_advice(columns.fourth, Rotation::cur());
            vec![
                there.clone() * (square.clone() - element.clone() * element),
                there * (fourth - square.clone() * square),
            ]
        });
        meta.create_gate("the state is turned, or mixed", |meta| {
            let [turn, full, partial] = rows(meta);
            let power = meta.query_advice(columns.fourth, Rotation::cur()) * raised(meta);
            let [b, c] = [1, 2].map(|i| meta.query_advice(columns.state[i], Rotation::cur()));
            let after = columns.state.map(|column| meta.query_advice(column, next));
            let turned = [b, c, power];
            let [b, c, power] = turned.clone();
            let (in_full, in_partial) = (turned.clone(), [power, b, c]);
            let mixed = |row: &[Fr; WIDTH], state: &[Expression<Fr>; WIDTH]| {
                sum(row.iter().zip(state).map(|(factor, element)| element.clone() * *factor))
            };
            let lane = |(index, after): (usize, Expression<Fr>)| {
                let row = &permutation().matrix[index];
                turn.clone() * (after.clone() - turned[index].clone())
                    + full.clone() * (after.clone() - mixed(row, &in_full))
                    + partial.clone() * (after - mixed(row, &in_partial))
            };
            after.into_iter().enumerate().map(lane).collect::<Vec<_>>()
        });
        meta.create_gate("a permutation goes on from the hash so far", |meta| {
            let link = meta.query_fixed(columns.link, Rotation::cur());
            let hash = meta.query_advice(columns.state[0], Rotation::cur());
            let [a, b] = [0, 1].map(|index| meta.query_advice(columns.state[index], next));
            vec![link.clone() * a, link * (b - hash)]
        });
    }

    /// 1 where a hash's row uses a sum: on link rows and those after them.
    pub(in crate::circuit::graph) fn committed_rows(
        &self,
        meta: &mut VirtualCells<'_, Fr>,
        shape: &Shape,
    ) -> Option<[Expression<Fr>; 2]> {
        let columns = self.committed?;
        let rows = [Rotation::cur(), before(1, shape)];
        Some(rows.map(|rotation| meta.query_fixed(columns.link, rotation)))
    }

    /// What stands there: the first element, or the hash, on a link row, a word after it.
    pub(in crate::circuit::graph) fn committed_elements(
        &self,
        meta: &mut VirtualCells<'_, Fr>,
        shape: &Shape,
    ) -> Option<Expression<Fr>> {
        let [link, after] = self.committed_rows(meta, shape)?;
        let columns = self.committed?;
        let [hash, word] =
            [0, 2].map(|index| meta.query_advice(columns.state[index], Rotation::cur()));
        Some(link * hash + after * word)
    }
}
