//! What can go wrong while proving.

use halo2_proofs::plonk;

/// Why the engine did not make a proof or a key.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// An option is out of its range.
    #[error("option {field}: {constraint}")]
    InvalidOption {
        /// Field of [`crate::Options`].
        field: &'static str,
        /// What it must satisfy.
        constraint: String,
    },
    /// The worker threads could not be started.
    #[error("worker threads could not be started: {0}; ask for fewer threads")]
    Threads(String),
    /// Key and parameters are for different circuit sizes.
    #[error(
        "the key is for 2^{key} rows, the parameters are for 2^{params}; use parameters of the key's size"
    )]
    SizeMismatch {
        /// log2 of the parameters' size.
        params: u32,
        /// log2 of the key's size.
        key: u32,
    },
    /// Commitments to groups of columns take more powers than there are.
    #[error(
        "folded columns of 2^{k} rows take {needed} powers of the structured reference string, \
         which has {available}: use a longer string or smaller groups"
    )]
    StringTooShort {
        /// Powers needed.
        needed: usize,
        /// Powers in the parameters.
        available: usize,
        /// log2 of the number of rows.
        k: u32,
    },
    /// Bases were made for groups of other sizes.
    #[error(
        "the prepared bases have no groups of {0} columns; prepare them for this constraint system"
    )]
    FoldedBases(usize),
    /// Commitments that make no verifying key.
    #[error(transparent)]
    Key(#[from] verdict_kzg::key::KeyError),
    /// The circuit uses built-in lookups, which this prover does not implement.
    #[error(
        "the circuit has {0} built-in lookup arguments, which the engine does not support; use the reference prover"
    )]
    UnsupportedLookups(usize),
    /// A gate's degree exceeds what the quotient polynomial provides for.
    #[error(
        "a gate has degree {gate} but the constraint system is capped at {limit}; lower the gate's degree"
    )]
    GateDegree {
        /// Degree of the gate.
        gate: usize,
        /// Largest degree the system allows.
        limit: usize,
    },
    /// Wrong number of instance columns.
    #[error("instance columns mismatch: expected {expected}, got {got}")]
    InstanceColumns {
        /// Columns of the constraint system.
        expected: usize,
        /// Columns given.
        got: usize,
    },
    /// An instance column is longer than the usable rows.
    #[error(
        "instance column {column} has {got} values but only {limit} rows are usable; use a larger k"
    )]
    InstanceTooLong {
        /// Which column.
        column: usize,
        /// Its length.
        got: usize,
        /// Usable rows.
        limit: usize,
    },
    /// A row outside of the usable ones was assigned.
    #[error("row {row} of column {column} is outside of the {limit} usable rows; use a larger k")]
    RowOutOfRange {
        /// Index of the column.
        column: usize,
        /// The row.
        row: usize,
        /// Usable rows.
        limit: usize,
    },
    /// The circuit does not fit the parameters at all.
    #[error("the circuit needs at least {needed} rows, 2^{k} are available; use a larger k")]
    NotEnoughRows {
        /// Rows needed.
        needed: usize,
        /// log2 of the rows available.
        k: u32,
    },
    /// A column index is not part of the constraint system.
    #[error(
        "column {0} is not part of the constraint system of the key; is the key for another circuit?"
    )]
    UnknownColumn(usize),
    /// An advice cell was assigned an unknown value.
    #[error(
        "advice column {column}, row {row} was assigned an unknown value; give the circuit its witness"
    )]
    UnknownValue {
        /// Index of the column.
        column: usize,
        /// The row.
        row: usize,
    },
    /// A witness source returned a wrong number of columns.
    #[error("advice columns of phase {phase} mismatch: expected {expected}, got {got}")]
    AdviceColumns {
        /// The phase.
        phase: u8,
        /// Columns of that phase in the constraint system.
        expected: usize,
        /// Columns given.
        got: usize,
    },
    /// Keys from columns were asked for, but the circuit has more to fix than columns.
    #[error(
        "the circuit has {selectors} selectors and {copies} columns with copies; make its key from \
         the circuit"
    )]
    NotOnlyColumns {
        /// Selectors of the constraint system.
        selectors: usize,
        /// Columns in its permutation.
        copies: usize,
    },
    /// Wrong number of fixed columns.
    #[error("fixed columns mismatch: expected {expected}, got {got}")]
    FixedColumns {
        /// Columns of the constraint system.
        expected: usize,
        /// Columns given.
        got: usize,
    },
    /// The circuit asked for more phases than it declared.
    #[error("the circuit moved past its {0} phases; declare an advice column in every phase used")]
    TooManyPhases(usize),
    /// A witness source failed.
    #[error("witness of phase {phase}: {source}")]
    Witness {
        /// The phase.
        phase: u8,
        /// What the source said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The circuit's `synthesize` failed.
    #[error("circuit synthesis: {0}")]
    Synthesis(#[from] plonk::Error),
    /// The transcript could not be written.
    #[error("transcript: {0}")]
    Transcript(#[from] std::io::Error),
    /// Two queries open the same polynomial at the same point.
    #[error(
        "a column is queried twice at the same point; rotations must be distinct modulo the number of rows"
    )]
    QueryCollision,
    /// Proving would exceed the memory budget.
    #[error(
        "proving needs about {needed} bytes, the memory budget is {budget}; raise the budget or shrink the circuit"
    )]
    MemoryBudget {
        /// Estimated peak in bytes.
        needed: usize,
        /// The budget in bytes.
        budget: usize,
    },
    /// A denominator vanished; retry with other randomness.
    #[error("a challenge hit a root by chance; prove again with fresh randomness")]
    UnluckyChallenge,
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
}
