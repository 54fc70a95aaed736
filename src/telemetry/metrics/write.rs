//! How numbers become lines of the exposition.

use super::{
    Counted, UpstreamMetrics,
    cells::{Counters, Histogram, OPERATIONS, Read, Scale},
    lock,
    names::{Description, Label},
    worker::WorkerCounts,
};
use crate::finding::Operation;
use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};
use std::{fmt, sync::Arc};

/// Writes the numbers of one metric.
pub(super) type Write = fn(&Counted, &mut To<'_, '_>) -> fmt::Result;

/// One metric, for the registry.
pub(super) struct Exposed {
    pub(super) counted: Arc<Counted>,
    pub(super) description: &'static Description,
    pub(super) write: Write,
}

impl EncodeMetric for Exposed {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        (self.write)(&self.counted, &mut To { labels: self.description.labels, encoder: &mut encoder })
    }

    fn metric_type(&self) -> MetricType {
        self.description.kind
    }
}

impl fmt::Debug for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Exposed").field(&self.description.name).finish()
    }
}

/// Where the numbers of one metric are written to, and by which labels.
pub(super) struct To<'t, 'e> {
    labels: &'static [Label],
    encoder: &'t mut MetricEncoder<'e>,
}

impl To<'_, '_> {
    /// The series whose labels have these values, in the order of the labels.
    fn series(&mut self, values: &[&str], write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result) -> fmt::Result {
        debug_assert_eq!(self.labels.len(), values.len(), "a value for each label");
        if values.is_empty() {
            return write(self.encoder);
        }
        let series: Vec<(&str, &str)> = self.labels.iter().map(|(name, _)| *name).zip(values.iter().copied()).collect();
        write(&mut self.encoder.encode_family(&series)?)
    }

    pub(super) fn counter(&mut self, values: &[&str], count: u64) -> fmt::Result {
        self.series(values, |to| to.encode_counter::<NoLabelSet, _, u64>(&count, None))
    }

    pub(super) fn float_counter(&mut self, count: Option<f64>) -> fmt::Result {
        count.map_or(Ok(()), |count| self.series(&[], |to| to.encode_counter::<NoLabelSet, _, u64>(&count, None)))
    }

    pub(super) fn gauge(&mut self, values: &[&str], value: i64) -> fmt::Result {
        self.series(values, |to| to.encode_gauge(&value))
    }

    pub(super) fn float_gauge(&mut self, value: Option<f64>) -> fmt::Result {
        value.map_or(Ok(()), |value| self.series(&[], |to| to.encode_gauge(&value)))
    }

    /// A histogram in which anything was counted.
    pub(super) fn histogram(&mut self, values: &[&str], Read { sum, count, buckets }: &Read) -> fmt::Result {
        if *count == 0 {
            return Ok(());
        }
        self.series(values, |to| to.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None))
    }

    /// One row of counters, by the values of the last label.
    pub(super) fn row(&mut self, values: &[&str], counts: &[u64]) -> fmt::Result {
        let columns = self.labels.last().map_or(&[][..], |(_, values)| values);
        columns.iter().zip(counts).try_for_each(|(column, count)| self.counter(&[values, &[column]].concat(), *count))
    }
}

/// Writes a table that each worker has, added up: the rows that are in use, of which `values` tells the labels' values.
pub(super) fn of_workers<const ROWS: usize, const COLUMNS: usize>(
    counted: &Counted,
    table: impl Fn(&WorkerCounts) -> &Counters<ROWS, COLUMNS>,
    mut write: impl FnMut(usize, &[u64; COLUMNS]) -> fmt::Result,
) -> fmt::Result {
    let workers = lock(&counted.workers);
    for row in 0..ROWS {
        let mut sum = [0; COLUMNS];
        for worker in &*workers {
            for (sum, count) in sum.iter_mut().zip(table(worker).row(row)) {
                *sum += count;
            }
        }
        if sum.iter().any(|count| *count > 0) {
            write(row, &sum)?;
        }
    }
    Ok(())
}

/// Writes histograms that each worker has, added up, one for each operation; one more is for what is of none.
pub(super) fn times_of_workers<S: Scale, const OF: usize>(
    counted: &Counted,
    to: &mut To<'_, '_>,
    histograms: impl Fn(&WorkerCounts) -> &[Histogram<S>; OF],
) -> fmt::Result {
    let workers = lock(&counted.workers);
    (0..OF).try_for_each(|at| {
        to.histogram(&[operation(at)], &Histogram::read_all(workers.iter().map(|worker| &histograms(worker)[at])))
    })
}

/// Writes what is counted of each Region's backend.
pub(super) fn of_regions(
    counted: &Counted,
    mut write: impl FnMut(&str, &UpstreamMetrics) -> fmt::Result,
) -> fmt::Result {
    lock(&counted.regions).iter().try_for_each(|(region, of)| write(region, of))
}

/// Writes a table that each Region has, by operation and the values of the last label.
pub(super) fn table_of_regions<const COLUMNS: usize>(
    counted: &Counted,
    to: &mut To<'_, '_>,
    table: impl Fn(&UpstreamMetrics) -> &Counters<OPERATIONS, COLUMNS>,
) -> fmt::Result {
    of_regions(counted, |region, of| table(of).rows().try_for_each(|(at, row)| to.row(&[region, operation(at)], &row)))
}

/// Writes histograms that each Region has, by operation.
pub(super) fn times_of_regions<S: Scale>(
    counted: &Counted,
    to: &mut To<'_, '_>,
    histograms: impl Fn(&UpstreamMetrics) -> &[Histogram<S>; OPERATIONS],
) -> fmt::Result {
    of_regions(counted, |region, of| {
        let all = histograms(of).iter().enumerate();
        all.map(|(at, one)| (at, Histogram::read_all([one])))
            .try_for_each(|(at, read)| to.histogram(&[region, operation(at)], &read))
    })
}

/// The name of the operation at this place, or `none` behind the last.
pub(super) fn operation(place: usize) -> &'static str {
    Operation::ALL.get(place).map_or("none", |operation| operation.name())
}
