//! Every metric in one table: its name, type, labels and meaning. The registry and `docs/metrics.md` are made from it.

use super::{
    AuditMetrics, Counted, cells, lock,
    policies::DIFFERENCES,
    process::Process,
    upstream::{EXCHANGES, LOOK_UPS, QUOTA, REASONS},
    whole::{BUNDLE_FETCHES, RECORDS, RELOADS, SHED, SPANS},
    worker::{CODES, DENIALS, FIELDS, KEPT, OUTCOMES, ROLES, ROLES_OR_NONE, STATUS_LABELS, VERDICTS, WHOLE},
    write::{Exposed, Write, of_regions, of_workers, operation, table_of_regions, times_of_regions, times_of_workers},
};
use crate::finding::Field;
use prometheus_client::{
    metrics::MetricType::{self, Counter, Gauge, Histogram},
    registry::Registry,
};
use std::{fmt, sync::Arc};

/// What the name of every metric begins with, but for those that Prometheus' own libraries have a name for.
const PREFIX: &str = "findings_gate";

/// One metric.
pub(super) struct Description {
    /// Without the prefix, and without the `_total` that counters end in.
    pub(super) name: &'static str,
    pub(super) kind: MetricType,
    pub(super) labels: &'static [Label],
    /// A sentence without its full stop, which the library adds.
    pub(super) help: &'static str,
}

/// A label's name and its values; none where they are told in words.
pub(super) type Label = (&'static str, &'static [&'static str]);

/// Any Region of the configuration.
const REGION: Label = ("region", &[]);
/// Any operation of the gate.
const OPERATION: Label = ("operation", &[]);
/// Any policy that decides.
const POLICY: Label = ("policy", &[]);
/// What the caller's account is.
const ROLE: Label = ("role", ROLES);
/// Any field, or the finding as a whole.
const FIELD: Label = ("field", &[]);
/// What a verdict says in one word, and what a denial does.
const VERDICT: Label = ("verdict", &["allowed", "denied"]);
const ENFORCEMENT: Label = ("enforcement", &["none", "strip", "reject", "refuse"]);

const fn metric(name: &'static str, kind: MetricType, labels: &'static [Label], help: &'static str) -> Description {
    Description { name, kind, labels, help }
}

/// Every metric, and how its numbers are written, in the order of the reference.
static METRICS: &[(Description, Write)] = &[
    (
        metric(
            "requests",
            Counter,
            &[OPERATION, ("role", ROLES_OR_NONE), ("status", STATUS_LABELS)],
            "Requests that were answered, by the HTTP status of the answer; operation `none` where the caller was not known or the \
             door was closed, role `none` where the caller was not known",
        ),
        |of, to| {
            of_workers(
                of,
                |worker| &worker.requests,
                |row, counts| {
                    let (at, role) = (row / ROLES_OR_NONE.len(), row % ROLES_OR_NONE.len());
                    to.row(&[operation(at), ROLES_OR_NONE[role]], counts)
                },
            )
        },
    ),
    (metric("requests_in_flight", Gauge, &[], "Requests that are under way now"), |of, to| {
        to.gauge(&[], of.load.in_flight.get())
    }),
    (metric("requests_waiting", Gauge, &[], "Requests that wait for room now"), |of, to| {
        to.gauge(&[], of.load.waiting.get())
    }),
    (
        metric(
            "shed",
            Counter,
            &[("reason", SHED)],
            "Requests that were answered with 503 before anything of them was done, and are counted nowhere else",
        ),
        |of, to| to.row(&[], &of.load.shed.row(0)),
    ),
    (
        metric(
            "request_duration_seconds",
            Histogram,
            &[OPERATION],
            "How long requests took, from their head to their answer",
        ),
        |of, to| times_of_workers(of, to, |worker| &worker.times),
    ),
    (
        metric(
            "request_own_duration_seconds",
            Histogram,
            &[OPERATION],
            "How long the gate itself took for requests: the same without the time in which a request waited for its body, for \
             whoever vouches for its caller, for look-ups, for the findings backend, with quota and retries, and for the audit log",
        ),
        |of, to| times_of_workers(of, to, |worker| &worker.own_times),
    ),
    (
        metric(
            "request_findings",
            Histogram,
            &[OPERATION],
            "How many findings, or automation rules, requests named about which was decided",
        ),
        |of, to| times_of_workers(of, to, |worker| &worker.findings),
    ),
    (
        metric(
            "request_groups",
            Histogram,
            &[OPERATION],
            "In how many calls, one for all findings that keep the same fields, requests were forwarded; 0 where nothing was left",
        ),
        |of, to| times_of_workers(of, to, |worker| &worker.groups),
    ),
    (
        metric(
            "callers_unknown",
            Counter,
            &[("code", CODES)],
            "Requests whose caller could not be identified, by the error that the caller got",
        ),
        |of, to| of_workers(of, |worker| &worker.unknown, |_, counts| to.row(&[], counts)),
    ),
    (
        metric(
            "decisions",
            Counter,
            &[OPERATION, ROLE, FIELD, VERDICT, ENFORCEMENT],
            "Verdicts that counted, one for each change on each finding, by what a denial does to this caller; field `finding` is \
             what is about a finding as a whole",
        ),
        |of, to| {
            of_workers(
                of,
                |worker| &worker.decisions,
                |row, counts| {
                    let (row, field) = (row / FIELDS, row % FIELDS);
                    let field = Field::ALL.get(field).map_or(WHOLE, |field| field.as_str());
                    let (at, role) = (row / ROLES.len(), row % ROLES.len());
                    let mut verdicts = (0..VERDICTS.len()).zip(counts);
                    verdicts.try_for_each(|(said, count)| {
                        let [verdict, enforcement] = verdict(said);
                        to.counter(&[operation(at), ROLES[role], field, verdict, enforcement], *count)
                    })
                },
            )
        },
    ),
    (
        metric(
            "denials",
            Counter,
            &[OPERATION, ROLE, ("reason", DENIALS)],
            "Verdicts that denied, one for each change on each finding, by their reason",
        ),
        |of, to| {
            of_workers(
                of,
                |worker| &worker.denials,
                |row, counts| to.row(&[operation(row / ROLES.len()), ROLES[row % ROLES.len()]], counts),
            )
        },
    ),
    (
        metric(
            "findings",
            Counter,
            &[OPERATION, ROLE, ("outcome", OUTCOMES)],
            "Findings, or automation rules, by what was decided on them: `whole`, forwarded as it was asked; `stripped`, without \
             some fields; `rejected`, not at all; `refused`, and the whole request with it, whatever was decided on its other findings",
        ),
        |of, to| {
            of_workers(
                of,
                |worker| &worker.outcomes,
                |row, counts| to.row(&[operation(row / ROLES.len()), ROLES[row % ROLES.len()]], counts),
            )
        },
    ),
    (
        metric(
            "policy_decisions",
            Counter,
            &[POLICY, ROLE, VERDICT, ENFORCEMENT],
            "Verdicts that counted and that this policy had a part in: permits in what is allowed, the others in what is denied; a \
             verdict of several policies counts for each",
        ),
        |of, to| {
            let policies = Arc::clone(&lock(&of.policies));
            for (id, of) in policies.all() {
                for (at, role) in ROLES.iter().enumerate() {
                    for (said, count) in of.counts.decisions.row(at).into_iter().enumerate() {
                        // What it says where it decides is there from the start: a policy that never does shows by that.
                        if count > 0 || said == of.says as usize && !of.shadow {
                            let [verdict, enforcement] = verdict(said);
                            to.counter(&[id, role, verdict, enforcement], count)?;
                        }
                    }
                }
            }
            Ok(())
        },
    ),
    (
        metric(
            "shadow_differences",
            Counter,
            &[POLICY, ("difference", DIFFERENCES)],
            "Verdicts that would have been others with the `@shadow` policies in force, by the `@shadow` policies that had a part in \
             it: `denies`, what was allowed; `allows`, what was denied; `enforcement`, denied as before and with another enforcement; \
             `policies`, as before and by other policies",
        ),
        |of, to| {
            let policies = Arc::clone(&lock(&of.policies));
            let mut shadows = policies.all().into_iter().filter(|(_, of)| of.shadow);
            shadows.try_for_each(|(id, of)| to.row(&[id], &of.counts.shadow.row(0)))
        },
    ),
    (
        metric(
            "verdicts",
            Counter,
            &[("source", KEPT)],
            "Questions to the policies: `kept`, the same was asked before and its verdict was known; `evaluated`, Cedar was asked. One \
             question is asked for all findings that the policies cannot tell apart",
        ),
        |of, to| of_workers(of, |worker| &worker.verdicts, |_, counts| to.row(&[], counts)),
    ),
    (metric("policies", Gauge, &[], "Policies that decide now, `@shadow` ones included"), |of, to| {
        to.gauge(&[], count(lock(&of.policies).len()))
    }),
    (metric("accounts", Gauge, &[], "Accounts that may call, administrators included"), |of, to| {
        to.gauge(&[], count(lock(&of.policies).accounts))
    }),
    (
        metric(
            "policies_info",
            Gauge,
            &[("digest", &[])],
            "Always 1; the label is the digest of the policies and accounts that decide now, the same in all gates that decide alike",
        ),
        |of, to| to.gauge(&[&Arc::clone(&lock(&of.policies)).digest], 1),
    ),
    (
        metric(
            "reloads",
            Counter,
            &[("result", RELOADS)],
            "How often the configuration was read again because it had changed, or Security Hub listed other members",
        ),
        |of, to| to.row(&[], &of.reloads.tries.row(0)),
    ),
    (
        metric(
            "reload_last_successful",
            Gauge,
            &[],
            "Whether the configuration that was read last is used: 1, it is; 0, it could not be, and the one before is used on",
        ),
        |of, to| to.gauge(&[], of.reloads.is_last_good.get()),
    ),
    (
        metric(
            "reload_last_success_timestamp_seconds",
            Gauge,
            &[],
            "When the configuration that is used was read, in seconds since 1970",
        ),
        |of, to| to.float_gauge(Some(of.reloads.last_success())),
    ),
    (
        metric(
            "state_lookups",
            Counter,
            &[REGION, ("result", LOOK_UPS)],
            "Findings whose state a decision depended on, by what came of looking them up; what is not `cached`, `found` or `missing` \
             denies what depends on it",
        ),
        |of, to| of_regions(of, |region, of| of.look_ups.rows().try_for_each(|(_, row)| to.row(&[region], &row))),
    ),
    (
        metric(
            "state_lookup_duration_seconds",
            Histogram,
            &[REGION],
            "How long requests waited for findings that were not cached",
        ),
        |of, to| of_regions(of, |region, of| to.histogram(&[region], &cells::Histogram::read_all([&of.look_up_times]))),
    ),
    (metric("state_cache_entries", Gauge, &[REGION], "Findings that are kept from look-ups before"), |of, to| {
        of_regions(of, |region, of| of.kept.get().map_or(Ok(()), |kept| to.gauge(&[region], kept.ask())))
    }),
    (
        metric(
            "upstream_calls",
            Counter,
            &[REGION, OPERATION, ("outcome", EXCHANGES)],
            "Exchanges with the findings backend, each attempt of a call by itself, look-ups included",
        ),
        |of, to| table_of_regions(of, to, |of| &of.calls),
    ),
    (
        metric(
            "upstream_call_duration_seconds",
            Histogram,
            &[REGION, OPERATION],
            "How long an exchange with the findings backend took, without waiting for the quota",
        ),
        |of, to| times_of_regions(of, to, |of| &of.times),
    ),
    (
        metric(
            "upstream_retries",
            Counter,
            &[REGION, OPERATION, ("reason", REASONS)],
            "Calls that were made again, by what came of the attempt before",
        ),
        |of, to| table_of_regions(of, to, |of| &of.retries),
    ),
    (
        metric(
            "upstream_retry_budget_exhausted",
            Counter,
            &[REGION],
            "Calls that were not made again because the budget of retries was used up",
        ),
        |of, to| of_regions(of, |region, of| to.counter(&[region], of.exhausted.get(0, 0))),
    ),
    (
        metric(
            "quota_calls",
            Counter,
            &[REGION, OPERATION, ("result", QUOTA)],
            "Calls by what they got of their quota",
        ),
        |of, to| table_of_regions(of, to, |of| &of.quota),
    ),
    (
        metric(
            "quota_wait_seconds",
            Histogram,
            &[REGION, OPERATION],
            "How long calls waited for their quota that had to, those that were refused in the end included",
        ),
        |of, to| times_of_regions(of, to, |of| &of.waits),
    ),
    (metric("quota_waiting", Gauge, &[REGION, OPERATION], "Calls that wait for their quota now"), |of, to| {
        of_regions(of, |region, of| {
            for (at, gauge) in of.waiting.iter().enumerate() {
                // Where nothing was ever granted there is no quota to wait for.
                if of.quota.row(at).iter().any(|count| *count > 0) || gauge.get() != 0 {
                    to.gauge(&[region, operation(at)], gauge.get())?;
                }
            }
            Ok(())
        })
    }),
    (
        metric(
            "breaker_state",
            Gauge,
            &[REGION],
            "Whether calls go to the findings backend: 0 closed, they do; 1 one call goes to see whether it is well again; 2 open, \
             none does",
        ),
        |of, to| of_regions(of, |region, of| to.gauge(&[region], of.breaker.get())),
    ),
    (
        metric(
            "breaker_openings",
            Counter,
            &[REGION],
            "How often the circuit breaker opened, or opened again after a call that was to see whether the backend is well",
        ),
        |of, to| of_regions(of, |region, of| to.counter(&[region], of.openings.get(0, 0))),
    ),
    (
        metric(
            "breaker_held_back",
            Counter,
            &[REGION],
            "Calls that were not made because the circuit breaker was open",
        ),
        |of, to| of_regions(of, |region, of| to.counter(&[region], of.held_back.get(0, 0))),
    ),
    (metric("connections", Gauge, &[], "Connections of callers that are served now"), |of, to| {
        to.gauge(&[], of.load.open.get())
    }),
    (
        metric(
            "connections_limit",
            Gauge,
            &[],
            "How many connections are served at once at the most (`limits.connections`)",
        ),
        |of, to| to.gauge(&[], of.load.limit.get()),
    ),
    (
        metric(
            "connections_waiting",
            Gauge,
            &[],
            "Connections that were accepted and wait until another one ends, because `limits.connections` are served; further ones \
             wait in the kernel",
        ),
        |of, to| to.gauge(&[], of.load.unplaced.get()),
    ),
    (metric("connections_accepted", Counter, &[], "Connections that were accepted"), |of, to| {
        to.counter(&[], of.load.accepted.get(0, 0))
    }),
    (metric("tls_handshakes_failed", Counter, &[], "Connections of which no TLS came"), |of, to| {
        to.counter(&[], of.load.handshakes_failed.get(0, 0))
    }),
    (
        metric(
            "bundle_fetches",
            Counter,
            &[("result", BUNDLE_FETCHES)],
            "How often a bundle was asked for, by what came of it",
        ),
        |of, to| of.bundles.fetches.rows().try_for_each(|(_, row)| to.row(&[], &row)),
    ),
    (
        metric(
            "bundle_last_success_timestamp_seconds",
            Gauge,
            &[],
            "When it was last known that the bundle that is used is the one at its URL, in seconds since 1970",
        ),
        |of, to| match of.bundles.succeeded.get() {
            0 => Ok(()),
            seconds => to.gauge(&[], seconds),
        },
    ),
    (
        metric(
            "audit_records",
            Counter,
            &[("result", RECORDS)],
            "Lines of the audit log: `written`; `shed`, given up because there was no place for them or they could not be written",
        ),
        |of, to| if_kept(of, |audit| to.row(&[], &audit.records.row(0))),
    ),
    (
        metric(
            "audit_write_duration_seconds",
            Histogram,
            &[],
            "How long it took to write what had gathered in one go, and to force it to the disk where `audit.fsync` is `always`",
        ),
        |of, to| to.histogram(&[], &cells::Histogram::read_all([&of.audit.writes[0]])),
    ),
    (metric("audit_waiting", Gauge, &[], "Records that are being made or wait to be written now"), |of, to| {
        if_kept(of, |audit| to.gauge(&[], audit.waiting.get()))
    }),
    (metric("audit_queue_limit", Gauge, &[], "How many records may wait at the most (`audit.queue`)"), |of, to| {
        if_kept(of, |audit| to.gauge(&[], audit.places.get()))
    }),
    (
        metric("audit_failing", Gauge, &[], "Whether the audit log cannot be written: 0, it can; 1, it cannot"),
        |of, to| if_kept(of, |audit| to.gauge(&[], audit.is_failing.get())),
    ),
    (
        metric(
            "trace_spans",
            Counter,
            &[("result", SPANS)],
            "Spans of traces, by what became of them: `exported`, the collector took them; `failed`, it could not be reached or did \
             not; `dropped`, it was too slow and there was no room to keep them",
        ),
        |of, to| to.row(&[], &of.spans.spans.row(0)),
    ),
    (
        metric("build_info", Gauge, &[("version", &[]), ("features", &[])], "Always 1; the labels tell what was built"),
        |_, to| to.gauge(&[env!("CARGO_PKG_VERSION"), FEATURES], 1),
    ),
];

/// Writes what is counted of the audit log, if there is one.
fn if_kept(of: &Counted, write: impl FnOnce(&AuditMetrics) -> fmt::Result) -> fmt::Result {
    if of.audit.is_kept.get() == 0 { Ok(()) } else { write(&of.audit) }
}

/// What Prometheus' own libraries have a name for.
static PROCESS: &[(Description, Write)] = &[
    (metric("process_start_time_seconds", Gauge, &[], "When the process started, in seconds since 1970"), |of, to| {
        to.float_gauge(Some(of.started))
    }),
    (metric("process_cpu_seconds", Counter, &[], "Processor time in user and system mode, in seconds"), |_, to| {
        to.float_counter(Process::read().cpu)
    }),
    (
        metric("process_resident_memory_bytes", Gauge, &[], "Memory of the process that is resident, in bytes"),
        |_, to| to.float_gauge(Process::read().resident),
    ),
    (metric("process_threads", Gauge, &[], "Threads of the process"), |_, to| to.float_gauge(Process::read().threads)),
    (metric("process_open_fds", Gauge, &[], "File descriptors that are open"), |_, to| {
        to.float_gauge(Process::read().open_fds)
    }),
    (metric("process_max_fds", Gauge, &[], "File descriptors that may be open at the most"), |_, to| {
        to.float_gauge(Process::read().max_fds)
    }),
];

/// The optional parts that were built, with commas between.
const FEATURES: &str = match (cfg!(feature = "otlp"), cfg!(feature = "prove")) {
    (true, true) => "otlp,prove",
    (true, false) => "otlp",
    (false, true) => "prove",
    (false, false) => "",
};

/// The labels of a verdict: what it says, and what a denial does.
fn verdict(said: usize) -> [&'static str; 2] {
    [if said == 0 { "allowed" } else { "denied" }, ENFORCEMENT.1[said]]
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The registry of all metrics.
pub(super) fn registry(counted: &Arc<Counted>) -> Registry {
    let mut registry = Registry::default();
    register(registry.sub_registry_with_prefix(PREFIX), counted, METRICS);
    register(&mut registry, counted, PROCESS);
    registry
}

fn register(registry: &mut Registry, counted: &Arc<Counted>, metrics: &'static [(Description, Write)]) {
    for (description, write) in metrics {
        let exposed = Exposed { counted: Arc::clone(counted), description, write: *write };
        registry.register(description.name, description.help, exposed);
    }
}

#[cfg(test)]
mod tests;
