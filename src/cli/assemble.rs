//! Putting the parts together, as the configuration says: what `serve`, `check` and `demo` share.

use super::{Failure, embedded::Embedded};
use crate::{
    backend::{self, Backend},
    config::{self, Config},
    finding::Accounts,
    identity::{Fixed, Identity, Key, Keys, Kind, Mapping, Mtls, SigV4},
    policy::{self, PolicyText, Rule, Snapshot},
    proxy::{
        ClientTls, Doors, DrainReport, GateSettings, Limits, Listener, Live, PageTokens, Prepared, Shutdown,
        TlsSettings,
    },
    state::{StateSettings, States},
    upstream::{HttpSettings, Upstream},
};
use std::{rc::Rc, sync::Arc};

/// Reads the texts of the packs and the paths.
pub(super) fn texts(policies: &config::Policies) -> Result<Vec<PolicyText>, Failure> {
    let mut texts: Vec<PolicyText> = Vec::new();
    for pack in &policies.packs {
        // A pack left out in silence would be forbids left out.
        let pack = policy::pack(pack).ok_or_else(|| Failure::broke(format!("no pack `{pack}`")))?;
        texts.extend(pack);
    }
    if !policies.paths.is_empty() {
        texts.extend(config::read_policies(&policies.paths)?);
    }
    Ok(texts)
}

/// Reads and loads the policies of the packs and the paths.
pub(super) fn rules(policies: &config::Policies) -> Result<Vec<Rule>, Failure> {
    let loaded = policy::load(&texts(policies)?).map_err(|error| Failure::Invalid(Box::new(error)))?;
    Ok(loaded.rules().to_vec())
}

/// Rules and accounts as the snapshot that decides.
pub(super) fn snapshot(policies: &config::Policies, accounts: &Arc<Accounts>) -> Result<Arc<Snapshot>, Failure> {
    let snapshot = Snapshot::new(rules(policies)?, accounts.clone(), policies.default_enforcement);
    snapshot.map(Arc::new).map_err(Failure::invalid)
}

/// Everything that the workers share.
pub(super) fn gate(config: &Config) -> Result<GateSettings, Failure> {
    let accounts = Arc::new(config.accounts.clone());
    Ok(GateSettings {
        snapshot: snapshot(&config.policies, &accounts)?,
        identity: Arc::new(identity(config, accounts)?),
        doors: Doors::new(&config.doors),
        whoami: config.whoami,
        page_tokens: page_tokens(config.page_key.as_ref())?,
        states: states(&config.state),
        upstream: upstream(config)?,
        body_limit: config.limits.body,
        body_timeout: config.limits.body_timeout,
        concurrency: config.upstream.concurrency.get(),
    })
}

/// What a configuration that was read again makes of what runs. The way to the backend, look-ups and tokens of pages stay.
pub(super) fn renewed(config: &Config, running: GateSettings) -> Result<GateSettings, Failure> {
    let accounts = Arc::new(config.accounts.clone());
    Ok(GateSettings {
        snapshot: snapshot(&config.policies, &accounts)?,
        identity: Arc::new(identity(config, accounts)?),
        doors: Doors::new(&config.doors),
        whoami: config.whoami,
        body_limit: config.limits.body,
        body_timeout: config.limits.body_timeout,
        ..running
    })
}

/// The listener's TLS, if it has any.
pub(super) fn tls(listen: &config::Listen) -> Result<Option<Prepared>, Failure> {
    let Some(tls) = &listen.tls else { return Ok(None) };
    let clients = tls.clients.as_ref().map(|clients| ClientTls {
        authorities: clients.authorities.pem.as_bytes(),
        required: clients.required,
        revoked: clients.revoked.as_ref().map(|revoked| revoked.pem.as_bytes()),
    });
    let settings =
        TlsSettings { certificate: tls.certificate.pem.as_bytes(), key: tls.key.pem.expose().as_bytes(), clients };
    Prepared::new(&settings).map(Some).map_err(Failure::invalid)
}

/// Tokens of pages, under the configuration's key or one of this process's own, which all its workers share.
pub(super) fn page_tokens(key: Option<&config::SecretBytes>) -> Result<PageTokens, Failure> {
    match key {
        Some(key) => Ok(PageTokens::new(key.expose())),
        None => PageTokens::random().map_err(|_| Failure::broke("the system gives no random numbers")),
    }
}

/// Who may call.
pub(super) fn identity(config: &Config, accounts: Arc<Accounts>) -> Result<Identity, Failure> {
    let mut kinds = Vec::with_capacity(config.identities.len());
    for identity in &config.identities {
        kinds.push(match identity {
            config::Identity::SigV4 { keys } => {
                let keys = keys.iter().map(key).collect::<Result<Vec<_>, _>>()?;
                let keys = Keys::new(keys).map_err(Failure::invalid)?;
                Kind::SigV4(SigV4::new(keys, [&*config.upstream.region]))
            }
            config::Identity::Mtls { rules } => Kind::Mtls(Mtls::new(Mapping::new(rules.clone()))),
            config::Identity::Fixed { account, principal, minimum_enforcement } => {
                Kind::Fixed(Fixed::new(*account, &**principal).minimum_enforcement(*minimum_enforcement))
            }
        });
    }
    Ok(Identity::new(kinds, accounts))
}

fn key(issued: &config::Key) -> Result<Key, Failure> {
    let key =
        Key::new(&*issued.id, issued.secret.expose(), issued.account, &*issued.principal).map_err(Failure::invalid)?;
    let key = match &issued.session_token {
        Some(token) => key.session_token(token.expose()).map_err(Failure::invalid)?,
        None => key,
    };
    Ok(key.minimum_enforcement(issued.minimum_enforcement))
}

/// What looks findings up, unless the configuration says not to.
pub(super) fn states(config: &config::StateLookup) -> Option<Arc<States>> {
    let config::StateLookup { lookup, max_age, entries, deadline, rate, burst } = *config;
    lookup.then(|| Arc::new(States::new(StateSettings { max_age, entries, deadline, rate, burst })))
}

/// What is allowed and probably not meant about policies and configuration together, a sentence each.
pub(super) fn doubts(config: &Config, snapshot: &Snapshot) -> Vec<String> {
    let mut doubts = Vec::new();
    if !config.state.lookup {
        doubts.push(
            "`state.lookup` is off: the backend replaces UserDefinedFields, Types and RelatedFindings as a whole, so whoever may \
             write one key or element may erase all others, and no policy is asked about that"
                .to_owned(),
        );
        let reading: Vec<String> = snapshot.reading_state().map(|id| format!("`{id}`")).collect();
        if !reading.is_empty() {
            doubts.push(format!(
                "`state.lookup` is off, and these policies read the finding as it is: {}; what depends on it is always denied \
                 (state-unavailable)",
                reading.join(", ")
            ));
        }
    }
    doubts
}

/// Where decided updates go.
fn upstream(config: &Config) -> Result<Upstream, Failure> {
    match &config.upstream.backend {
        config::Backend::Embedded { data } => {
            let mut settings = backend::Settings::new(&*config.upstream.region, config.accounts.clone());
            settings.data.clone_from(data);
            let backend = Backend::open(settings).map_err(Failure::broke)?;
            Ok(Upstream::embedded(Arc::new(Embedded::new(Arc::new(backend)))))
        }
        config::Backend::Remote { url, ca } => {
            let mut settings = HttpSettings::new(url.to_string().parse().map_err(Failure::invalid)?);
            settings.ca = ca.as_ref().map(|ca| ca.pem.clone().into_bytes());
            settings.connect_timeout = config.upstream.connect_timeout;
            settings.timeout = config.upstream.timeout;
            Upstream::http(settings).map_err(Failure::invalid)
        }
    }
}

/// What a caller may take.
pub(super) fn limits(config: &config::Limits) -> Limits {
    Limits {
        body: config.body,
        header_count: config.headers,
        header_bytes: config.header_bytes,
        head_timeout: config.head_timeout,
        body_timeout: config.body_timeout,
        idle_timeout: config.idle_timeout,
        connections: config.connections,
        drain_timeout: config.drain,
        ..Limits::default()
    }
}

/// Runs a gate's workers to their end.
pub(super) fn run(
    listener: Listener,
    limits: &Limits,
    live: &Live,
    shutdown: &Shutdown,
) -> Result<DrainReport, Failure> {
    let make = |_worker| live.service().map(Rc::new).map_err(|_| "the system gives no random numbers");
    crate::proxy::run(listener, limits, make, shutdown).map_err(Failure::broke)
}
