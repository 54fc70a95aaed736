//! What the gate asks of the API for itself.

/// A question that no client can ask: no door leads to it ([`Operation`](crate::finding::Operation) has what doors lead to).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inquiry {
    /// GetAdministratorAccount: whose member the account is.
    Administrator,
    /// A page of ListMembers: the accounts that the account administers.
    Members {
        /// What continues the list after another page.
        next: Option<String>,
    },
}

impl Inquiry {
    /// The most members of a page (API reference, "ListMembers", `MaxResults`).
    pub const MOST_MEMBERS: usize = 50;

    /// Its name in the API.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Administrator => "GetAdministratorAccount",
            Self::Members { .. } => "ListMembers",
        }
    }

    /// The path and the query of its GET request.
    pub(super) fn target(&self) -> String {
        match self {
            Self::Administrator => "/administrator".to_owned(),
            Self::Members { next } => {
                let page = format!("/members?MaxResults={}&OnlyAssociated=true", Self::MOST_MEMBERS);
                match next {
                    Some(token) => format!("{page}&NextToken={}", escaped(token)),
                    None => page,
                }
            }
        }
    }
}

/// A value for a query string: all that is not unreserved in percent-encoding (RFC 3986, section 2.3), as signatures need it.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble & 15)]);
            escaped.extend(['%', digit(byte >> 4), digit(byte)]);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_escaped() {
        let page = |next: Option<&str>| Inquiry::Members { next: next.map(str::to_owned) }.target();
        assert_eq!(page(None), "/members?MaxResults=50&OnlyAssociated=true");
        assert_eq!(page(Some("a+/=&é~")), "/members?MaxResults=50&OnlyAssociated=true&NextToken=a%2B%2F%3D%26%C3%A9~");
    }
}
