//! Whether a statement is about an operation at all: its actions, and the resources that IAM checks for them.

use super::{
    Refusal,
    parse::{Scope, Statement},
    pattern::{Case, Pattern},
};
use crate::finding::Operation;
use std::{fmt, str::FromStr};

/// The hub behind the gate, by its ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    arn: String,
}

/// A text that is no hub's ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no hub: expected an ARN such as `arn:aws:securityhub:eu-west-1:111122223333:hub/default`")]
pub struct InvalidHub(String);

impl FromStr for Hub {
    type Err = InvalidHub;

    fn from_str(text: &str) -> Result<Self, InvalidHub> {
        let parts: Vec<&str> = text.split(':').collect();
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        match parts[..] {
            ["arn", partition, "securityhub", region, account, "hub/default"]
                if partition.starts_with("aws") && !region.is_empty() && is_account(account) =>
            {
                Ok(Self { arn: text.to_owned() })
            }
            _ => Err(InvalidHub(text.to_owned())),
        }
    }
}

impl fmt::Display for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}

impl Hub {
    pub(super) fn region(&self) -> &str {
        self.arn.split(':').nth(3).unwrap_or_default()
    }

    /// The same, up to what the ARN names.
    fn stem(&self) -> &str {
        self.arn.strip_suffix("hub/default").unwrap_or(&self.arn)
    }
}

/// What IAM checks an operation as.
pub(super) const fn iam_action(operation: Operation) -> &'static str {
    match operation {
        Operation::BatchImportFindings => "securityhub:BatchImportFindings",
        // One action for both ways to say it.
        _ => "securityhub:BatchUpdateFindings",
    }
}

/// Whether the statement is about the operation, by its actions.
pub(super) fn names_action(actions: &Scope, operation: Operation) -> bool {
    let names = |pattern: &Pattern| pattern.matches(iam_action(operation), Case::Insensitive);
    actions.patterns.iter().any(names) != actions.negated
}

/// Whether it is, by its resources.
pub(super) fn names_resource(
    statement: &Statement,
    operation: Operation,
    hub: Option<&Hub>,
) -> Result<bool, Box<Refusal>> {
    let scope = &statement.resources;
    let path = format!("{}.{}", statement.path, scope.element);
    let kind = match operation {
        Operation::BatchImportFindings => "product/*/*",
        Operation::BatchUpdateFindingsV2 => "hubv2/*",
        _ => "hub/default",
    };
    let possible = match (hub, operation) {
        // Products may belong to other accounts than the hub.
        (Some(hub), Operation::BatchImportFindings) => format!("arn:*:securityhub:{}:*:{kind}", hub.region()),
        (Some(hub), _) => format!("{}{kind}", hub.stem()),
        (None, _) => format!("arn:*:securityhub:*:*:{kind}"),
    };
    // Texts that only wildcards match, of two lengths, so that `?`s do not.
    let samples = ["\u{1}".repeat(3), "\u{1}".repeat(17)].map(|part| possible.replace('*', &part));
    let possible = Pattern::of_arns(&possible);
    let (mut all, mut none) = (false, true);
    for pattern in &scope.patterns {
        if let Some(name) = pattern.variable() {
            let reason = format!("the policy variable `${{{name}}}` in {:?}", pattern.written());
            let help = "write the resource out, or `*`".to_owned();
            return Err(Refusal::new(statement, &path, reason, Some(help)).into());
        }
        all |= samples.iter().all(|sample| pattern.matches(sample, Case::Sensitive));
        none &= !pattern.meets(&possible);
    }
    match (all, none) {
        (true, _) => Ok(!scope.negated),
        (_, true) => Ok(scope.negated),
        _ => {
            let reason = format!(
                "whether {} names what {operation} is checked against depends on more than the gate knows",
                scope.patterns.iter().map(|pattern| format!("{:?}", pattern.written())).collect::<Vec<_>>().join(", ")
            );
            let help = match (hub, operation) {
                (None, Operation::BatchUpdateFindings) => {
                    "say which hub is behind the gate: `--hub arn:aws:securityhub:eu-west-1:111122223333:hub/default`"
                }
                _ => {
                    "a statement of its own for each action, with the resource that belongs to it or `*`, can be carried over"
                }
            };
            Err(Refusal::new(statement, &path, reason, Some(help.to_owned())).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::parse::{Document, Source},
        *,
    };

    fn statement(members: &str) -> Statement {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny",{members}}}}}"#);
        Document::parse(&Source { name: "a.json".into(), text }).unwrap().statements.remove(0)
    }

    #[test]
    fn actions_with_wildcards_in_any_case() {
        for (members, update, import) in [
            (r#""Action":"securityhub:BatchUpdateFindings""#, true, false),
            (r#""Action":"SecurityHub:batch*""#, true, true),
            (r#""Action":["s3:*","securityhub:Batch?pdateFindings"]"#, true, false),
            (r#""Action":"*""#, true, true),
            (r#""Action":"securityhub:Get*""#, false, false),
            (r#""NotAction":"securityhub:Get*""#, true, true),
            (r#""NotAction":["iam:*","securityhub:BatchUpdate*"]"#, false, true),
        ] {
            let actions = statement(&format!(r#"{members},"Resource":"*""#)).actions;
            assert_eq!(names_action(&actions, Operation::BatchUpdateFindings), update, "{members}");
            assert_eq!(names_action(&actions, Operation::BatchUpdateFindingsV2), update, "{members}");
            assert_eq!(names_action(&actions, Operation::BatchImportFindings), import, "{members}");
        }
    }

    #[test]
    fn resources_are_all_none_or_unknown() {
        let hub: Hub = "arn:aws:securityhub:eu-west-1:111122223333:hub/default".parse().unwrap();
        for (resource, without, with) in [
            ("*", Some(true), Some(true)),
            ("arn:aws:securityhub:*:*:hub/default", None, Some(true)),
            ("arn:*:securityhub:*:*:hub/*", Some(true), Some(true)),
            ("arn:*:securityhub:*:????????????:hub/default", None, Some(true)),
            ("arn:aws:securityhub:eu-west-1:111122223333:hub/default", None, Some(true)),
            ("arn:aws:securityhub:us-east-1:111122223333:hub/default", None, Some(false)),
            ("arn:aws:securityhub:*:*:product/*/*", Some(false), Some(false)),
            ("arn:aws:s3:::bucket/*", Some(false), Some(false)),
        ] {
            let of = |hub| {
                let statement = statement(&format!(r#""Action":"*","Resource":"{resource}""#));
                names_resource(&statement, Operation::BatchUpdateFindings, hub).ok()
            };
            assert_eq!((of(None), of(Some(&hub))), (without, with), "{resource}");
            let not = statement(&format!(r#""Action":"*","NotResource":"{resource}""#));
            let not = names_resource(&not, Operation::BatchUpdateFindings, Some(&hub)).ok();
            assert_eq!(not, with.map(|names| !names), "{resource}");
        }
    }

    #[test]
    fn a_hub_is_named_in_full() {
        for text in ["", "hub/default", "arn:aws:securityhub:eu-west-1:1111:hub/default", "arn:aws:s3:::hub/default"] {
            assert!(text.parse::<Hub>().is_err(), "{text}");
        }
    }
}
