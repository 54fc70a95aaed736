//! GetFindings requests as they come, and what a member's become.

use super::*;

type FindingsQuery = Query<AsffFilters>;
use proptest::{prelude::*, sample};
use serde_json::json;

const OWN: &str = "222222222222";

fn own() -> AccountId {
    OWN.parse().unwrap()
}

fn parse(body: &Value) -> FindingsQuery {
    FindingsQuery::parse(body.to_string().as_bytes()).unwrap()
}

fn written(query: &FindingsQuery) -> Value {
    serde_json::from_slice(&query.to_json(query.next_token.as_deref())).unwrap()
}

fn owners(filters: &[(&str, &str)]) -> Value {
    filters.iter().map(|(comparison, value)| json!({"Value": value, "Comparison": comparison})).collect()
}

#[test]
fn a_query_is_written_as_it_was_meant() {
    for body in [
        json!({}),
        json!({"Filters": {}}),
        json!({"NextToken": "t"}),
        json!({"Filters": {}, "SortCriteria": [], "MaxResults": 1}),
        json!({
            "Filters": {
                "AwsAccountId": owners(&[("PREFIX", "2"), ("NOT_EQUALS", "222222222223")]),
                "UpdatedAt": [{"DateRange": {"Value": 7, "Unit": "DAYS"}}],
                "Confidence": [{"Gte": 1.5, "Lte": 80}],
                "Sample": [{"Value": true}],
                "Title": [{"Value": "\u{e9} \"x\"\n", "Comparison": "PREFIX"}],
            },
            "SortCriteria": [{"Field": "UpdatedAt", "SortOrder": "desc"}, {"Field": "Id"}],
            "NextToken": "a/b+c==",
            "MaxResults": 100,
        }),
    ] {
        assert_eq!(written(&parse(&body)), body);
    }
    assert_eq!(FindingsQuery::parse(b"").unwrap(), FindingsQuery::default());
    assert_eq!(FindingsQuery::parse(br#"{"NextToken":null}"#).unwrap(), FindingsQuery::default());
}

#[test]
fn what_is_no_query_is_refused_with_its_path() {
    let eleven: Map<String, Value> =
        FILTER_ATTRIBUTES[3..14].iter().map(|name| ((*name).to_owned(), json!([{}]))).collect();
    let eleven = json!({"Filters": eleven}).to_string();
    let many = json!({"Filters": {"Id": vec![json!({}); 21]}}).to_string();
    let mix = json!({"Filters": {"AwsAccountId": owners(&[("EQUALS", OWN), ("NOT_EQUALS", "1")])}}).to_string();
    let other_mix =
        json!({"Filters": {"AwsAccountId": owners(&[("PREFIX_NOT_EQUALS", "1"), ("EQUALS", OWN)])}}).to_string();
    for (body, told) in [
        ("{", "EOF while parsing an object"),
        ("[]", "body: invalid type: sequence, expected an object, with Filters"),
        ("null", "body: invalid type: null"),
        ("{} {}", "body: trailing characters"),
        (r#"{"MaxResults":1,"MaxResults":1}"#, "body: member `MaxResults` came twice"),
        (r#"{"Filter":{}}"#, "body: unknown member `Filter` (did you mean `Filters`?)"),
        (r#"{"filters":{}}"#, "body: unknown member `filters`"),
        (r#"{"MaxResults":0}"#, "MaxResults: got 0, expected an integer from 1 to 100"),
        (r#"{"MaxResults":101}"#, "MaxResults: got 101"),
        (r#"{"MaxResults":-1}"#, "MaxResults: got -1"),
        (r#"{"MaxResults":2.0}"#, "MaxResults: invalid type: floating point"),
        (r#"{"MaxResults":"2"}"#, "MaxResults: invalid type: string"),
        (r#"{"MaxResults":null}"#, "MaxResults: invalid type: null"),
        (r#"{"NextToken":1}"#, "NextToken: invalid type: integer"),
        (r#"{"NextToken":"\ud800"}"#, "NextToken: "),
        (r#"{"SortCriteria":{}}"#, "SortCriteria: invalid type: map"),
        (r#"{"SortCriteria":[{"SortOrder":"asc"}]}"#, "SortCriteria[0]: member `Field` is missing"),
        (
            r#"{"SortCriteria":[{"Field":"Id","SortOrder":"ASC"}]}"#,
            "SortCriteria[0].SortOrder: got \"ASC\", expected one of asc, desc",
        ),
        (r#"{"SortCriteria":[["Id"]]}"#, "SortCriteria[0]: invalid type: sequence"),
        (r#"{"Filters":null}"#, "Filters: invalid type: null"),
        (r#"{"Filters":[]}"#, "Filters: invalid type: sequence"),
        (
            r#"{"Filters":{"AwsAccountID":[{}]}}"#,
            "Filters: unknown attribute `AwsAccountID` (did you mean `AwsAccountId`?)",
        ),
        (r#"{"Filters":{"Id":[{}],"Id":[{}]}}"#, "Filters: member `Id` came twice"),
        (r#"{"Filters":{"Id":[]}}"#, "Filters.Id: got an empty list"),
        (r#"{"Filters":{"Id":{}}}"#, "Filters.Id: invalid type: map, expected a list of 1 to 20 filters"),
        (r#"{"Filters":{"Id":["x"]}}"#, "Filters.Id[0]: invalid type: string"),
        (r#"{"Filters":{"Id":[{"Value":"x","Value":"y"}]}}"#, "Filters.Id[0]: member `Value` came twice"),
        (r#"{"Filters":{"UpdatedAt":[{"DateRange":{"Unit":1,"Unit":2}}]}}"#, "came twice"),
        (&many, "Filters.Id: more than 20 elements"),
        (&eleven, "Filters: more than 10 attributes"),
        (r#"{"Filters":{"AwsAccountId":[]}}"#, "Filters.AwsAccountId: got an empty list"),
        (r#"{"Filters":{"AwsAccountId":[{}]}}"#, "Filters.AwsAccountId[0]: member `Value` is missing"),
        (r#"{"Filters":{"AwsAccountId":[{"Value":"1"}]}}"#, "Filters.AwsAccountId[0]: member `Comparison` is missing"),
        (
            r#"{"Filters":{"AwsAccountId":[{"Value":" ","Comparison":"EQUALS"}]}}"#,
            "Filters.AwsAccountId[0].Value: got \" \"",
        ),
        (
            r#"{"Filters":{"AwsAccountId":[{"Value":1,"Comparison":"EQUALS"}]}}"#,
            "Filters.AwsAccountId[0].Value: invalid type",
        ),
        (
            r#"{"Filters":{"AwsAccountId":[{"Value":"2","Comparison":"CONTAINS"}]}}"#,
            "Filters.AwsAccountId[0].Comparison: got \"CONTAINS\", expected one of EQUALS, PREFIX, NOT_EQUALS, PREFIX_NOT_EQUALS",
        ),
        (
            r#"{"Filters":{"AwsAccountId":[{"Value":"2","Comparison":"EQUALS","Comparison":"PREFIX"}]}}"#,
            "Filters.AwsAccountId[0]: member `Comparison` came twice",
        ),
        (&mix, "Filters.AwsAccountId: EQUALS cannot be combined"),
        (&other_mix, "Filters.AwsAccountId: EQUALS cannot be combined"),
    ] {
        let error = FindingsQuery::parse(body.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(told), "{body}: {error}");
    }
    assert!(FindingsQuery::parse(b"{\"NextToken\":\"\xff\"}").is_err());
}

#[test]
fn a_member_asks_for_its_own_account_or_for_nothing() {
    let foreign = "333333333333";
    for (filters, fits) in [
        (&[("EQUALS", OWN)][..], true),
        (&[("EQUALS", foreign)], false),
        (&[("EQUALS", foreign), ("EQUALS", OWN)], true),
        (&[("EQUALS", "22222222222")], false),
        (&[("PREFIX", "2222")], true),
        (&[("PREFIX", OWN)], true),
        (&[("PREFIX", "2222222222222")], false),
        (&[("PREFIX", "3")], false),
        (&[("PREFIX", "3"), ("EQUALS", OWN)], true),
        (&[("NOT_EQUALS", foreign)], true),
        (&[("NOT_EQUALS", OWN)], false),
        (&[("NOT_EQUALS", foreign), ("NOT_EQUALS", OWN)], false),
        (&[("PREFIX_NOT_EQUALS", "3")], true),
        (&[("PREFIX_NOT_EQUALS", "22")], false),
        (&[("PREFIX", "22"), ("NOT_EQUALS", OWN)], false),
        (&[("PREFIX", "22"), ("PREFIX_NOT_EQUALS", "223"), ("NOT_EQUALS", foreign)], true),
    ] {
        let query = json!({
            "Filters": {"AwsAccountId": owners(filters), "Id": [{"Value": "x", "Comparison": "EQUALS"}]}, "MaxResults": 7,
        });
        let narrowed = parse(&query).narrowed(own()).unwrap();
        let expected = json!({
            "Filters": {"AwsAccountId": owners(&[("EQUALS", OWN)]), "Id": [{"Value": "x", "Comparison": "EQUALS"}]},
            "MaxResults": 7,
        });
        assert_eq!(narrowed.as_ref().map(written), fits.then_some(expected), "{filters:?}");
    }
    for query in [json!({}), json!({"Filters": {}})] {
        let narrowed = parse(&query).narrowed(own()).unwrap().unwrap();
        assert_eq!(written(&narrowed), json!({"Filters": {"AwsAccountId": owners(&[("EQUALS", OWN)])}}));
    }
    let alone = parse(&json!({"NextToken": "t"})).narrowed(own()).unwrap().unwrap();
    assert_eq!(written(&alone), json!({"Filters": {"AwsAccountId": owners(&[("EQUALS", OWN)])}, "NextToken": "t"}));
}

#[test]
fn the_account_takes_one_of_ten_attributes() {
    let with = |count: usize, owner: bool| {
        let others = FILTER_ATTRIBUTES.iter().filter(|name| **name != "AwsAccountId").take(count);
        let mut filters: Map<String, Value> = others.map(|name| ((*name).to_owned(), json!([{}]))).collect();
        if owner {
            filters.insert("AwsAccountId".into(), owners(&[("EQUALS", OWN)]));
        }
        parse(&json!({"Filters": filters})).narrowed(own())
    };
    for owner in [false, true] {
        let narrowed = with(9, owner).unwrap().unwrap();
        assert_eq!(written(&narrowed)["Filters"].as_object().unwrap().len(), 10);
    }
    let error = with(10, false).unwrap_err().to_string();
    assert!(error.starts_with("Filters: 10 attributes besides `AwsAccountId`; "), "{error}");
    assert!(
        error.contains("holds a member account to its own findings") && error.contains("at most 9 others"),
        "{error}"
    );
}

#[test]
fn what_a_query_leaves_out_is_as_it_was() {
    let earlier = json!({"Filters": {"Id": [{"Value": "x", "Comparison": "EQUALS"}]}, "SortCriteria": [{"Field": "Id"}], "MaxResults": 7});
    let alone = parse(&json!({"NextToken": "t"})).or(parse(&earlier));
    let mut expected = earlier.clone();
    expected["NextToken"] = "t".into();
    assert_eq!(written(&alone), expected);
    let whole = json!({"Filters": {}, "SortCriteria": [], "MaxResults": 1, "NextToken": "t"});
    assert_eq!(written(&parse(&whole).or(parse(&earlier))), whole);
}

/// The backend has a list of its own, with where in a finding each attribute is.
#[test]
fn the_attributes_are_those_of_the_backend() {
    use crate::backend::{Backend, Settings};
    use crate::finding::{Accounts, Operation};
    let backend = Backend::open(Settings::new("eu-west-1", Accounts::new(own(), []))).unwrap();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    for name in FILTER_ATTRIBUTES {
        let body = json!({"Filters": {name: []}}).to_string();
        let answer = backend.call(Operation::GetFindings, own(), body.as_bytes(), now).map_err(|error| error.message);
        let refused = format!("{answer:?}");
        assert!(!refused.contains("no such attribute"), "{refused}");
    }
}

// ---- properties ----

/// Whether a finding of this account meets the filters on AwsAccountId, by the rules of the API model and nothing of the
/// code above.
fn matches(query: &Value, account: &str) -> bool {
    let Some(filters) = query["Filters"]["AwsAccountId"].as_array() else { return true };
    let meets = |comparison: &str, value: &str| match comparison {
        "EQUALS" => account == value,
        "PREFIX" => account.starts_with(value),
        "NOT_EQUALS" => account != value,
        "PREFIX_NOT_EQUALS" => !account.starts_with(value),
        other => panic!("{other}"),
    };
    let (mut positive, mut any, mut all) = (false, false, true);
    for filter in filters {
        let (comparison, value) = (filter["Comparison"].as_str().unwrap(), filter["Value"].as_str().unwrap());
        if comparison.contains("NOT") {
            all &= meets(comparison, value);
        } else {
            positive = true;
            any |= meets(comparison, value);
        }
    }
    all && (any || !positive)
}

fn accounts() -> impl Strategy<Value = String> {
    // Few digits, so that accounts share prefixes.
    "[23]{12}"
}

fn query() -> impl Strategy<Value = Value> {
    let value = prop_oneof![accounts(), "[23]{1,4}", Just(OWN.to_owned())];
    let comparison = sample::select(vec!["EQUALS", "PREFIX", "NOT_EQUALS", "PREFIX_NOT_EQUALS"]);
    let filter = (comparison, value).prop_map(|(comparison, value)| json!({"Value": value, "Comparison": comparison}));
    let owner = prop::option::of(prop::collection::vec(filter, 1..4));
    let other = (sample::select(&FILTER_ATTRIBUTES[2..]), "\\PC{1,8}");
    (owner, prop::collection::vec(other, 0..4), any::<bool>(), prop::option::of("\\PC{0,8}")).prop_map(
        |(owner, others, filtered, token)| {
            let mut filters: Map<String, Value> = others
                .into_iter()
                .map(|(name, value)| (name.to_owned(), json!([{"Value": value, "Comparison": "EQUALS"}])))
                .collect();
            filters.extend(owner.map(|owner| ("AwsAccountId".to_owned(), Value::from(owner))));
            let mut query = if filtered { json!({"Filters": filters}) } else { json!({}) };
            if let Some(token) = token {
                query["NextToken"] = token.into();
            }
            query
        },
    )
}

proptest! {
    /// Never widened: what a narrowed query can match is the caller's, and was asked for. Nothing is lost either.
    #[test]
    fn a_narrowed_query_matches_the_caller_s_findings_that_were_asked_for(
        asked in query(), earlier in query(), strangers in prop::collection::vec(accounts(), 8),
    ) {
        let (Ok(query), Ok(earlier_query)) =
            (FindingsQuery::parse(asked.to_string().as_bytes()), FindingsQuery::parse(earlier.to_string().as_bytes()))
        else {
            return Ok(()); // an illegal mix
        };
        let asked = if asked.get("Filters").is_some() { asked } else { earlier };
        match query.or(earlier_query).narrowed(own()).unwrap() {
            None => prop_assert!(!matches(&asked, OWN)),
            Some(narrowed) => {
                let narrowed = written(&narrowed);
                prop_assert!(matches(&asked, OWN) && matches(&narrowed, OWN));
                for stranger in strangers.iter().filter(|stranger| *stranger != OWN) {
                    prop_assert!(!matches(&narrowed, stranger), "{stranger} in {narrowed}");
                }
                // Every other filter stands as it was.
                let others = |query: &Value| {
                    let mut filters = query["Filters"].as_object().cloned().unwrap_or_default();
                    filters.remove("AwsAccountId");
                    filters
                };
                prop_assert_eq!(others(&narrowed), others(&asked));
                // And it reads the same again.
                let again = FindingsQuery::parse(narrowed.to_string().as_bytes()).unwrap();
                prop_assert_eq!(written(&again.narrowed(own()).unwrap().unwrap()), narrowed);
            }
        }
    }

    #[test]
    fn no_body_makes_it_panic(body in "[{}\\[\\]\":,a-zA-Z0-9\\\\ ]{0,60}") {
        let _ = FindingsQuery::parse(body.as_bytes());
    }
}
