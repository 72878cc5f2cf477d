//! The HTML report in a real browser: it renders, its filters and links work, and it reads without JavaScript.
//!
//! Runs where Chromium is installed; with `CI=true` a missing one is a failure.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests may panic, and say why they skip")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use pgentra::diff::{Action, Change, ChangeSet, Reason};
use pgentra::model::{Address, Attributes, Undo, Value};
use pgentra::report::{Evidence, Mark, Moment, PlanView, evidence, html, plan};
use serde_json::Value as Json;

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |directory| directory.join(name)))
        .find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var("CI").is_err(), "Chromium is missing; install the package chromium");
        eprintln!("skipped: Chromium is not installed");
    }
    found
}

fn change(kind: &str, name: &str, action: Action, value: &str, leans_on: &[&Address]) -> Change {
    let attributes = |value: &str| Some(Attributes::from([("value".to_owned(), Value::text(value))]));
    Change {
        address: Address::new(kind, name),
        key: Attributes::new(),
        before: if action == Action::Create { None } else { attributes("before") },
        after: if action == Action::Delete { None } else { attributes(value) },
        action,
        reason: Reason::Missing,
        undo: Undo::Faithful,
        outputs: Attributes::new(),
        restarts: 0,
        leans_on: leans_on.iter().map(|address| (*address).clone()).collect(),
        routes: BTreeMap::new(),
        notes: Vec::new(),
        failure: None,
        place: None,
    }
}

fn page() -> String {
    let (identity, role) = (Address::new("app_identity", "geo"), Address::new("database_role", "geo \"<b>x</b>"));
    let changes = vec![
        change("app_identity", "geo", Action::Update, "tinsel", &[]),
        change("database_role", "geo \"<b>x</b>", Action::Create, "needle </script><script>x</script>", &[&identity]),
        change("app_settings", "geo", Action::Delete, "", &[&role]),
    ];
    html(&plan(&ChangeSet { changes }, PlanView { full: true }), "plan geo")
}

/// Runs `script` in the page once all is loaded and answers the JSON that it returns.
fn run(page: &str, script: &str) -> Option<Json> {
    let chromium = chromium()?;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("page.html");
    let told = format!(
        "<script>const told = (() => {{ {script} }})(); const out = document.createElement('pre'); \
         out.id = 'told'; out.textContent = JSON.stringify(told); document.body.append(out);</script></body>"
    );
    std::fs::write(&file, page.replace("</body>", &told)).unwrap();
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync", "--dump-dom"])
        .arg(format!("--user-data-dir={}", directory.path().join("profile").display()))
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    let (_, rest) = dom.split_once("<pre id=\"told\">").unwrap_or_else(|| panic!("no answer in {dom}"));
    let text = rest.split_once("</pre>").unwrap().0;
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn search_and_filters_choose_what_is_shown() {
    let script = r#"
        const shown = () => [...document.querySelectorAll("details.resource")].filter((one) => one.checkVisibility())
            .map((one) => one.dataset.symbol);
        const search = document.getElementById("search");
        const type = (text) => { search.value = text; search.dispatchEvent(new Event("input")); };
        const all = shown();
        type("needle");
        const found = shown();
        type("");
        document.querySelector("input[value=delete]").click();
        const without = shown();
        return { all, found, without, count: document.getElementById("count").textContent,
            filters: document.querySelector(".filters").checkVisibility() };
    "#;
    let Some(told) = run(&page(), script) else { return };
    assert_eq!(told["all"], serde_json::json!(["update", "create", "delete"]));
    assert_eq!(told["found"], serde_json::json!(["create"]));
    assert_eq!(told["without"], serde_json::json!(["update", "create"]));
    assert_eq!((&told["count"], &told["filters"]), (&"2 of 3 resources".into(), &true.into()));
}

#[test]
fn nodes_lead_to_their_resources_and_names_stay_text() {
    let script = r#"
        const nodes = [...document.querySelectorAll("a.node")];
        const lost = nodes.filter((node) => !document.getElementById(node.getAttribute("href").slice(1)));
        const edges = document.querySelectorAll(".graph path").length;
        return { nodes: nodes.length, lost: lost.length, edges, bold: document.querySelectorAll("b").length,
            scripts: document.querySelectorAll("script").length,
            unnamed: [...document.querySelectorAll("input")].filter((one) => !one.labels.length).length };
    "#;
    let Some(told) = run(&page(), script) else { return };
    assert_eq!((&told["nodes"], &told["lost"], &told["edges"]), (&3.into(), &0.into(), &2.into()));
    // The page's own script and the one of this test.
    assert_eq!((&told["bold"], &told["scripts"], &told["unnamed"]), (&0.into(), &2.into(), &0.into()));
}

#[test]
fn without_its_script_everything_is_there_to_read() {
    let page = page();
    let (head, rest) = page.split_once("<script>").unwrap();
    let still = format!("{head}{}", rest.split_once("</script>").unwrap().1);
    let script = r#"
        return { open: [...document.querySelectorAll("details.resource")].every((one) => one.open),
            filters: document.querySelector(".filters").checkVisibility(),
            text: document.querySelector("main").textContent.includes("needle") };
    "#;
    let Some(told) = run(&still, script) else { return };
    assert_eq!((&told["open"], &told["filters"], &told["text"]), (&true.into(), &false.into(), &true.into()));
}

/// Names without a blank, and such as would like to be markup.
fn long_pages(name: &str) -> [String; 2] {
    let mut update = change("app_settings", name, Action::Update, name, &[&Address::new("app_identity", name)]);
    update.notes = vec![name.to_owned()];
    let changes = vec![change("app_identity", name, Action::Create, name, &[]), update];
    let at = |seq: u64, mark, detail: &str| Moment {
        seq,
        at: Ok("2026-11-24T17:00:00Z".parse().unwrap()),
        mark,
        length: None,
        detail: detail.to_owned(),
    };
    let hours = jiff::SignedDuration::from_hours;
    let seen = Evidence {
        validation: name.to_owned(),
        period: hours(168),
        length: hours(24),
        open: false,
        missing: vec![name.to_owned()],
        earliest: None,
        moments: vec![at(0, Mark::Counts, "6 sensors"), at(1, Mark::Unseeing, name)],
        overrides: vec![name.to_owned()],
        sensors: vec![(name.to_owned(), Some(false), name.to_owned())],
    };
    let texts = [name.to_owned()];
    [
        html(&plan(&ChangeSet { changes }, PlanView { full: true }), &format!("plan {name}")),
        html(&evidence(&[seen], &texts, &texts), &format!("evidence {name}")),
    ]
}

#[test]
fn long_names_are_broken_and_short_cells_are_not() {
    let script = r#"
        const times = [...document.querySelectorAll("td.short")].filter((one) => one.textContent.startsWith("2026-"));
        const line = parseFloat(getComputedStyle(document.body).lineHeight);
        return { wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
            broken: times.filter((one) => one.clientHeight > 2 * line && one.textContent.length < 24
                && one.parentElement.lastElementChild.classList.contains("short")).length, times: times.length };
    "#;
    for (page, times) in
        long_pages(&"a-long-name-".repeat(60)).iter().chain(&long_pages(&"x".repeat(2_000))).zip([0, 2, 0, 2])
    {
        let Some(told) = run(page, script) else { return };
        assert_eq!((&told["wide"], &told["broken"], &told["times"]), (&false.into(), &0.into(), &times.into()));
    }
}

#[test]
fn no_name_makes_an_element() {
    let script = r#"
        return [...document.querySelectorAll("body *")].filter((one) => one.id !== "told").map((one) => one.tagName).join(" ");
    "#;
    let evil = "\"'></title></style></pre></td><script>document.body.innerHTML = ''</script><img src=x onerror=alert(1)>&lt;b&#62;<!--";
    for (page, plain) in long_pages(evil).iter().zip(&long_pages("a plain name of some length, to be as long")) {
        let Some(told) = run(page, script) else { return };
        assert_eq!(Some(told), run(plain, script));
    }
}
