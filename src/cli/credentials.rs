//! The AWS credentials of whoever runs the program.

use super::Failure;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use std::error::Error;

/// What the standard chain finds: environment, profile, web identity, container, instance.
pub(super) struct Ambient {
    pub(super) credentials: Credentials,
    /// The Region that goes with them, where one is set.
    pub(super) region: Option<String>,
}

/// Looks along the standard chain, or takes what `profile` names.
pub(super) async fn ambient(profile: Option<&str>) -> Result<Ambient, Failure> {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    let loader = match profile {
        Some(profile) => loader.profile_name(profile),
        None => loader,
    };
    let config = loader.load().await;
    let provider = config.credentials_provider().ok_or_else(|| none("none are configured"))?;
    let credentials = provider.provide_credentials().await.map_err(|error| none(&chain(&error)))?;
    Ok(Ambient { credentials, region: config.region().map(Region::to_string) })
}

fn none(why: &str) -> Failure {
    Failure::broke(format!(
        "no AWS credentials to sign with: {why}. Set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or `AWS_PROFILE`, or name a \
         profile with `--profile`"
    ))
}

/// An error and what caused it, in one line. The SDK's errors name providers and files, never secrets.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
