//! verdict-relayer
