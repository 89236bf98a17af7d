//! What a running service has: its name, its readiness, its metrics and its tasks.
//!
//! There are no statics: two services in one process, or ten in one test, do not meet here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use tokio_util::task::TaskTracker;

/// What a running service has. Cheap to clone; the clones share everything.
#[derive(Clone, Debug)]
pub struct ServiceContext {
    /// The service's name, as in its folder.
    pub name: &'static str,
    /// Whether it can do its work at the moment.
    pub readiness: Readiness,
    /// What it counts and measures.
    pub metrics: Metrics,
    /// Work that outlives the request that began it; the service waits for it when it stops.
    pub tasks: TaskTracker,
}

impl ServiceContext {
    /// A context for the service of this name.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            readiness: Readiness::default(),
            metrics: Metrics::new(name),
            tasks: TaskTracker::new(),
        }
    }
}

/// Whether a service can do its work: all its gates are open and it is not on its way down.
///
/// Gates are set by whoever learns of a change, never by a probe: probing must not load what a
/// service depends on.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    gates: Arc<Mutex<BTreeMap<&'static str, Arc<AtomicBool>>>>,
    draining: Arc<AtomicBool>,
}

/// One condition of a service's readiness; closed until it is set.
#[derive(Clone, Debug)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    /// Opens or closes the gate.
    pub fn set(&self, open: bool) {
        self.0.store(open, Ordering::Relaxed);
    }

    /// Whether the gate is open.
    pub fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Readiness {
    /// The gate of this name, made closed when it is asked for first.
    pub fn gate(&self, name: &'static str) -> Gate {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        Gate(Arc::clone(gates.entry(name).or_default()))
    }

    /// Says that the service is on its way down and wants no new work.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// What keeps the service from its work; nothing when it is ready.
    pub fn obstacles(&self) -> Vec<&'static str> {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = gates
            .iter()
            .filter(|(_, open)| !open.load(Ordering::Relaxed))
            .map(|(name, _)| *name);
        let draining = self
            .draining
            .load(Ordering::Relaxed)
            .then_some("shutting down");
        draining.into_iter().chain(closed).collect()
    }

    /// Whether the service can do its work.
    pub fn is_ready(&self) -> bool {
        self.obstacles().is_empty()
    }
}

/// A service's metrics; each carries the label `service`.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
}

/// Upper bounds in seconds that tell a cache hit from a disk read and a slow call from a lost one.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

impl Metrics {
    fn new(service: &'static str) -> Self {
        let label = ("service".into(), service.into());
        Self {
            registry: Arc::new(Mutex::new(Registry::with_labels(std::iter::once(label)))),
        }
    }

    /// Registers any metric. Counters get the suffix `_total` by themselves.
    pub fn register<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register(name, help, metric.clone());
        metric
    }

    /// A counter without labels.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        self.register(name, help, Counter::default())
    }

    /// A gauge without labels.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge<i64> {
        self.register(name, help, Gauge::default())
    }

    /// A histogram of seconds without labels.
    pub fn histogram(&self, name: &str, help: &str) -> Histogram {
        self.register(name, help, seconds())
    }

    /// Counters that differ by their labels.
    pub fn counters<L>(&self, name: &str, help: &str) -> Family<L, Counter>
    where
        L: EncodeLabelSet + Clone + std::hash::Hash + Eq + std::fmt::Debug + Send + Sync + 'static,
    {
        self.register(name, help, Family::default())
    }

    /// Histograms of seconds that differ by their labels.
    pub fn histograms<L>(&self, name: &str, help: &str) -> Family<L, Histogram>
    where
        L: EncodeLabelSet + Clone + std::hash::Hash + Eq + std::fmt::Debug + Send + Sync + 'static,
    {
        self.register(
            name,
            help,
            Family::new_with_constructor(seconds as fn() -> Histogram),
        )
    }

    pub(crate) fn encode(&self, text: &mut String) -> std::fmt::Result {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        prometheus_client::encoding::text::encode_registry(text, &registry)
    }
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_ready_when_all_gates_are_open_and_it_does_not_drain() {
        let readiness = Readiness::default();
        assert!(readiness.is_ready());
        let store = readiness.gate("store");
        assert_eq!(readiness.obstacles(), ["store"]);
        store.set(true);
        assert!(readiness.is_ready());
        assert!(readiness.gate("store").is_open());
        readiness.drain();
        assert_eq!(readiness.obstacles(), ["shutting down"]);
    }
}
