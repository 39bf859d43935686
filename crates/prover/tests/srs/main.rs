//! The structured reference string: making, importing, checking, keeping.

mod development;
mod file;
mod halo2;
mod ptau;
mod support;
