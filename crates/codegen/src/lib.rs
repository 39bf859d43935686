//! verdict-codegen
