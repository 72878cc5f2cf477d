//! Asks a person: reads `yes`, or a value, from a terminal; refuses with a remedy where there is none.

use std::io::{self, BufRead, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::model::{Class, Failure};
use crate::report::{Line, Text};

/// A conversation; tests have one without a terminal.
pub struct Prompt<'a> {
    /// What is typed.
    pub input: &'a mut dyn BufRead,
    /// Where questions go.
    pub output: &'a mut dyn Write,
    /// Whether a person is there.
    pub interactive: bool,
}

/// Talks to the terminal. Questions go to standard error, so that standard output stays data.
///
/// # Errors
/// Whatever `talk` answers.
pub fn with_terminal<T>(talk: impl FnOnce(&mut Prompt<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
    let interactive = io::stdin().is_terminal() && io::stderr().is_terminal();
    talk(&mut Prompt { input: &mut io::stdin().lock(), output: &mut io::stderr().lock(), interactive })
}

/// Asks for approval, until `stop` is set: a person who presses Ctrl-C at a question has answered it.
///
/// # Errors
/// Those of [`Prompt::confirm`]; `Interrupted`.
pub async fn confirm(question: &str, explanation: &str, remedy: &str, stop: &AtomicBool) -> Result<bool, Failure> {
    let [question, explanation, remedy] = [question, explanation, remedy].map(str::to_owned);
    let (sender, mut answer) = tokio::sync::oneshot::channel();
    // A thread of its own: nothing can end a read from a terminal but the end of the process.
    std::thread::spawn(move || {
        let asked = with_terminal(|prompt| prompt.confirm(&question, &explanation, &remedy));
        // Nobody waits for the answer any more after a signal.
        let _ = sender.send(asked);
    });
    loop {
        if stop.load(Ordering::SeqCst) {
            return Err(Failure::new(Class::Interrupted, "stopped at the question; nothing was changed")
                .remedy("run the same command again"));
        }
        match tokio::time::timeout(Duration::from_millis(100), &mut answer).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(_)) => {
                return Err(Failure::new(Class::Input, "cannot ask")
                    .remedy("give the answer as an argument; `--help` lists them"));
            }
            Err(_) => {}
        }
    }
}

impl Prompt<'_> {
    /// Whether the answer is exactly `yes`.
    ///
    /// # Errors
    /// `Input`: there is no terminal; `remedy` says what to do instead.
    pub fn confirm(&mut self, question: &str, explanation: &str, remedy: &str) -> Result<bool, Failure> {
        if !self.interactive {
            return Err(Failure::new(Class::Input, "cannot ask for approval: there is no terminal").remedy(remedy));
        }
        let lines =
            [question.to_owned(), format!("  {explanation}"), "  Only 'yes' will be accepted to approve.".to_owned()];
        let text: Text = lines.iter().map(Line::plain).chain([Line::default()]).collect();
        self.say(&format!("\n{}  Enter a value: ", text.plain()))?;
        Ok(self.line()? == "yes")
    }

    /// A value, or nothing.
    ///
    /// # Errors
    /// `Input`: the input ended.
    pub fn optional(&mut self, what: &str) -> Result<Option<String>, Failure> {
        self.say(&format!("{what}: "))?;
        Ok(Some(self.line()?).filter(|line| !line.is_empty()))
    }

    /// A value that is not empty.
    ///
    /// # Errors
    /// `Input`: the input ended.
    pub fn value(&mut self, what: &str) -> Result<String, Failure> {
        loop {
            self.say(&format!("{what}: "))?;
            let line = self.line()?;
            if !line.is_empty() {
                return Ok(line);
            }
        }
    }

    fn say(&mut self, text: &str) -> Result<(), Failure> {
        let failed = |error: io::Error| {
            Failure::new(Class::Input, "cannot ask")
                .remedy("give the answer as an argument; `--help` lists them")
                .detail(error.to_string())
        };
        self.output.write_all(text.as_bytes()).and_then(|()| self.output.flush()).map_err(failed)
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        match self.input.read_line(&mut line) {
            Ok(0) => Err(Failure::new(Class::Input, "the input ended before an answer")
                .remedy("answer at a terminal, or give the answers as arguments")),
            Ok(_) => Ok(line.trim().to_owned()),
            Err(error) => Err(Failure::new(Class::Input, "cannot read the answer")
                .remedy("answer at a terminal, with text in UTF-8")
                .detail(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Prompt;

    fn confirm(typed: &str, interactive: bool) -> (Result<bool, crate::model::Failure>, String) {
        let (mut input, mut output) = (typed.as_bytes(), Vec::new());
        let mut prompt = Prompt { input: &mut input, output: &mut output, interactive };
        let answer = prompt.confirm("Do you want this?", "It changes things.", "--auto-approve");
        (answer, String::from_utf8(output).unwrap())
    }

    #[test]
    fn only_yes_is_yes() {
        assert_eq!(confirm("yes\n", true).0, Ok(true));
        for typed in ["y\n", "YES\n", "\n", "no\n", "yes please\n"] {
            assert_eq!(confirm(typed, true).0, Ok(false), "{typed}");
        }
        assert!(confirm("", true).0.is_err());
    }

    #[test]
    fn without_a_terminal_nothing_is_read() {
        let (answer, asked) = confirm("yes\n", false);
        assert_eq!(answer.unwrap_err().remedy.as_deref(), Some("--auto-approve"));
        assert_eq!(asked, "");
    }
}
