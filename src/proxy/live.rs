//! A gate that can be replaced while it runs.

use super::{Gate, GateSettings, RequestBody, Service};
use crate::identity::Peer;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// What all workers decide by, replaced as a whole. Clones are one.
///
/// A request keeps to what it began with; the next one of each worker takes what is new. Between two replacements this costs a
/// request one look at a number.
#[derive(Clone)]
pub struct Live(Arc<Shared>);

struct Shared {
    /// How often it was replaced.
    generation: AtomicU64,
    settings: Mutex<GateSettings>,
}

impl Live {
    /// Begins with these settings.
    pub fn new(settings: GateSettings) -> Self {
        settings.metrics.decides_by(Arc::clone(&settings.policies));
        Self(Arc::new(Shared { generation: AtomicU64::new(0), settings: Mutex::new(settings) }))
    }

    /// What requests that begin now are decided by.
    pub fn current(&self) -> GateSettings {
        self.0.lock().clone()
    }

    /// Requests that begin from here on are decided by `settings`.
    pub fn replace(&self, settings: GateSettings) {
        let mut current = self.0.lock();
        settings.metrics.decides_by(Arc::clone(&settings.policies));
        *current = settings;
        // Under the lock, so that the number and the settings that a worker sees belong together.
        self.0.generation.fetch_add(1, Ordering::Release);
    }

    /// One worker's service.
    pub fn service(&self) -> Result<LiveGate, aws_lc_rs::error::Unspecified> {
        let settings = self.0.lock();
        let generation = self.0.generation.load(Ordering::Acquire);
        let gate = Rc::new(Gate::new(settings.clone())?);
        drop(settings);
        Ok(LiveGate { live: self.clone(), seen: Cell::new(generation), gate: RefCell::new(gate) })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, GateSettings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One worker's gate, as it is now.
pub struct LiveGate {
    live: Live,
    /// The generation that `gate` is of.
    seen: Cell<u64>,
    gate: RefCell<Rc<Gate>>,
}

impl LiveGate {
    fn current(&self) -> Rc<Gate> {
        if self.live.0.generation.load(Ordering::Acquire) != self.seen.get() {
            let settings = self.live.0.lock();
            self.seen.set(self.live.0.generation.load(Ordering::Acquire));
            let renewed = Rc::new(self.gate.borrow().renewed(settings.clone()));
            *self.gate.borrow_mut() = renewed;
        }
        Rc::clone(&self.gate.borrow())
    }
}

impl Service for LiveGate {
    fn call(
        self: Rc<Self>,
        request: Request<RequestBody>,
        peer: Rc<Peer>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + 'static {
        self.current().call(request, peer)
    }

    fn body_limit(&self) -> usize {
        self.current().body_limit()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("generation", &self.0.generation).finish_non_exhaustive()
    }
}

impl fmt::Debug for LiveGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveGate").field("seen", &self.seen).finish_non_exhaustive()
    }
}
