//! Long work, beside Python.
//!
//! It runs in a thread of its own. The calling thread waits without the interpreter's lock, tells
//! the callback what happens, and lets Python handle signals, so that Ctrl-C raises
//! KeyboardInterrupt. The work is then told to stop: keys and proofs before their next stage, what
//! waits for a chain at once; what was signed is in the relayer's database and is taken up by the
//! next call. What cannot be stopped (planning) ends by itself, and its result is dropped.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use pyo3::prelude::*;
use verdict_engine::Stage;

use crate::error::{Failure, Outcome};

/// How often signals are looked for.
const TICK: Duration = Duration::from_millis(50);
/// How long work that was told to stop is waited for.
const GRACE: Duration = Duration::from_secs(2);
/// What the program's main thread has: graphs are walked recursively.
const STACK: usize = 8 << 20;

/// What work tells.
enum Event<T> {
    Told(&'static str, String, f64),
    Done(Outcome<T>),
}

type Tell = Box<dyn Fn(&'static str, String, f64) + Send>;

/// Listens to the library and the engine, and carries the wish to stop.
#[derive(Clone, Default)]
pub(crate) struct Task {
    tell: Arc<Mutex<Option<Tell>>>,
    pub(crate) cancel: Arc<AtomicBool>,
}

impl Task {
    fn tell(&self, what: &'static str, text: &str, seconds: f64) {
        if let Ok(tell) = self.tell.lock()
            && let Some(tell) = &*tell
        {
            tell(what, text.to_owned(), seconds);
        }
    }

    /// The engine's options, with this task to listen and to stop it.
    pub(crate) fn engine(&self, threads: usize) -> verdict::EngineOptions {
        verdict::EngineOptions {
            threads,
            progress: Some(Arc::new(self.clone())),
            cancel: Some(self.cancel.clone()),
            ..verdict::EngineOptions::default()
        }
    }

    /// Fails if the work was told to stop.
    pub(crate) fn go_on(&self) -> Outcome {
        match self.cancel.load(Ordering::Relaxed) {
            true => Err(Failure::interrupted()),
            false => Ok(()),
        }
    }

    /// Waits for something of a chain, unless it is told to stop.
    pub(crate) fn wait<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Outcome<T>
    where
        E: Into<verdict::Error>,
    {
        self.wait_for(async { Ok(work.await.map_err(Into::into)?) })
    }

    /// The same of work with failures of its own.
    pub(crate) fn wait_for<T>(&self, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build()?;
        let outcome = runtime.block_on(async {
            tokio::select! {
                outcome = work => outcome,
                () = self.stopped() => Err(Failure::interrupted()),
            }
        });
        runtime.shutdown_background();
        outcome
    }

    async fn stopped(&self) {
        while !self.cancel.load(Ordering::Relaxed) {
            tokio::time::sleep(TICK).await;
        }
    }
}

impl verdict::Progress for Task {
    fn begin(&self, step: &str) {
        self.tell("begin", step, 0.0);
    }

    fn end(&self, step: &str, succeeded: bool, elapsed: Duration) {
        self.tell(if succeeded { "end" } else { "failed" }, step, elapsed.as_secs_f64());
    }

    fn note(&self, text: &str) {
        self.tell("note", text, 0.0);
    }

    fn warn(&self, text: &str) {
        self.tell("warn", text, 0.0);
    }
}

impl verdict_engine::Progress for Task {
    fn stage(&self, stage: Stage) {
        self.tell("stage", &stage.to_string(), 0.0);
    }
}

/// Runs work with a task of its own. `progress`, if it is not None, is called with an event
/// ("begin", "stage", "end", "failed", "note", "warn"), its text, and seconds.
pub(crate) fn run<T: Send + 'static>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Task) -> Outcome<T> + Send + 'static,
) -> PyResult<T> {
    let task = &Task::default();
    let (sender, events) = mpsc::channel();
    let inner = task.clone();
    let builder = thread::Builder::new().name("verdict".into()).stack_size(STACK);
    builder.spawn(move || in_thread(inner, sender, work)).map_err(Failure::from)?;
    // A receiver belongs to one thread, and the lock is given up with it.
    let events = Mutex::new(events);
    loop {
        match py.detach(|| next(&events, TICK)) {
            Ok(Event::Told(what, text, seconds)) => {
                if let Some(progress) = progress
                    && let Err(error) = progress.call1((what, text, seconds))
                {
                    return Err(stop(py, task, &events, error));
                }
            }
            Ok(Event::Done(outcome)) => return Ok(outcome?),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::new("the work ended without a result").into());
            }
        }
        if let Err(error) = py.check_signals() {
            return Err(stop(py, task, &events, error));
        }
    }
}

/// The process whose thread pools there are.
static POOLS: OnceLock<u32> = OnceLock::new();

/// Runs work that computes in pools of threads. A process that was forked has its parent's pools
/// without their threads, and would wait for them for ever.
pub(crate) fn run_pooled<T: Send + 'static>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Task) -> Outcome<T> + Send + 'static,
) -> PyResult<T> {
    let own = std::process::id();
    let parent = *POOLS.get_or_init(|| own);
    if parent != own {
        return Err(Failure::new(format!(
            "this process was forked from process {parent}, whose threads had proven or planned \
             already: they are not here"
        ))
        .hint(
            "start processes with multiprocessing's \"spawn\" or \"forkserver\", or fork before \
             anything is set up, inspected or proven",
        )
        .into());
    }
    run(py, progress, work)
}

fn in_thread<T>(task: Task, sender: Sender<Event<T>>, work: impl FnOnce(&Task) -> Outcome<T>)
where
    T: Send + 'static,
{
    let told = sender.clone();
    let tell: Tell = Box::new(move |what, text, seconds| {
        // Nobody listens to work that was given up.
        let _ = told.send(Event::Told(what, text, seconds));
    });
    if let Ok(mut current) = task.tell.lock() {
        *current = Some(tell);
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| work(&task))).unwrap_or_else(|_| {
        Err(Failure::new(
            "this is a bug: the library has panicked; its words are on standard error",
        ))
    });
    let _ = sender.send(Event::Done(outcome));
}

fn next<T>(
    events: &Mutex<Receiver<Event<T>>>,
    limit: Duration,
) -> Result<Event<T>, RecvTimeoutError> {
    match events.lock() {
        Ok(events) => events.recv_timeout(limit),
        Err(_) => Err(RecvTimeoutError::Disconnected),
    }
}

/// Tells the work to stop, and waits a little for it to do so.
fn stop<T: Send>(
    py: Python<'_>,
    task: &Task,
    events: &Mutex<Receiver<Event<T>>>,
    error: PyErr,
) -> PyErr {
    task.cancel.store(true, Ordering::Relaxed);
    py.detach(|| {
        let start = Instant::now();
        while start.elapsed() < GRACE {
            match next(events, TICK) {
                Ok(Event::Done(_)) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(Event::Told(..)) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
    });
    error
}
