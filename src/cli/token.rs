//! `findings-gate token`

use super::{Exit, Failure, Printer};
use crate::identity::{GateName, STS_TOKEN, StsHost, sts_presign, sts_token};
use aws_config::BehaviorVersion;
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub(super) const ABOUT: &str = "\
Make a token that says to a gate who you are in AWS.

It presigns a GetCallerIdentity with the AWS credentials that are at hand (environment, profile, SSO, web identity, container, instance) \
for one gate, and prints it as the header x-findings-gate-sts-token has it. Nothing is sent. The gate asks STS who signed it; docs/identity.md \
has how, and the same in a few lines of Python.

Whoever has the token is you at that gate for 15 minutes: keep it out of logs and files.";

const EXAMPLES: &str = "\
Examples:
  findings-gate token --gate findings.example.com
  AWS_PROFILE=triage findings-gate token --gate findings.example.com \\
      --region eu-west-1 --json
  # The header stays out of the list of processes
  findings-gate token --gate findings.example.com --header \\
      | curl -H @- -X PATCH --json @update.json \\
          https://findings.example.com/findings/batchupdate

Exit codes: 0 made · 1 no credentials, or they cannot sign · 64 usage";

/// How long STS takes a presigned request.
const LIFE: SignedDuration = SignedDuration::from_mins(15);

/// Arguments of `token`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TokenArgs {
    /// The gate's name, as `gate` in its configuration says it. The token is good at no other
    #[arg(long, value_name = "NAME")]
    pub gate: GateName,

    /// The Region whose STS the gate asks; by default that of the environment or the profile
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,

    /// Where STS is, if not at the Region's own endpoint; `http://` on loopback only
    #[arg(long, value_name = "HOST")]
    pub endpoint: Option<StsHost>,

    /// Print the whole header line, `x-findings-gate-sts-token: …`
    #[arg(long, conflicts_with = "json")]
    pub header: bool,

    /// Print one JSON object, with when the token expires
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Made<'a> {
    version: u32,
    header: &'a str,
    token: &'a str,
    gate: &'a str,
    endpoint: String,
    region: &'a str,
    expires: String,
}

/// Makes a token and prints it.
pub(super) fn run(args: &TokenArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::broke)?;
    let (credentials, region) = runtime.block_on(ambient(args.region.as_deref()))?;
    // Region names come into the host's name.
    let is_region =
        |region: &str| region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if region.is_empty() || !is_region(&region) {
        return Err(Failure::broke(format!("`{region}` is no AWS Region: expected one such as `eu-west-1`")));
    }
    let host = match &args.endpoint {
        Some(host) => host.clone(),
        None => StsHost::of_region(&region).into_iter().next().ok_or_else(|| Failure::broke("no STS host is known"))?,
    };
    let now = Timestamp::now();
    let end = now.saturating_add(LIFE).map_err(Failure::broke)?;
    // Credentials that end before make a token that ends with them.
    let expires =
        credentials.expiry().and_then(|expiry| Timestamp::try_from(expiry).ok()).map_or(end, |expiry| expiry.min(end));
    if expires <= now {
        return Err(Failure::broke(format!(
            "the AWS credentials at hand expired at {}: renew them, such as with `aws sso login`",
            expires.strftime("%Y-%m-%dT%H:%M:%SZ")
        )));
    }
    let url = sts_presign(credentials, &args.gate, &host, &region, now).map_err(Failure::broke)?;
    let token = sts_token(&url);
    if args.json {
        printer.json(&Made {
            version: 1,
            header: STS_TOKEN.as_str(),
            token: &token,
            gate: args.gate.as_str(),
            endpoint: host.to_string(),
            region: &region,
            expires: expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        })?;
    } else if args.header {
        printer.out(&format!("{STS_TOKEN}: {token}\n"))?;
    } else {
        printer.out(&format!("{token}\n"))?;
    }
    Ok(Exit::Fine)
}

/// The credentials and the Region that AWS's own tools would use here.
async fn ambient(region: Option<&str>) -> Result<(Credentials, String), Failure> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(region) = region {
        loader = loader.region(aws_config::Region::new(region.to_owned()));
    }
    let config = loader.load().await;
    let region = config.region().map(ToString::to_string).ok_or_else(|| {
        Failure::broke("no AWS Region is set: give one with `--region`, or set AWS_REGION or the profile's `region`")
    })?;
    let provider = config.credentials_provider().ok_or_else(|| Failure::broke(NO_CREDENTIALS))?;
    match provider.provide_credentials().await {
        Ok(credentials) => Ok((credentials, region)),
        Err(error) => Err(Failure::broke(format!("{NO_CREDENTIALS} ({})", causes(&error)))),
    }
}

const NO_CREDENTIALS: &str = "no AWS credentials were found: set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, log in with \
                              `aws sso login`, or run where a role is attached";

/// An error with those below it: the one at the bottom says what happened.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !told.ends_with(&text) {
            told = format!("{told}: {text}");
        }
        cause = error.source();
    }
    told
}
