//! verdict-contracts
