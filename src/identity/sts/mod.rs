//! Callers that let STS say who they are.
//!
//! A caller presigns a GetCallerIdentity with its own AWS credentials and sends the URL, in base64url, in a header of its own: the *token*. The
//! gate sends that request to STS, which answers with account and principal. So AWS principals are known without a secret between them and the
//! gate, as aws-iam-authenticator (EKS) and Vault's AWS method do it.
//!
//! | file | what it holds |
//! |---|---|
//! | `token` | all that can be wrong with a token before anybody is asked |
//! | `names` | the gate's name, which a token is bound to, and the hosts that STS is asked at |
//! | `ask` | the request, and what becomes of STS's answers |
//! | `answer` | STS's answers, in JSON and XML |
//! | `known` | what STS said, kept while it holds, and asked for once at a time |
//! | `presign` | making the URL of a token, as a client does it |
//!
//! A token is a bearer's secret for its 15 minutes. Three things keep it to its purpose: the header `x-findings-gate-id` is signed with it and
//! says this gate's name, so that no other server can use it here and this gate can use it nowhere else; only STS is asked; and only for
//! GetCallerIdentity.

mod answer;
mod ask;
mod known;
mod names;
mod presign;
#[cfg(test)]
mod tests;
mod token;

pub use names::{GateName, InvalidGateName, InvalidStsHost, StsHost};
pub use presign::{PresignError, presign};
pub use token::token;

use super::identified::Identified;
use crate::{
    finding::{ApiError, Enforcement, Proof},
    net::{Client, TrustError},
};
use answer::Signer;
use ask::Asking;
use aws_lc_rs::digest;
use http::{HeaderName, HeaderValue, request::Parts};
use jiff::Timestamp;
use known::{Digest, Known, Outcome};
use std::{fmt, sync::Arc};
use token::Presigned;

/// The header that a caller's token comes in.
pub const TOKEN: HeaderName = HeaderName::from_static("x-findings-gate-sts-token");
/// The header that binds a token to a gate: signed by the caller, and sent by the gate to STS with its own name.
pub const GATE_ID: HeaderName = HeaderName::from_static("x-findings-gate-id");

/// How callers prove who they are by STS.
#[derive(Debug)]
pub struct StsSettings {
    /// This gate's name.
    pub gate: GateName,
    /// Where STS is, at least one; a token for another host is refused.
    pub hosts: Vec<StsHost>,
    /// PEM certificates of the authorities to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// What a denial does to these callers at the least.
    pub minimum_enforcement: Enforcement,
}

/// Callers by what STS says of their tokens.
#[derive(Debug)]
pub struct Sts {
    hosts: Vec<StsHost>,
    minimum_enforcement: Enforcement,
    asking: Asking,
    known: Known,
}

/// What the head of a request tells.
#[derive(Debug)]
pub(super) enum Begun<'a> {
    /// Who it is: STS said so before.
    Known(Identified),
    /// STS is to be asked.
    Unknown(Claim<'a>),
}

/// A token that may be good: STS will say.
pub(super) struct Claim<'a> {
    sts: &'a Sts,
    digest: Digest,
    presigned: Presigned,
    now: Timestamp,
}

/// Not derived: nobody needs the digest.
impl fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("presigned", &self.presigned).finish_non_exhaustive()
    }
}

/// Whether the request carries a token, good or bad.
pub(super) fn is_present(head: &Parts) -> bool {
    head.headers.contains_key(TOKEN)
}

impl Sts {
    /// Callers by what STS says of their tokens. Fails if the authorities cannot be used.
    pub fn new(settings: StsSettings) -> Result<Self, TrustError> {
        let StsSettings { gate, hosts, ca, minimum_enforcement } = settings;
        let client = Client::new(ca, ask::TIMEOUT, ask::LONGEST_ANSWER)?;
        Ok(Self { hosts, minimum_enforcement, asking: Asking::new(gate, client), known: Known::new() })
    }

    /// Checks everything but what STS is to say, unless it has said that already.
    pub(super) fn begin(&self, head: &Parts, now: Timestamp) -> Result<Begun<'_>, ApiError> {
        let mut values = head.headers.get_all(TOKEN).iter();
        let token = values.next().map(HeaderValue::as_bytes).unwrap_or_default();
        if values.next().is_some() {
            let message = format!("The header `{TOKEN}` is there more than once: expected one value.");
            return Err(ApiError::incomplete_signature(message));
        }
        if token.len() > token::LONGEST {
            return Err(token::too_long(token.len()));
        }
        let mut digest = Digest::default();
        digest.copy_from_slice(digest::digest(&digest::SHA256, token).as_ref());
        if let Some(known) = self.known.get(&digest, now) {
            return known.map(|signer| Begun::Known(self.identified(&signer)));
        }
        let presigned = Presigned::read(token, self.asking.gate(), &self.hosts, now)?;
        Ok(Begun::Unknown(Claim { sts: self, digest, presigned, now }))
    }

    fn identified(&self, signer: &Signer) -> Identified {
        Identified {
            account: signer.account,
            principal: Arc::clone(&signer.principal),
            groups: Arc::default(),
            region: None,
            proof: Proof::Sts { user_id: Arc::clone(&signer.user_id), session: signer.session.clone() },
            minimum_enforcement: self.minimum_enforcement,
        }
    }
}

impl Claim<'_> {
    /// Who it is, by STS's word.
    pub(super) async fn finish(self) -> Result<Identified, ApiError> {
        let Self { sts, digest, presigned, now } = self;
        let ask = async || sts.asking.ask(&presigned).await;
        match sts.known.find(digest, now, presigned.until, ask).await {
            Some(Outcome::Proven(signer)) => Ok(sts.identified(&signer)),
            Some(Outcome::Refused(error) | Outcome::Unanswered(error)) => Err(error),
            None => Err(ask::busy()),
        }
    }
}
