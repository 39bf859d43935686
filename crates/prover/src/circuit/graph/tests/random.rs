//! Random claims.

use proptest::prelude::*;

use super::*;

/// Random claims: every node reads any earlier values, densely or sparsely, with weights
/// small enough for 24 bits, and two words.
fn random_claims() -> impl Strategy<Value = (Claims<'static>, Vec<i64>)> {
    let node = (1usize..7, any::<u64>(), any::<bool>(), any::<bool>());
    (1usize..6, proptest::collection::vec(node, 1..6), any::<u64>()).prop_map(
        |(inputs, nodes, seed)| {
            let mut state = seed | 1;
            let mut random = move |bound: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % bound
            };
            let given = (0..inputs).map(|_| random(1 << 16) as i64).collect();
            let mut count = inputs;
            let mut claims = Claims { inputs, nodes: vec![], words: vec![], ..Claims::default() };
            for (results, _, dense, turned) in nodes {
                let values: Vec<u32> =
                    (0..1 + random(8)).map(|_| random(count as u64) as u32).collect();
                // 2·8·15·65535 is below 2^24.
                let mut weight = || random(31) as i64 - 15;
                let rows = if dense {
                    let weights = (0..results * values.len()).map(|_| weight()).collect::<Vec<_>>();
                    Terms::Dense(Box::leak(weights.into_boxed_slice()))
                } else {
                    let rows: Vec<Vec<(usize, i64)>> = (0..results)
                        .map(|row| {
                            (0..values.len()).step_by(row + 1).map(|c| (c, weight())).collect()
                        })
                        .collect();
                    sparse(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
                };
                let bias: Vec<i64> = (0..results).map(|_| weight() * 1000).collect();
                let order = turned.then(|| (0..results as u32).rev().collect());
                let maps = vec![Map { values, rows }];
                let alike = if dense { results } else { 1 };
                let (bias, windows) = (Cow::Owned(bias), None);
                claims.nodes.push(Node {
                    making: Making::Rescaled,
                    bias,
                    maps,
                    windows,
                    order,
                    alike,
                });
                count += results;
            }
            claims.words =
                vec![(0..4).map(|_| random(count as u64) as u32).collect(), vec![count as u32 - 1]];
            (claims, given)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn random_graphs_pass_and_one_wrong_value_does_not(
        (claims, inputs) in random_claims(),
        (columns, packed, lanes, batch) in (1usize..=6, 1usize..=10, 1usize..=5, 1usize..=3),
        (value, change) in (any::<prop::sample::Index>(), 1i64..256),
    ) {
        let shape = batch_shape(columns, packed, lanes, batch);
        let inputs: Vec<Vec<i64>> =
            (0..batch as i64).map(|t| inputs.iter().map(|x| (x + 999 * t) % 65_536).collect()).collect();
        let setting = Setting::of(&claims, &inputs, shape);
        prop_assert!(setting.accepts(), "{}", shape);
        // Any change of a result that keeps the others is a change of its equation.
        let results = claims.values() - claims.inputs;
        let value = claims.inputs + value.index(results);
        let mut cheating = setting.clone();
        let inference = batch - 1;
        let z = run(&claims, &inputs[inference], &shape)[value].0;
        cheating.set_in(inference, value, if z < 0 { z + change } else { z - change });
        prop_assert!(!cheating.accepts(), "{}", shape);
    }
}
