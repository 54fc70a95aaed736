//! The events that are worth a line in the log.
//!
//! Every line has the field `event` with a name that stays as it is, so that an alert may rely on it. Fields that callers
//! or the backend had a hand in are strings, which both formats escape: nobody can forge a line.

use super::trace::TraceId;
use crate::finding::Proof;
use jiff::{SignedDuration, Timestamp};
use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};
use tracing::{debug, error, info, warn};

/// Milliseconds, for a field of a line.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Microseconds, for a field of a line.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The gate takes requests.
#[derive(Debug, Clone, Copy)]
pub struct Started<'a> {
    /// Where: the address that was really bound.
    pub address: SocketAddr,
    /// The findings backend.
    pub upstream: &'a str,
    /// The Region that callers sign for.
    pub region: &'a str,
    /// How many policies apply.
    pub policies: usize,
    /// The digest of the policies, to compare gates by.
    pub digest: &'a str,
    /// How many accounts there are, the administrator's included.
    pub accounts: usize,
}

impl Started<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        info!(
            event = "started",
            address = %self.address,
            upstream = self.upstream,
            region = self.region,
            policies = self.policies,
            digest = self.digest,
            accounts = self.accounts,
            version = env!("CARGO_PKG_VERSION"),
            "takes requests"
        );
    }
}

/// A request's record was not written in time, so the request was not answered with what became of it.
#[derive(Debug, Clone, Copy)]
pub struct RecordLate<'a> {
    /// Which.
    pub request_id: &'a str,
    /// What was asked.
    pub operation: &'a str,
    /// Why.
    pub reason: &'a str,
}

impl RecordLate<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        error!(
            event = "record_late",
            request_id = self.request_id,
            operation = self.operation,
            reason = self.reason,
            "did not answer with what became of a request, because it is not on record"
        );
    }
}

/// The audit log cannot be written. Told once, until it can be again.
#[derive(Debug, Clone, Copy)]
pub struct AuditFailed<'a> {
    /// Why.
    pub reason: &'a str,
}

impl AuditFailed<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        error!(event = "audit_failed", reason = self.reason, "cannot write decision records");
    }
}

/// The audit log can be written again.
#[derive(Debug, Clone, Copy)]
pub struct AuditRecovered;

impl AuditRecovered {
    /// Writes the line.
    pub fn emit(&self) {
        info!(event = "audit_recovered", "writes decision records again");
    }
}

/// A full audit file could not be put away.
#[derive(Debug, Clone, Copy)]
pub struct AuditNotRotated<'a> {
    /// Why.
    pub reason: &'a str,
}

impl AuditNotRotated<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        warn!(event = "audit_not_rotated", reason = self.reason, "goes on in an audit file that is full");
    }
}

/// Decision records are given up. Told at most once in a while.
#[derive(Debug, Clone, Copy)]
pub struct AuditShed {
    /// How many, since this was told the last time.
    pub records: u64,
}

impl AuditShed {
    /// Writes the line.
    pub fn emit(&self) {
        warn!(event = "audit_shed", records = self.records, "gave up decision records");
    }
}

/// The audit log ended in a line that was not whole, because a process was killed while it wrote.
#[derive(Debug, Clone, Copy)]
pub struct AuditRepaired {
    /// How many bytes of it were taken off.
    pub bytes: u64,
}

impl AuditRepaired {
    /// Writes the line.
    pub fn emit(&self) {
        warn!(
            event = "audit_repaired",
            bytes = self.bytes,
            "took a line off the audit log that was not written to its end"
        );
    }
}

/// Other members were listed than before.
#[derive(Debug, Clone, Copy)]
pub struct AccountsDiscovered {
    /// How many accounts there are now, administrators among them.
    pub accounts: usize,
}

impl AccountsDiscovered {
    /// Writes the line.
    pub fn emit(&self) {
        info!(event = "accounts_discovered", accounts = self.accounts, "Security Hub listed the members");
    }
}

/// A list has less than half of the members that a fleet had.
#[derive(Debug, Clone, Copy)]
pub struct AccountsDoubted<'a> {
    /// Whose fleet.
    pub administrator: &'a str,
    /// How many members it had.
    pub before: usize,
    /// How many of them are left in the list.
    pub left: usize,
    /// Whether it is taken for true now.
    pub is_believed: bool,
}

impl AccountsDoubted<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        let Self { administrator, before, left, is_believed } = *self;
        error!(
            event = "accounts_doubted",
            administrator,
            before,
            left,
            is_believed,
            "most members of a fleet are gone from the list of Security Hub; check the permission securityhub:ListMembers, and what the \
             accounts file calls administrator"
        );
    }
}

/// Members could not be listed: those that were known stay.
#[derive(Debug, Clone, Copy)]
pub struct DiscoveryFailed<'a> {
    /// Why.
    pub reason: &'a str,
}

impl DiscoveryFailed<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        warn!(
            event = "discovery_failed",
            reason = self.reason,
            "the members could not be listed; those that were known stay"
        );
    }
}

/// The configuration has something that is allowed and probably not meant.
#[derive(Debug, Clone, Copy)]
pub struct ConfigurationDoubtful<'a> {
    /// What, and why that is doubtful.
    pub warning: &'a str,
}

impl ConfigurationDoubtful<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        warn!(event = "configuration_doubtful", warning = self.warning, "the configuration is doubtful");
    }
}

/// The configuration was read again, and is what requests are decided by from now on.
#[derive(Debug, Clone, Copy)]
pub struct Reloaded<'a> {
    /// How many policies apply.
    pub policies: usize,
    /// The digest of the policies and the accounts.
    pub digest: &'a str,
    /// How many accounts there are, the administrator's included.
    pub accounts: usize,
}

impl Reloaded<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        info!(
            event = "reloaded",
            policies = self.policies,
            digest = self.digest,
            accounts = self.accounts,
            "the configuration was read again and is used from now on"
        );
    }
}

/// The configuration was read again and cannot be used. What was used before is used on.
#[derive(Debug, Clone, Copy)]
pub struct ReloadFailed<'a> {
    /// Why.
    pub reason: &'a str,
}

impl ReloadFailed<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        error!(
            event = "reload_failed",
            reason = self.reason,
            "the configuration was read again and cannot be used; the last good one is used on"
        );
    }
}

/// A bundle was fetched, and is what requests are decided by from now on.
#[derive(Debug, Clone, Copy)]
pub struct BundleFetched<'a> {
    /// Where it came from.
    pub url: &'a str,
    /// What its makers call it.
    pub revision: &'a str,
    /// Its number in a row.
    pub number: Option<u64>,
    /// Of its bytes.
    pub digest: &'a str,
}

impl BundleFetched<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        let Self { url, revision, number, digest } = *self;
        info!(event = "bundle_fetched", url, revision, number, digest, "a bundle was fetched and is used from now on");
    }
}

/// A bundle was asked for, and there is none but the one that is used.
#[derive(Debug, Clone, Copy)]
pub struct BundleUnchanged<'a> {
    /// Where it comes from.
    pub url: &'a str,
}

impl BundleUnchanged<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        debug!(event = "bundle_unchanged", url = self.url, "there is no other bundle than the one that is used");
    }
}

/// A bundle could not be fetched. The last good one is used on.
#[derive(Debug, Clone, Copy)]
pub struct BundleFailed<'a> {
    /// Where it should have come from.
    pub url: &'a str,
    /// Why it did not.
    pub reason: &'a str,
}

impl BundleFailed<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        let Self { url, reason } = *self;
        warn!(event = "bundle_failed", url, reason, "the bundle could not be fetched; the last good one is used on");
    }
}

/// A bundle was fetched and must not, or cannot, be used. The last good one is used on.
#[derive(Debug, Clone, Copy)]
pub struct BundleRefused<'a> {
    /// Where it came from.
    pub url: &'a str,
    /// Why it is not used.
    pub reason: &'a str,
}

impl BundleRefused<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        let Self { url, reason } = *self;
        error!(
            event = "bundle_refused",
            url, reason, "a bundle was fetched and is not used; the last good one is used on"
        );
    }
}

/// Why something else is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelChange {
    /// Somebody asked for it.
    Asked,
    /// Somebody asked for what the configuration says.
    Reset,
    /// The time of another level is over.
    Ended,
}

/// From now on something else is logged than before.
#[derive(Debug, Clone, Copy)]
pub struct LogLevelChanged<'a> {
    /// The level, or the directives.
    pub level: &'a str,
    /// When what the configuration says is logged again, if that is known.
    pub until: Option<Timestamp>,
    /// Why.
    pub why: LevelChange,
}

impl LogLevelChanged<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        let why = match self.why {
            LevelChange::Asked => "asked",
            LevelChange::Reset => "reset",
            LevelChange::Ended => "ended",
        };
        let until = self.until.map(|until| until.to_string());
        warn!(event = "log_level_changed", level = self.level, until, why, "from now on something else is logged");
    }
}

/// Changes of the configuration's files cannot be noticed at once.
#[derive(Debug, Clone, Copy)]
pub struct WatchFailed<'a> {
    /// Why.
    pub reason: &'a str,
}

impl WatchFailed<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        warn!(
            event = "watch_failed",
            reason = self.reason,
            "the configuration's files cannot be watched; they are looked at every 30 seconds instead"
        );
    }
}

/// A caller connected and no TLS came of it.
#[derive(Debug, Clone, Copy)]
pub struct HandshakeFailed<'a> {
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Why.
    pub reason: &'a str,
}

impl HandshakeFailed<'_> {
    /// Writes the line. Whoever scans ports makes one, so it is no warning.
    pub fn emit(&self) {
        info!(event = "handshake_failed", peer = %self.peer, reason = self.reason, "a TLS handshake failed");
    }
}

/// A request came from nobody that the gate knows.
#[derive(Debug, Clone, Copy)]
pub struct CallerUnknown<'a> {
    /// The request's id, as the caller has it.
    pub request_id: &'a str,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// The error that the caller got, such as `InvalidSignatureException`.
    pub code: &'a str,
    /// Why.
    pub reason: &'a str,
}

impl CallerUnknown<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        warn!(
            event = "caller_unknown",
            request_id = self.request_id,
            peer = %self.peer,
            code = self.code,
            reason = self.reason,
            "a caller could not be identified"
        );
    }
}

/// The keys that an issuer signs its tokens with were fetched.
#[derive(Debug, Clone, Copy)]
pub struct IssuerKeysFetched<'a> {
    /// Whose keys.
    pub issuer: &'a str,
    /// How many of them can be used.
    pub keys: usize,
}

impl IssuerKeysFetched<'_> {
    /// Writes the line: at `debug`, or as a warning where there is none that can be used.
    pub fn emit(&self) {
        macro_rules! line {
            ($level:ident, $message:literal) => {
                $level!(event = "issuer_keys_fetched", issuer = self.issuer, keys = self.keys, $message)
            };
        }
        if self.keys > 0 {
            line!(debug, "an issuer's keys were fetched");
        } else {
            line!(warn, "an issuer publishes no key that can be used: none of its tokens is good");
        }
    }
}

/// The keys that an issuer signs its tokens with could not be fetched.
#[derive(Debug, Clone, Copy)]
pub struct IssuerKeysFailed<'a> {
    /// Whose keys.
    pub issuer: &'a str,
    /// Why.
    pub reason: &'a str,
    /// How old those are that the gate goes on with; nothing if there are none.
    pub age: Option<SignedDuration>,
}

impl IssuerKeysFailed<'_> {
    /// Writes the line: a warning while there are keys to go on with, else an error.
    pub fn emit(&self) {
        macro_rules! line {
            ($level:ident, $message:literal) => {
                $level!(
                    event = "issuer_keys_failed",
                    issuer = self.issuer,
                    reason = self.reason,
                    age_s = self.age.map(|age| age.as_secs()),
                    $message
                )
            };
        }
        if self.age.is_some() {
            line!(warn, "an issuer's keys could not be fetched: the last ones are used");
        } else {
            line!(error, "an issuer's keys could not be fetched: none of its tokens can be checked");
        }
    }
}

/// A known caller's whole request was refused, before or after its findings were decided.
#[derive(Debug, Clone, Copy)]
pub struct RequestDenied<'a> {
    /// The request's id, as the caller has it.
    pub request_id: &'a str,
    /// The trace that it belongs to, if that is known.
    pub trace_id: Option<TraceId>,
    /// The caller's account.
    pub account: &'a str,
    /// The caller's principal.
    pub principal: &'a str,
    /// How the caller proved who it is, such as `sigv4:AKIAPAYMENTS`.
    pub proof: &'a Proof,
    /// The operation, or what was asked for in its place.
    pub operation: &'a str,
    /// The error that the caller got, such as `AccessDeniedException`.
    pub code: &'a str,
    /// Why: names the deciding policy where one decided.
    pub reason: &'a str,
}

impl RequestDenied<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        warn!(
            event = "request_denied",
            request_id = self.request_id,
            trace_id = self.trace_id.map(display),
            account = self.account,
            principal = self.principal,
            proof = %self.proof,
            operation = self.operation,
            code = self.code,
            reason = self.reason,
            "a request was denied"
        );
    }
}

/// A request was decided and answered.
#[derive(Debug, Clone, Copy)]
pub struct RequestServed<'a> {
    /// The request's id, as the caller has it.
    pub request_id: &'a str,
    /// The trace that it belongs to, if that is known.
    pub trace_id: Option<TraceId>,
    /// The caller's account.
    pub account: &'a str,
    /// The caller's principal.
    pub principal: &'a str,
    /// How the caller proved who it is, such as `sigv4:AKIAPAYMENTS`.
    pub proof: &'a Proof,
    /// The operation.
    pub operation: &'a str,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The findings, or automation rules, that the request named.
    pub findings: usize,
    /// Those of them that lost at least one field, or were not forwarded.
    pub denied: usize,
    /// When the request's head was there. The line tells how long ago that was.
    pub began: Instant,
}

impl RequestServed<'_> {
    /// Writes the line: at `info` where something was denied, else at `debug`, so that ordinary traffic costs nothing.
    pub fn emit(&self) {
        macro_rules! line {
            ($level:ident) => {
                $level!(
                    event = "request_served",
                    request_id = self.request_id,
                    trace_id = self.trace_id.map(display),
                    account = self.account,
                    principal = self.principal,
                    proof = %self.proof,
                    operation = self.operation,
                    status = self.status,
                    findings = self.findings,
                    denied = self.denied,
                    elapsed_us = micros(self.began.elapsed()),
                    "a request was served"
                )
            };
        }
        if self.denied > 0 {
            line!(info);
        } else {
            line!(debug);
        }
    }
}

/// With the shadow policies in force, a change would have been decided otherwise.
#[derive(Debug, Clone, Copy)]
pub struct ShadowDiffers<'a> {
    /// The request's id, as the caller has it.
    pub request_id: &'a str,
    /// The caller's account.
    pub account: &'a str,
    /// The caller's principal.
    pub principal: &'a str,
    /// The finding's id; of an automation rule its name or ARN.
    pub finding: &'a str,
    /// The change's action, such as `Workflow.Status`.
    pub action: &'a str,
    /// The verdict that was enforced, with its policies.
    pub enforced: &'a str,
    /// The verdict that would have been, with its policies.
    pub shadow: &'a str,
}

impl ShadowDiffers<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        info!(
            event = "shadow_differs",
            request_id = self.request_id,
            account = self.account,
            principal = self.principal,
            finding = self.finding,
            action = self.action,
            enforced = self.enforced,
            shadow = self.shadow,
            "a shadow policy would have decided otherwise"
        );
    }
}

/// A policy could not be evaluated, and the change that it was asked about was denied for that.
#[derive(Debug, Clone, Copy)]
pub struct PolicyFailed<'a> {
    /// The request's id, as the caller has it.
    pub request_id: &'a str,
    /// The change's action, such as `Workflow.Status`.
    pub action: &'a str,
    /// The policy and what went wrong in it.
    pub reason: &'a str,
}

impl PolicyFailed<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        error!(
            event = "policy_failed",
            request_id = self.request_id,
            action = self.action,
            reason = self.reason,
            "a policy could not be evaluated: the change is denied"
        );
    }
}

/// The findings backend gave no answer, or not one to a request.
#[derive(Debug, Clone, Copy)]
pub struct UpstreamFailed<'a> {
    /// The request's id, as the caller has it.
    pub request_id: &'a str,
    /// The operation that was asked of the backend.
    pub operation: &'a str,
    /// The HTTP status that came, if one came.
    pub status: Option<u16>,
    /// What went wrong.
    pub reason: &'a str,
    /// From the request to the backend to the failure.
    pub elapsed: Duration,
}

impl UpstreamFailed<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        error!(
            event = "upstream_failed",
            request_id = self.request_id,
            operation = self.operation,
            status = self.status,
            reason = self.reason,
            elapsed_ms = millis(self.elapsed),
            "the findings backend failed"
        );
    }
}

/// The findings backend has failed again and again, and no calls go to it for a while.
#[derive(Debug, Clone, Copy)]
pub struct BreakerOpened<'a> {
    /// The backend's host and port.
    pub host: &'a str,
    /// Its Region.
    pub region: &'a str,
    /// The failure that was the last straw.
    pub reason: &'a str,
    /// For how long none go.
    pub pause: Duration,
}

impl BreakerOpened<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        error!(
            event = "breaker_opened",
            host = self.host,
            region = self.region,
            reason = self.reason,
            pause_ms = millis(self.pause),
            "the findings backend is left alone for a while"
        );
    }
}

/// Spans could not be sent to the collector. Those after it are not told of until some were sent again.
#[derive(Debug, Clone, Copy)]
pub struct TraceExportFailed<'a> {
    /// Why.
    pub reason: &'a str,
}

impl TraceExportFailed<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        warn!(
            event = "trace_export_failed",
            reason = self.reason,
            "spans could not be sent to the collector; requests are served on"
        );
    }
}

/// The findings backend is well again, and calls go to it.
#[derive(Debug, Clone, Copy)]
pub struct BreakerClosed<'a> {
    /// The backend's host and port.
    pub host: &'a str,
    /// Its Region.
    pub region: &'a str,
}

impl BreakerClosed<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        info!(event = "breaker_closed", host = self.host, region = self.region, "the findings backend is well again");
    }
}

/// Findings could not be looked up, and changes to them that depend on what they are now are denied for that.
#[derive(Debug, Clone, Copy)]
pub struct StateUnavailable<'a> {
    /// The request's id, as the caller has it.
    pub request_id: &'a str,
    /// The caller's account.
    pub account: &'a str,
    /// How many findings.
    pub findings: usize,
    /// Why.
    pub reason: &'a str,
}

impl StateUnavailable<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        warn!(
            event = "state_unavailable",
            request_id = self.request_id,
            account = self.account,
            findings = self.findings,
            reason = self.reason,
            "findings could not be looked up"
        );
    }
}

/// The findings backend answered for findings that nobody had asked it about, or not for all that it was asked about.
#[derive(Debug, Clone, Copy)]
pub struct AnswerDoubtful<'a> {
    /// The request's id, as the caller has it.
    pub request_id: &'a str,
    /// Findings that it named and was not asked about. They are left out of the answer.
    pub not_asked: usize,
    /// Findings that it was asked about and did not name; the caller is told that they failed. Of an import: by how many findings
    /// its counts are off.
    pub not_answered: usize,
}

impl AnswerDoubtful<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        error!(
            event = "answer_doubtful",
            request_id = self.request_id,
            not_asked = self.not_asked,
            not_answered = self.not_answered,
            "the findings backend's answer does not fit what it was asked"
        );
    }
}

/// The findings backend's answer to a read was not passed on, because it has findings that the caller may not see, or cannot
/// be read.
#[derive(Debug, Clone, Copy)]
pub struct AnswerWithheld<'a> {
    /// The request's id, as the caller has it.
    pub request_id: &'a str,
    /// The caller's account.
    pub account: &'a str,
    /// The caller's principal.
    pub principal: &'a str,
    /// The operation that was asked of the backend.
    pub operation: &'a str,
    /// What is wrong with the answer.
    pub reason: &'a str,
}

impl AnswerWithheld<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        error!(
            event = "answer_withheld",
            request_id = self.request_id,
            account = self.account,
            principal = self.principal,
            operation = self.operation,
            reason = self.reason,
            "the findings backend's answer was not passed on"
        );
    }
}

/// The gate has AWS credentials to sign with: for the first time, or again.
#[derive(Debug, Clone, Copy)]
pub struct CredentialsObtained<'a> {
    /// The id of the access key, which is no secret.
    pub access_key_id: &'a str,
    /// When they expire, if they do. They are fetched anew before that.
    pub expiry: Option<SystemTime>,
}

impl CredentialsObtained<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        let expiry = self.expiry.and_then(|expiry| Timestamp::try_from(expiry).ok()).map(|at| at.to_string());
        info!(
            event = "credentials_obtained",
            access_key_id = self.access_key_id,
            expiry = expiry.as_deref(),
            "has AWS credentials"
        );
    }
}

/// The gate has no AWS credentials, and answers requests with 503: it got none, or the last ones expired.
#[derive(Debug, Clone, Copy)]
pub struct CredentialsLost<'a> {
    /// Why they cannot be fetched.
    pub reason: &'a str,
}

impl CredentialsLost<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        error!(
            event = "credentials_lost",
            reason = self.reason,
            "has no AWS credentials: requests to the findings backend cannot be signed"
        );
    }
}

/// The gate's AWS credentials are still good, and cannot be fetched anew.
#[derive(Debug, Clone, Copy)]
pub struct CredentialsStale<'a> {
    /// Why.
    pub reason: &'a str,
}

impl CredentialsStale<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        warn!(
            event = "credentials_stale",
            reason = self.reason,
            "AWS credentials cannot be renewed; the last ones are used until they expire"
        );
    }
}

/// STS gave no credentials of a role.
#[derive(Debug, Clone, Copy)]
pub struct RoleRefused<'a> {
    /// The role's ARN.
    pub role: &'a str,
    /// The name that its session would have had.
    pub session: &'a str,
    /// What STS said, or why it could not be asked.
    pub reason: &'a str,
}

impl RoleRefused<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        error!(
            event = "role_refused",
            role = self.role,
            session = self.session,
            reason = self.reason,
            "a role could not be assumed"
        );
    }
}

/// Requests were turned away, because there is more to do than the gate takes.
#[derive(Debug, Clone, Copy)]
pub struct RequestsShed<'a> {
    /// Why the last of them was.
    pub reason: &'a str,
    /// How many, since this was told the last time.
    pub count: u64,
}

impl RequestsShed<'_> {
    /// Writes the line.
    pub fn emit(&self) {
        warn!(
            event = "requests_shed",
            reason = self.reason,
            count = self.count,
            "turned requests away with 503; see `limits.requests`, `limits.bodies` and `limits.queue`"
        );
    }
}

/// The gate was told to stop.
#[derive(Debug, Clone, Copy)]
pub struct Stopping {
    /// The signal that told it.
    pub signal: &'static str,
    /// How long it still takes requests.
    pub grace: Duration,
}

impl Stopping {
    /// Writes the line.
    pub fn emit(&self) {
        info!(event = "stopping", signal = self.signal, grace_ms = millis(self.grace), "was told to stop");
    }
}

/// The gate was told to stop, and has stopped.
#[derive(Debug, Clone, Copy)]
pub struct Drained {
    /// Requests that were answered after the gate was told to stop.
    pub finished: u64,
    /// Requests that were given up, because their time was up or a second signal came.
    pub cut: u64,
}

impl Drained {
    /// Writes the line: a warning if a request lost its answer.
    pub fn emit(&self) {
        macro_rules! line {
            ($level:ident, $message:literal) => {
                $level!(event = "drained", finished = self.finished, cut = self.cut, $message)
            };
        }
        if self.cut == 0 {
            line!(info, "stopped");
        } else {
            line!(warn, "stopped before everything under way was finished");
        }
    }
}
