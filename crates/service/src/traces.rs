//! Traces over OTLP, for those who ask for them by OpenTelemetry's own environment variables.
//!
//! A job's trace has the job's id: 128 bits, as a trace's. So what several processes do for a job is one
//! trace, and nothing about it is stored or sent along. What is done for several jobs at once is in the
//! first one's trace, with links to those of the others.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use opentelemetry::{
    Context,
    propagation::TextMapPropagator,
    trace::{
        SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
    },
};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider, SpanData, SpanExporter as Exporter},
};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::registry::LookupSpan;

/// The variables that ask for traces, each a URL.
const ASKED_BY: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// How often it is said that traces do not arrive.
const SAID: Duration = Duration::from_secs(300);

/// An exporter whose failures are in the log, once in a while.
#[derive(Debug)]
struct Told<E> {
    exporter: E,
    /// When it was said last.
    said: Mutex<Option<Instant>>,
}

impl<E> Told<E> {
    const fn new(exporter: E) -> Self {
        Self { exporter, said: Mutex::new(None) }
    }

    /// Whether it is to be said now.
    fn is_news(&self) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let news = said.is_none_or(|at| at.elapsed() >= SAID);
        if news {
            *said = Some(Instant::now());
        }
        news
    }
}

impl<E: Exporter> Exporter for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.exporter.export(batch).await;
        if let Err(error) = &sent
            && self.is_news()
        {
            tracing::warn!(%error, spans, "traces do not reach their collector");
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// The way to a collector. What was not sent yet is sent by [`Self::flush`].
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Traces of a process of this name (or that in `OTEL_SERVICE_NAME`), if the environment asks for
    /// them.
    ///
    /// # Errors
    /// The collector's URL is none.
    pub fn from_env(process: &'static str) -> Result<Option<Self>, ExporterBuildError> {
        let asked = |name: &&str| std::env::var(name).is_ok_and(|url| !url.is_empty());
        if !ASKED_BY.iter().any(asked) {
            return Ok(None);
        }
        let exporter = SpanExporter::builder().with_http().build()?;
        let mut resource = Resource::builder();
        if !asked(&"OTEL_SERVICE_NAME") {
            resource = resource.with_service_name(process);
        }
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(Told::new(exporter))
            .build();
        Ok(Some(Self(provider)))
    }

    /// What has to see spans for them to be sent.
    pub fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer().with_tracer(self.0.tracer("verdict")).with_location(false)
    }

    /// Sends what was not sent yet; waits a few seconds at most.
    pub fn flush(&self) {
        // A collector that is gone is no reason to end otherwise.
        let _ = self.0.shutdown();
    }
}

/// A span in the trace of a job, with links to those of the others.
pub(crate) fn of_jobs<'a>(span: Span, jobs: impl IntoIterator<Item = &'a str>) -> Span {
    let mut jobs = jobs.into_iter().filter_map(context_of);
    if let Some(first) = jobs.next() {
        // It fails where nobody asked for traces.
        let _ = span.set_parent(Context::new().with_remote_span_context(first));
    }
    jobs.for_each(|other| span.add_link(other));
    span
}

/// A span that goes on with the trace of whoever asks, if it is in one (`traceparent`).
pub(crate) fn of_request(span: Span, headers: &axum::http::HeaderMap) -> Span {
    let caller = TraceContextPropagator::new().extract(&Headers(headers));
    if caller.span().span_context().is_valid() {
        let _ = span.set_parent(caller);
    }
    span
}

/// The trace of a job, whose id is a ULID.
fn context_of(job: &str) -> Option<SpanContext> {
    let id = u128::from(ulid::Ulid::from_string(job).ok()?).to_be_bytes();
    let (_, random) = id.split_last_chunk::<8>()?;
    let (trace, span) = (TraceId::from_bytes(id), SpanId::from_bytes(*random));
    Some(SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default()))
}

/// A request's headers.
struct Headers<'a>(&'a axum::http::HeaderMap);

impl opentelemetry::propagation::Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_s_trace_has_its_id() {
        let job = "01jc3v8m0n9x2q4r6s8t0v2w4y";
        let context = context_of(job).expect("an id");
        assert!(context.is_valid() && context.is_remote() && context.is_sampled());
        let number = u128::from(ulid::Ulid::from_string(job).expect("an id"));
        assert_eq!(context.trace_id(), TraceId::from_bytes(number.to_be_bytes()));
        assert_eq!(context_of("no id"), None);
    }
}
