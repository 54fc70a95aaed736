//! Rules for tokens whose form is known.

use crate::{
    finding::{AccountId, Enforcement},
    identity::{InvalidPattern, MappingRule},
};

/// Service accounts of a Kubernetes cluster, by projected tokens: `sub` is `system:serviceaccount:<namespace>:<name>`. A cluster has no
/// AWS account of its own, so all of them act for `account`.
pub fn irsa(account: AccountId, minimum_enforcement: Enforcement) -> Result<MappingRule, InvalidPattern> {
    const SUBJECT: &str = "system:serviceaccount:{namespace}:{name}";
    Ok(MappingRule {
        when: vec![("sub".to_owned(), SUBJECT.parse()?)],
        account: account.as_str().parse()?,
        principal: SUBJECT.parse()?,
        groups: Vec::new(),
        minimum_enforcement,
    })
}

/// AWS principals, by tokens of STS GetWebIdentityToken: `sub` is the principal's ARN, and its account stands among the claims under
/// `https://sts.amazonaws.com/` (IAM User Guide, "Understanding token claims"). The two must agree.
pub fn sts_web_identity(minimum_enforcement: Enforcement) -> Result<MappingRule, InvalidPattern> {
    Ok(MappingRule {
        when: vec![
            ("sub".to_owned(), "arn:{partition}:{service}::{account}:{resource*}".parse()?),
            ("/https:~1~1sts.amazonaws.com~1/aws_account".to_owned(), "{account}".parse()?),
        ],
        account: "{account}".parse()?,
        principal: "arn:{partition}:{service}::{account}:{resource}".parse()?,
        groups: Vec::new(),
        minimum_enforcement,
    })
}
