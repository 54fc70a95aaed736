//! The gate's own credentials.

use super::{
    Courier, Failure, Fetched, Refusal, Source,
    kept::{Kept, Now},
};
use crate::telemetry::events::{CredentialsLost, CredentialsObtained, CredentialsStale};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{self, ProvideCredentials, error::CredentialsError};
use std::{
    error::Error,
    fmt::{self, Write as _},
    io,
    pin::Pin,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::OnceCell;

/// The watch looks at least this often and at most that often.
const SHORTEST_WATCH: Duration = Duration::from_millis(50);
const LONGEST_WATCH: Duration = Duration::from_mins(1);

/// How AWS is spoken to, besides Security Hub.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    /// The Region of STS.
    pub region: String,
    /// Whether to use endpoints that hold to FIPS 140.
    pub fips: bool,
    /// Whether to use endpoints that have IPv6 addresses, too.
    pub dual_stack: bool,
}

/// Whether requests can be signed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// They can, or need not be.
    Ready,
    /// The gate has no credentials, for this reason.
    NoCredentials(String),
}

/// The gate's own credentials, kept fresh whether or not requests come.
pub(super) struct Own {
    kept: Arc<Kept>,
    courier: Courier,
    chain: Arc<Chain>,
    source: Arc<dyn Source>,
}

impl Own {
    /// Begins to fetch them.
    pub(super) fn start(settings: &AwsSettings) -> io::Result<Arc<Self>> {
        let chain = Arc::new(Chain::new(settings.clone()));
        Self::start_from(Arc::clone(&chain), chain)
    }

    pub(super) fn start_from(chain: Arc<Chain>, source: Arc<dyn Source>) -> io::Result<Arc<Self>> {
        let own = Arc::new(Self { kept: Arc::default(), courier: Courier::start()?, chain, source });
        own.courier.run(watch(Arc::downgrade(&own)));
        Ok(own)
    }

    pub(super) async fn get(&self) -> Fetched {
        self.kept.get(&self.courier, &self.source).await
    }

    pub(super) fn doubt(&self) {
        self.kept.doubt(Now::read());
    }

    pub(super) fn courier(&self) -> &Courier {
        &self.courier
    }

    /// What the standard chain found out about how to speak to AWS.
    pub(super) async fn sdk_config(&self) -> &SdkConfig {
        self.chain.config.get_or_init(|| self.chain.load()).await
    }

    pub(super) fn readiness(&self) -> Readiness {
        match self.kept.usable(Now::read()) {
            Ok(_) => Readiness::Ready,
            Err(None) => Readiness::NoCredentials("they have not been fetched yet".to_owned()),
            Err(Some(Refusal { failure: Failure::Credentials { reason }, .. })) => Readiness::NoCredentials(reason),
            Err(Some(refusal)) => Readiness::NoCredentials(refusal.failure.to_string()),
        }
    }
}

/// Has them fetched when they are due, and tells when they come and go. Ends with their owner.
async fn watch(own: Weak<Own>) {
    let (mut had, mut told) = (None, None);
    while let Some(this) = own.upgrade() {
        // Begins a fetch where one is due; waits for it only where there is nothing.
        let there = this.get().await;
        let stale = this.kept.refused().map(|why| why.detail);
        match there {
            Ok(credentials) => {
                if had != Some(true) {
                    CredentialsObtained { access_key_id: credentials.access_key_id(), expiry: credentials.expiry() }
                        .emit();
                } else if let Some(reason) = stale.as_deref().filter(|_| stale != told) {
                    CredentialsStale { reason }.emit();
                }
                (had, told) = (Some(true), stale);
            }
            Err(why) => {
                if had != Some(false) || told.as_ref() != Some(&why.detail) {
                    CredentialsLost { reason: &why.detail }.emit();
                }
                (had, told) = (Some(false), Some(why.detail));
            }
        }
        let rest = this.kept.rest(Now::read()).clamp(SHORTEST_WATCH, LONGEST_WATCH);
        drop(this);
        tokio::time::sleep(rest).await;
    }
}

/// Credentials of the gate as a provider for the SDK's own clients. It keeps them; nothing else needs to.
#[derive(Clone)]
pub(super) struct Provided(pub(super) Arc<Own>);

impl fmt::Debug for Provided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provided")
    }
}

impl ProvideCredentials for Provided {
    fn provide_credentials<'a>(&'a self) -> provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        provider::future::ProvideCredentials::new(async {
            self.0.get().await.map_err(|refusal| CredentialsError::provider_error(refusal.detail))
        })
    }
}

/// The standard chain: environment, profile (with SSO, roles and processes), web identity, ECS and EKS, EC2's IMDSv2.
pub(super) struct Chain {
    settings: AwsSettings,
    /// For the SDK's other clients.
    config: OnceCell<SdkConfig>,
}

impl Chain {
    pub(super) fn new(settings: AwsSettings) -> Self {
        Self { settings, config: OnceCell::new() }
    }

    async fn load(&self) -> SdkConfig {
        let AwsSettings { region, fips, dual_stack } = &self.settings;
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).region(Region::new(region.clone()));
        // Where the configuration does not ask for it, the environment may (`AWS_USE_FIPS_ENDPOINT`).
        if *fips {
            loader = loader.use_fips(true);
        }
        if *dual_stack {
            loader = loader.use_dual_stack(true);
        }
        loader.load().await
    }
}

impl Source for Chain {
    /// With a chain of its own each time: one that is used again goes by the profile files as it read them first.
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Fetched> + Send + '_>> {
        Box::pin(async {
            let Some(provider) = self.load().await.credentials_provider() else {
                return Err(refused(&CredentialsError::not_loaded_no_source()));
            };
            provider.provide_credentials().await.map_err(|error| refused(&error))
        })
    }
}

fn refused(error: &CredentialsError) -> Refusal {
    let reason = match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            "none were found in the environment, a profile, a web identity, a container's or an instance's metadata"
        }
        CredentialsError::ProviderTimedOut(_) => "where they come from did not answer in time",
        CredentialsError::InvalidConfiguration(_) => "the AWS configuration of the gate's process is invalid",
        CredentialsError::ProviderError(_) => "where they come from answered with an error",
        _ => "fetching them failed",
    };
    Refusal { failure: Failure::Credentials { reason: reason.to_owned() }, detail: told(error) }
}

/// An error with all that caused it.
pub(super) fn told(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {next}");
        }
        cause = error.source();
    }
    text
}
