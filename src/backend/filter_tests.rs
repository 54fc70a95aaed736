use super::*;
use proptest::prelude::*;
use serde_json::json;

fn checked(filters: &Value) -> Result<Condition, String> {
    condition(filters.as_object().unwrap(), "2024-05-10T00:00:00Z".parse().unwrap())
}

#[test]
fn what_the_api_refuses_is_refused_by_name() {
    let string = |comparison: &str| json!({"Value": "x", "Comparison": comparison});
    let many = |n: usize| vec![string("EQUALS"); n];
    for (filters, says) in [
        (json!({"Titel": [string("EQUALS")]}), "`Filters.Titel`: no such attribute; did you mean `Title`?"),
        (json!({"Nonsense": [string("EQUALS")]}), "`Filters.Nonsense`: no such attribute"),
        (json!({"Keyword": [{"Value": "x"}]}), "`Filters.Keyword`: this backend does not support"),
        (json!({"SeverityProduct": [{"Eq": 1}]}), "`Filters.SeverityProduct`: this backend does not support"),
        (json!({"Title": string("EQUALS")}), "`Filters.Title`: expected a list"),
        (json!({"Title": []}), "expected 1 to 20 filters, got 0"),
        (json!({"Title": many(21)}), "expected 1 to 20 filters, got 21"),
        (json!({"Title": [{"Value": "x"}]}), "`Filters.Title[0]`: missing field `Comparison`"),
        (json!({"Title": [{"Value": " ", "Comparison": "EQUALS"}]}), "`Value`: must not be blank"),
        (json!({"Title": [{"Value": "x", "Comparison": "LIKE"}]}), "`Filters.Title[0]`: `Comparison`: unknown variant"),
        (json!({"Title": [{"Value": "x", "Comparison": "EQUALS", "Case": 1}]}), "unknown field `Case`"),
        (json!({"Title": [{"Value": 1, "Comparison": "EQUALS"}]}), "`Value`"),
        (json!({"Title": [string("EQUALS"), string("NOT_EQUALS")]}), "EQUALS cannot be combined"),
        (json!({"Title": [string("EQUALS"), string("PREFIX_NOT_EQUALS")]}), "EQUALS cannot be combined"),
        (json!({"Title": [string("CONTAINS")]}), "not for GetFindings"),
        (json!({"Title": [string("NOT_CONTAINS")]}), "not for GetFindings"),
        (json!({"Title": [string("CONTAINS_WORD")]}), "not for GetFindings"),
        (json!({"UpdatedAt": [{"Start": "2024-01-01T00:00:00Z"}]}), "expected `Start` and `End`, or `DateRange` alone"),
        (json!({"UpdatedAt": [{"End": "2024-01-01T00:00:00Z"}]}), "expected `Start` and `End`"),
        (json!({"UpdatedAt": [{}]}), "expected `Start` and `End`"),
        (json!({"UpdatedAt": [{"Start": "x", "End": "2024-01-01T00:00:00Z"}]}), "`Start`: `x` is no timestamp"),
        (json!({"UpdatedAt": [{"DateRange": {"Value": 1, "Unit": "WEEKS"}}]}), "`DateRange.Unit`"),
        (json!({"UpdatedAt": [{"DateRange": {"Value": -1, "Unit": "DAYS"}}]}), "`DateRange.Value`"),
        (
            json!({"UpdatedAt": [{"Start": "2024-01-01T00:00:00Z", "End": "2024-01-01T00:00:00Z",
                                  "DateRange": {"Value": 1, "Unit": "DAYS"}}]}),
            "expected `Start` and `End`",
        ),
        (json!({"Confidence": [{}]}), "expected `Eq` alone"),
        (json!({"Confidence": [{"Eq": 1, "Gte": 1}]}), "expected `Eq` alone"),
        (json!({"Confidence": [{"Gt": 1, "Gte": 1}]}), "expected `Eq` alone"),
        (json!({"Confidence": [{"Eq": "1"}]}), "`Filters.Confidence[0]`: `Eq`"),
        (json!({"NetworkSourceIpV4": [{"Cidr": "10.0.0.0/33"}]}), "expected an address or a network"),
        (json!({"NetworkSourceIpV4": [{"Cidr": "::1"}]}), "such as `10.0.0.0/8`"),
        (json!({"NetworkSourceIpV6": [{"Cidr": "10.0.0.1"}]}), "such as `2001:db8::/32`"),
        (json!({"Sample": [{"Value": "true"}]}), "`Value`"),
        (json!({"ResourceTags": [{"Key": "k", "Value": "v", "Comparison": "PREFIX"}]}), "a map takes EQUALS"),
        (json!({"ResourceTags": [{"Key": "k", "Comparison": "EQUALS"}]}), "missing field `Value`"),
        (
            json!({"ResourceTags": [{"Key": "k", "Value": "v", "Comparison": "EQUALS"},
                                    {"Key": "l", "Value": "v", "Comparison": "NOT_EQUALS"}]}),
            "EQUALS cannot be combined",
        ),
        (
            Value::Object(
                super::super::attribute::ATTRIBUTES[..6]
                    .iter()
                    .chain(&super::super::attribute::ATTRIBUTES[12..18])
                    .map(|attribute| (attribute.name.to_owned(), json!([])))
                    .collect(),
            ),
            "at most 10 attributes, got 12",
        ),
    ] {
        let message = checked(&filters).unwrap_err();
        assert!(message.contains(says), "{filters}: {message}");
    }
}

#[test]
fn networks() {
    for (cidr, low, high) in [
        ("10.1.2.3", "10.1.2.3", "10.1.2.3"),
        ("10.1.2.3/8", "10.0.0.0", "10.255.255.255"),
        ("10.1.2.3/32", "10.1.2.3", "10.1.2.3"),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
        ("2001:db8::1/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ] {
        assert_eq!(network(cidr), Some((low.parse().unwrap(), high.parse().unwrap())), "{cidr}");
    }
    for bad in ["", "10.0.0", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/33", "::/129", "x/8"] {
        assert_eq!(network(bad), None, "{bad}");
    }
}

proptest! {
    /// The range of a prefix has exactly the texts that start with it, in the byte order that SQLite compares by.
    #[test]
    fn a_prefix_is_a_range(start in "[ab\u{d7ff}\u{e000}\u{10ffff}]{1,3}", text in "[ab\u{d7ff}\u{e000}\u{10ffff}]{0,5}") {
        let range = prefix(&start);
        let bounds: Vec<_> = range
            .parameters
            .iter()
            .map(|parameter| match parameter { Sql::Text(text) => text.clone(), other => panic!("{other:?}") })
            .collect();
        let within = bounds[0] <= text && bounds.get(1).is_none_or(|end| text < *end);
        prop_assert_eq!(within, text.starts_with(&start));
    }
}
