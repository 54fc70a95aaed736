//! The workers: accepting, serving, and stopping.

use super::{
    DrainReport, Limits, Listener, LiveLimits, RequestBody, RequestIds, Shutdown,
    carried::{Carried, Slots},
    connection::{InFlight, State, Watch},
    error_response,
    listener::BACKLOG,
    portion::Portion,
    room::Room,
    socket::{Protocol, Socket},
    stream::Stream,
    tally::{Open, Tally},
    tls::{Shown, Tls},
};
use crate::{
    finding::ApiError,
    identity::{ClientCertificate, Peer},
    net::tcp::send_turns,
    telemetry::{
        events::HandshakeFailed,
        metrics::{LoadMetrics, Shed},
    },
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CONNECTION};
use http_body_util::Full;
use hyper::{
    body::{Body, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use std::{
    any::Any,
    cell::{OnceCell, RefCell},
    convert::Infallible,
    future::Future,
    io,
    net::{self, SocketAddr},
    panic,
    pin::pin,
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{self, LocalOptions},
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::spawn_local,
    time::{Instant, interval, sleep, sleep_until},
};

/// Deep policy conditions are evaluated on this stack, so it must not depend on the platform's default.
const WORKER_STACK: usize = 8 * 1024 * 1024;

/// What hyper may buffer of one HTTP/1.1 connection, each way. A whole body of usual size fits, and so is read in one piece.
const BUFFER: usize = 128 * 1024;

/// What a client may send of one HTTP/2 stream's body, and of all bodies of the connection, before the gate has taken it: these bytes lie in
/// memory whether or not their request has got room.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;

/// How long a worker that cannot accept (mostly: too many open files) waits before it tries again.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// While no place is free, connections that idle are asked for theirs this often.
const ASK_FOR_ROOM: Duration = Duration::from_millis(100);

/// What answers requests. Each worker has its own, and stays on its own thread.
pub trait Service: 'static {
    /// Answers a request.
    ///
    /// The future is driven to its end even if the client goes away meanwhile, except at the deadline of a stop. It must
    /// bound its own time: no timer of the connection runs while it does.
    fn call(
        self: Rc<Self>,
        request: Request<RequestBody>,
        peer: Rc<Peer>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + 'static;

    /// The most bytes of a body that it reads.
    fn body_limit(&self) -> usize;
}

/// Why the server did not come up.
#[derive(Debug, thiserror::Error)]
pub enum RunError<E> {
    /// A thread, a runtime, a socket or randomness could not be had.
    #[error("cannot start a worker: {0}")]
    Worker(#[from] io::Error),
    /// A worker's service could not be made.
    #[error("{0}")]
    Service(E),
}

/// Serves until it is told to stop, and returns when that is done.
///
/// `make_service` is called once on each worker's own thread. Nothing is accepted before all of them have a service; if one
/// fails, the others do not begin.
pub fn run<S, E>(
    listener: Listener,
    limits: &LiveLimits,
    make_service: impl Fn(usize) -> Result<Rc<S>, E> + Send + Sync,
    shutdown: &Shutdown,
) -> Result<DrainReport, RunError<E>>
where
    S: Service,
    E: Send,
{
    let (now, generation) = limits.current(|now, generation| (Arc::clone(now), generation));
    let places = Arc::new(Places::new(now.connections, listener.sockets.len().max(1)));
    listener.load.connections_limit(now.connections);
    let room = Room::new(&now, listener.load);
    let make_service = &make_service;
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for (index, socket) in listener.sockets.into_iter().enumerate() {
            let (ready, is_ready) = mpsc::channel::<()>();
            let (go, may_go) = mpsc::channel::<()>();
            let (places, room) = (Arc::clone(&places), room.clone());
            let (shutdown, tls, now) = (shutdown.clone(), listener.tls.clone(), Arc::clone(&now));
            let work = move || -> Result<DrainReport, RunError<E>> {
                // Not a `LocalSet`, which queues each task that is woken once for itself and once for its runtime.
                let mut runtime = runtime::Builder::new_current_thread();
                let runtime = runtime.enable_all().build_local(LocalOptions::default())?;
                let worker = {
                    let _inside = runtime.enter();
                    let listener = TcpListener::from_std(socket)?;
                    let service = make_service(index).map_err(RunError::Service)?;
                    // Those that places and room were made by: it shows if they were replaced since.
                    let held = Held::new(&now, generation);
                    Worker::new(listener, service, (limits.clone(), held), (places, room), tls)?
                };
                // If nobody waits for it any more, `may_go` tells so too.
                let _ = ready.send(());
                if may_go.recv().is_err() {
                    return Ok(DrainReport::default());
                }
                let report = runtime.block_on(worker.run(shutdown));
                // A look-up of a name may still be under way on another thread; nobody waits for it.
                runtime.shutdown_background();
                Ok(report)
            };
            let thread = thread::Builder::new()
                .name(format!("worker-{index}"))
                .stack_size(WORKER_STACK)
                .spawn_scoped(scope, work)?;
            workers.push((thread, is_ready, go));
        }
        // A worker that fails or panics drops its end unsent. Then every `go` is dropped too, and no worker begins.
        let all_ready = workers.iter().all(|(_, is_ready, _)| is_ready.recv().is_ok());
        let mut threads = Vec::new();
        for (thread, _, go) in workers {
            if all_ready {
                let _ = go.send(());
            }
            threads.push(thread);
        }
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|e| panic::resume_unwind(e));
        threads.into_iter().map(join).try_fold(DrainReport::default(), |sum, report| Ok(sum.and(report?)))
    })
}

/// Spawns HTTP/2's streams on the worker's own thread.
#[derive(Clone)]
struct Here;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

/// Places for connections, of all workers together.
struct Places {
    free: Arc<Semaphore>,
    /// Somebody has none.
    wanted: Notify,
    workers: usize,
    size: Mutex<Size>,
}

/// How many places there are.
struct Size {
    all: usize,
    /// So many were taken away while they were in use: whoever leaves one next leaves it to nobody.
    owed: usize,
}

impl Places {
    fn new(all: usize, workers: usize) -> Self {
        let all = all.min(Semaphore::MAX_PERMITS);
        let size = Mutex::new(Size { all, owed: 0 });
        Self { free: Arc::new(Semaphore::new(all)), wanted: Notify::new(), workers, size }
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes it so many. Connections that have a place keep it.
    fn resize(&self, all: usize) {
        let all = all.min(Semaphore::MAX_PERMITS);
        let mut size = self.size();
        if all > size.all {
            let more = all - size.all;
            let still_owed = size.owed.saturating_sub(more);
            self.free.add_permits(more - (size.owed - still_owed));
            size.owed = still_owed;
        } else {
            let fewer = size.all - all;
            size.owed += fewer - self.free.forget_permits(fewer);
        }
        size.all = all;
    }

    /// How many connections each worker should let go, so that there is a place: more than one where places were taken away.
    fn missing(&self) -> usize {
        1 + self.size().owed.div_ceil(self.workers)
    }

    /// Takes a place back, unless there is one too many.
    fn take_back(&self, place: OwnedSemaphorePermit) {
        let mut size = self.size();
        if size.owed > 0 {
            size.owed -= 1;
            place.forget();
        } else {
            // Before anybody changes the size.
            drop(place);
        }
    }
}

/// What a worker's connections and requests are held to, until the limits are replaced.
struct Held {
    generation: u64,
    limits: Arc<Limits>,
    http1: http1::Builder,
    http2: http2::Builder<Here>,
}

impl Held {
    fn new(limits: &Arc<Limits>, generation: u64) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            // The connection's own timer does it, without a timer a request.
            .header_read_timeout(None)
            // Not `max_headers`: other than the default it costs an allocation a request.
            .max_header_size(limits.header_bytes)
            .max_buf_size(BUFFER.max(limits.header_bytes))
            // Otherwise a client that closes its end early would take down the answer that is being made.
            .half_close(true);
        let mut http2 = http2::Builder::new(Here);
        http2
            .max_concurrent_streams(limits.streams)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
        Self { generation, limits: Arc::clone(limits), http1, http2 }
    }
}

/// What the connections of a worker share.
struct Shared<S> {
    service: Rc<S>,
    limits: LiveLimits,
    held: RefCell<Rc<Held>>,
    ids: RequestIds,
    tally: Rc<Tally>,
    places: Arc<Places>,
    room: Room,
    tls: Option<Tls>,
    /// [`Slots`] of the futures that answer requests over HTTP/1.1.
    slots: OnceCell<Rc<dyn Any>>,
}

/// The other end of a connection.
struct Party {
    peer: Rc<Peer>,
    /// What it showed in the handshake.
    shown: Option<Shown>,
}

struct Worker<S> {
    listener: TcpListener,
    shared: Rc<Shared<S>>,
}

impl<S: Service> Worker<S> {
    fn new(
        listener: TcpListener,
        service: Rc<S>,
        (limits, held): (LiveLimits, Held),
        (places, room): (Arc<Places>, Room),
        tls: Option<Tls>,
    ) -> io::Result<Self> {
        let ids = RequestIds::new().map_err(|_| io::Error::other("the system gives no random numbers"))?;
        let held = RefCell::new(Rc::new(held));
        let tally = Rc::new(Tally::new());
        let slots = OnceCell::new();
        let shared = Rc::new(Shared { service, limits, held, ids, tally, places, room, tls, slots });
        Ok(Self { listener, shared })
    }

    async fn run(self, mut shutdown: Shutdown) -> DrainReport {
        spawn_local(send_turns());
        let waiting = {
            let mut makes_room = pin!(self.make_room());
            tokio::select! {
                waiting = self.accept(&mut shutdown) => waiting,
                () = &mut makes_room => None,
            }
        };

        let Self { listener, shared } = self;
        let tally = &shared.tally;
        tally.begin_stop();
        // Whoever the kernel let connect before the stop is answered.
        for (stream, peer) in waiting.into_iter().chain(queued(listener)) {
            shared.spawn(stream, peer, None);
        }
        tokio::select! {
            () = tally.all_done() => {}
            () = sleep(shared.held().limits.drain_timeout) => {}
            () = shutdown.immediate() => {}
        }
        tally.end_work();
        tally.report()
    }

    /// Lets idle connections go while any worker has no place for a new one. Does not end.
    async fn make_room(&self) {
        loop {
            self.shared.places.wanted.notified().await;
            self.shared.tally.make_room(self.shared.places.missing());
        }
    }

    /// Accepts until the stop. Returns a connection that was accepted and found no place.
    async fn accept(&self, shutdown: &mut Shutdown) -> Option<(TcpStream, SocketAddr)> {
        let tally = &self.shared.tally;
        let mut announced = shutdown.clone();
        let mut announced = pin!(announced.announced());
        let mut stop = pin!(shutdown.requested());
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => return None,
                () = &mut announced, if !tally.leaving() => {
                    tally.announce_stop();
                    continue;
                }
                accepted = self.listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; trying again");
                    tokio::select! {
                        () = &mut stop => return None,
                        () = sleep(ACCEPT_BACKOFF) => continue,
                    }
                }
            };
            self.shared.load().accepted();
            // By the limits as they are now, also where nobody has looked at them since.
            self.shared.held();
            // A place is asked for after the connection is there: a worker that waits for a client must not keep a place
            // from the others.
            let places = &self.shared.places;
            let place = if let Ok(place) = Arc::clone(&places.free).try_acquire_owned() {
                Some(place)
            } else {
                let _unplaced = Unplaced::new(self.shared.load());
                let mut place = pin!(Arc::clone(&places.free).acquire_owned());
                let mut asks = interval(ASK_FOR_ROOM);
                loop {
                    tokio::select! {
                        biased;
                        place = &mut place => break place.ok(),
                        () = &mut stop => return Some((stream, peer)),
                        () = &mut announced, if !tally.leaving() => tally.announce_stop(),
                        _ = asks.tick() => {
                            // There may be more of them by now.
                            self.shared.held();
                            if places.free.available_permits() == 0 {
                                places.wanted.notify_waiters();
                            }
                        }
                    }
                }
            };
            self.shared.spawn(stream, peer, place);
        }
    }
}

/// A connection that waits for a place.
struct Unplaced<'l>(&'l LoadMetrics);

impl<'l> Unplaced<'l> {
    fn new(load: &'l LoadMetrics) -> Self {
        load.unplaced(1);
        Self(load)
    }
}

impl Drop for Unplaced<'_> {
    fn drop(&mut self) {
        self.0.unplaced(-1);
    }
}

/// What is in the accept queue now. A client that connects meanwhile may slip in, so this takes no more than a full queue.
fn queued(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let accept = |listener: &net::TcpListener| {
        let (stream, peer) = listener.accept()?;
        stream.set_nonblocking(true)?;
        Ok::<_, io::Error>((TcpStream::from_std(stream)?, peer))
    };
    listener
        .into_std()
        .map(|listener| std::iter::from_fn(|| accept(&listener).ok()).take(BACKLOG as usize).collect())
        .unwrap_or_default()
}

impl<S: Service> Shared<S> {
    /// What counts now. Whoever finds that the limits were replaced makes the room fit them.
    fn held(&self) -> Rc<Held> {
        if self.limits.generation() != self.held.borrow().generation {
            let held = self.limits.current(|limits, generation| {
                self.places.resize(limits.connections);
                self.load().connections_limit(limits.connections);
                self.room.resize(limits);
                Held::new(limits, generation)
            });
            *self.held.borrow_mut() = Rc::new(held);
        }
        Rc::clone(&self.held.borrow())
    }

    fn load(&self) -> &LoadMetrics {
        self.room.load()
    }

    /// Serves a connection in a task of its own, once it has a place.
    fn spawn(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr, place: Option<OwnedSemaphorePermit>) {
        let (shared, open) = (Rc::clone(self), Open::new(&self.tally));
        spawn_local(async move {
            let place = match place {
                Some(place) => Ok(place),
                None => Arc::clone(&shared.places.free).acquire_owned().await,
            };
            shared.load().open(1);
            shared.serve(stream, peer, &open).await;
            shared.load().open(-1);
            if let Ok(place) = place {
                shared.places.take_back(place);
            }
            drop(open);
        });
    }

    async fn serve(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr, open: &Open) {
        // Without it an answer may wait for the acknowledgement of the one before.
        drop(stream.set_nodelay(true));
        let (opened, held) = (Instant::now(), self.held());
        let state = Rc::new(State::new(Rc::clone(&self.tally), opened, &held.limits));
        open.does(&state);
        let timer = pin!(sleep_until(opened + held.limits.head_timeout));
        let mut watch = Watch { state: Rc::clone(&state), limits: &held.limits, timer };
        let (stream, generation) = match &self.tls {
            None => (Stream::Plain(stream.into()), 0),
            Some(tls) => {
                let (config, generation) = tls.current();
                let handshake = watch.handshake(Stream::secure(stream.into(), config)).await;
                let reason = match handshake {
                    Some(Ok(stream)) => Ok(stream),
                    Some(Err(error)) => Err(error.to_string()),
                    None => Err("it took too long".to_owned()),
                };
                match reason {
                    Ok(stream) => (stream, generation),
                    Err(reason) => {
                        self.load().handshake_failed();
                        return HandshakeFailed { peer, reason: &reason }.emit();
                    }
                }
            }
        };
        let (mut peer, mut shown) = (Peer::new(peer), None);
        if let [own, ..] = stream.certificates() {
            match ClientCertificate::from_der(own) {
                Ok(certificate) => {
                    peer.certificate = Some(certificate.into());
                    shown = Some(Shown::new(stream.certificates().to_vec(), generation));
                }
                // Without its names it would be taken for a caller that showed none.
                Err(error) => return HandshakeFailed { peer: peer.address, reason: &error.to_string() }.emit(),
            }
        }
        let party = Rc::new(Party { peer: Rc::new(peer), shown });
        let mut socket = Socket::new(stream, Rc::clone(&state));
        match watch.protocol(&mut socket).await {
            None => {}
            Some(Protocol::Http1) => {
                let slots = self.slots();
                let service = service_fn(|request| {
                    let tally = Rc::clone(&self.tally);
                    Carried::new(self.answer_http1(request, &party, &state), &slots, move || !tally.is_over())
                });
                watch.drive(held.http1.serve_connection(socket, service)).await;
            }
            Some(Protocol::Http2) => {
                let service = service_fn(|request| self.answer_http2(request, &party, &state));
                watch.drive(held.http2.serve_connection(socket, service)).await;
            }
        }
    }

    fn answer_http1(
        self: &Rc<Self>,
        request: Request<Incoming>,
        party: &Rc<Party>,
        state: &Rc<State>,
    ) -> impl Future<Output = Result<Response<Full<Bytes>>, Infallible>> + use<S> {
        let in_flight = InFlight::begin(state);
        let (shared, party) = (Rc::clone(self), Rc::clone(party));
        let portion = state.portion().clone();
        let request = request.map(|incoming| RequestBody::new(incoming, Some(state.bell())));
        async move {
            let mut response = shared.answer(request, &party, portion).await;
            if shared.tally.leaving() || !shared.trusts(&party) {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            in_flight.answered();
            Ok(response)
        }
    }

    /// The worker's memory for the futures of requests, whose type nobody can name.
    fn slots<F: 'static>(&self) -> Rc<Slots<F>> {
        let slots = self.slots.get_or_init(|| Rc::new(Slots::<F>::default()) as Rc<dyn Any>);
        Rc::clone(slots).downcast().unwrap_or_default()
    }

    /// hyper drops a stream's future when the client resets the stream, so the request is answered in a task of its own.
    fn answer_http2(
        self: &Rc<Self>,
        request: Request<Incoming>,
        party: &Rc<Party>,
        state: &Rc<State>,
    ) -> impl Future<Output = Result<Response<Full<Bytes>>, tokio::task::JoinError>> + use<S> {
        // Requests outlive their streams, so a client that resets streams could have more under way than streams.
        let task = (state.in_flight() < self.held().limits.streams).then(|| {
            let in_flight = InFlight::begin(state);
            let (shared, party) = (Rc::clone(self), Rc::clone(party));
            let portion = state.portion().clone();
            let request = request.map(|incoming| RequestBody::new(incoming, None));
            spawn_local(async move {
                let response = shared.answer(request, &party, portion).await;
                in_flight.answered();
                response
            })
        });
        let shared = Rc::clone(self);
        async move {
            match task {
                Some(task) => task.await,
                None => Ok(shared.refuse(&shared.room.turn_away(Shed::Streams))),
            }
        }
    }

    /// Whether the certificate that the other end showed, if it did, is still one that gets in.
    fn trusts(&self, party: &Party) -> bool {
        party.shown.as_ref().is_none_or(|shown| self.tls.as_ref().is_some_and(|tls| tls.still_trusts(shown)))
    }

    async fn answer(&self, request: Request<RequestBody>, party: &Party, portion: Portion) -> Response<Full<Bytes>> {
        if !self.trusts(party) {
            return self.refuse(&ApiError::expired_token(
                "The client certificate of this connection is not good any more: the gate's authorities or revocation lists have changed \
                 since the connection was made. Connect again, with a certificate that is.",
            ));
        }
        let most = self.held().limits.header_count;
        if request.headers().len() > most {
            return self.refuse(&ApiError {
                status: 431,
                code: "RequestHeaderFieldsTooLargeException",
                message: format!("the request has {} headers, this gate reads {most}", request.headers().len()),
                retry_after: None,
            });
        }
        match self.room.take(portion, self.expected(request.body())).await {
            Ok(room) => room.answer(Rc::clone(&self.service).call(request, Rc::clone(&party.peer)).await),
            Err(error) => self.refuse(&error),
        }
    }

    /// How many bytes of a body will be read, or may be where its length is not said. Of one that is too long none is.
    fn expected(&self, body: &RequestBody) -> usize {
        let limit = self.service.body_limit();
        match body.size_hint().exact() {
            Some(length) => usize::try_from(length).ok().filter(|length| *length <= limit).unwrap_or_default(),
            None => limit,
        }
    }

    fn refuse(&self, error: &ApiError) -> Response<Full<Bytes>> {
        error_response(error, &self.ids.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_may_become_more_and_fewer_while_they_are_taken() {
        let places = Places::new(3, 1);
        let free = || places.free.available_permits();
        let take = || Arc::clone(&places.free).try_acquire_owned().unwrap();
        let mut taken = vec![take(), take(), take()];
        places.resize(1);
        places.resize(1);
        // Two are owed, and then one.
        assert_eq!(places.missing(), 3);
        places.take_back(taken.pop().unwrap());
        assert_eq!(free(), 0);
        places.resize(2);
        places.take_back(taken.pop().unwrap());
        assert_eq!((free(), taken.len()), (1, 1));
        places.resize(5);
        assert_eq!(free(), 4);
        places.resize(2);
        assert_eq!(free(), 1);
        places.take_back(taken.pop().unwrap());
        assert_eq!(free(), 2);
    }
}
