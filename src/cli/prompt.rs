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
    // Standard error is locked for each write alone: others have things to say there while an answer is waited for.
    talk(&mut Prompt { input: &mut io::stdin().lock(), output: &mut io::stderr(), interactive })
}

/// [`with_terminal`] on a thread of its own, so that what waits for the answer can end without it: nothing ends a read from
/// a terminal but the end of the process.
///
/// # Errors
/// Whatever `talk` answers.
pub async fn on_thread<T: Send + 'static>(
    talk: impl FnOnce(&mut Prompt<'_>) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (sender, answer) = tokio::sync::oneshot::channel();
    // Nobody waits for the answer any more after a signal.
    std::thread::spawn(move || drop(sender.send(with_terminal(talk))));
    answer.await.unwrap_or_else(|_| {
        Err(Failure::new(Class::Input, "cannot ask").remedy("give the answer as an argument; `--help` lists them"))
    })
}

/// Asks for approval, until `stop` is set: a person who presses Ctrl-C at a question has answered it.
///
/// # Errors
/// Those of [`Prompt::confirm`]; `Interrupted`.
pub async fn confirm(question: &str, explanation: &str, remedy: &str, stop: &AtomicBool) -> Result<bool, Failure> {
    let [question, explanation, remedy] = [question, explanation, remedy].map(str::to_owned);
    let answer = on_thread(move |prompt| prompt.confirm(&question, &explanation, &remedy));
    let stopped = async {
        while !stop.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        biased;
        () = stopped => Err(Failure::new(Class::Interrupted, "stopped at the question; nothing was changed")
            .remedy("run the same command again")),
        answer = answer => answer,
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
    use super::{Prompt, on_thread, with_terminal};
    use std::sync::mpsc;
    use std::time::Duration;

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

    /// As long as an answer is waited for, a failure of the rest has to be told.
    #[test]
    fn others_may_speak_while_an_answer_is_waited_for() {
        let spoken = with_terminal(|_| {
            let (sender, spoken) = mpsc::channel();
            std::thread::spawn(move || {
                drop(std::io::stderr().lock());
                sender.send(())
            });
            Ok(spoken.recv_timeout(Duration::from_mins(1)))
        });
        assert_eq!(spoken, Ok(Ok(())));
    }

    /// A question that nobody answers does not keep what waits for it from being dropped.
    #[tokio::test]
    async fn a_question_can_be_left() {
        let (open, never) = mpsc::channel::<()>();
        let ask = on_thread(move |_| Ok(never.recv().is_err()));
        tokio::select! {
            answered = ask => panic!("{answered:?}"),
            () = tokio::task::yield_now() => {}
        }
        drop(open);
        assert_eq!(on_thread(|_| Ok(7)).await, Ok(7));
    }

    #[test]
    fn without_a_terminal_nothing_is_read() {
        let (answer, asked) = confirm("yes\n", false);
        assert_eq!(answer.unwrap_err().remedy.as_deref(), Some("--auto-approve"));
        assert_eq!(asked, "");
    }
}
