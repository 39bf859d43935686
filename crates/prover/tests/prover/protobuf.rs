//! Protobuf's wire format, as far as a model that is made here needs it.

pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = vec![];
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A field of wire type 2.
pub(crate) fn field(number: u64, content: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

/// A field of wire type 0.
pub(crate) fn number(field: u64, value: i64) -> Vec<u8> {
    [varint(field << 3), varint(value as u64)].concat()
}

/// An attribute of integers.
pub(crate) fn ints(name: &str, values: impl IntoIterator<Item = i64>) -> Vec<u8> {
    let packed: Vec<u8> = values.into_iter().flat_map(|value| varint(value as u64)).collect();
    field(5, &[field(1, name.as_bytes()), field(8, &packed), number(20, 7)].concat())
}

/// An attribute of floats.
pub(crate) fn floats(name: &str, values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    let packed: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
    field(5, &[field(1, name.as_bytes()), field(7, &packed), number(20, 6)].concat())
}

/// A regression by `trees` complete trees of a depth over four features, of so many targets: each
/// leaf has a weight for the first.
pub(crate) fn forest(trees: usize, depth: u32, targets: i64) -> Vec<u8> {
    let (inner, all) = ((1usize << depth) - 1, (2usize << depth) - 1);
    let nodes = || (0..trees).flat_map(move |tree| (0..all).map(move |node| (tree, node)));
    let leaves = || nodes().filter(move |(_, node)| *node >= inner);
    let id = |(_, node): (usize, usize)| node as i64;
    let tree = |(tree, _): (usize, usize)| tree as i64;
    let child = |side: usize| {
        move |(_, node): (usize, usize)| if node < inner { (2 * node + side) as i64 } else { 0 }
    };
    let modes =
        nodes().flat_map(|(_, node)| field(9, if node < inner { b"BRANCH_LEQ" } else { b"LEAF" }));
    let modes: Vec<u8> = modes.collect();
    let modes = [field(1, b"nodes_modes"), modes, number(20, 8)].concat();
    let value = |(tree, node): (usize, usize)| ((tree * 31 + node * 7) % 199) as f32 / 100.0 - 1.0;
    let attributes = [
        ints("nodes_treeids", nodes().map(tree)),
        ints("nodes_nodeids", nodes().map(id)),
        ints("nodes_featureids", nodes().map(|(tree, node)| ((tree + node) % 4) as i64)),
        ints("nodes_truenodeids", nodes().map(child(1))),
        ints("nodes_falsenodeids", nodes().map(child(2))),
        floats("nodes_values", nodes().map(value)),
        field(5, &modes),
        ints("target_treeids", leaves().map(tree)),
        ints("target_nodeids", leaves().map(id)),
        ints("target_ids", leaves().map(|_| 0)),
        floats("target_weights", leaves().map(value)),
        field(5, &[field(1, b"n_targets"), number(3, targets), number(20, 2)].concat()),
    ];
    let names = [field(1, b"x"), field(2, b"y"), field(4, b"TreeEnsembleRegressor")].concat();
    let node = [names, field(7, b"ai.onnx.ml"), attributes.concat()].concat();
    let info = |name: &[u8], dims: &[u8]| {
        let tensor = [number(1, 1), field(2, dims)].concat();
        [field(1, name), field(2, &field(1, &tensor))].concat()
    };
    let four = [field(1, &number(1, 1)), field(1, &number(1, 4))].concat();
    let any = [field(1, &[]), field(1, &[])].concat();
    let graph = [field(1, &node), field(11, &info(b"x", &four)), field(12, &info(b"y", &any))];
    let set = field(8, &[field(1, b"ai.onnx.ml"), number(2, 3)].concat());
    [number(1, 8), field(7, &graph.concat()), field(8, &number(2, 17)), set].concat()
}
