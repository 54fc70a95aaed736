//! A small schema language for findings, whose errors are worded as the service words them: as ajv 6 does.

use super::json;
use crate::finding::{AccountId, timestamp};
use serde_json::Value;
use std::fmt::Write as _;

/// A list of errors longer than this helps nobody.
const MOST_ERRORS: usize = 20;

/// What a JSON value must be. Members that a schema does not name pass untouched.
pub(super) enum Schema {
    /// A string of so many characters, at least one of them no white space.
    Text { max: usize },
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A whole number in this range.
    Integer { min: i64, max: i64 },
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// See [`timestamp::parse`].
    Timestamp,
    /// Twelve digits.
    Account,
    /// `arn:{partition}:securityhub:{region}:{account or nothing}:product/{company}/{product}`.
    ProductArn,
    /// An array of so many items.
    List { min: usize, max: usize, of: &'static Schema },
    /// String to string: so many pairs, keys and values up to so many characters.
    Pairs { max: usize, key: usize, value: usize },
    /// An object.
    Object { required: &'static [&'static str], members: &'static [(&'static str, Schema)] },
}

/// No limit but that of the finding's size.
pub(super) const ANY: usize = usize::MAX;

impl Schema {
    /// Everything that is wrong with `value`, such as `data.Resources should NOT have fewer than 1 items`.
    pub(super) fn errors(&self, value: &Value) -> Vec<String> {
        let mut check = Check { path: "data".to_owned(), errors: Vec::new() };
        check.value(self, value);
        check.errors
    }
}

struct Check {
    path: String,
    errors: Vec<String>,
}

impl Check {
    fn value(&mut self, schema: &Schema, value: &Value) {
        match schema {
            Schema::Text { max } => self.text(value, *max),
            Schema::OneOf(values) => {
                if self.expect("string", value.is_string())
                    && !value.as_str().is_some_and(|text| values.contains(&text))
                {
                    self.error("should be equal to one of the allowed values");
                }
            }
            Schema::Integer { min, max } => {
                let number = json::integer(value);
                if self.expect("integer", number.is_some()) {
                    if number < Some(*min) {
                        self.error(format_args!("should be >= {min}"));
                    } else if number > Some(*max) {
                        self.error(format_args!("should be <= {max}"));
                    }
                }
            }
            Schema::Number => _ = self.expect("number", value.is_number()),
            Schema::Boolean => _ = self.expect("boolean", value.is_boolean()),
            Schema::Timestamp => {
                self.pattern(value, timestamp::PATTERN, |text| timestamp::parse(text).is_some());
            }
            Schema::Account => self.pattern(value, "^[0-9]{12}$", |text| AccountId::parse(text).is_some()),
            Schema::ProductArn => {
                self.text(value, 2048);
                if value.as_str().is_some_and(|text| !text.is_empty()) {
                    let pattern = "^arn:aws[a-z-]*:securityhub:[a-z0-9-]+:([0-9]{12})?:product/[^/]+/[^/]+$";
                    self.pattern(value, pattern, |text| ProductArn::parse(text).is_some());
                }
            }
            Schema::List { min, max, of } => self.list(value, *min, *max, of),
            Schema::Pairs { max, key, value: longest } => self.pairs(value, *max, *key, *longest),
            Schema::Object { required, members } => self.object(value, required, members),
        }
    }

    fn text(&mut self, value: &Value, max: usize) {
        let Some(text) = value.as_str() else {
            self.expect("string", false);
            return;
        };
        if text.is_empty() {
            self.error("should NOT be shorter than 1 characters");
        } else if text.trim().is_empty() {
            self.error(r#"should match pattern "\S""#);
        } else if text.len() > max && text.chars().count() > max {
            self.error(format_args!("should NOT be longer than {max} characters"));
        }
    }

    fn pattern(&mut self, value: &Value, pattern: &str, matches: impl Fn(&str) -> bool) {
        if self.expect("string", value.is_string()) && !value.as_str().is_some_and(matches) {
            self.error(format_args!("should match pattern \"{pattern}\""));
        }
    }

    fn list(&mut self, value: &Value, min: usize, max: usize, of: &Schema) {
        let Some(items) = value.as_array() else {
            self.expect("array", false);
            return;
        };
        if items.len() < min {
            self.error(format_args!("should NOT have fewer than {min} items"));
        } else if items.len() > max {
            self.error(format_args!("should NOT have more than {max} items"));
        }
        for (index, item) in items.iter().enumerate() {
            self.within(format_args!("[{index}]"), |check| check.value(of, item));
        }
    }

    fn pairs(&mut self, value: &Value, max: usize, longest_key: usize, longest_value: usize) {
        let Some(pairs) = value.as_object() else {
            self.expect("object", false);
            return;
        };
        if pairs.len() > max {
            self.error(format_args!("should NOT have more than {max} properties"));
        }
        for (key, value) in pairs {
            if key.trim().is_empty() || key.chars().count() > longest_key {
                self.error(format_args!("property name '{key}' is invalid"));
            }
            self.within(format_args!("['{key}']"), |check| check.text(value, longest_value));
        }
    }

    fn object(&mut self, value: &Value, required: &[&str], members: &[(&str, Schema)]) {
        let Some(object) = value.as_object() else {
            self.expect("object", false);
            return;
        };
        for name in required.iter().filter(|name| !object.contains_key(**name)) {
            self.error(format_args!("should have required property '{name}'"));
        }
        for (name, schema) in members {
            if let Some(value) = object.get(*name) {
                self.within(format_args!(".{name}"), |check| check.value(schema, value));
            }
        }
    }

    fn expect(&mut self, kind: &str, found: bool) -> bool {
        if !found {
            self.error(format_args!("should be {kind}"));
        }
        found
    }

    fn within(&mut self, step: impl std::fmt::Display, check: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        _ = write!(self.path, "{step}"); // writing to a `String` does not fail
        check(self);
        self.path.truncate(length);
    }

    fn error(&mut self, message: impl std::fmt::Display) {
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(format!("{} {message}", self.path));
        }
    }
}

/// The parts of a product's ARN that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProductArn<'a> {
    /// The account in the ARN; AWS's own products have none.
    pub(super) account: Option<AccountId>,
    /// `aws`, a partner's name, or for a custom integration the account.
    pub(super) company: &'a str,
    /// Such as `guardduty`; `default` for a custom integration.
    pub(super) product: &'a str,
}

impl<'a> ProductArn<'a> {
    pub(super) fn parse(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let mut part = || parts.next();
        let (scheme, partition, service, region, account, resource) =
            (part()?, part()?, part()?, part()?, part()?, part()?);
        let word = |text: &str, extra: &[u8]| {
            let allowed = |byte: u8| byte.is_ascii_lowercase() || byte == b'-' || extra.contains(&byte);
            !text.is_empty() && text.bytes().all(allowed)
        };
        let account = if account.is_empty() { None } else { Some(AccountId::parse(account)?) };
        let (company, product) = resource.strip_prefix("product/")?.split_once('/')?;
        let well_formed = scheme == "arn"
            && partition.starts_with("aws")
            && word(partition, b"")
            && service == "securityhub"
            && word(region, b"0123456789")
            && !company.is_empty()
            && !product.is_empty()
            && !product.contains('/');
        well_formed.then_some(Self { account, company, product })
    }

    /// The account whose custom integration this is: `…:{account}:product/{account}/default`.
    pub(super) fn custom_of(&self) -> Option<AccountId> {
        self.account.filter(|account| account.as_str() == self.company && self.product == "default")
    }

    /// Whether AWS itself is the provider: `…::product/aws/…`.
    pub(super) fn is_aws(&self) -> bool {
        self.account.is_none() && self.company == "aws"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_read_as_ajv_words_them() {
        const INNER: Schema =
            Schema::Object { required: &["Type"], members: &[("Type", Schema::Text { max: 3 }), ("Other", PAIRS)] };
        const PAIRS: Schema = Schema::Pairs { max: 2, key: 5, value: 4 };
        const OUTER: Schema = Schema::Object {
            required: &["A"],
            members: &[
                ("Resources", Schema::List { min: 1, max: 2, of: &INNER }),
                ("N", Schema::Integer { min: 0, max: 100 }),
                ("E", Schema::OneOf(&["X", "Y"])),
                ("T", Schema::Timestamp),
                ("B", Schema::Boolean),
                ("D", Schema::Number),
                ("W", Schema::Account),
            ],
        };
        for (value, errors) in [
            (json!({"A": 1}), vec![]),
            (json!([]), vec!["data should be object"]),
            (json!({}), vec!["data should have required property 'A'"]),
            (json!({"A": 1, "Resources": []}), vec!["data.Resources should NOT have fewer than 1 items"]),
            (json!({"A": 1, "Resources": 1}), vec!["data.Resources should be array"]),
            (
                json!({"A": 1, "Resources": [{"Type": ""}, {"Type": "long!"}, {}]}),
                vec![
                    "data.Resources should NOT have more than 2 items",
                    "data.Resources[0].Type should NOT be shorter than 1 characters",
                    "data.Resources[1].Type should NOT be longer than 3 characters",
                    "data.Resources[2] should have required property 'Type'",
                ],
            ),
            (
                json!({"A": 1, "Resources": [{"Type": " \n", "Other": {"k": "12345", "toolong": "v", "n": 1}}]}),
                vec![
                    r#"data.Resources[0].Type should match pattern "\S""#,
                    "data.Resources[0].Other should NOT have more than 2 properties",
                    "data.Resources[0].Other['k'] should NOT be longer than 4 characters",
                    "data.Resources[0].Other property name 'toolong' is invalid",
                    "data.Resources[0].Other['n'] should be string",
                ],
            ),
            (json!({"A": 1, "N": 101}), vec!["data.N should be <= 100"]),
            (json!({"A": 1, "N": -1}), vec!["data.N should be >= 0"]),
            (json!({"A": 1, "N": 1.5}), vec!["data.N should be integer"]),
            (json!({"A": 1, "E": "Z"}), vec!["data.E should be equal to one of the allowed values"]),
            (json!({"A": 1, "E": null}), vec!["data.E should be string"]),
            (json!({"A": 1, "B": "true", "D": "1"}), vec!["data.B should be boolean", "data.D should be number"]),
            (json!({"A": 1, "W": "1234"}), vec![r#"data.W should match pattern "^[0-9]{12}$""#]),
        ] {
            assert_eq!(OUTER.errors(&value), errors, "{value}");
        }
        assert_eq!(OUTER.errors(&json!({"A": 1, "T": "yesterday"})).len(), 1);
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(Schema::Text { max: 3 }.errors(&json!("äöü")).is_empty());
        assert_eq!(Schema::Text { max: 3 }.errors(&json!("äöüß")).len(), 1);
    }

    #[test]
    fn a_hopeless_finding_does_not_yield_an_endless_message() {
        let items = Value::Array(vec![Value::Null; 1000]);
        assert_eq!(Schema::List { min: 0, max: ANY, of: &Schema::Boolean }.errors(&items).len(), MOST_ERRORS);
    }

    #[test]
    fn product_arns() {
        let account = AccountId::parse("111122223333");
        let custom =
            ProductArn::parse("arn:aws:securityhub:eu-west-1:111122223333:product/111122223333/default").unwrap();
        assert_eq!((custom.custom_of(), custom.is_aws()), (account, false));
        let aws = ProductArn::parse("arn:aws-us-gov:securityhub:us-gov-west-1::product/aws/guardduty").unwrap();
        assert_eq!((aws.custom_of(), aws.is_aws(), aws.product), (None, true, "guardduty"));
        let partner = ProductArn::parse("arn:aws:securityhub:eu-west-1:111122223333:product/acme/scanner").unwrap();
        assert_eq!((partner.custom_of(), partner.is_aws()), (None, false));
        for bad in [
            "",
            "arn:aws:securityhub:eu-west-1::product/aws",
            "arn:aws:securityhub:eu-west-1::product/aws/",
            "arn:aws:securityhub:eu-west-1::product/aws/a/b",
            "arn:aws:securityhub:eu-west-1:1234:product/aws/a",
            "arn:aws:iam:eu-west-1::product/aws/a",
            "arn:aws:securityhub:::product/aws/a",
            "ARN:aws:securityhub:eu-west-1::product/aws/a",
        ] {
            assert_eq!(ProductArn::parse(bad), None, "{bad}");
        }
    }
}
