use super::AlertId;
use crate::event::Timestamp;

/// Makes UUIDv7s of the event's time, a seed and a counter: the same inputs give the same ids.
#[derive(Debug, Clone)]
pub struct AlertIds {
    seed: u64,
    counter: u32,
}

impl AlertIds {
    /// `seed` must differ between runs of the agent and between nodes: random when live, fixed in a replay.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }

    /// The next id.
    pub fn next(&mut self, time: Timestamp) -> AlertId {
        let [a, b, c, d] = self.counter.to_be_bytes();
        let [e, f, g, h, i, j, _, _] = mix(self.seed ^ u64::from(self.counter)).to_be_bytes();
        self.counter = self.counter.wrapping_add(1);
        let millis = u64::try_from(time.0 / 1_000_000).unwrap_or(0);
        // Version and variant take the upper bits of the first and third byte: the counter stands behind them.
        uuid::Builder::from_unix_timestamp_millis(millis, &[e, c, f, d, a, b, g, h, i, j]).into_uuid()
    }
}

/// splitmix64: spreads neighbouring numbers over all bits.
fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
