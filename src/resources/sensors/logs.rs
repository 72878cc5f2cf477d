//! The log sensors: what PostgreSQL and the app logged since the last observation.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use super::log_queries::{LogQueries, log_queries};
use super::{Sensor, server_of};
use crate::azure::{LogAnswer, Rows};
use crate::evidence::{Event, Interval, Measurement, Occurrence, Standpoint, Verdict};
use crate::model::{Attributes, Class, Failure, duration, moment};
use crate::postgres::logs_connections;
use crate::resources::Live;
use crate::resources::live::{no_span, optional_text, text};

/// How long entries take to arrive where nothing is said: resource logs take 3 to 10 minutes.
const LAG: &str = "15m";
/// How far back is looked for what happens now and then, at least.
const REACH: SignedDuration = SignedDuration::from_hours(24);
/// How often is observed where nothing is said.
const EVERY: &str = "24h";
/// Columns that tell when a row happened.
const TIMES: [&str; 3] = ["last", "timestamp", "TimeGenerated"];

/// One log sensor.
pub(super) struct Log<'a> {
    live: &'a Live,
    table: &'a Attributes,
    name: &'a str,
    /// The server whose log it is, where it is PostgreSQL's and asked for logins.
    server: Option<&'a str>,
    queries: Vec<LogQueries>,
    lag: SignedDuration,
    /// How far back is looked for what happens now and then: so far that the traces of the observation before are seen,
    /// which may be all that an idle app leaves.
    reach: SignedDuration,
}

/// A log that can be asked.
struct Place {
    /// ARM id.
    id: String,
    /// Whether entries were thrown away before they were kept.
    sampled: bool,
}

/// What the rows of an answer come to.
#[derive(Default)]
struct Seen {
    /// How many events they stand for.
    events: i64,
    /// When they happened, where the rows say so.
    times: Vec<Timestamp>,
    /// Whether a row stands for several events, of which the others were thrown away.
    sampled: bool,
}

impl<'a> Log<'a> {
    /// The sensor that a table of a `validation` describes.
    pub(super) fn new(live: &'a Live, validation: &'a Attributes, table: &'a Attributes) -> Result<Self, Failure> {
        let name = text(table, "name")?;
        let lag = duration(optional_text(table, "lag").unwrap_or(LAG));
        let lag = lag.ok_or_else(|| {
            no_span(&format!("sensor {name}: lag"), optional_text(table, "lag").unwrap_or_default(), LAG)
        })?;
        let every = duration(optional_text(validation, "every").unwrap_or(EVERY)).unwrap_or(REACH);
        let reach = REACH.max(every + every / 2 + lag);
        let queries = log_queries(validation, table)?;
        let server = server_of(validation).filter(|_| queries.iter().any(|one| one.changes.is_some()));
        Ok(Self { live, table, name, server, queries, lag, reach })
    }

    async fn place(&self) -> Result<Place, Failure> {
        let subscription = text(self.table, "subscription")?;
        if let Some(id) = optional_text(self.table, "workspace") {
            return Ok(Place { id: self.live.arm.workspace_with(subscription, id).await?, sampled: false });
        }
        let component = self.live.arm.component_with(subscription, text(self.table, "app_insights")?).await?;
        Ok(Place { id: component.id, sampled: component.sampling < 100 })
    }

    /// Asks; a blind answer is an error.
    async fn ask(&self, place: &Place, query: &str, span: Interval) -> Result<Seen, Failure> {
        // Milliseconds: the service takes seven digits of a second at most.
        let digits = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let timespan = format!("{}/{}", digits(span.from), digits(span.to));
        match self.live.arm.query_logs(&place.id, query, Some(&timespan)).await? {
            LogAnswer::Rows(rows) => Ok(Seen::of(&rows)),
            LogAnswer::Blind(why) => Err(blind(why)),
        }
    }

    /// Misses nothing between two observations: both queries over all the time in between. The time that is covered ends
    /// with the last entry that the control found, of whatever kind: a server checkpoints and an app is kept warm while
    /// nobody signs in, so that this is how far the log had demonstrably arrived. That logins are in the log at all is
    /// shown by those of the observation before, by the server's setting now, and by nobody having changed it in between:
    /// time before such a change is not covered.
    async fn continuous(&self, standpoint: Standpoint) -> Result<Measurement, Failure> {
        let place = self.place().await?;
        let interval = standpoint.interval(self.lag);
        let first = interval.from == interval.to;
        let (mut shown, mut unseen, mut events, mut changed) = (None, Vec::new(), 0, None);
        for queries in &self.queries {
            match self.shown(&place, queries, interval).await {
                // A table that does not exist holds nothing.
                Err(failure) if failure.class == Class::Input => {
                    unseen.push(failure.in_a_line());
                    continue;
                }
                Err(failure) => return Err(failure),
                Ok((control, reach)) if control.events == 0 => {
                    unseen.push(format!("nothing was logged {}", between(reach)));
                }
                Ok(control) => shown = shown.or(Some(control)),
            }
            if !first {
                events += self.ask(&place, &queries.question, interval).await?.events;
                if let Some(changes) = &queries.changes {
                    changed = changed.max(self.ask(&place, changes, interval).await?.times.into_iter().max());
                }
            }
        }
        let what = if self.kind() == "fallback" { "fallbacks to the password" } else { "logins of the old role" };
        let value = format!("{events} {what} {}", between(interval));
        if events > 0 {
            // Whatever the control says. All of the time is done with, so that the next measurement does not count them again.
            return Ok(Measurement::failed(self.name, value).covering(interval));
        }
        let Some((control, reach)) = shown else {
            return Err(blind(format!("no control entry, so that the log may be off: {}", unseen.join("; "))));
        };
        self.refuse_unlogged().await?;
        if place.sampled || control.sampled {
            let why = "the app's traces are sampled, so that there may have been fallbacks that were thrown away: exclude \
                       traces from sampling (host.json: excludedTypes)";
            return Err(blind(why));
        }
        let to = match control.times.iter().max() {
            // Entries from before are no sign that those in between have arrived.
            _ if reach != interval => interval.from,
            Some(last) => interval.to.min(*last).max(interval.from),
            // How far it reaches a control of the plan file's own may not say.
            None => interval.from,
        };
        let shown = format!("{} control entries {}", control.events, between(reach));
        let covers = Interval { from: changed.unwrap_or(interval.from).clamp(interval.from, to), to };
        let value = match changed {
            Some(at) => {
                format!("{value}; log_connections was changed at {}, and what was before is unknown", moment(at))
            }
            None => value,
        };
        Ok(Measurement::passed(self.name, value).controlled(shown).covering(covers))
    }

    /// Refuses to believe the log of a server that does not log logins now.
    async fn refuse_unlogged(&self) -> Result<(), Failure> {
        let Some(server) = self.server else { return Ok(()) };
        let mut lease =
            self.live.databases.lease_any(server, "postgres").await.map_err(|rejection| rejection.failure)?;
        if logs_connections(&mut lease).await? {
            return Ok(());
        }
        Err(blind(format!("server {server} logs no logins: log_connections is off")))
    }

    /// Whether it saw logins since the standpoint's watermark; blind where the log does not reach from there to about now.
    pub(super) async fn logins(&self, standpoint: Standpoint) -> Verdict {
        let measured = self.measure(standpoint).await;
        let late = (self.lag + self.lag).max(SignedDuration::from_hours(1));
        match (&measured.verdict, measured.covers) {
            (Verdict::Passed, None) => Verdict::Blind("the log covers no time".to_owned()),
            (Verdict::Passed, Some(covers)) if standpoint.now.duration_since(covers.to) > late => {
                Verdict::Blind(format!("the log ends at {}", moment(covers.to)))
            }
            (Verdict::Passed, Some(covers)) if standpoint.watermark.is_some_and(|mark| covers.from > mark) => {
                Verdict::Blind(format!("the log cannot be believed before {}", moment(covers.from)))
            }
            _ => measured.verdict,
        }
    }

    /// What the control finds, and in which time. Observations that follow each other faster than entries arrive have
    /// nothing between them yet: those of the last day then show that the log is on.
    async fn shown(
        &self,
        place: &Place,
        queries: &LogQueries,
        interval: Interval,
    ) -> Result<(Seen, Interval), Failure> {
        let control = queries.control.as_deref().unwrap_or(&queries.question);
        let length = interval.to.duration_since(interval.from);
        if length.is_positive() {
            let seen = self.ask(place, control, interval).await?;
            if seen.events > 0 || length >= self.lag {
                return Ok((seen, interval));
            }
        }
        let reach = back(interval, self.reach);
        Ok((self.ask(place, control, reach).await?, reach))
    }

    /// A query of the plan file's own.
    async fn query(&self, standpoint: Standpoint, queries: &LogQueries) -> Result<Measurement, Failure> {
        let place = self.place().await?;
        let asked = standpoint.interval(self.lag);
        let proves = match optional_text(self.table, "proves") {
            Some("fresh_token") => Some(Event::FreshToken),
            Some(_) => Some(Event::Restart),
            None => None,
        };
        let some = optional_text(self.table, "expect") == Some("some");
        let none = !some && (optional_text(self.table, "expect").is_some() || proves.is_none());
        // What has to be there happens now and then; what must not be there counts from the last observation on.
        let span = if some { back(asked, self.reach) } else { asked };
        let seen =
            if span.from == span.to { Seen::default() } else { self.ask(&place, &queries.question, span).await? };
        let value = format!("{} events {}", seen.events, between(span));
        if none && seen.events > 0 {
            return Ok(Measurement::failed(self.name, value).asking(asked));
        }
        if some && seen.events == 0 && !place.sampled && queries.control.is_none() {
            return Ok(Measurement::failed(self.name, value).asking(asked));
        }
        let shown = self.control(&place, queries, back(asked, self.reach), &seen).await?;
        if some && seen.events == 0 {
            return Ok(Measurement::failed(self.name, value).controlled(shown).asking(asked));
        }
        if none && place.sampled && !queries.question.to_ascii_lowercase().contains("itemcount") {
            return Err(blind("the component keeps a sample, and the query does not weigh by itemCount"));
        }
        let mut measured = Measurement::passed(self.name, value).controlled(shown).asking(asked);
        if let Some(event) = proves {
            if seen.events > 0 && seen.times.is_empty() {
                return Err(blind("the rows do not tell their time: keep the column timestamp or TimeGenerated"));
            }
            measured.events = seen.times.into_iter().map(|at| Occurrence { event, at }).collect();
        }
        Ok(measured)
    }

    /// How a query showed that it can see: by its own rows, or by those of its control.
    async fn control(
        &self,
        place: &Place,
        queries: &LogQueries,
        span: Interval,
        seen: &Seen,
    ) -> Result<String, Failure> {
        if seen.events > 0 {
            return Ok("its own rows".to_owned());
        }
        let Some(control) = &queries.control else { return Err(blind("no rows, and no control query")) };
        match self.ask(place, control, span).await?.events {
            0 => Err(blind(format!("no control entry {}", between(span)))),
            events => Ok(format!("{events} control entries {}", between(span))),
        }
    }

    fn kind(&self) -> &str {
        optional_text(self.table, "kind").unwrap_or_default()
    }
}

#[async_trait]
impl Sensor for Log<'_> {
    fn name(&self) -> &str {
        self.name
    }

    async fn measure(&self, standpoint: Standpoint) -> Measurement {
        let measured = match self.queries.as_slice() {
            [queries] if self.kind() == "query" => self.query(standpoint, queries).await,
            _ => self.continuous(standpoint).await,
        };
        measured.unwrap_or_else(|failure| Measurement::blind(self.name, failure.in_a_line()))
    }
}

impl Seen {
    fn of(rows: &Rows) -> Self {
        let mut seen = Self::default();
        for row in 0..rows.rows.len() {
            let number = |column: &str| number(rows.cell(row, column)?);
            let weight = ["events", "itemCount", "ItemCount"].into_iter().find_map(number).unwrap_or(1);
            let time = |column: &str| rows.cell(row, column)?.as_str()?.parse::<Timestamp>().ok();
            seen.events += weight;
            seen.times.extend(TIMES.into_iter().find_map(time));
            seen.sampled |= number("sampled").is_some_and(|count| count > 1);
        }
        seen
    }
}

/// A whole number, which the service may write as text or with a point.
fn number(cell: &Json) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "counts are far below 2^53")]
    let rounded = cell.as_f64().map(|real| real.ceil() as i64);
    cell.as_i64().or(rounded).or_else(|| cell.as_str()?.parse().ok())
}

pub(in crate::resources) fn blind(why: impl Into<String>) -> Failure {
    Failure::new(Class::Other, "the log cannot be believed")
        .detail(why)
        .remedy("see that the app writes its traces, and check the queries of the sensor")
}

/// The same time, and before it so much that it is this long at least.
fn back(interval: Interval, length: SignedDuration) -> Interval {
    let from = interval.to.checked_sub(length).unwrap_or(interval.from);
    Interval { from: interval.from.min(from), to: interval.to }
}

fn between(span: Interval) -> String {
    format!("between {} and {}", moment(span.from), moment(span.to))
}
