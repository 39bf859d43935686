//! Writes what the npm package of `client/` is tested against: setups, proofs, and what the
//! programs make of them.
//!
//! cargo run --release -p verdict --example client_fixtures -- --new
//!
//! makes new setups and proofs, which is needed where a format changes. Without `--new`, only
//! what is made of those that are there is written again.

mod make;
mod parity;

use std::{error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../client/test/fixtures");
    fs::create_dir_all(&root)?;
    if std::env::args().any(|argument| argument == "--new") {
        make::setups(&root)?;
    }
    fs::write(root.join(parity::FILE), parity::text(&root)?)?;
    println!("wrote client/test/fixtures/{}", parity::FILE);
    Ok(())
}
