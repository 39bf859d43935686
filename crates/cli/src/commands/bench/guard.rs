//! Slowdowns seen on any machine: times as multiples of a fixed workload's, compared
//! with committed multiples.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use halo2curves::{
    bn256::{Fr, G1, G1Affine},
    ff::Field,
    group::{Curve, Group},
    msm::msm_best,
};
use rand::{SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Outcome};

/// A figure this much above the committed one is reported.
const TOLERANCE: f64 = 1.2;

/// Figures by name. Times are multiples of the calibration workload's.
pub(super) type Figures = BTreeMap<String, f64>;

/// Committed figures: by field backend, then by model.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Baseline(BTreeMap<String, BTreeMap<String, Figures>>);

/// One figure beside the committed one.
#[derive(Debug, Serialize, PartialEq)]
pub(super) struct Comparison {
    pub(super) model: String,
    pub(super) figure: String,
    pub(super) now: f64,
    pub(super) committed: f64,
    pub(super) regressed: bool,
}

/// Largest baseline read.
const MAX_BASELINE_BYTES: u64 = 1 << 20;

impl Baseline {
    /// Reads a baseline; an absent file is an empty one.
    pub(super) fn read(path: &Path) -> Outcome<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        serde_json::from_slice(&verdict::read_bounded(path, MAX_BASELINE_BYTES)?)
            .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
    }

    /// Replaces the figures of one backend.
    pub(super) fn set(&mut self, backend: &str, figures: BTreeMap<String, Figures>) {
        self.0.insert(backend.to_owned(), figures);
    }

    /// Writes the baseline, whole or not at all.
    pub(super) fn write(&self, path: &Path) -> Outcome {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&file, self)?;
        std::io::Write::write_all(&mut file.as_file(), b"\n")?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Every figure that was committed for this backend; `None` without any.
    pub(super) fn compare(
        &self,
        backend: &str,
        now: &BTreeMap<String, Figures>,
    ) -> Option<Vec<Comparison>> {
        let committed = self.0.get(backend)?;
        let mut comparisons = Vec::new();
        for (model, figures) in now {
            for (figure, now) in figures {
                let Some(committed) = committed.get(model).and_then(|f| f.get(figure)) else {
                    continue;
                };
                comparisons.push(Comparison {
                    model: model.clone(),
                    figure: figure.clone(),
                    now: *now,
                    committed: *committed,
                    regressed: *now > committed * TOLERANCE,
                });
            }
        }
        Some(comparisons)
    }
}

/// A multi-scalar multiplication by halo2curves: the curve, the field, all cores, and
/// none of our code.
pub(super) struct Calibration {
    bases: Vec<G1Affine>,
    scalars: Vec<Fr>,
}

impl Calibration {
    pub(super) fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(7992);
        let points: Vec<G1> =
            std::iter::successors(Some(G1::random(&mut rng)), |point| Some(point.double()))
                .take(1 << 13)
                .collect();
        let mut bases = vec![G1Affine::default(); points.len()];
        G1::batch_normalize(&points, &mut bases);
        let scalars = points.iter().map(|_| Fr::random(&mut rng)).collect();
        Self { bases, scalars }
    }

    pub(super) fn time(&self) -> Duration {
        let start = Instant::now();
        std::hint::black_box(msm_best(&self.scalars, &self.bases));
        start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(proof: f64) -> BTreeMap<String, Figures> {
        let figures = Figures::from([("proof".to_owned(), proof), ("new".to_owned(), 1.0)]);
        BTreeMap::from([("m.onnx".to_owned(), figures)])
    }

    #[test]
    fn a_fifth_more_than_committed_is_a_regression() {
        let mut baseline = Baseline::default();
        assert_eq!(baseline.compare("Avx2", &figures(1.0)), None);
        let mut committed = figures(2.0);
        committed.values_mut().for_each(|figures| figures.retain(|name, _| name == "proof"));
        baseline.set("Avx2", committed);
        for (proof, regressed) in [(1.0, false), (2.3, false), (2.5, true)] {
            let compared = baseline.compare("Avx2", &figures(proof)).expect("committed");
            assert_eq!(compared.len(), 1);
            assert_eq!((compared[0].now, compared[0].regressed), (proof, regressed));
        }
        assert_eq!(baseline.compare("Portable", &figures(1.0)), None);
    }

    #[test]
    fn a_baseline_survives_writing_and_an_unreadable_one_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new").join("baseline.json");
        let mut baseline = Baseline::read(&path).expect("absent is empty");
        baseline.set("Portable", figures(3.0));
        baseline.write(&path).expect("written");
        let read = Baseline::read(&path).expect("read");
        let compared = read.compare("Portable", &figures(3.0)).expect("committed");
        assert!(compared.iter().all(|comparison| !comparison.regressed));
        std::fs::write(&path, "{").expect("written");
        let failure = Baseline::read(&path).expect_err("not JSON");
        assert!(failure.message.contains("baseline.json"), "{}", failure.message);
    }
}
