//! Generated statements and requests.

use super::*;

/// A condition key with values that tests of it may name.
const POOL: &[(&str, &[&str])] = &[
    (
        "securityhub:ASFFSyntaxPath/Workflow.Status",
        &["NEW", "NOTIFIED", "SUPPRESSED", "SUPP*", "suppressed", "RES?LVED"],
    ),
    ("SecurityHub:ASFFSyntaxPath/workflow.status", &["RESOLVED", "NEW"]),
    ("securityhub:ASFFSyntaxPath/VerificationState", &["UNKNOWN", "FALSE_POSITIVE", "*_POSITIVE"]),
    ("securityhub:ASFFSyntaxPath/Severity.Label", &["LOW", "HIGH", "CRITICAL", "*I*"]),
    ("securityhub:ASFFSyntaxPath/Severity.Normalized", &["0", "40", "9*"]),
    ("securityhub:ASFFSyntaxPath/Severity.Product", &[]),
    ("securityhub:ASFFSyntaxPath/Confidence", &["50", "5*", "?"]),
    ("securityhub:ASFFSyntaxPath/Criticality", &["50", "100"]),
    ("securityhub:ASFFSyntaxPath/Note.Text", &["ok", "SEC-*", "*"]),
    ("securityhub:ASFFSyntaxPath/Note.UpdatedBy", &["ana", "bob", "${aws:PrincipalArn}"]),
    ("securityhub:ASFFSyntaxPath/Types", &["A", "B/C", "A*"]),
    ("securityhub:ASFFSyntaxPath/UserDefinedFields.key", &["ticket", "owner", "t*"]),
    ("securityhub:ASFFSyntaxPath/UserDefinedFields.value", &["SEC-1", "ana", "S*"]),
    ("securityhub:ASFFSyntaxPath/RelatedFindings", &[]),
    ("securityhub:ASFFSyntaxPath/RelatedFindings.Id", &["r1", "r2"]),
    ("securityhub:ASFFSyntaxPath/Note", &["x"]),
    ("securityhub:OCSFSyntaxPath/StatusId", &["1", "2", "3", "4", "5", "0", "99"]),
    ("securityhub:OCSFSyntaxPath/SeverityId", &["2", "3", "5", "6"]),
    ("securityhub:OCSFSyntaxPath/Comment", &["ok", "SEC-*"]),
    ("securityhub:TargetAccount", &["222222222222", "333333333333"]),
    ("aws:PrincipalAccount", &["222222222222", "333333333333"]),
    ("aws:PrincipalArn", &["arn:aws:iam::222222222222:role/caller", "*role/other", "*caller"]),
];

fn test() -> BoxedStrategy<(String, String, Value)> {
    let null = prop_oneof![
        Just(json!("true")),
        Just(json!("false")),
        Just(json!(true)),
        Just(json!(false)),
        Just(json!(["true", "false"])),
    ];
    let operator = (
        prop_oneof![3 => Just(""), 1 => Just("ForAnyValue:"), 1 => Just("ForAllValues:")],
        select(&["StringEquals", "StringNotEquals", "StringLike", "StringNotLike"][..]),
        prop_oneof![3 => Just(""), 1 => Just("IfExists")],
    );
    let of_key =
        (0..POOL.len(), operator, null, prop::collection::vec(any::<prop::sample::Index>(), 1..3), any::<u8>())
            .prop_map(|(key, (quantifier, base, suffix), null, picks, chance)| {
                let (key, values) = POOL[key];
                if values.is_empty() || chance < 80 {
                    return ("Null".to_owned(), key.to_owned(), null);
                }
                // Leaves of which there may be several are asked with a quantifier; else hardly any statement would do.
                let many = ["Types", "UserDefinedFields", "RelatedFindings"].iter().any(|name| key.contains(name));
                let quantifier = if many && quantifier.is_empty() { "ForAnyValue:" } else { quantifier };
                let mut chosen: Vec<&str> = picks.iter().map(|pick| values[pick.index(values.len())]).collect();
                chosen.dedup();
                let value = if chosen.len() == 1 && chance % 2 == 0 { json!(chosen[0]) } else { json!(chosen) };
                (format!("{quantifier}{base}{suffix}"), key.to_owned(), value)
            });
    let time = (
        select(&["DateLessThan", "DateGreaterThanEquals"][..]),
        select(&["2026-01-01T12:00:00Z", "2026-01-02T00:00:00Z"][..]),
    )
        .prop_map(|(operator, time)| (operator.to_owned(), "aws:CurrentTime".to_owned(), json!(time)));
    prop_oneof![20 => of_key, 1 => time].boxed()
}

fn statement() -> impl Strategy<Value = Value> {
    let effect = select(&["Allow", "Deny", "Deny"][..]);
    let action = prop_oneof![
        6 => Just(json!({ "Action": "securityhub:BatchUpdateFindings" })),
        1 => Just(json!({ "Action": ["s3:*", "SecurityHub:batch*"] })),
        1 => Just(json!({ "NotAction": ["iam:*", "securityhub:BatchImport*"] })),
        1 => Just(json!({ "Action": "securityhub:BatchImportFindings" })),
    ];
    let tests = prop_oneof![
        5 => prop::collection::vec(test(), 1..2),
        4 => prop::collection::vec(test(), 2..3),
        2 => prop::collection::vec(test(), 3..4),
    ];
    (effect, action, tests).prop_map(|(effect, mut statement, tests)| {
        let mut condition: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        for (operator, key, value) in tests {
            let keys = condition.entry(operator).or_default();
            if !keys.keys().any(|known| known.eq_ignore_ascii_case(&key)) {
                keys.insert(key, value);
            }
        }
        statement["Effect"] = json!(effect);
        statement["Condition"] = json!(condition);
        statement
    })
}

pub(super) fn statements() -> impl Strategy<Value = Vec<Value>> {
    (prop::collection::vec(statement(), 1..4), any::<u8>()).prop_map(|(mut statements, chance)| {
        if chance < 150 {
            statements.push(json!({ "Effect": "Allow", "Action": "securityhub:Batch*" }));
        }
        statements
    })
}

pub(super) fn update() -> impl Strategy<Value = Call> {
    let maybe = |strategy: BoxedStrategy<Value>| prop_oneof![2 => Just(None), 1 => strategy.prop_map(Some)];
    let word = |words: &'static [&'static str]| select(words).prop_map(|word| json!(word)).boxed();
    let number = || select(&[0, 5, 40, 50, 90, 100][..]).prop_map(|number| json!(number)).boxed();
    let members = [
        ("Confidence", number()),
        ("Criticality", number()),
        (
            "Note",
            (
                select(&["ok", "SEC-7", "other"][..]),
                select(&["ana", "bob", "arn:aws:iam::222222222222:role/caller"][..]),
            )
                .prop_map(|(text, by)| json!({ "Text": text, "UpdatedBy": by }))
                .boxed(),
        ),
        (
            "RelatedFindings",
            prop::sample::subsequence(vec!["r1", "r2", "r3"], 1..3)
                .prop_map(|ids| {
                    let finding =
                        |id| json!({ "Id": id, "ProductArn": "arn:aws:securityhub:eu-west-1::product/aws/x" });
                    ids.into_iter().map(finding).collect()
                })
                .boxed(),
        ),
        (
            "Severity",
            (
                prop::option::of(select(&["LOW", "HIGH", "CRITICAL"][..])),
                prop::option::of(select(&[0, 20, 40, 75, 95][..])),
                any::<bool>(),
            )
                .prop_map(|(label, normalized, product)| {
                    let mut members = Map::new();
                    members.extend(label.map(|label| ("Label".to_owned(), json!(label))));
                    members.extend(normalized.map(|number| ("Normalized".to_owned(), json!(number))));
                    if product || members.is_empty() {
                        members.insert("Product".to_owned(), json!(1.5));
                    }
                    Value::Object(members)
                })
                .boxed(),
        ),
        ("Types", prop::sample::subsequence(vec!["A", "B/C", "D"], 1..3).prop_map(|kinds| json!(kinds)).boxed()),
        (
            "UserDefinedFields",
            prop::collection::btree_map(
                select(&["ticket", "owner", "x"][..]),
                select(&["SEC-1", "ana", "z"][..]),
                1..3,
            )
            .prop_map(|pairs| json!(pairs))
            .boxed(),
        ),
        ("VerificationState", word(&["UNKNOWN", "FALSE_POSITIVE", "TRUE_POSITIVE"])),
        (
            "Workflow",
            word(&["NEW", "NOTIFIED", "RESOLVED", "SUPPRESSED"]).prop_map(|status| json!({ "Status": status })).boxed(),
        ),
    ];
    let (names, values): (Vec<_>, Vec<_>) = members.into_iter().map(|(name, values)| (name, maybe(values))).unzip();
    values.prop_filter_map("nothing to update", move |values| {
        let pairs = names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
        Some(pairs.collect::<Map<_, _>>()).filter(|members| !members.is_empty()).map(Call::Update)
    })
}

fn update_v2() -> impl Strategy<Value = Call> {
    let maybe = |strategy: BoxedStrategy<Value>| prop_oneof![Just(None), strategy.prop_map(Some)];
    let id = |ids: &'static [u8]| maybe(select(ids).prop_map(|id| json!(id)).boxed());
    let comment = maybe(select(&["ok", "SEC-7", "other"][..]).prop_map(|text| json!(text)).boxed());
    (comment, id(&[0, 1, 2, 3, 4, 5, 6, 99]), id(&[0, 1, 2, 3, 4, 5, 99])).prop_filter_map(
        "nothing to update",
        |(comment, severity, status)| {
            let members = [("Comment", comment), ("SeverityId", severity), ("StatusId", status)];
            let pairs = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Some(pairs.collect::<Map<_, _>>()).filter(|members| !members.is_empty()).map(Call::UpdateV2)
        },
    )
}

pub(super) fn requests() -> impl Strategy<Value = Vec<Example>> {
    let call = prop_oneof![8 => update(), 3 => update_v2(), 1 => Just(Call::Import(Map::new()))];
    let now = select(&[1_767_268_799_i64, 1_767_268_800, 1_767_400_000][..]);
    let example = (call, now).prop_map(|(call, now)| example(call, Timestamp::from_second(now).unwrap()));
    prop::collection::vec(example, 40)
}
