//! Which findings uids name.

use super::*;
use crate::state::Resolved;

/// A finding in terms of OCSF.
fn document(uid: &str, account: &str, id: &str) -> Value {
    json!({
        "metadata": {"uid": uid, "product": {"uid": PRODUCT}},
        "cloud": {"account": {"uid": account}},
        "finding_info": {"uid": id, "title": "passed over"},
        "severity_id": 4,
    })
}

/// A backend that knows the uids `0`, `1` and so on, as far as `known`.
struct Ocsf {
    known: u64,
    turns: Mutex<VecDeque<Turn>>,
    /// For each call its uids, and when it came.
    calls: Mutex<Vec<(Vec<String>, Instant)>>,
}

impl Ocsf {
    fn with(known: u64) -> Arc<Self> {
        Arc::new(Self { known, turns: Mutex::default(), calls: Mutex::default() })
    }

    fn plan(&self, turns: impl IntoIterator<Item = Turn>) {
        self.turns.lock().unwrap().extend(turns);
    }

    /// How many uids each call asked for.
    fn sizes(&self) -> Vec<usize> {
        self.calls.lock().unwrap().iter().map(|(uids, _)| uids.len()).collect()
    }

    async fn answer(&self, body: &[u8]) -> Result<Bytes, CallError> {
        let body: Value = serde_json::from_slice(body).unwrap();
        let [composite] = &body["Filters"]["CompositeFilters"].as_array().unwrap()[..] else { panic!("{body}") };
        assert_eq!((&composite["Operator"], &body["MaxResults"]), (&json!("OR"), &json!(100)));
        let filters = composite["StringFilters"].as_array().unwrap();
        assert!(filters.len() <= 20, "the API takes no more");
        let uid = |filter: &Value| {
            assert_eq!(
                (&filter["FieldName"], &filter["Filter"]["Comparison"]),
                (&json!("metadata.uid"), &json!("EQUALS"))
            );
            filter["Filter"]["Value"].as_str().unwrap().to_owned()
        };
        let uids: Vec<String> = filters.iter().map(uid).collect();
        self.calls.lock().unwrap().push((uids.clone(), Instant::now()));
        let turn = self.turns.lock().unwrap().pop_front().unwrap_or(Turn::Answer);
        match turn {
            Turn::Answer | Turn::Hold => {}
            Turn::Fail(error) => return Err(error),
            Turn::Text(text) => return Ok(text.into()),
            Turn::Late(time) => sleep(time).await,
        }
        let is_known = |uid: &&String| uid.parse::<u64>().is_ok_and(|number| number < self.known);
        let found = uids.iter().filter(is_known).map(|uid| document(uid, "222222222222", &format!("f{uid}")));
        Ok(json!({"Findings": found.collect::<Vec<_>>()}).to_string().into())
    }
}

async fn resolve(states: &Arc<States>, backend: &Arc<Ocsf>, of: u64, uids: &[String]) -> Vec<Resolved> {
    let uids: Vec<&str> = uids.iter().map(String::as_str).collect();
    let backend = Arc::clone(backend);
    states.resolve(&caller(of), &uids, async move |body: Bytes, _| backend.answer(&body).await).await
}

/// The ids that the uids stand for, or why there is none.
fn told(resolved: &[Resolved]) -> Vec<String> {
    let told = |resolved: &Resolved| match resolved {
        Resolved::Known(finding) => {
            assert_eq!((finding.account.as_str(), &*finding.identifier.product_arn), ("222222222222", PRODUCT));
            finding.identifier.id.to_string()
        }
        Resolved::Missing => "missing".to_owned(),
        Resolved::Unavailable(why) => why.to_string(),
    };
    resolved.iter().map(told).collect()
}

#[test]
fn a_request_is_asked_for_in_few_calls_and_once() {
    paused(async {
        let (states, backend) = (Arc::new(States::new(settings())), Ocsf::with(100));
        let mut uids = ids(0..45);
        uids.push("7".into());
        uids.push("x".into());
        let resolved = told(&resolve(&states, &backend, 1, &uids).await);
        assert_eq!(backend.sizes(), [20, 20, 6]);
        assert_eq!((&*resolved[3], &*resolved[45], &*resolved[46]), ("f3", "f7", "missing"));
        // What was found is kept, for everybody and without an age; what was not, is not.
        sleep(3600 * SECOND).await;
        let again = told(&resolve(&states, &backend, 2, &uids).await);
        assert_eq!(again, resolved);
        assert_eq!(backend.sizes(), [20, 20, 6, 1]);
    });
}

#[test]
fn what_a_member_may_not_see_is_asked_for_each_time() {
    paused(async {
        let (states, backend) = (Arc::new(States::new(settings())), Ocsf::with(100));
        for (account, calls) in [("222222222222", 1), ("222222222222", 1), ("333333333333", 2), ("333333333333", 3)] {
            let member = Caller { account: account.parse().unwrap(), role: Role::Member, ..caller(1) };
            let asked = Arc::clone(&backend);
            let resolved = states.resolve(&member, &["7"], async move |body: Bytes, _| asked.answer(&body).await).await;
            assert_eq!((told(&resolved), backend.sizes().len()), (vec!["f7".to_owned()], calls), "{account}");
        }
    });
}

#[test]
fn a_call_that_fails_says_nothing_of_its_uids_and_is_not_kept() {
    paused(async {
        let (states, backend) = (Arc::new(States::new(settings())), Ocsf::with(100));
        backend.plan([Turn::Answer, failed("on fire"), Turn::Fail(CallError::Throttled("slow".into()))]);
        let resolved = told(&resolve(&states, &backend, 1, &ids(0..60)).await);
        assert_eq!((&*resolved[0], &*resolved[19]), ("f0", "f19"));
        assert!(resolved[20..40].iter().all(|told| told == "on fire"), "{resolved:?}");
        assert!(
            resolved[40..].iter().all(|told| told.ends_with("no more look-ups for the moment: slow")),
            "{resolved:?}"
        );
        sleep(SECOND).await;
        assert_eq!(told(&resolve(&states, &backend, 1, &ids(0..60)).await), ids((0..60).map(|n| format!("f{n}"))));
    });
}

#[test]
fn nobody_waits_longer_than_the_deadline() {
    paused(async {
        let (states, backend) = (Arc::new(States::new(settings())), Ocsf::with(100));
        backend.plan([Turn::Answer, Turn::Late(60 * SECOND)]);
        let began = Instant::now();
        let resolved = told(&resolve(&states, &backend, 1, &ids(0..45)).await);
        assert_eq!(began.elapsed(), 2 * SECOND);
        assert_eq!((&*resolved[0], &*resolved[20]), ("f0", "it did not come in time"));
        assert_eq!(resolved[40], "too many look-ups wait for the quota of their operation");
    });
}

#[test]
fn calls_keep_to_the_quota_and_accounts_have_their_turn() {
    paused(async {
        let quota = StateSettings { rate: number(10), burst: number(1), deadline: 10 * SECOND, ..settings() };
        let (states, backend) = (Arc::new(States::new(quota)), Ocsf::with(10_000));
        let began = Instant::now();
        let ask = |of: u64, first: u64, count: u64| {
            let (states, backend) = (Arc::clone(&states), Arc::clone(&backend));
            tokio::task::spawn_local(async move {
                resolve(&states, &backend, of, &ids(first..first + count)).await;
                Instant::now()
            })
        };
        // Five requests of one account, five calls each, and then a small one of another account.
        let many: Vec<_> = (0..5).map(|request| ask(1, request * 100, 100)).collect();
        settled().await;
        let small = ask(2, 9_000, 1);
        let small = small.await.unwrap();
        let mut last = small;
        for request in many {
            last = last.max(request.await.unwrap());
        }
        assert!(small - began <= 3 * SECOND / 10, "{:?}", small - began);
        assert_eq!(backend.sizes().len(), 26);
        let calls = backend.calls.lock().unwrap();
        for pair in calls.windows(2) {
            assert!(pair[1].1 - pair[0].1 >= SECOND / 10);
        }
        assert!(last - began >= 25 * SECOND / 10);
    });
}

#[test]
fn look_ups_of_findings_have_a_quota_of_their_own() {
    paused(async {
        let quota = StateSettings { rate: number(1), burst: number(1), ..settings() };
        let (states, ocsf, backend) = (Arc::new(States::new(quota)), Ocsf::with(10), Backend::with(10));
        let began = Instant::now();
        assert_eq!(told(&resolve(&states, &ocsf, 1, &ids([1])).await), ["f1"]);
        assert_eq!(confidences(&look_up(&states, &backend, 1, &ids([1])).await), [Some(1)]);
        assert_eq!(began.elapsed(), Duration::ZERO);
    });
}

/// What a page says of the uid `a`.
fn page_told(page: &str) -> String {
    paused(async {
        let states = Arc::new(States::new(settings()));
        let page = page.to_owned();
        let answer = async move |_: Bytes, _| Ok(Bytes::from(page.clone()));
        told(&states.resolve(&caller(1), &["a"], answer).await).remove(0)
    })
}

#[test]
fn what_is_not_understood_names_no_finding() {
    let good = document("a", "222222222222", "f");
    let with = |pointer: &str, value: Value| {
        let mut document = good.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        document
    };
    for (findings, expected) in [
        (vec![good.clone()], "f"),
        (vec![good.clone(), good.clone()], "f"),
        (vec![document("b", "222222222222", "g"), good.clone()], "f"),
        // Of a finding that nobody asked for, nothing needs to be understood.
        (vec![json!({"metadata": {"uid": "b"}, "cloud": 7})], "missing"),
        (vec![document("A", "222222222222", "f")], "missing"),
        (vec![], "missing"),
        (vec![good.clone(), document("a", "333333333333", "f")], "two findings have this metadata.uid"),
        (vec![good.clone(), document("a", "222222222222", "g")], "two findings have this metadata.uid"),
        (vec![with("/cloud/account/uid", json!("22222222222"))], "cloud.account.uid: expected twelve digits"),
        (vec![with("/cloud/account", json!(null))], "cloud.account.uid: expected twelve digits"),
        (vec![with("/finding_info/uid", json!(7))], "finding_info.uid: expected a text"),
        (vec![with("/finding_info/uid", json!(""))], "finding_info.uid: expected a text"),
        (vec![with("/metadata/product", json!({})), good.clone()], "metadata.product.uid: expected a text"),
        (vec![with("/metadata/uid", json!(null))], "a finding has no metadata.uid"),
        (vec![json!({"Id": "a", "ProductArn": PRODUCT})], "a finding has no metadata.uid"),
    ] {
        let told = page_told(&json!({"Findings": findings}).to_string());
        assert!(
            told == expected || told.contains("is not understood") && told.contains(expected),
            "{expected}: {told}"
        );
    }
    for page in ["", "{}", r#"{"Findings":[{"metadata":{"uid":"a"},"metadata":{"uid":"b"}}]}"#] {
        let told = page_told(page);
        assert!(told.contains("is not understood"), "{page}: {told}");
    }
}

#[test]
fn an_answer_is_read_to_its_last_page_or_says_nothing() {
    paused(async {
        let (states, backend) = (Arc::new(States::new(settings())), Ocsf::with(10));
        backend.plan([Turn::Text(r#"{"Findings":[],"NextToken":"t"}"#)]);
        assert_eq!(told(&resolve(&states, &backend, 1, &ids([1])).await), ["f1"]);
        backend.plan(vec![Turn::Text(r#"{"Findings":[],"NextToken":"t"}"#); 5]);
        sleep(10 * SECOND).await;
        let resolved = told(&resolve(&states, &backend, 1, &ids([2])).await);
        assert_eq!(resolved, ["the findings backend's answer to 1 uids has more than 5 pages"]);
        assert_eq!(backend.sizes().len(), 7);
    });
}
