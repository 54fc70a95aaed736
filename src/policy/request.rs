//! Questions and their entities, in Cedar's terms.
//!
//! Built from typed values, never through JSON text (twenty times the cost).

use super::schema;
use crate::finding::{
    AccountId, Accounts, Action, Caller, Change, Field, FieldSet, Identifier, Note, Role, Target, Update, Value,
};
use cedar_policy::{Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

/// The names of the schema's entity types, parsed once.
struct Types {
    account: EntityTypeName,
    action: EntityTypeName,
    administrator: EntityTypeName,
    field: EntityTypeName,
    finding: EntityTypeName,
    fleet: EntityTypeName,
    group: EntityTypeName,
    member: EntityTypeName,
    severity_label: EntityTypeName,
    verification_state: EntityTypeName,
    workflow_status: EntityTypeName,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let name = |name: &str| name.parse().expect("a name of the embedded schema");
    Types {
        account: name("Account"),
        action: name("Action"),
        administrator: name("Administrator"),
        field: name("Field"),
        finding: name("Finding"),
        fleet: name("Fleet"),
        group: name("Group"),
        member: name("Member"),
        severity_label: name("SeverityLabel"),
        verification_state: name("VerificationState"),
        workflow_status: name("WorkflowStatus"),
    }
});

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn word(kind: &EntityTypeName, id: &str) -> RestrictedExpression {
    RestrictedExpression::new_entity_uid(uid(kind, id))
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
    Entities::from_entities(of_caller(caller, accounts)?, Some(schema())).map_err(display)
}

fn of_caller(caller: &Caller, accounts: &Accounts) -> Result<[Entity; 2], String> {
    let own_account = account_uid(caller.account);
    let mut attributes = HashMap::from([
        ("account".to_owned(), RestrictedExpression::new_entity_uid(own_account.clone())),
        ("arn".to_owned(), text(&caller.principal)),
    ]);
    if caller.role == Role::Administrator {
        attributes.insert("fleet".to_owned(), RestrictedExpression::new_entity_uid(fleet_uid(accounts)));
    }
    let principal = Entity::new(caller_uid(caller), attributes, HashSet::from([own_account])).map_err(display)?;
    Ok([principal, account_entity(caller.account, accounts)])
}

/// Everything that a question about this caller and this finding can reach: caller, finding, their accounts, and the
/// action groups.
///
/// The schema is checked, so a finding without its attributes cannot get in.
pub(super) fn entities(caller: &Caller, target: &Target<'_>, accounts: &Accounts) -> Result<Entities, String> {
    let all = of_caller(caller, accounts)?.into_iter().chain(of_finding(caller, target, accounts)?);
    Entities::from_entities(all, Some(schema())).map_err(display)
}

/// The same, made of what [`caller_entities`] made.
pub(super) fn with_finding(
    of_caller: Entities,
    caller: &Caller,
    target: &Target<'_>,
    accounts: &Accounts,
) -> Result<Entities, String> {
    of_caller.add_entities(of_finding(caller, target, accounts)?, Some(schema())).map_err(display)
}

/// The finding, and its account if that is not the caller's.
fn of_finding(
    caller: &Caller,
    target: &Target<'_>,
    accounts: &Accounts,
) -> Result<impl Iterator<Item = Entity>, String> {
    let attributes = HashMap::from([
        ("id".to_owned(), text(&target.identifier.id)),
        ("productArn".to_owned(), text(&target.identifier.product_arn)),
    ]);
    let owner = HashSet::from([account_uid(target.owner)]);
    let finding = Entity::new(finding_uid(target.identifier), attributes, owner).map_err(display)?;
    let owner = (target.owner != caller.account).then(|| account_entity(target.owner, accounts));
    Ok(std::iter::once(finding).chain(owner))
}

fn display(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The parts of a context.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    /// The proposed value.
    pub(super) value: bool,
    /// The fields that travel with it.
    pub(super) fields: bool,
    /// The note, while it travels with it.
    pub(super) note: bool,
}

impl Parts {
    /// The context as the schema has it.
    pub(super) const ALL: Self = Self { value: true, fields: true, note: true };
}

/// The context of a change, with the parts that are asked for.
pub(super) fn context(
    change: &Change<'_>,
    update: &Update<'_>,
    kept: FieldSet,
    parts: Parts,
) -> Result<Context, String> {
    let mut pairs: Vec<(String, RestrictedExpression)> = Vec::with_capacity(4);
    if parts.value {
        put_value(change.value(), &mut pairs)?;
    }
    let mut put = |name: &str, value| pairs.push((name.to_owned(), value));
    if parts.fields {
        let fields = kept.iter().map(|field| word(&TYPES.field, field.as_str()));
        put("fields", RestrictedExpression::new_set(fields));
    }
    let travels = parts.note && change.action() != Action::Note && kept.contains(Field::Note);
    if let Some(note) = update.note.as_ref().filter(|_| travels) {
        put("note", note_record(note)?);
    }
    Context::from_pairs(pairs).map_err(display)
}

fn put_value(value: Value<'_>, pairs: &mut Vec<(String, RestrictedExpression)>) -> Result<(), String> {
    let types = &*TYPES;
    let mut put = |name: &str, value| pairs.push((name.to_owned(), value));
    match value {
        Value::Label(label) => {
            put("value", word(&types.severity_label, label.as_str()));
            put("rank", RestrictedExpression::new_long(label.rank()));
        }
        Value::Note(note) => put("value", note_record(note)?),
        Value::ProductScore(score) => put("value", RestrictedExpression::new_decimal(score.to_string())),
        Value::Ratio(ratio) => put("value", RestrictedExpression::new_long(ratio.into())),
        Value::Related(finding) => {
            put("id", text(&finding.id));
            put("productArn", text(&finding.product_arn));
        }
        Value::Type(kind) => put("value", text(kind)),
        Value::UserDefined { key, value } => {
            put("key", text(key));
            put("value", text(value));
        }
        Value::Verification(state) => put("value", word(&types.verification_state, state.as_str())),
        Value::Workflow(status) => put("value", word(&types.workflow_status, status.as_str())),
    }
    Ok(())
}

fn note_record(note: &Note<'_>) -> Result<RestrictedExpression, String> {
    let members = [("text".to_owned(), text(&note.text)), ("updatedBy".to_owned(), text(&note.updated_by))];
    RestrictedExpression::new_record(members).map_err(display)
}
