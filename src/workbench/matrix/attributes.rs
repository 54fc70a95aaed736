//! The values that are tried of a finding as it is.

use super::{
    draft::{Door, Draft, Proposal},
    mark::Mark,
    variants::{Choice, Variant, with},
};
use crate::{
    finding::{Action, ComplianceStatus, RecordState, SeverityLabel, Timestamp, VerificationState, WorkflowStatus},
    workbench::{NoteFixture, ReferenceFixture, SeverityFixture, Texts},
};
use std::collections::{BTreeMap, BTreeSet};

impl Choice<'_> {
    /// The draft with each value of an attribute that is worth trying.
    pub(super) fn attributes(&self, name: &str, draft: &Draft) -> Vec<Variant> {
        if draft.door == Door::Import && !draft.finding.exists {
            // It is as the import says, which is what is proposed.
            return vec![(Mark::word("as imported"), draft.clone())];
        }
        let text = |put: fn(&mut Draft, Option<String>)| {
            let some = self.witnesses(draft).into_iter().map(|(mark, text)| (mark, Some(text)));
            let all = std::iter::once((Mark::Absent, None)).chain(some);
            all.map(|(mark, text)| with(draft, mark, |draft| put(draft, text))).collect::<Vec<_>>()
        };
        let number = |put: fn(&mut Draft, Option<i64>)| {
            let some = self.numbers(draft).map(|number| (Mark::Number(number), Some(number)));
            let all = std::iter::once((Mark::Absent, None)).chain(some);
            all.map(|(mark, number)| with(draft, mark, |draft| put(draft, number))).collect::<Vec<_>>()
        };
        let time = |optional: bool, put: fn(&mut Draft, Option<Timestamp>)| {
            let some = self.instants(draft).into_iter().map(|(mark, at)| (mark, Some(at)));
            let plain = optional.then_some((Mark::Absent, None));
            let all = plain.into_iter().chain(some);
            all.map(|(mark, at)| with(draft, mark, |draft| put(draft, at))).collect::<Vec<_>>()
        };
        let texts = |put: fn(&mut Draft, BTreeSet<String>)| {
            self.sets().into_iter().map(|(mark, set)| with(draft, mark, |draft| put(draft, set))).collect::<Vec<_>>()
        };
        match name {
            "companyName" => text(|draft, text| draft.finding.company_name = text),
            "productName" => text(|draft, text| draft.finding.product_name = text),
            "region" => text(|draft, text| draft.finding.region = text),
            "securityControlId" => text(|draft, text| draft.finding.security_control_id = text),
            "generatorId" => text(|draft, text| draft.finding.generator_id = text),
            "complianceStatus" => optional_words(ComplianceStatus::ALL, draft, |draft, word| {
                draft.finding.compliance_status = word;
            }),
            "verificationState" => optional_words(VerificationState::ALL, draft, |draft, word| {
                draft.finding.verification_state = word;
            }),
            "recordState" => words(RecordState::ALL, draft, |draft, word| draft.finding.record_state = Some(word)),
            "workflowStatus" => {
                words(WorkflowStatus::ALL, draft, |draft, word| draft.finding.workflow_status = Some(word))
            }
            "confidence" => number(|draft, number| draft.finding.confidence = number),
            "criticality" => number(|draft, number| draft.finding.criticality = number),
            "createdAt" => time(false, |draft, at| draft.finding.created_at = at),
            "updatedAt" => time(false, |draft, at| draft.finding.updated_at = at),
            "firstObservedAt" => time(true, |draft, at| draft.finding.first_observed_at = at),
            "lastObservedAt" => time(true, |draft, at| draft.finding.last_observed_at = at),
            "types" => texts(|draft, texts| draft.finding.types = texts),
            "resourceTypes" => texts(|draft, texts| draft.finding.resource_types = texts),
            "resourceIds" => texts(|draft, texts| draft.finding.resource_ids = texts),
            "note" => self.notes_now(draft),
            "severity" => self.severities(draft),
            "relatedFindings" => self.references(draft),
            "userDefinedFields" => self.maps(draft, |draft, map| draft.finding.user_defined_fields.extend(map)),
            "resourceTags" => self.maps(draft, |draft, map| {
                draft.finding.resource_tags.extend(map.into_iter().map(|(key, value)| (key, Texts::One(value))));
            }),
            _ => Vec::new(),
        }
    }

    fn notes_now(&self, draft: &Draft) -> Vec<Variant> {
        let mut variants = vec![with(draft, Mark::Absent, |draft| draft.finding.note = None)];
        for (mark, (text, updated_by)) in self.notes(draft) {
            let note = |updated_at| NoteFixture { text: text.clone(), updated_by: updated_by.clone(), updated_at };
            variants.push(with(draft, mark, |draft| draft.finding.note = Some(note(None))));
            if self.literals.attributes.contains("updatedAt") {
                let timed = self.instants(draft).into_iter();
                variants.extend(
                    timed.map(|(mark, at)| with(draft, mark, |draft| draft.finding.note = Some(note(Some(at))))),
                );
            }
        }
        variants
    }

    fn severities(&self, draft: &Draft) -> Vec<Variant> {
        let normalized = self.literals.attributes.contains("normalized");
        let mut variants = Vec::new();
        for label in SeverityLabel::ALL.iter().copied() {
            let severity = |normalized| Some(SeverityFixture { label, normalized });
            if !normalized {
                let plain = Some(SeverityFixture::of(label));
                variants.push(with(draft, Mark::word(label.as_str()), |draft| draft.finding.severity = plain));
                continue;
            }
            let none = Mark::Word(format!("{label} without Normalized"));
            variants.push(with(draft, none, |draft| draft.finding.severity = severity(None)));
            variants.extend(self.numbers(draft).map(|number| {
                let mark = Mark::Word(format!("{label} {number}"));
                with(draft, mark, |draft| draft.finding.severity = severity(Some(number)))
            }));
        }
        variants
    }

    fn references(&self, draft: &Draft) -> Vec<Variant> {
        let mut variants = vec![with(draft, Mark::Absent, |draft| draft.finding.related_findings = Vec::new())];
        let mut add = |mark: Mark, id: &str, product_arn: &str| {
            let reference = ReferenceFixture { id: id.to_owned(), product_arn: product_arn.to_owned() };
            variants.push(with(draft, mark, |draft| draft.finding.related_findings = vec![reference]));
        };
        add(Mark::word("other"), "other", "other");
        for id in &self.literals.texts {
            for product_arn in &self.literals.texts {
                add(Mark::Word(format!("{id} of {product_arn}")), id, product_arn);
            }
        }
        if let (Proposal::Reference { id, product_arn }, true) = (&draft.proposal, self.related) {
            add(Mark::word("the same"), id, product_arn);
        }
        variants
    }

    /// Maps of the finding: with the key that is proposed, with the same or another value, with each that policies name.
    fn maps(&self, draft: &Draft, put: fn(&mut Draft, BTreeMap<String, String>)) -> Vec<Variant> {
        let map = |mark: Mark, key: &str, value: &str| {
            with(draft, mark, |draft| put(draft, [(key.to_owned(), value.to_owned())].into()))
        };
        let mut variants = vec![with(draft, Mark::Absent, |_| {})];
        if let (Proposal::Pair { key, value }, true) = (&draft.proposal, draft.action == Action::UserDefinedFields) {
            variants.push(map(Mark::word("the same"), key, value));
            variants.push(map(Mark::word("another value"), key, &format!("{value}, once")));
        }
        for (key, value) in draft.keys.iter().flatten() {
            variants.push(map(Mark::word("the same"), key, value));
            variants.push(map(Mark::word("another value"), key, &format!("{value}, once")));
        }
        if variants.len() == 1 {
            // What an update of other keys would drop is asked about by itself.
            variants.extend(self.literals.texts.iter().map(|key| map(Mark::word(key), key, "other")));
        }
        variants
    }
}

fn words<T: Copy + std::fmt::Display>(all: &[T], draft: &Draft, put: fn(&mut Draft, T)) -> Vec<Variant> {
    all.iter().map(|word| with(draft, Mark::Word(word.to_string()), |draft| put(draft, *word))).collect()
}

fn optional_words<T: Copy + std::fmt::Display>(
    all: &[T],
    draft: &Draft,
    put: fn(&mut Draft, Option<T>),
) -> Vec<Variant> {
    let none = with(draft, Mark::Absent, |draft| put(draft, None));
    let some = all.iter().map(|word| with(draft, Mark::Word(word.to_string()), |draft| put(draft, Some(*word))));
    std::iter::once(none).chain(some).collect()
}
