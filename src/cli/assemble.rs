//! Putting the parts together, as the configuration says: what `serve`, `check` and `demo` share.

use super::{Failure, embedded::Embedded};
use crate::{
    backend::{self, Backend},
    config::{self, Config},
    finding::Accounts,
    identity::{
        Alb, ApiGateway, Fixed, Front, Header, Identity, IssuerKeys, Jwt, Key, Keys, KeysNews, Kind, Mapping, Mtls,
        SigV4, Source, Sts, StsSettings, Trust, VpcLattice,
    },
    net::Client,
    policy::{self, PolicyText, Rule, Snapshot},
    proxy::{
        ClientTls, Doors, DrainReport, GateSettings, Limits, Listener, Live, LiveLimits, PageTokens, Prepared, Route,
        Routes, Shutdown, TlsSettings, count_policies,
    },
    state::{FleetStates, StateSettings},
    telemetry::{
        events::{IssuerKeysFailed, IssuerKeysFetched},
        metrics::Metrics,
        trace::Tracer,
    },
    upstream::{
        AssumeRoleSettings, AwsSettings, BreakerSettings, ConductSettings, HttpSettings, QuotaOwner, QuotaSettings,
        Rate, RepeatUpdates, RetrySettings, Signer, Supply, Upstream,
    },
};
use std::{rc::Rc, sync::Arc, time::Duration};

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
    texts.extend(policies.bundle.iter().flat_map(config::PolicyBundle::texts));
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
    let metrics = Arc::new(Metrics::new());
    let snapshot = snapshot(&config.policies, &accounts)?;
    Ok(GateSettings {
        tracer: Tracer::default(),
        policies: count_policies(&snapshot, config.policies.default_enforcement, &metrics),
        snapshot,
        identity: Arc::new(identity(config, accounts)?),
        doors: Doors::new(&config.doors),
        whoami: config.whoami,
        page_tokens: page_tokens(config.page_key.as_ref())?,
        records: None,
        routes: routes(config, &metrics)?,
        metrics,
        body_limit: config.limits.body,
        body_timeout: config.limits.body_timeout,
        concurrency: config.upstream.concurrency.get(),
    })
}

/// What a configuration that was read again makes of what runs. The way to the backend, look-ups, tokens of pages and what was counted
/// stay, and so do the keys of issuers.
pub(super) fn renewed(config: &Config, running: GateSettings) -> Result<GateSettings, Failure> {
    let accounts = Arc::new(config.accounts.clone());
    let snapshot = snapshot(&config.policies, &accounts)?;
    let identity = identity(config, Arc::clone(&accounts))?;
    identity.keep_keys_of(&running.identity);
    running.routes.keep(&accounts);
    Ok(GateSettings {
        policies: count_policies(&snapshot, config.policies.default_enforcement, &running.metrics),
        snapshot,
        identity: Arc::new(identity),
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
                Kind::SigV4(SigV4::new(keys, regions(&config.upstream)))
            }
            config::Identity::Mtls { rules } => Kind::Mtls(Mtls::new(Mapping::new(rules.clone()))),
            config::Identity::Sts { gate, hosts, ca, minimum_enforcement } => {
                let settings = StsSettings {
                    gate: gate.clone(),
                    hosts: hosts.clone(),
                    ca: ca.as_ref().map(|ca| ca.pem.clone().into_bytes()),
                    minimum_enforcement: *minimum_enforcement,
                };
                Kind::Sts(Box::new(Sts::new(settings).map_err(Failure::invalid)?))
            }
            config::Identity::Jwt(identity) => Kind::Jwt(jwt(identity)?),
            config::Identity::Header(identity) => Kind::Header(header(identity)?),
            config::Identity::Fixed { account, principal, minimum_enforcement } => {
                Kind::Fixed(Fixed::new(*account, &**principal).minimum_enforcement(*minimum_enforcement))
            }
        });
    }
    Ok(Identity::new(kinds, accounts))
}

fn jwt(identity: &config::JwtIdentity) -> Result<Jwt, Failure> {
    let pem = |ca: &Option<config::Certificates>| ca.as_ref().map(|ca| ca.pem.clone().into_bytes());
    let config::JwtIdentity { issuer, audiences, keys, refresh, max_stale, rules } = identity;
    let source = match keys {
        config::JwtKeys::File(path) => Ok(Source::file(path.clone())),
        config::JwtKeys::Url(url, ca) => Source::url(url.clone(), pem(ca)),
        config::JwtKeys::Discovery(document, ca) => Source::discovery(issuer, document.clone(), pem(ca)),
    };
    let keys = IssuerKeys::new(issuer, source.map_err(Failure::invalid)?, *refresh, *max_stale, tell_keys);
    Ok(Jwt::new(issuer, audiences.clone(), Mapping::new(rules.clone()), keys))
}

fn tell_keys(news: &KeysNews<'_>) {
    match *news {
        KeysNews::Fetched { issuer, keys } => IssuerKeysFetched { issuer, keys }.emit(),
        KeysNews::Failed { issuer, reason, age } => IssuerKeysFailed { issuer, reason, age }.emit(),
    }
}

/// Time for a load balancer's key to come, and its bytes at the most.
const ALB_KEY: (Duration, usize) = (Duration::from_secs(5), 16 * 1024);

fn header(identity: &config::HeaderIdentity) -> Result<Header, Failure> {
    let config::HeaderIdentity { from, when, front } = identity;
    let trust = Trust::new(from.clone(), when.clone()).map_err(Failure::invalid)?;
    let front = match front {
        config::HeaderFront::ApiGateway { account, principal, minimum_enforcement } => {
            Front::ApiGateway(ApiGateway::new(account.clone(), principal.clone(), *minimum_enforcement))
        }
        config::HeaderFront::VpcLattice { minimum_enforcement } => {
            Front::VpcLattice(VpcLattice::new(*minimum_enforcement))
        }
        config::HeaderFront::Alb { signers, keys_url, ca, rules } => {
            let ca = ca.as_ref().map(|ca| ca.pem.clone().into_bytes());
            let client = Client::new(ca, ALB_KEY.0, ALB_KEY.1).map_err(Failure::invalid)?;
            let mapping = Mapping::new(rules.clone());
            Front::Alb(Box::new(Alb::new(signers.clone(), mapping, client, keys_url.clone())))
        }
    };
    Ok(Header::new(trust, front))
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
pub(super) fn states(config: &config::StateLookup) -> Option<Arc<FleetStates>> {
    let config::StateLookup { lookup, max_age, entries, deadline, rate, burst } = *config;
    lookup.then(|| Arc::new(FleetStates::new(StateSettings { max_age, entries, deadline, rate, burst })))
}

/// What is allowed and probably not meant about policies and configuration together, a sentence each.
pub(super) fn doubts(config: &Config, snapshot: &Snapshot) -> Vec<String> {
    let mut doubts = Vec::new();
    if is_aws(&config.upstream.backend) && !keeps_quota(config) {
        doubts.push(
            "`quota.enforce` is off, and the backend is AWS: one caller that makes many calls uses up the quota of all that share it"
                .to_owned(),
        );
    }
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

/// The Regions that callers may sign for.
fn regions(upstream: &config::Upstream) -> Vec<&str> {
    match &upstream.backend {
        config::Backend::Embedded { .. } => vec![&upstream.region],
        config::Backend::Remote { routes, .. } => routes.iter().map(|route| &*route.region).collect(),
    }
}

/// Where decided updates go, in each Region.
fn routes(config: &Config, metrics: &Metrics) -> Result<Routes, Failure> {
    let route = |region: &str, host: &str, upstream: Upstream| {
        let (states, counts) = (states(&config.state), metrics.upstream(region));
        if let Some(states) = states.clone() {
            counts.findings_kept(move || states.kept());
        }
        let upstream = upstream.conducted(conduct(config, host, region), metrics);
        Route { region: region.into(), upstream, states, counts }
    };
    match &config.upstream.backend {
        config::Backend::Embedded { data } => {
            let mut settings = backend::Settings::new(&*config.upstream.region, config.accounts.clone());
            settings.data.clone_from(data);
            let backend = Backend::open(settings).map_err(Failure::broke)?;
            let upstream = Upstream::embedded(Arc::new(Embedded::new(Arc::new(backend))));
            Ok(Routes::new(route(&config.upstream.region, "embedded", upstream), None))
        }
        config::Backend::Remote { routes, ca, fips, dual_stack } => {
            let region = config.upstream.sts_region.clone();
            let supply = supply(&config.upstream.sign, &AwsSettings { region, fips: *fips, dual_stack: *dual_stack })?;
            let remote = |remote: &config::Route| {
                let mut settings = HttpSettings::new(remote.url.to_string().parse().map_err(Failure::invalid)?);
                settings.ca = ca.as_ref().map(|ca| ca.pem.clone().into_bytes());
                settings.connect_timeout = config.upstream.connect_timeout;
                settings.timeout = config.upstream.timeout;
                let signer = |supply: &Supply| Signer { supply: supply.clone(), region: remote.region.clone() };
                settings.signer = supply.as_ref().map(signer);
                settings.trace = match config.traces.backend {
                    config::TellBackend::Auto => !is_aws(&config.upstream.backend),
                    config::TellBackend::On => true,
                    config::TellBackend::Off => false,
                };
                let host = settings.url.host().to_owned();
                Ok(route(&remote.region, &host, Upstream::http(settings).map_err(Failure::invalid)?))
            };
            let mut made = routes.iter().map(remote).collect::<Result<Vec<_>, Failure>>()?.into_iter();
            let first = made.next().ok_or_else(|| Failure::broke("no Region has a backend"))?;
            Ok(Routes::new(first, made))
        }
    }
}

/// How calls to the backend at `host` in a Region are made.
fn conduct(config: &Config, host: &str, region: &str) -> ConductSettings {
    let config::Conduct { quota, attempts, repeats_updates, retry_budget, breaker } = &config.conduct;
    let rate = |config::QuotaRate { rate, burst }: config::QuotaRate| Rate { rate, burst };
    ConductSettings {
        host: host.to_owned(),
        region: region.to_owned(),
        timeout: config.upstream.timeout,
        quota: keeps_quota(config).then(|| QuotaSettings {
            owner: quota_owner(&config.upstream.sign),
            wait: quota.wait,
            update: rate(quota.update),
            import: rate(quota.import),
            get: rate(quota.get),
            other: rate(quota.other),
        }),
        retry: RetrySettings {
            attempts: *attempts,
            updates: if *repeats_updates { RepeatUpdates::Idempotent } else { RepeatUpdates::Safe },
            budget: *retry_budget,
        },
        breaker: breaker.map(|config::Breaker { failures, pause }| BreakerSettings { failures, pause }),
    }
}

/// Whether calls keep to the quotas.
pub(super) fn keeps_quota(config: &Config) -> bool {
    match config.conduct.quota.enforce {
        config::EnforceQuota::On => true,
        config::EnforceQuota::Off => false,
        config::EnforceQuota::Auto => config.upstream.sign != config::Sign::None || is_aws(&config.upstream.backend),
    }
}

/// The account whose quota calls count against: the one whose credentials they are signed with. Where they are not signed, the
/// backend is told the caller's.
fn quota_owner(sign: &config::Sign) -> QuotaOwner {
    match sign {
        config::Sign::None | config::Sign::AssumeRole(_) => QuotaOwner::Caller,
        config::Sign::Gateway => QuotaOwner::Gate,
    }
}

/// Whether the backend's host is one of AWS's, in any of its partitions; interface endpoints in a VPC are.
fn is_aws(backend: &config::Backend) -> bool {
    const DOMAINS: [&str; 5] =
        [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws", ".api.amazonwebservices.com.cn"];
    let config::Backend::Remote { routes, .. } = backend else { return false };
    routes.iter().any(|route| {
        let host = route.url.host().to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        DOMAINS.iter().any(|domain| host.ends_with(domain))
    })
}

/// What gives the credentials that requests to the backend are signed with. Fetching begins here.
fn supply(sign: &config::Sign, aws: &AwsSettings) -> Result<Option<Supply>, Failure> {
    let supply = match sign {
        config::Sign::None => return Ok(None),
        config::Sign::Gateway => Supply::gateway(aws),
        config::Sign::AssumeRole(role) => {
            let role = role.as_ref().clone();
            let settings = AssumeRoleSettings {
                arn: role.arn,
                external_id: role.external_id,
                session_name: role.session_name,
                source_identity: role.source_identity,
                tags: role.tags,
                duration: role.duration,
                endpoint: role.endpoint.map(|url| url.to_string()),
            };
            Supply::assume_role(aws, settings)
        }
    };
    supply.map(Some).map_err(Failure::broke)
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
        requests: config.requests,
        bodies: config.bodies,
        queue: config.queue,
        queue_wait: config.queue_wait,
        drain_timeout: config.drain,
        ..Limits::default()
    }
}

/// Runs a gate's workers to their end.
pub(super) fn run(
    listener: Listener,
    limits: &LiveLimits,
    live: &Live,
    shutdown: &Shutdown,
) -> Result<DrainReport, Failure> {
    let make = |_worker| live.service().map(Rc::new).map_err(|_| "the system gives no random numbers");
    crate::proxy::run(listener, limits, make, shutdown).map_err(Failure::broke)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_aws_are_known_by_their_domains() {
        for (url, expected) in [
            ("https://securityhub.eu-west-1.amazonaws.com", true),
            ("https://SecurityHub-FIPS.us-gov-west-1.AmazonAWS.com:443", true),
            ("https://securityhub.eu-west-1.amazonaws.com.", true),
            ("https://vpce-0123-abcd.securityhub.eu-west-1.vpce.amazonaws.com", true),
            ("https://securityhub.cn-north-1.amazonaws.com.cn", true),
            ("https://securityhub.eusc-de-east-1.amazonaws.eu", true),
            ("https://securityhub.eu-west-1.api.aws", true),
            ("https://amazonaws.com.example", false),
            ("https://notamazonaws.com", false),
            ("http://127.0.0.1:9000", false),
            ("http://localhost:9000", false),
        ] {
            let route = config::Route { region: "eu-west-1".to_owned(), url: url.parse().unwrap() };
            let backend = config::Backend::Remote { routes: vec![route], ca: None, fips: false, dual_stack: false };
            assert_eq!(is_aws(&backend), expected, "{url}");
        }
        assert!(!is_aws(&config::Backend::Embedded { data: None }));
    }
}
