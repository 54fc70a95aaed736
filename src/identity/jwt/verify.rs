//! The checks that a token goes through, in order.

use super::{
    Presented,
    claims::{Claims, NoTime},
    issuer_keys::{AtHand, IssuerKeys, NoKey, Unavailable},
    key_set::{Meant, VerifyingKey, algorithm},
    token::Token,
};
use crate::{
    finding::{ApiError, Proof},
    identity::{Mapping, began::Began, identified::Identified},
};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::Algorithm;
use std::{fmt, sync::Arc};

/// How far the clocks of an issuer and of this gate may be apart.
const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// Callers by the tokens of one issuer.
#[derive(Debug)]
pub struct Jwt {
    issuer: Arc<str>,
    audiences: Vec<String>,
    mapping: Mapping,
    keys: Arc<IssuerKeys>,
}

/// A token that is not proven wrong so far.
#[derive(Debug)]
pub(in crate::identity) enum Claim<'a> {
    /// It is proven. `due`: the keys should be fetched again meanwhile.
    Proven { jwt: &'a Jwt, identified: Identified, due: bool, now: Timestamp },
    /// Its key is not at hand.
    Open { jwt: &'a Jwt, token: Token<'a>, algorithm: Algorithm, began: Began },
}

impl Jwt {
    /// Callers by tokens of `issuer` that were made for one of `audiences`, whose claims are the attributes of `mapping`'s rules.
    pub fn new(issuer: &str, audiences: Vec<String>, mapping: Mapping, keys: IssuerKeys) -> Self {
        Self { issuer: issuer.into(), audiences, mapping, keys: Arc::new(keys) }
    }

    /// Goes on with the keys that another one has, if they are of the same issuer and from the same place.
    pub(in crate::identity) fn keep_keys_of(&self, earlier: &Self) {
        self.keys.keep_those_of(&earlier.keys);
    }

    /// Whether a token says that it is of this issuer.
    pub(in crate::identity) fn issues(&self, presented: &Presented<'_>) -> bool {
        presented.issuer() == Some(&*self.issuer)
    }

    /// Checks a token as far as that goes without waiting.
    pub(in crate::identity) fn begin<'a>(
        &'a self,
        presented: Presented<'a>,
        now: Timestamp,
    ) -> Result<Claim<'a>, ApiError> {
        let token = match presented {
            Presented::Token(token) => token,
            Presented::Bad(error) => return Err(error),
        };
        match token.claims.text("iss") {
            Some(issuer) if issuer == &*self.issuer => {}
            Some(issuer) => {
                return Err(unrecognized(format!(
                    "is of the issuer `{}`, which this gate is not configured for: get one of `{}`",
                    shown(issuer),
                    self.issuer
                )));
            }
            None => return Err(unrecognized(format!("has no `iss`: expected a token of `{}`", self.issuer))),
        }
        let algorithm = algorithm(&token.header.alg).ok_or_else(|| {
            invalid(format!(
                "has the `alg` `{}`: expected a signature by RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA",
                shown(&token.header.alg)
            ))
        })?;
        match self.keys.at_hand(now) {
            AtHand::Keys { keys, due } => match keys.meant(token.header.kid.as_deref(), algorithm) {
                Meant::Key(key) => {
                    let identified = self.verify(&token, algorithm, key, now)?;
                    Ok(Claim::Proven { jwt: self, identified, due, now })
                }
                Meant::Unknown => Ok(Claim::Open { jwt: self, token, algorithm, began: Began::at(now) }),
                Meant::OtherAlgorithm => Err(self.no_key(&token, NoKey::OtherAlgorithm)),
                Meant::Unnamed => Err(self.no_key(&token, NoKey::Unnamed)),
            },
            AtHand::Nothing => Ok(Claim::Open { jwt: self, token, algorithm, began: Began::at(now) }),
        }
    }

    /// The signature before all else: of a token that is not the issuer's, nothing is worth telling.
    fn verify(
        &self,
        token: &Token<'_>,
        algorithm: Algorithm,
        key: &VerifyingKey,
        now: Timestamp,
    ) -> Result<Identified, ApiError> {
        if !key.verifies(algorithm, token.signed.as_bytes(), &token.signature) {
            return Err(invalid(format!(
                "is not signed by `{}`: its signature does not match. It was changed, or made by somebody else",
                self.issuer
            )));
        }
        in_time(&token.claims, now)?;
        let audiences = token.claims.values("aud");
        if !audiences.iter().any(|audience| self.audiences.iter().any(|own| own == audience)) {
            let told: Vec<String> =
                audiences.iter().take(10).map(|audience| format!("`{}`", shown(audience))).collect();
            let told = if told.is_empty() { "nobody".to_owned() } else { told.join(", ") };
            return Err(unrecognized(format!(
                "is meant for {told} (its `aud`), not for this gate: get one for `{}`",
                self.audiences.join("` or `")
            )));
        }
        let subject = token.claims.text("sub").unwrap_or_default();
        let proof = Proof::Jwt { issuer: Arc::clone(&self.issuer), subject: subject.into() };
        token.claims.identified(&self.mapping, &proof).map_err(|unmapped| {
            ApiError::unrecognized_client(format!(
                "The bearer token is valid, and stands for no caller of this gate: {unmapped}. Its `sub` is `{}`. Ask the gate's owner \
                 to add a rule, or use another token.",
                shown(subject)
            ))
        })
    }

    fn no_key(&self, token: &Token<'_>, why: NoKey) -> ApiError {
        let Self { issuer, .. } = self;
        let kid = token.header.kid.as_deref().map(shown);
        let alg = shown(&token.header.alg);
        match (why, kid) {
            (NoKey::Unknown, Some(kid)) => unrecognized(format!(
                "names the key `{kid}`, which `{issuer}` does not publish for signatures: get a new one"
            )),
            (NoKey::Unknown, None) => {
                unrecognized(format!("names no key (`kid`), and `{issuer}` publishes none for signatures"))
            }
            (NoKey::OtherAlgorithm, Some(kid)) => {
                invalid(format!("is signed by `{alg}`, and the key `{kid}` of `{issuer}` is not for that"))
            }
            (NoKey::OtherAlgorithm, None) => {
                invalid(format!("is signed by `{alg}`, and `{issuer}` publishes no key for that"))
            }
            (NoKey::Unnamed, _) => {
                unrecognized(format!("names no key (`kid`), and `{issuer}` publishes several for `{alg}`"))
            }
        }
    }
}

impl Claim<'_> {
    /// Who the bearer is, after the issuer was asked for its keys where they were not at hand.
    pub(in crate::identity) async fn finish(self) -> Result<Identified, ApiError> {
        match self {
            Self::Proven { jwt, identified, due, now } => {
                if due {
                    jwt.keys.refresh_in_background(now);
                }
                Ok(identified)
            }
            Self::Open { jwt, token, algorithm, began } => {
                match jwt.keys.find(token.header.kid.as_deref(), algorithm, began).await {
                    Ok(Ok(key)) => jwt.verify(&token, algorithm, &key, began.at),
                    Ok(Err(why)) => Err(jwt.no_key(&token, why)),
                    Err(Unavailable(reason)) => Err(ApiError::unavailable(format!(
                        "The bearer token cannot be checked, because the keys of `{}` cannot be had: {reason}. Nothing is wrong with \
                         the token so far: try again.",
                        jwt.issuer
                    ))),
                }
            }
        }
    }
}

/// `exp`, which must be there, and `nbf` (RFC 7519, sections 4.1.4 and 4.1.5).
fn in_time(claims: &Claims, now: Timestamp) -> Result<(), ApiError> {
    let time = |name: &str| {
        claims.time(name).map_err(|NoTime| unrecognized(format!("has an `{name}` that is no number of seconds")))
    };
    let end = time("exp")?;
    let end = end.ok_or_else(|| unrecognized("has no `exp`: this gate takes none that are good for ever"))?;
    if let Some(expired) = expired(end, now) {
        return Err(expired);
    }
    match time("nbf")? {
        Some(begin) if now.duration_since(begin) < -LEEWAY => Err(invalid(format!(
            "is not valid before {}, and the gate's clock says {}: check the clocks",
            utc(begin),
            utc(now)
        ))),
        _ => Ok(()),
    }
}

/// That a token's time is over, if it is.
pub(in crate::identity) fn expired(end: Timestamp, now: Timestamp) -> Option<ApiError> {
    (now.duration_since(end) >= LEEWAY).then(|| {
        ApiError::expired_token(format!(
            "The security token included in the request is expired: it was good until {}, and the gate's clock says {}. Get a new one.",
            utc(end),
            utc(now)
        ))
    })
}

fn utc(time: Timestamp) -> impl fmt::Display {
    time.strftime("%Y-%m-%d %H:%M:%S UTC")
}

/// 403: a token that is none for this gate.
fn unrecognized(why: impl fmt::Display) -> ApiError {
    ApiError::unrecognized_client(format!("The bearer token {why}."))
}

/// 403: a token whose signature is none, or does not hold, or does not hold yet.
fn invalid(why: impl fmt::Display) -> ApiError {
    ApiError::invalid_signature(format!("The bearer token {why}."))
}

/// Text of a token, fit for a message: one line, bounded. A token as a whole never is.
fn shown(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}
