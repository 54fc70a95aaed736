//! The wire model: what a request says, in types that can say nothing else.
//!
//! Sources named in the docs of this module: *API model* is AWS's published model of the service
//! (`securityhub/2018-10-26`), *guide* is the Security Hub User Guide, *CloudFormation schema* is that of
//! `AWS::SecurityHub::AutomationRule`, whose action object is the same update structure with its limits written out.

mod account;
mod accounts;
mod asff_filters;
mod attribute;
mod body;
mod caller_template;
mod change;
mod change_v2;
mod criteria;
mod document;
mod error;
mod field;
mod identifier;
mod import;
mod import_members;
mod number;
mod object;
mod ocsf;
mod ocsf_filters;
mod operation;
pub mod outcome;
mod outcome_import;
pub mod outcome_rules;
mod outcome_v2;
mod page;
mod plain;
mod query;
mod rule;
mod rule_list;
mod state;
mod state_write;
mod swar;
mod text;
pub mod timestamp;
mod update;
mod update_v2;
mod vocabulary;

pub use jiff::Timestamp;

pub use account::{AccountId, Caller, InvalidAccountId, Proof, Role};
pub use accounts::{Accounts, Fleet, InvalidFleets, Member, Place};
pub use asff_filters::{AsffFilters, Comparison};
pub use attribute::FILTER_ATTRIBUTES;
pub use body::InvalidBody;
pub use caller_template::{CallerPart, CallerTemplate, InvalidTemplate};
pub use change::{Action, ActionSet, Change, Circumstances, Target, Value};
pub use criteria::Criteria;
pub use document::{Document, InvalidDocument};
pub use error::ApiError;
pub use field::{Field, FieldSet};
pub use identifier::Identifier;
pub use import::{BatchImport, ImportedFinding, MAX_IMPORT_BYTES, MAX_IMPORTS};
pub use import_members::{Governed, NotImportable};
pub use number::ProductScore;
pub use ocsf::{SeverityId, StatusId};
pub use ocsf_filters::{Junction, OcsfFilters};
pub use operation::Operation;
pub use outcome_import::{FailedImport, UpstreamFailedImport, UpstreamImportAnswer, write_import_answer};
pub use outcome_v2::{
    AnsweredFindingV2, AnsweredIdentifierV2, CodeV2, UnprocessedV2, UpstreamAnswerV2, UpstreamUnprocessedV2,
    write_answer_v2,
};
pub use page::{InvalidPage, Only, Page};
pub use query::{Filters, Query, SortOrder};
pub use rule::{CreateRule, MAX_RULES, RuleArns, RuleStatus, UpdateRule, UpdateRules};
pub use rule_list::{InvalidQuery, ListRules};
pub use state::{ComplianceStatus, InvalidState, NoteNow, RecordState, SeverityNow, State};
pub use text::Text;
pub use update::{BatchUpdate, MAX_IDENTIFIERS, Note, Severity, Update};
pub use update_v2::{BatchUpdateV2, FieldV2, FindingV2, FindingsV2, IdentifierV2, UpdateV2};
pub use vocabulary::{Enforcement, SeverityLabel, VerificationState, WorkflowStatus};
