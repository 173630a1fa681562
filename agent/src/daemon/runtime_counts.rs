//! What runtimes told and their adapters did not take. A runtime that is asked anew goes on counting: totals never fall.

use crate::control::RuntimeStatus;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::set_total;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// By the runtime's name. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RuntimeCounts(Arc<Mutex<Counters>>);

type Counters = BTreeMap<&'static str, Arc<AtomicU64>>;

impl RuntimeCounts {
    /// What all adapters of the runtime count in.
    pub(super) fn counter(&self, runtime: &'static str) -> Arc<AtomicU64> {
        Arc::clone(self.lock().entry(runtime).or_default())
    }

    /// Of each runtime that is asked, or was.
    pub(super) fn report(&self) -> BTreeMap<String, RuntimeStatus> {
        let mut report = BTreeMap::new();
        for (runtime, counter) in self.lock().iter() {
            let missed = counter.load(Ordering::Relaxed);
            report.insert((*runtime).to_owned(), RuntimeStatus { missed });
        }
        report
    }

    /// Copies them. From zero on: a counter that appears with its first increment is invisible to `rate()`.
    pub(super) fn collect(&self, metrics: &Metrics) {
        for (runtime, RuntimeStatus { missed }) in self.report() {
            set_total(&metrics.runtime_missed.with_label_values(&[&runtime]), missed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtimes::cri::{Cri, CriConfig};
    use crate::runtimes::docker::{Docker, DockerConfig};

    #[test]
    fn an_adapter_goes_on_where_the_one_before_was() {
        let (counts, metrics) = (RuntimeCounts::default(), Metrics::new().unwrap());
        let missed = |runtime| {
            counts.collect(&metrics);
            metrics.runtime_missed.with_label_values(&[runtime]).get()
        };
        let docker =
            || Docker::new(DockerConfig::new("docker", "unix:///none")).counting(counts.counter("docker"));
        assert_eq!((docker().missed(), missed("docker")), (0, 0));
        counts.counter("docker").fetch_add(2, Ordering::Relaxed);
        assert_eq!((docker().missed(), missed("docker")), (2, 2));
        let containerd = Cri::new(CriConfig::new("containerd", "/none".into()));
        let containerd = containerd.counting(counts.counter("containerd"));
        counts.counter("containerd").fetch_add(1, Ordering::Relaxed);
        assert_eq!((containerd.omitted(), missed("containerd")), (1, 1));
        assert_eq!(counts.report()["docker"], RuntimeStatus { missed: 2 });
    }
}
