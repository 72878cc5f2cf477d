//! What the doctor found as a page: each symptom with its cause, its evidence and the commands that fix it.

use serde_json::json;

use super::failure;
use super::page::{Block, Page};
use super::text::{Line, Tone};
use crate::model::Failure;

/// One symptom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symptom {
    /// The rule that found it, for programs.
    pub rule: String,
    /// What it is.
    pub title: String,
    /// Whether nothing is broken yet.
    pub risk: bool,
    /// Whom it is about.
    pub subject: String,
    /// Why it is so.
    pub cause: String,
    /// What was seen, one line each.
    pub evidence: Vec<String>,
    /// The commands that fix it. One that begins with `#` is for a person.
    pub fix: Vec<String>,
}

/// What the doctor has to say.
#[derive(Clone, Copy, Debug)]
pub struct Doctor<'a> {
    /// What was found.
    pub symptoms: &'a [Symptom],
    /// How many symptoms it knows.
    pub known: usize,
    /// What could not be looked at, and why.
    pub unseen: &'a [(String, Failure)],
}

/// The page of it.
pub fn doctor(doctor: &Doctor<'_>) -> Page {
    let mut blocks: Vec<Block> = doctor.symptoms.iter().flat_map(told).collect();
    if !doctor.unseen.is_empty() {
        let mut lines = vec![Line::of(Tone::Strong, "Could not be looked at:")];
        for (what, why) in doctor.unseen {
            lines.push(Line::plain("  ").with(Tone::Change, what).and(": ").and(why.summary));
            lines.extend(failure::details(why));
        }
        blocks.push(Block::Lines(lines));
    }
    blocks.push(Block::Verdict(verdict(doctor)));
    Page { blocks, data: data(doctor).into() }
}

fn told(symptom: &Symptom) -> [Block; 2] {
    let tone = if symptom.risk { Tone::Change } else { Tone::Bad };
    let risk = if symptom.risk { " (a risk: nothing is broken yet)" } else { "" };
    let heading = Line::of(tone, &symptom.title).and(format!(": {}", symptom.subject)).with(Tone::Faint, risk);
    let mut lines = vec![Line::of(Tone::Strong, "  Cause: ").and(&symptom.cause)];
    let listed = |word: &str, all: &[String], tone: Tone| {
        let line = |(at, text): (usize, &String)| {
            let lead = if at == 0 { format!("  {word}: ") } else { " ".repeat(word.len() + 4) };
            Line::of(Tone::Strong, lead).with(tone, text)
        };
        all.iter().enumerate().map(line).collect::<Vec<_>>()
    };
    lines.extend(listed("Seen", &symptom.evidence, Tone::Plain));
    lines.extend(listed("Fix", &symptom.fix, Tone::Read));
    [Block::Heading(heading), Block::Lines(lines)]
}

fn verdict(doctor: &Doctor<'_>) -> Line {
    let risks = doctor.symptoms.iter().filter(|one| one.risk).count();
    let symptoms = doctor.symptoms.len() - risks;
    let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    let besides = if risks > 0 { format!(" Besides, {}.", count(risks, "risk")) } else { String::new() };
    match (symptoms, doctor.unseen.len()) {
        (0, 0) => Line::of(Tone::Good, "Healthy").and(format!(": none of {} known symptoms.{besides}", doctor.known)),
        (0, unseen) => Line::of(Tone::Change, "No symptoms")
            .and(format!(" in what could be seen; {} could not.{besides}", count(unseen, "thing"))),
        (found, _) => Line::of(Tone::Bad, count(found, "symptom")).and(format!(" found.{besides}")),
    }
}

fn data(doctor: &Doctor<'_>) -> serde_json::Value {
    let symptom = |one: &Symptom| {
        json!({
            "rule": one.rule, "title": one.title, "severity": if one.risk { "risk" } else { "symptom" },
            "subject": one.subject, "cause": one.cause, "evidence": one.evidence, "fix": one.fix,
        })
    };
    let unseen = |(what, why): &(String, Failure)| json!({ "what": what, "why": why.to_string() });
    json!({
        "format_version": "1.0",
        "healthy": doctor.symptoms.iter().all(|one| one.risk) && doctor.unseen.is_empty(),
        "symptoms": doctor.symptoms.iter().map(symptom).collect::<Vec<_>>(),
        "unseen": doctor.unseen.iter().map(unseen).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Doctor, Symptom, doctor};
    use crate::model::{Class, Failure};
    use crate::report::{json, terminal};

    fn symptom(risk: bool) -> Symptom {
        Symptom {
            rule: "role-missing".into(),
            title: "The role does not exist".into(),
            risk,
            subject: "role geo\u{1b}[31m on pg".into(),
            cause: "nobody made it".into(),
            evidence: vec!["pg_roles has none".into(), "##vso[task.complete]".into()],
            fix: vec!["pgentra apply --only database_role.geo".into()],
        }
    }

    #[test]
    fn a_symptom_has_cause_evidence_and_fix() {
        let unseen = [("settings of app geo".to_owned(), Failure::new(Class::Forbidden, "not allowed: x"))];
        let page = doctor(&Doctor { symptoms: &[symptom(false), symptom(true)], known: 21, unseen: &unseen });
        insta::assert_snapshot!(terminal(&page).plain(), @r#"
        The role does not exist: role geo\u{1b}[31m on pg

          Cause: nobody made it
          Seen: pg_roles has none
                # #vso[task.complete]
          Fix: pgentra apply --only database_role.geo

        The role does not exist: role geo\u{1b}[31m on pg (a risk: nothing is broken yet)

          Cause: nobody made it
          Seen: pg_roles has none
                # #vso[task.complete]
          Fix: pgentra apply --only database_role.geo

        Could not be looked at:
          settings of app geo: not allowed: x

        1 symptom found. Besides, 1 risk.
        "#);
        let json = json(&page);
        assert!(json.contains("\"healthy\": false") && !json.contains("##vso"), "{json}");
    }

    #[test]
    fn a_risk_is_no_illness() {
        let healthy = |symptoms: &[Symptom]| terminal(&doctor(&Doctor { symptoms, known: 21, unseen: &[] })).plain();
        assert_eq!(healthy(&[]), "Healthy: none of 21 known symptoms.\n");
        assert!(healthy(&[symptom(true)]).ends_with("Healthy: none of 21 known symptoms. Besides, 1 risk.\n"));
    }
}
