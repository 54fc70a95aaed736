//! Questions and their entities, in Cedar's terms.
//!
//! Built from typed values, never through JSON text (twenty times the cost).

use super::{
    attribute::{Attribute, Read, meaning},
    schema,
};
use crate::finding::{
    AccountId, Accounts, Action, Caller, Change, Circumstances, Field, FieldSet, Identifier, Note, Role, State, Target,
    Text, Value,
};
use cedar_policy::{Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use jiff::Timestamp;
use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

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

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

/// An instant as Cedar knows it: to the millisecond, and never later than it is.
pub(super) fn whole_milliseconds(time: Timestamp) -> Timestamp {
    let milliseconds = time.as_nanosecond().div_euclid(1_000_000);
    i64::try_from(milliseconds).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(time)
}

pub(super) fn time(time: Timestamp) -> RestrictedExpression {
    RestrictedExpression::new_datetime(format!("{:.3}", whole_milliseconds(time)))
}

/// A related finding.
pub(super) fn reference(id: &str, product_arn: &str) -> Result<RestrictedExpression, String> {
    let members = [("id".to_owned(), text(id)), ("productArn".to_owned(), text(product_arn))];
    RestrictedExpression::new_record(members).map_err(display)
}

/// `Member::"…"` or `Administrator::"…"`: the principal's own name.
pub(super) fn caller_uid(caller: &Caller) -> EntityUid {
    let kind = match caller.role {
        Role::Administrator => &TYPES.administrator,
        Role::Member => &TYPES.member,
    };
    uid(kind, &caller.principal)
}

pub(super) fn account_uid(account: AccountId) -> EntityUid {
    uid(&TYPES.account, account.as_str())
}

pub(super) fn group_uid(group: &str) -> EntityUid {
    uid(&TYPES.group, group)
}

pub(super) fn fleet_uid(accounts: &Accounts) -> EntityUid {
    uid(&TYPES.fleet, accounts.administrator().as_str())
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

/// An account in its groups and its fleet.
fn account_entity(account: AccountId, accounts: &Accounts) -> Entity {
    let mut parents: HashSet<EntityUid> = accounts.groups(account).iter().map(|group| group_uid(group)).collect();
    if accounts.role(account).is_some() {
        parents.insert(fleet_uid(accounts));
    }
    Entity::new_no_attrs(account_uid(account), parents)
}

/// What every question of this caller can reach: the caller, its account, and the action groups.
pub(super) fn caller_entities(caller: &Caller, accounts: &Accounts) -> Result<Entities, String> {
    let own_account = account_uid(caller.account);
    let mut attributes = HashMap::from([
        ("account".to_owned(), RestrictedExpression::new_entity_uid(own_account.clone())),
        ("arn".to_owned(), text(&caller.principal)),
    ]);
    if caller.role == Role::Administrator {
        attributes.insert("fleet".to_owned(), RestrictedExpression::new_entity_uid(fleet_uid(accounts)));
    }
    let principal = Entity::new(caller_uid(caller), attributes, HashSet::from([own_account])).map_err(display)?;
    Entities::from_entities([principal, account_entity(caller.account, accounts)], Some(schema())).map_err(display)
}

/// `UserDefinedFields::"now"`: those that the finding has. The id says nothing of the finding.
pub(super) fn present_fields_uid() -> EntityUid {
    uid(&TYPES.user_defined_fields, "now")
}

/// `UserDefinedFields::"update"`: those that come with the change.
fn proposed_fields_uid() -> EntityUid {
    uid(&TYPES.user_defined_fields, "update")
}

/// `ResourceTags::"now"`: those of the finding's resources.
pub(super) fn resource_tags_uid() -> EntityUid {
    uid(&TYPES.resource_tags, "now")
}

/// Everything that a question about this caller and this finding can reach: caller, finding, their accounts, and the
/// action groups.
///
/// If it is known how the finding is, the schema is checked, so a finding without its attributes cannot get in. If it is not
/// known, they are left out: a policy that reads one of them fails, and that tells that the verdict depends on it.
pub(super) fn entities(caller: &Caller, target: &Target<'_>, accounts: &Accounts) -> Result<Entities, String> {
    with_finding(caller_entities(caller, accounts)?, caller, target, accounts)
}

/// The same, made of what [`caller_entities`] made.
pub(super) fn with_finding(
    of_caller: Entities,
    caller: &Caller,
    target: &Target<'_>,
    accounts: &Accounts,
) -> Result<Entities, String> {
    let checked = target.state.is_some().then(schema);
    of_caller.add_entities(of_finding(caller, target, accounts)?, checked).map_err(display)
}

/// The finding, with its maps, and its account if that is not the caller's.
fn of_finding(caller: &Caller, target: &Target<'_>, accounts: &Accounts) -> Result<Vec<Entity>, String> {
    let mut entities = Vec::with_capacity(4);
    let mut attributes = HashMap::from([
        ("id".to_owned(), text(&target.identifier.id)),
        ("productArn".to_owned(), text(&target.identifier.product_arn)),
    ]);
    attributes.extend(target.is_new.map(|is_new| ("isNew".to_owned(), RestrictedExpression::new_bool(is_new))));
    if let Some(state) = target.state {
        for attribute in Attribute::ALL {
            let value = attribute.of(state).to_cedar()?;
            attributes.extend(value.map(|value| (attribute.name().to_owned(), value)));
        }
        entities.extend(maps(state)?);
    }
    let owner = HashSet::from([account_uid(target.owner)]);
    entities.push(Entity::new(finding_uid(target.identifier), attributes, owner).map_err(display)?);
    entities.extend((target.owner != caller.account).then(|| account_entity(target.owner, accounts)));
    Ok(entities)
}

/// The maps of a finding.
pub(super) fn maps(state: &State) -> Result<[Entity; 2], String> {
    let fields = state.user_defined_fields.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let tags = state.resource_tags.iter().map(|(key, values)| {
        let value =
            Read::Texts(values).to_cedar().map(|value| value.unwrap_or_else(|| RestrictedExpression::new_set([])));
        value.map(|value| (key.clone(), value))
    });
    let tags = tags.collect::<Result<Vec<_>, String>>()?;
    let resource_tags = Entity::new_with_tags(resource_tags_uid(), [], [], tags).map_err(display)?;
    Ok([fields_entity(present_fields_uid(), fields)?, resource_tags])
}

/// The keys and values that come with a change, for a store.
pub(super) fn proposed_fields(pairs: &[(Text<'_>, Text<'_>)]) -> Result<Entity, String> {
    fields_entity(proposed_fields_uid(), pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

fn fields_entity<'t>(uid: EntityUid, pairs: impl Iterator<Item = (&'t str, &'t str)>) -> Result<Entity, String> {
    let tag = |(key, value): (&str, &str)| {
        let mut members = vec![("text".to_owned(), text(value))];
        put_meaning(value, &mut members);
        RestrictedExpression::new_record(members).map(|record| (key.to_owned(), record)).map_err(display)
    };
    let tags = pairs.map(tag).collect::<Result<Vec<_>, String>>()?;
    Entity::new_with_tags(uid, [], [], tags).map_err(display)
}

/// `date` and `number`, where the text says them.
fn put_meaning(value: &str, members: &mut Vec<(String, RestrictedExpression)>) {
    let (date, number) = meaning(value);
    members.extend(date.map(|date| ("date".to_owned(), time(date))));
    members.extend(number.map(|number| ("number".to_owned(), RestrictedExpression::new_long(number))));
}

fn display(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The parts of a context.
#[expect(clippy::struct_excessive_bools, reason = "each says whether one part is there; they depend on nothing")]
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    /// The fields that travel with it.
    pub(super) fields: bool,
    /// The note, while it travels with it.
    pub(super) note: bool,
    /// The time.
    pub(super) now: bool,
    /// What the caller called.
    pub(super) operation: bool,
    /// The keys and values, while they travel with it.
    pub(super) user_defined_fields: bool,
    /// The proposed value.
    pub(super) value: bool,
}

impl Parts {
    /// The context as the schema has it.
    pub(super) const ALL: Self =
        Self { fields: true, note: true, now: true, operation: true, user_defined_fields: true, value: true };
}

/// The note that a policy sees beside a change, while it is to be forwarded. The note itself is not beside itself.
pub(super) fn note_beside<'u>(
    change: &Change<'_>,
    circumstances: &Circumstances<'u>,
    kept: FieldSet,
) -> Option<&'u Note<'u>> {
    circumstances.note.filter(|_| change.action() != Action::Note && kept.contains(Field::Note))
}

/// The keys and values that a policy sees beside a change, while they are to be forwarded.
pub(super) fn fields_beside<'u>(
    circumstances: &Circumstances<'u>,
    kept: FieldSet,
) -> Option<&'u [(Text<'u>, Text<'u>)]> {
    circumstances.user_defined_fields.filter(|_| kept.contains(Field::UserDefinedFields))
}

/// The context of a change, with the parts that are asked for.
pub(super) fn context(
    change: &Change<'_>,
    circumstances: &Circumstances<'_>,
    kept: FieldSet,
    parts: Parts,
) -> Result<Context, String> {
    let mut pairs: Vec<(String, RestrictedExpression)> = Vec::with_capacity(7);
    if parts.value {
        put_value(change.value(), &mut pairs)?;
    }
    let mut put = |name: &str, value| pairs.push((name.to_owned(), value));
    if parts.operation {
        put("operation", Words::Operation.word(circumstances.operation.name()));
    }
    if parts.now {
        put("now", time(whole_seconds(circumstances.now)));
    }
    if parts.fields {
        let fields = kept.iter().map(|field| Words::Field.word(field.as_str()));
        put("fields", RestrictedExpression::new_set(fields));
    }
    if let Some(note) = note_beside(change, circumstances, kept).filter(|_| parts.note) {
        put("note", note_record(note)?);
    }
    if fields_beside(circumstances, kept).is_some_and(|_| parts.user_defined_fields) {
        put("userDefinedFields", RestrictedExpression::new_entity_uid(proposed_fields_uid()));
    }
    Context::from_pairs(pairs).map_err(display)
}

/// The time of a request as policies see it: finer than a second, no two requests would share a verdict.
pub(super) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_nanosecond().div_euclid(1_000_000_000).try_into().unwrap_or(0)).unwrap_or(time)
}

fn put_value(value: Value<'_>, pairs: &mut Vec<(String, RestrictedExpression)>) -> Result<(), String> {
    let mut put = |name: &str, value| pairs.push((name.to_owned(), value));
    match value {
        Value::Label(label) => {
            put("value", Words::SeverityLabel.word(label.as_str()));
            put("rank", RestrictedExpression::new_long(label.rank()));
        }
        Value::Note(note) => put("value", note_record(note)?),
        Value::Nothing | Value::Unknown => {}
        Value::ProductScore(score) => put("value", RestrictedExpression::new_decimal(score.to_string())),
        Value::Ratio(ratio) => put("value", RestrictedExpression::new_long(ratio.into())),
        Value::Record(state) => put("value", Words::RecordState.word(state.as_str())),
        Value::Related { id, product_arn } => {
            put("id", text(id));
            put("productArn", text(product_arn));
        }
        Value::Type(kind) => put("value", text(kind)),
        Value::UserDefined { key, value } => {
            put("key", text(key));
            put("value", text(value));
            put_meaning(value, pairs);
        }
        Value::Verification(state) => put("value", Words::VerificationState.word(state.as_str())),
        Value::Workflow(status) => put("value", Words::WorkflowStatus.word(status.as_str())),
    }
    Ok(())
}

fn note_record(note: &Note<'_>) -> Result<RestrictedExpression, String> {
    let members = [("text".to_owned(), text(&note.text)), ("updatedBy".to_owned(), text(&note.updated_by))];
    RestrictedExpression::new_record(members).map_err(display)
}
