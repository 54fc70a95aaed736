//! The values that are tried: the whole of closed vocabularies, and of the rest what policies name, what lies beside it, and
//! something else.

use super::{
    draft::{Draft, Proposal},
    mark::{Mark, around, span},
};
use crate::{
    finding::{AccountId, Field, RecordState, SeverityLabel, Timestamp, VerificationState, WorkflowStatus},
    policy::{Literals, Part, Term},
    workbench::Texts,
};
use jiff::SignedDuration;
use std::collections::BTreeSet;

/// A draft with another value, and what that value is called.
pub(super) type Variant = (Mark, Draft);

/// Where findings may lie.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) account: AccountId,
}

/// What values are chosen by.
#[derive(Debug)]
pub(super) struct Choice<'c> {
    /// What policies compare it with.
    pub(super) literals: &'c Literals,
    /// Whether policies compare it with something else of the question.
    pub(super) related: bool,
    pub(super) places: &'c [Place],
    /// When it may be asked.
    pub(super) moments: &'c [(Mark, Timestamp)],
}

impl Choice<'_> {
    /// The draft with each value of a term that is worth trying.
    pub(super) fn variants(&self, term: &Term, draft: &Draft) -> Vec<Variant> {
        match term {
            Term::Operation | Term::IsNew => Vec::new(),
            Term::Now => {
                let at = |(mark, at): &(Mark, Timestamp)| with(draft, mark.clone(), |draft| draft.now = *at);
                self.moments.iter().map(at).collect()
            }
            Term::Proposed(part) => self.proposals(*part, draft),
            Term::Owner => {
                (self.places.iter()).map(|place| (Mark::word(&place.name), draft.clone().of(place.account))).collect()
            }
            Term::Identity => self.identities(draft),
            Term::Attribute(name) => self.attributes(name, draft),
            Term::Key(key) => self.of_key(draft, |draft, value| match value {
                Some(value) => drop(draft.finding.user_defined_fields.insert(key.clone(), value)),
                None => drop(draft.finding.user_defined_fields.remove(key)),
            }),
            Term::Tag(key) => {
                let sets = self.sets();
                let tag = |(mark, set): (Mark, BTreeSet<String>)| {
                    with(draft, mark, |draft| {
                        draft.finding.resource_tags.remove(key);
                        if !set.is_empty() {
                            draft.finding.resource_tags.insert(key.clone(), Texts::Several(set));
                        }
                    })
                };
                sets.into_iter().map(tag).collect()
            }
            Term::Fields => self.fields(draft),
            Term::Note => {
                let none = with(draft, Mark::Absent, |draft| draft.note = None);
                let some = self
                    .notes(draft)
                    .into_iter()
                    .map(|(mark, note)| with(draft, mark, |draft| draft.note = Some(note)));
                std::iter::once(none).chain(some).collect()
            }
            Term::ProposedKey(key) => {
                let none = with(draft, Mark::word("no UserDefinedFields"), |_| {});
                let values = self.of_key(draft, |draft, value| {
                    let keys = draft.keys.get_or_insert_default();
                    match value {
                        Some(value) => drop(keys.insert(key.clone(), value)),
                        None if keys.is_empty() => drop(keys.insert("other".to_owned(), "other".to_owned())),
                        None => {}
                    }
                });
                std::iter::once(none).chain(values).collect()
            }
            Term::ProposedKeys => {
                let keys = |mark: Mark, keys: &[(&str, &str)]| {
                    with(draft, mark, |draft| {
                        let all = draft.keys.get_or_insert_default();
                        all.extend(keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
                    })
                };
                let mut variants =
                    vec![with(draft, Mark::Absent, |_| {}), keys(Mark::word("other"), &[("other", "other")])];
                variants.extend(self.literals.texts.iter().map(|key| keys(Mark::word(key), &[(key, "other")])));
                variants
            }
        }
    }

    fn proposals(&self, part: Part, draft: &Draft) -> Vec<Variant> {
        let proposed = |mark: Mark, proposal: Proposal| with(draft, mark, |draft| draft.proposal = proposal);
        let word = |word: &str, proposal: Proposal| proposed(Mark::word(word), proposal);
        match (&draft.proposal, part) {
            (Proposal::Label(_), Part::Value) => {
                SeverityLabel::ALL.iter().map(|label| word(label.as_str(), Proposal::Label(*label))).collect()
            }
            (Proposal::Workflow(_), Part::Value) => {
                WorkflowStatus::ALL.iter().map(|status| word(status.as_str(), Proposal::Workflow(*status))).collect()
            }
            (Proposal::Verification(_), Part::Value) => {
                let all = VerificationState::ALL.iter();
                all.map(|state| word(state.as_str(), Proposal::Verification(*state))).collect()
            }
            (Proposal::Record(_), Part::Value) => {
                RecordState::ALL.iter().map(|state| word(state.as_str(), Proposal::Record(*state))).collect()
            }
            (Proposal::Number(_), Part::Value) => {
                (0..=100).map(|number| proposed(Mark::Each(number.into()), Proposal::Number(number))).collect()
            }
            (Proposal::Score(_), Part::Value) => {
                let near = self.literals.decimals.iter().flat_map(|at| [at - 1, *at, at + 1]);
                let all: BTreeSet<i64> = near.chain([0, 10_000, 1_000_000]).filter(|score| *score >= 0).collect();
                let name = |score: i64| super::draft::decimal(score).to_string();
                all.into_iter().map(|score| word(&name(score), Proposal::Score(score))).collect()
            }
            (Proposal::Text(_), Part::Value) => self.texts(draft, |text| Some(Proposal::Text(text))),
            (Proposal::Pair { value, .. }, Part::Key) => {
                let value = value.clone();
                self.texts(draft, move |key| Some(Proposal::Pair { key, value: value.clone() }))
            }
            (Proposal::Pair { key, .. }, Part::Value) => {
                let key = key.clone();
                self.of_key(draft, |draft, value| {
                    draft.proposal = Proposal::Pair { key: key.clone(), value: value.unwrap_or_default() };
                })
            }
            (Proposal::Reference { product_arn, .. }, Part::Id) => {
                let product_arn = product_arn.clone();
                self.texts(draft, move |id| Some(Proposal::Reference { id, product_arn: product_arn.clone() }))
            }
            (Proposal::Reference { id, .. }, Part::ProductArn) => {
                let id = id.clone();
                let mut variants = vec![(Mark::word("other"), draft.clone())];
                variants.extend(
                    self.product_arns()
                        .into_iter()
                        .map(|(mark, product_arn)| proposed(mark, Proposal::Reference { id: id.clone(), product_arn })),
                );
                variants
            }
            (Proposal::Note { .. }, Part::Value) => (self.notes(draft).into_iter())
                .map(|(mark, (text, updated_by))| proposed(mark, Proposal::Note { text, updated_by }))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Texts that policies distinguish, each with what it is called.
    pub(super) fn witnesses(&self, draft: &Draft) -> Vec<(Mark, String)> {
        let Literals { texts, likes, .. } = self.literals;
        let mut all: Vec<String> = texts.iter().cloned().collect();
        all.extend(likes.iter().flat_map(|like| [like.witness("x"), like.witness("")]));
        for (place, one) in likes.iter().enumerate() {
            let joined = likes[place + 1..]
                .iter()
                .flat_map(|other| [one.witness("") + &other.witness(""), other.witness("") + &one.witness("")]);
            all.extend(joined.filter(|text| one.matches(text)));
        }
        // All of them at once, as a conjunction of them asks.
        if likes.len() > 2 {
            let whole = likes.iter().map(|like| like.witness("")).collect::<Vec<_>>().join(" ");
            all.extend(Some(whole).filter(|text| likes.iter().all(|like| like.matches(text))));
        }
        if self.related {
            all.extend(draft.texts());
        }
        if self.literals.attributes.contains("arn") {
            all.push(draft.caller.principal());
        }
        let apart = |text: &&str| !texts.contains(*text) && !likes.iter().any(|like| like.matches(text));
        let other =
            ["other", "else", "something", "x", "0"].iter().find(|text| apart(text)).copied().unwrap_or("other");
        all.push(other.to_owned());
        let mut known = BTreeSet::new();
        all.into_iter().filter(|text| known.insert(text.clone())).map(|text| (self.called(&text), text)).collect()
    }

    /// What a text is called: itself if policies name it, else after the patterns that it is like.
    fn called(&self, text: &str) -> Mark {
        if self.literals.texts.contains(text) {
            return Mark::word(if text.is_empty() { "\"\"" } else { text });
        }
        let like: Vec<&str> =
            self.literals.likes.iter().filter(|like| like.matches(text)).map(|like| like.shown.as_str()).collect();
        Mark::Word(if like.is_empty() { "other".to_owned() } else { like.join(" and ") })
    }

    fn texts(&self, draft: &Draft, proposal: impl Fn(String) -> Option<Proposal>) -> Vec<Variant> {
        let proposed = |(mark, text): (Mark, String)| {
            proposal(text).map(|proposal| with(draft, mark, |draft| draft.proposal = proposal))
        };
        self.witnesses(draft).into_iter().filter_map(proposed).collect()
    }

    /// The values of a key, or none: texts, and dates and numbers where policies ask for them.
    fn of_key(&self, draft: &Draft, put: impl Fn(&mut Draft, Option<String>)) -> Vec<Variant> {
        let mut values = vec![(Mark::Absent, None)];
        values.extend(self.witnesses(draft).into_iter().map(|(mark, text)| (mark, Some(text))));
        if self.literals.attributes.contains("date") {
            let instants = self.instants(draft).into_iter();
            values.extend(instants.map(|(mark, at)| (mark, Some(at.to_string()))));
        }
        if self.literals.attributes.contains("number") {
            values.extend(self.numbers(draft).map(|number| (Mark::Number(number), Some(number.to_string()))));
        }
        values.into_iter().map(|(mark, value)| with(draft, mark, |draft| put(draft, value))).collect()
    }

    /// Numbers around the constants, and the least and the greatest that the API knows.
    pub(super) fn numbers(&self, draft: &Draft) -> impl Iterator<Item = i64> + use<> {
        let related = if self.related { draft.numbers() } else { Vec::new() };
        let points = self.literals.numbers.iter().copied().chain(related);
        let near = points.flat_map(|at| [at.saturating_sub(1), at, at.saturating_add(1)]);
        near.filter(|number| (0..=100).contains(number)).chain([0, 50, 100]).collect::<BTreeSet<i64>>().into_iter()
    }

    pub(super) fn instants(&self, draft: &Draft) -> Vec<(Mark, Timestamp)> {
        let named = self.literals.instants.iter().filter_map(|at| Timestamp::from_millisecond(*at).ok());
        let mut points: Vec<(Timestamp, String)> = named.map(|at| (at, at.to_string())).collect();
        if self.literals.attributes.contains("now") {
            points.push((draft.now, "now".to_owned()));
        }
        let mut bases = points.clone();
        if self.related {
            bases.extend(draft.instants().into_iter().map(|(at, name)| (at, name.to_owned())));
            points.clone_from(&bases);
        }
        for milliseconds in &self.literals.spans {
            let length = SignedDuration::from_millis(*milliseconds);
            for (at, name) in &bases {
                let shown = span(milliseconds.saturating_abs());
                let (plus, minus) = if *milliseconds < 0 { ('-', '+') } else { ('+', '-') };
                points.extend(at.checked_add(length).ok().map(|at| (at, format!("{name} {plus} {shown}"))));
                points.extend(at.checked_sub(length).ok().map(|at| (at, format!("{name} {minus} {shown}"))));
            }
        }
        points.sort();
        points.dedup_by_key(|(at, _)| *at);
        around(points)
    }

    /// Sets of texts: none, each that policies name, all of them, another one.
    pub(super) fn sets(&self) -> Vec<(Mark, BTreeSet<String>)> {
        let texts = &self.literals.texts;
        let mut sets = vec![(Mark::Absent, BTreeSet::new())];
        if texts.len() <= MOST_SUBSETS {
            let texts: Vec<&String> = texts.iter().collect();
            for bits in 1..1_usize << texts.len() {
                let chosen = (0..texts.len()).filter(|at| bits & 1 << at != 0).map(|at| texts[at].clone());
                sets.push(set(chosen.collect()));
            }
        } else {
            sets.extend(texts.iter().map(|text| set([text.clone()].into())));
            sets.push(set(texts.clone()));
        }
        let mixed: Vec<_> = sets.iter().map(|(_, set)| set.clone()).collect();
        for mut with_other in mixed {
            with_other.insert("other".to_owned());
            sets.push(set(with_other));
        }
        sets
    }

    pub(super) fn notes(&self, draft: &Draft) -> Vec<(Mark, (String, String))> {
        let witnesses = self.witnesses(draft);
        let by = self.literals.attributes.contains("updatedBy");
        let as_whole = !by && !self.literals.attributes.contains("text");
        let mut notes = Vec::new();
        for (text_mark, text) in &witnesses {
            if !(by || as_whole) {
                notes.push((text_mark.clone(), (text.clone(), "other".to_owned())));
                continue;
            }
            for (by_mark, updated_by) in &witnesses {
                let name = |mark: &Mark| super::mark::name(std::slice::from_ref(mark), std::slice::from_ref(mark));
                let mark = Mark::Word(format!("{} by {}", name(text_mark), name(by_mark)));
                notes.push((mark, (text.clone(), updated_by.clone())));
            }
        }
        notes
    }

    /// ARNs of products that policies name.
    fn product_arns(&self) -> Vec<(Mark, String)> {
        let Literals { texts, likes, .. } = self.literals;
        let named = texts.iter().filter(|text| text.starts_with("arn:")).cloned();
        let like = likes.iter().flat_map(|like| {
            let whole = [like.witness("x"), like.witness("")];
            let of_aws = whole.clone().map(|end| format!("{OF_AWS}{end}"));
            let kept = whole.into_iter().chain(of_aws).find(|arn| arn.starts_with("arn:") && like.matches(arn));
            kept.into_iter().collect::<Vec<_>>()
        });
        named.chain(like).map(|arn| (self.called(&arn), arn)).collect()
    }

    fn identities(&self, draft: &Draft) -> Vec<Variant> {
        let identity = |id: String, product_arn: Option<String>, mark: Mark| {
            with(draft, mark, |draft| (draft.finding.id, draft.finding.product_arn) = (Some(id), product_arn))
        };
        let mut variants: Vec<Variant> =
            self.witnesses(draft).into_iter().map(|(mark, id)| identity(id, None, mark)).collect();
        let owner = draft.finding.account;
        variants.extend(self.product_arns().into_iter().map(|(mark, arn)| {
            // The id proves whose it is, where the product does not.
            let product = arn.rsplit('/').next().unwrap_or_default();
            identity(format!("arn:aws:{product}:eu-west-1:{owner}:finding"), Some(arn.clone()), mark)
        }));
        for name in self.literals.ids("Finding") {
            // `{product ARN}/{id}`: an ARN of a product has two slashes.
            let end = name.match_indices('/').nth(2).map(|(at, _)| at);
            if let Some((arn, id)) = end.map(|at| (&name[..at], &name[at + 1..])) {
                variants.push(identity(id.to_owned(), Some(arn.to_owned()), Mark::word(id)));
            }
        }
        variants
    }

    fn fields(&self, draft: &Draft) -> Vec<Variant> {
        let own = draft.action.field();
        let named: Vec<Field> = Field::ALL
            .iter()
            .copied()
            .filter(|field| Some(*field) != own && self.literals.ids("Field").any(|id| id == field.as_str()))
            .collect();
        let another = Field::ALL.iter().copied().find(|field| {
            Some(*field) != own && !named.contains(field) && !matches!(field, Field::RecordState | Field::Severity)
        });
        let mut variants = Vec::new();
        let few = named.len().min(MOST_SUBSETS);
        for bits in 0..1_usize << few {
            let chosen: BTreeSet<Field> = (0..few).filter(|at| bits & 1 << at != 0).map(|at| named[at]).collect();
            for with_another in [None, another] {
                let all: BTreeSet<Field> = chosen.iter().copied().chain(with_another).collect();
                let mut shown: Vec<&str> = chosen.iter().map(|field| field.as_str()).collect();
                shown.extend(with_another.map(|_| "others"));
                let mark = if shown.is_empty() { "alone".to_owned() } else { format!("with {}", shown.join(" and ")) };
                variants.push(with(draft, Mark::Word(mark), |draft| draft.fields.extend(&all)));
            }
        }
        variants
    }
}

/// A product of AWS.
const OF_AWS: &str = "arn:aws:securityhub:eu-west-1::product/aws/";

/// Of so many texts or fields every combination is tried.
const MOST_SUBSETS: usize = 3;

pub(super) fn with(draft: &Draft, mark: Mark, change: impl FnOnce(&mut Draft)) -> Variant {
    let mut draft = draft.clone();
    change(&mut draft);
    (mark, draft)
}

fn set(texts: BTreeSet<String>) -> (Mark, BTreeSet<String>) {
    (Mark::Word(texts.iter().map(String::as_str).collect::<Vec<_>>().join(" + ")), texts)
}
