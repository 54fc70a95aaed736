//! The names of the schema, and plain values, in Cedar's terms.

use crate::finding::{AccountId, Action, Caller, Identifier, Role};
use cedar_policy::{EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use jiff::Timestamp;
use std::sync::LazyLock;

/// The names of the schema's entity types, parsed once.
struct Types {
    account: EntityTypeName,
    action: EntityTypeName,
    administrator: EntityTypeName,
    finding: EntityTypeName,
    fleet: EntityTypeName,
    group: EntityTypeName,
    member: EntityTypeName,
    resource_tags: EntityTypeName,
    user_defined_fields: EntityTypeName,
    words: [EntityTypeName; 7],
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let name = |name: &str| name.parse().expect("a name of the embedded schema");
    Types {
        account: name("Account"),
        action: name("Action"),
        administrator: name("Administrator"),
        finding: name("Finding"),
        fleet: name("Fleet"),
        group: name("Group"),
        member: name("Member"),
        resource_tags: name("ResourceTags"),
        user_defined_fields: name("UserDefinedFields"),
        words: [
            name("ComplianceStatus"),
            name("Field"),
            name("Operation"),
            name("RecordState"),
            name("SeverityLabel"),
            name("VerificationState"),
            name("WorkflowStatus"),
        ],
    }
});

/// A closed vocabulary of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    ComplianceStatus,
    Field,
    Operation,
    RecordState,
    SeverityLabel,
    VerificationState,
    WorkflowStatus,
}

impl Words {
    /// `WorkflowStatus::"NEW"` and so on.
    pub(super) fn word(self, word: &str) -> RestrictedExpression {
        RestrictedExpression::new_entity_uid(uid(&TYPES.words[self as usize], word))
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// A string.
pub(super) fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

/// An instant as Cedar knows it: to the millisecond, and never later than it is.
pub(super) fn whole_milliseconds(time: Timestamp) -> Timestamp {
    let milliseconds = time.as_nanosecond().div_euclid(1_000_000);
    i64::try_from(milliseconds).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(time)
}

/// A datetime.
pub(super) fn time(time: Timestamp) -> RestrictedExpression {
    RestrictedExpression::new_datetime(format!("{:.3}", whole_milliseconds(time)))
}

/// A related finding.
pub(super) fn reference(id: &str, product_arn: &str) -> Result<RestrictedExpression, String> {
    let members = [("id".to_owned(), text(id)), ("productArn".to_owned(), text(product_arn))];
    RestrictedExpression::new_record(members).map_err(|error| error.to_string())
}

/// `Member::"…"` or `Administrator::"…"`: the principal's own name.
pub(super) fn caller_uid(caller: &Caller) -> EntityUid {
    let kind = match caller.role {
        Role::Administrator => &TYPES.administrator,
        Role::Member => &TYPES.member,
    };
    uid(kind, &caller.principal)
}

/// `Account::"…"`
pub(super) fn account_uid(account: AccountId) -> EntityUid {
    uid(&TYPES.account, account.as_str())
}

/// `Group::"…"`
pub(super) fn group_uid(group: &str) -> EntityUid {
    uid(&TYPES.group, group)
}

/// `Fleet::"…"`, by its administrator
pub(super) fn fleet_uid(administrator: AccountId) -> EntityUid {
    uid(&TYPES.fleet, administrator.as_str())
}

/// `Action::"Workflow.Status"` and so on, made once.
pub(super) fn action_uid(action: Action) -> &'static EntityUid {
    static UIDS: LazyLock<Vec<EntityUid>> =
        LazyLock::new(|| Action::ALL.iter().map(|action| uid(&TYPES.action, action.as_str())).collect());
    &UIDS[action as usize]
}

/// `Finding::"{product ARN}/{id}"`: either part alone names no finding. (Security Hub writes its own `FindingId` so.)
pub(super) fn finding_uid(identifier: &Identifier<'_>) -> EntityUid {
    uid(&TYPES.finding, &format!("{}/{}", identifier.product_arn, identifier.id))
}

/// `UserDefinedFields::"now"`: those that the finding has. The id says nothing of the finding.
pub(super) fn present_fields_uid() -> EntityUid {
    uid(&TYPES.user_defined_fields, "now")
}

/// `UserDefinedFields::"update"`: those that come with the change.
pub(super) fn proposed_fields_uid() -> EntityUid {
    uid(&TYPES.user_defined_fields, "update")
}

/// `ResourceTags::"now"`: those of the finding's resources.
pub(super) fn resource_tags_uid() -> EntityUid {
    uid(&TYPES.resource_tags, "now")
}

/// The time of a request as policies see it: finer than a second, no two requests would share a verdict.
pub(super) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_nanosecond().div_euclid(1_000_000_000).try_into().unwrap_or(0)).unwrap_or(time)
}
