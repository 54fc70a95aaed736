//! GetFindings: filters, order, pages.

use super::support::{ADMIN, MEMBER, OTHER, World, at, finding, ids};
use findings_gate::finding::Operation;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Three findings that differ in everything that is filtered by.
fn world() -> World {
    let merged = |id: &str, more: Value| {
        let mut finding = finding(MEMBER, id);
        finding.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        finding
    };
    World::with(&[
        merged(
            "a",
            json!({
                "Title": "Alpha", "UpdatedAt": "2024-05-09T12:00:00Z", "CreatedAt": "2024-05-01T00:00:00Z",
                "GeneratorId": "rule-a", "Severity": {"Normalized": 90}, "Confidence": 10, "Types": ["TTPs/Discovery"],
                "Compliance": {"Status": "FAILED", "SecurityControlId": "S3.8"},
                "Resources": [
                    {"Type": "AwsIamPolicy", "Id": "p-1", "Region": "eu-west-1", "Tags": {"team": "red", "env": "prod"}},
                    {"Type": "AwsIamRole", "Id": "r-1"},
                ],
                "Network": {"SourceIpV4": "10.1.2.3", "SourceIpV6": "2001:db8::1", "SourcePort": 22},
            }),
        ),
        merged(
            "b",
            json!({
                "Title": "Beta", "UpdatedAt": "2024-05-09T12:30:00+01:00", "CreatedAt": "2024-05-02T00:00:00Z",
                "GeneratorId": "rule-b", "Severity": {"Label": "MEDIUM"}, "Confidence": 50.0, "Types": ["TTPs", "Effects"],
                "RecordState": "ARCHIVED", "Workflow": {"Status": "NOTIFIED"}, "Sample": true,
                "Resources": [
                    {"Type": "AwsIamRole", "Id": "r-2", "Tags": {"team": "blue"}},
                    {"Type": "AwsEc2Instance", "Id": "i-1",
                     "Details": {"AwsEc2Instance": {"IpV4Addresses": ["10.9.0.1", "192.168.0.7"]}}},
                ],
                "UserDefinedFields": {"ticket": "OPS-1"},
            }),
        ),
        merged(
            "c",
            json!({
                "Title": "Alphabet", "UpdatedAt": "2024-04-01T00:00:00Z", "CreatedAt": "2024-04-01T00:00:00Z",
                "GeneratorId": "rule-c", "Severity": {"Label": "LOW"}, "LastObservedAt": "2024-04-01T00:00:00Z",
                "Note": {"Text": "n", "UpdatedBy": "me", "UpdatedAt": "2024-04-02T00:00:00Z"},
                "Resources": [{"Type": "Other", "Id": "o-1", "Details": {"Other": {"branch": "main"}}}],
            }),
        ),
    ])
}

#[test]
fn filters_find_what_they_say() {
    let world = world();
    let is = |value: &str| json!({"Value": value, "Comparison": "EQUALS"});
    let not = |value: &str| json!({"Value": value, "Comparison": "NOT_EQUALS"});
    let starts = |value: &str| json!({"Value": value, "Comparison": "PREFIX"});
    let starts_not = |value: &str| json!({"Value": value, "Comparison": "PREFIX_NOT_EQUALS"});
    let pair = |key: &str, value: &str, comparison: &str| json!({"Key": key, "Value": value, "Comparison": comparison});
    let days = |value: u32| json!({"DateRange": {"Value": value, "Unit": "DAYS"}});
    let older = |value: u32| json!({"DateRange": {"Value": value, "Unit": "DAYS", "Comparison": "OLDER_THAN"}});
    let between = |start: &str, end: &str| json!({"Start": start, "End": end});
    for (filters, found) in [
        (json!({}), "abc"),
        (json!({"Id": [is("a"), is("c")]}), "ac"),
        (json!({"Id": [is("A")]}), ""),
        (json!({"Title": [starts("Alpha")]}), "ac"),
        (json!({"Title": [starts("alpha")]}), ""),
        (json!({"Title": [starts("Alphabe"), is("Beta")]}), "bc"),
        (json!({"Title": [not("Alpha"), not("Beta")]}), "c"),
        (json!({"Title": [starts_not("Alp")]}), "b"),
        (json!({"Title": [starts("Al"), not("Alpha")]}), "c"),
        (json!({"Title": [starts("Al"), starts_not("Alphab")]}), "a"),
        (json!({"Title": [starts("Al")], "RecordState": [is("ACTIVE")], "GeneratorId": [is("rule-c")]}), "c"),
        (json!({"SeverityLabel": [is("CRITICAL"), is("MEDIUM")]}), "ab"),
        (json!({"SeverityNormalized": [{"Gte": 40}]}), "ab"),
        (json!({"WorkflowStatus": [is("NEW")]}), "ac"),
        (json!({"RecordState": [is("ARCHIVED")]}), "b"),
        (json!({"ComplianceStatus": [is("FAILED")]}), "a"),
        (json!({"ComplianceStatus": [not("FAILED")]}), "bc"),
        (json!({"ComplianceSecurityControlId": [is("S3.8")]}), "a"),
        (json!({"ProductName": [is("Default")], "AwsAccountId": [is(MEMBER)], "Region": [is("eu-west-1")]}), "abc"),
        (json!({"AwsAccountName": [is("payments")]}), "abc"),
        (json!({"Type": [starts("TTPs/")]}), "a"),
        (json!({"Type": [is("TTPs")]}), "bc"),
        (json!({"Type": [not("TTPs")]}), "a"),
        (json!({"ResourceType": [starts("AwsIam"), starts("AwsEc2")]}), "ab"),
        (json!({"ResourceType": [starts("AwsIam"), starts("AwsEc2"), not("AwsIamPolicy")]}), "b"),
        (json!({"ResourceId": [is("r-2"), is("o-1")]}), "bc"),
        (json!({"ResourceRegion": [starts("eu")]}), "a"),
        (json!({"ResourceTags": [pair("team", "red", "EQUALS"), pair("team", "blue", "EQUALS")]}), "ab"),
        (json!({"ResourceTags": [pair("env", "red", "EQUALS")]}), ""),
        (json!({"ResourceTags": [pair("team", "red", "NOT_EQUALS")]}), "bc"),
        (json!({"ResourceDetailsOther": [pair("branch", "main", "EQUALS")]}), "c"),
        (json!({"UserDefinedFields": [pair("ticket", "OPS-1", "EQUALS")]}), "b"),
        (json!({"NetworkSourceIpV4": [{"Cidr": "10.1.0.0/16"}]}), "a"),
        (json!({"NetworkSourceIpV4": [{"Cidr": "10.1.2.3"}]}), "a"),
        (json!({"NetworkSourceIpV4": [{"Cidr": "10.1.2.4"}]}), ""),
        (json!({"NetworkSourceIpV6": [{"Cidr": "2001:db8::/32"}]}), "a"),
        (json!({"ResourceAwsEc2InstanceIpV4Addresses": [{"Cidr": "192.168.0.0/24"}, {"Cidr": "10.1.0.0/16"}]}), "b"),
        (json!({"NetworkSourcePort": [{"Eq": 22}]}), "a"),
        (json!({"Confidence": [{"Eq": 50}]}), "b"),
        (json!({"Confidence": [{"Gte": 10, "Lt": 50}]}), "a"),
        (json!({"Confidence": [{"Gt": 10, "Lte": 50}]}), "b"),
        (json!({"Confidence": [{"Eq": 10}, {"Gt": 49.5}]}), "ab"),
        (json!({"Sample": [{"Value": true}]}), "b"),
        (json!({"Sample": [{"Value": false}]}), "ac"),
        (json!({"UpdatedAt": [between("2024-05-09T11:30:00Z", "2024-05-09T11:30:00Z")]}), "b"),
        (json!({"UpdatedAt": [between("2024-05-09T13:30:00+02:00", "2024-05-09T14:00:00+0200")]}), "ab"),
        (json!({"UpdatedAt": [days(1)]}), "ab"),
        (json!({"UpdatedAt": [older(1)]}), "c"),
        (json!({"UpdatedAt": [days(4_000_000_000)]}), "abc"),
        (json!({"CreatedAt": [days(8)]}), "b"),
        (json!({"LastObservedAt": [older(1)]}), "c"),
        (json!({"LastObservedAt": [days(365)]}), "c"),
        (json!({"NoteUpdatedAt": [between("2024-04-02T00:00:00Z", "2024-04-02T00:00:00Z")]}), "c"),
        (json!({"NoteText": [is("n")]}), "c"),
        (json!({"Title": [is("x' OR 1=1 --"), is("$"), starts("%")]}), ""),
    ] {
        assert_eq!(world.ids(MEMBER, &filters).concat(), found, "{filters}");
        assert_eq!(world.ids(ADMIN, &filters).concat(), found, "{filters}, by the administrator");
        assert_eq!(world.ids(OTHER, &filters), [""; 0], "{filters}, by a stranger to them");
    }
}

#[test]
fn filters_follow_updates() {
    let world = world();
    world.update(MEMBER, "a", json!({"Types": ["Effects"], "UserDefinedFields": {"ticket": "OPS-2"}}));
    world.update(MEMBER, "a", json!({"Workflow": {"Status": "RESOLVED"}, "Severity": {"Normalized": 3}}));
    let is = |value: &str| json!([{"Value": value, "Comparison": "EQUALS"}]);
    let pair = json!([{"Key": "ticket", "Value": "OPS-2", "Comparison": "EQUALS"}]);
    for (filters, found) in [
        (json!({"Type": is("TTPs/Discovery")}), ""),
        (json!({"FindingProviderFieldsTypes": is("TTPs/Discovery")}), "a"),
        (json!({"Type": is("Effects")}), "ab"),
        (json!({"UserDefinedFields": pair}), "a"),
        (json!({"WorkflowStatus": is("RESOLVED")}), "a"),
        (json!({"SeverityLabel": is("LOW")}), "ac"),
        (json!({"FindingProviderFieldsSeverityLabel": is("CRITICAL")}), "a"),
    ] {
        assert_eq!(world.ids(MEMBER, &filters).concat(), found, "{filters}");
    }
}

#[test]
fn findings_are_sorted_as_asked() {
    let world = world();
    let by = |fields: &[(&str, &str)]| {
        let criteria: Vec<_> =
            fields.iter().map(|(field, order)| json!({"Field": field, "SortOrder": order})).collect();
        let mut body = json!({"SortCriteria": criteria, "MaxResults": 1});
        let mut found = String::new();
        loop {
            let page = world.get(MEMBER, &body);
            found += &ids(&page).concat();
            match page.get("NextToken") {
                Some(token) => body["NextToken"] = token.clone(),
                None => return found,
            }
        }
    };
    assert_eq!(by(&[]), "abc");
    assert_eq!(by(&[("UpdatedAt", "asc")]), "cba");
    assert_eq!(by(&[("UpdatedAt", "desc")]), "abc");
    assert_eq!(by(&[("Title", "desc")]), "bca");
    assert_eq!(by(&[("Confidence", "asc")]), "cab");
    assert_eq!(by(&[("Confidence", "desc")]), "bac");
    assert_eq!(by(&[("RecordState", "desc"), ("Title", "desc")]), "bca");
    assert_eq!(by(&[("RecordState", "asc"), ("SeverityNormalized", "asc")]), "cab");
    assert_eq!(by(&[("LastObservedAt", "asc"), ("Sample", "desc")]), "bac");
    assert_eq!(ids(&world.get(MEMBER, &json!({"SortCriteria": [{"Field": "UpdatedAt"}]}))).concat(), "cba");
}

#[test]
fn bodies_that_are_no_question_are_refused() {
    let world = world();
    for (body, says) in [
        (json!({"MaxResults": 0}), "`MaxResults`: expected 1 to 100, got 0"),
        (json!({"MaxResults": 101}), "`MaxResults`: expected 1 to 100, got 101"),
        (json!({"MaxResults": -1}), "`MaxResults`"),
        (json!({"MaxResults": "1"}), "`MaxResults`"),
        (json!({"Filter": {}}), "Filter"),
        (json!({"Filters": []}), "`Filters`"),
        (json!({"Filters": {"Keyword": [{"Value": "x"}]}}), "`Filters.Keyword`"),
        (json!({"NextToken": "x"}), "`NextToken`: not a token"),
        (
            json!({"SortCriteria": [{"Field": "ResourceType"}]}),
            "cannot sort by `ResourceType`; expected one of ProductArn",
        ),
        (json!({"SortCriteria": [{"Field": "Nonsense"}]}), "cannot sort by `Nonsense`"),
        (json!({"SortCriteria": [{"Field": "Title", "SortOrder": "up"}]}), "SortCriteria[0].SortOrder"),
        (json!({"SortCriteria": vec![json!({"Field": "Title"}); 11]}), "at most 10 fields"),
    ] {
        let error = world.get_error(MEMBER, &body);
        assert_eq!((error.status, error.code), (400, "InvalidInputException"));
        assert!(error.message.contains(says), "{body}: {error}");
    }
    let empty = world.backend.call(Operation::GetFindings, MEMBER.parse().unwrap(), b"", at(0)).unwrap();
    assert_eq!(ids(&serde_json::from_slice(&empty).unwrap()).concat(), "abc", "no body is the empty question");
    assert_eq!(ids(&world.get(MEMBER, &json!({"NextToken": null, "Filters": null}))).concat(), "abc");
}

#[test]
fn a_token_stands_for_its_question_and_for_no_other() {
    let world = world();
    let filters = json!({"UpdatedAt": [{"DateRange": {"Value": 1, "Unit": "DAYS"}}]});
    let sort = json!([{"Field": "Title", "SortOrder": "desc"}]);
    let first = json!({"Filters": filters, "SortCriteria": sort, "MaxResults": 1});
    let page = world.get(MEMBER, &first);
    assert_eq!(ids(&page).concat(), "b");
    let token = &page["NextToken"];
    let mut whole = first.clone();
    whole["NextToken"] = token.clone();
    for body in [json!({"NextToken": token}), whole.clone(), json!({"NextToken": token, "SortCriteria": sort})] {
        let rest = world.get(MEMBER, &body);
        assert_eq!((ids(&rest).concat().as_str(), rest.get("NextToken")), ("a", None), "{body}");
    }
    for (member, value) in [
        ("Filters", json!({})),
        ("SortCriteria", json!([])),
        ("SortCriteria", json!([{"Field": "Title", "SortOrder": "asc"}])),
        ("MaxResults", json!(2)),
    ] {
        let mut other = whole.clone();
        other[member] = value;
        let error = world.get_error(MEMBER, &other);
        assert!(error.message.contains("differ from those of the call that gave this token"), "{error}");
    }
    for account in [OTHER, ADMIN] {
        let error = world.get_error(account, &json!({"NextToken": token}));
        assert!(error.message.contains("not a token of this account"), "{error}");
    }
    // A day later the relative date still means what it meant on the first page.
    let body = json!({"NextToken": token}).to_string();
    let rest =
        world.backend.call(Operation::GetFindings, MEMBER.parse().unwrap(), body.as_bytes(), at(86_400)).unwrap();
    assert_eq!(ids(&serde_json::from_slice(&rest).unwrap()).concat(), "a");
}

#[test]
fn a_page_is_bounded_in_bytes_too() {
    let large: Vec<_> = (0..40)
        .map(|n| {
            let mut finding = finding(MEMBER, &format!("f{n:02}"));
            finding["Unknown"] = json!("x".repeat(200 << 10));
            finding
        })
        .collect();
    let world = World::new();
    for some in large.chunks(20) {
        world.import(MEMBER, some);
    }
    let first = world.get(MEMBER, &json!({}));
    let second = world.get(MEMBER, &json!({"NextToken": first["NextToken"]}));
    assert!(first.to_string().len() < 7 << 20);
    let mut found = ids(&first);
    found.extend(ids(&second));
    assert_eq!(found, (0..40).map(|n| format!("f{n:02}")).collect::<Vec<_>>());
}

#[test]
fn emptying_a_queue_page_by_page_misses_nothing() {
    let world = World::with(&(0..25).map(|n| finding(MEMBER, &format!("f{n:02}"))).collect::<Vec<_>>());
    let mut body = json!({"Filters": {"WorkflowStatus": [{"Value": "NEW", "Comparison": "EQUALS"}]}, "MaxResults": 4});
    let mut found = Vec::new();
    loop {
        let page = world.get(MEMBER, &body);
        for id in ids(&page) {
            world.update(MEMBER, &id, json!({"Workflow": {"Status": "NOTIFIED"}}));
            found.push(id);
        }
        match page.get("NextToken") {
            Some(token) => body = json!({"NextToken": token}),
            None => break,
        }
    }
    assert_eq!(found, (0..25).map(|n| format!("f{n:02}")).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever the order, the size of the page and what is imported meanwhile, each finding comes exactly once.
    #[test]
    fn paging_gives_each_finding_exactly_once(
        confidences in prop::collection::vec(prop::option::of(0..4), 1..30),
        page_size in 1usize..12,
        criteria in prop::sample::subsequence(vec!["Confidence", "Title", "SeverityNormalized", "UpdatedAt"], 0..4),
        descending: [bool; 4],
    ) {
        let made = |n: usize, confidence: &Option<i32>| {
            let mut finding = finding(MEMBER, &format!("f{n}"));
            finding["Title"] = json!(["x", "y"][n % 2]);
            finding["Severity"] = json!({"Normalized": n % 5 * 20});
            if let Some(confidence) = confidence {
                finding["Confidence"] = json!(confidence);
            }
            finding
        };
        let world = World::with(&confidences.iter().enumerate().map(|(n, c)| made(n, c)).collect::<Vec<_>>());
        let order = |n: usize| if descending[n] { "desc" } else { "asc" };
        let criteria: Vec<_> =
            criteria.iter().enumerate().map(|(n, field)| json!({"Field": field, "SortOrder": order(n)})).collect();
        let mut body = json!({"SortCriteria": criteria, "MaxResults": page_size});
        let mut found = Vec::new();
        for page in 0.. {
            let answer = world.get(MEMBER, &body);
            prop_assert!(ids(&answer).len() <= page_size);
            found.extend(ids(&answer));
            match answer.get("NextToken") {
                Some(token) => body = json!({"NextToken": token}),
                None => break,
            }
            if page < 5 {
                world.import(MEMBER, &[finding(MEMBER, &format!("late{page}"))]);
            }
        }
        let mut early: Vec<_> = found.iter().filter(|id| id.starts_with('f')).cloned().collect();
        early.sort();
        let mut expected: Vec<_> = (0..confidences.len()).map(|n| format!("f{n}")).collect();
        expected.sort();
        prop_assert_eq!(early, expected);
        let mut once = found.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), found.len());
    }

    /// Importing the same again changes nothing, and the order of two imports does not matter.
    #[test]
    fn imports_are_idempotent_and_the_newest_wins(order in Just((0..5usize).collect::<Vec<_>>()).prop_shuffle()) {
        let version = |n: usize| {
            let mut finding = finding(MEMBER, "f");
            finding["UpdatedAt"] = json!(format!("2024-05-0{}T00:00:00Z", n + 1));
            finding["Title"] = json!(format!("version {n}"));
            finding["Confidence"] = json!(n);
            finding
        };
        let world = World::new();
        for n in order {
            world.import(MEMBER, &[version(n)]);
            let before = world.finding(MEMBER, "f");
            let answer = world.import(MEMBER, &[version(n), version(n)]);
            prop_assert_eq!(&answer["SuccessCount"], &json!(2));
            prop_assert_eq!(world.finding(MEMBER, "f"), before);
        }
        prop_assert_eq!(&world.finding(MEMBER, "f")["Title"], &json!("version 4"));
    }
}
