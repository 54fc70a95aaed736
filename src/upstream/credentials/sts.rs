//! AssumeRole, and what its refusals mean for a caller.

use super::{
    AssumeRoleSettings, AwsSettings, Failure, Fetched, Refusal, is_of_credentials,
    kept::{OVER, is_over},
    own::{Own, Provided, told},
};
use crate::telemetry::events::RoleRefused;
use aws_config::{Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::Credentials;
use aws_sdk_sts::{
    Client,
    config::IdentityCache,
    error::{ProvideErrorMetadata, SdkError},
    operation::assume_role::AssumeRoleError,
    types::Tag,
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::OnceCell;

/// Codes of a used-up quota.
const THROTTLED: [&str; 4] = ["Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"];

/// What is asked of STS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) arn: String,
    pub(super) session_name: String,
    pub(super) source_identity: Option<String>,
    pub(super) tags: Vec<(String, String)>,
}

/// The way to STS.
pub(super) struct Sts {
    own: Arc<Own>,
    region: String,
    endpoint: Option<String>,
    external_id: Option<String>,
    /// In seconds.
    duration: i32,
    client: OnceCell<Client>,
}

impl Sts {
    pub(super) fn new(own: Arc<Own>, aws: &AwsSettings, settings: &AssumeRoleSettings) -> Self {
        Self {
            own,
            region: aws.region.clone(),
            endpoint: settings.endpoint.clone(),
            external_id: settings.external_id.clone(),
            duration: settings.duration.as_secs().try_into().unwrap_or(i32::MAX),
            client: OnceCell::new(),
        }
    }

    pub(super) async fn assume(&self, question: &Question) -> Fetched {
        // Without credentials of its own the gate need not ask.
        self.own.get().await?;
        let Question { arn, session_name, source_identity, tags } = question;
        let tag = |(key, value): &(String, String)| Tag::builder().key(key).value(value).build().ok();
        let asked = self
            .client()
            .await
            .assume_role()
            .role_arn(arn)
            .role_session_name(session_name)
            .duration_seconds(self.duration)
            .set_external_id(self.external_id.clone())
            .set_source_identity(source_identity.clone())
            .set_tags((!tags.is_empty()).then(|| tags.iter().filter_map(tag).collect()))
            .send()
            .await;
        let refuse = |refusal: Refusal| {
            RoleRefused { role: arn, session: session_name, reason: &refusal.detail }.emit();
            refusal
        };
        let given = match asked {
            Ok(given) => given.credentials,
            Err(error) => return Err(refuse(refused(arn, &error))),
        };
        let given = given.ok_or_else(|| unavailable(arn, "STS answered without credentials".to_owned()))?;
        let expiry = given.expiration.try_into().map_err(|_| {
            unavailable(arn, "STS answered with credentials that expire at a time that cannot be read".to_owned())
        })?;
        let given = Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            Some(expiry),
            "AssumeRole",
        );
        if is_over(&given, SystemTime::now()) {
            return Err(refuse(unavailable(arn, OVER.to_owned())));
        }
        Ok(given)
    }

    async fn client(&self) -> &Client {
        self.client
            .get_or_init(|| async {
                let times = TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(2))
                    .operation_attempt_timeout(Duration::from_secs(5))
                    .operation_timeout(Duration::from_secs(12))
                    .build();
                let config = aws_sdk_sts::config::Builder::from(self.own.sdk_config().await)
                    .region(Region::new(self.region.clone()))
                    .credentials_provider(Provided(Arc::clone(&self.own)))
                    // They are kept already.
                    .identity_cache(IdentityCache::no_cache())
                    // STS throttles a whole account: whoever is refused goes on waiting, not asking.
                    .retry_config(RetryConfig::standard().with_max_attempts(2))
                    .timeout_config(times);
                let config = match &self.endpoint {
                    Some(url) => config.endpoint_url(url),
                    None => config,
                };
                Client::from_conf(config.build())
            })
            .await
    }
}

fn unavailable(arn: &str, detail: String) -> Refusal {
    let reason = format!("{detail}; it was asked for those of the role {arn}");
    Refusal { failure: Failure::Credentials { reason }, detail }
}

fn refused(arn: &str, error: &SdkError<AssumeRoleError>) -> Refusal {
    let Some(answered) = error.as_service_error() else {
        let reason = format!("STS could not be asked for those of the role {arn}");
        return Refusal { failure: Failure::Credentials { reason }, detail: told(error) };
    };
    let code = answered.code().unwrap_or("an error without a code");
    let detail = answered.message().map_or_else(|| code.to_owned(), |message| format!("{code}: {message}"));
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    let failure = if is_of_credentials(code) {
        Failure::Credentials { reason: format!("STS does not accept the gate's own ({code})") }
    } else if status == 429 || THROTTLED.contains(&code) {
        Failure::RoleThrottled { role: arn.to_owned() }
    } else if matches!(code, "AccessDenied" | "AccessDeniedException") {
        Failure::RoleDenied { role: arn.to_owned() }
    } else {
        Failure::Credentials { reason: format!("STS answered {code} for the role {arn}") }
    };
    Refusal { failure, detail }
}
