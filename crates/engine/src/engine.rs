//! The engine: worker threads, prepared parameters, options.

use crate::error::EngineError;
use crate::fft::Domain;
use crate::field::Backend;
use crate::options::{Control, Options};
use crate::srs::{Srs, SrsPoints};
use group::Curve;
use group::prime::PrimeCurveAffine;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2curves::bn256::{Bn256, Fr, G1, G1Affine};
use rayon::prelude::*;
use std::sync::Arc;

/// Makes proofs and keys for circuits of one size. Preparing the parameters costs a
/// fraction of a proof, so an engine is worth keeping between proofs.
#[derive(Debug)]
pub struct Engine {
    pub(crate) options: Options,
    pub(crate) backend: Backend,
    pub(crate) pool: Arc<rayon::ThreadPool>,
    pub(crate) srs: Arc<Srs>,
    pub(crate) domain: Arc<Domain>,
}

impl Engine {
    /// Prepares an engine for circuits of the parameters' size.
    ///
    /// # Errors
    ///
    /// When an option is out of range or threads cannot be started.
    pub fn new(params: &ParamsKZG<Bn256>, options: Options) -> Result<Self, EngineError> {
        Self::with_srs(options, |backend| Ok(Srs::new(params, backend)?))
    }

    /// Prepares an engine from points: for proofs that commit to groups of columns.
    ///
    /// # Errors
    ///
    /// As [`Self::new`]; points that are not of the kind or number they should be.
    pub fn from_points(points: &SrsPoints, options: Options) -> Result<Self, EngineError> {
        Self::with_srs(options, |backend| Srs::from_points(points, backend))
    }

    fn with_srs(
        options: Options,
        srs: impl FnOnce(Backend) -> Result<Srs, EngineError> + Send,
    ) -> Result<Self, EngineError> {
        options.validate()?;
        let backend = options.backend.unwrap_or_else(Backend::detect);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.threads)
            .thread_name(|i| format!("engine-{i}"))
            .build()
            .map_err(|error| EngineError::Threads(error.to_string()))?;
        let srs = pool.install(|| srs(backend))?;
        let domain = Arc::new(Domain::new(srs.k, backend));
        Ok(Self { options, backend, pool: Arc::new(pool), srs: Arc::new(srs), domain })
    }

    /// The same engine, with its threads and parameters, for a proof that others are told about and
    /// may stop.
    #[must_use]
    pub fn controlled(&self, control: &Control) -> Self {
        let Control { progress, cancel } = control.clone();
        Self {
            options: Options { progress, cancel, ..self.options.clone() },
            backend: self.backend,
            pool: self.pool.clone(),
            srs: self.srs.clone(),
            domain: self.domain.clone(),
        }
    }

    /// log2 of the number of rows.
    pub fn k(&self) -> u32 {
        self.srs.k
    }

    /// Commits to columns given as values.
    pub(crate) fn commit_values<'a>(
        &self,
        columns: impl IntoParallelIterator<Item = &'a [Fr]>,
    ) -> Vec<G1Affine> {
        let columns = columns.into_par_iter();
        affine(columns.map(|column| self.srs.commit(column)).collect())
    }

    /// Commits to polynomials given as coefficients.
    pub(crate) fn commit_coefficients<'a>(
        &self,
        polynomials: impl IntoParallelIterator<Item = &'a [Fr]>,
    ) -> Vec<G1Affine> {
        let polynomials = polynomials.into_par_iter();
        affine(polynomials.map(|coefficients| self.srs.monomial.msm(coefficients)).collect())
    }
}

pub(crate) fn affine(points: Vec<G1>) -> Vec<G1Affine> {
    let mut affine = vec![G1Affine::identity(); points.len()];
    G1::batch_normalize(&points, &mut affine);
    affine
}
