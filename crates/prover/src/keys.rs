//! Keys: the model as commitments.
//!
//! The proving key is derived: fixed columns follow from the integer graph and
//! the shape in a few milliseconds, so only the graph and the verifying key (whose
//! commitments cost multi-scalar multiplications) are stored.

use std::sync::Arc;

use halo2_proofs::{
    SerdeFormat,
    plonk::{ProvingKey, VerifyingKey},
};
use halo2curves::{CurveAffine, bn256::G1Affine};
use thiserror::Error;
use verdict_engine::{Engine, EngineError};

use crate::{
    circuit::{Layout, LayoutError, ModelCircuit, constraint_system, fixed_columns},
    integer::{IntegerError, IntegerGraph},
    shape::Shape,
};

/// A laid-out graph with its halo2 keys.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The graph.
    pub graph: IntegerGraph,
    /// The graph in rows.
    pub layout: Arc<Layout>,
    /// halo2's proving key; holds the verifying key.
    pub proving: ProvingKey<G1Affine>,
}

/// Why keys could not be made or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The graph cannot be laid out.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The graph is not valid for its shape.
    #[error(transparent)]
    Graph(#[from] IntegerError),
    /// The SRS has another number of rows.
    #[error("the SRS is for 2^{got} rows, the model needs 2^{expected}")]
    SrsSize {
        /// log2 of the model's rows.
        expected: u32,
        /// log2 of the SRS's.
        got: u32,
    },
    /// The verifying key's bytes are not one.
    #[error("the verifying key cannot be read: {0}")]
    Malformed(#[source] std::io::Error),
    /// The verifying key is of another number of rows or columns.
    #[error(
        "the verifying key does not belong to this circuit: {what} is {got}, expected {expected}"
    )]
    Foreign {
        /// What differs.
        what: &'static str,
        /// The circuit's.
        expected: usize,
        /// The key's.
        got: usize,
    },
    /// The engine failed.
    #[error("key generation failed: {0}")]
    Engine(#[from] EngineError),
}

fn check_size(engine: &Engine, k: u32) -> Result<(), KeyError> {
    let got = engine.k();
    if got == k { Ok(()) } else { Err(KeyError::SrsSize { expected: k, got }) }
}

impl Keys {
    /// Makes the keys of a graph. `engine` must have exactly the rows that
    /// [`Layout::required_k`] says.
    pub fn new(engine: &Engine, graph: IntegerGraph, shape: Shape) -> Result<Self, KeyError> {
        graph.validate(shape.accumulator_bits(), shape.value_bits())?;
        let layout = Arc::new(Layout::new(&graph, shape)?);
        check_size(engine, layout.k)?;
        let (cs, fixed) = fixed_columns(&layout);
        let proving = engine.keygen_from(cs, fixed)?;
        Ok(Self { graph, layout, proving })
    }

    /// Restores the keys from a graph and its verifying key.
    pub fn restore(
        engine: &Engine,
        graph: IntegerGraph,
        shape: Shape,
        verifying: VerifyingKey<G1Affine>,
    ) -> Result<Self, KeyError> {
        graph.validate(shape.accumulator_bits(), shape.value_bits())?;
        let layout = Arc::new(Layout::new(&graph, shape)?);
        check_size(engine, layout.k)?;
        let got = verifying.get_domain().k();
        if got != layout.k {
            let (expected, got) = (layout.k as usize, got as usize);
            return Err(KeyError::Foreign { what: "k", expected, got });
        }
        let (_, fixed) = fixed_columns(&layout);
        let proving = engine.restore_key(verifying, fixed)?;
        Ok(Self { graph, layout, proving })
    }

    /// The verifying key.
    pub fn verifying(&self) -> &VerifyingKey<G1Affine> {
        self.proving.get_vk()
    }
}

/// A verifying key as bytes: uncompressed points.
pub fn verifying_key_bytes(key: &VerifyingKey<G1Affine>) -> Vec<u8> {
    key.to_bytes(SerdeFormat::RawBytes)
}

/// Reads a verifying key and checks that it has `shape`'s columns, `k`'s rows and
/// points on the curve.
pub fn read_verifying_key(
    bytes: &[u8],
    shape: &Shape,
    k: u32,
) -> Result<VerifyingKey<G1Affine>, KeyError> {
    // halo2 takes k and the number of columns from the bytes: check them first.
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        let short = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        bytes.map(u32::from_le_bytes).ok_or_else(|| KeyError::Malformed(short()))
    };
    let check = |what, expected: usize, got: usize| {
        if expected == got { Ok(()) } else { Err(KeyError::Foreign { what, expected, got }) }
    };
    let columns = constraint_system(shape).num_fixed_columns();
    check("k", k as usize, word(1)? as usize)?;
    check("the number of fixed columns", columns, word(6)? as usize)?;
    check("the length in bytes", 10 + 64 * columns, bytes.len())?;
    let key: VerifyingKey<G1Affine> =
        VerifyingKey::from_bytes::<ModelCircuit>(bytes, SerdeFormat::RawBytes, *shape)
            .map_err(KeyError::Malformed)?;
    // Reading checks coordinates only.
    if key.fixed_commitments().iter().all(|point: &G1Affine| point.is_on_curve().into()) {
        return Ok(key);
    }
    let message = "a commitment is not on the curve";
    Err(KeyError::Malformed(std::io::Error::new(std::io::ErrorKind::InvalidData, message)))
}
