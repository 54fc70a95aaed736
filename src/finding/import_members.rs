//! The members of an imported finding that policies decide on.
//!
//! They stand at the top, and five of them in `FindingProviderFields` as well, from where Security Hub sets those at the top (guide,
//! "Using FindingProviderFields"): a value is the same change in both places.

use super::{
    Change, Circumstances, Field, FieldSet, InvalidBody, InvalidState, Operation, RecordState, State, Update,
    VerificationState, WorkflowStatus, body,
    identifier::RelatedFindingReader,
    number::Ratio,
    object::{List, Word},
    outcome::code,
    update::{NoteReader, SeverityReader, TYPE, UserDefinedFieldsReader, WorkflowReader, words},
};
use jiff::Timestamp;
use serde::de::DeserializeSeed;
use serde_json::{Map, Value, json};

/// What a provider says of its own finding, and customers may override.
pub(super) const PROVIDER_FIELDS: &str = "FindingProviderFields";
/// What `Workflow.Status` has replaced (API model).
pub(super) const WORKFLOW_STATE: &str = "WorkflowState";
/// The members of [`PROVIDER_FIELDS`] (API model).
const PROVIDED: [Field; 5] =
    [Field::Confidence, Field::Criticality, Field::RelatedFindings, Field::Severity, Field::Types];
/// The members that say which finding it is.
const IDENTITY: [&str; 3] = ["AwsAccountId", "Id", "ProductArn"];
/// How much of a problem is told, in characters. It may quote the finding.
const PROBLEM_SHOWN: usize = 400;

/// What an import says of one finding in the members that policies decide on.
#[derive(Debug, Clone, PartialEq)]
pub struct Governed {
    top: Update<'static>,
    provided: Update<'static>,
    retired_workflow: Option<WorkflowStatus>,
    record_state: Option<RecordState>,
    created: State,
}

/// Why a finding cannot be imported, whatever policies say: an element of `FailedFindings`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotImportable {
    /// `InvalidInput` or `FindingSizeExceeded`.
    pub code: &'static str,
    /// Where, what came, and what was expected.
    pub message: String,
}

impl From<InvalidBody> for NotImportable {
    fn from(invalid: InvalidBody) -> Self {
        Self { code: code::INVALID_INPUT, message: invalid.to_string() }
    }
}

impl Governed {
    pub(super) fn parse(finding: &Members<'_>) -> Result<Self, InvalidBody> {
        let fields = Field::ALL.iter().map(|field| field.as_str());
        finding.has_no_double_of(fields.clone().chain(IDENTITY).chain([PROVIDER_FIELDS, WORKFLOW_STATE]))?;
        let within = finding.object(PROVIDER_FIELDS)?;
        let provided = match &within {
            Some(members) => {
                members.has_no_double_of(fields.chain([WORKFLOW_STATE]))?;
                members.has_none_but_the_provided()?;
                members.update()?
            }
            None => Update::default(),
        };
        let top = finding.update()?;
        let retired = Word::new(retired_workflow, || RETIRED.map(|(word, _)| word).join(", "));
        let retired_workflow = finding.read(WORKFLOW_STATE, None, retired)?;
        let record_states = Word::new(RecordState::parse, || words(RecordState::ALL.iter().map(|word| word.as_str())));
        let record_state = finding.read(Field::RecordState.as_str(), None, record_states)?;
        let status = top.workflow.or(retired_workflow).unwrap_or(WorkflowStatus::New);
        let created = created(finding, within.as_ref(), status)?;
        Ok(Self { top, provided, retired_workflow, record_state, created })
    }

    /// Every question that the import of this finding puts, each once: whether it may be imported at all, then those of an update
    /// for each member that it carries, then `RecordState`.
    pub fn changes(&self) -> Vec<Change<'_>> {
        let mut changes = vec![Change::import()];
        let retired = self.retired_workflow.map(Change::workflow);
        let rest = self.top.changes().into_iter().chain(self.provided.changes()).chain(retired);
        for change in rest.chain(self.record_state.map(Change::record_state)) {
            if !changes.contains(&change) {
                changes.push(change);
            }
        }
        changes
    }

    /// The fields that are asked about. (An empty list or map asks nothing.)
    pub fn fields(&self) -> FieldSet {
        let retired = self.retired_workflow.map(|_| Field::Workflow);
        let record = self.record_state.map(|_| Field::RecordState);
        let fields = self.top.fields().iter().chain(self.provided.fields().iter());
        fields.chain(retired).chain(record).collect()
    }

    /// What comes with every question.
    pub fn circumstances(&self, now: Timestamp) -> Circumstances<'_> {
        self.top.circumstances(Operation::BatchImportFindings, now)
    }

    /// How the finding will be if this import creates it (guide, "Using FindingProviderFields" and "Setting the workflow status"),
    /// as far as it is known here: what the service derives of the product is not.
    pub fn created(&self) -> &State {
        &self.created
    }
}

/// The retired states, with the status that takes their place.
const RETIRED: [(&str, WorkflowStatus); 5] = [
    ("NEW", WorkflowStatus::New),
    ("ASSIGNED", WorkflowStatus::Notified),
    ("IN_PROGRESS", WorkflowStatus::Notified),
    ("DEFERRED", WorkflowStatus::Suppressed),
    ("RESOLVED", WorkflowStatus::Resolved),
];

fn retired_workflow(word: &str) -> Option<WorkflowStatus> {
    RETIRED.iter().find(|(retired, _)| *retired == word).map(|(_, status)| *status)
}

fn created(finding: &Members<'_>, within: Option<&Members<'_>>, status: WorkflowStatus) -> Result<State, InvalidBody> {
    let mut instead: Map<String, Value> = Map::new();
    for field in PROVIDED.iter().map(|field| field.as_str()) {
        let provided = within.and_then(|within| within.members.get(field));
        instead.extend(provided.map(|value| (field.to_owned(), value.clone())));
    }
    instead.insert(Field::Workflow.to_string(), json!({"Status": status.as_str()}));
    for (field, default) in [
        (Field::RecordState, RecordState::Active.as_str()),
        (Field::VerificationState, VerificationState::Unknown.as_str()),
    ] {
        if !finding.members.contains_key(field.as_str()) {
            instead.insert(field.to_string(), default.into());
        }
    }
    let state = State::with(finding.members, &instead);
    let mut state = state.map_err(|InvalidState { path, problem }| finding.invalid(&path, problem))?;
    state.severity.normalized.get_or_insert(state.severity.label.normalized().into());
    Ok(state)
}

/// An object of a finding, and where in the request it stands.
pub(super) struct Members<'d> {
    members: &'d Map<String, Value>,
    path: String,
}

impl<'d> Members<'d> {
    pub(super) fn new(members: &'d Map<String, Value>, path: String) -> Self {
        Self { members, path }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong with a member.
    pub(super) fn invalid(&self, name: &str, problem: impl Into<String>) -> InvalidBody {
        let mut problem: String = problem.into();
        if let Some((cut, _)) = problem.char_indices().nth(PROBLEM_SHOWN) {
            problem.truncate(cut);
            problem.push('…');
        }
        InvalidBody { path: format!("{}.{name}", self.path), problem }
    }

    /// Reads a member, if it is there. `passes` is what it may have besides what policies speak of.
    pub(super) fn read<S: DeserializeSeed<'static>>(
        &self,
        name: &str,
        passes: Option<&str>,
        reader: S,
    ) -> Result<Option<S::Value>, InvalidBody> {
        let Some(value) = self.members.get(name) else { return Ok(None) };
        // Read from a value of its own: texts that were borrowed from this one would pass for JSON without escapes.
        let mut value = value.clone();
        if let (Some(passes), Value::Object(members)) = (passes, &mut value) {
            members.remove(passes);
        }
        let mut track = serde_path_to_error::Track::new();
        let read = reader.deserialize(serde_path_to_error::Deserializer::new(value, &mut track));
        read.map(Some).map_err(|error| {
            let inner = body::shown(&track.path());
            let dot = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
            self.invalid(&format!("{name}{dot}{inner}"), error.to_string())
        })
    }

    /// Reads a member of which an empty value says nothing.
    fn read_unless<S: DeserializeSeed<'static>>(
        &self,
        empty: &Value,
        field: Field,
        reader: S,
    ) -> Result<Option<S::Value>, InvalidBody> {
        if self.members.get(field.as_str()) == Some(empty) {
            return Ok(None);
        }
        self.read(field.as_str(), None, reader)
    }

    fn object(&self, name: &str) -> Result<Option<Self>, InvalidBody> {
        match self.members.get(name) {
            Some(Value::Object(members)) => Ok(Some(Self { members, path: format!("{}.{name}", self.path) })),
            Some(_) => Err(self.invalid(name, "expected an object")),
            None => Ok(None),
        }
    }

    /// The nine members of an update, as far as they are there, each within the limits that it has in an update.
    fn update(&self) -> Result<Update<'static>, InvalidBody> {
        let (list, map) = (json!([]), json!({}));
        let related =
            List { element: RelatedFindingReader, min: 1, max: 10, expected: "a list of at most 10 related findings" };
        let types = List { element: TYPE, min: 1, max: 50, expected: "a list of at most 50 types" };
        let states =
            || Word::new(VerificationState::parse, || words(VerificationState::ALL.iter().map(|word| word.as_str())));
        Ok(Update {
            confidence: self.read(Field::Confidence.as_str(), None, Ratio)?,
            criticality: self.read(Field::Criticality.as_str(), None, Ratio)?,
            note: self.read(Field::Note.as_str(), Some("UpdatedAt"), NoteReader)?,
            related_findings: self.read_unless(&list, Field::RelatedFindings, related)?,
            severity: self.read(Field::Severity.as_str(), Some("Original"), SeverityReader)?,
            types: self.read_unless(&list, Field::Types, types)?,
            user_defined_fields: self.read_unless(&map, Field::UserDefinedFields, UserDefinedFieldsReader)?,
            verification_state: self.read(Field::VerificationState.as_str(), None, states())?,
            workflow: self.read_unless(&map, Field::Workflow, WorkflowReader)?,
        })
    }

    /// A member whose name differs only in case from one that is read here passes for it with a reader that is less strict.
    fn has_no_double_of<'n>(&self, names: impl Iterator<Item = &'n str>) -> Result<(), InvalidBody> {
        let names: Vec<&str> = names.collect();
        let double = self.members.keys().find_map(|key| {
            let meant = names.iter().find(|name| name.eq_ignore_ascii_case(key) && **name != key)?;
            Some((key, meant))
        });
        match double {
            Some((key, meant)) => Err(self.invalid(key, format!("unknown member, expected `{meant}`"))),
            None => Ok(()),
        }
    }

    /// What has no place among what a provider says must not get past the policies by standing there.
    fn has_none_but_the_provided(&self) -> Result<(), InvalidBody> {
        let governed = Field::ALL.iter().filter(|field| !PROVIDED.contains(field)).map(|field| field.as_str());
        match governed.chain([WORKFLOW_STATE]).find(|name| self.members.contains_key(*name)) {
            Some(name) => {
                let provided = words(PROVIDED.iter().map(|field| field.as_str()));
                Err(self.invalid(name, format!("has no place here, expected only {provided}")))
            }
            None => Ok(()),
        }
    }
}
