//! The condition keys, and what each is to the gate.
//!
//! Sources: IAM's service authorization reference for the keys; for the paths, AWS's own policies, as far as they name them.

use crate::{
    finding::{
        AccountId, Action, Field, Operation, RecordState, SeverityId, SeverityLabel, StatusId, VerificationState,
        WorkflowStatus,
    },
    policy::nearest,
};

/// A condition key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A leaf of an update.
    Leaf(Leaf),
    /// A path that names an object, which has no value: no request has such a key.
    Object(&'static str),
    /// `aws:CurrentTime`
    CurrentTime,
    /// `aws:PrincipalAccount`
    PrincipalAccount,
    /// `aws:PrincipalArn`
    PrincipalArn,
    /// `aws:RequestedRegion`
    RequestedRegion,
    /// `securityhub:TargetAccount`: the account of an imported finding.
    TargetAccount,
}

/// A leaf of an update that a key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Leaf {
    Confidence,
    Criticality,
    NoteText,
    NoteUpdatedBy,
    RelatedFindings,
    RelatedFindingsId,
    RelatedFindingsProductArn,
    SeverityLabel,
    SeverityNormalized,
    SeverityProduct,
    Types,
    UserDefinedFieldsKey,
    UserDefinedFieldsValue,
    VerificationState,
    WorkflowStatus,
    Comment,
    SeverityId,
    StatusId,
}

/// The values that a leaf can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Domain {
    /// These.
    Closed(Vec<String>),
    /// Any text.
    Open,
    /// None that a key could show as a text that is known.
    Opaque,
}

const ASFF: &str = "securityhub:ASFFSyntaxPath/";
const OCSF: &str = "securityhub:OCSFSyntaxPath/";
const OBJECTS: &[&str] = &["Note", "Severity", "UserDefinedFields", "Workflow"];
const GLOBAL: &[(&str, Key)] = &[
    ("aws:CurrentTime", Key::CurrentTime),
    ("aws:PrincipalAccount", Key::PrincipalAccount),
    ("aws:PrincipalArn", Key::PrincipalArn),
    ("aws:RequestedRegion", Key::RequestedRegion),
    ("securityhub:TargetAccount", Key::TargetAccount),
];

impl Leaf {
    pub(super) const ALL: &[Self] = &[
        Self::Confidence,
        Self::Criticality,
        Self::NoteText,
        Self::NoteUpdatedBy,
        Self::RelatedFindings,
        Self::RelatedFindingsId,
        Self::RelatedFindingsProductArn,
        Self::SeverityLabel,
        Self::SeverityNormalized,
        Self::SeverityProduct,
        Self::Types,
        Self::UserDefinedFieldsKey,
        Self::UserDefinedFieldsValue,
        Self::VerificationState,
        Self::WorkflowStatus,
        Self::Comment,
        Self::SeverityId,
        Self::StatusId,
    ];

    /// Its path within a request.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Confidence => "Confidence",
            Self::Criticality => "Criticality",
            Self::NoteText => "Note.Text",
            Self::NoteUpdatedBy => "Note.UpdatedBy",
            Self::RelatedFindings => "RelatedFindings",
            Self::RelatedFindingsId => "RelatedFindings.Id",
            Self::RelatedFindingsProductArn => "RelatedFindings.ProductArn",
            Self::SeverityLabel => "Severity.Label",
            Self::SeverityNormalized => "Severity.Normalized",
            Self::SeverityProduct => "Severity.Product",
            Self::Types => "Types",
            Self::UserDefinedFieldsKey => "UserDefinedFields.key",
            Self::UserDefinedFieldsValue => "UserDefinedFields.value",
            Self::VerificationState => "VerificationState",
            Self::WorkflowStatus => "Workflow.Status",
            Self::Comment => "Comment",
            Self::SeverityId => "SeverityId",
            Self::StatusId => "StatusId",
        }
    }

    /// The operation whose requests have it.
    pub(super) const fn operation(self) -> Operation {
        match self {
            Self::Comment | Self::SeverityId | Self::StatusId => Operation::BatchUpdateFindingsV2,
            _ => Operation::BatchUpdateFindings,
        }
    }

    /// The question that is asked about it. Leaves with the same question are there together or not at all.
    pub(super) const fn question(self) -> Action {
        match self {
            Self::Confidence => Action::Confidence,
            Self::Criticality => Action::Criticality,
            Self::NoteText | Self::NoteUpdatedBy | Self::Comment => Action::Note,
            Self::RelatedFindings | Self::RelatedFindingsId | Self::RelatedFindingsProductArn => {
                Action::RelatedFindings
            }
            Self::SeverityLabel | Self::SeverityId => Action::SeverityLabel,
            Self::SeverityNormalized => Action::SeverityNormalized,
            Self::SeverityProduct => Action::SeverityProduct,
            Self::Types => Action::Types,
            Self::UserDefinedFieldsKey | Self::UserDefinedFieldsValue => Action::UserDefinedFields,
            Self::VerificationState => Action::VerificationState,
            Self::WorkflowStatus | Self::StatusId => Action::WorkflowStatus,
        }
    }

    /// Whether a request may have several values of it.
    pub(super) const fn is_many(self) -> bool {
        matches!(
            self,
            Self::RelatedFindings
                | Self::RelatedFindingsId
                | Self::RelatedFindingsProductArn
                | Self::Types
                | Self::UserDefinedFieldsKey
                | Self::UserDefinedFieldsValue
        )
    }

    /// Whether no document of AWS's names its path. It follows from the template that they give.
    pub(super) const fn is_undocumented(self) -> bool {
        matches!(
            self,
            Self::RelatedFindingsId
                | Self::RelatedFindingsProductArn
                | Self::SeverityNormalized
                | Self::SeverityProduct
        )
    }

    /// What it can be.
    pub(super) fn domain(self) -> Domain {
        let words = |words: &mut dyn Iterator<Item = String>| Domain::Closed(words.collect());
        match self {
            Self::Confidence | Self::Criticality | Self::SeverityNormalized => {
                words(&mut (0..=100).map(|number: u8| number.to_string()))
            }
            Self::RelatedFindings | Self::SeverityProduct => Domain::Opaque,
            Self::SeverityLabel => words(&mut SeverityLabel::ALL.iter().map(ToString::to_string)),
            Self::VerificationState => words(&mut VerificationState::ALL.iter().map(ToString::to_string)),
            Self::WorkflowStatus => words(&mut WorkflowStatus::ALL.iter().map(ToString::to_string)),
            Self::SeverityId => words(&mut SeverityId::ALL.iter().map(|id| id.id().to_string())),
            Self::StatusId => words(&mut StatusId::ALL.iter().map(|id| id.id().to_string())),
            _ => Domain::Open,
        }
    }

    /// Where the question about it has its value.
    pub(super) const fn value(self) -> &'static str {
        match self {
            Self::NoteText | Self::Comment => "context.value.text",
            Self::NoteUpdatedBy => "context.value.updatedBy",
            Self::RelatedFindingsId => "context.id",
            Self::RelatedFindingsProductArn => "context.productArn",
            Self::UserDefinedFieldsKey => "context.key",
            _ => "context.value",
        }
    }

    /// Where every other question has its value, if it has.
    pub(super) const fn beside(self) -> Option<&'static str> {
        match self {
            Self::NoteText | Self::Comment => Some("context.note.text"),
            Self::NoteUpdatedBy => Some("context.note.updatedBy"),
            _ => None,
        }
    }
}

/// The field by whose presence every question tells whether `question` is asked too; nothing where it does not tell: which of
/// the three members `Severity` has.
pub(super) fn telling_field(question: Action, operation: Operation) -> Option<Field> {
    question.field().filter(|field| *field != Field::Severity || operation == Operation::BatchUpdateFindingsV2)
}

/// The entity type of a question's words; nothing where its value is a number.
pub(super) const fn words_of(question: Action) -> Option<&'static str> {
    match question {
        Action::RecordState => Some("RecordState"),
        Action::SeverityLabel => Some("SeverityLabel"),
        Action::VerificationState => Some("VerificationState"),
        Action::WorkflowStatus => Some("WorkflowStatus"),
        _ => None,
    }
}

/// A question with its value, which an update in terms of OCSF asks.
pub(super) type Asked = (Action, &'static str);

/// What a number of OCSF asks: all of it must be allowed.
pub(super) fn asked_by(leaf: Leaf, id: &str) -> Vec<Asked> {
    let status = |status: WorkflowStatus| (Action::WorkflowStatus, status.as_str());
    let severity =
        |id: SeverityId| vec![(Action::SeverityLabel, id.label().unwrap_or(SeverityLabel::Informational).as_str())];
    match leaf {
        Leaf::SeverityId => {
            SeverityId::ALL.iter().find(|known| known.id().to_string() == id).map_or_else(Vec::new, |id| severity(*id))
        }
        Leaf::StatusId => match StatusId::ALL.iter().find(|known| known.id().to_string() == id) {
            None => Vec::new(),
            Some(StatusId::Archived) => {
                vec![(Action::RecordState, RecordState::Archived.as_str()), status(WorkflowStatus::Suppressed)]
            }
            Some(known) => known.workflow().map_or_else(
                || vec![status(WorkflowStatus::New), status(WorkflowStatus::Suppressed)],
                |word| vec![status(word)],
            ),
        },
        _ => Vec::new(),
    }
}

/// Why a key cannot be carried over, and what may help.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnknownKey {
    pub(super) reason: String,
    pub(super) help: Option<String>,
}

impl Key {
    /// The key of that name. Names of keys are the same in capitals and small letters.
    pub(super) fn parse(written: &str) -> Result<Self, UnknownKey> {
        if let Some((_, key)) = GLOBAL.iter().find(|(name, _)| name.eq_ignore_ascii_case(written)) {
            return Ok(*key);
        }
        for (prefix, operation) in [(ASFF, Operation::BatchUpdateFindings), (OCSF, Operation::BatchUpdateFindingsV2)] {
            let Some((start, path)) = written.split_at_checked(prefix.len()) else { continue };
            if start.eq_ignore_ascii_case(prefix) {
                return Self::of_path(prefix, path, operation);
            }
        }
        let names = GLOBAL.iter().map(|(name, _)| *name);
        let prefixes = [ASFF, OCSF].into_iter().filter_map(|prefix| prefix.strip_suffix('/'));
        let start = written.split('/').next().unwrap_or(written);
        let near = nearest(written, names).map(str::to_owned).or_else(|| {
            let near = nearest(start, prefixes)?;
            Some(format!("{near}{}", &written[start.len()..]))
        });
        Err(UnknownKey {
            reason: format!("the gate does not know what `{}` is of a request", written.escape_debug()),
            help: near.map(|near| format!("did you mean `{near}`?")),
        })
    }

    fn of_path(prefix: &str, path: &str, operation: Operation) -> Result<Self, UnknownKey> {
        let leaves = || Leaf::ALL.iter().copied().filter(|leaf| leaf.operation() == operation);
        if let Some(leaf) = leaves().find(|leaf| leaf.path().eq_ignore_ascii_case(path)) {
            return Ok(Self::Leaf(leaf));
        }
        let is_asff = operation == Operation::BatchUpdateFindings;
        if let Some(object) = OBJECTS.iter().find(|object| is_asff && object.eq_ignore_ascii_case(path)) {
            return Ok(Self::Object(object));
        }
        let near = nearest(path, leaves().map(Leaf::path));
        let known = || leaves().map(Leaf::path).collect::<Vec<_>>().join(", ");
        Err(UnknownKey {
            reason: format!("no update has a member `{}`", path.escape_debug()),
            help: Some(near.map_or_else(
                || format!("the paths are {}", known()),
                |near| format!("did you mean `{prefix}{near}`?"),
            )),
        })
    }
}

/// The account that a value names, if it names one.
pub(super) fn account(value: &str) -> Option<AccountId> {
    AccountId::parse(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::BatchUpdateV2;

    #[test]
    fn names_of_keys_are_the_same_in_capitals_and_small_letters() {
        for (written, key) in [
            ("securityhub:ASFFSyntaxPath/Workflow.Status", Key::Leaf(Leaf::WorkflowStatus)),
            ("SecurityHub:asffsyntaxpath/workflow.STATUS", Key::Leaf(Leaf::WorkflowStatus)),
            ("securityhub:OCSFSyntaxPath/StatusId", Key::Leaf(Leaf::StatusId)),
            ("securityhub:ASFFSyntaxPath/UserDefinedFields.Key", Key::Leaf(Leaf::UserDefinedFieldsKey)),
            ("securityhub:ASFFSyntaxPath/Note", Key::Object("Note")),
            ("AWS:principalARN", Key::PrincipalArn),
        ] {
            assert_eq!(Key::parse(written), Ok(key), "{written}");
        }
    }

    #[test]
    fn a_misspelt_key_says_what_was_meant() {
        for (written, help) in [
            (
                "securityhub:ASFFSyntaxPath/Worfklow.Status",
                "did you mean `securityhub:ASFFSyntaxPath/Workflow.Status`?",
            ),
            ("securityhub:ASFSyntaxPath/Types", "did you mean `securityhub:ASFFSyntaxPath/Types`?"),
            ("securityhub:OCSFSyntaxPath/Status", "did you mean `securityhub:OCSFSyntaxPath/StatusId`?"),
            ("aws:CurentTime", "did you mean `aws:CurrentTime`?"),
        ] {
            assert_eq!(Key::parse(written).unwrap_err().help.as_deref(), Some(help), "{written}");
        }
        assert!(Key::parse("aws:SourceIp").is_err());
    }

    /// The table above is the one by which the gate asks.
    #[test]
    fn a_number_asks_what_the_gate_asks() {
        for (leaf, member) in [(Leaf::SeverityId, "SeverityId"), (Leaf::StatusId, "StatusId")] {
            let Domain::Closed(ids) = leaf.domain() else { panic!() };
            for id in ids {
                let body = format!(r#"{{"MetadataUids":["a"],"{member}":{id}}}"#);
                let request = BatchUpdateV2::parse(body.as_bytes()).unwrap();
                let asked: Vec<_> = request.update.changes(None).iter().map(ToString::to_string).collect();
                let expected: Vec<_> =
                    asked_by(leaf, &id).iter().map(|(action, word)| format!("{action} = {word}")).collect();
                assert_eq!(asked, expected, "{member} {id}");
            }
        }
    }
}
