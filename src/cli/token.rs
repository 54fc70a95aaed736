//! `findings-gate token`

use super::{
    Exit, Failure, Printer,
    credentials::{Ambient, ambient},
};
use crate::identity::{GateName, STS_TOKEN, StsHost, sts_presign, sts_token};
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
  findings-gate token --gate findings.example.com --profile triage \\
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

    /// The AWS profile whose credentials sign
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,

    /// The Region whose STS the gate asks; that of the profile or the environment otherwise
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

/// A token that was made.
pub(super) struct Made {
    /// As the header has it: a secret.
    pub(super) token: String,
    host: StsHost,
    region: String,
    expires: Timestamp,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Shown<'a> {
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
    let ambient = runtime.block_on(ambient(args.profile.as_deref()))?;
    let made = make(&args.gate, ambient, args.region.as_deref(), args.endpoint.as_ref())?;
    if args.json {
        printer.json(&Shown {
            version: 1,
            header: STS_TOKEN.as_str(),
            token: &made.token,
            gate: args.gate.as_str(),
            endpoint: made.host.to_string(),
            region: &made.region,
            expires: shown(made.expires),
        })?;
    } else if args.header {
        printer.out(&format!("{STS_TOKEN}: {}\n", made.token))?;
    } else {
        printer.out(&format!("{}\n", made.token))?;
    }
    Ok(Exit::Fine)
}

/// Makes a token for a gate, of credentials that are at hand. The Region is theirs unless one is given, and STS is asked at that Region's
/// endpoint unless another host is given.
pub(super) fn make(
    gate: &GateName,
    Ambient { credentials, region: ambient }: Ambient,
    region: Option<&str>,
    endpoint: Option<&StsHost>,
) -> Result<Made, Failure> {
    let region = region.map(str::to_owned).or(ambient).ok_or_else(|| {
        Failure::broke("no AWS Region is set: name one with `--region`, or set `AWS_REGION` or the profile's `region`")
    })?;
    // It becomes a part of the host's name.
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if region.is_empty() || !region.bytes().all(fits) {
        return Err(Failure::broke(format!("`{region}` is no AWS Region: expected one such as `eu-west-1`")));
    }
    let host = match endpoint {
        Some(host) => host.clone(),
        None => StsHost::of_region(&region).into_iter().next().ok_or_else(|| Failure::broke("no STS host is known"))?,
    };
    let now = Timestamp::now();
    let end = now.saturating_add(LIFE).map_err(Failure::broke)?;
    // Credentials that end before make a token that ends with them.
    let expiry = credentials.expiry().and_then(|expiry| Timestamp::try_from(expiry).ok());
    let expires = expiry.map_or(end, |expiry| expiry.min(end));
    if expires <= now {
        return Err(Failure::broke(format!(
            "the AWS credentials at hand expired at {}: renew them, such as with `aws sso login`",
            shown(expires)
        )));
    }
    let url = sts_presign(credentials, gate, &host, &region, now).map_err(Failure::broke)?;
    Ok(Made { token: sts_token(&url), host, region, expires })
}

fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
