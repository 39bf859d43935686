//! Which inputs proofs state, and so which of them anybody can vouch for.

use std::fmt;

use serde::Serialize;

use crate::setup::Manifest;

/// Names that a message lists.
const LISTED: usize = 8;

/// The inputs of a model by whether its proofs state them, or a commitment to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Names of those that are stated: a statement, or a source, is about these.
    pub stated: Vec<String>,
    /// Names of the others, of which a prover takes any in range.
    pub private: Vec<String>,
}

impl Coverage {
    /// Of a setup.
    pub fn of(manifest: &Manifest) -> Self {
        let (schema, stated) = (&manifest.input, manifest.shape.public_inputs);
        let (mut covered, mut others) = (Vec::new(), Vec::new());
        for (index, tensor) in schema.tensors.iter().enumerate() {
            let stated = stated && !schema.private.contains(&index);
            if stated { &mut covered } else { &mut others }.push(tensor.name.clone());
        }
        Self { stated: covered, private: others }
    }

    /// Whether nothing is left to the prover.
    pub fn is_whole(&self) -> bool {
        self.private.is_empty()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stated, private) = (listed(&self.stated), listed(&self.private));
        match (self.stated.as_slice(), self.private.as_slice()) {
            (_, []) => write!(f, "all inputs: {stated}"),
            ([], _) => write!(f, "no inputs: {private}"),
            (some, others) => {
                let (some, all) = (some.len(), some.len() + others.len());
                write!(f, "{some} of {all} inputs: {stated}; whatever the prover takes: {private}")
            }
        }
    }
}

/// Names for a message, the first few of many.
fn listed(names: &[String]) -> String {
    let first = names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
