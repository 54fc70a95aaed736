//! Callers that a trusted front names in headers.
//!
//! | file | what it holds |
//! |---|---|
//! | `trust` | whose word counts: peers by their addresses, by their certificates, or by both |
//! | `api_gateway`, `lattice`, `alb` | the fronts, and what each says |
//!
//! From anybody else these headers say nothing: they are dropped, as if they were not there. Headers that tell where a request came from
//! before (`Forwarded`, `X-Forwarded-For`) are never looked at: whoever sends a request may write them.

mod alb;
mod api_gateway;
mod lattice;
mod trust;

#[cfg(test)]
mod tests;

pub use alb::{Alb, InvalidSigner, Signer};
pub use api_gateway::ApiGateway;
pub use lattice::VpcLattice;
pub use trust::{EverybodyTrusted, Trust};

use super::{Peer, arn::Principal, identified::Identified};
use crate::finding::ApiError;
use http::{HeaderMap, HeaderName, request::Parts};
use jiff::Timestamp;

/// Callers that a trusted front names.
#[derive(Debug)]
pub struct Header {
    trust: Trust,
    front: Front,
}

/// What stands in front of the gate.
#[derive(Debug)]
pub enum Front {
    /// An API Gateway with IAM authorization.
    ApiGateway(ApiGateway),
    /// A service of VPC Lattice with the auth type `AWS_IAM`.
    VpcLattice(VpcLattice),
    /// An Application Load Balancer that signs users in.
    Alb(Box<Alb>),
}

/// What a front said, as far as it is not proven wrong.
#[derive(Debug)]
pub(super) enum Claim<'a> {
    Proven(Identified),
    Alb(alb::Claim<'a>),
}

impl Header {
    /// Callers that `front` names, if `trust` says that it is who sent the request.
    pub fn new(trust: Trust, front: Front) -> Self {
        Self { trust, front }
    }

    /// Goes on with the keys that another one has, if they are from the same place.
    pub(super) fn keep_keys_of(&self, earlier: &Self) {
        if let (Front::Alb(alb), Front::Alb(earlier)) = (&self.front, &earlier.front) {
            alb.keep_keys_of(earlier);
        }
    }

    /// Whether a trusted front says who is calling, be it well or badly.
    pub(super) fn is_present(&self, head: &Parts, peer: &Peer) -> bool {
        let names = match &self.front {
            Front::ApiGateway(gateway) => &gateway.names()[..],
            Front::VpcLattice(_) => &[lattice::IDENTITY],
            Front::Alb(_) => &[alb::DATA],
        };
        names.iter().any(|name| head.headers.contains_key(name)) && self.trust.covers(peer)
    }

    /// Checks the front's certificate, and what it says as far as that goes without waiting.
    pub(super) fn begin<'a>(&'a self, head: &'a Parts, peer: &Peer, now: Timestamp) -> Result<Claim<'a>, ApiError> {
        self.trust.in_time(peer, now)?;
        match &self.front {
            Front::ApiGateway(gateway) => gateway.identified(&head.headers).map(Claim::Proven),
            Front::VpcLattice(lattice) => lattice.identified(&head.headers).map(Claim::Proven),
            Front::Alb(alb) => alb.begin(&head.headers, now),
        }
    }
}

impl Claim<'_> {
    pub(super) async fn finish(self) -> Result<Identified, ApiError> {
        match self {
            Self::Proven(identified) => Ok(identified),
            Self::Alb(claim) => claim.finish().await,
        }
    }
}

/// The one value of a header. A second one would leave open which of the two the front wrote.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, ApiError> {
    let mut values = headers.get_all(name).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value,
        (Some(_), Some(_)) => {
            return Err(refused(format!("The header `{name}` is there more than once: expected one value")));
        }
        (None, _) => return Err(refused(format!("The header `{name}` is missing, which the front has to set"))),
    };
    match value.to_str().map(str::trim) {
        Ok("") => Err(refused(format!("The header `{name}` is empty: the front authenticated nobody"))),
        Ok(text) => Ok(text),
        Err(_) => Err(refused(format!("The header `{name}` has characters beyond visible ASCII"))),
    }
}

/// 403: what the front says is nobody.
fn refused(why: impl std::fmt::Display) -> ApiError {
    ApiError::unrecognized_client(format!("{why}."))
}

/// The principal whose ARN the front says.
fn named(arn: &str) -> Result<Principal, ApiError> {
    Principal::parse(arn).ok_or_else(|| {
        refused(format!(
            "The front names `{}`: expected the ARN of a user, a role, a role's session or a root user, such as \
             `arn:aws:iam::222222222222:role/triage`",
            shown(arn)
        ))
    })
}

/// Text of a header, fit for a message: one line, bounded.
fn shown(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}
