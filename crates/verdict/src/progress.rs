//! What long work tells whoever waits for it.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Is told about the steps of a setup, a proof or a deployment. Every method may do
/// nothing, and none may fail: nobody listening is no reason to stop.
pub trait Progress: Send + Sync {
    /// A step begins.
    fn begin(&self, _step: &str) {}

    /// The step that began last has ended, well or not.
    fn end(&self, _step: &str, _succeeded: bool, _elapsed: Duration) {}

    /// Something worth knowing about the step that ended last.
    fn note(&self, _text: &str) {}

    /// Something that must not be missed.
    fn warn(&self, _text: &str) {}
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}

/// Runs a step and tells about it.
pub fn step<T, E>(
    progress: &dyn Progress,
    title: &str,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    timed_step(progress, title, work).map(|(value, _)| value)
}

/// Like [`step`], with the time it took.
pub fn timed_step<T, E>(
    progress: &dyn Progress,
    title: &str,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<(T, Duration), E> {
    progress.begin(title);
    let start = Instant::now();
    let result = work();
    let elapsed = start.elapsed();
    progress.end(title, result.is_ok(), elapsed);
    result.map(|value| (value, elapsed))
}

/// Like [`step`], for work that waits.
pub(crate) async fn step_async<T, E>(
    progress: &dyn Progress,
    title: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    progress.begin(title);
    let start = Instant::now();
    let result = work.await;
    progress.end(title, result.is_ok(), start.elapsed());
    result
}
