//! What the npm package of `client/` is tested against is what the programs say today.

use std::{fs, path::Path};

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
