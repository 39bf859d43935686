//! The library as a Python extension module, `verdict._verdict`.
//!
//! It converts types, lets other Python threads run, maps errors to exceptions and looks for
//! Ctrl-C; what a user sees is the package of `python/verdict`. What has structure crosses as JSON
//! text, arrays as JSON too, which is what reads and checks samples from files.
//!
//! ```text
//! Python ─ arguments ─► work::run ─ thread ─► library
//!    ▲                      │  ▲                 │
//!    └─ callback, signals ──┘  └─ events ◄───────┘
//! ```

// Bad input is an error, never the end of the process.
#![warn(clippy::expect_used, clippy::panic, clippy::unreachable)]

mod chain;
mod error;
mod model;
mod proof;
mod setup;
mod srs;
mod work;

use pyo3::prelude::*;

/// The module's content; `_verdict.pyi` has its types.
#[pymodule]
fn _verdict(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("INSECURE", verdict::INSECURE)?;
    module.add_class::<model::Model>()?;
    module.add_class::<model::Plan>()?;
    module.add_class::<setup::Setup>()?;
    module.add_class::<proof::Prover>()?;
    module.add_class::<proof::Proof>()?;
    module.add_class::<chain::Account>()?;
    module.add_class::<chain::LocalChain>()?;
    module.add_function(wrap_pyfunction!(setup::setup, module)?)?;
    module.add_function(wrap_pyfunction!(setup::verify, module)?)?;
    module.add_function(wrap_pyfunction!(setup::stated, module)?)?;
    module.add_function(wrap_pyfunction!(setup::report, module)?)?;
    module.add_function(wrap_pyfunction!(setup::commit, module)?)?;
    module.add_function(wrap_pyfunction!(srs::import_srs, module)?)?;
    module.add_function(wrap_pyfunction!(chain::next_nonce, module)?)?;
    module.add_function(wrap_pyfunction!(chain::deploy, module)?)?;
    module.add_function(wrap_pyfunction!(chain::attach, module)?)?;
    module.add_function(wrap_pyfunction!(chain::attest, module)?)?;
    module.add_function(wrap_pyfunction!(chain::accept, module)?)?;
    module.add_function(wrap_pyfunction!(chain::submit, module)?)?;
    Ok(())
}
