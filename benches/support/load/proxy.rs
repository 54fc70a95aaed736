//! What is loaded: something that listens, and ends with its value.

use super::{
    clock::Clock,
    traffic::{self, AccessKey, REGION},
};
use aws_credential_types::Credentials;
use findings_gate::{
    audit::{Files, Log, LogSettings, Masks, News, OnFull, Seal, Sync},
    finding::{AccountId, Accounts, Enforcement, Member},
    identity::{Fixed, Identity, Key, Keys, Kind, SigV4},
    net,
    policy::{Snapshot, load, pack},
    proxy::{
        Doors, Gate, GateSettings, Limits, Listener, LiveLimits, PageTokens, Prepared, Records, Route, Routes,
        Shutdown, Tls, TlsSettings, count_policies, run,
    },
    state::{FleetStates, StateSettings},
    telemetry::{metrics::Metrics, trace::Tracer},
    upstream::{BreakerSettings, ConductSettings, HttpSettings, RetrySettings, Signer, Supply, Upstream},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ClientConfig;
use std::{
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    process::Child,
    rc::Rc,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};
use tempfile::TempDir;

const PRINCIPAL: &str = "arn:aws:iam::999999999999:role/security";
const KEY: AccessKey = ("AKIALOAD", "a secret of the bench");

/// A server under load.
pub(crate) struct Proxy {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// What its requests must be signed with.
    pub(crate) key: Option<AccessKey>,
    /// How to speak TLS with it, if that is what it speaks.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) clock: Clock,
    #[expect(dead_code, reason = "held to be dropped")]
    pub(crate) running: Running,
}

/// A server's thread or process. Dropping it stops the server and waits for its end.
pub(crate) enum Running {
    Thread { stop: Option<Box<dyn FnOnce()>>, thread: Option<JoinHandle<()>> },
    Process { child: Child, _folder: TempDir },
}

impl Running {
    pub(crate) fn thread(thread: JoinHandle<()>, stop: impl FnOnce() + 'static) -> Self {
        Self::Thread { stop: Some(Box::new(stop)), thread: Some(thread) }
    }

    /// Whether it ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        match self {
            Self::Thread { thread, .. } => thread.as_ref().is_none_or(JoinHandle::is_finished),
            Self::Process { child, .. } => !matches!(child.try_wait(), Ok(None)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        match self {
            Self::Thread { stop, thread } => {
                if let Some(stop) = stop.take() {
                    stop();
                }
                // If it panicked, the clients said so.
                drop(thread.take().map(JoinHandle::join));
            }
            Self::Process { child, .. } => {
                drop(child.kill());
                drop(child.wait());
            }
        }
    }
}

fn administrator() -> AccountId {
    "999999999999".parse().expect("twelve digits")
}

/// A gate that takes every request for the administrator's.
pub(crate) fn gate(backend: SocketAddr) -> Proxy {
    gate_with("gate", fixed(), None, backend, Ways::default())
}

fn fixed() -> Kind {
    Kind::Fixed(Fixed::new(administrator(), PRINCIPAL))
}

/// How a gate is spoken to, and speaks.
#[derive(Clone, Copy, Default)]
struct Ways {
    /// Callers speak TLS.
    tls: bool,
    /// Requests to the backend are signed.
    signs: bool,
    /// Every request is on record, in a file that is forced to the disk so.
    audit: Option<Sync>,
}

/// A gate that speaks TLS with its callers.
pub(crate) fn gate_tls(backend: SocketAddr) -> Proxy {
    gate_with("gate, TLS in", fixed(), None, backend, Ways { tls: true, ..Ways::default() })
}

/// A gate that signs what it sends.
pub(crate) fn gate_signing(backend: SocketAddr) -> Proxy {
    gate_with("gate, signing up", fixed(), None, backend, Ways { signs: true, ..Ways::default() })
}

/// A gate that records every request before it is answered.
pub(crate) fn gate_audit(backend: SocketAddr) -> Proxy {
    gate_with("gate, audit", fixed(), None, backend, Ways { audit: Some(Sync::Never), ..Ways::default() })
}

/// A gate that has every record on the disk before its request is answered.
pub(crate) fn gate_audit_fsync(backend: SocketAddr) -> Proxy {
    gate_with("gate, audit fsync", fixed(), None, backend, Ways { audit: Some(Sync::Always), ..Ways::default() })
}

/// Records in a file that is gone when nobody writes it any more.
fn records(sync: Sync) -> Records {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let settings = LogSettings {
        files: Some(Files { path: folder.path().join("audit.jsonl"), limit: 64 << 20, keep: NonZeroUsize::new(1) }),
        stdout: false,
        seal: Seal::open(),
        sync,
        on_full: OnFull::Block,
        queue: NonZeroUsize::new(1024).expect("some"),
        wait: Duration::from_secs(10),
        recent: 100,
    };
    let (log, _) = Log::start(settings, "bench", "", Arc::new(Silent(folder))).expect("the log opens");
    Records { log, masks: Masks::default(), unidentified: false }
}

/// Who hears of a log, and holds its directory.
#[derive(Debug)]
struct Silent(#[expect(dead_code, reason = "held to be dropped")] TempDir);

impl News for Silent {
    fn written(&self, _: usize, _: Duration) {}
    fn waiting(&self, _: usize) {}
    fn shed(&self, _: u64) {}
    fn failed(&self, why: &io::Error) {
        panic!("the log fails: {why}");
    }
    fn warned(&self, _: &str) {}
    fn recovered(&self) {}
    fn not_rotated(&self, why: &io::Error) {
        panic!("the log does not rotate: {why}");
    }
}

/// A gate that does both.
pub(crate) fn gate_tls_signing(backend: SocketAddr) -> Proxy {
    gate_with("gate, TLS and signing", fixed(), None, backend, Ways { tls: true, signs: true, ..Ways::default() })
}

/// A certificate of its own for the listener, and a client that trusts it.
fn tls() -> (Tls, Arc<ClientConfig>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (cert.pem(), signing_key.serialize_pem());
    let settings = TlsSettings { certificate: certificate.as_bytes(), key: key.as_bytes(), clients: None };
    let listener = Tls::new(Prepared::new(&settings).expect("a pair"));
    let authorities = net::authorities(Some(certificate.as_bytes())).expect("a certificate");
    (listener, Arc::new(net::tls(authorities).expect("a client")))
}

/// A gate that checks signatures.
pub(crate) fn gate_sigv4(backend: SocketAddr) -> Proxy {
    let key = Key::new(KEY.0, KEY.1, administrator(), PRINCIPAL).expect("a key");
    let keys = Keys::new([key]).expect("one key");
    gate_with("gate, sigv4", Kind::SigV4(SigV4::new(keys, [REGION])), Some(KEY), backend, Ways::default())
}

/// One worker with the baseline pack and the defaults of everything else.
fn gate_with(name: &'static str, identity: Kind, key: Option<AccessKey>, backend: SocketAddr, ways: Ways) -> Proxy {
    let mut upstream = HttpSettings::new(format!("http://{backend}").parse().expect("a URL"));
    upstream.signer = ways.signs.then(|| Signer {
        supply: Supply::given(Credentials::new(KEY.0, KEY.1, None, None, "bench")),
        region: REGION.to_owned(),
    });
    let member = || Member { name: "account".to_owned(), groups: vec!["ou/prod".to_owned()] };
    let members = traffic::members().map(|account| (account, member()));
    let accounts = Arc::new(Accounts::new(administrator(), members));
    let policies = load(&pack("baseline").expect("the pack is embedded")).unwrap_or_else(|error| panic!("{error:?}"));
    let snapshot = Snapshot::new(policies.rules().to_vec(), Arc::clone(&accounts), Enforcement::Strip);
    let snapshot = snapshot.expect("the policies can be served with");
    let limits = Limits { drain_timeout: Duration::from_secs(1), ..Limits::default() };
    let metrics = Arc::new(Metrics::new());
    let route = Route {
        region: "eu-west-1".into(),
        upstream: Upstream::http(upstream).expect("a backend without TLS").conducted(conduct(backend), &metrics),
        states: Some(Arc::new(FleetStates::new(StateSettings::default()))),
        counts: metrics.upstream("eu-west-1"),
    };
    let settings = GateSettings {
        whoami: false,
        identity: Arc::new(Identity::new(vec![identity], accounts)),
        doors: Doors::new(&[]),
        tracer: Tracer::default(),
        policies: count_policies(&snapshot, Enforcement::Strip, &metrics),
        snapshot: Arc::new(snapshot),
        page_tokens: PageTokens::random().expect("the system has randomness"),
        routes: Routes::new(route, None),
        records: ways.audit.map(records),
        metrics,
        body_limit: limits.body,
        body_timeout: limits.body_timeout,
        concurrency: 8,
    };
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), NonZeroUsize::MIN).expect("a free port");
    let address = listener.address();
    let (listener, tls) = if ways.tls {
        let (tls, client) = tls();
        (listener.tls(tls), Some(client))
    } else {
        (listener, None)
    };
    let (trigger, shutdown) = Shutdown::by_trigger();
    let (ready, is_ready) = mpsc::channel();
    let serve = move || {
        let make = |_worker| {
            drop(ready.send(Clock::of_this_thread()));
            Gate::new(settings.clone()).map(Rc::new)
        };
        run(listener, &LiveLimits::new(limits), make, &shutdown).expect("the gate serves to its end");
    };
    let thread = thread::Builder::new().name("gate".to_owned()).spawn(serve).expect("a thread");
    let running = Running::thread(thread, move || trigger.graceful());
    let clock = is_ready.recv().expect("the worker came up");
    Proxy { name, address, key, tls, clock, running }
}

/// As the configuration's defaults are for a backend that is not AWS.
fn conduct(backend: SocketAddr) -> ConductSettings {
    ConductSettings {
        host: backend.to_string(),
        region: REGION.to_owned(),
        timeout: Duration::from_secs(30),
        quota: None,
        retry: RetrySettings::default(),
        breaker: Some(BreakerSettings::default()),
    }
}
