//! Names from outside are data: every hostile name, in every page, in every format, leaves the structure as a harmless one does.

mod names;
mod pages;
mod scan;

use regex::Regex;
use serde_json::Value as Json;

pub use names::{HARMLESS, hostile};
pub use scan::tame;

use crate::model::written_out;
use crate::report::{
    Live, Page, Run, Stream, az_script, dot, end_events, evidence_markdown, failure_event, html, json, json_line,
    junit, markdown, mermaid, plan_events, sql, terminal,
};

/// Calls with each hostile name, its pages beside those of the harmless one.
fn each(look: impl Fn(&str, &str, &Page, &Page)) {
    let plain = pages::pages(HARMLESS);
    for name in hostile() {
        for (what, page) in pages::pages(&name) {
            look(&name, what, &page, &plain[what]);
        }
    }
}

/// The pages whose text tools for Terraform read.
const READ_BY_TOOLS: [&str; 7] = ["plan", "plan --full", "plan --explain", "rollback", "apply", "status", "a failure"];

#[test]
fn on_a_terminal_they_move_nothing_and_add_no_line() {
    let read = |pattern: &str| Regex::new(pattern).unwrap();
    let parsers = [
        read(r"(?m)^Plan: \d+ to add"),
        read(r"(?m)^No changes\."),
        read(r"(?m)^([│|] )?Error: "),
        read(r"(?m)^Apply complete!"),
        read(r"(?m)^ *# .* will be destroyed$"),
    ];
    each(|name, what, page, plain| {
        let (told, plain) = (terminal(page).plain(), terminal(plain).plain());
        tame(&told);
        let coloured = terminal(page).ansi();
        let colours = Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
        tame(&colours.replace_all(&coloured, ""));
        assert_eq!(told.lines().count(), plain.lines().count(), "{what} of {name:?}:\n{told}");
        for parser in parsers.iter().filter(|_| READ_BY_TOOLS.contains(&what)) {
            let found = |text: &str| parser.find_iter(text).count();
            assert_eq!(found(&told), found(&plain), "{parser} in {what} of {name:?}:\n{told}");
        }
    });
}

#[test]
fn json_gives_them_back_exactly() {
    each(|name, what, page, plain| {
        let (text, plain) = (json(page), json(plain));
        tame(&text);
        let (data, plain): (Json, Json) = (serde_json::from_str(&text).unwrap(), serde_json::from_str(&plain).unwrap());
        let shapes = (scan::shape(&data, name), scan::shape(&plain, HARMLESS));
        assert_eq!(shapes.0, shapes.1, "{what} of {name:?}");
        // Addresses and failures of one line have other spellings.
        if !["graph", "a failure"].contains(&what) {
            assert!(scan::exactly(&data, name) > 0, "{what} of {name:?}: {text}");
        }
    });
}

#[test]
fn markdown_keeps_its_blocks() {
    let plain = pages::pages(HARMLESS);
    each(|name, what, page, _| {
        let text = markdown(page, pages::comment(name));
        tame(&text.replace("\n> ⚠\u{fe0f} ", "\n> "));
        let expected = markdown(&plain[what], pages::comment(HARMLESS));
        assert_eq!(scan::blocks(&text), scan::blocks(&expected), "{what} of {name:?}:\n{text}");
    });
}

#[test]
fn markdown_for_an_auditor_keeps_its_blocks() {
    let told = |name: &str| {
        let text = [name.to_owned()];
        evidence_markdown(name, &pages::ledger(name), &text, &text)
    };
    for name in hostile() {
        let text = told(&name);
        tame(&text);
        assert_eq!(scan::blocks(&text), scan::blocks(&told(HARMLESS)), "{name:?}:\n{text}");
    }
}

#[test]
fn html_keeps_its_elements() {
    each(|name, what, page, plain| {
        let text = html(page, name);
        tame(&text);
        assert_eq!(scan::tags(&text), scan::tags(&html(plain, HARMLESS)), "{what} of {name:?}:\n{text}");
        let ids: Vec<&str> = text.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        for link in text.split(" href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            let leads = ids.iter().filter(|id| **id == link).count();
            assert!(leads <= 1, "{link} of {what} leads to {leads} places");
        }
    });
}

#[test]
fn junit_stays_well_formed() {
    for name in hostile() {
        let told = |name: &str| junit(name, &pages::checks(name));
        let text = told(&name);
        tame(&text);
        assert_eq!(scan::tags(&text), scan::tags(&told(HARMLESS)), "{name:?}:\n{text}");
    }
}

#[test]
fn graphs_have_the_same_nodes_and_edges() {
    for name in hostile() {
        let desired = pages::desired(&name);
        for (text, plain) in
            [(dot(&desired), dot(&pages::desired(HARMLESS))), (mermaid(&desired), mermaid(&pages::desired(HARMLESS)))]
        {
            tame(&text);
            assert_eq!(text.lines().count(), plain.lines().count(), "{name:?}:\n{text}");
        }
        for line in dot(&desired).lines().filter(|line| line.contains('"')) {
            // Outside of quotes nothing but the arrow is left.
            let mut outside = String::new();
            let (mut inside, mut chars) = (false, line.chars());
            while let Some(c) = chars.next() {
                match c {
                    '\\' if inside => drop(chars.next()),
                    '"' => inside = !inside,
                    c if !inside => outside.push(c),
                    _ => {}
                }
            }
            assert!(!inside && [";", "->;"].contains(&outside.replace(' ', "").as_str()), "{name:?}: {line}");
        }
        for line in mermaid(&desired).lines().filter(|line| line.contains('[')) {
            let label = line.split_once("[\"").and_then(|(_, rest)| rest.strip_suffix("\"]"));
            let label = label.unwrap_or_else(|| panic!("{name:?}: {line}"));
            assert!(!label.contains(['"', '[', ']', '<', '>', '`', '{', '|']), "{name:?}: {line}");
        }
    }
}

#[test]
fn scripts_keep_their_lines() {
    for name in hostile() {
        let sql = |name: &str| sql(name, &pages::sql_steps(name), &pages::changes(name)).0;
        let az = |name: &str| az_script(name, &[], &pages::changes(name), &crate::model::Target::default());
        for write in [&sql as &dyn Fn(&str) -> String, &az] {
            let text = write(&name);
            tame(&text);
            assert_eq!(text.lines().count(), write(HARMLESS).lines().count(), "{name:?}:\n{text}");
        }
    }
}

#[test]
fn progress_and_events_are_one_line_each() {
    let records = pages::records(HARMLESS);
    let lines = |name: &str| -> Vec<String> {
        let mut live = Live::default();
        pages::records(name).iter().filter_map(|record| live.hear(record)).map(|line| line.text()).collect()
    };
    let events = |name: &str| {
        let (mut stream, records) = (Stream::default(), pages::records(name));
        let mut events: Vec<Json> = records.iter().flat_map(|record| stream.hear(record)).collect();
        events.extend(plan_events(&pages::changes(name), pages::now()));
        events.push(stream.progress(&pages::step(name).id, name, pages::now()));
        events.push(failure_event(&pages::refusal(name), pages::now()));
        let run = Run { id: name, records: &records };
        events.extend(end_events(run, &[], crate::journal::Outcome::Stuck, pages::now()));
        events
    };
    assert!(lines(HARMLESS).len() > 5 && events(HARMLESS).len() > records.len());
    for name in hostile() {
        assert_eq!(lines(&name).len(), lines(HARMLESS).len());
        for line in lines(&name) {
            assert!(!line.contains('\n') && written_out(&line) == line, "{line:?}");
        }
        assert_eq!(events(&name).len(), events(HARMLESS).len());
        for event in events(&name) {
            let line = json_line(&event);
            tame(&line);
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(serde_json::from_str::<Json>(&line).unwrap()["@message"].is_string(), "{line}");
        }
    }
}

#[test]
fn the_readers_notice_what_breaks_out() {
    let fails = |look: &(dyn Fn() + std::panic::RefUnwindSafe)| std::panic::catch_unwind(look).is_err();
    for text in ["a\u{202e}", "\u{1b}[0m", " ::error::x", "x ##vso[y]", "###[z]"] {
        assert!(fails(&|| tame(text)), "{text:?}");
    }
    for text in ["<p>a < b</p>", "<p>", "<p class=x></p>", "<p>&nope;</p>", "<p a=\"b\"c></p>"] {
        assert!(fails(&|| drop(scan::tags(text))), "{text}");
    }
    for text in ["1. x", "a @b", "- - x", "a www.x", "| a | <b> |", "<b>x", "+ x"] {
        assert!(fails(&|| drop(scan::blocks(text))), "{text}");
    }
    assert_eq!(scan::blocks("```diff\n````x\n```\ny"), ["fence of \"diff\" with 1 lines", "text"]);
}
