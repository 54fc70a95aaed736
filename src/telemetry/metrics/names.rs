//! Every metric in one table: its name, type, labels and meaning. The registry and `docs/metrics.md` are made from it.

use super::{
    BUNDLE_FETCHES, Bundles, EXCHANGES, LoadMetrics, QUOTA, REASONS, Regions, Requests, SHED, STATUS_LABELS,
    UpstreamMetrics,
    cells::{Counters, OPERATIONS, Times},
};
use crate::finding::Operation;
use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::{Metric, Registry},
};
use std::{
    fmt,
    sync::{Arc, PoisonError},
};

/// What the name of every metric begins with.
const PREFIX: &str = "findings_gate";

/// One metric.
struct Description {
    /// Without the prefix, and without the `_total` that counters end in.
    name: &'static str,
    kind: MetricType,
    labels: &'static [Label],
    /// A sentence without its full stop, which the library adds.
    help: &'static str,
}

/// A label's name and its values; none where they are told in words.
type Label = (&'static str, &'static [&'static str]);

/// Any Region of the configuration.
const REGION: Label = ("region", &[]);
/// Any operation of the gate.
const OPERATION: Label = ("operation", &[]);

const REQUEST_LABELS: [Label; 2] = [OPERATION, ("status", &STATUS_LABELS)];

const REQUESTS: Description = Description {
    name: "requests",
    kind: MetricType::Counter,
    labels: &REQUEST_LABELS,
    help: "Requests that were answered, by the HTTP status of the answer; operation `none` where the caller was not known or the \
           door was closed",
};

/// What is told of what comes in, and how.
const OF_LOAD: &[(Description, WriteLoad)] = &[
    (
        Description {
            name: "requests_in_flight",
            kind: MetricType::Gauge,
            labels: &[],
            help: "Requests that are under way now",
        },
        |of, encoder| encoder.encode_gauge(&of.in_flight.get()),
    ),
    (
        Description {
            name: "requests_waiting",
            kind: MetricType::Gauge,
            labels: &[],
            help: "Requests that wait for room now",
        },
        |of, encoder| encoder.encode_gauge(&of.waiting.get()),
    ),
    (
        Description {
            name: "shed",
            kind: MetricType::Counter,
            labels: &[("reason", SHED)],
            help: "Requests that were answered with 503 before anything of them was done, and are counted nowhere else",
        },
        |of, encoder| {
            for (at, reason) in SHED.iter().enumerate() {
                let labels = [("reason", *reason)];
                encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&of.shed.get(0, at), None)?;
            }
            Ok(())
        },
    ),
];

type WriteLoad = fn(&LoadMetrics, &mut MetricEncoder<'_>) -> fmt::Result;

const BUNDLE_LABELS: [Label; 1] = [("result", BUNDLE_FETCHES)];

/// What is told of bundles that are fetched. Where none is, there are no series.
const OF_BUNDLES: [Description; 2] = [
    Description {
        name: "bundle_fetches",
        kind: MetricType::Counter,
        labels: &BUNDLE_LABELS,
        help: "How often a bundle was asked for, by what came of it",
    },
    Description {
        name: "bundle_last_success_timestamp_seconds",
        kind: MetricType::Gauge,
        labels: &[],
        help: "When it was last known that the bundle that is used is the one at its URL, in seconds since 1970",
    },
];

/// What is told of each Region's backend, and how.
const OF_REGIONS: &[(Description, Write)] = &[
    (
        Description {
            name: "upstream_calls",
            kind: MetricType::Counter,
            labels: &[REGION, OPERATION, ("outcome", EXCHANGES)],
            help: "Exchanges with the findings backend, each attempt of a call by itself",
        },
        |of, to| to.table(&of.calls),
    ),
    (
        Description {
            name: "upstream_call_duration_seconds",
            kind: MetricType::Histogram,
            labels: &[REGION, OPERATION],
            help: "How long an exchange with the findings backend took, without waiting for the quota",
        },
        |of, to| to.times(&of.times),
    ),
    (
        Description {
            name: "upstream_retries",
            kind: MetricType::Counter,
            labels: &[REGION, OPERATION, ("reason", REASONS)],
            help: "Calls that were made again, by what came of the attempt before",
        },
        |of, to| to.table(&of.retries),
    ),
    (
        Description {
            name: "upstream_retry_budget_exhausted",
            kind: MetricType::Counter,
            labels: &[REGION],
            help: "Calls that were not made again because the budget of retries was used up",
        },
        |of, to| to.single(&of.exhausted),
    ),
    (
        Description {
            name: "quota_calls",
            kind: MetricType::Counter,
            labels: &[REGION, OPERATION, ("result", QUOTA)],
            help: "Calls by what they got of their quota",
        },
        |of, to| to.table(&of.quota),
    ),
    (
        Description {
            name: "quota_wait_seconds",
            kind: MetricType::Histogram,
            labels: &[REGION, OPERATION],
            help: "How long calls waited for their quota that had to, those that were refused in the end included",
        },
        |of, to| to.times(&of.waits),
    ),
    (
        Description {
            name: "quota_waiting",
            kind: MetricType::Gauge,
            labels: &[REGION, OPERATION],
            help: "Calls that wait for their quota now",
        },
        |of, to| {
            for ((at, gauge), operation) in of.waiting.iter().enumerate().zip(Operation::ALL) {
                // Where nothing was ever granted there is no quota to wait for.
                if (0..QUOTA.len()).any(|result| of.quota.get(at, result) > 0) || gauge.get() != 0 {
                    let series = to.series([operation.name()]);
                    to.encoder.encode_family(&series)?.encode_gauge(&gauge.get())?;
                }
            }
            Ok(())
        },
    ),
    (
        Description {
            name: "breaker_state",
            kind: MetricType::Gauge,
            labels: &[REGION],
            help: "Whether calls go to the findings backend: 0 closed, they do; 1 one call goes to see whether it is well again; 2 \
                   open, none does",
        },
        |of, to| {
            let series = to.series([]);
            to.encoder.encode_family(&series)?.encode_gauge(&of.breaker.get())
        },
    ),
    (
        Description {
            name: "breaker_openings",
            kind: MetricType::Counter,
            labels: &[REGION],
            help: "How often the circuit breaker opened, or opened again after a call that was to see whether the backend is well",
        },
        |of, to| to.single(&of.openings),
    ),
    (
        Description {
            name: "breaker_held_back",
            kind: MetricType::Counter,
            labels: &[REGION],
            help: "Calls that were not made because the circuit breaker was open",
        },
        |of, to| to.single(&of.held_back),
    ),
];

type Write = fn(&UpstreamMetrics, &mut To<'_, '_>) -> fmt::Result;

/// The registry of all metrics.
pub(super) fn registry(
    requests: &Arc<Requests>,
    load: &Arc<LoadMetrics>,
    regions: &Arc<Regions>,
    bundles: &Arc<Bundles>,
) -> Registry {
    let mut registry = Registry::with_prefix(PREFIX);
    register(&mut registry, &REQUESTS, OfRequests(Arc::clone(requests)));
    for (description, write) in OF_LOAD {
        let metric = OfLoad { load: Arc::clone(load), kind: description.kind, write: *write };
        register(&mut registry, description, metric);
    }
    for description in &OF_BUNDLES {
        register(&mut registry, description, OfBundles { bundles: Arc::clone(bundles), kind: description.kind });
    }
    for (description, write) in OF_REGIONS {
        let metric = OfRegions { regions: Arc::clone(regions), description, write: *write };
        register(&mut registry, description, metric);
    }
    registry
}

fn register(registry: &mut Registry, description: &Description, metric: impl Metric) {
    registry.register(description.name, description.help, metric);
}

/// How requests are written.
#[derive(Debug)]
struct OfRequests(Arc<Requests>);

impl EncodeMetric for OfRequests {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (at, row) in self.0.0.rows() {
            let operation = Operation::ALL.get(at).map_or("none", |operation| operation.name());
            for (status, count) in STATUS_LABELS.iter().zip(row) {
                let [(of, _), (with, _)] = REQUEST_LABELS;
                let labels = vec![(of, operation), (with, *status)];
                encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

/// How one number of what comes in is written.
struct OfLoad {
    load: Arc<LoadMetrics>,
    kind: MetricType,
    write: WriteLoad,
}

impl EncodeMetric for OfLoad {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        (self.write)(&self.load, &mut encoder)
    }

    fn metric_type(&self) -> MetricType {
        self.kind
    }
}

impl fmt::Debug for OfLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfLoad").finish_non_exhaustive()
    }
}

/// How what is counted of bundles is written.
#[derive(Debug)]
struct OfBundles {
    bundles: Arc<Bundles>,
    kind: MetricType,
}

impl EncodeMetric for OfBundles {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        if self.kind == MetricType::Gauge {
            let succeeded = self.bundles.succeeded.get();
            return if succeeded == 0 { Ok(()) } else { encoder.encode_gauge(&succeeded) };
        }
        for (_, row) in self.bundles.fetches.rows() {
            for (result, count) in BUNDLE_FETCHES.iter().zip(row) {
                let labels = vec![(BUNDLE_LABELS[0].0, *result)];
                encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        self.kind
    }
}

/// How one number of each backend is written.
struct OfRegions {
    regions: Arc<Regions>,
    description: &'static Description,
    write: Write,
}

impl EncodeMetric for OfRegions {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let regions = self.regions.0.lock().unwrap_or_else(PoisonError::into_inner);
        let labels = self.description.labels;
        regions.iter().try_for_each(|(region, of)| (self.write)(of, &mut To { region, labels, encoder: &mut encoder }))
    }

    fn metric_type(&self) -> MetricType {
        self.description.kind
    }
}

impl fmt::Debug for OfRegions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfRegions").finish_non_exhaustive()
    }
}

/// Where a number of one backend is written to, and by which labels.
struct To<'t, 'e> {
    region: &'t str,
    labels: &'static [Label],
    encoder: &'t mut MetricEncoder<'e>,
}

impl<'t> To<'t, '_> {
    /// The labels with their values: the Region's, and then these.
    fn series<'v, const VALUES: usize>(&self, values: [&'v str; VALUES]) -> Vec<(&'static str, &'v str)>
    where
        't: 'v,
    {
        let names = self.labels.iter().map(|(name, _)| *name);
        names.zip(std::iter::once(self.region).chain(values)).collect()
    }

    fn table<const COLUMNS: usize>(&mut self, counters: &Counters<OPERATIONS, COLUMNS>) -> fmt::Result {
        let values = self.labels.last().map_or(&[][..], |(_, values)| values);
        for (at, row) in counters.rows() {
            for (value, count) in values.iter().zip(row) {
                let series = self.series([Operation::ALL[at].name(), value]);
                self.encoder.encode_family(&series)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        Ok(())
    }

    fn times(&mut self, times: &[Times; OPERATIONS]) -> fmt::Result {
        for (times, operation) in times.iter().zip(Operation::ALL) {
            let read = times.read();
            if read.count > 0 {
                let series = self.series([operation.name()]);
                let mut to = self.encoder.encode_family(&series)?;
                to.encode_histogram::<NoLabelSet>(read.sum, read.count, &read.buckets, None)?;
            }
        }
        Ok(())
    }

    fn single(&mut self, counter: &Counters<1, 1>) -> fmt::Result {
        let series = self.series([]);
        self.encoder.encode_family(&series)?.encode_counter::<NoLabelSet, _, u64>(&counter.get(0, 0), None)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};
    use std::{collections::BTreeSet, fmt::Write as _, path::Path, time::Duration};

    const REFERENCE: &str = include_str!("../../../docs/metrics.md");
    const BEGIN: &str =
        "<!-- made from src/telemetry/metrics/names.rs by `cargo test telemetry::metrics::names`: begin -->\n";
    const END: &str = "<!-- end -->\n";

    fn descriptions() -> impl Iterator<Item = &'static Description> {
        let of_load = OF_LOAD.iter().map(|(description, _)| description);
        let of_regions = OF_REGIONS.iter().map(|(description, _)| description);
        [&REQUESTS].into_iter().chain(of_load).chain(&OF_BUNDLES).chain(of_regions)
    }

    fn full_name(description: &Description) -> String {
        let suffix = if description.kind == MetricType::Counter { "_total" } else { "" };
        format!("{PREFIX}_{}{suffix}", description.name)
    }

    /// The reference of every metric, as Markdown.
    fn reference() -> String {
        let mut text = String::new();
        for description in descriptions() {
            let Description { kind, labels, help, .. } = description;
            let kind = kind.as_str();
            writeln!(text, "\n### `{}`\n\n{help}.\n\n- {kind}", full_name(description)).unwrap();
            for (label, values) in *labels {
                let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
                let values = match *label {
                    "region" => "`upstream.region`".to_owned(),
                    "operation" => "the operation's name, such as `GetFindings`".to_owned(),
                    _ => values.join(", "),
                };
                writeln!(text, "- `{label}`: {values}").unwrap();
            }
        }
        text.push('\n');
        text
    }

    #[test]
    fn the_reference_describes_every_metric() {
        let (head, rest) = REFERENCE.split_once(BEGIN).expect("the reference begins");
        let (written, tail) = rest.split_once(END).expect("the reference ends");
        let expected = reference();
        if written != expected && std::env::var_os("UPDATE_REFERENCE").is_some() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
            std::fs::write(path, format!("{head}{BEGIN}{expected}{END}{tail}")).unwrap();
            return;
        }
        assert_eq!(written, expected, "run this test once with UPDATE_REFERENCE=1");
    }

    /// What is exposed is what is described: every name with its type, every series with exactly its labels and their values.
    #[test]
    fn the_exposition_is_as_described() {
        let metrics = Metrics::new();
        let upstream = metrics.upstream("eu-west-1");
        for operation in Operation::ALL.iter().copied() {
            metrics.served(Some(operation), 200);
            upstream.exchanged(operation, Exchange::Success, Duration::ZERO);
            upstream.retried(operation, Again::Unsent);
            upstream.quota(operation, Granted::Waited, Some(Duration::ZERO));
        }
        metrics.served(None, 403);
        metrics.bundle(BundleFetch::Taken, 1);
        let text = metrics.encode();
        let types: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let described: BTreeSet<String> = descriptions()
            .map(|description| format!("{PREFIX}_{} {}", description.name, description.kind.as_str()))
            .collect();
        assert_eq!(types, described.iter().map(String::as_str).collect());

        for description in descriptions() {
            let name = format!("{PREFIX}_{}", description.name);
            let suffixes: &[&str] = match description.kind {
                MetricType::Counter => &["_total"],
                MetricType::Histogram => &["_sum", "_count", "_bucket"],
                _ => &[""],
            };
            for suffix in suffixes {
                let begin = if description.labels.is_empty() { " " } else { "{" };
                let series = format!("{name}{suffix}{begin}");
                let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(&*series)).collect();
                assert!(!lines.is_empty(), "{series}");
                if description.labels.is_empty() {
                    assert_eq!(lines.len(), 1, "{series}");
                    continue;
                }
                for line in lines {
                    let (labels, _) = line.split_once('}').unwrap();
                    let labels: Vec<(&str, &str)> = labels
                        .split(',')
                        .map(|label| label.split_once('=').unwrap())
                        .filter(|(label, _)| *label != "le")
                        .collect();
                    let names: Vec<&str> = labels.iter().map(|(label, _)| *label).collect();
                    let expected: Vec<&str> = description.labels.iter().map(|(label, _)| *label).collect();
                    assert_eq!(names, expected, "{series}{line}");
                    for ((_, value), (_, values)) in labels.iter().zip(description.labels) {
                        let value = value.trim_matches('"');
                        assert!(values.is_empty() || values.contains(&value), "{series}{line}");
                    }
                }
            }
        }
    }

    #[test]
    fn names_keep_to_the_conventions() {
        let mut seen = BTreeSet::new();
        for description in descriptions() {
            let Description { name, kind, help, .. } = description;
            assert!(seen.insert(name), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(!name.ends_with("_total") && !help.ends_with('.'), "{name}");
            let is_of_times = name.ends_with("_seconds") && !name.ends_with("_timestamp_seconds");
            assert_eq!(*kind == MetricType::Histogram, is_of_times, "{name}");
        }
    }
}
