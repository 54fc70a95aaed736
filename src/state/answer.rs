//! What the backend's pages say of the findings that were asked for.

use super::{Found, Unavailable, page};
use crate::finding::{AccountId, Identifier, InvalidState, State};
use serde_json::{Map, Value};
use std::{collections::BTreeSet, sync::Arc};

/// What was found so far, by the names that were asked for.
pub(super) struct Answer<'n> {
    names: &'n [Arc<Identifier<'static>>],
    found: Vec<Seen>,
}

/// What was seen under one name.
#[derive(Clone)]
struct Seen {
    what: What,
    /// Whose it was; nothing if that was not understood at least once.
    owners: Option<BTreeSet<AccountId>>,
}

#[derive(Clone)]
enum What {
    Nothing,
    One(Box<State>),
    NotUnderstood(InvalidState),
    Several,
}

impl<'n> Answer<'n> {
    pub(super) fn new(names: &'n [Arc<Identifier<'static>>]) -> Self {
        let nothing = Seen { what: What::Nothing, owners: Some(BTreeSet::new()) };
        Self { names, found: vec![nothing; names.len()] }
    }

    /// Reads a page, and gives the token of the next one. Findings that nobody asked for are passed over: filters are joined by
    /// AND across attributes and by OR within one (guide, "Filtering findings"), so that (P1, A) and (P2, B) ask for (P1, B), too.
    pub(super) fn read(&mut self, page: &[u8]) -> Result<Option<String>, String> {
        page::read(page, &mut |finding| self.see(finding))
    }

    /// What is known after the last page, in the order of the names.
    pub(super) fn into_found(self) -> Vec<Found> {
        let found = |Seen { what, owners }| match what {
            What::Nothing => Found::Missing,
            What::One(state) => Found::Known(Arc::new(*state)),
            What::NotUnderstood(why) => Unavailable::Odd { owners, why }.into(),
            What::Several => Unavailable::Ambiguous { owners }.into(),
        };
        self.found.into_iter().map(found).collect()
    }

    fn see(&mut self, finding: &Map<String, Value>) -> Result<(), &'static str> {
        let text = |name| finding.get(name).and_then(Value::as_str);
        // It might be one that was asked for, so it cannot be passed over.
        let (Some(product_arn), Some(id)) = (text("ProductArn"), text("Id")) else {
            return Err("a finding has no ProductArn or no Id");
        };
        // A batch holds few names, and none twice.
        let at = self.names.iter().position(|name| *name.id == *id && *name.product_arn == *product_arn);
        let Some(seen) = at.and_then(|at| self.found.get_mut(at)) else { return Ok(()) };
        let owner = text("AwsAccountId").and_then(AccountId::parse);
        seen.owners = seen.owners.take().zip(owner).map(|(mut owners, owner)| {
            owners.insert(owner);
            owners
        });
        seen.what = match (std::mem::replace(&mut seen.what, What::Nothing), State::parse(finding)) {
            (What::Several, _) => What::Several,
            (What::NotUnderstood(error), _) | (_, Err(error)) => What::NotUnderstood(error),
            // A finding that changes while pages are read may come on two of them. The later one is what it is now.
            (What::One(one), Ok(other)) if (one.account, &one.region) != (other.account, &other.region) => {
                What::Several
            }
            (What::Nothing | What::One(_), Ok(state)) => What::One(Box::new(state)),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            page::LONGEST_COMPLAINT,
            tests::{PRODUCT, finding, name},
        },
        *,
    };
    use serde_json::json;

    fn page(findings: &[Value]) -> Value {
        json!({ "Findings": findings })
    }

    /// What `pages` say of the finding `a`.
    fn told(pages: &[Value]) -> Found {
        let names = [Arc::new(name("a"))];
        let mut answer = Answer::new(&names);
        for page in pages {
            answer.read(page.to_string().as_bytes()).unwrap();
        }
        answer.into_found().remove(0)
    }

    #[track_caller]
    fn known(found: &Found) -> &State {
        let Found::Known(state) = found else { panic!("{found:?}") };
        state
    }

    fn with(mut finding: Value, name: &str, value: &str) -> Value {
        finding[name] = value.into();
        finding
    }

    #[test]
    fn only_what_has_the_very_name_counts() {
        let others = [
            with(finding("a", 1), "ProductArn", &format!("{PRODUCT}2")),
            finding("A", 1),
            finding("a ", 1),
            finding("b", 1),
        ];
        assert_eq!(told(&[page(&others)]), Found::Missing);
        let all = [others.to_vec(), vec![finding("a", 2)], others.to_vec()].concat();
        assert_eq!(known(&told(&[page(&all)])).confidence, Some(2));
        // Of a finding that nobody asked for, nothing needs to be understood.
        assert_eq!(told(&[page(&[json!({"ProductArn": PRODUCT, "Id": "b", "Severity": 7})])]), Found::Missing);
    }

    #[test]
    fn several_findings_of_one_name_are_told_apart_by_account_and_region() {
        let of = |accounts: &[&str]| {
            let owners = Some(accounts.iter().map(|account| account.parse().unwrap()).collect());
            Found::Unavailable(Unavailable::Ambiguous { owners })
        };
        let ambiguous = of(&["222222222222", "333333333333"]);
        let other = with(finding("a", 2), "AwsAccountId", "333333333333");
        assert_eq!(told(&[page(&[finding("a", 1), other.clone()])]), ambiguous);
        assert_eq!(told(&[page(&[finding("a", 1)]), page(std::slice::from_ref(&other))]), ambiguous);
        assert_eq!(told(&[page(&[finding("a", 1), other, finding("a", 1)])]), ambiguous);
        assert_eq!(
            told(&[page(&[finding("a", 1), with(finding("a", 1), "Region", "eu-west-2")])]),
            of(&["222222222222"])
        );
        assert_eq!(known(&told(&[page(&[finding("a", 1)]), page(&[finding("a", 2)])])).confidence, Some(2));
    }

    #[test]
    fn a_finding_that_is_not_understood_spoils_itself_alone() {
        let bad = with(finding("a", 1), "RecordState", "GONE");
        for page_of_bad in [vec![bad.clone(), finding("a", 1)], vec![finding("a", 1), bad.clone()], vec![bad.clone()]] {
            let Found::Unavailable(why) = told(&[page(&page_of_bad)]) else { panic!() };
            assert_eq!(
                why.to_string(),
                "the findings backend's answer is not understood: RecordState: expected a word of the API's vocabulary"
            );
        }
        let names = [Arc::new(name("a")), Arc::new(name("b"))];
        let mut answer = Answer::new(&names);
        answer.read(page(&[bad, finding("b", 1)]).to_string().as_bytes()).unwrap();
        assert_eq!(known(&answer.into_found()[1]).confidence, Some(1));
    }

    #[test]
    fn it_is_told_of_whom_alone_a_name_is() {
        let [own, other] = ["222222222222", "333333333333"].map(|account| account.parse().unwrap());
        let theirs = with(finding("a", 1), "AwsAccountId", "333333333333");
        let odd = with(theirs.clone(), "RecordState", "GONE");
        let nobody_s = with(odd.clone(), "AwsAccountId", "nobody");
        for (findings, of_others_than_own) in [
            (vec![odd.clone()], true),
            (vec![theirs.clone(), with(theirs.clone(), "Region", "eu-west-2")], true),
            (vec![theirs.clone(), odd.clone()], true),
            (vec![odd.clone(), finding("a", 1)], false),
            (vec![theirs.clone(), finding("a", 1)], false),
            (vec![nobody_s.clone()], false),
            (vec![odd, nobody_s.clone()], false),
            (vec![theirs.clone(), with(theirs, "Region", "eu-west-2"), nobody_s], false),
        ] {
            let Found::Unavailable(why) = told(&[page(&findings)]) else { panic!("{findings:?}") };
            assert_eq!((why.is_of_others(own), why.is_of_others(other)), (of_others_than_own, false), "{findings:?}");
        }
        assert!(!Unavailable::Busy.is_of_others(own));
    }

    #[test]
    fn a_page_that_is_not_understood_says_nothing() {
        for (page, told) in [
            ("", "EOF"),
            ("[]", "expected an object with Findings"),
            ("{}", "member `Findings` is missing"),
            (r#"{"Findings":null}"#, "expected a list of findings"),
            (r#"{"Findings":[],"Findings":[]}"#, "member `Findings` came twice"),
            (r#"{"Findings":[],"NextToken":"a","NextToken":"b"}"#, "member `NextToken` came twice"),
            (r#"{"Findings":[],"NextToken":7}"#, "expected a string"),
            (r#"{"Findings":[7]}"#, "expected an object"),
            (r#"{"Findings":[{"Id":"a"}]}"#, "a finding has no ProductArn or no Id"),
            (r#"{"Findings":[{"Id":"a","Id":"b","ProductArn":"c"}]}"#, "member `Id` came twice"),
            (r#"{"Findings":[]} {}"#, "trailing characters"),
            (&format!(r#"{{"Findings":"{}"}}"#, "x".repeat(1000)), "…"),
        ] {
            let error = Answer::new(&[]).read(page.as_bytes()).unwrap_err();
            assert!(error.contains(told), "{page}: {error}");
            assert!(error.chars().count() <= LONGEST_COMPLAINT + 1);
        }
    }

    #[test]
    fn the_next_page_is_told() {
        for (token, expected) in [(json!("x"), Some("x")), (json!(""), None), (Value::Null, None)] {
            let page = json!({"NextToken": token, "Findings": [], "Else": [1]}).to_string();
            assert_eq!(Answer::new(&[]).read(page.as_bytes()).unwrap().as_deref(), expected);
        }
        assert_eq!(Answer::new(&[]).read(br#"{"Findings":[]}"#).unwrap(), None);
    }
}
