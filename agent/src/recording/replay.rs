use super::{Reader, RecordingError, ReplayKernel};
use crate::engine::{Engine, Input, Output};
use std::io::Read;

/// What a replay went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    pub inputs: u64,
}

/// Whether the recorded profiles are put in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedProfiles {
    InForce,
    /// The engine keeps its own.
    Ignored,
}

/// Feeds a recording to an engine. A recording that was cut short is closed as if the agent had stopped there, also
/// when this ends with an error: `out` has everything that precedes the damage then.
///
/// # Errors
/// [`RecordingError::Damaged`].
pub fn replay<R: Read>(
    reader: &mut Reader<R>,
    engine: &mut Engine,
    profiles: RecordedProfiles,
    mut out: impl FnMut(Output),
) -> Result<Replayed, RecordingError> {
    let mut replayed = Replayed::default();
    let mut outputs = Vec::new();
    let mut ended = false;
    let result = loop {
        match reader.next_input() {
            Ok(Some((input, mut kernel))) => {
                replayed.inputs += 1;
                ended = input == Input::End;
                if profiles == RecordedProfiles::Ignored && matches!(input, Input::Profiles(_)) {
                    continue;
                }
                engine.handle(input, &mut kernel, &mut outputs);
                outputs.drain(..).for_each(&mut out);
            }
            Ok(None) => break Ok(replayed),
            Err(error) => break Err(error),
        }
    };
    if !ended {
        engine.handle(Input::End, &mut ReplayKernel::default(), &mut outputs);
        outputs.drain(..).for_each(&mut out);
    }
    result
}
