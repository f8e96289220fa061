//! What `/metrics` shows. Labels come from the program's own words, never from a request.

use std::time::Duration;

use avouch_protocol::Status;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Media type of the OpenMetrics text format.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStatus {
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCode {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByVerdict {
    verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: &'static str,
}

/// Every metric of one server.
pub(crate) struct Metrics {
    registry: Registry,
    rounds: Family<ByStatus, Counter>,
    refusals: Family<ByCode, Counter>,
    nodes: Family<ByVerdict, Gauge>,
    reports: Family<ByResult, Counter>,
    commit: Histogram,
    appraisal: Histogram,
    queue: Gauge,
    connections: Gauge,
}

/// Counts one change that waits for its commit, as long as it lives.
pub(crate) struct Queued(Gauge);

impl Metrics {
    pub(crate) fn new() -> Self {
        let times = || Histogram::new(exponential_buckets(0.000_05, 2.0, 18));
        let mut metrics = Self {
            registry: Registry::with_prefix("avouch"),
            rounds: Family::default(),
            refusals: Family::default(),
            nodes: Family::default(),
            reports: Family::default(),
            commit: times(),
            appraisal: times(),
            queue: Gauge::default(),
            connections: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("rounds", "Records made, by the status of the node's round", self.rounds.clone());
        registry.register("refusals", "Requests refused, by machine code", self.refusals.clone());
        registry.register("nodes", "Enrolled nodes, by verdict at the time of asking", self.nodes.clone());
        let help = "Proven reports, by what they showed: unchanged, changed, or too_large to be kept";
        registry.register("reports", help, self.reports.clone());
        let help = "Time from submitting a change to its durable commit";
        registry.register_with_unit("commit", help, Unit::Seconds, self.commit.clone());
        let help = "Time to authenticate, replay and judge one evidence message";
        registry.register_with_unit("appraisal", help, Unit::Seconds, self.appraisal.clone());
        registry.register("store_queue", "Changes that wait for their commit", self.queue.clone());
        registry.register("connections", "Open connections", self.connections.clone());
    }

    pub(crate) fn record(&self, status: Status) {
        self.rounds.get_or_create(&ByStatus { status: status.word() }).inc();
    }

    pub(crate) fn observed(&self, result: &'static str) {
        self.reports.get_or_create(&ByResult { result }).inc();
    }

    pub(crate) fn refused(&self, code: &'static str) {
        self.refusals.get_or_create(&ByCode { code }).inc();
    }

    pub(crate) fn committed(&self, took: Duration) {
        self.commit.observe(took.as_secs_f64());
    }

    pub(crate) fn appraised(&self, took: Duration) {
        self.appraisal.observe(took.as_secs_f64());
    }

    pub(crate) fn queued(&self) -> Queued {
        self.queue.inc();
        Queued(self.queue.clone())
    }

    pub(crate) fn connection(&self) -> Queued {
        self.connections.inc();
        Queued(self.connections.clone())
    }

    pub(crate) fn nodes(&self, counts: &[(&'static str, u64)]) {
        for (verdict, count) in counts {
            self.nodes.get_or_create(&ByVerdict { verdict }).set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
    }

    /// The text that a scraper reads.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "metrics cannot be written");
        }
        text
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_show_in_the_text() {
        let metrics = Metrics::new();
        metrics.record(Status::Pass);
        metrics.refused("CHALLENGE_SPENT");
        metrics.observed("unchanged");
        metrics.committed(Duration::from_millis(3));
        metrics.nodes(&[("stale", 2)]);
        let queued = metrics.queued();
        let text = metrics.text();
        for line in [
            "avouch_rounds_total{status=\"pass\"} 1",
            "avouch_refusals_total{code=\"CHALLENGE_SPENT\"} 1",
            "avouch_commit_seconds_count 1",
            "avouch_reports_total{result=\"unchanged\"} 1",
            "avouch_nodes{verdict=\"stale\"} 2",
            "avouch_store_queue 1",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        drop(queued);
        assert!(metrics.text().contains("avouch_store_queue 0"));
    }
}
