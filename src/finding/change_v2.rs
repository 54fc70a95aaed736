//! What an update in terms of OCSF asks the policies: the same changes that it would be in ASFF.
//!
//! | member | changes | what a denial takes out |
//! |---|---|---|
//! | `Comment` | `Note`, of that text, by the calling principal | `Comment` |
//! | `SeverityId` 1 to 5 | `Severity.Label`, INFORMATIONAL to CRITICAL | `SeverityId` |
//! | `SeverityId` 6 (Fatal) | `Severity.Label` = CRITICAL: ASFF has nothing above it | `SeverityId` |
//! | `SeverityId` 0, 99 (Unknown, Other) | `Severity.Label` = INFORMATIONAL: they take the grade away, and no label is lower | `SeverityId` |
//! | `StatusId` 1 to 4 | `Workflow.Status`: NEW, NOTIFIED, SUPPRESSED, RESOLVED | `StatusId` |
//! | `StatusId` 5 (Archived) | `RecordState` = ARCHIVED, and `Workflow.Status` = SUPPRESSED: it takes the finding out of view | `StatusId` |
//! | `StatusId` 0, 99 (Unknown, Other) | `Workflow.Status` = NEW, and SUPPRESSED: what it may turn out to be must all be allowed | `StatusId` |

use super::{
    Action, Change, Circumstances, Field, FieldSet, FieldV2, Note, Operation, RecordState, SeverityId, SeverityLabel,
    StatusId, UpdateV2, Value, WorkflowStatus,
};
use jiff::Timestamp;

impl FieldV2 {
    /// The field that it is to policies.
    pub const fn field(self) -> Field {
        match self {
            Self::Comment => Field::Note,
            Self::SeverityId => Field::Severity,
            Self::StatusId => Field::Workflow,
        }
    }

    /// The member that policies know as this field, if there is one.
    pub fn of(field: Field) -> Option<Self> {
        Self::ALL.iter().copied().find(|member| member.field() == field)
    }
}

impl<'a> UpdateV2<'a> {
    /// The comment as the note that it is to policies. Who wrote it is the principal that calls, which was proven, where in ASFF
    /// it is what the client says.
    pub fn note(&self, principal: &str) -> Option<Note<'a>> {
        self.comment.clone().map(|text| Note { text, updated_by: principal.to_owned().into() })
    }

    /// Every question that this update puts. `note` is what [`UpdateV2::note`] made of the comment.
    ///
    /// Policies speak in terms of ASFF, so that one set of them holds for both ways to say it.
    pub fn changes<'u>(&self, note: Option<&'u Note<'u>>) -> Vec<Change<'u>> {
        let mut changes: Vec<Change<'u>> = Vec::with_capacity(4);
        changes.extend(note.map(|note| Change::new(Action::Note, Value::Note(note))));
        changes.extend(self.severity_id.map(|id| Change::new(Action::SeverityLabel, Value::Label(label(id)))));
        if let Some(status) = self.status_id {
            if status == StatusId::Archived {
                changes.push(Change::record_state(RecordState::Archived).of_field(Field::Workflow));
            }
            let workflow = |status: &WorkflowStatus| Change::new(Action::WorkflowStatus, Value::Workflow(*status));
            changes.extend(workflow_statuses(status).iter().map(workflow));
        }
        changes
    }

    /// What comes with every question of this update.
    pub fn circumstances<'u>(&self, note: Option<&'u Note<'u>>, now: Timestamp) -> Circumstances<'u> {
        Circumstances { operation: Operation::BatchUpdateFindingsV2, now, note, user_defined_fields: None }
    }

    /// The members that are there, as policies know them.
    pub fn policy_fields(&self) -> FieldSet {
        self.fields().map(FieldV2::field).collect()
    }
}

/// The label that is asked about.
fn label(severity: SeverityId) -> SeverityLabel {
    severity.label().unwrap_or(SeverityLabel::Informational)
}

/// The statuses that are asked about: all that the finding may be in afterwards.
fn workflow_statuses(status: StatusId) -> &'static [WorkflowStatus] {
    match status {
        StatusId::New => &[WorkflowStatus::New],
        StatusId::InProgress => &[WorkflowStatus::Notified],
        StatusId::Suppressed | StatusId::Archived => &[WorkflowStatus::Suppressed],
        StatusId::Resolved => &[WorkflowStatus::Resolved],
        StatusId::Unknown | StatusId::Other => &[WorkflowStatus::New, WorkflowStatus::Suppressed],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::BatchUpdateV2;

    /// Each change, and the member that its denial takes out.
    fn changes(update: &str) -> Vec<String> {
        let body = format!(r#"{{"MetadataUids":["a"],{update}}}"#);
        let request = BatchUpdateV2::parse(body.as_bytes()).unwrap();
        let note = request.update.note("arn:aws:iam::222222222222:role/triage");
        let of = |change: &Change<'_>| format!("{change}: {}", FieldV2::of(change.field().unwrap()).unwrap());
        request.update.changes(note.as_ref()).iter().map(of).collect()
    }

    #[test]
    fn every_number_is_asked_in_terms_of_asff() {
        for (update, expected) in [
            (r#""Comment":"c""#, &["Note: Comment"][..]),
            (r#""SeverityId":0"#, &["Severity.Label = INFORMATIONAL: SeverityId"]),
            (r#""SeverityId":1"#, &["Severity.Label = INFORMATIONAL: SeverityId"]),
            (r#""SeverityId":2"#, &["Severity.Label = LOW: SeverityId"]),
            (r#""SeverityId":3"#, &["Severity.Label = MEDIUM: SeverityId"]),
            (r#""SeverityId":4"#, &["Severity.Label = HIGH: SeverityId"]),
            (r#""SeverityId":5"#, &["Severity.Label = CRITICAL: SeverityId"]),
            (r#""SeverityId":6"#, &["Severity.Label = CRITICAL: SeverityId"]),
            (r#""SeverityId":99"#, &["Severity.Label = INFORMATIONAL: SeverityId"]),
            (r#""StatusId":0"#, &["Workflow.Status = NEW: StatusId", "Workflow.Status = SUPPRESSED: StatusId"]),
            (r#""StatusId":1"#, &["Workflow.Status = NEW: StatusId"]),
            (r#""StatusId":2"#, &["Workflow.Status = NOTIFIED: StatusId"]),
            (r#""StatusId":3"#, &["Workflow.Status = SUPPRESSED: StatusId"]),
            (r#""StatusId":4"#, &["Workflow.Status = RESOLVED: StatusId"]),
            (r#""StatusId":5"#, &["RecordState = ARCHIVED: StatusId", "Workflow.Status = SUPPRESSED: StatusId"]),
            (r#""StatusId":99"#, &["Workflow.Status = NEW: StatusId", "Workflow.Status = SUPPRESSED: StatusId"]),
            (
                r#""StatusId":1,"SeverityId":2,"Comment":"c""#,
                &["Note: Comment", "Severity.Label = LOW: SeverityId", "Workflow.Status = NEW: StatusId"],
            ),
        ] {
            assert_eq!(changes(update), expected, "{update}");
        }
    }

    #[test]
    fn a_comment_is_a_note_of_the_caller_s() {
        let request = BatchUpdateV2::parse(br#"{"MetadataUids":["a"],"Comment":"c \"d\""}"#).unwrap();
        let note = request.update.note("me").unwrap();
        assert_eq!((note.text.as_str(), note.updated_by.as_str()), ("c \"d\"", "me"));
        let circumstances = request.update.circumstances(Some(&note), Timestamp::UNIX_EPOCH);
        assert_eq!(circumstances.operation, Operation::BatchUpdateFindingsV2);
        assert_eq!((circumstances.note, circumstances.user_defined_fields), (Some(&note), None));
        assert_eq!(request.update.policy_fields(), FieldSet::EMPTY.with(Field::Note));
        let request = BatchUpdateV2::parse(br#"{"MetadataUids":["a"],"StatusId":5}"#).unwrap();
        assert_eq!(request.update.note("me"), None);
        assert_eq!(request.update.policy_fields(), FieldSet::EMPTY.with(Field::Workflow));
    }

    #[test]
    fn each_member_is_one_field() {
        for member in FieldV2::ALL.iter().copied() {
            assert_eq!(FieldV2::of(member.field()), Some(member));
        }
        assert_eq!(FieldV2::of(Field::RecordState), None);
    }
}
