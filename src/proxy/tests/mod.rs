//! The server on real sockets.

mod bodies;
mod limits;
mod load;
mod protocol;
mod reference;
mod stop;

use super::{
    BodyError, DrainReport, Limits, Listener, LiveLimits, RequestBody, RequestIds, Service, Shutdown, Trigger,
    error_response, read_body, run,
};
use crate::{finding::ApiError, identity::Peer};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    rc::Rc,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

/// Short enough for a test to wait for, where a limit is to strike.
const SHORT: Duration = Duration::from_millis(150);

/// Less than any default limit, so what ends within it was ended by the limit under test.
const PATIENCE: Duration = Duration::from_secs(8);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("in time")
}

/// What happens inside the service, for the test to see and to steer.
#[derive(Debug)]
struct Probe {
    /// Gets a permit when a request to `/hold` has begun.
    held: Semaphore,
    /// A request to `/hold` takes a permit to end.
    release: Semaphore,
    /// Gets a permit when a request to `/hold` has ended.
    ended: Semaphore,
    failures: Mutex<Vec<BodyError>>,
    failed: Semaphore,
}

impl Probe {
    async fn pass(gate: &Semaphore) {
        soon(gate.acquire()).await.unwrap().forget();
    }
}

struct Steered {
    limits: Limits,
    ids: RequestIds,
    probe: Arc<Probe>,
}

impl Service for Steered {
    async fn call(self: Rc<Self>, request: Request<RequestBody>, _: Rc<Peer>) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/ignore" => error_response(&ApiError::access_denied("not read"), &self.ids.next()),
            "/large" => Response::new(Full::new(Bytes::from(vec![b'x'; 64 << 20]))),
            "/hold" => {
                self.probe.held.add_permits(1);
                self.probe.release.acquire().await.unwrap().forget();
                self.probe.ended.add_permits(1);
                Response::new(Full::new(Bytes::from_static(b"held")))
            }
            _ => match read_body(request.into_body(), self.limits.body, self.limits.body_timeout).await {
                Ok(body) => Response::new(Full::new(body)),
                Err(error) => {
                    self.probe.failures.lock().unwrap().push(error.clone());
                    self.probe.failed.add_permits(1);
                    error_response(&error.into(), &self.ids.next())
                }
            },
        }
    }

    fn body_limit(&self) -> usize {
        self.limits.body
    }
}

/// A running server.
struct Gate {
    address: SocketAddr,
    probe: Arc<Probe>,
    trigger: Trigger,
    thread: JoinHandle<DrainReport>,
}

impl Gate {
    fn start(limits: Limits) -> Self {
        Self::with_workers(limits, 1)
    }

    fn with_workers(limits: Limits, workers: usize) -> Self {
        let none = || Semaphore::new(0);
        let probe = Probe { held: none(), release: none(), ended: none(), failures: Mutex::default(), failed: none() };
        let probe = Arc::new(probe);
        let (trigger, shutdown) = Shutdown::by_trigger();
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), NonZeroUsize::new(workers).unwrap()).unwrap();
        let address = listener.address();
        let inside = Arc::clone(&probe);
        let thread = thread::spawn(move || {
            let service = |_| {
                let ids = RequestIds::new().unwrap();
                Ok::<_, Infallible>(Rc::new(Steered { limits: limits.clone(), ids, probe: Arc::clone(&inside) }))
            };
            run(listener, &LiveLimits::new(limits.clone()), service, &shutdown).unwrap()
        });
        Self { address, probe, trigger, thread }
    }

    async fn connect(&self) -> Client {
        Client(BufReader::new(TcpStream::connect(self.address).await.unwrap()))
    }

    async fn connect_http2(&self) -> http2::SendRequest<Full<Bytes>> {
        let socket = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let (client, connection) = http2::handshake(TokioExecutor::new(), socket).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Asks for a stop and waits until it has begun.
    async fn begin_stop(&self) {
        self.trigger.graceful();
        soon(async {
            while TcpStream::connect(self.address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Waits for the stop that was asked for.
    async fn stopped(self) -> DrainReport {
        soon(tokio::task::spawn_blocking(|| self.thread.join().unwrap())).await.unwrap()
    }

    async fn stop(self) -> DrainReport {
        self.trigger.graceful();
        self.stopped().await
    }
}

fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(format!("http://gate.example{path}")).body(Full::new(body.into())).unwrap()
}

/// An answer, read whole.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// A plain HTTP/1.1 client that can be told to misbehave.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    async fn post(&mut self, path: &str, body: &str) -> Reply {
        self.send(head(path, body.len()) + body).await;
        self.reply().await
    }

    async fn reply(&mut self) -> Reply {
        self.try_reply().await.unwrap()
    }

    async fn try_reply(&mut self) -> io::Result<Reply> {
        soon(async {
            let status_line = self.line().await?;
            let status = status_line.split(' ').nth(1).ok_or(io::ErrorKind::UnexpectedEof)?.parse().unwrap();
            let mut headers = HeaderMap::new();
            loop {
                let line = self.line().await?;
                let Some((name, value)) = line.split_once(": ") else { break };
                headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
            }
            let length = headers.get("content-length").map_or(0, |value| value.to_str().unwrap().parse().unwrap());
            let mut body = vec![0; length];
            self.0.read_exact(&mut body).await?;
            Ok(Reply { status, headers, body })
        })
        .await
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).await?;
        Ok(line.trim_end().to_owned())
    }

    /// Waits until the server closes, and closes too. What still comes is dropped.
    async fn closed(mut self) {
        let mut rest = Vec::new();
        // An RST is as good: there is nothing more to read.
        let _ = soon(self.0.read_to_end(&mut rest)).await;
    }

    /// Sends one byte now and then until the server has had enough. Fails if it never has.
    async fn dribble(&mut self, byte: u8) {
        soon(async {
            let mut scratch = [0; 1024];
            loop {
                let ended = tokio::select! {
                    read = self.0.get_mut().read(&mut scratch) => read.map_or(true, |read| read == 0),
                    () = tokio::time::sleep(SHORT / 10) => false,
                };
                if ended || self.0.write_all(&[byte]).await.is_err() {
                    break;
                }
            }
        })
        .await;
    }
}

fn head(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: gate.example\r\nContent-Length: {length}\r\n\r\n")
}
