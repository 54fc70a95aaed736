//! GetFindingsV2 requests as they come, and what a member's become.

use super::*;
use proptest::{prelude::*, sample};

const OWN: &str = "222222222222";

fn own() -> AccountId {
    OWN.parse().unwrap()
}

fn parse(body: &Value) -> Query<OcsfFilters> {
    Query::parse(body.to_string().as_bytes()).unwrap()
}

fn written(query: &Query<OcsfFilters>) -> Value {
    serde_json::from_slice(&query.to_json(None)).unwrap()
}

fn text(field: &str, comparison: &str, value: &str) -> Value {
    json!({"FieldName": field, "Filter": {"Value": value, "Comparison": comparison}})
}

fn severity(value: &str) -> Value {
    json!({"StringFilters": [text("severity", "EQUALS", value)]})
}

/// What asks for the account and nothing else.
fn only() -> Value {
    json!({"StringFilters": [text(OWNER, "EQUALS", OWN)], "Operator": "AND"})
}

fn with(mut filter: Value, member: &str, value: Value) -> Value {
    filter[member] = value;
    filter
}

#[test]
fn a_query_is_written_as_it_was_meant() {
    for body in [
        json!({}),
        json!({"Filters": {}}),
        json!({"Filters": {"CompositeOperator": "OR"}, "SortCriteria": [{"Field": "x"}], "MaxResults": 3}),
        json!({"Scopes": {"AwsOrganizations": [{"OrganizationId": "o-1"}]}}),
        json!({"Filters": {"CompositeOperator": "AND", "CompositeFilters": [
            {
                "StringFilters": [text("finding_info.title", "CONTAINS_WORD", "\u{e9}")],
                "DateFilters": [{"FieldName": "finding_info.created_time_dt", "Filter": {"DateRange": {"Unit": "DAYS", "Value": 1}}}],
                "BooleanFilters": [{"FieldName": "vulnerabilities.is_exploit_available", "Filter": {"Value": true}}],
                "NumberFilters": [{"FieldName": "activity_id", "Filter": {"Gte": 1.5}}],
                "MapFilters": [{"FieldName": "resources.tags", "Filter": {"Key": "k", "Value": "v", "Comparison": "EQUALS"}}],
                "IpFilters": [{"FieldName": "evidences.src_endpoint.ip", "Filter": {"Cidr": "10.0.0.0/8"}}],
                "NestedCompositeFilters": [severity("High"), with(severity("Low"), "Operator", "OR".into())],
                "Operator": "AND",
            },
        ]}}),
    ] {
        assert_eq!(written(&parse(&body)), body);
    }
}

#[test]
fn what_is_no_query_is_refused_with_its_path() {
    let composite = |filter: Value| json!({"Filters": {"CompositeFilters": [filter]}}).to_string();
    let deep = composite(
        json!({"NestedCompositeFilters": [with(severity("x"), "NestedCompositeFilters", json!([severity("y")]))]}),
    );
    for (body, told) in [
        (r#"{"Filter":{}}"#.to_owned(), "unknown member `Filter`"),
        (r#"{"Filters":{"AwsAccountId":[]}}"#.to_owned(), "Filters: unknown member `AwsAccountId`"),
        (
            r#"{"Filters":{"CompositeOperator":"XOR"}}"#.to_owned(),
            "Filters.CompositeOperator: got \"XOR\", expected one of AND, OR",
        ),
        (r#"{"Filters":{"CompositeOperator":"OR","CompositeOperator":"AND"}}"#.to_owned(), "came twice"),
        (r#"{"Scopes":[]}"#.to_owned(), "Scopes: invalid type: sequence"),
        (json!({"Filters": {"CompositeFilters": vec![severity("x"); 11]}}).to_string(), "more than 10 elements"),
        (composite(json!({})), "Filters.CompositeFilters[0]: a composite filter without filters"),
        (composite(json!({"Operator": "AND"})), "without filters"),
        (composite(json!({"StringFilters": []})), "CompositeFilters[0].StringFilters: got an empty list"),
        (composite(json!({"StringFilters": vec![text("a", "EQUALS", "b"); 21]})), "more than 20 elements"),
        (composite(json!({"StringFilters": [{"FieldName": "x"}]})), "StringFilters[0]: member `Filter` is missing"),
        (composite(json!({"StringFilters": [{"Filter": {}}]})), "StringFilters[0]: member `FieldName` is missing"),
        (composite(json!({"StringFilters": ["x"]})), "StringFilters[0]: invalid type: string"),
        (composite(with(severity("x"), "Operator", "and".into())), "CompositeFilters[0].Operator: got \"and\""),
        (
            composite(json!({"StringFilters": [{"FieldName": "x", "Filter": {}}]}))
                .replace("{}", r#"{"Value":1,"Value":2}"#),
            "StringFilters[0].Filter: member `Value` came twice",
        ),
        (deep, "NestedCompositeFilters[0]: unknown member `NestedCompositeFilters`"),
    ] {
        let error = Query::<OcsfFilters>::parse(body.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(told), "{body}: {error}");
    }
}

#[test]
fn each_composite_filter_asks_for_the_account_too() {
    let narrowed = |filters: Value| {
        let narrowed = parse(&json!({"Filters": filters})).narrowed(own()).unwrap().unwrap();
        written(&narrowed)["Filters"].clone()
    };
    for nothing in [json!({}), json!({"CompositeFilters": []})] {
        assert_eq!(narrowed(nothing), json!({"CompositeFilters": [only()]}));
    }
    let nothing_said = parse(&json!({})).narrowed(own()).unwrap().unwrap();
    assert_eq!(written(&nothing_said), json!({"Filters": {"CompositeFilters": [only()]}}));
    // Whatever is asked is asked within the account, whether by OR or by AND.
    let high_or_foreign = json!({
        "StringFilters": [text("severity", "EQUALS", "High"), text(OWNER, "EQUALS", "333333333333")], "Operator": "OR",
    });
    let with_nested = json!({"NestedCompositeFilters": [severity("High"), severity("Low")], "Operator": "AND"});
    for operator in ["OR", "AND"] {
        let asked =
            json!({"CompositeFilters": [high_or_foreign, severity("Low"), with_nested], "CompositeOperator": operator});
        let expected = json!({
            "CompositeFilters": [
                with(only(), "NestedCompositeFilters", json!([high_or_foreign])),
                with(only(), "NestedCompositeFilters", json!([severity("Low")])),
                {"NestedCompositeFilters": [severity("High"), severity("Low"), only()], "Operator": "AND"},
            ],
            "CompositeOperator": operator,
        });
        assert_eq!(narrowed(asked), expected);
    }
}

#[test]
fn what_would_nest_too_deep_is_refused_with_a_way_out() {
    for operator in [json!("OR"), Value::Null] {
        let mut filter = json!({"NestedCompositeFilters": [severity("High"), severity("Low")]});
        if !operator.is_null() {
            filter["Operator"] = operator;
        }
        let query = parse(&json!({"Filters": {"CompositeFilters": [severity("x"), filter]}}));
        let error = query.narrowed(own()).unwrap_err();
        assert_eq!(error.path, "Filters.CompositeFilters[1].Operator");
        assert!(error.problem.contains("entries of their own in CompositeFilters"), "{error}");
    }
}

#[test]
fn the_account_takes_one_of_ten_nested_filters() {
    let narrowed = |count: usize| {
        let filter = json!({"NestedCompositeFilters": vec![severity("x"); count], "Operator": "AND"});
        parse(&json!({"Filters": {"CompositeFilters": [filter]}})).narrowed(own())
    };
    let nine = written(&narrowed(9).unwrap().unwrap());
    assert_eq!(written(&parse(&nine)), nine);
    let error = narrowed(10).unwrap_err();
    assert_eq!(error.path, "Filters.CompositeFilters[0].NestedCompositeFilters");
    assert!(error.problem.contains("at most 9"), "{error}");
}

// ---- properties ----

/// How filters are understood where the API model leaves room.
#[derive(Debug, Clone, Copy)]
struct Reading {
    /// What joins conditions where no operator is given.
    default_is_and: bool,
    /// Whether positive filters of one list on one attribute are alternatives, as in GetFindings.
    alternatives: bool,
}

/// A finding, as (account, severity).
type Finding<'a> = (&'a str, &'a str);

fn join(results: &[bool], operator: &Value, reading: Reading) -> bool {
    let and = operator.as_str().map_or(reading.default_is_and, |operator| operator == "AND");
    if and { results.iter().all(|result| *result) } else { results.iter().any(|result| *result) }
}

fn meets(filter: &Value, (account, severity): Finding<'_>) -> bool {
    let value = if filter["FieldName"] == OWNER { account } else { severity };
    let wanted = filter["Filter"]["Value"].as_str().unwrap();
    match filter["Filter"]["Comparison"].as_str().unwrap() {
        "EQUALS" => value == wanted,
        "NOT_EQUALS" => value != wanted,
        "PREFIX" => value.starts_with(wanted),
        other => panic!("{other}"),
    }
}

fn composite_matches(filter: &Value, finding: Finding<'_>, reading: Reading) -> bool {
    let mut results = Vec::new();
    if let Some(filters) = filter["StringFilters"].as_array() {
        let is_positive = |filter: &Value| filter["Filter"]["Comparison"] != "NOT_EQUALS";
        for field in [OWNER, "severity"] {
            let of_field: Vec<_> = filters.iter().filter(|filter| filter["FieldName"] == field).collect();
            let (positive, negative): (Vec<_>, Vec<_>) = of_field.into_iter().partition(|filter| is_positive(filter));
            if reading.alternatives && !positive.is_empty() {
                results.push(positive.into_iter().any(|filter| meets(filter, finding)));
            } else {
                results.extend(positive.into_iter().map(|filter| meets(filter, finding)));
            }
            results.extend(negative.into_iter().map(|filter| meets(filter, finding)));
        }
    }
    if let Some(nested) = filter["NestedCompositeFilters"].as_array() {
        results.extend(nested.iter().map(|filter| composite_matches(filter, finding, reading)));
    }
    join(&results, &filter["Operator"], reading)
}

fn matches(query: &Value, finding: Finding<'_>, reading: Reading) -> bool {
    let Some(filters) = query["Filters"]["CompositeFilters"].as_array() else { return true };
    let results: Vec<_> = filters.iter().map(|filter| composite_matches(filter, finding, reading)).collect();
    join(&results, &query["Filters"]["CompositeOperator"], reading)
}

fn operator() -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(sample::select(vec!["AND", "OR"]))
}

fn composite_filter(nested: Vec<Value>) -> impl Strategy<Value = Value> {
    let account = sample::select(vec![OWN, "333333333333", "2222"]);
    let comparison = sample::select(vec!["EQUALS", "NOT_EQUALS", "PREFIX"]);
    let by_account = (comparison.clone(), account).prop_map(|(comparison, value)| text(OWNER, comparison, value));
    let by_severity = (comparison, sample::select(vec!["High", "Low"]))
        .prop_map(|(comparison, value)| text("severity", comparison, value));
    let filters = prop::collection::vec(prop_oneof![by_account, by_severity], 1..4);
    (prop::option::of(filters), operator()).prop_filter_map("at least one condition", move |(filters, operator)| {
        let mut filter = json!({});
        if let Some(filters) = filters {
            filter["StringFilters"] = filters.into();
        }
        if !nested.is_empty() {
            filter["NestedCompositeFilters"] = nested.clone().into();
        }
        let is_empty = filter.as_object()?.is_empty();
        if let Some(operator) = operator {
            filter["Operator"] = operator.into();
        }
        (!is_empty).then_some(filter)
    })
}

fn query() -> impl Strategy<Value = Value> {
    let layered = prop::collection::vec(composite_filter(Vec::new()), 0..3).prop_flat_map(composite_filter);
    (prop::option::of(prop::collection::vec(layered, 1..4)), operator()).prop_map(|(filters, operator)| {
        let mut query = json!({"Filters": {}});
        if let Some(filters) = filters {
            query["Filters"]["CompositeFilters"] = filters.into();
        }
        if let Some(operator) = operator {
            query["Filters"]["CompositeOperator"] = operator.into();
        }
        query
    })
}

proptest! {
    /// Never widened, however the API reads what its model leaves open; and nothing that was asked for is lost.
    #[test]
    fn a_narrowed_query_matches_the_caller_s_findings_that_were_asked_for(asked in query()) {
        let Ok(narrowed) = parse(&asked).narrowed(own()) else { return Ok(()) }; // it would nest too deep
        let narrowed = written(&narrowed.unwrap());
        for (default_is_and, alternatives) in [(true, true), (true, false), (false, true), (false, false)] {
            let reading = Reading { default_is_and, alternatives };
            for severity in ["High", "Low", "Other"] {
                let (mine, foreign) = ((OWN, severity), ("333333333333", severity));
                prop_assert!(!matches(&narrowed, foreign, reading), "{narrowed}, {reading:?}");
                prop_assert!(!matches(&narrowed, ("222222222223", severity), reading), "{narrowed}, {reading:?}");
                prop_assert_eq!(matches(&narrowed, mine, reading), matches(&asked, mine, reading), "{}, {:?}", narrowed, reading);
            }
        }
        // It is a query of the API still, of three layers, and reads the same again.
        let again = parse(&narrowed);
        prop_assert_eq!(written(&again), narrowed.clone());
        // A page token carries it, and it must stay the same query from page to page.
        prop_assert_eq!(written(&again.narrowed(own()).unwrap().unwrap()), narrowed);
    }
}
