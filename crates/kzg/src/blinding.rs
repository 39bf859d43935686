//! What hides a model in its key.
//!
//! A commitment to a fixed column is determined by the column, so a guess of a model
//! could be confirmed. One uniformly random cell in each secret column, on a row where no
//! gate looks ([`Protocol::blinding_row`](crate::protocol::Protocol::blinding_row)), makes
//! its commitment a uniformly random point: it says nothing about the other cells. The
//! cells belong to the private part of a setup; without them no proof can be made.

use ff::Field;
use halo2curves::bn256::Fr;
use rand::{CryptoRng, RngCore};

use crate::{
    protocol::Protocol,
    transcript::{SCALAR_BYTES, from_be_bytes, to_be_bytes},
};

/// A cell for each secret column, in their order.
#[derive(Clone, PartialEq, Eq)]
pub struct Blinding(Vec<Fr>);

/// Why a blinding cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlindingError {
    /// The bytes are not so many cells.
    #[error("the blinding has {got} bytes, {expected} secret columns need {}", expected * SCALAR_BYTES)]
    Length {
        /// Secret columns.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// A cell is not a field element.
    #[error("cell {0} of the blinding is not below the scalar field's modulus")]
    Range(usize),
    /// Gates look at the secret columns on every row.
    #[error(
        "no row is free to blind the secret columns: gates must multiply them by a selector that \
         is 0 on one of the last rows"
    )]
    NoRow,
}

/// Shows how many cells there are, not what they hold.
impl std::fmt::Debug for Blinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Blinding").field(&self.0.len()).finish()
    }
}

impl Blinding {
    /// Uniformly random cells.
    pub fn random(protocol: &Protocol, mut rng: impl RngCore + CryptoRng) -> Self {
        Self(protocol.secret_columns.iter().map(|_| Fr::random(&mut rng)).collect())
    }

    /// Zeros: the commitments are those that anyone computes from the model.
    pub fn none(protocol: &Protocol) -> Self {
        Self(vec![Fr::ZERO; protocol.secret_columns.len()])
    }

    /// Whether nothing is hidden.
    pub fn is_none(&self) -> bool {
        self.0.iter().all(|cell| *cell == Fr::ZERO)
    }

    /// Puts the cells into the fixed columns of `2^k` rows; rows from `limit` on are not
    /// the circuit's.
    ///
    /// # Errors
    /// No row is free.
    pub fn apply(
        &self,
        protocol: &Protocol,
        k: u32,
        limit: usize,
        fixed: &mut [Vec<Fr>],
    ) -> Result<(), BlindingError> {
        if self.is_none() {
            return Ok(());
        }
        let row = protocol.blinding_row(k, limit, fixed).ok_or(BlindingError::NoRow)?;
        for (column, cell) in protocol.secret_columns.iter().zip(&self.0) {
            if let Some(column) = fixed.get_mut(*column) {
                column.resize(column.len().max(row + 1), Fr::ZERO);
                column[row] = *cell;
            }
        }
        Ok(())
    }

    /// 32 big-endian bytes a cell.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(to_be_bytes).collect()
    }

    /// Reads the cells of a protocol.
    ///
    /// # Errors
    /// Another number of cells, or one that is no field element.
    pub fn from_bytes(protocol: &Protocol, bytes: &[u8]) -> Result<Self, BlindingError> {
        let expected = protocol.secret_columns.len();
        let (cells, rest) = bytes.as_chunks::<SCALAR_BYTES>();
        if cells.len() != expected || !rest.is_empty() {
            return Err(BlindingError::Length { expected, got: bytes.len() });
        }
        let cell = |(index, bytes)| from_be_bytes(bytes).ok_or(BlindingError::Range(index));
        cells.iter().enumerate().map(cell).collect::<Result<_, _>>().map(Self)
    }
}
