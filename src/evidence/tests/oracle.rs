//! A slow oracle: says by trying every possible beginning of a window whether a gate has to be open, and what the logs have
//! to be asked for, by the words of docs/evidence.md. Shares nothing with the code under test but the types.

use super::DAY;
use crate::evidence::{Measurement, Verdict};

/// What one observation of a history is like.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// The database server's time, in seconds.
    pub(super) at: i64,
    /// How far Azure's clock is from it, in seconds.
    pub(super) azure_off: i64,
    /// Which scope.
    pub(super) scope: u8,
    /// The probe.
    pub(super) probe: Seen,
    /// The logs.
    pub(super) logs: Seen,
    /// Whether it is signed with the key.
    pub(super) signed: bool,
    /// How much later than they should have been the logs were asked from, in seconds.
    pub(super) skipped: i64,
    /// Whether somebody edits the line afterwards.
    pub(super) edited: bool,
    /// A session of the old role, and since when.
    pub(super) session: Option<i64>,
}

/// What a sensor came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Well,
    Wrong,
    Nothing,
}

impl Seen {
    pub(super) fn measurement(self, sensor: &str) -> Measurement {
        match self {
            Self::Well => Measurement::passed(sensor, ""),
            Self::Wrong => Measurement::failed(sensor, "wrong"),
            Self::Nothing => Measurement { verdict: Verdict::Blind("blind".into()), ..Measurement::passed(sensor, "") },
        }
    }
}

/// One observation with the time that the logs covered: from and to, in seconds.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) shape: Shape,
    pub(super) covered: (i64, i64),
}

/// How long entries take to arrive.
const LAG: i64 = 900;

/// The observations of a history with the time that the logs covered in each. A sensor goes on from where it ended in the
/// newest observation that counts or that failed; a blind observation counts for nothing, and what was not seen in one that
/// failed is not done with either. Without one to go on from it begins now.
pub(super) fn made(history: &[Shape]) -> Vec<Made> {
    let mut all: Vec<Made> = Vec::new();
    for shape in history {
        let done = |made: &&Made| made.shape.logs != Seen::Nothing && (failed(made) || evidence(made));
        let before = all.iter().rev().find(done).filter(|made| dated(made)).map(|made| made.covered.1);
        let from = before.filter(|end| *end <= shape.at).unwrap_or(shape.at);
        let to = from.max(shape.at - LAG);
        // Nothing measures what is yet to come.
        let from = (from + shape.skipped).min(shape.at);
        all.push(Made { shape: shape.clone(), covered: (from, to.max(from)) });
    }
    all
}

fn failed(made: &Made) -> bool {
    made.shape.probe == Seen::Wrong || made.shape.logs == Seen::Wrong || made.shape.session.is_some()
}

fn dated(made: &Made) -> bool {
    made.shape.azure_off.abs() <= 300
}

/// A passing observation: evidence by itself.
fn evidence(made: &Made) -> bool {
    let saw = made.shape.probe == Seen::Well && made.shape.logs == Seen::Well;
    saw && made.shape.session.is_none() && dated(made) && made.shape.signed
}

/// Whether the gate has to be open at `now` (in seconds) under scope `scope`: there is a beginning from which on
/// everything is as it should be.
pub(super) fn open(history: &[Made], now: i64, scope: u8) -> bool {
    (0..history.len()).any(|first| window(&history[first..], now, scope)) && untouched(history, now, scope)
}

/// The beginning has to lie after every edited line.
fn untouched(history: &[Made], now: i64, scope: u8) -> bool {
    let damage = history.iter().rposition(|made| made.shape.edited).map_or(0, |at| at + 1);
    (damage..history.len()).any(|first| window(&history[first..], now, scope))
}

/// Whether all of `run` is one good window, by the words of the rules.
fn window(run: &[Made], now: i64, scope: u8) -> bool {
    let Some(newest) = run.last() else { return false };
    let counted: Vec<&Made> = run.iter().filter(|made| evidence(made)).collect();
    let (Some(first), Some(last)) = (counted.first(), counted.last()) else { return false };
    let starts = std::ptr::eq(&raw const run[0], *first);
    let nothing_failed = !run.iter().any(failed);
    let one_scope = run.iter().all(|made| made.shape.scope == scope);
    let sees_now = evidence(newest);
    let times: Vec<i64> = run.iter().filter(|made| dated(made)).map(|made| made.shape.at).collect();
    let forward = times.windows(2).all(|pair| pair[0] <= pair[1]) && times.iter().all(|time| *time <= now);
    let close = counted.windows(2).all(|pair| pair[1].shape.at - pair[0].shape.at <= DAY + DAY / 2);
    let fresh = now - last.shape.at <= DAY + DAY / 2;
    let long = last.shape.at - first.shape.at >= 7 * DAY;
    starts && nothing_failed && one_scope && sees_now && forward && close && fresh && long && gapless(&counted)
}

/// Whether each moment from the first observation on was measured by the time it had to be: at each observation nothing
/// older than half a day is still unmeasured. Tried second by second would take too long; hour marks and ends will do.
fn gapless(counted: &[&Made]) -> bool {
    let begin = counted[0].shape.at;
    (1..counted.len()).all(|upto| {
        let seen = &counted[..=upto];
        let mut reached = begin;
        for _ in 0..seen.len() {
            for made in seen {
                if made.covered.0 <= reached && made.covered.1 > reached {
                    reached = made.covered.1;
                }
            }
        }
        counted[upto].shape.at - reached <= DAY / 2
    })
}
