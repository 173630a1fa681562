//! What is measured beside the engine: metrics, the books, what was lost.

use super::EngineTask;
use super::State;
use crate::daemon::view;
use crate::engine::Input;
use std::time::Instant;

impl State {
    pub(super) fn collect(&mut self) {
        self.audit();
        self.watch_spool();
        let EngineTask {
            engine,
            kernel,
            links,
            recorder,
            ..
        } = &mut self.task;
        kernel.collect(&links.metrics);
        view::collect(engine, &links.metrics);
        if let Some(recorder) = recorder {
            recorder.flush();
        }
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

    /// Compares both sides of the books; tells what was lost.
    pub(super) fn audit(&mut self) {
        let Some(books) = self.task.kernel.books() else {
            return;
        };
        let live = self.task.engine.index().live();
        let containers: Vec<_> = live
            .map(|found| (found.key.slot, found.key.generation, found.id.to_string()))
            .collect();
        let slots = self.task.kernel.view();
        for finding in self.audit.losses(&books, &containers, slots) {
            self.handle(Input::Sensor(finding));
        }
        for mismatch in self.audit.read(&books, self.task.engine.stats()) {
            tracing::error!(%mismatch, "the books do not balance: something was lost without being counted");
            let metric = &self.task.links.metrics.accounting_mismatch;
            metric.with_label_values(&[mismatch.equation]).inc();
        }
    }
}
