//! The least that hyper can do on one thread: a findings backend that agrees with everything, and a proxy that passes
//! everything on.

use super::{
    clock::Clock,
    proxy::{Proxy, Running},
    traffic::PATH,
};
use bytes::Bytes;
use findings_gate::proxy::{BodyError, read_body};
use http::{HeaderValue, Request, Response, Uri, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use memchr::{memchr, memmem};
use std::{error::Error, future::Future, net::SocketAddr, sync::mpsc, thread, time::Duration};
use tokio::{net::TcpListener, runtime, sync::oneshot};

/// Answers each BatchUpdateFindings with all its findings processed.
pub(crate) fn backend() -> Proxy {
    start("backend", |request: Request<Incoming>| async move {
        let body = read_body(request.into_body(), 1024 * 1024, Duration::from_secs(10)).await?;
        let mut response = Response::new(Full::new(all_processed(&body)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok::<_, BodyError>(response)
    })
}

/// Copies the identifiers' bytes. No id of the bench has a bracket in it.
fn all_processed(body: &[u8]) -> Bytes {
    const BEFORE: &[u8] = br#""FindingIdentifiers":["#;
    let from = memmem::find(body, BEFORE).expect("a BatchUpdateFindings request") + BEFORE.len();
    let length = memchr(b']', &body[from..]).expect("the end of the identifiers");
    [br#"{"ProcessedFindings":["#, &body[from..from + length], br#"],"UnprocessedFindings":[]}"#].concat().into()
}

/// Passes requests and answers on as they come, with connections to the backend that it keeps.
pub(crate) fn floor(backend: SocketAddr) -> Proxy {
    let uri: Uri = format!("http://{backend}{PATH}").parse().expect("an address is an authority");
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build::<_, Incoming>(tcp);
    start("floor", move |mut request: Request<Incoming>| {
        *request.uri_mut() = uri.clone();
        client.request(request)
    })
}

/// Serves HTTP/1.1 on a thread.
fn start<F, R, B, E>(name: &'static str, answer: F) -> Proxy
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let (ready, is_ready) = mpsc::channel();
    let (stop, mut stopped) = oneshot::channel::<()>();
    let serve = async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound socket");
        ready.send((address, Clock::of_this_thread())).expect("the bench waits for it");
        loop {
            let (stream, _) = tokio::select! {
                accepted = listener.accept() => accepted.expect("a connection"),
                _ = &mut stopped => return,
            };
            stream.set_nodelay(true).expect("a TCP socket");
            let service = service_fn(answer.clone());
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || runtime.block_on(serve));
    let running = Running::thread(thread.expect("a thread"), move || _ = stop.send(()));
    let (address, clock) = is_ready.recv().expect("the server came up");
    Proxy { name, address, key: None, tls: None, clock, running }
}
