//! From a solver's counterexample to requests that the live gate can be asked.
//!
//! A counterexample has odd names, and says more than it needs. So there are several requests that it may stand for; which of them,
//! if any, shows what it is said to show is for the live gate to tell.

use super::{
    model::{Model, entity_id, instant},
    proposal::{Proposal, parsed, spelled, strings},
};
use crate::{
    finding::{AccountId, Action, Role, SeverityLabel},
    workbench::{
        Call, CallerFixture, Example, FindingFixture, Fleet, NoteFixture, ReferenceFixture, SeverityFixture, Texts,
    },
};
use cedar_policy_symcc::Env;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A request that shows something, and the change in it that does.
#[derive(Debug, Clone, PartialEq)]
pub struct Witness {
    /// Who asks for what about which finding.
    pub example: Example,
    /// Further callers of the suite that the example is put into: accounts and groups that matter to it.
    pub others: Vec<CallerFixture>,
    /// The change that shows it.
    pub action: Action,
    /// Which of several changes with the same action, as [`Answered::element`](crate::workbench::Answered::element) says it.
    pub element: Option<String>,
}

/// Accounts of whom only matters that they are different.
const SPARE: [&str; 4] = ["222222222222", "333333333333", "444444444444", "555555555555"];

/// The requests that a counterexample may stand for, the plainest first.
pub(super) fn candidates(env: &Env) -> Vec<Witness> {
    let Some(model) = Model::of(env) else { return Vec::new() };
    let mut candidates: Vec<Witness> = Vec::new();
    let said = model.context.get("operation").and_then(entity_id).unwrap_or_default();
    // What an automation rule would do, an update does.
    for operation in ["BatchUpdateFindings", said] {
        for own_product in [true, false] {
            let witness = read(&model, operation, own_product);
            candidates.extend(witness.into_iter().filter(|witness| !candidates.contains(witness)).collect::<Vec<_>>());
        }
    }
    candidates
}

fn read(model: &Model<'_>, operation: &str, own_product: bool) -> Option<Witness> {
    let action = Action::parse(model.action()?)?;
    let Cast { caller, owner, others } = cast(model)?;
    let mut finding = finding(model, owner);
    if !own_product {
        finding.product_arn = Some(model.resource.attributes.get("productArn")?.as_str()?.to_owned());
    }
    let change = Proposal::of(model, action)?;
    if let (Action::UserDefinedFieldsRemove, Some(key)) = (action, &change.key) {
        finding.user_defined_fields.insert(key.clone(), change.value.as_str()?.to_owned());
    }
    let now = model.context.get("now").and_then(instant)?;
    let now = Timestamp::from_second(now.as_second()).ok()?;
    let call = match operation {
        "BatchUpdateFindings" => Call::Update(change.update(model)?),
        "BatchUpdateFindingsV2" => Call::UpdateV2(change.update_v2(model)?),
        "BatchImportFindings" => {
            let mut members = change.import(model)?;
            if model.resource.attributes.get("isNew") == Some(&Value::Bool(true)) {
                finding.exists = false;
                for (name, value) in imported(&finding) {
                    members.entry(name).or_insert(value);
                }
            }
            // A finding has a label, too.
            if let Some(severity) = members.get_mut("Severity").and_then(Value::as_object_mut)
                && !severity.contains_key("Normalized")
            {
                severity.entry("Label").or_insert_with(|| json!(SeverityLabel::Medium));
            }
            Call::Import(members)
        }
        _ => return None,
    };
    let element = change.element();
    Some(Witness { example: Example { caller, finding, call, now }, others, action, element })
}

/// The change: `Workflow.Status`, `UserDefinedFields[owner]`.
impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.element {
            Some(element) => write!(f, "{}[{element}]", self.action),
            None => write!(f, "{}", self.action),
        }
    }
}

impl Witness {
    /// Whether a finding that loses something has it.
    pub(super) fn has_what_it_removes(&self) -> bool {
        let FindingFixture { types, user_defined_fields, related_findings, exists, known, .. } = &self.example.finding;
        let Some(element) = &self.element else { return true };
        *exists
            && *known
            && match self.action {
                Action::TypesRemove => types.contains(element),
                Action::UserDefinedFieldsRemove => user_defined_fields.contains_key(element),
                Action::RelatedFindingsRemove => related_findings.iter().any(|finding| finding.id == *element),
                _ => true,
            }
            || !self.action.is_removal()
    }
}

// ---- who ----

struct Cast {
    caller: CallerFixture,
    owner: AccountId,
    others: Vec<CallerFixture>,
}

fn cast(model: &Model<'_>) -> Option<Cast> {
    let role = match model.principal.uid.type_name().basename() {
        "Administrator" => Role::Administrator,
        _ => Role::Member,
    };
    let own = entity_id(model.principal.attributes.get("account")?)?;
    let owners = model.ancestors(&model.resource.uid, "Account");
    let foreign = if owners.contains(own) { None } else { Some(owners.first().map_or("", String::as_str)) };
    let fleets = model.ancestors_of_account(own, "Fleet");
    let administrator = fleets.iter().find_map(|fleet| AccountId::parse(fleet));

    let default: AccountId = Fleet::ADMINISTRATOR.parse().ok()?;
    let named = [Some(own), foreign].into_iter().flatten().filter_map(AccountId::parse);
    let mut taken: BTreeSet<AccountId> = named.chain(administrator).chain([default]).collect();
    let mut spare = || {
        let free = SPARE.iter().filter_map(|id| AccountId::parse(id)).find(|id| !taken.contains(id));
        free.inspect(|id| {
            taken.insert(*id);
        })
    };
    let account = match (AccountId::parse(own), role) {
        (Some(account), _) => account,
        (None, Role::Administrator) => default,
        (None, Role::Member) => spare()?,
    };
    let owner = match foreign {
        None => account,
        Some(id) => AccountId::parse(id).or_else(&mut spare)?,
    };
    let mut caller = CallerFixture::plain(role, account);
    let id = model.principal.uid.id().unescaped();
    caller.principal = (!id.trim().is_empty()).then(|| id.to_owned());
    let of_account = model.ancestors_of_account(own, "Group");
    let of_caller = model.ancestors(&model.principal.uid, "Group");
    caller.principal_groups = of_caller.difference(&of_account).cloned().collect();
    if role == Role::Member {
        caller.groups = of_account.into_iter().collect();
    }

    let mut others = Vec::new();
    if role == Role::Member {
        let other = administrator.filter(|other| *other != default);
        let other = other.or_else(|| if account == default { spare() } else { None });
        others.extend(other.map(|other| CallerFixture::plain(Role::Administrator, other)));
    }
    let groups: Vec<String> = model.ancestors(&model.resource.uid, "Group").into_iter().collect();
    let in_a_fleet = !model.ancestors(&model.resource.uid, "Fleet").is_empty();
    let administers = others.iter().any(|other: &CallerFixture| other.account == owner) || owner == default;
    if owner != account && !groups.is_empty() && !administers {
        others.push(CallerFixture { groups, ..CallerFixture::plain(Role::Member, owner) });
    } else if owner != account && in_a_fleet && !administers {
        match role {
            Role::Administrator => caller.fleet = vec![owner],
            Role::Member => others.push(CallerFixture::plain(Role::Member, owner)),
        }
    }
    Some(Cast { caller, owner, others })
}

// ---- about what ----

fn finding(model: &Model<'_>, owner: AccountId) -> FindingFixture {
    let attributes = &model.resource.attributes;
    let get = |name: &str| attributes.get(name).unwrap_or(&Value::Null);
    let text = |name: &str| get(name).as_str().map(str::to_owned);
    let texts = |name: &str| -> BTreeSet<String> { strings(get(name)) };
    let severity = get("severity");
    let label: Option<SeverityLabel> = parsed(&severity["label"]);
    let related = get("relatedFindings").as_array().into_iter().flatten();
    let note = get("note");
    let tags = model.tags(get("resourceTags")).into_iter();
    FindingFixture {
        id: text("id").filter(|id| !id.trim().is_empty()),
        severity: label.map(|label| SeverityFixture { label, normalized: severity["normalized"].as_i64() }),
        workflow_status: parsed(get("workflowStatus")),
        record_state: parsed(get("recordState")),
        verification_state: parsed(get("verificationState")),
        confidence: get("confidence").as_i64(),
        criticality: get("criticality").as_i64(),
        note: note["text"].as_str().map(|text| NoteFixture {
            text: text.to_owned(),
            updated_by: note["updatedBy"].as_str().unwrap_or_default().to_owned(),
            updated_at: instant(&note["updatedAt"]),
        }),
        types: texts("types"),
        user_defined_fields: spelled(&model.tags(get("userDefinedFields"))),
        related_findings: related
            .map(|finding| ReferenceFixture {
                id: finding["id"].as_str().unwrap_or_default().to_owned(),
                product_arn: finding["productArn"].as_str().unwrap_or_default().to_owned(),
            })
            .collect(),
        resource_types: texts("resourceTypes"),
        resource_ids: texts("resourceIds"),
        resource_tags: tags.map(|(key, values)| (key, Texts::Several(strings(&values)))).collect(),
        compliance_status: parsed(get("complianceStatus")),
        security_control_id: text("securityControlId"),
        product_name: text("productName"),
        company_name: text("companyName"),
        generator_id: text("generatorId"),
        region: text("region"),
        created_at: instant(get("createdAt")),
        updated_at: instant(get("updatedAt")),
        first_observed_at: instant(get("firstObservedAt")),
        last_observed_at: instant(get("lastObservedAt")),
        ..FindingFixture::plain(owner)
    }
}

/// The members of an import that make a finding so.
fn imported(finding: &FindingFixture) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() && value != json!([]) && value != json!({}) {
            members.insert(name.to_owned(), value);
        }
    };
    let time = |time: Option<Timestamp>| time.map(|time| json!(time.to_string())).unwrap_or_default();
    if let Some(severity) = finding.severity {
        put("Severity", json!({ "Label": severity.label }));
    }
    put("Confidence", json!(finding.confidence));
    put("Criticality", json!(finding.criticality));
    put("RecordState", json!(finding.record_state));
    put("VerificationState", json!(finding.verification_state));
    if let Some(status) = finding.workflow_status {
        put("Workflow", json!({ "Status": status }));
    }
    if let Some(note) = &finding.note {
        put("Note", json!({ "Text": note.text, "UpdatedBy": note.updated_by }));
    }
    let of_parts = |kind: &&String| !kind.trim().is_empty() && kind.split('/').all(|part| !part.is_empty());
    put("Types", json!(finding.types.iter().filter(of_parts).collect::<Vec<_>>()));
    let named = |(key, _): &(&String, &String)| !key.trim().is_empty();
    put("UserDefinedFields", json!(finding.user_defined_fields.iter().filter(named).collect::<BTreeMap<_, _>>()));
    put("ProductName", json!(finding.product_name));
    put("CompanyName", json!(finding.company_name));
    put("GeneratorId", json!(finding.generator_id));
    put("Region", json!(finding.region));
    put("CreatedAt", time(finding.created_at));
    put("UpdatedAt", time(finding.updated_at));
    put("FirstObservedAt", time(finding.first_observed_at));
    put("LastObservedAt", time(finding.last_observed_at));
    let mut compliance = Map::new();
    compliance.extend(finding.compliance_status.map(|status| ("Status".to_owned(), json!(status))));
    compliance.extend(finding.security_control_id.as_ref().map(|id| ("SecurityControlId".to_owned(), json!(id))));
    put("Compliance", Value::Object(compliance));
    let count = finding.resource_types.len().max(finding.resource_ids.len());
    let mut resources: Vec<Value> = Vec::new();
    for place in 0..count.max(usize::from(!finding.resource_tags.is_empty())) {
        let of = |texts: &BTreeSet<String>, other: &str| {
            texts.iter().nth(place).or_else(|| texts.first()).cloned().unwrap_or_else(|| other.to_owned())
        };
        let first = |(key, values): (&String, &Texts)| Some((key.clone(), values.all().first()?.clone()));
        let tags: BTreeMap<String, String> = finding.resource_tags.iter().filter_map(first).collect();
        let (kind, id) = (of(&finding.resource_types, "Other"), of(&finding.resource_ids, "example"));
        resources.push(json!({ "Type": kind, "Id": id, "Tags": tags }));
    }
    put("Resources", Value::Array(resources));
    members
}
