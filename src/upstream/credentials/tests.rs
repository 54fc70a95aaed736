//! Credentials on the way to a request: fetched once for all workers, waited for, and not waited for.

mod roles;

use super::{
    super::Call,
    kept::Kept,
    own::{Chain, Own},
    *,
};
use crate::{
    finding::Operation,
    upstream::{HttpSettings, OnBehalf, Signer, Upstream},
};
use bytes::Bytes;
use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

fn credentials(id: &str, lifetime: Option<Duration>) -> Credentials {
    let expiry = lifetime.map(|lifetime| SystemTime::now() + lifetime);
    Credentials::new(id, "secret", Some("token".to_owned()), expiry, "test")
}

fn refusal(why: &str) -> Refusal {
    Refusal { failure: Failure::Credentials { reason: why.to_owned() }, detail: why.to_owned() }
}

/// The access key's id, and for how long it is good from when it is fetched.
type Answer = Result<(&'static str, Option<Duration>), Refusal>;

/// Gives what it is told to, one thing a fetch, and only when it is told to.
struct Told {
    answers: tokio::sync::Mutex<mpsc::UnboundedReceiver<Answer>>,
    fetches: AtomicUsize,
}

impl Told {
    fn new() -> (Arc<Self>, mpsc::UnboundedSender<Answer>) {
        let (tell, answers) = mpsc::unbounded_channel();
        (Arc::new(Self { answers: answers.into(), fetches: AtomicUsize::new(0) }), tell)
    }
}

impl Source for Told {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Fetched> + Send + '_>> {
        Box::pin(async {
            self.fetches.fetch_add(1, SeqCst);
            let answer = self.answers.lock().await.recv().await.unwrap_or_else(|| Err(refusal("no more")));
            answer.map(|(id, lifetime)| credentials(id, lifetime))
        })
    }
}

fn settings() -> AwsSettings {
    AwsSettings { region: "eu-west-1".to_owned(), fips: false, dual_stack: false }
}

fn call(principal: &str) -> Call {
    Call {
        operation: Operation::BatchUpdateFindings,
        account: "222222222222".parse().unwrap(),
        on_behalf: OnBehalf { principal: principal.into(), ..OnBehalf::gate() },
        query: None,
        body: Bytes::from_static(b"{}"),
        trace: None,
    }
}

/// Runs `ask` on a thread with a runtime of its own, as a worker does.
fn on_a_worker<T: Send + 'static>(ask: impl Future<Output = T> + Send + 'static) -> thread::JoinHandle<T> {
    thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(soon(ask))
    })
}

#[test]
fn workers_that_wait_for_the_same_credentials_have_them_fetched_once() {
    let (source, tell) = Told::new();
    let courier = Arc::new(Courier::start().unwrap());
    let kept = Arc::<Kept>::default();
    let source: Arc<Told> = source;
    let ask = || {
        let (kept, courier, source) = (Arc::clone(&kept), Arc::clone(&courier), Arc::clone(&source));
        on_a_worker(async move { kept.get(&courier, &(source as Arc<dyn Source>)).await.unwrap() })
    };
    let workers: Vec<_> = (0..4).map(|_| ask()).collect();
    tell.send(Ok(("A", None))).unwrap();
    for worker in workers {
        assert_eq!(worker.join().unwrap().access_key_id(), "A");
    }
    assert_eq!(ask().join().unwrap().access_key_id(), "A");
    assert_eq!(source.fetches.load(SeqCst), 1);
}

#[test]
fn a_failure_is_every_waiting_workers_and_no_request_asks_again_at_once() {
    let (source, tell) = Told::new();
    let courier = Arc::new(Courier::start().unwrap());
    let kept = Arc::<Kept>::default();
    let ask = || {
        let (kept, courier, source) = (Arc::clone(&kept), Arc::clone(&courier), Arc::clone(&source));
        on_a_worker(async move { kept.get(&courier, &(source as Arc<dyn Source>)).await })
    };
    let workers: Vec<_> = (0..3).map(|_| ask()).collect();
    tell.send(Err(refusal("the metadata service is down"))).unwrap();
    for worker in workers {
        assert_eq!(worker.join().unwrap().unwrap_err(), refusal("the metadata service is down"));
    }
    // The pause is three quarters of a second at the least; should this thread sleep longer, the fetch is told the same.
    tell.send(Err(refusal("the metadata service is down"))).unwrap();
    assert!(ask().join().unwrap().is_err());
    assert!(source.fetches.load(SeqCst) <= 2);
}

/// A fetch that panics, or is dropped with its thread, is a failure and not a wait without end.
#[test]
fn a_fetch_that_breaks_off_leaves_nobody_waiting() {
    struct Broken;
    impl Source for Broken {
        fn fetch(&self) -> Pin<Box<dyn Future<Output = Fetched> + Send + '_>> {
            Box::pin(async { panic!("a provider's fault") })
        }
    }
    let courier = Courier::start().unwrap();
    let kept = Arc::<Kept>::default();
    let refused = on_a_worker(async move { kept.get(&courier, &(Arc::new(Broken) as Arc<dyn Source>)).await });
    assert!(refused.join().unwrap().unwrap_err().detail.contains("broken off"));
}

/// An [`Own`] that is given what a test says.
fn own() -> (Arc<Own>, mpsc::UnboundedSender<Answer>) {
    let (source, tell) = Told::new();
    (Own::start_from(Arc::new(Chain::new(settings())), source).unwrap(), tell)
}

async fn until(mut is: impl FnMut() -> bool) {
    soon(async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn readiness_falls_and_rises_with_the_credentials_without_any_request() {
    let (own, tell) = own();
    let Readiness::NoCredentials(why) = own.readiness() else { panic!("it has none yet") };
    assert!(why.contains("not been fetched yet"), "{why}");
    tell.send(Err(refusal("no role is attached"))).unwrap();
    until(|| matches!(own.readiness(), Readiness::NoCredentials(why) if why.contains("no role is attached"))).await;
    // Good for two seconds: the last ten are not used.
    tell.send(Ok(("A", Some(Duration::from_secs(12))))).unwrap();
    until(|| own.readiness() == Readiness::Ready).await;
    until(|| own.readiness() != Readiness::Ready).await;
    tell.send(Ok(("B", None))).unwrap();
    until(|| own.readiness() == Readiness::Ready).await;
    assert_eq!(soon(own.get()).await.unwrap().access_key_id(), "B");
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

/// A backend that remembers each request's text, and always answers this.
async fn backend(answer: &'static str) -> (HttpSettings, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = HttpSettings::new(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap());
    let (heard, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                let mut text = Vec::new();
                while let Ok(read @ 1..) = stream.read_buf(&mut text).await {
                    let _ = read;
                    if text.windows(4).any(|end| end == b"\r\n\r\n") && text.ends_with(b"{}") {
                        let _ = heard.send(String::from_utf8(std::mem::take(&mut text)).unwrap());
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                }
            });
        }
    });
    (settings, requests)
}

#[tokio::test]
async fn a_signed_request_has_the_signatures_headers_and_no_others() {
    let (own, tell) = own();
    tell.send(Ok(("AKIAGATE", None))).unwrap();
    let (mut settings, mut requests) = backend(OK).await;
    let host = settings.url.host().to_owned();
    settings.signer = Some(Signer { supply: Supply(Kind::Gateway(own)), region: "eu-west-1".to_owned() });
    let upstream = Upstream::http(settings).unwrap();
    soon(upstream.call(call("triage"))).await.unwrap();
    assert_eq!(upstream.readiness(), Readiness::Ready);
    let request = requests.recv().await.unwrap();
    let mut lines: Vec<_> = request.lines().skip(1).take_while(|line| !line.is_empty()).map(str::to_owned).collect();
    lines.sort_unstable();
    let begins = [
        "authorization: AWS4-HMAC-SHA256 Credential=AKIAGATE/",
        "content-length: 2",
        "content-type: application/json",
        &format!("host: {host}"),
        "x-amz-date: ",
        "x-amz-security-token: token",
    ];
    assert_eq!(lines.len(), begins.len(), "{lines:?}");
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(begin), "{line}");
    }
    let signed = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=";
    assert!(lines[0].contains("/eu-west-1/securityhub/aws4_request, ") && lines[0].contains(signed), "{}", lines[0]);
}

#[tokio::test]
async fn without_credentials_nothing_is_sent_and_the_caller_hears_why() {
    let (own, tell) = own();
    tell.send(Err(Refusal { detail: "stderr of a process: hunter2".to_owned(), ..refusal("a process failed") }))
        .unwrap();
    let (mut settings, mut requests) = backend(OK).await;
    settings.signer = Some(Signer { supply: Supply(Kind::Gateway(own)), region: "eu-west-1".to_owned() });
    let upstream = Upstream::http(settings).unwrap();
    let failure = soon(upstream.call(call("triage"))).await.unwrap_err();
    let error = failure.to_api_error();
    assert_eq!((error.status, error.code), (503, "ServiceUnavailableException"));
    assert!(error.message.contains("a process failed") && !error.message.contains("hunter2"), "{}", error.message);
    assert!(!failure.may_have_happened());
    assert!(requests.try_recv().is_err());
    assert!(matches!(upstream.readiness(), Readiness::NoCredentials(_)));
}

/// The caller's own signature was good: it must not go looking for a fault in it.
#[tokio::test]
async fn a_signature_that_the_backend_does_not_accept_is_the_gates_trouble() {
    for (answer, told) in [
        (
            "HTTP/1.1 403 F\r\nx-amzn-ErrorType: ExpiredTokenException:http://x/\r\nContent-Length: 2\r\n\r\n{}",
            Some("does not accept the gate's signature (ExpiredTokenException)"),
        ),
        (
            "HTTP/1.1 403 F\r\nContent-Length: 40\r\n\r\n{\"__type\":\"UnrecognizedClientException\"}",
            Some("does not accept the gate's signature (UnrecognizedClientException)"),
        ),
        ("HTTP/1.1 403 F\r\nx-amzn-ErrorType: AccessDeniedException\r\nContent-Length: 2\r\n\r\n{}", None),
    ] {
        let (own, tell) = own();
        tell.send(Ok(("AKIAGATE", None))).unwrap();
        let (mut settings, _requests) = backend(answer).await;
        settings.signer = Some(Signer { supply: Supply(Kind::Gateway(own)), region: "eu-west-1".to_owned() });
        let outcome = soon(Upstream::http(settings).unwrap().call(call("triage"))).await;
        match told {
            Some(told) => {
                let error = outcome.unwrap_err().to_api_error();
                assert_eq!((error.status, error.code), (503, "ServiceUnavailableException"));
                assert!(error.message.contains(told), "{}", error.message);
            }
            None => assert_eq!(outcome.unwrap().status, 403, "what the gate may do is the answer as it is"),
        }
    }
}

#[tokio::test]
async fn a_call_waits_for_credentials_no_longer_than_it_may_take() {
    let (own, _tell) = own();
    let (mut settings, _requests) = backend(OK).await;
    settings.timeout = Duration::from_millis(50);
    settings.signer = Some(Signer { supply: Supply(Kind::Gateway(own)), region: "eu-west-1".to_owned() });
    let failure = soon(Upstream::http(settings).unwrap().call(call("triage"))).await.unwrap_err();
    assert!(failure.to_string().contains("within 0.05 s (`upstream.timeout`)"), "{failure}");
}
