//! A role for each caller, from an STS on loopback.

use super::*;
use crate::{finding::Proof, upstream::credentials::roles::Roles};
use std::sync::Mutex;

/// STS on loopback: answers each request as told, and remembers its form.
struct FakeSts {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FakeSts {
    async fn start(answer: impl Fn(usize) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (forms, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (forms, answer) = (Arc::clone(&forms), Arc::clone(&answer));
                tokio::spawn(async move {
                    let mut text = Vec::new();
                    while let Ok(1..) = stream.read_buf(&mut text).await {
                        let whole = String::from_utf8_lossy(&text).into_owned();
                        let Some((head, body)) = whole.split_once("\r\n\r\n") else { continue };
                        let length = head.lines().find_map(|line| {
                            line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
                        });
                        if body.len() < length.unwrap_or(0) {
                            continue;
                        }
                        let number = {
                            let mut forms = forms.lock().unwrap();
                            forms.push(body.to_owned());
                            forms.len()
                        };
                        let (status, body) = answer(number);
                        let head = format!(
                            "HTTP/1.1 {status} X\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n",
                            body.len()
                        );
                        let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                        text.clear();
                    }
                });
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn given(number: usize) -> (u16, String) {
    given_for(number, jiff::SignedDuration::from_hours(1))
}

fn given_for(number: usize, lifetime: jiff::SignedDuration) -> (u16, String) {
    let expiry = jiff::Timestamp::now() + lifetime;
    (
        200,
        format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
             <AccessKeyId>ASIA{number}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token{number}</SessionToken>\
             <Expiration>{}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
            expiry.strftime("%Y-%m-%dT%H:%M:%SZ")
        ),
    )
}

fn error(status: u16, code: &str) -> (u16, String) {
    (
        status,
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
             <Message>told by STS</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        ),
    )
}

fn roles(sts: &str) -> Arc<Roles> {
    roles_with(role_settings(sts))
}

fn roles_with(settings: AssumeRoleSettings) -> Arc<Roles> {
    let (own, tell) = own();
    tell.send(Ok(("AKIAGATE", None))).unwrap();
    Roles::new(own, &super::settings(), settings)
}

fn role_settings(sts: &str) -> AssumeRoleSettings {
    AssumeRoleSettings {
        arn: "arn:aws:iam::{account}:role/gate".parse().unwrap(),
        external_id: Some("gate-7".to_owned()),
        session_name: "{principal}".parse().unwrap(),
        source_identity: Some("{principal}".parse().unwrap()),
        tags: vec![("role".to_owned(), "{role}".parse().unwrap())],
        duration: Duration::from_mins(15),
        endpoint: Some(sts.to_owned()),
    }
}

#[tokio::test]
async fn each_caller_has_a_session_of_its_own_which_is_kept() {
    let sts = FakeSts::start(given).await;
    let roles = roles(&sts.url);
    let id = async |principal: &str| soon(roles.get(call(principal).whose())).await.unwrap().access_key_id().to_owned();
    let first = id("ann").await;
    assert_eq!([id("ann").await, id("ann").await], [first.clone(), first.clone()]);
    let second = id("bob").await;
    assert_ne!(first, second);
    assert_eq!(id("ann").await, first);
    let asked = sts.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    for field in [
        "Action=AssumeRole",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A222222222222%3Arole%2Fgate",
        "RoleSessionName=ann",
        "SourceIdentity=ann",
        "ExternalId=gate-7",
        "DurationSeconds=900",
        "Tags.member.1.Key=role",
        "Tags.member.1.Value=administrator",
    ] {
        assert!(asked[0].split('&').any(|given| given == field), "{field}: {}", asked[0]);
    }
}

/// Though the templates make one name of them.
#[tokio::test]
async fn callers_share_no_session_whatever_they_are_called() {
    let sts = FakeSts::start(given).await;
    let mut settings = role_settings(&sts.url);
    settings.session_name = "gate".parse().unwrap();
    settings.source_identity = None;
    let roles = roles_with(settings);
    let proof = |name: &str| Some(Proof::Mtls { name: name.into() });
    let of = |principal: &str, account: &str, proof: Option<Proof>| Call {
        account: account.parse().unwrap(),
        on_behalf: OnBehalf { proof, ..call(principal).on_behalf },
        ..call(principal)
    };
    let callers = [
        of("ann", "222222222222", proof("a")),
        of("bob", "222222222222", proof("a")),
        of("ann", "222222222222", proof("b")),
        of("ann", "222222222222", None),
        of("ann", "333333333333", proof("a")),
    ];
    let mut ids = Vec::new();
    for caller in callers.iter().chain(&callers) {
        ids.push(soon(roles.get(caller.whose())).await.unwrap().access_key_id().to_owned());
    }
    assert_eq!(ids[..5], ids[5..], "each is kept");
    ids.truncate(5);
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), sts.asked().len()), (5, 5));
}

#[tokio::test]
async fn what_sts_refuses_is_told_by_its_kind() {
    for (status, code, expected) in [
        (403, "AccessDenied", (403, "AccessDeniedException")),
        (400, "Throttling", (429, "TooManyRequestsException")),
        (403, "InvalidClientTokenId", (503, "ServiceUnavailableException")),
        (400, "ValidationError", (503, "ServiceUnavailableException")),
    ] {
        let sts = FakeSts::start(move |_| error(status, code)).await;
        let roles = roles(&sts.url);
        let refusal = soon(roles.get(call("ann").whose())).await.unwrap_err();
        let told = refusal.failure.to_api_error();
        assert_eq!((told.status, told.code), expected, "{code}");
        assert_eq!(refusal.detail, format!("{code}: told by STS"));
        if code != "InvalidClientTokenId" {
            assert!(told.message.contains("arn:aws:iam::222222222222:role/gate"), "{}", told.message);
        }
        // And the next request does not ask at once.
        let asked = sts.asked().len();
        soon(roles.get(call("ann").whose())).await.unwrap_err();
        assert_eq!(sts.asked().len(), asked, "{code}");
    }
}

#[tokio::test]
async fn a_session_that_is_over_when_it_comes_is_not_asked_for_again_at_once() {
    let sts = FakeSts::start(|number| given_for(number, jiff::SignedDuration::from_secs(9))).await;
    let roles = roles(&sts.url);
    for _ in 0..3 {
        let refusal = soon(roles.get(call("ann").whose())).await.unwrap_err();
        let told = refusal.failure.to_api_error();
        assert_eq!((told.status, told.code), (503, "ServiceUnavailableException"));
        assert!(told.message.contains("is the clock right?") && told.message.contains("role/gate"), "{}", told.message);
    }
    // The first pause is three quarters of a second at the least; should this thread sleep longer, it asks once more each time.
    assert!(sts.asked().len() <= 3);
}

#[tokio::test]
async fn an_sts_that_is_down_makes_503_and_no_request() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let roles = roles(&format!("http://{free}"));
    let told = soon(roles.get(call("ann").whose())).await.unwrap_err().failure.to_api_error();
    assert_eq!((told.status, told.code), (503, "ServiceUnavailableException"));
    assert!(told.message.contains("STS could not be asked"), "{}", told.message);
}
