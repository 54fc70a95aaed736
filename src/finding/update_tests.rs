use super::*;
use proptest::prelude::*;

const FINDING: &str = r#"{"Id":"f","ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/guardduty"}"#;

fn with(members: &str) -> String {
    format!(r#"{{"FindingIdentifiers":[{FINDING}],{members}}}"#)
}

fn refused(body: &[u8]) -> String {
    match BatchUpdate::parse(body) {
        Ok(request) => panic!("accepted {}: {request:?}", String::from_utf8_lossy(body)),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_leaf_is_read_and_written_again() {
    let body = with(
        r#""Confidence":42,"Criticality":99,"Note":{"Text":"line one\nline two \"quoted\" é","UpdatedBy":"ana"},"RelatedFindings":[{"Id":"r","ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/inspector"}],"Severity":{"Label":"HIGH","Normalized":70,"Product":7.5},"Types":["TTPs/Initial Access","Effects"],"UserDefinedFields":{"ticket":"SEC-1","note to self":""},"VerificationState":"TRUE_POSITIVE","Workflow":{"Status":"NOTIFIED"}"#,
    );
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    assert_eq!(request.update.fields(), Field::updatable().collect());
    let mut written = Vec::new();
    request.write_json([0], request.update.fields(), &mut written);
    assert_eq!(String::from_utf8(written).unwrap(), body);
}

#[test]
fn what_is_stripped_is_not_written() {
    let body = with(r#""Confidence":1,"Note":{"Text":"t","UpdatedBy":"u"},"Workflow":{"Status":"NEW"}"#);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let mut written = Vec::new();
    request.write_json([0], request.update.fields().without(Field::Note), &mut written);
    assert_eq!(String::from_utf8(written).unwrap(), with(r#""Confidence":1,"Workflow":{"Status":"NEW"}"#));
}

#[test]
fn spacing_escapes_and_integers_of_real_clients_are_accepted() {
    let python = format!(
        r#"{{"FindingIdentifiers": [{FINDING}], "Note": {{"Text": "caf\u00e9 \ud83e\udd80", "UpdatedBy": "x"}}, "Severity": {{"Product": 1}}}}"#
    );
    let request = BatchUpdate::parse(python.as_bytes()).unwrap();
    assert_eq!(request.update.note.unwrap().text.as_str(), "café 🦀");
    assert_eq!(request.update.severity.unwrap().product.unwrap().to_string(), "1.0");
}

#[test]
fn each_refusal_names_path_what_came_and_what_was_expected() {
    for (members, path, problem) in [
        (
            r#""Workflow":{"Status":"SUPRESSED"}"#,
            "Workflow.Status",
            r#"got "SUPRESSED", expected one of NEW, NOTIFIED, RESOLVED, SUPPRESSED"#,
        ),
        (r#""Workflow":{"Status":"suppressed"}"#, "Workflow.Status", r#"got "suppressed", expected one of"#),
        (r#""Workflow":{}"#, "Workflow", "member `Status` is missing"),
        (r#""Workflow":{"Status":"NEW","Reason":"x"}"#, "Workflow", "unknown member `Reason`, expected Status"),
        (r#""Workflow":null"#, "Workflow", "invalid type: null, expected an object with Status"),
        (r#""Workflow":["NEW"]"#, "Workflow", "invalid type: sequence, expected an object with Status"),
        (r#""Workflow":"NEW""#, "Workflow", r#"invalid type: string "NEW", expected an object with Status"#),
        (r#""Workflow":{"Status":"NEW","Status":"SUPPRESSED"}"#, "Workflow", "member `Status` came twice"),
        (r#""Workflow":{"Status":"NEW"},"Workflow":{"Status":"SUPPRESSED"}"#, "", "member `Workflow` came twice"),
        (r#""Workflow":{"Status":"NEW"},"Work\u0066low":{"Status":"SUPPRESSED"}"#, "", "member `Workflow` came twice"),
        (r#""RecordState":"ARCHIVED""#, "", "unknown member `RecordState`"),
        (r#""workflow":{"Status":"NEW"}"#, "", "unknown member `workflow` (did you mean `Workflow`?)"),
        (r#""Confidence":101"#, "Confidence", "got 101, expected an integer from 0 to 100"),
        (r#""Confidence":-1"#, "Confidence", "got -1, expected an integer from 0 to 100"),
        (r#""Confidence":1.5"#, "Confidence", "invalid type: floating point `1.5`, expected an integer from 0 to 100"),
        (r#""Confidence":"7""#, "Confidence", r#"invalid type: string "7", expected an integer"#),
        (r#""Confidence":true"#, "Confidence", "invalid type: boolean `true`, expected an integer"),
        (r#""Confidence":99999999999999999999"#, "Confidence", "expected an integer"),
        (r#""Confidence":NaN"#, "Confidence", "expected value"),
        (r#""Criticality":256"#, "Criticality", "got 256, expected"),
        (r#""Severity":{}"#, "Severity", "an empty object, expected at least one of Label, Normalized, Product"),
        (
            r#""Severity":{"Label":"high"}"#,
            "Severity.Label",
            r#"got "high", expected one of INFORMATIONAL, LOW, MEDIUM, HIGH, CRITICAL"#,
        ),
        (r#""Severity":{"Normalized":101}"#, "Severity.Normalized", "got 101"),
        (
            r#""Severity":{"Product":7.00001}"#,
            "Severity.Product",
            "got 7.00001, expected a number of at most four decimal places",
        ),
        (r#""Severity":{"Product":1e400}"#, "Severity.Product", "number out of range"),
        (r#""Severity":{"Product":"7"}"#, "Severity.Product", "expected a number"),
        (r#""Severity":{"Original":"x"}"#, "Severity", "unknown member `Original`"),
        (
            r#""VerificationState":"MAYBE""#,
            "VerificationState",
            r#"got "MAYBE", expected one of UNKNOWN, TRUE_POSITIVE"#,
        ),
        (r#""Note":{"Text":"t"}"#, "Note", "member `UpdatedBy` is missing"),
        (r#""Note":{"UpdatedBy":"t"}"#, "Note", "member `Text` is missing"),
        (r#""Note":{"Text":" \n ","UpdatedBy":"u"}"#, "Note.Text", "expected a text of 1 to 512 characters, not blank"),
        (r#""Note":{"Text":"t","UpdatedBy":" "}"#, "Note.UpdatedBy", "expected a name"),
        (
            r#""Note":{"Text":"t","UpdatedBy":"u","UpdatedAt":"2020"}"#,
            "Note",
            "unknown member `UpdatedAt` (did you mean `UpdatedBy`?)",
        ),
        (r#""Note":{"Text":"\ud800","UpdatedBy":"u"}"#, "Note.Text", "hex escape"),
        (r#""Note":{"Text":"\udc00x","UpdatedBy":"u"}"#, "Note.Text", "surrogate"),
        (r#""Types":[]"#, "Types", "got an empty list, expected a list of 1 to 50 different types"),
        (r#""Types":["a","a"]"#, "Types", r#"type "a" came twice"#),
        (r#""Types":["a/b/c/d"]"#, "Types[0]", "expected a type of one to three parts"),
        (r#""Types":["a//b"]"#, "Types[0]", "expected a type"),
        (r#""Types":["a",null]"#, "Types[1]", "invalid type: null"),
        (r#""UserDefinedFields":{}"#, "UserDefinedFields", "an empty object"),
        (r#""UserDefinedFields":{"a":"1","a":"2"}"#, "UserDefinedFields", "member `a` came twice"),
        (r#""UserDefinedFields":{"a":1}"#, "UserDefinedFields.a", "invalid type: integer `1`, expected a value"),
        (r#""UserDefinedFields":{"bad!":"1"}"#, "UserDefinedFields.bad!", "expected a key"),
        (r#""UserDefinedFields":{"":"1"}"#, "UserDefinedFields.", "expected a key"),
        (
            r#""RelatedFindings":[]"#,
            "RelatedFindings",
            "got an empty list, expected a list of 1 to 10 related findings",
        ),
        (
            r#""RelatedFindings":[{"Id":"x","ProductArn":"not-an-arn-at-all"}]"#,
            "RelatedFindings[0].ProductArn",
            "expected a product ARN",
        ),
        (r#""RelatedFindings":[{"Id":"x"}]"#, "RelatedFindings[0]", "member `ProductArn` is missing"),
    ] {
        let error = refused(with(members).as_bytes());
        let prefix = if path.is_empty() { "body: ".to_owned() } else { format!("{path}: ") };
        assert!(error.starts_with(&prefix), "{members}: {error}");
        assert!(error.contains(problem), "{members}: {error}");
        assert!(error.contains(" line 1 column "), "{members}: {error}");
    }
}

#[test]
fn limits_hold_at_the_edge() {
    let text = |count: usize| "é".repeat(count);
    let note = |count| with(&format!(r#""Note":{{"Text":"{}","UpdatedBy":"u"}}"#, text(count)));
    let by = |name: &str| with(&format!(r#""Note":{{"Text":"t","UpdatedBy":"{name}"}}"#));
    let types = |count| {
        with(&format!(r#""Types":[{}]"#, (0..count).map(|i| format!("\"t{i}\"")).collect::<Vec<_>>().join(",")))
    };
    let kind = |count| with(&format!(r#""Types":["{}"]"#, text(count)));
    let fields = |count| {
        with(&format!(
            r#""UserDefinedFields":{{{}}}"#,
            (0..count).map(|i| format!("\"k{i}\":\"v\"")).collect::<Vec<_>>().join(",")
        ))
    };
    let key = |count| with(&format!(r#""UserDefinedFields":{{"{}":"v"}}"#, "k".repeat(count)));
    let value = |count| with(&format!(r#""UserDefinedFields":{{"k":"{}"}}"#, text(count)));
    let related = |count| with(&format!(r#""RelatedFindings":[{}]"#, vec![FINDING; count].join(",")));
    let many = |count| format!(r#"{{"FindingIdentifiers":[{}],"Confidence":1}}"#, vec![FINDING; count].join(","));
    let id = |count| {
        format!(
            r#"{{"FindingIdentifiers":[{{"Id":"{}","ProductArn":"arn:aws:securityhub"}}],"Confidence":1}}"#,
            text(count)
        )
    };
    let product = |count: usize| {
        format!(r#"{{"FindingIdentifiers":[{{"Id":"i","ProductArn":"{}"}}],"Confidence":1}}"#, "p".repeat(count))
    };
    for (within, beyond) in [
        (note(512), note(513)),
        (by(&"u".repeat(512)), by(&"u".repeat(513))),
        (by(&format!("arn:{}", "u".repeat(2044))), by(&format!("arn:{}", "u".repeat(2045)))),
        (types(50), types(51)),
        (kind(2048), kind(2049)),
        (fields(50), fields(51)),
        (key(128), key(129)),
        (value(1024), value(1025)),
        (related(10), related(11)),
        (many(100), many(101)),
        (id(512), id(513)),
        (id(1), id(0)),
        (product(12), product(11)),
        (product(2048), product(2049)),
    ] {
        assert!(BatchUpdate::parse(within.as_bytes()).is_ok(), "{within}: {:?}", BatchUpdate::parse(within.as_bytes()));
        refused(beyond.as_bytes());
    }
}

#[test]
fn bodies_that_are_no_request_are_refused() {
    let deep = format!("{}{}", r#"{"Note":"#.repeat(5000), "}".repeat(5000));
    let arrays = "[".repeat(100_000);
    let good = with(r#""Confidence":1"#);
    let bom = format!("\u{feff}{good}");
    let trailing = format!("{good} x");
    let twice = format!("{good}{good}");
    let comment = format!("{good} // fine");
    for body in [
        "",
        " ",
        "null",
        "[]",
        "\"x\"",
        "{}",
        "{",
        "true",
        r#"{"FindingIdentifiers":[]}"#,
        r#"{"Confidence":1}"#,
        r#"{"FindingIdentifiers":[],"Confidence":1}"#,
        r#"{"FindingIdentifiers":null,"Confidence":1}"#,
        r#"{"FindingIdentifiers":{},"Confidence":1}"#,
        r#"{"FindingIdentifiers":["f"],"Confidence":1}"#,
        r#"{"FindingIdentifiers":[["f","arn:aws:securityhub"]],"Confidence":1}"#,
        "{'FindingIdentifiers':[]}",
        &format!(r#"{{"FindingIdentifiers":[{FINDING}]}}"#),
        &format!(r#"{{"FindingIdentifiers":[{FINDING},],"Confidence":1}}"#),
        &deep,
        &arrays,
        &bom,
        &trailing,
        &twice,
        &comment,
    ] {
        let error = refused(body.as_bytes());
        assert!(!error.is_empty() && error.len() < 400, "{error}");
    }
    assert!(refused(&[good.as_bytes(), b"\0"].concat()).contains("trailing characters"));
    assert!(
        refused(b"{\"FindingIdentifiers\":[{\"Id\":\"\xff\",\"ProductArn\":\"arn:aws:x:y:z\"}],\"Confidence\":1}")
            .contains("invalid unicode")
    );
    assert!(
        refused(
            b"{\"FindingIdentifiers\":[{\"Id\":\"\xed\xa0\x80\",\"ProductArn\":\"arn:aws:x:y:z\"}],\"Confidence\":1}"
        )
        .contains("invalid unicode")
    );
}

/// Comparing takes time and memory by the product of the lengths: for this name more than a gigabyte for each known one.
#[test]
fn a_name_as_long_as_the_body_is_refused_without_comparing_it() {
    let (done, refusal) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(refused(with(&format!(r#""{}":1"#, "A".repeat(10_000_000))).as_bytes())));
    let error = refusal.recv_timeout(std::time::Duration::from_secs(20)).expect("it is refused soon");
    assert!(error.contains("unknown member `AAAA"), "{error}");
}

#[test]
fn messages_quote_little_of_a_hostile_body() {
    let error = refused(with(&format!(r#""{}":1"#, "A".repeat(100_000))).as_bytes());
    assert!(error.len() < 400, "{} bytes", error.len());
    let error = refused(with(&format!(r#""UserDefinedFields":{{"{}":1}}"#, "A".repeat(100_000))).as_bytes());
    assert!(error.len() < 800, "{} bytes", error.len());
    let error = refused(with(&format!(r#""Workflow":{{"Status":"{}"}}"#, "\\u0000".repeat(10_000))).as_bytes());
    assert!(error.len() < 800, "{} bytes", error.len());
}

/// Pieces that bodies are made of, and broken with.
fn piece() -> impl Strategy<Value = String> {
    const WHOLE: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        " ",
        "\"",
        "\\",
        "\n",
        "\t",
        "\u{1}",
        "é",
        "🦀",
        "null",
        "true",
        "-",
        "0",
        "1.",
        "1e2",
        "1e999",
        "100",
        "\\u00e9",
        "\\ud800",
        "\\ud83e\\udd80",
        "\\\"",
        "\\/",
        "\\x",
        r#""Id":"#,
        r#""Note":"#,
        r#""Confidence":7"#,
        r#""Work\u0066low""#,
        ",,",
        r#"{"Status":"NEW"}"#,
        r#","Severity":{"Product":7.5}"#,
        r#","Severity":{"Product":0.30000000000000004}"#,
        FINDING,
    ];
    prop_oneof![
        4 => proptest::sample::select(WHOLE).prop_map(str::to_owned),
        1 => "\\PC{0,3}",
        1 => ".{0,2}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// What the plain reader reads, serde_json reads the same; and what only serde_json reads has control characters.
    #[test]
    fn the_plain_reader_reads_as_serde_json_does(
        text in prop_oneof!["\\PC{1,9}", ".{1,9}", "[a-z\"\\\\/\n]{1,9}"],
        score in -1000i32..1000,
        spaced in any::<bool>(),
        escaped in any::<bool>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>(), 0usize..3, piece()), 0..3),
    ) {
        let mut body = serde_json::json!({
            "FindingIdentifiers": [{"Id": text, "ProductArn": "arn:aws:securityhub"}, {"Id": "g", "ProductArn": text.repeat(12)}],
            "Confidence": score.unsigned_abs() % 101,
            "Note": {"Text": text, "UpdatedBy": text},
            "Severity": {"Label": "LOW", "Product": f64::from(score) / 8.0},
            "Types": ["A/B", text],
            "UserDefinedFields": {"a": text, "b": ""},
            "Workflow": {"Status": "NEW"},
        }).to_string();
        if spaced {
            body = body.replace(':', ": ").replace(',', " ,");
        }
        if escaped {
            body = body.replace('a', "\\u0061");
        }
        for (at, beside_bracket, removed, piece) in changes {
            // Most of a body is inside of strings, and most of what can go wrong is beside brackets.
            let bracket = |at: usize| body.as_bytes().get(at).is_some_and(|byte| b"{}[]".contains(byte));
            let places: Vec<usize> = (0..=body.len())
                .filter(|at| body.is_char_boundary(*at) && (!beside_bracket || bracket(*at) || bracket(at.wrapping_sub(1))))
                .collect();
            let Some(start) = (!places.is_empty()).then(|| places[at.index(places.len())]) else { break };
            let end = body[start..].char_indices().nth(removed).map_or(body.len(), |(at, _)| start + at);
            body.replace_range(start..end, &piece);
        }
        let (plain, json) = (BatchUpdate::parse_plain(&body), body::parse(body.as_bytes(), BatchUpdateReader).ok());
        if body.bytes().any(|byte| byte < b' ') {
            prop_assert_eq!(plain, None);
        } else {
            prop_assert_eq!(plain, json, "{}", body);
        }
    }
}

#[test]
fn most_requests_are_plain() {
    let plain = |body: &str| BatchUpdate::parse_plain(body).is_some();
    let members = r#""Confidence":42,"Note":{"Text":"caf\u00e9 \"x\"\n","UpdatedBy":"é"},"Severity":{"Product":-7.5e1},"Types":["A/B"]"#;
    assert!(plain(&with(members)));
    assert!(plain(&with(members).replace(',', ", ").replace(':', " : ").replace('[', " [ ").replace('}', " } ")));
    for unlike in ["\n", "\t", "{", "x", "\"", "\u{1f980}"] {
        assert!(!plain(&(with(members) + unlike)), "{unlike}");
    }
    for (from, to) in [
        ("{", "[{"),
        ("}]", "},]"),
        ("}]", "}}]"),
        ("],", "]"),
        ("],", "],,"),
        ("42", "042"),
        ("42", "4 2"),
        ("42", "\"42"),
    ] {
        assert!(!plain(&with(members).replacen(from, to, 1)), "{from} {to}");
    }
}

proptest! {
    /// What is forwarded is made from what was parsed: it parses again to the same.
    #[test]
    fn forwarding_changes_nothing(text in "\\PC{1,40}", key in "[a-z@:]{1,9}", value in ".{0,40}", score in -1000i32..1000, status in 0usize..4) {
        prop_assume!(!text.trim().is_empty());
        let status = WorkflowStatus::ALL[status];
        let body = serde_json::json!({
            "FindingIdentifiers": [{"Id": text, "ProductArn": "arn:aws:securityhub"}],
            "Note": {"Text": text, "UpdatedBy": text},
            "UserDefinedFields": {key: value},
            "Severity": {"Product": f64::from(score) / 8.0},
            "Workflow": {"Status": status.as_str()},
        }).to_string();
        let first = BatchUpdate::parse(body.as_bytes()).unwrap();
        let mut written = Vec::new();
        first.write_json([0], first.update.fields(), &mut written);
        prop_assert_eq!(&BatchUpdate::parse(&written).unwrap(), &first);
    }

    /// No bytes make the parser panic, and what it accepts is a fixed point.
    #[test]
    fn any_bytes_are_accepted_or_refused(mut body in Just(with(r#""Confidence":1,"Note":{"Text":"t","UpdatedBy":"u"}"#).into_bytes()), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        for (at, byte) in edits {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Ok(request) = BatchUpdate::parse(&body) {
            let mut written = Vec::new();
            request.write_json(0..request.identifiers.len(), request.update.fields(), &mut written);
            let again = BatchUpdate::parse(&written).unwrap();
            prop_assert_eq!(again, request);
        }
    }
}
