//! The emulator's clock: what time it is in the sandbox, moving it on, and what the platform does as time goes by.

use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::emulator::{Emulator, lock};
use super::telemetry::{self, Row};
use super::{clock, names};
use crate::model::{Class, Failure, duration, in_words, moment};

/// How often PostgreSQL checkpoints, as on Azure.
const CHECKPOINTS: SignedDuration = SignedDuration::from_mins(5);
/// The most checkpoints that are logged for time that is passed over.
const MOST: i32 = 2_000;
/// The furthest that the clock can be ahead. Certificates are valid longer than that.
const FURTHEST: SignedDuration = SignedDuration::from_hours(24 * 3_650);

impl Emulator {
    /// Now, by the sandbox's clock.
    pub fn clock(&self) -> Timestamp {
        clock::shifted(self.ahead())
    }

    /// Now, as Azure writes it.
    pub fn now(&self) -> String {
        self.clock().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }

    /// How far the clock is ahead of the real one.
    pub fn ahead(&self) -> SignedDuration {
        SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed))
    }

    /// Takes a row of telemetry that just came in.
    pub fn tell(&self, table: &str, row: Row) {
        let now = self.clock();
        lock(&self.telemetry).add(table, now, row);
    }

    /// What the control endpoint says of the clock.
    pub fn shown_clock(&self) -> Value {
        json!({"now": moment(self.clock()), "ahead": in_words(self.ahead()), "ahead_seconds": self.ahead().as_secs()})
    }

    /// Moves the clock of everything on by a span of time such as `8d`. Nothing happens in it but what Azure's platform
    /// does by itself.
    ///
    /// # Errors
    /// `Input`: it is no span of time, or goes too far. `NotFound`: PostgreSQL cannot follow on this machine.
    pub async fn advance(&self, text: &str) -> Result<(), Failure> {
        let wrong = |what: &str| {
            Failure::new(Class::Input, "the clock cannot be moved so")
                .detail(format!("{text:?} {what}"))
                .remedy("write 90m, 36h or 8d")
        };
        let by = duration(text).filter(SignedDuration::is_positive);
        let by = by.ok_or_else(|| wrong("is no span of time; the clock only goes forward"))?;
        // One at a time.
        let _moving = self.moving.lock().await;
        let (before, real) = (self.ahead(), self.clock());
        let ahead = before.checked_add(by).filter(|ahead| *ahead <= FURTHEST);
        let ahead = ahead.ok_or_else(|| wrong("is further than the sandbox's clock can go, which is ten years"))?;
        self.database.set_clock(ahead).await?;
        self.ahead.store(ahead.as_secs(), Ordering::Relaxed);
        self.change(|world| {
            world.ahead = ahead.as_secs();
            self.issuer.set_shift(world.token_shift());
        });
        self.pass(real, by);
        Ok(())
    }

    /// Logs the checkpoints of time that was passed over; the last one is now, so that the log has arrived there.
    fn pass(&self, from: Timestamp, length: SignedDuration) {
        let step = CHECKPOINTS.max(length / MOST);
        let mut telemetry = lock(&self.telemetry);
        let mut passed = SignedDuration::ZERO;
        while passed < length {
            passed = (passed + step).min(length);
            if let Ok(at) = from.checked_add(passed) {
                telemetry.add(telemetry::SERVER_LOGS, at, telemetry::checkpoint(names::SERVER));
            }
        }
    }

    /// A checkpoint of PostgreSQL, which its log tells of. Nothing where it does not run.
    pub async fn checkpoint(&self) {
        if self.database.checkpoint().await.is_ok() {
            self.tell(telemetry::SERVER_LOGS, telemetry::checkpoint(names::SERVER));
        }
    }
}
