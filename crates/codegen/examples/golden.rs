//! Writes the checked-in verifier and its memory map.
//!
//! cargo run --release -p verdict-codegen --example golden

use std::{fs, io, path::Path};

use verdict_codegen::{ShapeVerifier, memory_page, shape_verifier};
use verdict_prover::{keys::protocol, plan::Opening, shape::Shape};

const SOURCE: &str = "contracts/src/verifier/DenseVerifier.sol";
const PAGE: &str = "docs/verifier-memory-map.md";

/// The shape of the checked-in verifier.
pub fn shape() -> Shape {
    Shape { limb_bits: 10, limbs: 5, shift_limbs: 2, lanes: 2, public_inputs: false, graph: None }
}

/// The checked-in verifier.
pub fn verifier() -> ShapeVerifier {
    let protocol = protocol(&shape(), Opening::folded(8)).expect("the dense shape is supported");
    shape_verifier(&protocol).expect("it renders")
}

/// Paths below the repository's root, with their contents.
pub fn files() -> [(&'static str, String); 2] {
    let verifier = verifier();
    let page = memory_page(&verifier, SOURCE);
    [(SOURCE, verifier.source), (PAGE, page)]
}

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (path, content) in files() {
        let target = root.join(path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(target, content)?;
        println!("wrote {path}");
    }
    Ok(())
}
