//! Gaps in rows.

use crate::circuit::graph::Layout;

impl Layout {
    /// Calls `place` with (row, gap, cell) for every gap row. `gaps` are those of every window,
    /// in the order of their values, each gap of all inferences before the next; `sign` is that
    /// on an end row.
    pub(in crate::circuit::graph) fn place_gaps(
        &self,
        gaps: &[i64],
        sign: impl Fn(usize) -> bool,
        mut place: impl FnMut(usize, i64, bool),
    ) {
        let batch = self.shape.batch();
        let mut rest = gaps;
        for (value, members) in &self.windows {
            let (own, others) = rest.split_at(rest.len().min(members * batch));
            rest = others;
            let ends = self.value_rows[*value] + batch;
            for inference in 0..batch {
                let mut open = sign(ends + inference);
                let own = own.iter().skip(inference).step_by(batch);
                for (member, gap) in (1..).zip(own) {
                    open &= *gap != 0;
                    place(ends + inference + member * batch, *gap, open);
                }
            }
        }
    }
}
