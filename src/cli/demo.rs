//! `findings-gate demo`

use super::{Exit, Failure, Printer, assemble, embedded::Embedded, shared};
use crate::{
    backend::{self, Backend, sample_findings},
    config,
    finding::{AccountId, Accounts, BatchUpdate, Caller, Enforcement, Member, Operation, Proof, Role, State},
    gate::{Asked, Decision, Fate, Knowledge, Known, decide},
    identity::{Identity, Key, Keys, Kind, SigV4, sign},
    policy::{Answer, Engine},
    proxy::{Doors, GateSettings, Limits, Listener, Live, LiveLimits, Route, Routes, Shutdown, read_body},
    state::{FleetStates, StateSettings},
    telemetry::trace::Tracer,
    upstream::Upstream,
};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use bytes::Bytes;
use clap::Args;
use comfy_table::{Cell, ContentArrangement, Table, presets};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::Value;
use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    thread,
    time::Duration,
};

pub(super) const ABOUT: &str = "\
Run a gate, a backend and sample findings in one process.

Nothing is configured and nothing is kept: an administrator and two member accounts, findings and policies come with \
the program, and keys for the accounts are made anew at each start. It sends itself one sample batch, prints what became \
of every field and commands to try, and serves until Ctrl-C.";

const EXAMPLES: &str = "\
Examples:
  findings-gate demo
  findings-gate demo --listen 127.0.0.1:9999
  # The sample findings with your own policies
  findings-gate demo --policies my-policies

Exit codes: 0 stopped as told · 1 broke · 3 a policy is invalid · 64 usage";

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// Where callers connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = shared::socket)]
    pub listen: SocketAddr,

    /// Directories of policies, `.cedar` files, a bundle, or packs such as `pack:baseline`, in place of the demo's own
    #[arg(long, value_name = "PATH", num_args = 1.., default_value = "pack:baseline")]
    pub policies: Vec<String>,
}

const REGION: &str = "eu-west-1";
const ADMINISTRATOR: &str = "111111111111";
/// The members: account and name.
const MEMBERS: [(&str, &str); 2] = [("222222222222", "payments"), ("333333333333", "search")];
/// Columns that a table may take.
const TABLE_WIDTH: u16 = 132;
/// How long the demo waits for its own answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An access key that the demo issued.
struct Issued {
    id: String,
    secret: String,
    account: AccountId,
    /// `security`, `payments`, `search`
    name: &'static str,
    principal: Arc<str>,
}

/// Runs the demo until it is told to stop.
pub(super) fn run(args: &DemoArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let policies = config::policies_from(&args.policies)?;
    let accounts = Arc::new(accounts()?);
    let snapshot = assemble::snapshot(&policies, &accounts)?;
    let keys = issue_keys()?;
    let backend = Arc::new(Backend::open(backend::Settings::new(REGION, (*accounts).clone())).map_err(Failure::broke)?);
    let mut fleet: Vec<AccountId> = accounts.members().map(|(account, _)| account).collect();
    fleet.sort_unstable();
    fleet.insert(0, account(ADMINISTRATOR)?);
    for (account, findings) in sample_findings(REGION, &fleet, Timestamp::now()) {
        backend.call(Operation::BatchImportFindings, account, &findings, Timestamp::now()).map_err(Failure::broke)?;
    }
    let annotated = annotate(&backend, account(ADMINISTRATOR)?, MEMBERS[0].0)?;
    let route = Route {
        region: REGION.into(),
        upstream: Upstream::embedded(Arc::new(Embedded::new(backend.clone()))),
        states: Some(Arc::new(FleetStates::new(look_ups()))),
        counts: Arc::default(),
    };
    let settings = GateSettings {
        identity: Arc::new(Identity::new(vec![Kind::SigV4(SigV4::new(keys_of(&keys)?, [REGION]))], accounts.clone())),
        doors: Doors::new(&[Operation::GetFindings]),
        snapshot,
        whoami: true,
        page_tokens: assemble::page_tokens(None)?,
        routes: Routes::new(route, None),
        records: None,
        policies: Arc::default(),
        tracer: Tracer::default(),
        metrics: Arc::default(),
        body_limit: Limits::default().body,
        body_timeout: Limits::default().body_timeout,
        concurrency: 4,
    };
    let listener = Listener::bind(args.listen, NonZeroUsize::MIN).map_err(Failure::broke)?;
    let address = listener.address();
    let (trigger, shutdown) = Shutdown::by_signal(Duration::ZERO).map_err(Failure::broke)?;
    thread::scope(|scope| {
        let gate = scope.spawn(|| {
            assemble::run(listener, &LiveLimits::new(Limits::default()), &Live::new(settings.clone()), &shutdown)
        });
        let told = tell(printer, address, &keys, &settings, (&backend, &annotated));
        if let Err(error) = told {
            // Without its first words the demo is of no use; the gate would serve on for nobody.
            trigger.immediate();
            let _ = gate.join();
            return Err(error);
        }
        match gate.join() {
            Ok(served) => served.map(|_| Exit::Fine),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The backend is in this process, and has no quota.
fn look_ups() -> StateSettings {
    let many = NonZeroU32::MAX;
    StateSettings { max_age: Duration::from_secs(30), entries: 1_000, deadline: PATIENCE, rate: many, burst: many }
}

/// Has the administrator write something on a finding of the account, so that there is something to lose. Returns which.
fn annotate(backend: &Backend, administrator: AccountId, account: &str) -> Result<Value, Failure> {
    let account = account.parse().map_err(Failure::broke)?;
    let finding =
        findings(backend, account)?.into_iter().next().map(|finding| identifier(&finding)).unwrap_or_default();
    let update = serde_json::json!({"FindingIdentifiers": [finding], "UserDefinedFields": {"cost-center": "4711"}});
    let update = update.to_string();
    backend
        .call(Operation::BatchUpdateFindings, administrator, update.as_bytes(), Timestamp::now())
        .map_err(Failure::broke)?;
    Ok(finding)
}

fn account(id: &str) -> Result<AccountId, Failure> {
    id.parse().map_err(Failure::broke)
}

fn accounts() -> Result<Accounts, Failure> {
    let mut members = Vec::new();
    for (id, name) in MEMBERS {
        members.push((account(id)?, Member { name: name.to_owned(), groups: vec!["ou/prod".to_owned()] }));
    }
    Ok(Accounts::new(account(ADMINISTRATOR)?, members))
}

fn issue_keys() -> Result<Vec<Issued>, Failure> {
    let random = SystemRandom::new();
    let mut keys = Vec::new();
    for (id, name, role) in [
        (ADMINISTRATOR, "security", "security"),
        (MEMBERS[0].0, MEMBERS[0].1, "triage"),
        (MEMBERS[1].0, MEMBERS[1].1, "triage"),
    ] {
        let mut bytes = [0; 20];
        random.fill(&mut bytes).map_err(|_| Failure::broke("the system gives no random numbers"))?;
        keys.push(Issued {
            id: format!("AKIADEMO{}", name.to_uppercase()),
            secret: hex(&bytes),
            account: id.parse().map_err(Failure::broke)?,
            name,
            principal: format!("arn:aws:iam::{id}:role/{role}").into(),
        });
    }
    Ok(keys)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn keys_of(issued: &[Issued]) -> Result<Keys, Failure> {
    let key =
        |key: &Issued| Key::new(&*key.id, &key.secret, key.account, key.principal.clone()).map_err(Failure::broke);
    Keys::new(issued.iter().map(key).collect::<Result<Vec<_>, _>>()?).map_err(Failure::broke)
}

/// Says where the gate is, who may call, what became of a sample batch, and what to try.
fn tell(
    printer: &mut Printer,
    address: SocketAddr,
    keys: &[Issued],
    settings: &GateSettings,
    (backend, annotated): (&Backend, &Value),
) -> Result<(), Failure> {
    let administrator = account(ADMINISTRATOR)?;
    let payments = &keys[1];
    let all = findings(backend, administrator)?;
    let is_own = |finding: &&Value| finding["AwsAccountId"] == payments.account.as_str();
    let is_annotated = |finding: &&Value| identifier(finding) == *annotated;
    let (annotated, plain) =
        (all.iter().find(is_annotated), all.iter().filter(is_own).find(|finding| !is_annotated(finding)));
    let foreign = all.iter().find(|finding| !is_own(finding));
    let chosen: Vec<&Value> = annotated.into_iter().chain(plain).chain(foreign).collect();
    let findings: Vec<Value> = chosen.iter().copied().map(identifier).collect();
    let body = sample_batch(&findings).to_string();
    // As they are before the update.
    let states: Vec<Option<State>> =
        chosen.iter().map(|finding| finding.as_object().and_then(|finding| State::parse(finding).ok())).collect();

    printer.out(&format!("findings-gate demo: listening on http://{address}\n\n"))?;
    printer.out(&format!("{}\n\n", keys_table(keys)))?;
    let response = send(address, payments, &body)?;
    let request = BatchUpdate::parse(body.as_bytes()).map_err(Failure::broke)?;
    let caller = Caller {
        account: payments.account,
        role: settings.snapshot.accounts().role(payments.account).unwrap_or(Role::Member),
        principal: payments.principal.clone(),
        groups: Arc::default(),
        region: None,
        proof: Proof::SigV4 { access_key_id: payments.id.as_str().into() },
        minimum_enforcement: Enforcement::Strip,
    };
    let known: Vec<Known<'_>> =
        states.iter().map(|state| state.as_ref().map_or(Known::Nothing, Known::State)).collect();
    let decision = decide(
        &mut Engine::new(settings.snapshot.clone()),
        &caller,
        Asked::of_update(&request, Timestamp::now()),
        Knowledge::OfEach(&known),
    );
    printer.out(&format!(
        "A sample batch, sent with the key of {} (member {}), about two of its findings and one of another account. The \
         first\nhas a UserDefinedFields key that the update does not name and so would erase: the gate looks, and keeps it.\n\n{}\n\n",
        payments.name,
        payments.account,
        fates_table(&request, &decision, &response)
    ))?;
    printer.out(&commands(address, keys, &findings))?;
    Ok(())
}

/// The findings that an account sees.
fn findings(backend: &Backend, account: AccountId) -> Result<Vec<Value>, Failure> {
    let query = br#"{"SortCriteria":[{"Field":"Id","SortOrder":"asc"}],"MaxResults":100}"#;
    let answer = backend.call(Operation::GetFindings, account, query, Timestamp::now()).map_err(Failure::broke)?;
    let mut answer: Value = serde_json::from_slice(&answer).map_err(Failure::broke)?;
    match answer["Findings"].take() {
        Value::Array(findings) => Ok(findings),
        _ => Ok(Vec::new()),
    }
}

fn identifier(finding: &Value) -> Value {
    serde_json::json!({"Id": finding["Id"], "ProductArn": finding["ProductArn"]})
}

fn sample_batch(findings: &[Value]) -> Value {
    serde_json::json!({
        "FindingIdentifiers": findings,
        "Note": {"Text": "Patched in release 42, see SEC-7", "UpdatedBy": "payments on-call"},
        "Severity": {"Label": "LOW"},
        "UserDefinedFields": {"ticket": "SEC-7"},
        "Workflow": {"Status": "NOTIFIED"},
    })
}

/// Sends a signed request to the gate, over its own socket.
fn send(address: SocketAddr, key: &Issued, body: &str) -> Result<Value, Failure> {
    let operation = Operation::BatchUpdateFindings;
    let request = http::Request::builder().method(operation.method()).uri(operation.path());
    let request = request.header("content-type", "application/json").body(Full::new(Bytes::from(body.to_owned())));
    let (mut head, content) = request.map_err(Failure::broke)?.into_parts();
    sign(&mut head, body.as_bytes(), &address.to_string(), (&key.id, &key.secret), REGION, Timestamp::now())
        .map_err(Failure::broke)?;
    let exchange = async move {
        let stream = tokio::net::TcpStream::connect(address).await.map_err(Failure::broke)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(Failure::broke)?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(http::Request::from_parts(head, content)).await.map_err(Failure::broke)?;
        let status = response.status();
        let body = read_body(response.into_body(), 1 << 20, PATIENCE).await.map_err(Failure::broke)?;
        connection.abort();
        let answer: Value = serde_json::from_slice(&body).map_err(Failure::broke)?;
        if status.is_success() {
            Ok(answer)
        } else {
            Err(Failure::broke(format!("the gate answered {status}: {answer}")))
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::broke)?;
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, exchange).await })
        .unwrap_or_else(|_| Err(Failure::broke("the gate gave no answer")))
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(TABLE_WIDTH);
    table.set_header(header);
    table
}

fn keys_table(keys: &[Issued]) -> Table {
    let mut table = table(&["who", "account", "role", "access key id", "secret access key"]);
    for (at, key) in keys.iter().enumerate() {
        let role = if at == 0 { Role::Administrator } else { Role::Member };
        table.add_row([key.name, key.account.as_str(), role.as_str(), &key.id, &key.secret]);
    }
    table
}

/// What became of every field of every finding: decided by the gate, and answered by the backend.
fn fates_table(request: &BatchUpdate<'_>, decision: &Decision<'_>, response: &Value) -> Table {
    let processed = |id: &str| {
        let findings = response["ProcessedFindings"].as_array().into_iter().flatten();
        findings.into_iter().any(|finding| finding["Id"] == id)
    };
    let mut table = table(&["finding", "asked for", "verdict", "because", "so the backend"]);
    for (identifier, fate) in request.identifiers.iter().zip(&decision.fates) {
        let finding = format!(
            "{}\n(account {})",
            short(&identifier.id),
            identifier.owner().map_or("unknown".into(), |owner| owner.to_string())
        );
        let Fate::Ruled(ruling) = fate else {
            table.add_row([finding, "everything".into(), "reject".into(), format!("{fate:?}"), "was not asked".into()]);
            continue;
        };
        for (at, (change, verdict)) in ruling.asked(&decision.changes).enumerate() {
            let (said, because) = match &verdict.enforced {
                Answer::Allowed { by } => ("allow".to_owned(), by.join(", ")),
                Answer::Denied(denial) if denial.policies.is_empty() => {
                    (denial.enforcement.to_string(), denial.reason.to_string())
                }
                Answer::Denied(denial) => (denial.enforcement.to_string(), denial.policies.join(", ")),
            };
            let became = if ruling.forwards()
                && change.field().is_some_and(|field| ruling.kept.contains(field))
                && processed(&identifier.id)
            {
                "changed it"
            } else {
                "never saw it"
            };
            let finding = if at == 0 { Cell::new(&finding) } else { Cell::new("") };
            table.add_row([finding, Cell::new(change), Cell::new(said), Cell::new(because), Cell::new(became)]);
        }
    }
    table
}

/// The end of an id, which tells findings apart.
fn short(id: &str) -> String {
    const SHOWN: usize = 30;
    let length = id.chars().count();
    if length <= SHOWN { id.to_owned() } else { format!("…{}", id.chars().skip(length - SHOWN).collect::<String>()) }
}

fn commands(address: SocketAddr, keys: &[Issued], findings: &[Value]) -> String {
    let [administrator, payments, _] = keys else { return String::new() };
    let (id, product) =
        (findings[0]["Id"].as_str().unwrap_or_default(), findings[0]["ProductArn"].as_str().unwrap_or_default());
    format!(
        r#"Try it. {payments} may not suppress:

  AWS_ACCESS_KEY_ID={payments_id} AWS_SECRET_ACCESS_KEY={payments_secret} \
  aws securityhub batch-update-findings --endpoint-url http://{address} --region {REGION} \
    --finding-identifiers 'Id={id},ProductArn={product}' \
    --workflow Status=SUPPRESSED --note 'Text=accepted,UpdatedBy=ana'

{administrator} may:

  curl --aws-sigv4 aws:amz:{REGION}:securityhub --user {administrator_id}:{administrator_secret} \
    -X PATCH http://{address}/findings/batchupdate -H 'content-type: application/json' \
    -d '{{"FindingIdentifiers":[{{"Id":"{id}","ProductArn":"{product}"}}],"Workflow":{{"Status":"SUPPRESSED"}}}}'

What {payments} sees of its findings:

  python3 -c 'import boto3; [print(f["Severity"]["Label"], f["Workflow"]["Status"], f["Title"]) for f in boto3.client(
    "securityhub", endpoint_url="http://{address}", region_name="{REGION}", aws_access_key_id="{payments_id}",
    aws_secret_access_key="{payments_secret}").get_findings()["Findings"]]'

Ctrl-C ends it.
"#,
        payments = payments.name,
        payments_id = payments.id,
        payments_secret = payments.secret,
        administrator = administrator.name,
        administrator_id = administrator.id,
        administrator_secret = administrator.secret,
    )
}
