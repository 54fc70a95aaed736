//! A service of VPC Lattice, which checks the signatures of callers and says in one header whose they are.
//!
//! The header is `x-amzn-lattice-identity` (VPC Lattice User Guide, "HTTP targets"). Its form is what is seen of it:
//! `Principal=arn:…; PrincipalOrgID=o-…; PrincipalOrgPaths=; SessionName=…; Type=AWS_IAM`, with further fields for certificates of IAM Roles
//! Anywhere. Lattice takes the header out of what callers send.

use super::{named, refused, shown, single};
use crate::{
    finding::{ApiError, Enforcement, Proof},
    identity::identified::Identified,
};
use http::{HeaderMap, HeaderName};
use std::{collections::BTreeMap, sync::Arc};

/// The header.
pub(super) const IDENTITY: HeaderName = HeaderName::from_static("x-amzn-lattice-identity");

/// Callers by that header.
#[derive(Debug)]
pub struct VpcLattice {
    minimum_enforcement: Enforcement,
}

impl VpcLattice {
    /// What a denial does to its callers at the least.
    pub fn new(minimum_enforcement: Enforcement) -> Self {
        Self { minimum_enforcement }
    }

    pub(super) fn identified(&self, headers: &HeaderMap) -> Result<Identified, ApiError> {
        let fields = fields(single(headers, &IDENTITY)?)?;
        let field = |name: &str| fields.get(name).map(String::as_str).filter(|value| !value.is_empty());
        if let Some(other) = field("Type").filter(|kind| *kind != "AWS_IAM") {
            return Err(refused(format!(
                "VPC Lattice authenticated the caller by `{}`: expected `AWS_IAM`, the auth type that its service has to have",
                shown(other)
            )));
        }
        let Some(arn) = field("Principal") else {
            return Err(refused(format!(
                "The header `{IDENTITY}` has no `Principal`: VPC Lattice authenticated nobody. Its service needs the auth type `AWS_IAM`, \
                 and the caller has to sign its request"
            )));
        };
        let principal = named(arn)?;
        Ok(Identified {
            account: principal.account,
            principal: principal.name,
            groups: Arc::default(),
            region: None,
            proof: Proof::Header { preset: "vpc-lattice", principal: arn.into() },
            minimum_enforcement: self.minimum_enforcement,
        })
    }
}

/// The fields by name. A `\` takes the meaning from the character behind it. A field that comes twice could be one that stands in the
/// value of another, such as a certificate's name, and is refused.
fn fields(text: &str) -> Result<BTreeMap<String, String>, ApiError> {
    let (mut fields, mut field, mut escaped) = (vec![String::new()], 0, false);
    for c in text.chars() {
        match c {
            ';' if !escaped => {
                fields.push(String::new());
                field += 1;
            }
            '\\' if !escaped => escaped = true,
            c => {
                fields[field].push(c);
                escaped = false;
            }
        }
    }
    let mut by_name = BTreeMap::new();
    for field in fields.iter().map(|field| field.trim()).filter(|field| !field.is_empty()) {
        let Some((name, value)) = field.split_once('=') else {
            return Err(refused(format!(
                "The header `{IDENTITY}` has `{}`: expected `name=value`, separated by `;`",
                shown(field)
            )));
        };
        if by_name.insert(name.trim().to_owned(), value.trim().to_owned()).is_some() {
            return Err(refused(format!("The header `{IDENTITY}` has `{}` twice", shown(name))));
        }
    }
    Ok(by_name)
}
