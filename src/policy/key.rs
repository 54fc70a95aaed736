//! The keys that verdicts are kept under: what policies read of a question. Each part says where it ends, so two questions
//! have one key only if they agree in everything that was read.

use super::{
    Questions,
    attribute::{Read, write_text, write_time},
    footprint::{Ancestor, Footprint, KeysRead, StateRead, TextRead},
    names, request,
    slice::Slice,
};
use crate::finding::{AccountId, Accounts, Caller, Identifier, Note, State, Target, Text, Value};
use std::sync::Arc;

/// Appends what policies read of questions. `footprint` is what they read together, `slices` has what they read for each action,
/// and `view` stands for the caller.
///
/// Of what the questions share there is what any of them reads. So two sets of questions that have the same key agree in all that each
/// question reads.
pub(super) fn write_questions(
    key: &mut Vec<u8>,
    view: u64,
    slices: &[Arc<Slice>],
    footprint: &Footprint,
    questions: Questions<'_>,
    accounts: &Accounts,
) {
    let Questions { caller, circumstances, changes, kept, target } = questions;
    key.extend_from_slice(&view.to_le_bytes());
    key.extend_from_slice(&(changes.len() as u64).to_le_bytes());
    key.extend(changes.iter().map(|change| change.action() as u8));
    for change in changes {
        if slices[change.action() as usize].footprint.value {
            write_value(key, &change.value());
        }
    }
    if footprint.fields {
        key.extend_from_slice(&kept.bits().to_le_bytes());
    }
    if footprint.note {
        match changes.iter().find_map(|change| request::note_beside(change, circumstances, kept)) {
            Some(note) => write_note(key, note),
            None => key.push(0),
        }
    }
    if !footprint.user_defined_fields.is_empty() {
        write_proposed(key, &footprint.user_defined_fields, request::fields_beside(circumstances, kept));
    }
    if footprint.operation {
        key.push(circumstances.operation as u8);
    }
    if footprint.now {
        write_time(key, names::whole_seconds(circumstances.now));
    }
    write_target(key, footprint, caller, target, accounts);
}

fn write_note(key: &mut Vec<u8>, note: &Note<'_>) {
    key.push(1);
    write_text(key, &note.text);
    write_text(key, &note.updated_by);
}

fn write_identifier(key: &mut Vec<u8>, identifier: &Identifier<'_>) {
    write_text(key, &identifier.id);
    write_text(key, &identifier.product_arn);
}

/// The action stands before the value, so the value's kind is known.
fn write_value(key: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Label(label) => key.push(*label as u8),
        Value::Note(note) => write_note(key, note),
        Value::Nothing => {}
        Value::ProductScore(score) => write_text(key, &score.to_string()),
        Value::Ratio(ratio) => key.push(*ratio),
        Value::Record(state) => key.push(*state as u8),
        Value::Related { id, product_arn } => {
            write_text(key, id);
            write_text(key, product_arn);
        }
        Value::Type(kind) => write_text(key, kind),
        // No length is that long, so it is no text.
        Value::Unknown => key.extend_from_slice(&u64::MAX.to_le_bytes()),
        Value::UserDefined { key: name, value } => {
            write_text(key, name);
            write_text(key, value);
        }
        Value::Verification(state) => key.push(*state as u8),
        Value::Workflow(status) => key.push(*status as u8),
    }
}

/// Appends what policies with this footprint read of a finding.
pub(super) fn write_target(
    key: &mut Vec<u8>,
    footprint: &Footprint,
    caller: &Caller,
    target: &Target<'_>,
    accounts: &Accounts,
) {
    if footprint.is_new {
        key.push(target.is_new.map_or(2, u8::from));
    }
    write_state(key, &footprint.state, target.state);
    if footprint.identity {
        write_identifier(key, target.identifier);
        key.extend_from_slice(target.owner.as_str().as_bytes());
        return;
    }
    write_read(key, &footprint.id, &target.identifier.id);
    write_read(key, &footprint.product_arn, &target.identifier.product_arn);
    if !footprint.ancestors.is_empty() {
        let owner = Owner { account: target.owner, fleet: accounts.fleet_of(target.owner) };
        key.extend(footprint.ancestors.iter().map(|ancestor| u8::from(owner.lies_in(ancestor, caller, accounts))));
    }
}

fn write_state(key: &mut Vec<u8>, read: &StateRead, state: Option<&State>) {
    // Removals are asked about in another way while it is not known what there is to remove: so even policies that read
    // nothing of it are asked apart.
    let Some(state) = state else { return key.push(0) };
    key.push(1);
    for attribute in &read.attributes {
        attribute.of(state).write(key);
    }
    match &read.user_defined_fields {
        KeysRead::All => Read::UserDefinedFields(&state.user_defined_fields).write(key),
        KeysRead::Keys(keys) => {
            for name in keys {
                write_optional(key, state.user_defined_fields.get(name).map(String::as_str));
            }
        }
    }
    match &read.resource_tags {
        KeysRead::All => Read::ResourceTags(&state.resource_tags).write(key),
        KeysRead::Keys(keys) => {
            let values = keys.iter().map(|name| state.resource_tags.get(name).map_or(Read::Absent, Read::Texts));
            values.for_each(|values| write_present(key, values));
        }
    }
}

/// The keys and values that come with the change, as far as they are read.
fn write_proposed(key: &mut Vec<u8>, read: &KeysRead, pairs: Option<&[(Text<'_>, Text<'_>)]>) {
    let Some(pairs) = pairs else { return key.push(0) };
    key.push(1);
    match read {
        KeysRead::All => {
            key.extend_from_slice(&(pairs.len() as u64).to_le_bytes());
            for (name, value) in pairs {
                write_text(key, name);
                write_text(key, value);
            }
        }
        KeysRead::Keys(keys) => {
            for name in keys {
                write_optional(key, pairs.iter().find(|(known, _)| **known == **name).map(|(_, value)| value.as_str()));
            }
        }
    }
}

fn write_optional(key: &mut Vec<u8>, text: Option<&str>) {
    write_present(key, text.map_or(Read::Absent, Read::Text));
}

/// Whether it is there, and then what it is.
fn write_present(key: &mut Vec<u8>, read: Read<'_>) {
    key.push(u8::from(!matches!(read, Read::Absent)));
    read.write(key);
}

fn write_read(key: &mut Vec<u8>, read: &TextRead, text: &str) {
    match read {
        TextRead::Matches(patterns) => key.extend(patterns.iter().map(|pattern| u8::from(pattern.matches(text)))),
        TextRead::Whole => write_text(key, text),
    }
}

/// An account, and what is known of it.
struct Owner {
    account: AccountId,
    /// By its administrator; nothing for an account that is in none.
    fleet: Option<AccountId>,
}

impl Owner {
    /// Whether a finding of this account lies in `ancestor`, as [`request::entities`] would have it.
    fn lies_in(&self, ancestor: &Ancestor, caller: &Caller, accounts: &Accounts) -> bool {
        match ancestor {
            Ancestor::CallerAccount => self.account == caller.account,
            // Only an administrator has the attribute, and its fleet is named by its account.
            Ancestor::CallerFleet => self.fleet == Some(caller.account),
            Ancestor::Account(account) => self.account == *account,
            Ancestor::Fleet(fleet) => self.fleet == Some(*fleet),
            Ancestor::Group(group) => accounts.groups(self.account).contains(group),
        }
    }
}
