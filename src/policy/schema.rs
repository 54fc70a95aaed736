//! The vocabulary of policies: one Cedar schema, embedded in the program.

use cedar_policy::{Schema, SchemaFragment};
use std::{collections::HashMap, sync::LazyLock};

/// The schema as its authors read it: what a policy can say, with comments.
pub const SCHEMA_TEXT: &str = include_str!("../../policies/schema.cedarschema");

/// The schema that every policy is checked against, and every question is built against.
///
/// It is part of the program and not of its configuration: the gate asks exactly these questions, so a policy that speaks
/// of anything else could never apply.
pub fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
        let (schema, _warnings) = Schema::from_cedarschema_str(SCHEMA_TEXT).expect("the embedded schema is valid");
        schema
    });
    &SCHEMA
}

/// The words of a closed vocabulary, such as `WorkflowStatus`; none for another type.
pub fn words(kind: &str) -> &'static [String] {
    static WORDS: LazyLock<HashMap<String, Vec<String>>> = LazyLock::new(|| {
        let (fragment, _) = SchemaFragment::from_cedarschema_str(SCHEMA_TEXT).expect("the embedded schema is valid");
        let json = fragment.to_json_value().expect("the embedded schema has a JSON form");
        let kinds = json[""]["entityTypes"].as_object().into_iter().flatten();
        let words = kinds.filter_map(|(name, kind)| {
            let words = kind["enum"].as_array()?.iter().filter_map(|word| word.as_str().map(str::to_owned));
            Some((name.clone(), words.collect()))
        });
        words.collect()
    });
    WORDS.get(kind).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{
        Action, ComplianceStatus, Field, Operation, RecordState, SeverityLabel, VerificationState, WorkflowStatus,
    };
    use std::collections::BTreeSet;

    #[test]
    fn the_schema_is_whole_and_free_of_warnings() {
        let (_, warnings) = Schema::from_cedarschema_str(SCHEMA_TEXT).unwrap();
        assert_eq!(warnings.map(|warning| warning.to_string()).collect::<Vec<_>>(), [""; 0]);
        assert!(schema().is_complete());
    }

    #[test]
    fn every_change_is_an_action_for_both_roles() {
        let groups: BTreeSet<_> = schema().action_groups().map(|group| group.id().unescaped().to_owned()).collect();
        let expected = ["BatchImportFindings", "BatchUpdateFindings", "Remove", "Severity", "Triage"];
        assert_eq!(groups, expected.map(String::from).into());
        let names = schema().actions().map(|action| action.id().unescaped().to_owned());
        let leaves: BTreeSet<String> = names.filter(|name| !groups.contains(name)).collect();
        assert_eq!(leaves, Action::ALL.iter().map(|action| action.as_str().to_owned()).collect());
        assert_eq!(schema().request_envs().count(), 2 * Action::ALL.len());
    }

    #[test]
    fn closed_vocabularies_are_those_of_the_wire() {
        let values = |name: &str| words(name).to_vec();
        assert_eq!(values("Finding"), [""; 0]);
        assert_eq!(values("SeverityLabel"), SeverityLabel::ALL.iter().map(|v| v.as_str()).collect::<Vec<_>>());
        assert_eq!(values("ComplianceStatus"), ComplianceStatus::ALL.iter().map(|v| v.as_str()).collect::<Vec<_>>());
        assert_eq!(values("Field"), Field::ALL.iter().map(|v| v.as_str()).collect::<Vec<_>>());
        assert_eq!(values("RecordState"), RecordState::ALL.iter().map(|v| v.as_str()).collect::<Vec<_>>());
        let named = |operation: &String| Operation::named(operation).is_some();
        assert!(values("Operation").iter().all(named), "{:?}", values("Operation"));
        assert_eq!(values("WorkflowStatus"), WorkflowStatus::ALL.iter().map(|v| v.as_str()).collect::<Vec<_>>());
        assert_eq!(values("VerificationState"), VerificationState::ALL.iter().map(|v| v.as_str()).collect::<Vec<_>>());
    }
}
