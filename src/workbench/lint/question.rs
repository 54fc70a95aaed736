//! The kinds of questions that a policy can apply to, and what is known of each.

use crate::policy::{SCHEMA_TEXT, schema};
use cedar_policy::{Policy, SchemaFragment};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// A kind of question: who asks, for what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    /// `Member` or `Administrator`.
    pub(super) principal: String,
    /// `Workflow.Status` and so on.
    pub(super) action: String,
}

impl Kind {
    /// The kinds of questions that fit a policy's scope and its types.
    pub(super) fn of(policy: &Policy) -> BTreeSet<Self> {
        policy
            .get_valid_request_envs(schema())
            .map(|environment| Self {
                principal: environment.principal().to_string(),
                action: environment.action().id().unescaped().to_owned(),
            })
            .collect()
    }

    /// How many kinds of questions there are.
    pub(super) fn count() -> usize {
        schema().request_envs().count()
    }

    /// The range of a number, where the API gives it one.
    pub(super) fn limits(&self, term: &str) -> Option<(i64, i64)> {
        match (term, self.action.as_str()) {
            // What a finding has is whatever its backend says.
            ("context . value", "Confidence" | "Criticality" | "Severity.Normalized") => Some((0, 100)),
            ("context . rank" | "resource . severity . rank", _) => Some((0, 4)),
            _ => None,
        }
    }

    /// The type of an entity that a variable of the question is.
    pub(super) fn type_of(&self, term: &str) -> Option<&str> {
        match term {
            "principal" => Some(&self.principal),
            "action" => Some("Action"),
            "resource" => Some("Finding"),
            _ => None,
        }
    }

    /// Whether the action is, or is in, this one.
    pub(super) fn is_within(&self, action: &str) -> bool {
        self.action == action || ACTION_GROUPS.get(&self.action).is_some_and(|groups| groups.contains(action))
    }
}

/// The groups that each action is in.
static ACTION_GROUPS: LazyLock<BTreeMap<String, BTreeSet<String>>> = LazyLock::new(|| {
    let entities = schema().action_entities().expect("the embedded schema has its actions");
    let id = |uid: &cedar_policy::EntityUid| uid.id().unescaped().to_owned();
    schema()
        .actions()
        .map(|action| (id(action), entities.ancestors(action).into_iter().flatten().map(id).collect()))
        .collect()
});

/// The values of each closed vocabulary, by its name.
pub(super) static VOCABULARIES: LazyLock<BTreeMap<String, BTreeSet<String>>> = LazyLock::new(|| {
    let (fragment, _) = SchemaFragment::from_cedarschema_str(SCHEMA_TEXT).expect("the embedded schema is valid");
    let json = fragment.to_json_value().expect("the embedded schema has a JSON form");
    let types = json[""]["entityTypes"].as_object().into_iter().flatten();
    types
        .filter_map(|(name, kind)| {
            let values = kind["enum"].as_array()?.iter().filter_map(|value| value.as_str().map(str::to_owned));
            Some((name.clone(), values.collect()))
        })
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_in_their_groups() {
        let kind = |action: &str| Kind { principal: "Member".into(), action: action.into() };
        assert!(
            kind("Severity.Label").is_within("Severity") && kind("Severity.Label").is_within("BatchUpdateFindings")
        );
        assert!(kind("Note").is_within("Note") && !kind("Note").is_within("Severity"));
        assert_eq!(VOCABULARIES["RecordState"], ["ACTIVE", "ARCHIVED"].map(String::from).into());
    }
}
