//! The clocks that date an observation: the database server's and Azure's. That of this machine is only noted.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Live;
use crate::evidence::Times;
use crate::postgres::clock;

/// Tells the time. Tests bring their own.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now; `server` is the PostgreSQL server to ask. A clock that cannot be read is missing in the answer.
    async fn times(&self, live: &Live, server: Option<&str>) -> Times;
}

/// The real clocks.
#[derive(Clone, Copy, Debug)]
pub struct RealClock;

#[async_trait]
impl Clock for RealClock {
    async fn times(&self, live: &Live, server: Option<&str>) -> Times {
        let server = async {
            let mut lease = live.databases.lease_any(server?, "postgres").await.ok()?;
            clock(&mut lease).await.ok()
        };
        let azure = async { live.arm.date().await.ok() };
        let (server, azure) = futures::join!(server, azure);
        Times { server, azure, runner: Timestamp::now() }
    }
}
