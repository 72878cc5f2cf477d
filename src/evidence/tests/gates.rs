//! The gate, case by case: what opens it, what holds it, and what it says then.

use super::{Book, DAY, at, key, now, scope, terms, times};
use crate::evidence::{
    Event, Interval, Measurement, Now, Occurrence, Override, Record, Session, Terms, Times, Verdict, census, decide,
    verify,
};
use crate::model::Address;

#[test]
fn a_week_of_passing_days_opens_it() {
    let book = Book::days(0..=7);
    let decision = book.decide(7 * DAY);
    assert!(decision.open, "{decision:?}");
    assert_eq!((decision.earliest, decision.window.length().as_secs()), (None, 7 * DAY));
    for day in 0..7 {
        let decision = Book::days(0..=day).decide(day * DAY);
        assert!(!decision.open, "day {day}");
        assert_eq!(decision.earliest, Some(at(7 * DAY)), "day {day}");
    }
    assert_eq!(
        Book::days(0..=4).decide(4 * DAY).reason(),
        format!("4d of 7d are covered, by 5 observations; not before {}", at(7 * DAY))
    );
}

#[test]
fn nothing_recorded_is_no_evidence() {
    let decision = Book::new().decide(0);
    assert_eq!(decision.missing, ["no observation passed yet"]);
    assert_eq!(decision.earliest, Some(at(7 * DAY)));
}

#[test]
fn a_failing_day_starts_it_again() {
    let mut book = Book::days(0..=3);
    book.observe_with(4 * DAY, |one| one.measurements[0] = Measurement::failed("probe", "HTTP 503"));
    let decision = book.decide(4 * DAY);
    assert_eq!(decision.missing, ["no observation passed since the window started again (probe: HTTP 503)"]);
    assert_eq!(decision.earliest, Some(at(11 * DAY)));
    for day in 5..=11 {
        book.observe(day * DAY);
    }
    assert!(!book.decide(11 * DAY).open);
    book.observe(12 * DAY);
    assert!(book.decide(12 * DAY).open);
}

#[test]
fn what_came_after_an_unmeasured_second_is_a_run_of_its_own() {
    let mut book = Book::days(0..=0);
    // The logs were asked from one second later than they had been asked up to.
    book.observe_with(DAY, |one| {
        let covers = one.measurements[1].covers.unwrap();
        let from = covers.from + jiff::SignedDuration::from_secs(1);
        one.measurements[1] = Measurement::passed("logs", "").covering(Interval { from, ..covers });
    });
    for day in 2..=8 {
        book.observe(day * DAY);
    }
    let decision = book.decide(8 * DAY);
    assert_eq!(decision.window.restarts.len(), 1, "{decision:?}");
    assert_eq!(decision.window.began(), Some(at(DAY)));
    assert!(decision.open, "{decision:?}");
    assert!(!book.decide(8 * DAY).window.restarts[0].why.is_empty());
    let mut short = Book::days(0..=0);
    short.lines = book.lines[..8].to_vec();
    short.head = None;
    assert!(!decide(&terms(), &verify(&short.lines, &[key("the key")], None), &now(7 * DAY)).open);
}

#[test]
fn a_failure_counts_whoever_vouches_for_it() {
    for vouched in [None, Some(key("another key"))] {
        let mut book = Book::days(0..=6);
        let ours = std::mem::replace(&mut book.key, vouched);
        book.observe_with(6 * DAY + 1, |one| one.measurements[1] = Measurement::failed("logs", "a password login"));
        book.key = ours;
        book.observe(7 * DAY);
        assert!(!book.decide(7 * DAY).open);
    }
}

#[test]
fn unsigned_observations_count_only_where_that_is_allowed() {
    let lenient = Terms { allow_unsigned: true, ..terms() };
    let mut book = Book { key: None, terms: lenient.clone(), ..Book::new() };
    for day in 0..=7 {
        book.observe(day * DAY);
    }
    let decision = book.decide(7 * DAY);
    assert!(!decision.open);
    assert!(decision.window.unseeing.unwrap().contains("unsigned"));
    assert!(decide(&lenient, &book.ledger(), &now(7 * DAY)).open);
    // Signed, but the key is not at hand.
    let signed = Book::days(0..=7);
    let ledger = verify(&signed.lines, &[], signed.head.as_ref());
    assert!(!decide(&terms(), &ledger, &now(7 * DAY)).open);
}

#[test]
fn a_change_of_scope_starts_it_again_and_names_what_changed() {
    let mut book = Book::days(0..=3);
    for day in 4..=7 {
        book.observe_with(day * DAY, |one| one.scope = Some(scope("b")));
    }
    let decision = decide(&terms(), &book.ledger(), &Now::new(times(7 * DAY), Ok(scope("b"))));
    assert!(!decision.open);
    assert_eq!(decision.window.restarts[0].why, "its scope changed: identity");
    assert_eq!(decision.window.began(), Some(at(4 * DAY)));
    let changed = decide(&terms(), &Book::days(0..=7).ledger(), &Now::new(times(7 * DAY), Ok(scope("b"))));
    assert_eq!(changed.missing, ["its scope changed since the last observation: identity"]);
    let unread = decide(&terms(), &Book::days(0..=7).ledger(), &Now::new(times(7 * DAY), Err("HTTP 403".into())));
    assert_eq!(unread.missing, ["what it is about cannot be read: HTTP 403"]);
}

#[test]
fn what_is_only_noted_may_change() {
    let mut book = Book::new();
    for day in 0..=7 {
        book.observe_with(day * DAY, |one| {
            one.noted.insert("version".into(), day.to_string());
            one.who = format!("somebody{day}@else");
        });
    }
    assert!(book.decide(7 * DAY).open);
}

#[test]
fn a_late_observation_counts_within_the_grace_and_a_missing_day_does_not() {
    for (gap, open) in [(DAY, true), (DAY + DAY / 2, true), (DAY + DAY / 2 + 1, false), (2 * DAY, false)] {
        let mut book = Book::days(0..=3);
        for day in 0..=5 {
            book.observe(3 * DAY + gap + day * DAY);
        }
        let end = 3 * DAY + gap + 5 * DAY;
        assert_eq!(book.decide(end).open, open, "{gap}");
    }
}

#[test]
fn a_gap_in_what_was_measured_starts_it_again() {
    let mut book = Book::days(0..=3);
    // The log was asked from five hours after its watermark on.
    book.observe_with(4 * DAY, |one| {
        let from = at(3 * DAY + 5 * 3_600);
        one.measurements[1].covers = Some(Interval { from, to: at(4 * DAY - 900) });
    });
    for day in 5..=7 {
        book.observe(day * DAY);
    }
    let decision = book.decide(7 * DAY);
    assert_eq!(decision.window.began(), Some(at(4 * DAY)));
    assert!(decision.window.restarts[0].why.starts_with("nothing was measured between"), "{decision:?}");
}

#[test]
fn a_census_alone_covers_nothing() {
    let mut book = Book::new();
    for day in 0..=7 {
        book.observe_with(day * DAY, |one| one.measurements[1].covers = None);
    }
    let decision = book.decide(7 * DAY);
    assert!(decision.missing[0].starts_with("no sensor covers the time between observations"), "{decision:?}");
}

#[test]
fn a_blind_sensor_is_no_evidence_and_no_failure() {
    for blind in [Some(Verdict::Blind("PartialError".into())), None] {
        let mut book = Book::days(0..=3);
        book.observe_with(3 * DAY + DAY / 4, |one| match &blind {
            Some(verdict) => one.measurements[1].verdict = verdict.clone(),
            None => drop(one.measurements.remove(1)),
        });
        for day in 4..=7 {
            book.observe(day * DAY);
        }
        assert!(book.decide(7 * DAY).open, "the run goes on");
        book.observe_with(7 * DAY + 1, |one| one.measurements[0] = Measurement::blind("probe", "no key"));
        let decision = book.decide(7 * DAY + 1);
        assert_eq!(decision.missing, ["the newest observation is no evidence: probe: no key"]);
    }
}

#[test]
fn an_old_window_is_worth_nothing() {
    let book = Book::days(0..=7);
    assert!(book.decide(8 * DAY + DAY / 2).open);
    let decision = book.decide(8 * DAY + DAY / 2 + 1);
    assert!(decision.missing[0].contains("at most 1d 12h is allowed"), "{decision:?}");
    assert_eq!(decision.earliest, Some(at(15 * DAY + DAY / 2 + 1)));
}

#[test]
fn clocks_that_go_backwards_or_disagree_hold_it() {
    let book = Book::days(0..=7);
    assert!(book.decide(7 * DAY - 1).missing[0].starts_with("the clock went backwards"));
    let mut book = Book::days(0..=5);
    book.observe(4 * DAY);
    let decision = book.decide(5 * DAY);
    assert_eq!(decision.window.began(), Some(at(4 * DAY)));
    assert!(decision.window.restarts[0].why.starts_with("the clock went backwards"));
    // A jump forward is a gap.
    let mut book = Book::days(0..=2);
    book.observe(12 * DAY);
    assert!(!book.decide(12 * DAY).open);
    let apart = Times { azure: Some(at(7 * DAY + 301)), ..times(7 * DAY) };
    for clocks in [apart, Times { azure: None, ..times(7 * DAY) }, Times { server: None, ..times(7 * DAY) }] {
        let decision = decide(&terms(), &Book::days(0..=7).ledger(), &Now::new(clocks, Ok(scope("a"))));
        assert!(decision.missing[0].starts_with("what time it is is not known"), "{decision:?}");
        let mut book = Book::days(0..=6);
        book.observe_with(7 * DAY, |one| one.at = clocks);
        assert!(!book.decide(7 * DAY).open, "an observation without a date is none");
    }
}

#[test]
fn coverage_is_asked_for_inside_the_window() {
    let demanding = Terms { coverage: [Event::FreshToken].into(), ..terms() };
    for (second, open) in [(-1, false), (0, true), (3 * DAY, true), (7 * DAY, true), (7 * DAY + 1, false)] {
        let mut book = Book::new();
        for day in 0..=7 {
            book.observe_with(day * DAY, |one| {
                one.measurements[0].events.push(Occurrence { event: Event::FreshToken, at: at(second) });
            });
        }
        let decision = decide(&demanding, &book.ledger(), &now(7 * DAY));
        assert_eq!(decision.open, open, "{second}: {decision:?}");
    }
    let decision = decide(&demanding, &Book::days(0..=7).ledger(), &now(7 * DAY));
    assert_eq!(decision.missing, [format!("no fresh token was seen since {}", at(0))]);
}

#[test]
fn a_session_from_before_the_window_counts() {
    let session = Session {
        pid: 7,
        since: Some(at(-30 * DAY)),
        from: Some("10.0.0.4".into()),
        database: None,
        application: None,
    };
    let mut book = Book::days(0..=6);
    book.observe_with(7 * DAY, |one| one.measurements.push(census("census", "geoapp", &[session])));
    let decision = book.decide(7 * DAY);
    assert!(!decision.open);
    assert!(decision.missing[0].contains("process 7 from 10.0.0.4"), "{decision:?}");
}

/// The terms of a brown-out of a day that asks the same observations.
fn soak() -> Terms {
    Terms {
        gate: Address::new("soak", "app"),
        period: jiff::SignedDuration::from_secs(DAY),
        noted: [("login".to_owned(), "not allowed".to_owned())].into(),
        ..terms()
    }
}

/// What is to be seen at a second when the login is so.
fn seeing(second: i64, login: &str) -> Now {
    Now { noted: [("login".to_owned(), login.to_owned())].into(), ..now(second) }
}

/// An observation that noted how the login is.
fn observe_login(book: &mut Book, second: i64, login: &str) {
    book.observe_with(second, |one| _ = one.noted.insert("login".into(), login.into()));
}

#[test]
fn a_soak_counts_only_what_was_seen_after_the_login_was_taken() {
    let mut book = Book::new();
    for day in 0..=9 {
        observe_login(&mut book, day * DAY, if day < 8 { "allowed" } else { "not allowed" });
        let decision = decide(&soak(), &book.ledger(), &seeing(day * DAY, "not allowed"));
        assert_eq!(decision.open, day == 9, "day {day}");
    }
    book.observe(10 * DAY);
    let decision = decide(&soak(), &book.ledger(), &seeing(10 * DAY, "not allowed"));
    assert_eq!(decision.missing, ["the newest observation is no evidence: login was not seen"]);
}

#[test]
fn a_soak_is_shut_while_the_login_is_back_whatever_was_observed_before() {
    let mut book = Book::new();
    for day in 0..=1 {
        observe_login(&mut book, day * DAY, "not allowed");
    }
    let ask = |now: &Now| decide(&soak(), &book.ledger(), now);
    assert!(ask(&seeing(DAY, "not allowed")).open);
    let back = ask(&seeing(DAY, "allowed"));
    assert_eq!(back.missing, ["login is allowed instead of not allowed"]);
    assert_eq!(back.earliest, Some(at(2 * DAY)), "all of the period is still to come");
    assert_eq!(ask(&now(DAY)).missing, ["login cannot be seen"]);
    // Taken again: what was seen before that is of another brown-out.
    let taken = Terms { not_before: 2, ..soak() };
    let again = decide(&taken, &book.ledger(), &seeing(DAY, "not allowed"));
    assert!(!again.open && again.missing[0].contains("login was changed since"), "{again:?}");
    for day in 2..=3 {
        observe_login(&mut book, day * DAY, "not allowed");
        let decision = decide(&taken, &book.ledger(), &seeing(day * DAY, "not allowed"));
        assert_eq!(decision.open, day == 3, "day {day}");
    }
}

#[test]
fn a_blind_observation_and_another_try_lose_nothing() {
    let mut book = Book::days(0..=3);
    book.observe_with(4 * DAY, |one| one.measurements[0] = Measurement::blind("probe", "HTTP 429"));
    book.observe(4 * DAY + 600);
    for day in 5..=7 {
        book.observe(day * DAY);
    }
    assert!(book.decide(7 * DAY).open, "{:?}", book.decide(7 * DAY));
}

fn override_at(second: i64) -> Record {
    Record::Override(Override {
        validation: "app".into(),
        gate: None,
        at: times(second),
        who: "dba@host".into(),
        reason: "the week is over".into(),
        scope: Some(scope("a")),
        missing: vec!["6d of 7d".into()],
    })
}

#[test]
fn an_override_opens_it_and_is_never_forgotten() {
    let mut book = Book::days(0..=1);
    book.write(&override_at(DAY));
    let decision = book.decide(DAY + 60);
    assert!(decision.open && decision.overridden && !decision.missing.is_empty());
    assert!(book.decide(8 * DAY).open);
    let late = book.decide(8 * DAY + 1);
    assert!(!late.open && late.overrides.len() == 1, "it is shown after it has lost its force");
    let changed = decide(&terms(), &book.ledger(), &Now::new(times(2 * DAY), Ok(scope("b"))));
    assert!(!changed.open && changed.overrides.len() == 1);
    assert!(!book.decide(DAY - 1).open, "before it was given");
    book.observe_with(2 * DAY, |one| one.measurements[0] = Measurement::failed("probe", "HTTP 503"));
    assert!(!book.decide(2 * DAY).open, "a failure ends it");
}

#[test]
fn an_override_opens_the_gate_that_it_names_and_no_other() {
    let mut book = Book::new();
    observe_login(&mut book, 0, "not allowed");
    book.write(&override_at(60));
    let ask = |book: &Book, terms: &Terms, login: &str| decide(terms, &book.ledger(), &seeing(120, login));
    assert!(ask(&book, &terms(), "not allowed").overridden, "a record without a gate is of the validation");
    let held = ask(&book, &soak(), "not allowed");
    assert!(!held.open && held.overrides.is_empty(), "{held:?}");
    let Record::Override(of_soak) = override_at(90) else { panic!() };
    book.write(&Record::Override(Override { gate: Some(soak().gate), ..of_soak }));
    assert!(ask(&book, &soak(), "not allowed").overridden);
    assert_eq!(ask(&book, &terms(), "not allowed").overrides.len(), 1);
    // It cuts a brown-out short that goes on; it is no leave to have none.
    assert!(!ask(&book, &soak(), "allowed").open);
    assert!(!ask(&book, &Terms { not_before: 3, ..soak() }, "not allowed").open);
}

#[test]
fn an_unsigned_override_opens_nothing() {
    let mut book = Book::days(0..=1);
    book.key = None;
    book.write(&override_at(DAY));
    assert!(!book.decide(DAY + 60).open);
}

#[test]
fn damage_starts_it_again() {
    let mut book = Book::days(0..=7);
    book.lines[3] = book.lines[3].replace("ci@host", "me@host");
    let decision = book.decide(7 * DAY);
    assert!(!decision.open);
    assert!(decision.window.restarts[0].why.contains("line 4: it was edited"), "{decision:?}");
    assert_eq!(decision.window.began(), Some(at(4 * DAY)));
}
