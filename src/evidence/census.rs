//! The census: who is connected as the old role, judged as a measurement.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::observation::Measurement;
use crate::model::moment;

/// One session of the old role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The process that serves it on the server.
    pub pid: i32,
    /// Since when; `None` when the one who looked may not see it.
    pub since: Option<Timestamp>,
    /// From where: an address, or `the server itself`.
    pub from: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// What it calls itself.
    pub application: Option<String>,
}

impl std::fmt::Display for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {}", self.pid)?;
        if let Some(from) = &self.from {
            write!(f, " from {from}")?;
        }
        if let Some(application) = self.application.as_deref().filter(|name| !name.is_empty()) {
            write!(f, " ({application})")?;
        }
        if let Some(database) = &self.database {
            write!(f, " in database {database}")?;
        }
        match self.since {
            Some(since) => write!(f, " since {}", moment(since)),
            None => f.write_str(" since nobody may see when"),
        }
    }
}

/// Judges who is connected. Every session counts, however long ago it signed in: one that was opened before the window
/// began never signs in again, so no log will tell of it.
pub fn census(sensor: &str, role: &str, sessions: &[Session]) -> Measurement {
    if sessions.is_empty() {
        return Measurement::passed(sensor, format!("nobody is connected as {role}"));
    }
    if let Some(hidden) = sessions.iter().find(|session| session.since.is_none()) {
        return Measurement::blind(
            sensor,
            format!("{hidden} is connected as {role}; let the one who looks see it: GRANT pg_read_all_stats"),
        );
    }
    let named: Vec<String> = sessions.iter().map(Session::to_string).collect();
    Measurement::failed(sensor, format!("{} connected as {role}: {}", count(sessions.len()), named.join("; ")))
}

fn count(sessions: usize) -> String {
    if sessions == 1 { "1 session is".to_owned() } else { format!("{sessions} sessions are") }
}

#[cfg(test)]
mod tests {
    use super::{Session, census};
    use crate::evidence::Verdict;

    fn session(since: Option<&str>) -> Session {
        Session {
            pid: 7,
            since: since.map(|text| text.parse().unwrap()),
            from: Some("10.0.0.4".into()),
            database: Some("geo".into()),
            application: Some("rmhgeo".into()),
        }
    }

    #[test]
    fn every_session_counts_and_is_named() {
        let old = census("census", "geoapp", &[session(Some("2020-01-01T00:00:00Z"))]);
        let Verdict::Failed(why) = old.verdict else { panic!("{old:?}") };
        assert_eq!(
            why,
            "1 session is connected as geoapp: process 7 from 10.0.0.4 (rmhgeo) in database geo since \
             2020-01-01T00:00:00Z"
        );
        assert_eq!(census("census", "geoapp", &[]).verdict, Verdict::Passed);
    }

    #[test]
    fn a_session_of_unknown_age_is_blind() {
        let seen = census("census", "geoapp", &[session(Some("2020-01-01T00:00:00Z")), session(None)]);
        assert!(matches!(seen.verdict, Verdict::Blind(_)), "{seen:?}");
    }
}
