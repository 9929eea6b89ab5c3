//! Counters of this process, for Prometheus. [`crate::monitoring`] writes them.
//!
//! Labels come from small fixed sets (route patterns, methods, statuses), so that outsiders cannot multiply them, and they contain nothing
//! about people.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Labels of a request counter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

/// Upper bounds of the response time buckets, in seconds.
const TOOK: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

fn histogram() -> Histogram {
    Histogram::new(TOOK)
}

/// The counters of this process.
#[derive(Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    took: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { requests: Family::default(), took: Family::new_with_constructor(histogram) }
    }
}

impl Metrics {
    /// Counts a response. `route` is the pattern of the path, never the path.
    pub fn record_response(&self, method: &str, route: &str, status: u16, seconds: f64) {
        self.requests.get_or_create(&RequestLabels { method: word(method), route: route.into(), status }).inc();
        self.took.get_or_create(&RouteLabels { route: route.into() }).observe(seconds);
    }

    /// Adds the counters to those that are written.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests answered", self.requests.clone());
        registry.register_with_unit("http_request_duration", "Time to respond to a request", Unit::Seconds, self.took.clone());
    }
}

/// Returns a method as a label: clients may send any word.
fn word(method: &str) -> &'static str {
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].into_iter().find(|known| *known == method).unwrap_or("other")
}
