//! The account and the principal that an ARN names.

use super::{refused, shown};
use crate::finding::{AccountId, ApiError};
use std::sync::Arc;

/// The longest ARN of a principal (API model of IAM).
const LONGEST: usize = 2048;

/// A principal, as policies name it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Principal {
    pub(super) account: AccountId,
    /// The ARN; of a role's session that of the role, because sessions have a new name each time:
    /// `arn:aws:sts::222222222222:assumed-role/triage/i-0abc` is `arn:aws:iam::222222222222:role/triage`. The path of a role is not in
    /// its sessions' ARNs, so it is not in this one.
    pub(super) name: Arc<str>,
}

/// Reads the ARN of an IAM or STS principal (IAM User Guide, "IAM identifiers").
pub(super) fn principal(arn: &str) -> Result<Principal, ApiError> {
    let no_principal = || {
        refused(format!(
            "The front names `{}`: expected the ARN of a user, a role, a role's session or a root user, such as \
             `arn:aws:iam::222222222222:role/triage`",
            shown(arn)
        ))
    };
    let parse = || {
        let mut parts = arn.splitn(6, ':');
        let (scheme, partition, service, region, account, resource) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let account = AccountId::parse(account)?;
        let plain = scheme == "arn" && (partition == "aws" || partition.starts_with("aws-")) && region.is_empty();
        let fits = arn.len() <= LONGEST && resource.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain || !fits {
            return None;
        }
        let name = match (service, resource.split_once('/')) {
            ("iam", None) if resource == "root" => arn.into(),
            ("iam", Some(("role" | "user", name))) if !name.is_empty() => arn.into(),
            ("sts", Some(("federated-user", name))) if !name.is_empty() => arn.into(),
            ("sts", Some(("assumed-role", session))) => {
                let (role, session) = session.split_once('/')?;
                if role.is_empty() || session.is_empty() || session.contains('/') {
                    return None;
                }
                format!("arn:{partition}:iam::{account}:role/{role}").into()
            }
            _ => return None,
        };
        Some(Principal { account, name })
    };
    parse().ok_or_else(no_principal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_their_role_and_everybody_else_is_itself() {
        for (arn, name) in [
            ("arn:aws:iam::222222222222:role/triage", None),
            ("arn:aws:iam::222222222222:role/path/triage", None),
            ("arn:aws:iam::222222222222:user/alice", None),
            ("arn:aws:iam::222222222222:root", None),
            ("arn:aws:sts::222222222222:federated-user/bob", None),
            ("arn:aws:sts::222222222222:assumed-role/triage/i-0abc", Some("arn:aws:iam::222222222222:role/triage")),
            (
                "arn:aws-us-gov:sts::222222222222:assumed-role/triage/a@b.c",
                Some("arn:aws-us-gov:iam::222222222222:role/triage"),
            ),
        ] {
            let found = principal(arn).unwrap();
            assert_eq!((found.account.as_str(), &*found.name), ("222222222222", name.unwrap_or(arn)));
        }
    }

    #[test]
    fn what_is_no_principal_is_refused() {
        let long = format!("arn:aws:iam::222222222222:role/{}", "x".repeat(LONGEST));
        for arn in [
            "",
            "AIDAEXAMPLE",
            "arn:aws:iam::222222222222",
            "arn:aws:iam::22222222222:role/triage",
            "arn:aws:iam::aws:policy/x",
            "arn:aws:iam:eu-west-1:222222222222:role/triage",
            "arn:azure:iam::222222222222:role/triage",
            "urn:aws:iam::222222222222:role/triage",
            "arn:aws:iam::222222222222:role/",
            "arn:aws:iam::222222222222:group/x",
            "arn:aws:iam::222222222222:assumed-role/triage/x",
            "arn:aws:sts::222222222222:assumed-role/triage",
            "arn:aws:sts::222222222222:assumed-role/triage/",
            "arn:aws:sts::222222222222:assumed-role//x",
            "arn:aws:sts::222222222222:assumed-role/a/b/c",
            "arn:aws:iam::222222222222:role/a b",
            "arn:aws:s3::222222222222:role/a",
            &long,
        ] {
            let error = principal(arn).unwrap_err();
            assert_eq!((error.status, error.code), (403, "UnrecognizedClientException"), "{arn}");
        }
    }
}
