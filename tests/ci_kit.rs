//! The shell of the CI kits in a make-believe GitHub: outputs, summary, and one comment that is kept up to date.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

type Calls = Arc<Mutex<Vec<(String, String, Value)>>>;

/// A comment API that knows `comments` and keeps what it was asked.
fn api(comments: Vec<Value>) -> (String, Calls) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let calls = Calls::default();
    let kept = Arc::clone(&calls);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            serve(stream, &comments, &kept);
        }
    });
    (url, calls)
}

fn serve(mut stream: TcpStream, comments: &[Value], calls: &Calls) {
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
    let answer = if words[0] == "GET" {
        let page: usize = words[1].rsplit_once("page=").unwrap().1.parse().unwrap();
        json!(comments.chunks(100).nth(page - 1).unwrap_or_default()).to_string()
    } else {
        let body = serde_json::from_slice(&body).unwrap();
        calls.lock().unwrap().push((words[0].to_owned(), words[1].to_owned(), body));
        "{}".to_owned()
    };
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n{answer}", answer.len()).unwrap();
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
        bash.env("PGENTRA_ARGS", "").env("PGENTRA_SAVED_PLAN", "").env("PGENTRA_EXPECT_DIGEST", "");
        bash.envs(more.iter().copied()).output().unwrap()
    }

    fn run(&self, command: &str, url: &str, more: &[(&str, &str)]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/github/run.sh");
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        Command::new("bash")
            .arg(script)
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
        job.read("typed").starts_with("plan plans/geo it.toml --detailed-exitcode --out s.plan --var=a=b c --full")
    );
    let calls = calls.lock().unwrap();
    let (method, path, body) = &calls[0];
    assert_eq!((calls.len(), method.as_str(), path.as_str()), (1, "POST", "/repos/o/r/issues/7/comments"));
    assert_eq!(body["body"], "<!-- pgentra: plan geo -->\n### Plan: 1 to add\n");
}

#[test]
fn the_comment_of_before_is_updated_wherever_it_stands() {
    let other = |n: usize| json!({ "id": n, "body": "<!-- pgentra: plan other -->\n" });
    let mut comments: Vec<Value> = (0..150).map(other).collect();
    comments.push(json!({ "id": 999, "body": "<!-- pgentra: plan geo -->\nold" }));
    let (url, calls) = api(comments);
    let output = Job::new(0).run("plan", &url, &[]);
    assert!(output.status.success(), "{}", told(&output));
    let calls = calls.lock().unwrap();
    assert_eq!((calls.len(), calls[0].0.as_str(), calls[0].1.as_str()), (1, "PATCH", "/repos/o/r/issues/comments/999"));
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
        let more = [("PGENTRA_ARGS", "--var-file=a.toml --full"), ("PGENTRA_EXPECT_DIGEST", "abc")];
        let output = job.run_in_azure(command, if command == "plan" { &more } else { &more[1..] });
        assert_eq!(output.status.code(), Some(ends), "{command}: {}", told(&output));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(&format!("##vso[task.setvariable variable=exitcode;isOutput=true]{code}")), "{said}");
        assert!(said.contains("##vso[task.uploadsummary]"), "{said}");
        assert_eq!(said.contains("variable=digest;isOutput=true]abc"), command == "plan", "{said}");
        assert_eq!(job.read("typed").contains("--var-file=a.toml --full"), command == "plan");
        assert!(!job.path("pgentra-id-token").exists(), "the token of the job is left behind");
        job.takes_the_words();
    }
}
