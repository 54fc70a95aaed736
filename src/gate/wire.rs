//! The two wire forms of an update: in terms of ASFF and of OCSF. What the gate decides is the same; how a request is written, and
//! an answer is read and written, is each one's own.

use crate::finding::{
    AnsweredFindingV2, BatchUpdate, BatchUpdateV2, CodeV2, Field, FieldSet, FieldV2, FindingV2, Operation,
    UnprocessedV2, UpstreamAnswerV2,
    outcome::{Unprocessed, UpstreamAnswer, code, is_all_processed, write_answer},
    write_answer_v2,
};
use serde::Deserialize;
use std::{borrow::Cow, collections::HashMap, ops::Range};

/// A request for an update, in one of its forms.
pub trait Wire {
    /// A backend's answer to it.
    type Answer<'a>: Deserialize<'a>;

    /// The operation that it is of.
    const OPERATION: Operation;

    /// What a message calls the finding at this place of the request.
    fn name(&self, place: usize) -> &str;

    /// What clients call a field.
    fn word(field: Field) -> &'static str;

    /// Appends the request for some of its findings with some of its fields, made anew from what was parsed. Returns where in
    /// `out` the identifiers stand, between their brackets.
    fn write_request(&self, findings: &[usize], fields: FieldSet, out: &mut Vec<u8>) -> Range<usize>;

    /// Whether a backend's answer is, byte for byte, the one that says that all of these identifiers were updated, and that
    /// would be written here. Where that cannot be told so cheaply, `false`.
    fn is_all_processed(answer: &[u8], identifiers: &[u8]) -> bool;

    /// Tells what a backend said of each of these findings; returns how many it named that are none of them. What is told later
    /// of a finding counts.
    fn read_answer(&self, findings: &[usize], answer: Self::Answer<'_>, said: impl FnMut(usize, Said)) -> usize;

    /// The body of the answer, with findings in the order given.
    fn write_answer(&self, processed: &[usize], told: Vec<Told>) -> Vec<u8>;
}

/// What a backend said of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It was updated.
    Processed,
    /// It was not.
    Unprocessed {
        /// The backend's code; nothing where it gave none.
        code: Option<String>,
        /// The backend's message.
        message: String,
    },
}

/// An entry of `UnprocessedFindings`, in no form yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The finding's place in the request.
    pub finding: usize,
    /// Why, as a kind.
    pub why: Why,
    /// Why, for a person.
    pub message: Cow<'static, str>,
}

/// Why a finding is in `UnprocessedFindings`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The gate denied it all of its changes.
    Denied,
    /// It came before in the same request.
    Duplicate,
    /// The backend said so, by this code.
    Failed(String),
    /// There is no such finding.
    NotFound,
    /// The gate denied it some of its changes.
    Partial,
    /// It is not known what became of it.
    Unknown,
}

impl Wire for BatchUpdate<'_> {
    type Answer<'a> = UpstreamAnswer<'a>;

    const OPERATION: Operation = Operation::BatchUpdateFindings;

    fn name(&self, place: usize) -> &str {
        &self.identifiers[place].id
    }

    fn word(field: Field) -> &'static str {
        field.as_str()
    }

    fn write_request(&self, findings: &[usize], fields: FieldSet, out: &mut Vec<u8>) -> Range<usize> {
        self.write_json(findings.iter().copied(), fields, out)
    }

    fn is_all_processed(answer: &[u8], identifiers: &[u8]) -> bool {
        is_all_processed(answer, identifiers)
    }

    /// What is named as not updated counts as not updated, even if it is named as updated, too.
    fn read_answer(&self, findings: &[usize], answer: UpstreamAnswer<'_>, mut said: impl FnMut(usize, Said)) -> usize {
        let asked: HashMap<(&str, &str), usize, foldhash::fast::RandomState> = findings
            .iter()
            .map(|place| ((&*self.identifiers[*place].id, &*self.identifiers[*place].product_arn), *place))
            .collect();
        let mut not_asked = 0;
        for finding in &answer.processed_findings {
            match asked.get(&(&*finding.id, &*finding.product_arn)) {
                Some(place) => said(*place, Said::Processed),
                None => not_asked += 1,
            }
        }
        for entry in answer.unprocessed_findings {
            match asked.get(&(&*entry.finding_identifier.id, &*entry.finding_identifier.product_arn)) {
                Some(place) => {
                    said(*place, Said::Unprocessed { code: Some(entry.error_code), message: entry.error_message });
                }
                None => not_asked += 1,
            }
        }
        not_asked
    }

    fn write_answer(&self, processed: &[usize], told: Vec<Told>) -> Vec<u8> {
        let entry = |Told { finding, why, message }| {
            let code = match why {
                Why::Denied => code::ACCESS_DENIED.into(),
                Why::Duplicate => code::DUPLICATED.into(),
                Why::Failed(code) => code.into(),
                Why::NotFound => code::NOT_FOUND.into(),
                Why::Partial => code::PARTIAL_UPDATE.into(),
                Why::Unknown => code::INTERNAL_FAILURE.into(),
            };
            Unprocessed { finding, code, message }
        };
        let unprocessed: Vec<_> = told.into_iter().map(entry).collect();
        write_answer(&self.identifiers, processed.iter().copied(), &unprocessed)
    }
}

impl Wire for BatchUpdateV2<'_> {
    type Answer<'a> = UpstreamAnswerV2<'a>;

    const OPERATION: Operation = Operation::BatchUpdateFindingsV2;

    fn name(&self, place: usize) -> &str {
        match self.findings.get(place) {
            FindingV2::MetadataUid(uid) => uid,
            FindingV2::Identifier(identifier) => &identifier.finding_uid,
        }
    }

    fn word(field: Field) -> &'static str {
        FieldV2::of(field).map_or(field.as_str(), FieldV2::as_str)
    }

    fn write_request(&self, findings: &[usize], fields: FieldSet, out: &mut Vec<u8>) -> Range<usize> {
        let kept = FieldV2::ALL.iter().copied().filter(|member| fields.contains(member.field()));
        self.write_json(findings.iter().copied(), &kept.collect::<Vec<_>>(), out);
        0..0
    }

    /// An answer names findings in another way than a request.
    fn is_all_processed(_: &[u8], _: &[u8]) -> bool {
        false
    }

    /// As in the other form.
    fn read_answer(
        &self,
        findings: &[usize],
        answer: UpstreamAnswerV2<'_>,
        mut said: impl FnMut(usize, Said),
    ) -> usize {
        let place = |answered: &AnsweredFindingV2<'_>| {
            findings.iter().copied().find(|place| answered.is(self.findings.get(*place)))
        };
        let mut not_asked = 0;
        for answered in &answer.processed_findings {
            match place(answered) {
                Some(place) => said(place, Said::Processed),
                None => not_asked += 1,
            }
        }
        for entry in answer.unprocessed_findings {
            let Some(place) = place(&entry.finding) else {
                not_asked += 1;
                continue;
            };
            let message = entry.error_message.unwrap_or_else(|| "the findings backend did not say why".to_owned());
            said(place, Said::Unprocessed { code: entry.error_code, message });
        }
        not_asked
    }

    /// The API model's list of codes is closed, and SDKs may hold an answer to it: what has no code there is told by its word, at
    /// the beginning of the message.
    fn write_answer(&self, processed: &[usize], told: Vec<Told>) -> Vec<u8> {
        let entry = |Told { finding, why, message }| {
            let (code, word): (_, Cow<'static, str>) = match why {
                Why::Denied => (CodeV2::Validation, code::ACCESS_DENIED.into()),
                Why::Duplicate => (CodeV2::Validation, code::DUPLICATED.into()),
                Why::NotFound => return UnprocessedV2 { finding, code: CodeV2::ResourceNotFound, message },
                Why::Partial => (CodeV2::Validation, code::PARTIAL_UPDATE.into()),
                Why::Unknown => return UnprocessedV2 { finding, code: CodeV2::InternalServer, message },
                Why::Failed(said) => match CodeV2::parse(&said) {
                    Some(code) => return UnprocessedV2 { finding, code, message },
                    // To try the same again changes nothing about this one.
                    None if said == "AccessDeniedException" => (CodeV2::Validation, said.into()),
                    None => (CodeV2::InternalServer, said.into()),
                },
            };
            UnprocessedV2 { finding, code, message: format!("{word}: {message}").into() }
        };
        let unprocessed: Vec<_> = told.into_iter().map(entry).collect();
        write_answer_v2(&self.findings, processed.iter().copied(), &unprocessed)
    }
}
