//! Replaces what others write, too, such as the settings of a site: what is sent was read a moment before, at each try.

use std::time::Instant;

use super::{Live, Watch};
use crate::azure::Refusal;
use crate::model::{Class, Failure};

/// Reads, and puts what `read` made of it (`None`: there is nothing to do). While Azure is busy with something else, which
/// may be somebody's write, it reads anew before it puts again, up to [`Pace::busy`](crate::azure::Pace::busy).
pub(super) async fn rewrite<All, Read, Put>(
    live: &Live,
    watch: &dyn Watch,
    read: impl Fn() -> Read,
    put: impl Fn(All) -> Put,
) -> Result<(), Failure>
where
    Read: Future<Output = Result<Option<All>, Failure>>,
    Put: Future<Output = Result<(), Refusal>>,
{
    let (start, mut tries) = (Instant::now(), 0);
    loop {
        // From the read to the put nothing else is awaited: what others write in between would be lost.
        let Some(all) = read().await? else { return Ok(()) };
        let refusal = match put(all).await {
            Err(refusal) if refusal.failure.class == Class::Busy => refusal,
            ended => return Ok(ended?),
        };
        let wait = live.arm.pace().wait(tries + 2);
        if start.elapsed() + wait > live.arm.pace().busy {
            return Err(refusal.failure);
        }
        watch.note(&format!(
            "Azure is busy ({}); reading and trying again in {} s",
            refusal.what(),
            wait.as_secs().max(1)
        ));
        live.arm.rest(wait).await?;
        tries += 1;
    }
}
