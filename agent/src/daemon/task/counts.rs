//! What is measured beside the engine: metrics, the books, what was lost.

use super::EngineTask;
use super::State;
use crate::container::Container;
use crate::daemon::audit::{Mismatch, Observed, Reading};
use crate::daemon::view;
use crate::engine::Input;
use crate::telemetry::http::Ready;
use std::sync::Arc;
use std::time::Instant;

impl State {
    pub(super) fn collect(&mut self) {
        self.audit();
        self.inspect();
        self.watch_spool();
        self.copy_figures();
        if let Some(recorder) = &mut self.task.recorder {
            recorder.flush();
        }
    }

    /// Into the metrics.
    pub(super) fn copy_figures(&mut self) {
        let EngineTask {
            engine,
            kernel,
            links,
            ..
        } = &mut self.task;
        kernel.collect(&links.metrics);
        view::collect(engine, &links.metrics);
    }

    /// Tells what the spool could not keep.
    fn watch_spool(&mut self) {
        let Some(spool) = &self.task.links.spool else {
            return;
        };
        for finding in self.spool.read(spool.stats(), Instant::now()) {
            self.handle(Input::Sensor(finding));
        }
    }

    /// Tells when somebody blinds the sensor.
    fn inspect(&mut self) {
        let EngineTask { engine, kernel, .. } = &mut self.task;
        let containers = engine.index().live().map(Arc::as_ref);
        let mut findings = self.slots.look(containers, kernel.view());
        findings.extend(kernel.inspect());
        for finding in findings {
            self.handle(Input::Sensor(finding));
        }
        let ready = match self.task.kernel.ready() {
            Ready::Yes if !self.slots.is_empty() => Ready::Blind,
            ready => ready,
        };
        self.task.links.readiness.change(ready);
    }

    /// Compares all sides of the books; tells what was lost.
    fn audit(&mut self) {
        let Some(reading) = self.reading() else { return };
        for finding in self.audit.losses(&reading) {
            self.handle(Input::Sensor(finding));
        }
        let mismatches = self.audit.read(&reading, self.task.engine.stats());
        self.tell(mismatches);
    }

    /// The last audit: programs are detached and the rings empty.
    pub(super) fn close_books(&mut self) {
        let Some(reading) = self.reading() else { return };
        for finding in self.audit.losses(&reading) {
            self.handle(Input::Sensor(finding));
        }
        let mismatches = self.audit.close(&reading, self.task.engine.stats());
        self.tell(mismatches);
    }

    fn tell(&mut self, mismatches: Vec<Mismatch>) {
        for mismatch in mismatches {
            tracing::error!(%mismatch, "the books do not balance: something was lost without being counted");
            let metric = &self.task.links.metrics.accounting_mismatch;
            metric.with_label_values(&[mismatch.equation]).inc();
            self.handle(Input::Sensor(mismatch.finding()));
        }
    }

    fn reading(&mut self) -> Option<Reading> {
        let EngineTask { engine, kernel, .. } = &mut self.task;
        let books = kernel.books()?;
        let observe = |container: &Arc<Container>| {
            Some(Observed {
                key: container.key,
                id: container.id.to_string(),
                books: kernel.container_books(container.key)?,
            })
        };
        Some(Reading {
            kernel: books,
            containers: engine.index().live().filter_map(observe).collect(),
        })
    }
}
