//! Pace: how long and how often to wait for Azure where Azure itself does not say.

use std::time::Duration;

/// Waiting times. A `Retry-After` of the service always wins over [`Pace::first`] and [`Pace::longest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The first own wait; each next one doubles.
    pub first: Duration,
    /// The longest own wait.
    pub longest: Duration,
    /// How long throttled (429) or unavailable (503) calls are tried again, all waits of one call together.
    pub throttled: Duration,
    /// How long calls that meet a busy server are tried again.
    pub busy: Duration,
    /// How long one long-running operation may take.
    pub operation: Duration,
    /// How long a new identity may take to show its principal.
    pub identity: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
            throttled: Duration::from_mins(5),
            busy: Duration::from_mins(15),
            operation: Duration::from_mins(30),
            identity: Duration::from_mins(2),
        }
    }
}

impl Pace {
    /// Hardly any waiting, for services that answer at once.
    pub const fn quick() -> Self {
        Self {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(20),
            throttled: Duration::from_secs(3),
            busy: Duration::from_secs(3),
            operation: Duration::from_secs(5),
            identity: Duration::from_secs(1),
        }
    }

    /// The own wait before try number `tries` (from 0).
    pub(crate) fn wait(&self, tries: u32) -> Duration {
        self.first.saturating_mul(2_u32.saturating_pow(tries.min(20))).min(self.longest)
    }
}

/// A duration for a progress note: whole seconds, at least one.
pub(crate) fn seconds(wait: Duration) -> String {
    format!("{} s", wait.as_secs().max(1))
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use std::time::Duration;

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<u64> = (0..7).map(|tries| Pace::default().wait(tries).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(Pace::default().wait(u32::MAX), Duration::from_secs(30));
    }
}
