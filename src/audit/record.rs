//! What a line of the audit log says.
//!
//! The names are the format: what is changed here is another [`VERSION`]. `docs/audit.schema.json` is the same for other programs.

use crate::finding::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, value::RawValue};
use std::borrow::Cow;

/// The version of the format. It changes when a reader of the one before would misread the new one; members that are new and may be
/// passed over do not change it.
pub const VERSION: u32 = 1;

type Text<'a> = Cow<'a, str>;

/// One line, without what chains it to the line before ([`Seal`](super::Seal)).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line<'a> {
    /// [`VERSION`]
    pub version: u32,
    /// When it happened. Of a request: when it was decided, which is the time that policies were told.
    #[serde(with = "rfc3339")]
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten, borrow)]
    pub event: Event<'a>,
}

/// A time as RFC 3339 has it, in UTC.
mod rfc3339 {
    use crate::finding::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de};
    use std::borrow::Cow;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event<'a> {
    /// A request was answered.
    #[serde(borrow)]
    Request(Box<Request<'a>>),
    /// A process began to write.
    #[serde(borrow)]
    Start(Start<'a>),
    /// Other policies or accounts decide from now on.
    #[serde(borrow)]
    Reload(Reload<'a>),
    /// So many records were given up since the line before: `audit.on_full = "shed"`.
    Shed {
        /// How many.
        records: u64,
    },
    /// The process ended in good order.
    Stop,
}

/// A process began to write.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Start<'a> {
    /// Of findings-gate.
    #[serde(borrow)]
    pub program: Text<'a>,
    /// What decides: see [`Request::snapshot`].
    #[serde(borrow)]
    pub snapshot: Text<'a>,
    /// What became of a line that a process before this one had not written to its end: so many bytes of it were taken off the file.
    /// Nobody was answered for whom it spoke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<u64>,
}

/// Other policies or accounts decide.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reload<'a> {
    /// What decides now: see [`Request::snapshot`].
    #[serde(borrow)]
    pub snapshot: Text<'a>,
}

/// A request, what was decided on it, and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request<'a> {
    /// The decision id, which is also the request's id: in the answer's headers and messages, and in the log.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// Who asked; nothing of a request that proved no caller.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Caller<'a>>,
    /// The address that it came from.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Text<'a>>,
    /// The operation, or method and path of a request that is none.
    #[serde(borrow)]
    pub operation: Text<'a>,
    /// Digest of the policies and the accounts that decided. The lines `start` and `reload` say since when.
    #[serde(borrow)]
    pub snapshot: Text<'a>,
    /// What was asked of every finding: the request's body in its canonical form without the findings' names, and with
    /// [`MASK`](super::MASK) in place of what is masked. Nothing where there is no such thing: of reads, and of imports, which ask
    /// something else of each finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    /// What was masked in this record, by [`Masked`](super::Masked) names.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub masked: Vec<Text<'a>>,
    /// The findings (of operations on automation rules: the rules), in the order of the request.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding<'a>>,
    /// What the policies said, once for all findings that they could not tell apart.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub rulings: Vec<Ruling<'a>>,
    /// The calls that were made to the findings backend with what was allowed.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call<'a>>,
    /// What the caller was told.
    #[serde(borrow)]
    pub answer: Answer<'a>,
    /// From the request's head to the answer, in microseconds, this record not included.
    pub duration_us: u64,
}

/// A request's body, as JSON: it is written as it is, and read as a tree.
#[derive(Debug, Clone)]
pub enum Update {
    /// To be written.
    Written(Box<RawValue>),
    /// As it was read.
    Read(Value),
}

impl Serialize for Update {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Written(json) => json.serialize(serializer),
            Self::Read(value) => value.serialize(serializer),
        }
    }
}

// A tagged object is read by way of a buffer, which loses what a `RawValue` needs.
impl<'de> Deserialize<'de> for Update {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::Read)
    }
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller<'a> {
    /// Twelve digits.
    #[serde(borrow)]
    pub account: Text<'a>,
    /// `administrator` or `member`.
    #[serde(borrow)]
    pub role: Text<'a>,
    /// ARN or name.
    #[serde(borrow)]
    pub principal: Text<'a>,
    /// How it was proven, as in the log: `sigv4:AKIA…`.
    #[serde(borrow)]
    pub proof: Text<'a>,
    /// The groups that the proof puts it in, besides those of its account.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Text<'a>>,
    /// The Region that it signed for.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Text<'a>>,
    /// What a denial does to it at the least; nothing where that is `strip`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub minimum_enforcement: Option<Text<'a>>,
}

/// One finding of a request, and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding<'a> {
    /// `Id`; of BatchUpdateFindingsV2 what the request calls it; of a rule its ARN or name.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// `Id`, where the request does not call it by that, and it was found out which finding it means.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub finding_id: Option<Text<'a>>,
    /// `ProductArn`; nothing where it is not known.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub product_arn: Option<Text<'a>>,
    /// The account that owns it, as far as the gate knew when it decided.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text<'a>>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it is not wholly processed, as a word or as the backend's code; nothing where it is.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Text<'a>>,
    /// Place in [`Request::rulings`]; nothing where no policy was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruling: Option<usize>,
    /// How it was when the policies were asked, if they were told: the members of the finding that policies can read, in the AWS
    /// Security Finding Format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Value>,
    /// Whether it was new to the backend, where that was found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_new: Option<bool>,
    /// What was asked of it, if it is an automation rule: the members of the request for this rule in their canonical form, and with
    /// [`MASK`](super::MASK) in place of what is masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Value>,
}

/// What became of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The backend made all that was asked.
    Processed,
    /// The backend made what was left of it.
    PartlyProcessed,
    /// Nothing was made, as far as is known.
    Unprocessed,
}

/// What the policies said of a finding, or of several alike.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ruling<'a> {
    /// Each change, with the verdict on it.
    #[serde(borrow)]
    pub verdicts: Vec<Verdict<'a>>,
    /// The fields that were left to forward.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Text<'a>>,
    /// The strictest enforcement of all denials; nothing where all is allowed.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Text<'a>>,
}

/// One change, and the verdict on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict<'a> {
    /// The Cedar action: `Workflow.Status`.
    #[serde(borrow)]
    pub action: Text<'a>,
    /// Which of several with that action: the type, the related finding's id, the key.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub element: Option<Text<'a>>,
    /// The proposed value; nothing where there is none, or where [`Request::update`] has it word by word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// What counts.
    #[serde(flatten, borrow)]
    pub answer: Answered<'a>,
    /// What it would be with the `@shadow` policies, where that is something else.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Answered<'a>>,
}

/// Allowed or denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered<'a> {
    /// Which.
    pub verdict: Word,
    /// What a denial does: `strip`, `reject` or `refuse`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Text<'a>>,
    /// Why it is a denial, such as `forbidden` or `no-grant`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<'a>>,
    /// The ids of the policies that decided.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Text<'a>>,
}

/// Allowed or denied, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The change may be made.
    Allowed,
    /// It may not.
    Denied,
}

/// A call to the findings backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call<'a> {
    /// The fields that it carried; nothing where it was the whole request.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Text<'a>>,
    /// How many findings it named.
    pub findings: usize,
    /// The backend's status, or the one that the failure to reach it stands for.
    pub status: u16,
    /// The backend's error code, if it failed as a whole.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Text<'a>>,
    /// The backend's own id of the request, if it gave one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Text<'a>>,
}

/// What the caller was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The error of the whole call, such as `AccessDeniedException`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Text<'a>>,
    /// Its message, if it is the gate's own.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Text<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request<'static> {
        let denied = Answered {
            verdict: Word::Denied,
            enforcement: Some("strip".into()),
            reason: Some("forbidden".into()),
            policies: vec!["no-suppress".into()],
        };
        let allowed =
            Answered { verdict: Word::Allowed, enforcement: None, reason: None, policies: vec!["all".into()] };
        Request {
            id: "id".into(),
            caller: Some(Caller {
                account: "222222222222".into(),
                role: "member".into(),
                principal: "arn:aws:iam::222222222222:role/a \"b\"".into(),
                proof: "fixed".into(),
                groups: vec![],
                region: None,
                minimum_enforcement: None,
            }),
            peer: None,
            operation: "BatchUpdateFindings".into(),
            snapshot: "digest".into(),
            update: Some(Update::Written(RawValue::from_string(r#"{"Confidence":1}"#.to_owned()).unwrap())),
            masked: vec!["Note.Text".into()],
            findings: vec![Finding {
                id: "finding".into(),
                finding_id: None,
                product_arn: Some("arn".into()),
                owner: None,
                outcome: Outcome::PartlyProcessed,
                why: Some("denied".into()),
                ruling: Some(0),
                state: Some(serde_json::json!({"RecordState": "ACTIVE"})),
                is_new: Some(false),
                rule: Some(serde_json::json!({"RuleOrder": 1})),
            }],
            rulings: vec![Ruling {
                verdicts: vec![Verdict {
                    action: "Types".into(),
                    element: Some("a/b".into()),
                    value: None,
                    answer: denied,
                    shadow: Some(allowed),
                }],
                kept: vec!["Note".into()],
                enforcement: Some("strip".into()),
            }],
            calls: vec![Call { fields: vec!["Note".into()], findings: 1, status: 200, error: None, request_id: None }],
            answer: Answer { status: 200, error: None, message: None },
            duration_us: 7,
        }
    }

    /// The names are the format: other programs read them.
    #[test]
    fn a_record_is_one_flat_object() {
        let time = "2024-05-01T00:00:00Z".parse().unwrap();
        let line = Line { version: VERSION, time, event: Event::Request(Box::new(request())) };
        let text = serde_json::to_string(&line).unwrap();
        let expected = concat!(
            r#"{"version":1,"time":"2024-05-01T00:00:00Z","kind":"request","id":"id","#,
            r#""caller":{"account":"222222222222","role":"member","principal":"arn:aws:iam::222222222222:role/a \"b\"","#,
            r#""proof":"fixed"},"operation":"BatchUpdateFindings","snapshot":"digest","update":{"Confidence":1},"#,
            r#""masked":["Note.Text"],"findings":[{"id":"finding","product_arn":"arn","outcome":"partly-processed","#,
            r#""why":"denied","ruling":0,"state":{"RecordState":"ACTIVE"},"is_new":false,"rule":{"RuleOrder":1}}],"#,
            r#""rulings":[{"verdicts":[{"action":"Types","element":"a/b","verdict":"denied","enforcement":"strip","#,
            r#""reason":"forbidden","policies":["no-suppress"],"shadow":{"verdict":"allowed","policies":["all"]}}],"#,
            r#""kept":["Note"],"enforcement":"strip"}],"calls":[{"fields":["Note"],"findings":1,"status":200}],"#,
            r#""answer":{"status":200},"duration_us":7}"#,
        );
        assert_eq!(text, expected);
        let read: Line<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), expected);
    }

    #[test]
    fn other_lines_are_of_their_kind() {
        let time = "2024-05-01T00:00:00Z".parse().unwrap();
        for (event, expected) in [
            (Event::Shed { records: 3 }, r#""kind":"shed","records":3}"#),
            (Event::Stop, r#""kind":"stop"}"#),
            (
                Event::Start(Start { program: "0.1.0".into(), snapshot: "d".into(), repaired: Some(9) }),
                r#""kind":"start","program":"0.1.0","snapshot":"d","repaired":9}"#,
            ),
            (Event::Reload(Reload { snapshot: "d".into() }), r#""kind":"reload","snapshot":"d"}"#),
        ] {
            let text = serde_json::to_string(&Line { version: VERSION, time, event }).unwrap();
            assert_eq!(text, format!(r#"{{"version":1,"time":"2024-05-01T00:00:00Z",{expected}"#));
            let read: Line<'_> = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }

    /// What a later version adds is passed over.
    #[test]
    fn members_that_are_new_are_passed_over() {
        let text = r#"{"version":1,"time":"2024-05-01T00:00:00Z","kind":"stop","new":{"a":1},"sequence":1,"previous":"0","hash":"1"}"#;
        assert!(matches!(serde_json::from_str::<Line<'_>>(text).unwrap().event, Event::Stop));
    }
}
