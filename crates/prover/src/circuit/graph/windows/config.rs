//! The gates of maxima.

use halo2_proofs::{
    plonk::{ConstraintSystem, Expression},
    poly::Rotation,
};
use halo2curves::bn256::Fr;

use crate::{
    circuit::{
        chain::config::limb_sum,
        graph::{Columns, config::before},
    },
    shape::Shape,
};

impl Columns {
    /// One of the gaps below a maximum that is not negative is 0.
    pub(in crate::circuit::graph) fn window_gates(
        &self,
        meta: &mut ConstraintSystem<Fr>,
        shape: &Shape,
    ) {
        let Some(column) = self.gap else { return };
        meta.create_gate("a maximum that counts is one of its window", |meta| {
            let gap = meta.query_fixed(column, Rotation::cur());
            // The same inference's next row; after a window's last gap there is none.
            let next = meta.query_fixed(column, Rotation(shape.batch() as i32));
            let open = meta.query_advice(self.cells, Rotation::cur());
            // Before the first gap, the sign.
            let before = meta.query_advice(self.cells, before(1, shape));
            let below = limb_sum(&self.limb_window(meta, shape), shape.limb_bits);
            let last = gap.clone() * (Expression::Constant(Fr::one()) - next);
            vec![gap * (open.clone() - before) * below, last * open]
        });
    }
}
