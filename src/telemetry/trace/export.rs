//! Sending spans to a collector: OTLP over HTTP, in JSON, on a thread of its own.
//!
//! No request ever waits for it. Workers put the spans of a request into a queue of bounded length, and what finds no room there is
//! dropped and counted. The collector gets what has come together within a second, in one request at a time.

use super::{Span, Tracer, otlp};
use crate::{
    net::{Client, TrustError},
    telemetry::{
        events::TraceExportFailed,
        metrics::{Span as Became, SpanMetrics},
    },
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Uri,
    header::{ACCEPT, CONTENT_TYPE},
};
use http_body_util::Full;
use std::{
    io,
    sync::{Arc, mpsc as std_mpsc},
    thread,
    time::Duration,
};
use tokio::{runtime, select, sync::mpsc, time::sleep};

/// Requests whose spans wait. Each has a handful, and at the most a hundred and some.
const QUEUE: usize = 2048;
/// Spans of one export, about; those of one request stay together.
const BATCH: usize = 512;
/// How long spans wait for others to go with them.
const GATHER: Duration = Duration::from_secs(1);
/// Time for one export.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the collector's answer.
const ANSWER: usize = 64 * 1024;
/// How long to wait before an export is tried again that failed in a way that may pass.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Where spans go.
#[derive(Debug)]
pub struct ExportSettings {
    /// The collector's address for traces: with its path.
    pub endpoint: Uri,
    /// PEM certificates of the authorities to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// Sent with each export. Those that are secret are marked so.
    pub headers: HeaderMap,
    /// What spans call this gate.
    pub service: String,
    /// What spans tell of it besides: names and values.
    pub attributes: Vec<(String, String)>,
    /// The share of the traces that begin here that are recorded, from 0 to 1.
    pub sample: f64,
}

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Nobody can be trusted.
    #[error("`traces.ca`: {0}")]
    Trust(#[from] TrustError),
    /// There is no thread for it.
    #[error("spans cannot be sent: {0}")]
    Thread(#[from] io::Error),
}

/// The thread that sends spans. It ends when it is told to, or with the process.
#[derive(Debug)]
pub struct Exporter {
    queue: mpsc::Sender<Message>,
    tracer: Tracer,
}

enum Message {
    Spans(Vec<Span>),
    /// Send what is there, say so, and end.
    End(std_mpsc::Sender<()>),
}

impl Exporter {
    /// Starts it.
    pub fn start(settings: ExportSettings, metrics: Arc<SpanMetrics>) -> Result<Self, ExportError> {
        let client = Client::new(settings.ca, PATIENCE, ANSWER)?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let mut headers = settings.headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let tracer = Tracer::new(settings.sample, {
            let (queue, metrics) = (queue.clone(), Arc::clone(&metrics));
            move |spans: Vec<Span>| {
                let count = spans.len();
                if queue.try_send(Message::Spans(spans)).is_err() {
                    metrics.became(Became::Dropped, count);
                }
            }
        });
        let resource = otlp::resource(&settings.service, &settings.attributes);
        let sending = Sending { client, endpoint: settings.endpoint, headers, resource, metrics, is_failing: false };
        let work = move || {
            // `hyper_util`'s client spawns what drives its connections.
            runtime.block_on(sending.run(waiting));
            runtime.shutdown_background();
        };
        thread::Builder::new().name("traces".to_owned()).spawn(work)?;
        Ok(Self { queue, tracer })
    }

    /// What puts spans into its queue.
    pub fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Sends what waits, and ends. Takes no longer than this.
    pub fn finish(self, within: Duration) {
        let (done, is_done) = std_mpsc::channel();
        if self.queue.try_send(Message::End(done)).is_ok() {
            // A collector that does not answer keeps nobody.
            let _ = is_done.recv_timeout(within);
        }
    }
}

struct Sending {
    client: Client,
    endpoint: Uri,
    headers: HeaderMap,
    resource: serde_json::Value,
    metrics: Arc<SpanMetrics>,
    /// Whether the last export failed: that it does is told once.
    is_failing: bool,
}

/// How one export went wrong.
struct Failed {
    why: String,
    /// Whether it may go better soon.
    may_pass: bool,
}

impl Sending {
    async fn run(mut self, mut waiting: mpsc::Receiver<Message>) {
        while let Some(message) = waiting.recv().await {
            let (batch, end) = gather(message, &mut waiting).await;
            self.export(batch, end.is_some()).await;
            if let Some(done) = end {
                let _ = done.send(());
                return;
            }
        }
    }

    /// Sends these, and counts what becomes of them.
    async fn export(&mut self, spans: Vec<Span>, is_last: bool) {
        if spans.is_empty() {
            return;
        }
        let body = Bytes::from(otlp::request(&self.resource, &spans));
        let mut pauses = AGAIN.iter().filter(|_| !is_last);
        let rejected = loop {
            match self.send(body.clone()).await {
                Ok(rejected) => break Ok(rejected),
                Err(failed) if failed.may_pass => match pauses.next() {
                    Some(pause) => sleep(*pause).await,
                    None => break Err(failed),
                },
                Err(failed) => break Err(failed),
            }
        };
        match rejected {
            Ok(rejected) => {
                self.is_failing = false;
                let rejected = rejected.min(spans.len());
                self.metrics.became(Became::Exported, spans.len() - rejected);
                self.metrics.became(Became::Failed, rejected);
            }
            Err(Failed { why, .. }) => {
                if !self.is_failing {
                    TraceExportFailed { reason: &why }.emit();
                }
                self.is_failing = true;
                self.metrics.became(Became::Failed, spans.len());
            }
        }
    }

    /// Makes one export; returns how many spans of it the collector rejected.
    async fn send(&self, body: Bytes) -> Result<usize, Failed> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        *request.headers_mut() = self.headers.clone();
        match self.client.send(request).await {
            Ok(answer) if answer.status.is_success() => Ok(otlp::rejected(&answer.body)),
            // Those that the protocol names ("Retryable Response Codes").
            Ok(answer) => Err(Failed {
                may_pass: matches!(answer.status.as_u16(), 429 | 502 | 503 | 504),
                why: format!("the collector answered with status {}", answer.status.as_u16()),
            }),
            Err(error) => Err(Failed { may_pass: true, why: error.to_string() }),
        }
    }
}

/// What has come together: no more than a batch, and no later than it has to go. Whoever wants to be told of the end comes last.
async fn gather(first: Message, waiting: &mut mpsc::Receiver<Message>) -> (Vec<Span>, Option<std_mpsc::Sender<()>>) {
    let mut batch = Vec::new();
    let mut message = Some(first);
    let deadline = sleep(GATHER);
    tokio::pin!(deadline);
    loop {
        match message.take() {
            Some(Message::Spans(spans)) => batch.extend(spans),
            Some(Message::End(done)) => return (batch, Some(done)),
            None => return (batch, None),
        }
        if batch.len() >= BATCH {
            return (batch, None);
        }
        message = select! {
            biased;
            next = waiting.recv() => next,
            () = &mut deadline => None,
        };
    }
}
