//! Who is calling, and how that was proven.
//!
//! An [`Identity`] holds the kinds of proof that a listener accepts, in the order of the configuration. The first kind
//! whose proof is *present* decides: a proof that is there and bad refuses the request, and no later kind is asked. So a
//! broken or forged signature never becomes somebody else's request.
//!
//! Checking comes in two steps. [`Identity::begin`] looks at the head alone and refuses everything that can be refused
//! there, so that a stranger's flood costs no memory for bodies; [`Pending::finish`] checks what the body decides.
//!
//! | kind | proof |
//! |---|---|
//! | [`SigV4`] | an AWS Signature Version 4, made with a key that the gate's owner issued ([`Keys`]) |
//! | [`Mtls`] | a client certificate, whose names [`Mapping`] rules turn into an account and a principal |
//! | [`Sts`] | a presigned STS GetCallerIdentity, made for this gate; STS says who signed it |
//! | [`Jwt`] | a bearer token that an issuer signed, whose claims [`Mapping`] rules turn into an account and a principal |
//! | [`Header`] | the word of a trusted front |
//! | [`Fixed`] | none: everything on the listener is one caller |
//!
//! A proof gives an account and a principal; the account's role is the accounts file's word, and an account outside the
//! fleet is refused whatever it proves.

mod arn;
mod began;
mod certificate;
mod fixed;
mod flights;
mod header;
mod identified;
mod identify;
mod jwt;
mod keys;
mod mapping;
mod mtls;
mod peer;
mod sigv4;
mod sts;
#[cfg(test)]
mod testing;

pub use certificate::{ClientCertificate, UnreadableCertificate};
pub use fixed::Fixed;
pub use header::{Alb, ApiGateway, EverybodyTrusted, Front, Header, InvalidSigner, Signer, Trust, VpcLattice};
pub use identify::{Asked, Identity, Kind, Pending};
pub use jwt::{IssuerKeys, Jwt, KeysNews, Source, TellKeys, check_key_set, fetchable, irsa, sts_web_identity};
pub use keys::{DuplicateKeyId, InvalidKey, Key, Keys};
pub use mapping::{InvalidPattern, Mapping, MappingRule, Pattern, Template, Unmapped};
pub use mtls::{CERTIFICATE_ATTRIBUTES, Mtls};
pub use peer::Peer;
pub use sigv4::{SigV4, SignError, sign};
pub use sts::{
    GATE_ID as STS_GATE_ID, GateName, InvalidGateName, InvalidStsHost, PresignError, Sts, StsHost, StsSettings,
    TOKEN as STS_TOKEN, presign as sts_presign, token as sts_token,
};
