use crate::engine::{Input, KernelView};
use crate::recording::{RecordingKernel, Writer};

/// Writes the run down while it happens. A recording that cannot go on never stops the agent.
#[derive(Debug)]
pub struct Recorder {
    writer: Writer,
    told: bool,
}

impl Recorder {
    /// With an open recording.
    #[must_use]
    pub fn new(writer: Writer) -> Self {
        Self { writer, told: false }
    }

    /// Adds an input. The engine is to handle it with the view that is returned: it adds the kernel's answers.
    pub(super) fn view<'a>(
        &'a mut self,
        input: &Input,
        kernel: &'a mut dyn KernelView,
    ) -> RecordingKernel<'a> {
        self.writer.input(input);
        RecordingKernel {
            kernel,
            writer: &mut self.writer,
        }
    }

    /// What is buffered goes to the file.
    pub(super) fn flush(&mut self) {
        self.writer.flush();
        if self.writer.skipped() > 0 && !self.told {
            self.told = true;
            tracing::warn!("the recording is full, or its disk is: nothing is added to it any more");
        }
    }

    pub(super) fn finish(self) {
        match self.writer.finish() {
            Ok(0) => tracing::info!("the recording is complete"),
            Ok(frames) => tracing::warn!(frames, "the recording lacks what came after it was full"),
            Err(error) => tracing::error!(%error, "the end of the recording is lost"),
        }
    }
}
