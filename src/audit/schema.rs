//! The format of the log, for other programs.

/// The JSON Schema of a line: `docs/audit.schema.json`.
pub const SCHEMA: &str = include_str!("../../docs/audit.schema.json");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::{
            Answer, Answered, Call, Caller, Event, Finding, Line, Link, Masked, Outcome, Reload, Request, Ruling, Seal,
            Start, Update, VERSION, Verdict, Word,
        },
        finding::{Enforcement, Role},
    };
    use boon::{Compiler, Schemas};
    use serde_json::{Value, json, value::RawValue};

    /// A line with everything that it can have.
    fn full() -> Request<'static> {
        let answered = |verdict, enforcement: Option<&'static str>| Answered {
            verdict,
            enforcement: enforcement.map(Into::into),
            reason: enforcement.map(|_| "forbidden".into()),
            policies: vec!["a-policy".into()],
        };
        Request {
            id: "id".into(),
            caller: Some(Caller {
                account: "222222222222".into(),
                role: "member".into(),
                principal: "arn:aws:iam::222222222222:role/a".into(),
                proof: "fixed".into(),
                groups: vec!["team/soc".into()],
                region: Some("eu-west-1".into()),
                minimum_enforcement: Some("refuse".into()),
            }),
            peer: Some("127.0.0.1:1".into()),
            operation: "BatchUpdateFindings".into(),
            snapshot: "digest".into(),
            update: Some(Update::Written(RawValue::from_string(r#"{"Confidence":1}"#.to_owned()).unwrap())),
            masked: Masked::ALL.iter().map(|masked| masked.as_str().into()).collect(),
            findings: [Outcome::Processed, Outcome::PartlyProcessed, Outcome::Unprocessed]
                .map(|outcome| Finding {
                    id: "finding".into(),
                    finding_id: Some("arn".into()),
                    product_arn: Some("arn".into()),
                    owner: Some("222222222222".into()),
                    outcome,
                    why: Some("denied".into()),
                    ruling: Some(0),
                    state: Some(json!({"RecordState": "ACTIVE"})),
                    is_new: Some(false),
                    rule: Some(json!({"RuleOrder": 1})),
                })
                .to_vec(),
            rulings: vec![Ruling {
                verdicts: vec![Verdict {
                    action: "Types".into(),
                    element: Some("a/b".into()),
                    value: Some(json!(1)),
                    answer: answered(Word::Denied, Some("strip")),
                    shadow: Some(answered(Word::Allowed, None)),
                }],
                kept: vec!["Note".into()],
                enforcement: Some("strip".into()),
            }],
            calls: vec![Call {
                fields: vec!["Note".into()],
                findings: 1,
                status: 200,
                error: Some("InternalException".into()),
                request_id: Some("r".into()),
            }],
            answer: Answer { status: 403, error: Some("AccessDeniedException".into()), message: Some("no".into()) },
            duration_us: 7,
        }
    }

    /// The same with nothing that it need not have.
    fn bare() -> Request<'static> {
        Request {
            caller: None,
            peer: None,
            update: None,
            masked: vec![],
            findings: vec![],
            rulings: vec![],
            calls: vec![],
            answer: Answer { status: 400, error: None, message: None },
            ..full()
        }
    }

    fn lines() -> Vec<Value> {
        let mut lean = full();
        lean.findings[0] = Finding {
            finding_id: None,
            product_arn: None,
            owner: None,
            why: None,
            ruling: None,
            state: None,
            is_new: None,
            rule: None,
            ..lean.findings[0].clone()
        };
        lean.rulings[0].verdicts[0] =
            Verdict { element: None, value: None, shadow: None, ..lean.rulings[0].verdicts[0].clone() };
        lean.rulings[0] = Ruling { kept: vec![], enforcement: None, ..lean.rulings[0].clone() };
        lean.calls[0] = Call { fields: vec![], error: None, request_id: None, ..lean.calls[0].clone() };
        let events = vec![
            Event::Start(Start { program: "0.1.0".into(), snapshot: "d".into(), repaired: Some(9) }),
            Event::Start(Start { program: "0.1.0".into(), snapshot: "d".into(), repaired: None }),
            Event::Reload(Reload { snapshot: "d".into() }),
            Event::Shed { records: 3 },
            Event::Request(Box::new(full())),
            Event::Request(Box::new(lean)),
            Event::Request(Box::new(bare())),
            Event::Stop,
        ];
        let (mut next, mut out) = (Link::FIRST, Vec::new());
        for event in events {
            let time = "2026-05-01T00:00:00.5Z".parse().unwrap();
            let line = serde_json::to_vec(&Line { version: VERSION, time, event }).unwrap();
            Seal::open().append(&line, &mut next, &mut out);
        }
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn is_valid(schema: &Value, line: &Value) -> Result<(), String> {
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.enable_format_assertions();
        compiler.add_resource("urn:test", schema.clone()).unwrap();
        let index = compiler.compile("urn:test", &mut schemas).unwrap();
        schemas.validate(line, index).map_err(|error| format!("{error:#}"))
    }

    fn schema() -> Value {
        let mut schema: Value = serde_json::from_str(SCHEMA).unwrap();
        schema.as_object_mut().unwrap().remove("$id");
        schema
    }

    #[test]
    fn every_line_that_is_written_is_valid() {
        for line in lines() {
            assert_eq!(is_valid(&schema(), &line), Ok(()), "{line}");
        }
    }

    /// Each member that is written is in the schema, and not only let through.
    #[test]
    fn no_member_is_missing_in_the_schema() {
        let mut strict = schema();
        strict["unevaluatedProperties"] = false.into();
        for (name, definition) in strict["$defs"].as_object_mut().unwrap() {
            // What is part of a verdict is held there.
            if definition["type"] == "object" && name != "answered" || name == "verdict" {
                definition["unevaluatedProperties"] = false.into();
            }
        }
        for mut line in lines() {
            assert_eq!(is_valid(&strict, &line), Ok(()), "{line}");
            line["unheard_of"] = 1.into();
            assert!(is_valid(&strict, &line).is_err(), "{line}");
            // A reader passes over it.
            assert_eq!(is_valid(&schema(), &line), Ok(()), "{line}");
        }
    }

    #[test]
    fn what_is_no_line_is_invalid() {
        let lines = lines();
        for line in &lines {
            for required in ["version", "time", "kind", "sequence", "previous", "hash"] {
                let mut without = line.clone();
                without.as_object_mut().unwrap().remove(required);
                assert!(is_valid(&schema(), &without).is_err(), "{required}: {line}");
            }
        }
        let request = lines.iter().find(|line| line["findings"].is_array()).unwrap();
        for (pointer, value) in [
            ("/version", json!(2)),
            ("/time", json!("yesterday")),
            ("/time", json!("2026-05-01T00:00:00+02:00")),
            ("/kind", json!("halt")),
            ("/sequence", json!(0)),
            ("/hash", json!("AB")),
            ("/id", json!(7)),
            ("/masked/0", json!("Title")),
            ("/caller/role", json!("owner")),
            ("/caller/account", json!("22")),
            ("/caller/minimum_enforcement", json!("warn")),
            ("/findings/0/outcome", json!("done")),
            ("/findings/0/owner", json!("22")),
            ("/rulings/0/verdicts/0/verdict", json!("perhaps")),
            ("/rulings/0/verdicts/0/shadow/verdict", json!("perhaps")),
            ("/rulings/0/enforcement", json!("warn")),
            ("/answer/status", json!("403")),
        ] {
            let mut changed = request.clone();
            *changed.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
            assert!(is_valid(&schema(), &changed).is_err(), "{pointer}");
        }
        for (object, member) in [
            ("", "answer"),
            ("", "operation"),
            ("/caller", "proof"),
            ("/findings/0", "id"),
            ("/rulings/0", "verdicts"),
            ("/rulings/0/verdicts/0", "action"),
            ("/rulings/0/verdicts/0", "verdict"),
            ("/calls/0", "status"),
            ("/answer", "status"),
        ] {
            let mut changed = request.clone();
            changed.pointer_mut(object).unwrap().as_object_mut().unwrap().remove(member);
            assert!(is_valid(&schema(), &changed).is_err(), "{object} {member}");
        }
    }

    /// Closed lists in the schema are those of the code.
    #[test]
    fn words_are_those_of_the_code() {
        let schema = schema();
        let words = |pointer: &str| -> Vec<String> {
            serde_json::from_value(schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}")).clone()).unwrap()
        };
        let masked: Vec<&str> = Masked::ALL.iter().map(|masked| masked.as_str()).collect();
        assert_eq!(words("/oneOf/0/properties/masked/items/enum"), masked);
        let enforcements: Vec<&str> = Enforcement::ALL.iter().map(|enforcement| enforcement.as_str()).collect();
        assert_eq!(words("/$defs/enforcement/enum"), enforcements);
        let roles = [Role::Administrator, Role::Member].map(Role::as_str);
        assert_eq!(words("/$defs/caller/properties/role/enum"), roles);
        assert_eq!(schema["properties"]["version"]["const"], VERSION);
    }
}
