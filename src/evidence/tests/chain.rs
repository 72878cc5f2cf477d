//! The hash chain: every edit, gap, reordering and truncation is found, by name.

use proptest::prelude::*;

use super::{Book, DAY, at, key, terms, times};
use crate::evidence::{Break, Head, Record, Standing, Terms, Verdict, append, verify, watermark};

fn faults(lines: &[String], head: Option<&Head>) -> Vec<String> {
    verify(lines, &[key("the key")], head).faults.into_iter().map(|fault| fault.what).collect()
}

#[test]
fn an_untouched_ledger_has_no_faults() {
    let book = Book::days(0..=4);
    let ledger = book.ledger();
    assert_eq!((ledger.faults.as_slice(), ledger.entries.len()), (&[][..], 5));
    assert!(ledger.entries.iter().all(|entry| entry.standing == Standing::Signed));
    assert_eq!(ledger.trusted().len(), 5);
    assert_eq!(ledger.head, book.head);
    assert_eq!(verify(&[], &[], None), crate::evidence::Ledger::default());
}

#[test]
fn what_was_done_to_a_ledger_is_named() {
    let book = Book::days(0..=4);
    let head = book.head.as_ref();
    let edited = |edit: &dyn Fn(&mut Vec<String>)| {
        let mut lines = book.lines.clone();
        edit(&mut lines);
        faults(&lines, head)
    };
    let cases: [(&str, Vec<String>); 9] = [
        ("edited", edited(&|lines| lines[2] = lines[2].replace("ci@host", "me@host"))),
        ("records before it are missing", edited(&|lines| drop(lines.drain(1..3)))),
        ("1 record before it are missing", edited(&|lines| drop(lines.remove(0)))),
        ("after number", edited(&|lines| lines.swap(1, 2))),
        ("does not reach that far", edited(&|lines| lines.truncate(3))),
        ("does not reach that far", edited(&Vec::clear)),
        ("it is no JSON", edited(&|lines| lines[3] = "rubbish".to_owned())),
        ("it is no ledger record", edited(&|lines| lines[3] = "{\"format\":1}".to_owned())),
        ("it has format 2", edited(&|lines| lines[3] = lines[3].replace("\"format\":1", "\"format\":2"))),
    ];
    for (part, found) in cases {
        assert!(found.iter().any(|fault| fault.contains(part)), "{part}: {found:?}");
    }
}

#[test]
fn a_record_of_another_ledger_does_not_fit_in() {
    let (book, other) = (Book::days(0..=4), Book::days(1..=5));
    let mut lines = book.lines.clone();
    lines[2].clone_from(&other.lines[2]);
    let chained = "the record before it is not the one that it was chained to";
    assert_eq!(faults(&lines, book.head.as_ref()), [format!("line 3: {chained}"), format!("line 4: {chained}")]);
}

#[test]
fn only_the_key_can_sign() {
    let mut book = Book::days(0..=2);
    book.key = Some(key("another key"));
    book.observe(3 * DAY);
    book.key = None;
    book.observe(4 * DAY);
    let standing: Vec<Standing> = book.ledger().entries.iter().map(|entry| entry.standing).collect();
    let signed = [Standing::Signed; 3];
    assert_eq!(standing, [&signed[..], &[Standing::Unchecked, Standing::Unsigned]].concat());
    // Somebody with another key who says that it is ours.
    let ours = key("the key");
    let forged = book.lines[3].replace(key("another key").id(), ours.id());
    let lines = [&book.lines[..3], &[forged]].concat();
    assert!(faults(&lines, None).iter().any(|fault| fault.contains("edited")), "the key's id is part of the hash");
    let id = ours.id();
    let mut json: serde_json::Value = serde_json::from_str(&book.lines[2]).unwrap();
    json["signature"] = "00".repeat(32).into();
    assert_eq!(json["key"], id);
    let lines = [&book.lines[..2], &[json.to_string()]].concat();
    assert_eq!(faults(&lines, None), ["line 3: it is forged: its signature was not made with the key it names"]);
}

#[test]
fn a_ledger_that_was_replaced_as_a_whole_is_found_by_the_journal() {
    let book = Book::days(0..=4);
    let mut other = Book::days(1..=5);
    assert_eq!(faults(&other.lines, None), Vec::<String>::new());
    assert_eq!(faults(&other.lines, book.head.as_ref()), ["record 5 is not the one that the journal knows"]);
    other.observe(6 * DAY);
    assert_eq!(faults(&other.lines, book.head.as_ref()).len(), 1, "writing on does not hide it");
}

#[test]
fn a_break_names_the_damage_for_good_and_evidence_starts_after_it() {
    let mut book = Book::days(0..=9);
    book.lines.truncate(7);
    let ledger = book.ledger();
    assert_eq!((ledger.trusted().len(), ledger.new_faults().len()), (0, 1));
    let found = ledger.new_faults().into_iter().map(|fault| fault.what.clone()).collect();
    let record = Record::Break(Break { at: times(10 * DAY), who: "ci@host".into(), faults: found });
    let (line, head) = append(&ledger, &record, book.key.as_ref()).unwrap();
    book.lines.push(line);
    book.head = Some(head);
    book.observe(10 * DAY);
    let ledger = book.ledger();
    assert_eq!((ledger.faults.len(), ledger.trusted().len()), (0, 1));
    assert!(ledger.damage().unwrap().contains("the journal knows 10 records"));
}

#[test]
fn writing_goes_on_after_a_line_that_cannot_be_read() {
    let mut book = Book::days(0..=2);
    book.lines.push("rubbish".to_owned());
    book.head = book.ledger().head;
    book.observe(3 * DAY);
    book.head = None;
    let ledger = book.ledger();
    assert_eq!((ledger.faults.len(), ledger.trusted().len(), ledger.entries.len()), (1, 1, 4));
    assert_eq!(ledger.trusted()[0].record.at().dated(), Ok(at(3 * DAY)));
}

#[test]
fn the_watermark_is_the_end_of_the_last_live_measurement() {
    let mut book = Book::days(0..=2);
    let mark = |book: &Book| watermark(&terms(), &book.ledger(), "logs");
    assert_eq!(mark(&book), Some(at(2 * DAY - 900)));
    book.observe_with(3 * DAY, |one| one.measurements[1].verdict = Verdict::Blind("HTTP 500".into()));
    assert_eq!(mark(&book), Some(at(2 * DAY - 900)), "what was not seen has to be asked for again");
    book.observe_with(4 * DAY, |one| one.measurements[1].verdict = Verdict::Failed("a login".into()));
    assert_eq!(mark(&book), Some(at(4 * DAY - 900)));
    let other = Terms { validation: "other".to_owned(), ..terms() };
    let marks = (watermark(&terms(), &book.ledger(), "probe"), watermark(&other, &book.ledger(), "logs"));
    assert_eq!(marks, (None, None));
    // What a blind observation measured never reaches the window.
    book.observe_with(5 * DAY, |one| one.measurements[0].verdict = Verdict::Blind("HTTP 429".into()));
    assert_eq!(mark(&book), Some(at(4 * DAY - 900)));
    // A live measurement that covers nothing: whatever was between is not covered by the next one either.
    book.observe_with(6 * DAY, |one| one.measurements[1].covers = None);
    assert_eq!(mark(&book), None);
}

proptest! {
    /// Any change of any byte is found, or changes nothing of what the ledger says.
    #[test]
    fn every_changed_byte_is_found(line in 0_usize..4, byte in 0_usize..2_000, to in 32_u8..127) {
        let book = Book::days(0..=3);
        let mut lines = book.lines.clone();
        let mut bytes = lines[line].clone().into_bytes();
        let at = byte % bytes.len();
        bytes[at] = to;
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        lines[line] = text;
        let ledger = verify(&lines, &[key("the key")], book.head.as_ref());
        if ledger.faults.is_empty() {
            prop_assert_eq!(ledger.entries, book.ledger().entries);
        }
    }

    /// Any other selection or order of the lines is found.
    #[test]
    fn every_other_order_is_found(picked in prop::collection::vec(0_usize..5, 0..7)) {
        let book = Book::days(0..=4);
        let lines: Vec<String> = picked.iter().map(|at| book.lines[*at].clone()).collect();
        let whole = picked == [0, 1, 2, 3, 4];
        prop_assert_eq!(faults(&lines, book.head.as_ref()).is_empty(), whole);
    }
}
