//! The sensor `census`: who is connected as the old role, since when, and from where.

use async_trait::async_trait;
use jiff::SignedDuration;

use super::{CENSUS, Sensor};
use crate::evidence::{self, Measurement, Standpoint, Verdict};
use crate::postgres::{Login, Session, login};
use crate::resources::Live;

/// Looks at the sessions of the old role on one server.
pub(super) struct Census<'a> {
    pub(super) live: &'a Live,
    pub(super) server: &'a str,
    pub(super) role: &'a str,
}

#[async_trait]
impl Sensor for Census<'_> {
    fn name(&self) -> &str {
        CENSUS
    }

    /// A census sees only who is there at the moment. A role that may not log in and has no session cannot have had one
    /// since the last census found the same, so then it covers the time between.
    async fn measure(&self, standpoint: Standpoint) -> Measurement {
        let looked = async {
            let mut lease = self.live.databases.lease_any(self.server, "postgres").await.map_err(|no| no.failure)?;
            login(&mut lease, self.role).await
        };
        match looked.await {
            Err(failure) => Measurement::blind(CENSUS, failure.in_a_line()),
            // A name that was misspelt would be perfect evidence.
            Ok(Login::Absent) => Measurement::blind(
                CENSUS,
                format!(
                    "there is no role {} on {}: check its name, or take old_role out of the plan file",
                    self.role, self.server
                ),
            ),
            Ok(Login::Present { may_login, sessions }) => {
                let measured =
                    evidence::census(CENSUS, self.role, &sessions.into_iter().map(session).collect::<Vec<_>>());
                if may_login || measured.verdict != Verdict::Passed {
                    return measured;
                }
                let value = format!("{}, and it may not log in", measured.value);
                Measurement { value, ..measured }.covering(standpoint.interval(SignedDuration::ZERO))
            }
        }
    }
}

/// The wire's session in the words of the evidence.
fn session(seen: Session) -> evidence::Session {
    let Session { pid, since, from, database, application } = seen;
    evidence::Session { pid, since, from, database, application }
}
