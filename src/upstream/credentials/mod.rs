//! The credentials that requests to the backend are signed with.
//!
//! | file | what it holds |
//! |---|---|
//! | `kept` | one set of credentials that is kept fresh: when to fetch it anew, and what holds meanwhile |
//! | `courier` | the thread that fetches |
//! | `own` | the gate's own credentials, and whether it has any |
//! | `roles` | those of a role in the caller's account |
//! | `names` | what a role's session is called |
//! | `sts` | the call that gets them, and what its refusals mean |
//!
//! All workers share them. Whoever finds credentials that are due has them fetched once, on a thread of its own, and goes on with
//! those that there are; it waits only where there are none.

mod courier;
mod kept;
mod names;
mod own;
mod roles;
mod sts;

use super::{Failure, Whose};
use aws_credential_types::Credentials;
use std::{fmt, pin::Pin, sync::Arc};

use courier::Courier;
pub use own::{AwsSettings, Readiness};
pub use roles::AssumeRoleSettings;

/// What AWS answers to a signature that it does not accept ("Common Error Types" of its API references), under the names of the
/// query protocol and of the others. It is about the gate, and would tell a caller to look for the fault in credentials of its own.
const OF_CREDENTIALS: [&str; 11] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Whether an error's code is about the signature, and not about what is asked for.
pub(super) fn is_of_credentials(code: &str) -> bool {
    OF_CREDENTIALS.contains(&code)
}

/// Why there are no credentials: what the caller is told, and what whoever runs the gate is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal {
    /// For the caller: names no inner workings, which the text of a credential process may have.
    failure: Failure,
    /// For the log.
    detail: String,
}

type Fetched = Result<Credentials, Refusal>;

/// Where credentials come from.
trait Source: Send + Sync + 'static {
    /// Gets new ones.
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Fetched> + Send + '_>>;
}

/// What gives the credentials for a call. Clones share them.
#[derive(Clone)]
pub struct Supply(Kind);

#[derive(Clone)]
enum Kind {
    Given(Credentials),
    Gateway(Arc<own::Own>),
    AssumeRole(Arc<roles::Roles>),
}

impl Supply {
    /// These credentials, which nobody renews: for who embeds the gate and has them from elsewhere.
    pub fn given(credentials: Credentials) -> Self {
        Self(Kind::Given(credentials))
    }

    /// The gate's own credentials, from the AWS SDK's standard chain. They are fetched from now on, in a thread of their own; that
    /// there are none is no error yet.
    pub fn gateway(settings: &AwsSettings) -> std::io::Result<Self> {
        own::Own::start(settings).map(|own| Self(Kind::Gateway(own)))
    }

    /// Those of a role for each caller, which the gate's own may assume.
    pub fn assume_role(settings: &AwsSettings, roles: AssumeRoleSettings) -> std::io::Result<Self> {
        let own = own::Own::start(settings)?;
        Ok(Self(Kind::AssumeRole(roles::Roles::new(own, settings, roles))))
    }

    /// The credentials for a call.
    pub(super) async fn of(&self, call: Whose<'_>) -> Result<Credentials, Failure> {
        match &self.0 {
            Kind::Given(credentials) => Ok(credentials.clone()),
            Kind::Gateway(own) => own.get().await,
            Kind::AssumeRole(roles) => roles.get(call).await,
        }
        .map_err(|refusal| refusal.failure)
    }

    /// The backend did not accept the credentials for a call: they are fetched anew, if they have not just been.
    pub(super) fn doubt(&self, call: Whose<'_>) {
        match &self.0 {
            Kind::Given(_) => {}
            Kind::Gateway(own) => own.doubt(),
            Kind::AssumeRole(roles) => roles.doubt(call),
        }
    }

    /// Whether the gate has credentials of its own now.
    pub(super) fn readiness(&self) -> Readiness {
        match &self.0 {
            Kind::Given(_) => Readiness::Ready,
            Kind::Gateway(own) => own.readiness(),
            Kind::AssumeRole(roles) => roles.own().readiness(),
        }
    }
}

impl fmt::Debug for Supply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Given(_) => "Supply(given)",
            Kind::Gateway(_) => "Supply(gateway)",
            Kind::AssumeRole(_) => "Supply(assume-role)",
        })
    }
}

#[cfg(test)]
mod tests;
