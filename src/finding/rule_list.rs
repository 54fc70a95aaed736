//! A ListAutomationRules request: its input is the query string.

use std::fmt::Write;

/// A ListAutomationRules request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListRules {
    /// The token of the page before.
    pub next_token: Option<String>,
    /// 1 to 100.
    pub max_results: Option<u8>,
}

/// Why a query string is no ListAutomationRules request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("query string: {0}")]
pub struct InvalidQuery(String);

impl ListRules {
    /// Reads a query string without its `?`: each parameter is one of the API's, none comes twice.
    pub fn parse(query: &str) -> Result<Self, InvalidQuery> {
        let mut request = Self::default();
        for pair in query.split('&').filter(|_| !query.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            let twice = match &*name {
                "NextToken" if value.is_empty() => {
                    return Err(InvalidQuery("NextToken: is empty; leave it out on the first call".to_owned()));
                }
                "NextToken" => request.next_token.replace(value).is_some(),
                "MaxResults" => request.max_results.replace(page_size(&value)?).is_some(),
                _ => {
                    let name: String = name.escape_debug().take(64).collect();
                    return Err(InvalidQuery(format!("unknown parameter `{name}`, expected NextToken, MaxResults")));
                }
            };
            if twice {
                return Err(InvalidQuery(format!("parameter `{name}` came twice")));
            }
        }
        Ok(request)
    }

    /// The query string, made anew from what was parsed; nothing if there is no parameter.
    pub fn to_query(&self) -> Option<String> {
        let mut query = String::new();
        if let Some(number) = self.max_results {
            query = format!("MaxResults={number}");
        }
        if let Some(token) = &self.next_token {
            query.push_str(if query.is_empty() { "NextToken=" } else { "&NextToken=" });
            for byte in token.bytes() {
                // RFC 3986, section 2.3: what needs no encoding anywhere.
                if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                    query.push(char::from(byte));
                } else {
                    let _ = write!(query, "%{byte:02X}"); // into a string, which does not fail
                }
            }
        }
        (!query.is_empty()).then_some(query)
    }
}

fn page_size(text: &str) -> Result<u8, InvalidQuery> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.filter(|number| (1..=100).contains(number)).ok_or_else(|| {
        let came: String = text.escape_debug().take(64).collect();
        InvalidQuery(format!("MaxResults: got `{came}`, expected an integer from 1 to 100"))
    })
}

/// Decodes `%41`. A `+` is itself: SDKs write a space as `%20`.
fn decoded(text: &str) -> Result<String, InvalidQuery> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let byte;
        (byte, rest) = match (first, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                (digit(*high).unwrap_or(0) << 4 | digit(*low).unwrap_or(0), after)
            }
            (b'%', _) => return Err(InvalidQuery("a `%` without two hexadecimal digits behind it".to_owned())),
            other => other,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).map_err(|_| InvalidQuery("not UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn good_queries_are_read_and_written_again() {
        for (query, token, number, written) in [
            ("", None, None, None),
            ("MaxResults=1", None, Some(1), Some("MaxResults=1")),
            ("NextToken=a%2Fb%3d&MaxResults=100", Some("a/b="), Some(100), Some("MaxResults=100&NextToken=a%2Fb%3D")),
            ("%4eextToken=a+b", Some("a+b"), None, Some("NextToken=a%2Bb")),
        ] {
            let request = ListRules::parse(query).unwrap();
            assert_eq!((request.next_token.as_deref(), request.max_results), (token, number), "{query}");
            assert_eq!(request.to_query().as_deref(), written, "{query}");
        }
    }

    #[test]
    fn bad_queries_are_refused() {
        for (query, told) in [
            ("MaxResults=0", "MaxResults: got `0`"),
            ("MaxResults=101", "expected an integer from 1 to 100"),
            ("MaxResults=", "got ``"),
            ("MaxResults", "got ``"),
            ("MaxResults=+5", "got `+5`"),
            ("MaxResults=1&MaxResults=1", "parameter `MaxResults` came twice"),
            ("NextToken=a&NextToken=b", "parameter `NextToken` came twice"),
            ("NextToken=", "NextToken: is empty"),
            ("maxResults=1", "unknown parameter `maxResults`"),
            ("&", "unknown parameter ``"),
            ("MaxResults=1&", "unknown parameter ``"),
            ("NextToken=%", "a `%` without"),
            ("NextToken=%+1", "a `%` without"),
            ("NextToken=%ff", "not UTF-8"),
        ] {
            let error = ListRules::parse(query).unwrap_err().to_string();
            assert!(error.contains(told), "{query}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(token in ".{1,20}", number in prop::option::of(1u8..=100)) {
            let request = ListRules { next_token: Some(token), max_results: number };
            prop_assert_eq!(ListRules::parse(&request.to_query().unwrap()), Ok(request));
        }

        #[test]
        fn no_text_makes_it_panic(query in "[%=&+A-Fa-f0-9é]{0,20}") {
            let _ = ListRules::parse(&query);
        }
    }
}
