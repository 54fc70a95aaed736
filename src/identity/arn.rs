//! Principals of AWS, by their ARNs.

use crate::finding::AccountId;
use std::sync::Arc;

/// The longest ARN of a principal (API model of IAM).
const LONGEST: usize = 2048;

/// A principal, as policies name it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Principal {
    pub(super) account: AccountId,
    /// The ARN; of a role's session that of the role, because sessions have a new name each time:
    /// `arn:aws:sts::222222222222:assumed-role/triage/i-0abc` is `arn:aws:iam::222222222222:role/triage`. The path of a role is not in
    /// its sessions' ARNs, so it is not in this one; within an account a role's name is unique without it.
    pub(super) name: Arc<str>,
    /// The name of the session, if it is one.
    pub(super) session: Option<Arc<str>>,
}

impl Principal {
    /// Reads the ARN of a user, a role, a role's session, a federated user or a root user (IAM User Guide, "IAM identifiers").
    pub(super) fn parse(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, service, "", account, resource] = parts[..] else { return None };
        let account = AccountId::parse(account)?;
        let is_partition = partition == "aws"
            || partition.strip_prefix("aws-").is_some_and(|rest| {
                !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            });
        if !is_partition || arn.len() > LONGEST || !resource.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let itself = || Self { account, name: arn.into(), session: None };
        match (service, resource.split_once('/')) {
            ("iam", None) if resource == "root" => Some(itself()),
            ("iam", Some(("role" | "user", name))) | ("sts", Some(("federated-user", name))) if !name.is_empty() => {
                Some(itself())
            }
            ("sts", Some(("assumed-role", session))) => {
                let (role, session) = session.split_once('/')?;
                let fits = !role.is_empty() && !session.is_empty() && !session.contains('/');
                let name = format!("arn:{partition}:iam::{account}:role/{role}").into();
                fits.then(|| Self { account, name, session: Some(session.into()) })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_their_role_and_everybody_else_is_itself() {
        for (arn, name, session) in [
            ("arn:aws:iam::222222222222:role/triage", None, None),
            ("arn:aws:iam::222222222222:role/path/triage", None, None),
            ("arn:aws:iam::222222222222:user/bots/alice", None, None),
            ("arn:aws:iam::222222222222:root", None, None),
            ("arn:aws:sts::222222222222:federated-user/bob", None, None),
            (
                "arn:aws:sts::222222222222:assumed-role/triage/i-0abc",
                Some("arn:aws:iam::222222222222:role/triage"),
                Some("i-0abc"),
            ),
            (
                "arn:aws-us-gov:sts::222222222222:assumed-role/triage/a@b.c",
                Some("arn:aws-us-gov:iam::222222222222:role/triage"),
                Some("a@b.c"),
            ),
        ] {
            let found = Principal::parse(arn).unwrap();
            assert_eq!((found.account.as_str(), &*found.name), ("222222222222", name.unwrap_or(arn)));
            assert_eq!(found.session.as_deref(), session);
        }
    }

    #[test]
    fn what_is_no_principal_is_nobody() {
        let long = format!("arn:aws:iam::222222222222:role/{}", "x".repeat(LONGEST));
        for arn in [
            "",
            "AIDAEXAMPLE",
            "arn:aws:iam::222222222222",
            "arn:aws:iam::22222222222:role/triage",
            "arn:aws:iam::aws:policy/x",
            "arn:aws:iam:eu-west-1:222222222222:role/triage",
            "arn:azure:iam::222222222222:role/triage",
            "arn:AWS:iam::222222222222:role/triage",
            "arn:aws-:iam::222222222222:role/triage",
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
            assert_eq!(Principal::parse(arn), None, "{arn}");
        }
    }
}
