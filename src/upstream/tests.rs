//! The client against real sockets: a backend that answers what it is told, and misbehaves as told.

mod conducted;
mod kept;

use super::*;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;

const PATIENCE: Duration = Duration::from_secs(8);
const SHORT: Duration = Duration::from_millis(150);
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

/// What a backend does with a connection once it has read a request.
#[derive(Clone)]
enum Then {
    /// Sends this and waits for the next request.
    Answer(String),
    /// Sends this and closes.
    Close(String),
    /// Sends this, and then nothing.
    Hang(String),
}

/// A backend that behaves on its n-th request as the n-th step says, and on all further ones as the last.
struct Backend {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// Every request, as it came.
    requests: mpsc::UnboundedReceiver<String>,
    /// A message when a connection ended on this side.
    closed: mpsc::UnboundedReceiver<()>,
}

impl Backend {
    async fn start(steps: impl IntoIterator<Item = Then>) -> Self {
        Self::start_with(steps, None).await
    }

    async fn start_with(steps: impl IntoIterator<Item = Then>, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let steps: Arc<[Then]> = steps.into_iter().collect();
        let (request, requests) = mpsc::unbounded_channel();
        let (close, closed) = mpsc::unbounded_channel();
        let (count, step) = (Arc::clone(&connections), Arc::new(AtomicUsize::new(0)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, SeqCst);
                let (steps, step, request, close) = (steps.clone(), step.clone(), request.clone(), close.clone());
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &steps, &step, &request).await,
                        Some(tls) => {
                            if let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await {
                                serve(stream, &steps, &step, &request).await;
                            }
                        }
                    }
                    let _ = close.send(());
                });
            }
        });
        Self { address, connections, requests, closed }
    }

    fn settings(&self) -> HttpSettings {
        HttpSettings::new(format!("http://{}", self.address).parse().unwrap())
    }

    fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    steps: &[Then],
    step: &AtomicUsize,
    request: &mpsc::UnboundedSender<String>,
) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            if stream.read_line(&mut text).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let length =
            text.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        request.send(text + std::str::from_utf8(&body).unwrap()).unwrap();
        let index = step.fetch_add(1, SeqCst).min(steps.len() - 1);
        let (Then::Answer(text) | Then::Close(text) | Then::Hang(text)) = &steps[index];
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
        stream.flush().await.unwrap();
        match &steps[index] {
            Then::Answer(_) => {}
            Then::Close(_) => {
                let _ = stream.shutdown().await;
                return;
            }
            Then::Hang(_) => std::future::pending().await,
        }
    }
}

fn call(body: &str) -> Call {
    Call {
        operation: Operation::BatchUpdateFindings,
        account: "222222222222".parse().unwrap(),
        on_behalf: OnBehalf::gate(),
        query: None,
        body: Bytes::copy_from_slice(body.as_bytes()),
        trace: None,
    }
}

async fn ask(upstream: &Upstream, body: &str) -> Result<Answer, Failure> {
    soon(upstream.call(call(body))).await
}

#[tokio::test]
async fn many_calls_take_one_connection_and_send_only_what_they_must() {
    let mut backend = Backend::start([Then::Answer(OK.into())]).await;
    let upstream = Upstream::http(backend.settings()).unwrap();
    for body in ["one", "two", "", "three"] {
        let answer = ask(&upstream, body).await.unwrap();
        assert_eq!((answer.status, answer.body.as_ref()), (200, b"{}".as_slice()));
        let request = soon(backend.requests.recv()).await.unwrap();
        let (head, sent) = request.split_once("\r\n\r\n").unwrap();
        let mut lines: Vec<_> = head.lines().map(str::to_owned).collect();
        lines[1..].sort();
        let expected = [
            "PATCH /findings/batchupdate HTTP/1.1".to_owned(),
            format!("content-length: {}", body.len()),
            "content-type: application/json".to_owned(),
            format!("host: {}", backend.address),
            "x-findings-gate-account: 222222222222".to_owned(),
        ];
        assert_eq!(lines, expected);
        assert_eq!(sent, body);
    }
    assert_eq!(backend.connections(), 1);
    // A worker's own pool does not use another's connections.
    ask(&upstream.for_worker(), "x").await.unwrap();
    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn every_operation_goes_to_its_path_behind_the_base() {
    let mut backend = Backend::start([Then::Answer(OK.into())]).await;
    let url = format!("http://{}/stage/", backend.address).parse().unwrap();
    let upstream = Upstream::http(HttpSettings::new(url)).unwrap();
    for operation in Operation::ALL.iter().copied() {
        soon(upstream.call(Call { operation, ..call("x") })).await.unwrap();
        let request = soon(backend.requests.recv()).await.unwrap();
        let expected = format!("{} /stage{} HTTP/1.1\r\n", operation.method(), operation.path());
        assert!(request.starts_with(&expected), "{request}");
    }
}

#[tokio::test]
async fn an_operation_with_a_query_sends_it_and_no_body() {
    let mut backend = Backend::start([Then::Answer(OK.into())]).await;
    let upstream = Upstream::http(backend.settings()).unwrap();
    let list = |query: Option<&str>| Call {
        operation: Operation::ListAutomationRules,
        query: query.map(str::to_owned),
        ..call("not to be sent")
    };
    for (query, target) in [
        (None, "/automationrules/list"),
        (Some("MaxResults=1&NextToken=a%2Fb"), "/automationrules/list?MaxResults=1&NextToken=a%2Fb"),
    ] {
        soon(upstream.call(list(query))).await.unwrap();
        let request = soon(backend.requests.recv()).await.unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{head}");
        assert!(!head.contains("content-type") && body.is_empty(), "{request}");
    }
    // A query that is none, and one for an operation that takes none, are not sent.
    let failure = soon(upstream.call(list(Some("a b")))).await.unwrap_err();
    assert!(matches!(failure, Failure::Unreachable { .. }), "{failure:?}");
    soon(upstream.call(Call { query: Some("x=1".to_owned()), ..call("body") })).await.unwrap();
    let request = soon(backend.requests.recv()).await.unwrap();
    assert!(request.starts_with("PATCH /findings/batchupdate HTTP/1.1\r\n") && request.ends_with("body"), "{request}");
}

#[tokio::test]
async fn answers_come_back_as_they_are() {
    let error = "HTTP/1.1 429 Too Many\r\nX-Amzn-ErrorType: TooManyRequestsException\r\nx-amzn-RequestId: r-1\r\n\
                 Retry-After: 3\r\nContent-Length: 4\r\n\r\nslow";
    let redirect = "HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n";
    let backend = Backend::start([error, redirect, chunked].map(|text| Then::Answer(text.into()))).await;
    let upstream = Upstream::http(backend.settings()).unwrap();
    let answer = ask(&upstream, "x").await.unwrap();
    let expected = Answer {
        status: 429,
        error_type: Some("TooManyRequestsException".into()),
        request_id: Some("r-1".into()),
        retry_after: Some(HeaderValue::from_static("3")),
        body: Bytes::from_static(b"slow"),
    };
    assert_eq!(answer, expected);
    assert_eq!(ask(&upstream, "x").await.unwrap().status, 307);
    assert_eq!(ask(&upstream, "x").await.unwrap().body, "abcde");
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn a_backend_that_is_down_was_sent_nothing() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let upstream = Upstream::http(HttpSettings::new(format!("http://{free}").parse().unwrap())).unwrap();
    let failure = ask(&upstream, "x").await.unwrap_err();
    assert!(matches!(failure, Failure::Unreachable { .. }), "{failure:?}");
    assert!(failure.to_string().contains(&free.to_string()) && failure.to_string().contains("refused"), "{failure}");
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_times_out_by_itself() {
    // The accept queue of a listener that accepts nothing fills up, and the kernel stops answering.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(SHORT, tokio::net::TcpStream::connect(address)).await {
        filling.push(stream);
    }
    let settings = HttpSettings::new(format!("http://{address}").parse().unwrap());
    let by_connect = HttpSettings { connect_timeout: SHORT, ..settings.clone() };
    let failure = ask(&Upstream::http(by_connect).unwrap(), "x").await.unwrap_err();
    assert!(matches!(failure, Failure::Unreachable { .. }), "{failure:?}");
    let by_total = HttpSettings { connect_timeout: PATIENCE, timeout: SHORT, ..settings };
    let failure = ask(&Upstream::http(by_total).unwrap(), "x").await.unwrap_err();
    assert!(matches!(failure, Failure::Timeout { sent: false, after: SHORT, .. }), "{failure:?}");
}

#[tokio::test]
async fn one_time_bounds_head_and_body_of_the_answer() {
    for begin in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"] {
        let backend = Backend::start([Then::Hang(begin.into())]).await;
        let upstream = Upstream::http(HttpSettings { timeout: SHORT, ..backend.settings() }).unwrap();
        let failure = ask(&upstream, "x").await.unwrap_err();
        assert!(matches!(failure, Failure::Timeout { sent: true, after: SHORT, .. }), "{begin}: {failure:?}");
    }
}

#[tokio::test]
async fn a_broken_answer_is_no_answer_and_is_not_asked_for_again() {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab";
    for broken in ["", "HTTP/1.1 200", length, chunked, "SSH-2.0-OpenSSH_9.2\r\n", "\x15\x03\x01\x00\x02\x02\x46"] {
        let mut backend = Backend::start([Then::Close(broken.into()), Then::Answer(OK.into())]).await;
        let upstream = Upstream::http(backend.settings()).unwrap();
        let failure = ask(&upstream, "x").await.unwrap_err();
        assert!(matches!(failure, Failure::Broken { .. }), "{broken}: {failure:?}");
        assert!(soon(backend.requests.recv()).await.is_some());
        assert!(backend.requests.try_recv().is_err(), "{broken}: it was sent twice");
        assert_eq!(ask(&upstream, "y").await.unwrap().status, 200);
    }
}

/// hyper never asks for a body that is empty.
#[tokio::test]
async fn a_request_without_a_body_was_sent_all_the_same() {
    for operation in [Operation::ListAutomationRules, Operation::BatchUpdateFindings] {
        let call = || Call { operation, ..call("") };
        let mut backend = Backend::start([Then::Close(String::new()), Then::Hang(String::new())]).await;
        let upstream = Upstream::http(HttpSettings { timeout: SHORT, ..backend.settings() }).unwrap();
        let failure = soon(upstream.call(call())).await.unwrap_err();
        assert!(matches!(failure, Failure::Broken { .. }), "{operation}: {failure:?}");
        let failure = soon(upstream.call(call())).await.unwrap_err();
        assert!(matches!(failure, Failure::Timeout { sent: true, .. }), "{operation}: {failure:?}");
        for _ in 0..2 {
            assert!(soon(backend.requests.recv()).await.is_some());
        }
    }
}

#[tokio::test]
async fn an_answer_is_bounded_whatever_it_declares() {
    let long = "x".repeat(1001);
    for answer in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n{long}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n{long}\r\n0\r\n\r\n"),
        format!("HTTP/1.0 200 OK\r\n\r\n{long}"),
    ] {
        let backend = Backend::start([Then::Close(answer)]).await;
        let upstream = |response_limit| Upstream::http(HttpSettings { response_limit, ..backend.settings() }).unwrap();
        let failure = ask(&upstream(1000), "x").await.unwrap_err();
        assert!(failure.to_string().contains("larger than 1000 bytes"), "{failure}");
        assert_eq!(ask(&upstream(1001), "x").await.unwrap().body.len(), 1001);
    }
}

#[tokio::test]
async fn a_connection_that_the_backend_closed_is_replaced_and_nothing_sent_twice() {
    // Closes after each answer without announcing it, so the client finds out by the closed socket.
    let mut backend = Backend::start([Then::Close(OK.into())]).await;
    let upstream = Upstream::http(backend.settings()).unwrap();
    let (mut known_closed, mut closed) = (true, 0);
    for round in 1..=60 {
        match ask(&upstream, &format!("call {round}")).await {
            Ok(answer) => assert_eq!(answer.status, 200),
            Err(failure) => {
                // The close came while the request was being written: it may have been sent, and is not sent again.
                assert!(matches!(failure, Failure::Broken { .. }), "{failure:?}");
                assert!(!known_closed, "{round}: {failure:?}");
            }
        }
        known_closed = round % 2 == 0;
        if known_closed {
            let ended = backend.connections();
            while closed < ended {
                soon(backend.closed.recv()).await.unwrap();
                closed += 1;
            }
            // The client's end reads the close in the next turns of this test's one thread.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    while let Ok(request) = backend.requests.try_recv() {
        let body = request.split_once("\r\n\r\n").unwrap().1.to_owned();
        assert!(seen.insert(body), "sent twice: {request}");
    }
    assert!(seen.len() >= 30);
}

#[tokio::test]
async fn tls_trusts_the_given_authority_and_no_other() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert;
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let backend = Backend::start_with([Then::Answer(OK.into())], Some(Arc::new(server))).await;
    let upstream = |host: &str, ca: Option<String>| {
        let url = format!("https://{host}:{}", backend.address.port()).parse().unwrap();
        Upstream::http(HttpSettings { ca: ca.map(String::into_bytes), ..HttpSettings::new(url) })
    };
    let trusting = upstream("localhost", Some(cert.pem())).unwrap();
    for _ in 0..3 {
        assert_eq!(ask(&trusting, "x").await.unwrap().status, 200);
    }
    assert_eq!(backend.connections(), 1);

    for (host, ca, told) in
        [("localhost", other.pem(), "invalid peer certificate"), ("127.0.0.1", cert.pem(), "not valid for name")]
    {
        let failure = ask(&upstream(host, Some(ca)).unwrap(), "x").await.unwrap_err();
        assert!(matches!(failure, Failure::Unreachable { .. }), "{failure:?}");
        assert!(failure.to_string().contains(told), "{failure}");
    }
    for bad in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let error = upstream("localhost", Some(bad.into())).unwrap_err();
        assert!(matches!(error, UpstreamError::Trust(_)), "{error}");
    }
}

#[tokio::test]
async fn a_backend_inside_the_program_is_called_as_it_is() {
    struct Inside;
    impl InProcess for Inside {
        fn call(&self, call: Call) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + '_>> {
            let none = || None::<String>;
            let answer =
                Answer { status: 200, error_type: none(), request_id: none(), retry_after: None, body: call.body };
            Box::pin(async { Ok(answer) })
        }
    }
    let upstream = Upstream::embedded(Arc::new(Inside)).for_worker();
    assert_eq!(ask(&upstream, "x").await.unwrap().body, "x");
}
