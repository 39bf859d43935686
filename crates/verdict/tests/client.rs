//! What the npm package of `client/` is tested against is what the programs say today.

use std::{fs, path::Path, sync::Arc};

use halo2curves::bn256::{Fr, G1Affine};
use verdict_kzg::{key::VerifyingKey, portable::PortableKey, protocol::Opening};
use verdict_prover::{
    keys::protocol,
    shape::{GraphShape, Shape},
    srs::ceremony_tau_g2,
};

#[path = "../examples/client_fixtures/parity.rs"]
#[allow(dead_code)]
mod parity;

#[test]
fn the_fixtures_of_the_npm_package_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../client/test/fixtures");
    let checked_in = fs::read_to_string(root.join(parity::FILE)).unwrap_or_default();
    let text = parity::text(&root).expect("the fixtures' setups and proofs can be read");
    assert!(
        checked_in == text,
        "client/test/fixtures is stale: cargo run --release -p verdict --example client_fixtures"
    );
}

/// Shapes of both circuits with every part that there is, alone and together.
fn shapes() -> Vec<Shape> {
    let chain = Shape {
        limb_bits: 8,
        limbs: 6,
        shift_limbs: 2,
        lanes: 2,
        public_inputs: false,
        graph: None,
    };
    let mut shapes = vec![chain, Shape { public_inputs: true, lanes: 3, ..chain }];
    for parts in 0u32..1 << 7 {
        let has = |part: u32| parts >> part & 1 == 1;
        let graph = GraphShape {
            batch: if has(0) { 64 } else { 1 },
            node_lanes: if has(1) { 3 } else { 0 },
            path_lanes: if has(1) && has(2) { 4 } else { 1 },
            windows: has(3),
            segment_lanes: if has(4) { 2 } else { 0 },
            committed: has(5),
            products: has(6),
            ..GraphShape::new(if has(3) { chain.limbs } else { 2 }, 1)
        };
        let shape = Shape { graph: Some(graph), public_inputs: has(5) || has(2), ..chain };
        shapes.extend(shape.validate().is_ok().then_some(shape));
    }
    shapes
}

#[test]
fn the_key_of_every_shape_comes_back_from_its_file_as_it_was() {
    let shapes = shapes();
    assert!(shapes.len() > 60, "{} shapes", shapes.len());
    for shape in shapes {
        for opening in [Opening::COLUMNS, Opening::folded(4), Opening::folded(20)] {
            let protocol = Arc::new(protocol(&shape, opening).expect("a protocol"));
            let point = |index: usize| (G1Affine::generator() * Fr::from(index as u64)).into();
            let groups: Vec<G1Affine> = (0..protocol.key_groups.len()).map(point).collect();
            let secret: Vec<G1Affine> = (0..protocol.secret_scalars.len()).map(point).collect();
            let key = VerifyingKey::new(protocol, 16, groups, secret).expect("a key");
            let portable = PortableKey::new(key.clone(), ceremony_tau_g2(), 3).expect("a key");
            let bytes = portable.to_bytes();
            let read = PortableKey::from_bytes(&bytes)
                .unwrap_or_else(|error| panic!("{shape}, {opening}: {error}"));
            assert_eq!(read.to_bytes(), bytes, "{shape}, {opening}");
            assert_eq!(read.key_hash(), portable.key_hash(), "{shape}, {opening}");
            assert_eq!(read.key().digest(), key.digest(), "{shape}, {opening}");
            assert_eq!(read.key().protocol().classes, key.protocol().classes);
            assert!(read.of_ceremony());
        }
    }
}
