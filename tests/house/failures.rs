//! Where the source makes failures and findings: read from the code, for the rules about their words.

use crate::files::{below, name, text};
use crate::source;

/// Rooms whose failures only the sandbox's users or tests meet.
const ROOMS: [&str; 4] = ["src/sandbox/", "src/resources/memory/", "src/resources/behaviour/", "src/azure/double.rs"];

/// A failure that is made somewhere outside tests, the sandbox and the world in memory.
pub struct Made {
    pub file: String,
    /// Its summary, where it stands there as a text or as a constant of the same file.
    pub summary: Option<String>,
    /// What follows, up to the next one or the end of the function.
    pub then: String,
}

/// A source file outside tests, the sandbox and the world in memory, without its tests.
fn sources() -> Vec<(String, String)> {
    let files = below("src", ".rs").into_iter().map(|path| (name(&path), text(&path)));
    let ours = files.filter(|(file, _)| {
        !file.contains("test") && file != "src/cli/told.rs" && !ROOMS.iter().any(|room| file.starts_with(room))
    });
    ours.map(|(file, code)| (file, code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()))
        .collect()
}

/// Every failure that the source makes.
pub fn failures() -> Vec<Made> {
    let mut found = Vec::new();
    for (file, code) in sources() {
        for part in code.split("Failure::new(").skip(1) {
            let then = part.split("\n}\n").next().and_then(|part| part.split("\n    }\n").next()).unwrap_or_default();
            let summary = arguments(part).get(1).and_then(|argument| constant(argument, &code));
            found.push(Made { file: file.clone(), summary, then: then.to_owned() });
        }
    }
    assert!(found.len() > 150, "only {} failures were found", found.len());
    found
}

/// Places that give a failure its summary behind the back of `Failure::new`.
pub fn by_hand() -> Vec<String> {
    let made =
        |(_, code): &(String, String)| source::code(code).contains("summary: \"") || code.contains("summary: \"");
    sources().into_iter().filter(made).map(|(file, _)| file).collect()
}

/// The rules of findings and flaws, each with the file that has it.
///
/// A finding names its rule as a text. Where a variable holds it, and in files that make flaws, every text of words with
/// hyphens between them counts as a rule.
pub fn rules() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (file, code) in sources().into_iter().filter(|(file, _)| file != "src/model/finding.rs") {
        let calls = ["Finding::error(", "Finding::warning("].map(|call| code.split(call).skip(1).collect::<Vec<_>>());
        let first = |call: &str| texts(arguments(call).first().map_or("", String::as_str));
        let named: Vec<Vec<String>> = calls.concat().into_iter().map(first).collect();
        let held = named.iter().any(Vec::is_empty) || code.contains("Flaw {");
        let hyphens = texts(&code).into_iter().filter(|_| held).filter(|text| hyphened(text));
        found.extend(named.into_iter().flatten().chain(hyphens).map(|rule| (rule, file.clone())));
    }
    assert!(found.len() > 60, "only {} rules were found", found.len());
    found
}

/// The titles of findings, as far as they stand where the finding is made: the file, and the pieces between what is
/// filled in.
pub fn titles() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (file, code) in sources().into_iter().filter(|(file, _)| file != "src/model/finding.rs") {
        let calls = ["Finding::error(", "Finding::warning("].map(|call| code.split(call).skip(1).collect::<Vec<_>>());
        for call in calls.concat() {
            let arguments = arguments(call);
            let Some(title) = arguments.get(1) else { continue };
            let title = title.strip_prefix("format!(").map_or(title.clone(), |inner| self::arguments(inner).remove(0));
            if let Some(text) = title.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                found.push((file.clone(), pieces(text)));
            }
        }
    }
    assert!(found.len() > 50, "only {} titles were found", found.len());
    found
}

/// The texts between the places of a format string.
fn pieces(format: &str) -> Vec<String> {
    let plain = format.replace("\\\"", "\"").replace("{{", "\u{1}").replace("}}", "\u{2}");
    let mut pieces = vec![String::new()];
    let mut rest = plain.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        pieces.last_mut().unwrap().push_str(before);
        pieces.push(String::new());
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    pieces.last_mut().unwrap().push_str(rest);
    pieces.into_iter().map(|piece| piece.replace('\u{1}', "{").replace('\u{2}', "}")).collect()
}

fn hyphened(text: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    text.contains('-') && text.split('-').all(word)
}

/// The arguments of a call whose opening parenthesis stands just before `text`, as they are written.
fn arguments(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            ')' | ']' | '}' if depth == 0 => break,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(String::new());
                continue;
            }
            _ => {}
        }
        found.last_mut().unwrap().push(c);
    }
    found.into_iter().map(|argument| argument.trim().to_owned()).collect()
}

/// The texts that stand in a piece of code, outside comments; none with an escape in it.
fn texts(code: &str) -> Vec<String> {
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n").replace("\\\"", "");
    code.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The text that an argument is: one that stands there, or the constant of the file that it names.
fn constant(argument: &str, code: &str) -> Option<String> {
    if let Some(text) = argument.strip_prefix('"') {
        return text.strip_suffix('"').map(str::to_owned);
    }
    let (_, after) = code.split_once(&format!("const {argument}: &str = \""))?;
    after.split('"').next().map(str::to_owned)
}

#[test]
fn a_summary_is_a_text_or_a_constant() {
    let code = "const BUSY: &str = \"it is busy\";\nFailure::new(f(a, b), \"a, (b\").detail(x)\nFailure::new(Class::A, BUSY)\n\
                Failure::new(class, held)";
    let found: Vec<_> = code.split("Failure::new(").skip(1).map(|part| constant(&arguments(part)[1], code)).collect();
    assert_eq!(found, [Some("a, (b".to_owned()), Some("it is busy".to_owned()), None]);
    assert_eq!(texts("// \"no\"\nif both { \"a-b\" } else { \"c \\\"d\" }"), ["a-b", "c d"]);
    assert_eq!(pieces("`{a}` is no \\\"x\\\" {b:?} {{}}"), ["`", "` is no \"x\" ", " {}"]);
    assert!(hyphened("a-b") && !hyphened("a") && !hyphened("a--b") && !hyphened("A-b") && !hyphened("a-1"));
}
