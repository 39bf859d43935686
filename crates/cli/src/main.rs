//! verdict-cli
fn main() {}
