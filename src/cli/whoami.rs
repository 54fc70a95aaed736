//! `findings-gate whoami`

use super::{Exit, Failure, Format, Printer, credentials, shared, token};
use crate::{
    identity::{GateName, STS_TOKEN},
    net,
    proxy::WHOAMI,
};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use bytes::Bytes;
use clap::Args;
use http::{
    HeaderName, HeaderValue, Request, Uri,
    header::{AUTHORIZATION, HOST},
};
use http_body_util::Full;
use serde_json::Value;
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tokio::runtime;

pub(super) const ABOUT: &str = "\
Ask a gate whom it takes you for.

It sends `GET /findings-gate/whoami`, proven in the way that you choose, and prints what the gate makes of it: account, role, \
principal, groups, and which proof that was. The gate's owner opens that door with `doors.whoami = \"open\"`. By default the request \
is signed with the AWS credentials of your environment, as the AWS CLI would do.";

const EXAMPLES: &str = "\
Examples:
  findings-gate whoami --endpoint http://127.0.0.1:8080
  findings-gate whoami --endpoint https://gate.example:8443 \\
      --profile payments --region eu-west-1
  findings-gate whoami --endpoint https://gate.example:8443 \\
      --ca ca.crt --certificate me.crt --key me.key
  findings-gate whoami --endpoint https://gate.example:8443 \\
      --bearer /var/run/secrets/token

Exit codes: 0 the gate knows you · 1 broke · 2 the gate refuses · 64 usage";

/// Time for the answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of the answer.
const LONGEST: usize = 64 * 1024;

/// Arguments of `whoami`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct WhoamiArgs {
    /// The gate
    #[arg(long, value_name = "URL", value_parser = shared::endpoint)]
    pub endpoint: Uri,

    /// The authorities that may vouch for the gate, as PEM; the machine's otherwise
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// A client certificate to show, as PEM; nothing is signed then
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,

    /// The private key of the certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,

    /// A file with a bearer token to send; nothing is signed then
    #[arg(long, value_name = "FILE", conflicts_with = "certificate")]
    pub bearer: Option<PathBuf>,

    /// Send an STS token made for the gate of this name, signed with your AWS credentials; nothing else is signed then
    #[arg(long, value_name = "NAME", conflicts_with_all = ["bearer", "certificate"])]
    pub sts: Option<GateName>,

    /// Send no proof of your own, as to a sidecar
    #[arg(long, conflicts_with_all = ["bearer", "certificate", "sts"])]
    pub unsigned: bool,

    /// The AWS profile to sign with
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,

    /// The Region to sign for; that of the profile or the environment otherwise
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,

    /// In which form
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// Asks and prints.
pub(super) fn run(args: &WhoamiArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::broke)?;
    let answer = runtime.block_on(ask(args))?;
    let body: Value = serde_json::from_slice(&answer.body).map_err(|_| {
        Failure::broke(format!("{} answered {} and no JSON: it is no gate", args.endpoint, answer.status))
    })?;
    if !answer.status.is_success() {
        let text = |name: &str| body[name].as_str().unwrap_or("?").to_owned();
        printer.err(&format!("{}: {}\n", text("Code"), text("Message")))?;
        return Ok(Exit::Failed);
    }
    match args.format {
        Format::Json => printer.out(&format!("{body}\n"))?,
        Format::Human => printer.out(&human(&body))?,
    }
    Ok(Exit::Fine)
}

async fn ask(args: &WhoamiArgs) -> Result<net::Fetched, Failure> {
    let client = client(args)?;
    let uri: Uri =
        format!("{}{WHOAMI}", args.endpoint.to_string().trim_end_matches('/')).parse().map_err(Failure::broke)?;
    let mut request = Request::get(uri).body(Full::<Bytes>::default()).map_err(Failure::broke)?;
    if let Some(file) = &args.bearer {
        let token = read(file)?;
        let token = std::str::from_utf8(&token).map(str::trim).unwrap_or_default();
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Failure::broke(format!("`{}` holds no token that a header can carry", file.display())))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    } else if let Some(gate) = &args.sts {
        let ambient = credentials::ambient(args.profile.as_deref()).await?;
        let made = token::make(gate, ambient, args.region.as_deref(), None)?;
        let mut value = HeaderValue::from_str(&made.token).map_err(Failure::broke)?;
        value.set_sensitive(true);
        request.headers_mut().insert(STS_TOKEN, value);
    } else if args.certificate.is_none() && !args.unsigned {
        sign_as_the_environment(args, &mut request).await?;
    }
    client.send(request).await.map_err(Failure::broke)
}

fn client(args: &WhoamiArgs) -> Result<net::Client, Failure> {
    let ca = args.ca.as_deref().map(read).transpose()?;
    let (Some(certificate), Some(key)) = (&args.certificate, &args.key) else {
        return net::Client::new(ca, PATIENCE, LONGEST).map_err(Failure::broke);
    };
    let (certificate, key) = (read(certificate)?, read(key)?);
    net::authorities(ca.as_deref())
        .and_then(|authorities| net::tls_as(authorities, &certificate, &key))
        .and_then(|tls| net::Client::with_tls(tls, PATIENCE, LONGEST))
        .map_err(Failure::broke)
}

async fn sign_as_the_environment(args: &WhoamiArgs, request: &mut Request<Full<Bytes>>) -> Result<(), Failure> {
    let ambient = credentials::ambient(args.profile.as_deref()).await?;
    let region = args.region.clone().or(ambient.region).ok_or_else(|| {
        Failure::broke("no Region to sign for: name it with `--region`, as the gate's `upstream.region` has it")
    })?;
    let identity = ambient.credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&region)
        .name("securityhub")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(Failure::broke)?
        .into();
    let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let url = request.uri().to_string();
    let named = std::iter::once(("host", host.as_str()));
    let signable = SignableRequest::new("GET", &url, named, SignableBody::Bytes(b"")).map_err(Failure::broke)?;
    let (signed, _) = sign(signable, &params).map_err(Failure::broke)?.into_parts();
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(&host).map_err(Failure::broke)?);
    let (signed, _) = signed.into_parts();
    for header in &signed {
        let (name, value) = (header.name(), header.value());
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(Failure::broke)?;
        headers.insert(name, HeaderValue::from_str(value).map_err(Failure::broke)?);
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::broke(format!("cannot read `{}`: {error}", file.display())))
}

fn human(body: &Value) -> String {
    let said = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let list = |name: &str| {
        let items = body[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        items.collect::<Vec<_>>().join(", ")
    };
    let account = match said("AccountName") {
        name if name.is_empty() => said("Account"),
        name => format!("{} ({name})", said("Account")),
    };
    let lines = [
        ("account", account),
        ("role", said("Role")),
        ("principal", said("Principal")),
        ("proof", said("Proof")),
        ("region", said("Region")),
        ("account groups", list("AccountGroups")),
        ("groups", list("Groups")),
        ("denials", format!("at the least {}", said("MinimumEnforcement"))),
        ("policies", said("Policies")),
    ];
    let mut text = String::new();
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{name:<15} {value}");
    }
    text
}
