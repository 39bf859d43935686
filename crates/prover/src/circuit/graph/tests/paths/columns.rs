//! Lies about the columns of paths: cells of another inference, sums of look-ups that none makes; and
//! what all of them show.

use super::*;

/// Inferences of a batch read their own inputs, and their leaves count for themselves.
#[test]
fn a_path_of_another_inference_is_refused() {
    for shape in [paths_shape(2, 2), side_by_side(1, 2), three_beside(2)] {
        paths_of_another_inference_are_refused(shape);
    }
}

fn paths_of_another_inference_are_refused(shape: Shape) {
    let honest = Run::new(shape, &[INPUTS[0], INPUTS[1]]);
    assert!(honest.accepts());
    let other = Run::new(shape, &[INPUTS[1], INPUTS[0]]);
    let (First::Graph(own), First::Graph(others), Rows::Graph(rows)) =
        (&honest.witness.first, &other.witness.first, &honest.layout.rows)
    else {
        panic!("a graph's")
    };
    let mut tried = 0;
    for tree in &rows.paths.trees {
        let mut lied = own.clone();
        // Both paths, each in the other's place; what is counted stays as it is.
        for row in tree.first..tree.start(1) + tree.depth + 1 {
            for (lane, other) in lied.paths.lanes.iter_mut().zip(&others.paths.lanes) {
                lane.name[row] = other.name[row];
                lane.feature[row] = other.feature[row];
                lane.threshold[row] = other.threshold[row];
                lane.right[row] = other.right[row];
                if !lane.sign.is_empty() {
                    lane.sign[row] = other.sign[row];
                }
            }
            lied.cells[row] = others.cells[row];
            lied.limbs.iter_mut().zip(&others.limbs).for_each(|(a, b)| a[row] = b[row]);
        }
        if lied.paths == own.paths {
            continue;
        }
        tried += 1;
        let witness = circuit::Witness { first: First::Graph(lied), ..honest.witness.clone() };
        assert!(!both_accept(honest.layout.clone(), witness, |_| {}));
    }
    assert!(tried >= 2, "{tried} trees differ");
}

/// The features look-up answers a step that reads another inference's value: its number differs by
/// that of the inferences. No node of the table has that number.
#[test]
fn a_step_that_reads_another_inferences_value_is_refused() {
    let shape = paths_shape(2, 2);
    // Compared with 7: both go right, and what is left over has the same limbs in another order.
    let honest = Run::new(shape, &[[500, 7 + 0x12, 99], [500, 7 + 0x21, 99]]);
    assert!(honest.accepts());
    let (First::Graph(own), Rows::Graph(rows)) = (&honest.witness.first, &honest.layout.rows)
    else {
        panic!("a graph's")
    };
    let tree = &rows.paths.trees[placed(rows, &trees().trees[2].nodes)];
    let node = tree.nodes[0];
    let mut numbers = BTreeMap::new();
    rows.paths.for_each_number(&rows.value_rows, 2, |row, number| {
        numbers.insert(row, number as i64);
    });
    for (reader, read) in [(0, 1), (1, 0)] {
        let [row, other] = [reader, read].map(|t| tree.start(t));
        let [away, from] = [reader, read].map(|t| rows.value_rows[node.value] + t);
        let feature = node.number as i64 + ((read as i64 - reader as i64) << 28);
        // What the step looks up is what the other inference's value offers.
        assert_eq!(numbers.get(&row).copied().unwrap_or(0) + feature, numbers[&from]);
        let mut lied = own.clone();
        lied.paths.lanes[tree.lane].feature[row] = field(feature);
        assert!(own.limbs.iter().any(|limb| limb[row] != limb[other]));
        lied.limbs.iter_mut().for_each(|limb| limb[row] = limb[other]);
        let counts = &mut lied.paths.lanes[0].right;
        counts[away] -= Fr::one();
        counts[from] += Fr::one();
        let witness = circuit::Witness { first: First::Graph(lied), ..honest.witness.clone() };
        assert!(!both_accept(honest.layout.clone(), witness, |_| {}), "{reader} reads {read}'s");
    }
}

/// Sums of look-ups that are none, made up for in another column of the same row.
#[test]
fn look_ups_that_no_row_has_are_refused() {
    let run = Lies::new(paths_shape(2, 1), INPUTS[0]).run();
    let Rows::Graph(rows) = &run.layout.rows else { panic!("a graph's") };
    let (step, leaf) = (rows.paths.trees[0].first, rows.paths.trees[0].start(0) + 2);
    // The last columns: visited, compared, offered in two lanes.
    for row in [step, leaf, rows.value_rows[0], rows.value_rows[0] + 1, rows.value_rows[4] + 3] {
        for (a, b, sign) in [(4, 3, -1), (4, 2, 1), (3, 1, 1), (2, 1, -1)] {
            let by = Fr::from(9);
            let refused = !both_accept(run.layout.clone(), run.witness.clone(), move |columns| {
                let last = columns.len();
                columns[last - a][row] += by;
                columns[last - b][row] += by * field(sign);
            });
            assert!(refused, "row {row}, columns {a} and {b} from the end");
        }
    }
}

/// The circuit of other inputs differs in committed cells only: not in what is fixed, in
/// the number of cells, or in what a proof opens; and no gate shows the table.
#[test]
fn neither_path_nor_table_shows() {
    let shape = paths_shape(2, 1);
    let secret = circuit::secret_columns(&shape);
    assert_eq!(secret.len(), 2 + 4);
    for opening in crate::plan::OPENINGS {
        let protocol = crate::keys::protocol(&shape, opening).expect("supported");
        assert!(protocol.fixed_queries.iter().all(|(column, _)| !secret.contains(column)));
    }
    let runs = INPUTS.map(|inputs| Run::new(shape, &[inputs]));
    let fixed = runs.each_ref().map(|run| circuit::fixed_columns(&run.layout).1);
    let form = runs.each_ref().map(|run| {
        let first = run.witness.columns(&run.layout, 0, &[]).expect("a phase");
        let challenges = [Fr::from(3), Fr::from(5), Fr::from(7), Fr::from(11)];
        let second = run.witness.columns(&run.layout, 1, &challenges).expect("a phase");
        let lengths = first.iter().chain(&second).map(Vec::len).collect::<Vec<_>>();
        (run.layout.k, run.witness.instances.len(), lengths)
    });
    for run in 1..3 {
        assert!(fixed[0] == fixed[run]);
        assert_eq!(form[0], form[run]);
        assert!(runs[0].witness.first != runs[run].witness.first);
    }
    // Trees of the same depths, all their numbers others: the structural columns are the same.
    let mut other = model(&shape, trees());
    let IntegerOp::Trees(trees) = &mut other.nodes[0].op else { panic!("the trees") };
    for tree in &mut trees.trees {
        let names: Vec<i64> = tree.nodes.iter().map(|node| node.name).collect();
        for node in &mut tree.nodes {
            node.threshold = (node.threshold * 3 / 2).min(65_536);
            // Another weight of a leaf.
            node.right += if names.contains(&node.right) { 0 } else { 17 };
        }
    }
    let layout = circuit::Layout::new(&other, shape).expect("small");
    let (others, mut changed) = (circuit::fixed_columns(&layout).1, 0);
    for (column, (a, b)) in fixed[0].iter().zip(&others).enumerate() {
        if secret.contains(&column) {
            changed += usize::from(a != b);
        } else {
            assert!(a == b, "structural column {column}");
        }
    }
    assert!(changed >= 4, "{changed} secret columns differ");
}
