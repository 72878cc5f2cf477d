//! The shell of the CI kits in a make-believe GitHub: outputs, summary, and one comment that is kept up to date.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

type Calls = Arc<Mutex<Vec<(String, String, Value)>>>;

/// A comment API that knows `comments` and keeps what it was asked to write.
fn api(comments: Vec<Value>) -> (String, Calls) {
    api_that(comments, 200, 200)
}

/// The same, which answers reads and writes with these statuses.
fn api_that(comments: Vec<Value>, reads: u16, writes: u16) -> (String, Calls) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let calls = Calls::default();
    let kept = Arc::clone(&calls);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            serve(stream, &comments, (reads, writes), &kept);
        }
    });
    (url, calls)
}

fn serve(mut stream: TcpStream, comments: &[Value], (reads, writes): (u16, u16), calls: &Calls) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length, mut token) = (String::new(), 0, false);
    reader.read_line(&mut head).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let lower = line.to_ascii_lowercase();
        token |= line.trim_end() == "Authorization: Bearer s3cret";
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    assert!(token, "the token is sent");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let words: Vec<&str> = head.split(' ').collect();
    let (status, answer) = if words[0] == "GET" {
        let page: usize = words[1].rsplit_once("page=").unwrap().1.parse().unwrap();
        (reads, json!(comments.chunks(100).nth(page - 1).unwrap_or_default()).to_string())
    } else {
        let body = serde_json::from_slice(&body).unwrap();
        calls.lock().unwrap().push((words[0].to_owned(), words[1].to_owned(), body));
        (writes, "{}".to_owned())
    };
    let answer = if status == 200 { answer } else { json!({ "message": "not by this integration" }).to_string() };
    let head = "connection: close\r\ncontent-type: application/json\r\n";
    write!(stream, "HTTP/1.1 {status} X\r\n{head}content-length: {}\r\n\r\n{answer}", answer.len()).unwrap();
}

struct Job {
    directory: tempfile::TempDir,
}

impl Job {
    /// A job with a make-believe pgentra that ends with `code`.
    fn new(code: u8) -> Self {
        let job = Self { directory: tempfile::tempdir().unwrap() };
        let script = format!(
            "#!/bin/sh\necho \"$@\" >>{0}/typed\nprintf '%s\\0' \"$@\" >{0}/words\nwhile [ $# -gt 0 ]; do\n  \
             if [ \"$1\" = --json-into ]; then echo '{{\"steps_digest\":\"abc\"}}' >\"$2\"; fi\n  shift\ndone\n\
             printf '<!-- pgentra: plan geo -->\\n### Plan: 1 to add\\n'\nexit {code}\n",
            job.path("").display()
        );
        job.write("bin/pgentra", &script);
        Command::new("chmod").arg("+x").arg(job.path("bin/pgentra")).status().unwrap();
        job.write("event.json", &json!({ "pull_request": { "number": 7 } }).to_string());
        job
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Panics unless pgentra itself takes the words that the make-believe one was given.
    fn takes_the_words(&self) {
        let words = self.read("words");
        let words = words.split_terminator('\0');
        let ran = Command::new(env!("CARGO_BIN_EXE_pgentra")).args(words).current_dir(self.path("")).output().unwrap();
        assert!(told(&ran).contains("cannot read") && !told(&ran).contains("Usage:"), "{}", told(&ran));
    }

    /// Runs the shell in the template of Azure Pipelines.
    fn run_in_azure(&self, command: &str, more: &[(&str, &str)]) -> Output {
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/azure-pipelines/pgentra.yml");
        let template = std::fs::read_to_string(template).unwrap();
        let (_, script) = template.split_once("inlineScript: |\n").unwrap();
        let (script, _) = script.split_once("\n    env:\n").unwrap();
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut bash = Command::new("bash");
        bash.args(["-c", script]).current_dir(self.path("")).env_clear().env("PATH", path);
        bash.env("AGENT_TEMPDIRECTORY", self.directory.path()).env("tenantId", "t").env("servicePrincipalId", "c");
        bash.env("idToken", "an-id-token")
            .env("PGENTRA_COMMAND", command)
            .env("PGENTRA_PLAN_FILE", "plans/geo it.toml");
        bash.env("PGENTRA_STEP", "one");
        bash.envs(more.iter().copied()).output().unwrap()
    }

    fn run(&self, command: &str, url: &str, more: &[(&str, &str)]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/github/run.sh");
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        Command::new("bash")
            .arg(script)
            .current_dir(self.path(""))
            .env_clear()
            .env("PATH", path)
            .env("RUNNER_TEMP", self.directory.path())
            .env("GITHUB_OUTPUT", self.path("output"))
            .env("GITHUB_STEP_SUMMARY", self.path("summary"))
            .env("GITHUB_EVENT_PATH", self.path("event.json"))
            .env("GITHUB_REPOSITORY", "o/r")
            .env("GITHUB_API_URL", url)
            .env("PGENTRA_GITHUB_TOKEN", "s3cret")
            .env("PGENTRA_COMMAND", command)
            .env("PGENTRA_PLAN_FILE", "plans/geo it.toml")
            .envs(more.iter().copied())
            .output()
            .unwrap()
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_plan_with_changes_comments_and_succeeds() {
    let (url, calls) = api(Vec::new());
    let job = Job::new(2);
    let output = job.run("plan", &url, &[("PGENTRA_ARGS", "--var=a=b c\n--full"), ("PGENTRA_SAVED_PLAN", "s.plan")]);
    assert!(output.status.success(), "{}", told(&output));
    assert_eq!(job.read("output"), "exitcode=2\nchanges=true\ndigest=abc\n");
    assert!(job.read("summary").contains("### Plan: 1 to add"));
    assert!(
        job.read("typed")
            .starts_with("plan plans/geo it.toml --detailed-exitcode --out s.plan --budget 64000 --var=a=b c --full")
    );
    let calls = calls.lock().unwrap();
    let (method, path, body) = &calls[0];
    assert_eq!((calls.len(), method.as_str(), path.as_str()), (1, "POST", "/repos/o/r/issues/7/comments"));
    let body = body["body"].as_str().unwrap();
    assert!(body.starts_with("<!-- pgentra: plan ") && !body.contains("b c"), "{body}");
    assert!(body.ends_with(" -->\n`plans/geo it.toml`\n\n### Plan: 1 to add\n"), "{body}");
}

/// The comment that a plan with these arguments makes.
fn comment(job: &Job, arguments: &str) -> String {
    let (url, calls) = api(Vec::new());
    let output = job.run("plan", &url, &[("PGENTRA_ARGS", arguments)]);
    assert!(output.status.success(), "{}", told(&output));
    let calls = calls.lock().unwrap();
    calls[0].2["body"].as_str().unwrap().to_owned()
}

#[test]
fn the_comment_of_before_is_updated_wherever_it_stands() {
    let job = Job::new(0);
    let before = comment(&job, "");
    let other = |n: usize| json!({ "id": n, "user": null, "body": "<!-- pgentra: plan other -->\n" });
    let by = |id: usize, author: &str| json!({ "id": id, "user": { "login": author }, "body": before });
    let mut comments: Vec<Value> = (0..150).map(other).collect();
    // Anybody can write what begins like ours.
    comments.extend([by(997, "mallory"), by(998, "our-app[bot]"), by(999, "github-actions[bot]")]);
    for (author, id) in [(None, 999), (Some("our-app[bot]"), 998)] {
        let (url, calls) = api(comments.clone());
        let author: Vec<_> = author.map(|author| ("PGENTRA_COMMENT_AUTHOR", author)).into_iter().collect();
        let output = job.run("plan", &url, &author);
        assert!(output.status.success(), "{}", told(&output));
        let (calls, path) = (calls.lock().unwrap(), format!("/repos/o/r/issues/comments/{id}"));
        assert_eq!((calls.len(), calls[0].0.as_str(), calls[0].1.as_str()), (1, "PATCH", path.as_str()));
    }
}

#[test]
fn one_plan_file_with_other_variables_has_a_comment_of_its_own() {
    let job = Job::new(2);
    let (prod, staging) = (comment(&job, "--var-file=prod.toml"), comment(&job, "--var-file=staging.toml"));
    assert_ne!(prod.lines().next(), staging.lines().next());
    assert!(prod.contains("`plans/geo it.toml --var-file=prod.toml`"), "{prod}");
    assert_eq!(prod, comment(&job, "--var-file=prod.toml"));
}

#[test]
fn a_comment_that_cannot_be_written_is_a_warning_and_not_the_result() {
    for (reads, writes, tried) in [(403, 200, 0), (200, 503, 1)] {
        for (code, ends) in [(2, 0), (7, 7)] {
            let (url, calls) = api_that(Vec::new(), reads, writes);
            let output = Job::new(code).run("plan", &url, &[]);
            assert_eq!(output.status.code(), Some(ends), "{}", told(&output));
            assert!(String::from_utf8_lossy(&output.stdout).contains("::warning title=pgentra::"));
            assert!(told(&output).contains("not by this integration"), "{}", told(&output));
            // Tried again it might stand there twice.
            assert_eq!(calls.lock().unwrap().len(), tried);
        }
    }
}

#[test]
fn what_was_not_approved_is_not_applied() {
    for (approved, applies) in [("", false), ("any", true), ("abc", true)] {
        for azure in [false, true] {
            let (job, more) = (Job::new(0), [("PGENTRA_EXPECT_DIGEST", approved)]);
            let output = if azure { job.run_in_azure("apply", &more) } else { job.run("apply", "", &more) };
            assert_eq!(output.status.success(), applies, "{approved:?} {azure}");
            assert_eq!(!job.read("typed").is_empty(), applies, "{approved:?} {azure}");
            assert_eq!(job.read("typed").contains("--expect-digest"), approved == "abc");
        }
    }
}

#[test]
fn a_plan_file_with_findings_takes_the_place_of_the_plan_before() {
    let (url, calls) = api(Vec::new());
    let job = Job::new(0);
    std::fs::remove_file(job.path("bin/pgentra")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_pgentra"), job.path("bin/pgentra")).unwrap();
    job.write("plans/geo it.toml", "version = 1\nnaem = \"geo\"\n");
    let output = job.run("plan", &url, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(job.read("summary").contains("### plans/geo it.toml: 2 errors"), "{}", job.read("summary"));
    assert!(job.read("output").contains("digest=\n"));
    let calls = calls.lock().unwrap();
    let body = calls[0].2["body"].as_str().unwrap();
    assert!(body.contains("error[unknown-key]: `naem` is not a key of a plan file") && body.contains("```"), "{body}");
    assert_eq!(told(&output).matches("error[unknown-key]").count(), 1, "{}", told(&output));
}

#[test]
fn the_log_has_the_plan_as_text_beside_the_comment() {
    let job = Job::new(0);
    job.write("empty.toml", "version = 1\nname = \"empty\"\n");
    let plan = |format: &str| {
        let mut plan = Command::new(env!("CARGO_BIN_EXE_pgentra"));
        plan.args(["plan", "empty.toml", "--format", format]).current_dir(job.path("")).output().unwrap()
    };
    assert_eq!(told(&plan("markdown")).matches("No changes.").count(), 1);
    assert!(String::from_utf8_lossy(&plan("markdown").stdout).contains("### No changes."));
    assert_eq!((told(&plan("json")), told(&plan("text"))), (String::new(), String::new()));
}

#[test]
fn without_a_pull_request_nothing_is_commented() {
    let (url, calls) = api(Vec::new());
    let job = Job::new(2);
    job.write("event.json", &json!({ "ref": "refs/heads/main" }).to_string());
    assert!(job.run("plan", &url, &[]).status.success());
    job.write("event.json", &json!({ "pull_request": { "number": 7 } }).to_string());
    assert!(job.run("plan", &url, &[("PGENTRA_COMMENT", "false")]).status.success());
    assert!(calls.lock().unwrap().is_empty());
}

#[test]
fn exit_codes_reach_the_job() {
    let (url, _) = api(Vec::new());
    for (command, code, ends) in [
        ("plan", 3, 3),
        ("plan", 4, 0),
        ("apply", 5, 5),
        ("drift", 2, 2),
        ("verify", 10, 10),
        ("observe", 10, 10),
        ("status", 4, 4),
        ("doctor", 10, 10),
    ] {
        let job = Job::new(code);
        let output = job.run(command, &url, &[("PGENTRA_EXPECT_DIGEST", "abc")]);
        assert_eq!(output.status.code(), Some(ends), "{command}: {}", told(&output));
        assert!(job.read("output").starts_with(&format!("exitcode={code}\n")));
        let expects = job.read("typed").contains("--auto-approve --expect-digest abc");
        assert_eq!(expects, command == "apply");
        assert_eq!(job.read("typed").contains("--refresh-only --expect-no-changes"), command == "drift");
        job.takes_the_words();
    }
    let output = Job::new(0).run("destroy", &url, &[]);
    assert!(!output.status.success() && told(&output).contains("no command 'destroy'"));
}

#[test]
fn azure_pipelines_get_the_result_as_variables_and_summary() {
    for (command, code, ends) in
        [("plan", 2, 0), ("plan", 4, 0), ("plan", 3, 3), ("apply", 5, 5), ("drift", 2, 2), ("status", 0, 0)]
    {
        let job = Job::new(code);
        let more = [("PGENTRA_ARGS", "--var-file=a b.toml\n--full\n"), ("PGENTRA_EXPECT_DIGEST", "abc")];
        let output = job.run_in_azure(command, if command == "plan" { &more } else { &more[1..] });
        assert_eq!(output.status.code(), Some(ends), "{command}: {}", told(&output));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(&format!("##vso[task.setvariable variable=exitcode;isOutput=true]{code}")), "{said}");
        assert!(said.contains(&format!("##vso[task.uploadsummary]{}", job.path("one.md").display())), "{said}");
        assert_eq!(said.contains("variable=digest;isOutput=true]abc"), command == "plan", "{said}");
        assert_eq!(job.read("words").contains("--var-file=a b.toml\0--full\0"), command == "plan");
        assert!(!job.path("one-id-token").exists(), "the token of the job is left behind");
        job.takes_the_words();
    }
}

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// What a bash script comes to, with a make-believe pgentra that ends with `code`.
fn bash(job: &Job, script: &str, arguments: &[&str]) -> Output {
    let path = format!("{}:{}", job.path("bin").display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-e", "-c", script, "-"]).args(arguments).env("PATH", path).output().unwrap()
}

#[test]
fn the_page_names_all_that_can_be_given_to_the_kits() {
    let docs = page("docs/ci.md");
    let (action, template) = (page("action.yml"), page("ci/azure-pipelines/pgentra.yml"));
    let inputs = action.split_once("inputs:\n").unwrap().1.split_once("runs:").unwrap().0;
    let key = |line: &str| {
        let name = line.strip_prefix("  ")?.strip_suffix(':')?;
        (!name.starts_with(' ')).then(|| name.to_owned())
    };
    let mut names: Vec<String> = inputs.lines().filter_map(key).collect();
    let parameters = template.split_once("\nsteps:").unwrap().0;
    names.extend(parameters.lines().filter_map(|line| line.strip_prefix("  - name: ")).map(str::to_owned));
    assert!(names.len() > 18, "{names:?}");
    for name in names {
        assert!(docs.contains(&format!("`{name}`")), "docs/ci.md does not say what {name} is");
    }
    // What is applied is what the job before planned: nothing else may set it.
    for line in docs.lines().filter(|line| line.contains("expect-digest: ")) {
        assert_eq!(line.trim(), "expect-digest: ${{ needs.apply-plan.outputs.digest }}");
    }
}

#[test]
fn what_the_pages_test_in_ci_is_told_from_what_they_pass() {
    let readme = page("README.md");
    let plan = readme.lines().find_map(|line| line.strip_prefix("  - run: pgentra plan ")).unwrap();
    for (code, passes) in [(0, true), (2, true), (4, true), (1, false), (3, false), (11, false)] {
        let ran = bash(&Job::new(code), &format!("pgentra plan {plan}"), &[]);
        assert_eq!(ran.status.success(), passes, "{code}");
    }
    let status = page("docs/status.md");
    let filter = status.lines().find_map(|line| line.split_once("| jq ")).unwrap().1.to_owned();
    for (gates, passes) in [("[]", false), (r#"[{"open":true}]"#, true), (r#"[{"open":true},{"open":false}]"#, false)] {
        let ran = bash(&Job::new(0), &format!("echo '{{\"gates\":{gates}}}' | jq {filter}"), &[]);
        assert_eq!(ran.status.success(), passes, "{gates}");
    }
}

#[test]
fn hooks_look_at_plan_files_alone_and_at_all_of_them() {
    let hooks = page(".pre-commit-hooks.yaml");
    let patterns: Vec<&str> = hooks.lines().filter_map(|line| line.trim().strip_prefix("files: ")).collect();
    let entries: Vec<&str> = hooks.lines().filter_map(|line| line.trim().strip_prefix("entry: ")).collect();
    assert_eq!((patterns.len(), entries.len()), (2, 2));
    for pattern in patterns {
        let pattern = pattern.trim_matches('\'');
        for (file, ours) in [
            ("pgentra.toml", true),
            ("infra/pgentra.toml", true),
            ("plans/prod.toml", true),
            ("infra/plans/prod.toml", true),
            ("plans/environments/prod.toml", false),
            ("Cargo.toml", false),
            ("notpgentra.toml", false),
        ] {
            let ran = bash(&Job::new(0), "[[ $1 =~ $2 ]]", &[file, pattern]);
            assert_eq!(ran.status.success(), ours, "{file}");
        }
    }
    for entry in entries {
        let job = Job::new(3);
        let ran = bash(&job, &format!("{entry} \"$@\""), &["a b.toml", "c.toml"]);
        assert_eq!((ran.status.code(), job.read("typed").lines().count()), (Some(3), 2), "{entry}");
        assert_eq!(bash(&Job::new(0), &format!("{entry} \"$@\""), &["c.toml"]).status.code(), Some(0));
    }
}
