//! Keys: the model as commitments.
//!
//! The proving key is derived: fixed columns follow from the integer graph and
//! the shape in a few milliseconds, so only the graph, the blinding of its columns and
//! the verifying key (whose commitments cost multi-scalar multiplications) are stored.

use std::{path::Path, sync::Arc};

use halo2_proofs::plonk::ProvingKey;
use halo2curves::bn256::{Fr, G1Affine};
use rand::{CryptoRng, RngCore};
use thiserror::Error;
use verdict_engine::{Engine, EngineError, FixedColumns, Options};
use verdict_kzg::{
    blinding::{Blinding, BlindingError},
    key::{self, VerifyingKey},
    protocol::{Opening, Protocol, ProtocolError},
};

use crate::{
    circuit::{Layout, LayoutError, constraint_system, secret_columns},
    integer::{IntegerError, IntegerGraph},
    shape::Shape,
    srs::{Silent, Srs, SrsError},
};

/// halo2's proving key, for halo2's own protocol.
pub type Halo2Key = ProvingKey<G1Affine>;

/// A laid-out graph with its keys.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The graph.
    pub graph: IntegerGraph,
    /// What hides its weights in the verifying key.
    pub blinding: Blinding,
    /// The graph in rows.
    pub layout: Arc<Layout>,
    /// Its fixed columns, blinded.
    pub fixed: FixedColumns,
    verifying: VerifyingKey,
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
    /// The circuit has no proofs that could be verified.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The weights cannot be hidden, or the blinding is not one.
    #[error(transparent)]
    Blinding(#[from] BlindingError),
    /// The SRS has another number of rows.
    #[error("the SRS is for 2^{got} rows, the model needs 2^{expected}")]
    SrsSize {
        /// log2 of the model's rows.
        expected: u32,
        /// log2 of the SRS's.
        got: u32,
    },
    /// The bytes are not a verifying key of this circuit.
    #[error(transparent)]
    Verifying(#[from] key::KeyError),
    /// The SRS is too small.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// The engine failed.
    #[error("key generation failed: {0}")]
    Engine(#[from] EngineError),
}

/// The protocol of a shape, its columns committed to as `opening` says.
///
/// # Errors
/// Never for a shape that is valid.
pub fn protocol(shape: &Shape, opening: Opening) -> Result<Protocol, ProtocolError> {
    Protocol::new(&constraint_system(shape), &secret_columns(shape), opening)
}

/// An engine for `protocol` on `2^k` rows that commits to groups of as many columns as `folds`
/// says, such as [`Protocol::proof_folds`]. Bases that take long to compute are kept in `file`; see
/// [`Srs::points`].
///
/// # Errors
/// An SRS that is too small; options out of range.
pub fn engine(
    srs: &Srs,
    protocol: &Protocol,
    k: u32,
    folds: &[usize],
    file: Option<&Path>,
    options: Options,
) -> Result<Engine, KeyError> {
    let points = srs.points(protocol, k, folds, file, &Silent)?;
    Ok(Engine::from_points(&points, options)?)
}

/// A graph laid out, with its fixed columns.
struct Columns {
    graph: IntegerGraph,
    layout: Layout,
    protocol: Arc<Protocol>,
    cs: halo2_proofs::plonk::ConstraintSystem<Fr>,
    fixed: Vec<Vec<Fr>>,
}

impl Columns {
    fn new(graph: IntegerGraph, shape: Shape, protocol: Arc<Protocol>) -> Result<Self, KeyError> {
        graph.validate(shape.accumulator_bits(), shape.value_bits())?;
        let mut layout = Layout::new(&graph, shape)?;
        let (cs, fixed) = layout.take_fixed_columns();
        Ok(Self { graph, layout, protocol, cs, fixed })
    }

    /// Checks that an engine has as many rows.
    fn fit(&self, engine: &Engine) -> Result<(), KeyError> {
        let (expected, got) = (self.layout.k, engine.k());
        if expected == got { Ok(()) } else { Err(KeyError::SrsSize { expected, got }) }
    }

    fn blind(&mut self, blinding: &Blinding) -> Result<(), KeyError> {
        let k = self.layout.k;
        let limit = (1usize << k).saturating_sub(self.cs.blinding_factors() + 1);
        Ok(blinding.apply(&self.protocol, k, limit, &mut self.fixed)?)
    }

    /// Makes the keys.
    fn keys(mut self, engine: &Engine, blinding: Blinding) -> Result<Keys, KeyError> {
        self.fit(engine)?;
        self.blind(&blinding)?;
        let make = |protocol, fixed: &FixedColumns| engine.verifying_key(protocol, fixed);
        self.finish(engine, blinding, make)
    }

    /// The keys of columns that are blinded; `verifying` makes or has the verifying key.
    fn finish(
        self,
        engine: &Engine,
        blinding: Blinding,
        verifying: impl FnOnce(Arc<Protocol>, &FixedColumns) -> Result<VerifyingKey, EngineError>,
    ) -> Result<Keys, KeyError> {
        let Self { graph, mut layout, protocol, cs, fixed } = self;
        let fixed = engine.fixed_columns(cs, fixed)?;
        let verifying = verifying(protocol, &fixed)?;
        layout.share_weights(|column| fixed.values(engine, column));
        let fixed = engine.prepare(fixed, verifying.protocol())?;
        Ok(Keys { graph, blinding, layout: Arc::new(layout), fixed, verifying })
    }
}

impl Keys {
    /// Makes the keys of a graph, whose weights random cells from `rng` hide. `engine`
    /// must have exactly the rows that [`Layout::required_k`] says.
    ///
    /// # Errors
    /// The graph does not fit the shape or the engine.
    pub fn new(
        engine: &Engine,
        graph: IntegerGraph,
        (shape, opening): (Shape, Opening),
        rng: impl RngCore + CryptoRng,
    ) -> Result<Self, KeyError> {
        let columns = Columns::new(graph, shape, Arc::new(protocol(&shape, opening)?))?;
        let blinding = Blinding::random(&columns.protocol, rng);
        columns.keys(engine, blinding)
    }

    /// Makes the keys that a graph had before, from its [`Blinding`]'s bytes.
    ///
    /// # Errors
    /// As [`Keys::new`]; the blinding is not one of the shape.
    pub fn again(
        engine: &Engine,
        graph: IntegerGraph,
        (shape, opening): (Shape, Opening),
        blinding: &[u8],
    ) -> Result<Self, KeyError> {
        let columns = Columns::new(graph, shape, Arc::new(protocol(&shape, opening)?))?;
        let blinding = Blinding::from_bytes(&columns.protocol, blinding)?;
        columns.keys(engine, blinding)
    }

    /// Makes keys that hide nothing: anyone who has the graph computes the same.
    ///
    /// # Errors
    /// As [`Keys::new`].
    pub fn public(
        engine: &Engine,
        graph: IntegerGraph,
        (shape, opening): (Shape, Opening),
    ) -> Result<Self, KeyError> {
        let columns = Columns::new(graph, shape, Arc::new(protocol(&shape, opening)?))?;
        let blinding = Blinding::none(&columns.protocol);
        columns.keys(engine, blinding)
    }

    /// Restores the keys from a graph, its blinding (none for public weights) and its
    /// verifying key, which are not checked against each other: proofs by a wrong pair do not
    /// verify.
    ///
    /// # Errors
    /// The graph or the key does not fit the shape or the engine.
    pub fn restore(
        engine: &Engine,
        graph: IntegerGraph,
        shape: Shape,
        blinding: Option<&[u8]>,
        verifying: VerifyingKey,
    ) -> Result<Self, KeyError> {
        Stored::new(graph, shape, blinding, verifying)?.keys(engine)
    }

    /// The verifying key.
    pub fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// halo2's proving key of the same columns.
    ///
    /// # Errors
    /// An engine of another number of rows.
    pub fn halo2(&self, engine: &Engine) -> Result<Halo2Key, KeyError> {
        Ok(engine.halo2_key(&self.fixed)?)
    }
}

/// Stored keys in rows, which takes no engine: what [`Keys::restore`] does first, so that it can be
/// done while an SRS is read.
pub struct Stored {
    columns: Columns,
    blinding: Blinding,
    verifying: VerifyingKey,
}

impl Stored {
    /// Lays out a graph with its blinding (none for public weights) and its verifying key.
    ///
    /// # Errors
    /// As [`Keys::restore`].
    pub fn new(
        graph: IntegerGraph,
        shape: Shape,
        blinding: Option<&[u8]>,
        verifying: VerifyingKey,
    ) -> Result<Self, KeyError> {
        let protocol = Arc::new(verifying.protocol().clone());
        let blinding = match blinding {
            Some(bytes) => Blinding::from_bytes(&protocol, bytes)?,
            None => Blinding::none(&protocol),
        };
        let mut columns = Columns::new(graph, shape, protocol)?;
        let (expected, got) = (columns.layout.k as usize, verifying.k() as usize);
        if expected != got {
            return Err(key::KeyError::Foreign { what: "k", expected, got }.into());
        }
        columns.blind(&blinding)?;
        Ok(Self { columns, blinding, verifying })
    }

    /// The keys, for an engine of as many rows.
    ///
    /// # Errors
    /// As [`Keys::restore`].
    pub fn keys(self, engine: &Engine) -> Result<Keys, KeyError> {
        let Self { columns, blinding, verifying } = self;
        columns.fit(engine)?;
        columns.finish(engine, blinding, |_, _| Ok(verifying))
    }
}

/// Reads a verifying key and checks that it has `shape`'s columns, `k`'s rows and
/// points on the curve.
///
/// # Errors
/// The bytes are not such a key.
pub fn read_verifying_key(
    bytes: &[u8],
    (shape, opening): (&Shape, Opening),
    k: u32,
) -> Result<VerifyingKey, KeyError> {
    Ok(VerifyingKey::from_bytes(Arc::new(protocol(shape, opening)?), k, bytes)?)
}
