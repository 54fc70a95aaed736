//! Callers and findings in few words: what matters is said, the rest is plain.

use crate::finding::{
    AccountId, Caller, ComplianceStatus, Enforcement, Identifier, Note, NoteNow, Proof, RecordState, Role,
    SeverityLabel, SeverityNow, State, Text, VerificationState, WorkflowStatus, timestamp,
};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::{BTreeMap, BTreeSet};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CallerFixture {
    /// `administrator` or `member`.
    pub role: Role,
    /// The account that it acts for.
    pub account: AccountId,
    /// Its ARN; `arn:aws:iam::{account}:role/caller` if it does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The groups of its account, such as `ou/prod`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The groups that its proof puts it in, besides those of its account. Findings of the account are in none of them for that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub principal_groups: Vec<String>,
    /// Of an administrator: further accounts of its fleet, besides those of the members of the suite.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fleet: Vec<AccountId>,
    /// What a denial does to this caller at the least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_enforcement: Option<Enforcement>,
}

impl CallerFixture {
    /// A caller of an account of whom nothing else matters.
    pub fn plain(role: Role, account: AccountId) -> Self {
        Self {
            role,
            account,
            principal: None,
            groups: Vec::new(),
            principal_groups: Vec::new(),
            fleet: Vec::new(),
            minimum_enforcement: None,
        }
    }

    /// The principal's ARN.
    pub fn principal(&self) -> String {
        self.principal.clone().unwrap_or_else(|| format!("arn:aws:iam::{}:role/caller", self.account))
    }

    /// The caller.
    pub fn caller(&self) -> Caller {
        Caller {
            account: self.account,
            role: self.role,
            principal: self.principal().into(),
            groups: self.principal_groups.iter().map(|group| std::sync::Arc::from(&**group)).collect(),
            region: None,
            proof: Proof::Fixed,
            minimum_enforcement: self.minimum_enforcement.unwrap_or(Enforcement::Strip),
        }
    }
}

/// A finding, by the names that policies know its attributes by.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindingFixture {
    /// The account that owns it.
    pub account: AccountId,
    /// Its `Id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its `ProductArn`; the account's own default product if it does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_arn: Option<String>,
    /// Whether the backend has it. An import creates one that it does not have.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub exists: bool,
    /// Whether it can be looked up; a look-up that fails leaves the gate without its attributes.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub known: bool,
    /// `Severity`; MEDIUM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<SeverityFixture>,
    /// `Workflow.Status`; NEW.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_status: Option<WorkflowStatus>,
    /// `RecordState`; ACTIVE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_state: Option<RecordState>,
    /// `VerificationState`; none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_state: Option<VerificationState>,
    /// `Confidence`; none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<i64>,
    /// `Criticality`; none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub criticality: Option<i64>,
    /// `Note`; none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<NoteFixture>,
    /// `Types`; none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub types: BTreeSet<String>,
    /// `UserDefinedFields`; none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub user_defined_fields: BTreeMap<String, String>,
    /// `RelatedFindings`; none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related_findings: Vec<ReferenceFixture>,
    /// `Resources[].Type`; none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resource_types: BTreeSet<String>,
    /// `Resources[].Id`; none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resource_ids: BTreeSet<String>,
    /// `Resources[].Tags`, each key with its values; none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resource_tags: BTreeMap<String, Texts>,
    /// `Compliance.Status`; none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compliance_status: Option<ComplianceStatus>,
    /// `Compliance.SecurityControlId`; none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_control_id: Option<String>,
    /// `ProductName`; none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
    /// `CompanyName`; none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company_name: Option<String>,
    /// `GeneratorId`; `generator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_id: Option<String>,
    /// `Region`; none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `CreatedAt`; `2025-12-01T00:00:00Z`.
    #[serde(default, with = "time", skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// `UpdatedAt`; as `CreatedAt`.
    #[serde(default, with = "time", skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// `FirstObservedAt`; none.
    #[serde(default, with = "time", skip_serializing_if = "Option::is_none")]
    pub first_observed_at: Option<Timestamp>,
    /// `LastObservedAt`; none.
    #[serde(default, with = "time", skip_serializing_if = "Option::is_none")]
    pub last_observed_at: Option<Timestamp>,
}

/// `Severity`: a label, or a label with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeverityFixture {
    /// `Label`
    pub label: SeverityLabel,
    /// `Normalized`. Where only the label is said, the number that Security Hub sets for it.
    pub normalized: Option<i64>,
}

/// `Note`, as it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoteFixture {
    /// `Text`
    pub text: String,
    /// `UpdatedBy`
    pub updated_by: String,
    /// `UpdatedAt`
    #[serde(default, with = "time", skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// A related finding.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReferenceFixture {
    /// `Id`
    pub id: String,
    /// `ProductArn`
    pub product_arn: String,
}

/// One text, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Texts {
    /// One.
    One(String),
    /// Several.
    Several(BTreeSet<String>),
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_yes(value: &bool) -> bool {
    *value
}

impl FindingFixture {
    /// A finding of an account of which nothing else matters.
    pub fn plain(account: AccountId) -> Self {
        Self {
            account,
            id: None,
            product_arn: None,
            exists: true,
            known: true,
            severity: None,
            workflow_status: None,
            record_state: None,
            verification_state: None,
            confidence: None,
            criticality: None,
            note: None,
            types: BTreeSet::new(),
            user_defined_fields: BTreeMap::new(),
            related_findings: Vec::new(),
            resource_types: BTreeSet::new(),
            resource_ids: BTreeSet::new(),
            resource_tags: BTreeMap::new(),
            compliance_status: None,
            security_control_id: None,
            product_name: None,
            company_name: None,
            generator_id: None,
            region: None,
            created_at: None,
            updated_at: None,
            first_observed_at: None,
            last_observed_at: None,
        }
    }

    /// `Id`
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or("finding")
    }

    /// `ProductArn`
    pub fn product_arn(&self) -> String {
        let default = || format!("arn:aws:securityhub:eu-west-1:{0}:product/{0}/default", self.account);
        self.product_arn.clone().unwrap_or_else(default)
    }

    /// What names it.
    pub fn identifier(&self) -> Identifier<'static> {
        Identifier { id: Text::from(self.id().to_owned()), product_arn: Text::from(self.product_arn()) }
    }

    /// `CreatedAt`
    pub fn created_at(&self) -> Timestamp {
        self.created_at.unwrap_or(CREATED)
    }

    /// How it is.
    pub fn state(&self) -> State {
        let severity = self.severity.unwrap_or(SeverityFixture::of(SeverityLabel::Medium));
        let created_at = self.created_at();
        State {
            account: self.account,
            compliance_status: self.compliance_status,
            company_name: self.company_name.clone(),
            confidence: self.confidence,
            created_at,
            criticality: self.criticality,
            first_observed_at: self.first_observed_at,
            generator_id: self.generator_id.clone().unwrap_or_else(|| "generator".to_owned()),
            last_observed_at: self.last_observed_at,
            note: self.note.as_ref().map(|note| NoteNow {
                text: note.text.clone(),
                updated_by: note.updated_by.clone(),
                updated_at: note.updated_at,
            }),
            product_name: self.product_name.clone(),
            record_state: self.record_state.unwrap_or(RecordState::Active),
            region: self.region.clone(),
            related_findings: self
                .related_findings
                .iter()
                .map(|finding| (finding.product_arn.clone(), finding.id.clone()))
                .collect(),
            resource_ids: self.resource_ids.clone(),
            resource_tags: self.resource_tags.iter().map(|(key, values)| (key.clone(), values.all())).collect(),
            resource_types: self.resource_types.clone(),
            security_control_id: self.security_control_id.clone(),
            severity: SeverityNow { label: severity.label, normalized: severity.normalized },
            types: self.types.clone(),
            updated_at: self.updated_at.unwrap_or(created_at),
            user_defined_fields: self.user_defined_fields.clone(),
            verification_state: self.verification_state,
            workflow_status: self.workflow_status.unwrap_or(WorkflowStatus::New),
        }
    }
}

/// 2025-12-01T00:00:00Z
const CREATED: Timestamp = Timestamp::constant(1_764_547_200, 0);

impl SeverityFixture {
    /// A label, with the number that Security Hub sets for it.
    pub fn of(label: SeverityLabel) -> Self {
        Self { label, normalized: Some(label.normalized().into()) }
    }
}

impl Serialize for SeverityFixture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == Self::of(self.label) {
            return self.label.serialize(serializer);
        }
        SeverityMembers { label: self.label, normalized: self.normalized }.serialize(serializer)
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SeverityMembers {
    label: SeverityLabel,
    #[serde(default)]
    normalized: Option<i64>,
}

impl<'de> Deserialize<'de> for SeverityFixture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> de::Visitor<'de> for Reader {
            type Value = SeverityFixture;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a label such as HIGH, or an object with label and normalized")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                SeverityLabel::deserialize(de::value::StrDeserializer::new(text)).map(SeverityFixture::of)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let SeverityMembers { label, normalized } =
                    SeverityMembers::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(SeverityFixture { label, normalized })
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl Texts {
    /// All of them.
    pub fn all(&self) -> BTreeSet<String> {
        match self {
            Self::One(text) => BTreeSet::from([text.clone()]),
            Self::Several(texts) => texts.clone(),
        }
    }
}

impl NoteFixture {
    /// The note that an update would write so.
    pub fn note(&self) -> Note<'static> {
        Note { text: Text::from(self.text.clone()), updated_by: Text::from(self.updated_by.clone()) }
    }
}

/// Instants as the API writes them.
pub(super) mod time {
    use super::{Deserialize, Deserializer, Serializer, Timestamp, de, timestamp};

    pub(in crate::workbench) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let parse = |text: String| {
            timestamp::parse(&text).ok_or_else(|| {
                de::Error::custom(format_args!("got {text:?}, expected a timestamp such as 2026-01-31T12:00:00Z"))
            })
        };
        text.map(parse).transpose()
    }

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(in crate::workbench) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(time),
            None => serializer.serialize_none(),
        }
    }
}
