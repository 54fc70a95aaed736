//! The checked configuration: whoever holds one need not doubt any of it.

use super::{
    Audit, Conduct, HeaderFront, HeaderIdentity, JwtIdentity, Key, PolicyBundle, PolicyPath, Secret, SecretBytes,
    problem::did_you_mean, traces::Traces,
};
use crate::{
    finding::{AccountId, Accounts, CallerTemplate, Enforcement, Operation},
    identity::{GateName, MappingRule, StsHost},
};
use std::{
    fmt,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};
use tracing_subscriber::filter::{LevelFilter, Targets};

/// Everything that the configuration says.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from, as it was named.
    pub file: PathBuf,
    /// `[listen]`: where callers connect.
    pub listen: Listen,
    /// `admin.address`: where whoever runs the gate asks it; nowhere if there is none.
    pub admin: Option<SocketAddr>,
    /// `[policies]`: where the policies are.
    pub policies: Policies,
    /// `[accounts]`: administrators and their members, as the accounts file says.
    pub accounts: Accounts,
    /// `accounts.source`: how Security Hub is asked who the members are; nothing where the accounts file alone says it.
    pub discovery: Option<Discovery>,
    /// `[[identity]]`: how callers prove who they are, in the order to try. At least one.
    pub identities: Vec<Identity>,
    /// `[upstream]`: the findings backend.
    pub upstream: Upstream,
    /// `[quota]`, `[retry]` and `[breaker]`: how calls to the backend are made.
    pub conduct: Conduct,
    /// `[state]`: how findings are looked up.
    pub state: StateLookup,
    /// `[doors]`: the operations that are open besides those that always are ([`Operation::is_always_open`]).
    pub doors: Vec<Operation>,
    /// `doors.whoami`: whether callers may ask the gate who they are.
    pub whoami: bool,
    /// `doors.page_key`: what the tokens of pages are signed with; a key of each process's own when there is none.
    pub page_key: Option<SecretBytes>,
    /// `[audit]`: where decisions are recorded; nowhere if there is none.
    pub audit: Option<Audit>,
    /// `[limits]`: what a caller may take.
    pub limits: Limits,
    /// `[traces]`: which traces requests belong to, and who is told of their spans.
    pub traces: Traces,
    /// `[log]`: what is logged and how.
    pub log: Log,
    /// What is allowed and probably not meant, a sentence each.
    pub warnings: Vec<String>,
}

/// `[accounts]`, where Security Hub is asked who the members are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discovery {
    /// `refresh`: how often.
    pub refresh: Duration,
    /// `wait`: how long the start waits for the first answer.
    pub wait: Duration,
}

/// `[listen]`
#[derive(Debug, Clone)]
pub struct Listen {
    /// `address`
    pub address: SocketAddr,
    /// `workers`: how many threads serve callers; by default one for each core this process may use.
    pub workers: NonZeroUsize,
    /// `tls`: callers connect by TLS, or in plaintext where there is none.
    pub tls: Option<ListenTls>,
}

/// `[listen.tls]`, not yet decoded.
#[derive(Debug, Clone)]
pub struct ListenTls {
    /// `certificate`
    pub certificate: Certificates,
    /// `key`: PEM.
    pub key: PrivateKey,
    /// `client_ca`, and what goes with it.
    pub clients: Option<ClientAuthorities>,
}

/// A private key as PEM.
#[derive(Debug, Clone)]
pub struct PrivateKey {
    /// Where it was read from.
    pub path: PathBuf,
    /// The file's text.
    pub pem: Secret,
}

/// Who may vouch for clients.
#[derive(Debug, Clone)]
pub struct ClientAuthorities {
    /// `client_ca`
    pub authorities: Certificates,
    /// `client_certificate`: whether a client without a certificate cannot connect.
    pub required: bool,
    /// `client_crl`: PEM.
    pub revoked: Option<Certificates>,
}

/// `[policies]`
#[derive(Debug, Clone)]
pub struct Policies {
    /// `path`: the directories and files, to be read by [`read_policies`](super::read_policies).
    pub paths: Vec<PolicyPath>,
    /// `path`: the packs that come with the program.
    pub packs: Vec<&'static str>,
    /// `path`: the bundle, which was read.
    pub bundle: Option<PolicyBundle>,
    /// `default_enforcement`: what a denial does when its policy does not say.
    pub default_enforcement: Enforcement,
}

impl Policies {
    /// Where they come from, as `policies.path` names it, but for paths with the directory of the file that names them.
    pub fn sources(&self) -> Vec<String> {
        let packs = self.packs.iter().map(|pack| format!("pack:{pack}"));
        let paths = self.paths.iter().map(|path| path.path.display().to_string());
        packs.chain(paths).chain(self.bundle.iter().map(|bundle| bundle.source.clone())).collect()
    }
}

/// One `[[identity]]`.
#[derive(Debug, Clone)]
pub enum Identity {
    /// `kind = "sigv4"`
    SigV4 {
        /// `keys`: at least one. No id is there twice, in all identities together.
        keys: Vec<Key>,
    },
    /// `kind = "mtls"`
    Mtls {
        /// `rule`: at least one.
        rules: Vec<MappingRule>,
    },
    /// `kind = "sts"`
    Sts {
        /// `gate`
        gate: GateName,
        /// `hosts`: at least one.
        hosts: Vec<StsHost>,
        /// `ca`: who may vouch for them; the machine's authorities when there is none.
        ca: Option<Certificates>,
        /// `minimum_enforcement`
        minimum_enforcement: Enforcement,
    },
    /// `kind = "jwt"`
    Jwt(JwtIdentity),
    /// `kind = "header"`
    Header(HeaderIdentity),
    /// `kind = "fixed"`: every request is this caller's. Always the last identity.
    Fixed {
        /// `account`: one of the fleet.
        account: AccountId,
        /// `principal`
        principal: String,
        /// `minimum_enforcement`
        minimum_enforcement: Enforcement,
    },
}

impl Identity {
    /// Whether its proofs may put callers in groups besides those of their accounts.
    pub fn gives_groups(&self) -> bool {
        let rules = match self {
            Self::Mtls { rules }
            | Self::Jwt(JwtIdentity { rules, .. })
            | Self::Header(HeaderIdentity { front: HeaderFront::Alb { rules, .. }, .. }) => rules,
            Self::Header(_) | Self::SigV4 { .. } | Self::Sts { .. } | Self::Fixed { .. } => return false,
        };
        rules.iter().any(|rule| !rule.groups.is_empty())
    }
}

/// `[upstream]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// `url`, `data` and `ca`
    pub backend: Backend,
    /// `region`: the one of callers whose proof names none.
    pub region: String,
    /// `sign`
    pub sign: Sign,
    /// `sts_region`, or `region`.
    pub sts_region: String,
    /// `connect_timeout`
    pub connect_timeout: Duration,
    /// `timeout`: of one request to the backend, in all.
    pub timeout: Duration,
    /// `concurrency`: requests to the backend at once, for one request of a caller.
    pub concurrency: NonZeroUsize,
}

/// The findings backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// `url = "embedded"`
    Embedded {
        /// `data`: the database file; in memory when there is none.
        data: Option<PathBuf>,
    },
    /// Another process.
    Remote {
        /// Where it is in each Region, that of [`Upstream::region`] first.
        routes: Vec<Route>,
        /// `ca`: who may vouch for it; the machine's authorities when there is none.
        ca: Option<Certificates>,
        /// `fips`
        fips: bool,
        /// `dual_stack`
        dual_stack: bool,
    },
}

/// The backend in a Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The Region.
    pub region: String,
    /// Where the backend is.
    pub url: Url,
}

/// How requests to the backend are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// Not at all.
    None,
    /// With the gate's own credentials.
    Gateway,
    /// With those of a role for each caller.
    AssumeRole(Box<AssumeRole>),
}

impl Sign {
    /// `none`, `gateway` or `assume-role`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gateway => "gateway",
            Self::AssumeRole(_) => "assume-role",
        }
    }
}

/// `[upstream.assume_role]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumeRole {
    /// `arn`: names the account and nothing else.
    pub arn: CallerTemplate,
    /// `external_id`
    pub external_id: Option<String>,
    /// `session_name`
    pub session_name: CallerTemplate,
    /// `source_identity`
    pub source_identity: Option<CallerTemplate>,
    /// `tags`: no key is there twice.
    pub tags: Vec<(String, CallerTemplate)>,
    /// `duration`
    pub duration: Duration,
    /// `endpoint` of STS.
    pub endpoint: Option<Url>,
}

/// Certificates, or lists of revoked ones, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// Where they were read from.
    pub path: PathBuf,
    /// At least one, not yet decoded.
    pub pem: String,
}

/// The origin of a backend: `http://` or `https://`, a host, perhaps a port, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url(http::Uri);

impl Url {
    /// The origin as a URI, with `/` for its path.
    pub fn uri(&self) -> &http::Uri {
        &self.0
    }

    /// Its host, without the port.
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }

    /// Whether it is spoken to over TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == Some(&http::uri::Scheme::HTTPS)
    }
}

impl FromStr for Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "`http://` or `https://` with a host and perhaps a port";
        if text.contains('@') {
            return Err("a URL without a user name and password");
        }
        let uri: http::Uri = text.parse().map_err(|_| EXPECTED)?;
        let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(EXPECTED);
        };
        let port_fits = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => true,
            Some(_) => authority.port_u16().is_some_and(|port| port != 0),
            None => false,
        };
        if authority.host().is_empty() || !port_fits {
            return Err(EXPECTED);
        }
        if uri.path() != "/" || uri.query().is_some() || text.contains('#') {
            return Err("a URL without a path: the paths are those of Security Hub's API");
        }
        Ok(Self(uri))
    }
}

/// As it is configured: without the path.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.authority().map_or("", http::uri::Authority::as_str);
        write!(f, "{}://{authority}", self.0.scheme_str().unwrap_or_default())
    }
}

/// `[state]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateLookup {
    /// `lookup`: whether findings are looked up at all.
    pub lookup: bool,
    /// `max_age`: how long a finding is kept; zero for not at all.
    pub max_age: Duration,
    /// `entries`: findings that are kept, of up to 4 KiB each.
    pub entries: usize,
    /// `deadline`: of one request's look-ups in all.
    pub deadline: Duration,
    /// `rate`: GetFindings calls a second.
    pub rate: NonZeroU32,
    /// `burst`: GetFindings calls at once.
    pub burst: NonZeroU32,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `body`: bytes of a request's body.
    pub body: usize,
    /// `headers`: header fields of a request.
    pub headers: usize,
    /// `header_bytes`: bytes of a request's head.
    pub header_bytes: usize,
    /// `head_timeout`: from the first byte of a head to its last.
    pub head_timeout: Duration,
    /// `body_timeout`: from the head to the body's last byte.
    pub body_timeout: Duration,
    /// `idle_timeout`: between two requests of a connection.
    pub idle_timeout: Duration,
    /// `connections`: at once.
    pub connections: usize,
    /// `requests`: under way at once.
    pub requests: usize,
    /// `bodies`: bytes of bodies at once; at least `body`.
    pub bodies: usize,
    /// `queue`: requests that wait for room.
    pub queue: usize,
    /// `queue_wait`: for how long.
    pub queue_wait: Duration,
    /// `grace`: from SIGTERM until the gate stops to accept.
    pub grace: Duration,
    /// `drain`: for requests under way when the gate stops to accept.
    pub drain: Duration,
}

/// `[log]`
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// `level`
    pub level: Level,
    /// `format`
    pub format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people on a terminal, else JSON.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The format of that name, or nothing.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "human" => Some(Self::Human),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// What is logged: one level for all modules, and levels for some.
#[derive(Debug, Clone, PartialEq)]
pub struct Level(Targets);

impl Level {
    const NAMES: [&'static str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

    /// The filter that it is.
    pub fn targets(&self) -> &Targets {
        &self.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Self(Targets::new().with_default(LevelFilter::INFO))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Level {
    type Err = String;

    /// `info`, `warn,findings_gate::proxy=debug`. `Targets` alone would take a misspelt level for the name of a module,
    /// and log nothing else.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "a level (off, error, warn, info, debug, trace), or directives such as \
                        `info,findings_gate::proxy=debug`";
        let mut targets = Targets::new();
        for directive in text.split(',').map(str::trim) {
            let (module, level) =
                directive.split_once('=').map_or((None, directive), |(module, level)| (Some(module), level));
            if !Self::NAMES.contains(&level) {
                let meant = did_you_mean(level, Self::NAMES).map(|meant| format!("; did you mean `{meant}`?"));
                return Err(format!("{expected}{}", meant.unwrap_or_default()));
            }
            let level: LevelFilter = level.parse().map_err(|_| expected.to_owned())?;
            targets = match module {
                Some("") => return Err(expected.to_owned()),
                Some(module) => targets.with_target(module, level),
                None => targets.with_default(level),
            };
        }
        Ok(Self(targets))
    }
}
