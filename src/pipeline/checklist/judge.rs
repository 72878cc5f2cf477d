//! Judges one line: what a machine saw, and if none did, who vouched for it.

use jiff::{SignedDuration, Timestamp};

use super::lines::{By, Line};
use super::{Item, Sight, State};
use crate::diff::{Action, Change, Reason};
use crate::evidence::{Attestation, Decision, Event, Measurement, Observation, Record, Verdict};
use crate::model::{Address, Attributes, Value, agrees, in_words};
use crate::pipeline::Verified;

/// What was seen of a line, and when.
struct Judged {
    state: State,
    seen: String,
    at: Option<Timestamp>,
}

impl Judged {
    fn new(state: State, seen: impl Into<String>, at: Option<Timestamp>) -> Self {
        Self { state, seen: seen.into(), at }
    }

    fn of(holds: bool, seen: impl Into<String>, at: Option<Timestamp>) -> Self {
        Self::new(if holds { State::Done } else { State::NotYet }, seen, at)
    }

    fn unseen(why: &str) -> Self {
        Self::new(State::Unseen, why, None)
    }
}

/// A line with its state.
pub(super) fn item(line: &Line, sight: &Sight<'_>) -> Item {
    let judged = judge(line.by, sight);
    let vouched = matches!(judged.state, State::Unseen).then(|| attestation(line.text, sight)).flatten();
    let judged = match vouched {
        Some(one) => {
            let note = one.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
            Judged::new(State::Attested, format!("by {}{note}", one.by), one.at.dated().ok().or(Some(one.at.runner)))
        }
        None if matches!(line.by, By::Person) => Judged::new(State::NotYet, judged.seen, None),
        None => judged,
    };
    let Line { section, text, optional, .. } = *line;
    Item { section, line: text, optional, state: judged.state, seen: judged.seen, at: judged.at }
}

/// The newest attestation of a line. Records before damage to the ledger do not count.
fn attestation<'a>(line: &str, sight: &Sight<'a>) -> Option<&'a Attestation> {
    sight.ledger.trusted().iter().rev().find_map(|entry| match &entry.record {
        Record::Attestation(one) if one.line.trim().eq_ignore_ascii_case(line) => Some(one),
        _ => None,
    })
}

fn judge(by: By, sight: &Sight<'_>) -> Judged {
    match by {
        By::Kinds(kinds) => all(sight, |one| kinds.contains(&one.change.address.kind.as_str())),
        By::Principal => principal(sight),
        By::Setting(name) => setting(sight, name),
        By::Required => required(sight),
        By::Check(words) => all(sight, |one| checks(one, words)),
        By::Job => job(sight),
        By::Asked => asked(sight),
        By::Privileges => privileges(sight),
        By::FreshToken => fresh_token(sight),
        By::Quiet(hours) => quiet(sight, hours),
        By::Window => window(sight),
        By::NoFallback => no_fallback(sight),
        By::Probes => probes(sight),
        By::PasswordGone => password_gone(sight),
        By::Person => Judged::unseen("no machine can see it: `pgentra evidence attest LINE --by NAME`"),
    }
}

/// All resources that `wanted` picks are as the plan file says.
fn all(sight: &Sight<'_>, wanted: impl Fn(&Verified) -> bool) -> Judged {
    let picked: Vec<&Verified> = sight.verified.iter().filter(|one| wanted(one)).collect();
    if picked.is_empty() {
        return Judged::unseen("the plan file names nothing that shows it");
    }
    let away: Vec<&Verified> = picked.iter().copied().filter(|one| !one.holds).collect();
    if away.is_empty() {
        let names: Vec<String> = picked.iter().map(|one| one.change.address.to_string()).collect();
        return Judged::new(State::Done, format!("as wanted: {}", names.join(", ")), Some(sight.looked));
    }
    let held = away.iter().all(|one| one.change.action == Action::Held);
    let why = reasons(&away);
    Judged::new(if held { State::Held } else { State::NotYet }, why.join("; "), Some(sight.looked))
}

/// Why these are not as wanted; those that share a reason share its words.
fn reasons(away: &[&Verified]) -> Vec<String> {
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for one in away {
        let (address, why) = (one.change.address.to_string(), why(&one.change));
        match told.iter_mut().find(|(known, _)| *known == why) {
            Some((_, addresses)) => addresses.push(address),
            None => told.push((why, vec![address])),
        }
    }
    told.into_iter().map(|(why, addresses)| format!("{}: {why}", addresses.join(", "))).collect()
}

fn why(change: &Change) -> String {
    match (&change.failure, &change.reason) {
        (Some(failure), _) => failure.in_a_line(),
        (None, Reason::Missing) => "not there".to_owned(),
        (None, Reason::Differs(fields)) => format!("differs in {}", fields.join(", ")),
        (None, Reason::Unreadable(why) | Reason::NotReadable(why) | Reason::Gate(why)) => why.clone(),
        (None, Reason::LeansOn(address)) => format!("{address} comes first"),
        (None, Reason::AsWanted) => change.notes.join("; "),
    }
}

fn of_kind<'a>(sight: &Sight<'a>, kind: &str) -> Vec<&'a Verified> {
    sight.verified.iter().filter(|one| one.change.address.kind == kind).collect()
}

fn principal(sight: &Sight<'_>) -> Judged {
    let identities = of_kind(sight, "app_identity");
    if identities.is_empty() {
        return Judged::unseen("the plan file names no identity");
    }
    let id = |one: &&Verified| {
        let id = one.change.outputs.get("principal_id").and_then(Value::as_text)?;
        Some(format!("{} has principal id {id}", one.change.address))
    };
    let found: Vec<String> = identities.iter().filter_map(id).collect();
    let holds = found.len() == identities.len();
    Judged::of(
        holds,
        if holds { found.join("; ") } else { "there is no principal id yet".to_owned() },
        Some(sight.looked),
    )
}

fn map<'a>(end: Option<&'a Attributes>, field: &str) -> Option<&'a Attributes> {
    end?.get(field)?.as_map()
}

fn setting(sight: &Sight<'_>, name: &str) -> Judged {
    let named = of_kind(sight, "app_settings").into_iter().filter_map(|one| {
        let wanted = map(one.change.after.as_ref(), "settings")?.get(name)?;
        let live = map(one.change.before.as_ref(), "settings").and_then(|all| all.get(name)).unwrap_or(&Value::Null);
        Some((one.change.address.to_string(), agrees(live, wanted), live.as_text().map(str::to_owned)))
    });
    let named: Vec<(String, bool, Option<String>)> = named.collect();
    if named.is_empty() {
        return Judged::unseen("the plan file owns no such setting");
    }
    let seen = |(address, holds, live): &(String, bool, Option<String>)| match live {
        Some(live) => format!("{address}: it is {live}"),
        None => format!("{address}: {}", if *holds { "as wanted" } else { "not there" }),
    };
    let all: Vec<String> = named.iter().map(seen).collect();
    Judged::of(named.iter().all(|(_, holds, _)| *holds), all.join("; "), Some(sight.looked))
}

fn required(sight: &Sight<'_>) -> Judged {
    let asking = sight.desired.iter().filter_map(|want| Some((want, want.attributes.get("require")?.as_list()?)));
    let asking: Vec<_> =
        asking.filter(|(want, names)| want.address.kind == "app_settings" && !names.is_empty()).collect();
    if asking.is_empty() {
        return Judged::unseen("the plan file requires no settings (`require_settings`)");
    }
    let of = |address: &Address| sight.verified.iter().find(|one| one.change.address == *address);
    let failures = asking.iter().filter_map(|(want, _)| of(&want.address)?.change.failure.as_ref());
    let failures: Vec<String> = failures.map(ToString::to_string).collect();
    let names: Vec<&str> = asking.iter().flat_map(|(_, names)| *names).filter_map(Value::as_text).collect();
    let seen = if failures.is_empty() { format!("present: {}", names.join(", ")) } else { failures.join("; ") };
    Judged::of(failures.is_empty(), seen, Some(sight.looked))
}

fn http(one: &Verified) -> Option<&Attributes> {
    map(one.change.after.as_ref().or(one.change.before.as_ref()), "http")
}

fn checks(one: &Verified, words: &[&str]) -> bool {
    let path = http(one).and_then(|http| http.get("path")?.as_text()).unwrap_or_default().to_lowercase();
    one.change.address.kind == "check" && words.iter().any(|word| path.contains(word))
}

/// The newest observation of a validation, and when it was made.
fn newest<'a>(sight: &Sight<'a>, validation: &str) -> Option<(&'a Observation, Option<Timestamp>)> {
    sight.ledger.trusted().iter().rev().find_map(|entry| match &entry.record {
        Record::Observation(one) if one.validation == validation => Some((one, one.at.dated().ok())),
        _ => None,
    })
}

/// What each validation of this plan file saw last by those of its sensors that `sensors` names; `None` where it names
/// none. A store may hold observations of other plan files, and one app's say nothing of another.
fn observed(sight: &Sight<'_>, sensors: fn(&Attributes) -> Vec<String>) -> Option<Judged> {
    let validations = sight.desired.iter().filter(|want| want.address.kind == "validation");
    let asked = validations.map(|want| (want.address.name.as_str(), sensors(&want.attributes)));
    let each = asked.filter(|(_, names)| !names.is_empty()).map(|(validation, names)| {
        let seen = newest(sight, validation).and_then(|(observation, at)| {
            measured(observation.measurements.iter().filter(|one| names.contains(&one.sensor)), at)
        });
        (validation, seen.unwrap_or_else(|| Judged::unseen(NO_OBSERVATION)))
    });
    together(each.collect())
}

/// The worst of several, with the names of those that it is about; done only when all are.
fn together(mut each: Vec<(&str, Judged)>) -> Option<Judged> {
    if each.len() < 2 {
        return each.pop().map(|(_, only)| only);
    }
    let worst =
        [State::NotYet, State::Unseen].into_iter().find(|state| each.iter().any(|(_, one)| one.state == *state));
    let state = worst.unwrap_or(State::Done);
    let about: Vec<_> = each.iter().filter(|(_, one)| one.state == state).collect();
    let seen: Vec<String> = about.iter().map(|(name, one)| format!("{name}: {}", one.seen)).collect();
    Some(Judged::new(state, seen.join("; "), about.iter().filter_map(|(_, one)| one.at).min()))
}

fn list<'a>(attributes: &'a Attributes, field: &str) -> impl Iterator<Item = &'a Attributes> {
    attributes.get(field).and_then(Value::as_list).unwrap_or_default().iter().filter_map(Value::as_map)
}

/// Sums up measurements: failed ones first, then blind ones.
fn measured<'a>(all: impl Iterator<Item = &'a Measurement>, at: Option<Timestamp>) -> Option<Judged> {
    let all: Vec<&Measurement> = all.collect();
    if all.is_empty() {
        return None;
    }
    let told = |pick: fn(&Verdict) -> Option<&String>| {
        let lines = all.iter().filter_map(|one| Some(format!("{}: {}", one.sensor, pick(&one.verdict)?)));
        lines.collect::<Vec<_>>().join("; ")
    };
    let failed = told(|verdict| if let Verdict::Failed(why) = verdict { Some(why) } else { None });
    let blind = told(|verdict| if let Verdict::Blind(why) = verdict { Some(why) } else { None });
    let names: Vec<&str> = all.iter().map(|one| one.sensor.as_str()).collect();
    Some(match (failed.is_empty(), blind.is_empty()) {
        (false, _) => Judged::new(State::NotYet, failed, at),
        (true, false) => Judged::new(State::Unseen, blind, at),
        (true, true) => Judged::new(State::Done, format!("passed: {}", names.join(", ")), at),
    })
}

const NO_TOKEN: &str = "no sensor has seen the app get a token (`proves = \"fresh_token\"`)";
const NO_OBSERVATION: &str = "nothing was observed yet: `pgentra observe`";

/// Looking sends no job, but an observation does. Which one it is the plan file says.
fn job(sight: &Sight<'_>) -> Judged {
    let followed = |asked: &Attributes| {
        let follows = |probe: &&Attributes| map(Some(probe), "http").is_some_and(|http| http.contains_key("follow"));
        list(asked, "probes").filter(follows).filter_map(probe).collect()
    };
    let none = || Judged::unseen("no validation has a probe with `follow`; `apply` sends the job, looking does not");
    observed(sight, followed).unwrap_or_else(none)
}

/// How a probe is called in an observation.
fn probe(probe: &Attributes) -> Option<String> {
    Some(format!("probe {}", probe.get("name")?.as_text()?))
}

fn asked(sight: &Sight<'_>) -> Judged {
    let about: Vec<_> = sight.proofs.iter().filter(|proof| proof.label.starts_with("Role ")).collect();
    let blind = about.iter().any(|proof| proof.label.contains(" can use anything in "));
    if about.is_empty() {
        return Judged::unseen("the plan file grants nothing");
    }
    let seen = format!("asked PostgreSQL {} questions by has_*_privilege", about.len());
    Judged::of(!blind, seen, Some(sight.looked))
}

fn privileges(sight: &Sight<'_>) -> Judged {
    let about: Vec<_> = sight.proofs.iter().filter(|proof| proof.label.starts_with("Role ")).collect();
    if about.is_empty() {
        return Judged::unseen("the plan file grants nothing");
    }
    let away: Vec<String> =
        about.iter().filter(|proof| !proof.holds).map(|proof| format!("{}: {}", proof.label, proof.detail)).collect();
    let seen = if away.is_empty() { format!("{} of {} hold", about.len(), about.len()) } else { away.join("; ") };
    Judged::of(away.is_empty(), seen, Some(sight.looked))
}

fn fresh_token(sight: &Sight<'_>) -> Judged {
    let last = |decision: &Decision| {
        let events = decision.window.events.iter().filter(|(event, _)| *event == Event::FreshToken);
        events.map(|(_, at)| *at).max()
    };
    let each = sight.decisions.iter().map(|(name, decision)| {
        let judged = match last(decision) {
            Some(at) => Judged::new(State::Done, "the app got a new token", Some(at)),
            None => Judged::unseen(NO_TOKEN),
        };
        (name.as_str(), judged)
    });
    together(each.collect()).unwrap_or_else(|| Judged::unseen(NO_TOKEN))
}

fn quiet(sight: &Sight<'_>, hours: i64) -> Judged {
    let wanted = SignedDuration::from_hours(hours);
    let Some((_, decision)) = sight.decisions.iter().min_by_key(|(_, decision)| decision.window.length()) else {
        return Judged::unseen("the plan file has no validation");
    };
    let window = &decision.window;
    if window.observations.is_empty() {
        return Judged::new(State::NotYet, NO_OBSERVATION, None);
    }
    if window.covered_until.is_none() {
        return Judged::unseen("no sensor covers the time between observations");
    }
    let count = window.observations.len();
    let by = if count == 1 { "1 observation".to_owned() } else { format!("{count} observations") };
    let seen = format!("nothing failed for {}, by {by}", in_words(window.length()));
    Judged::of(window.length() >= wanted, seen, window.ended())
}

fn window(sight: &Sight<'_>) -> Judged {
    if sight.decisions.is_empty() {
        return Judged::unseen("the plan file has no validation");
    }
    let short: Vec<String> = sight
        .decisions
        .iter()
        .filter(|(_, decision)| !decision.missing.is_empty())
        .map(|(name, decision)| format!("{name}: {}", decision.reason()))
        .collect();
    let ended = sight.decisions.iter().filter_map(|(_, decision)| decision.window.ended()).max();
    if short.is_empty() {
        let length = sight.decisions.iter().map(|(_, decision)| decision.window.length()).min().unwrap_or_default();
        return Judged::new(State::Done, format!("{} without a failure", in_words(length)), ended);
    }
    Judged::new(State::Held, short.join("; "), ended)
}

fn no_fallback(sight: &Sight<'_>) -> Judged {
    let readers = |asked: &Attributes| {
        let reads = |sensor: &&Attributes| {
            sensor.get("kind").and_then(Value::as_text).is_some_and(|kind| ["fallback", "server_logs"].contains(&kind))
        };
        let name = |sensor: &Attributes| Some(sensor.get("name")?.as_text()?.to_owned());
        list(asked, "sensors").filter(reads).filter_map(name).collect()
    };
    let none = || Judged::unseen("no validation has a sensor that reads fallbacks or server logs");
    observed(sight, readers).unwrap_or_else(none)
}

fn probes(sight: &Sight<'_>) -> Judged {
    let seen = observed(sight, |asked| list(asked, "probes").filter_map(probe).collect());
    let validations = sight.desired.iter().filter(|want| want.address.kind == "validation");
    let any = validations.map(|want| newest(sight, &want.address.name)).any(|newest| newest.is_some());
    // Without observations there is what was looked at just now: looking sends no job.
    let plain = |http: &Attributes| !http.contains_key("follow") && !http.contains_key("body");
    let looked = || all(sight, |one| one.change.address.kind == "check" && http(one).is_some_and(plain));
    seen.filter(|_| any).unwrap_or_else(looked)
}

fn password_gone(sight: &Sight<'_>) -> Judged {
    let settings = of_kind(sight, "password_setting");
    if !settings.is_empty() {
        return all(sight, |one| one.change.address.kind == "password_setting");
    }
    let apps: Vec<_> = sight.proofs.iter().filter(|proof| proof.label.starts_with("App ")).collect();
    if apps.is_empty() {
        return Judged::unseen("the plan file names no settings of an app");
    }
    let gone = apps.iter().all(|proof| proof.detail == "managed identity");
    let seen = apps.iter().map(|proof| format!("{}: {}", proof.label, proof.detail)).collect::<Vec<_>>().join("; ");
    Judged::of(gone, seen, Some(sight.looked))
}
