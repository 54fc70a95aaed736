//! Questions and their entities, in Cedar's terms.
//!
//! Built from typed values, never through JSON text (twenty times the cost).

use super::{
    attribute::{Attribute, Read, meaning},
    names::{
        Words, account_uid, caller_uid, finding_uid, fleet_uid, group_uid, present_fields_uid, proposed_fields_uid,
        resource_tags_uid, text, time, whole_seconds,
    },
    schema,
};
use crate::finding::{
    AccountId, Accounts, Action, Caller, Change, Circumstances, Field, FieldSet, Note, Role, State, Target, Text, Value,
};
use cedar_policy::{Context, Entities, Entity, EntityUid, RestrictedExpression};
use std::collections::{HashMap, HashSet};

/// An account in its groups and its fleet: its own one, if there are several.
fn account_entity(account: AccountId, accounts: &Accounts) -> Entity {
    let mut parents: HashSet<EntityUid> = accounts.groups(account).iter().map(|group| group_uid(group)).collect();
    parents.extend(accounts.fleet_of(account).map(fleet_uid));
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
        attributes.insert("fleet".to_owned(), RestrictedExpression::new_entity_uid(fleet_uid(caller.account)));
    }
    // What its proof puts it in is the caller's own: its account is in no more groups for that.
    let parents = caller.groups.iter().map(|group| group_uid(group)).chain([own_account]).collect();
    let principal = Entity::new(caller_uid(caller), attributes, parents).map_err(display)?;
    Entities::from_entities([principal, account_entity(caller.account, accounts)], Some(schema())).map_err(display)
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
