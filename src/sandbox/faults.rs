//! Faults that the control endpoint plants: which requests they hit, and what happens then.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::Call;
use super::state::World;

/// A planted fault.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// Method, or any.
    #[serde(default)]
    pub method: Option<String>,
    /// Path with `*` for anything, in any case.
    pub path: String,
    /// The first matching request that it hits, from 1.
    #[serde(default = "one")]
    pub nth: u64,
    /// How many it hits from there; 0 is all.
    #[serde(default = "one")]
    pub times: u64,
    /// What happens.
    #[serde(flatten)]
    pub action: Action,
}

fn one() -> u64 {
    1
}

/// What happens to a request that a fault hits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// This answer instead of the real one.
    Status {
        /// HTTP status.
        status: u16,
        /// JSON body.
        #[serde(default)]
        body: Value,
        /// Seconds in `Retry-After`.
        #[serde(default)]
        retry_after: Option<u64>,
        /// Whether the request takes effect nevertheless.
        #[serde(default)]
        after_effect: bool,
    },
    /// The request takes effect, but the connection is cut before the answer.
    LostReply,
    /// The answer comes late.
    Latency {
        /// By how many milliseconds.
        ms: u64,
    },
    /// Reads see the world as it was when the fault was planted.
    StaleRead,
    /// Right after the request took effect and before its answer leaves, somebody else writes an app setting.
    SecondWriter {
        /// `app`, or `app/slots/slot`.
        site: String,
        /// Name of the setting.
        key: String,
        /// Its value; without one it is taken away.
        #[serde(default)]
        value: Option<String>,
    },
    /// A write is said to have succeeded but has no effect.
    Lie,
    /// The long-running operation begins well and fails in the end.
    LroFailsLate {
        /// Error code.
        code: String,
        /// Error message.
        message: String,
    },
}

struct Planted {
    rule: Rule,
    seen: u64,
    then: Option<World>,
}

/// What a fault makes of one request.
#[derive(Clone, Debug)]
pub struct Hit {
    /// What happens.
    pub action: Action,
    /// The world of the past, for stale reads.
    pub then: Option<World>,
}

/// All planted faults.
#[derive(Default)]
pub struct Faults(Vec<Planted>);

impl Faults {
    /// Plants one.
    pub fn plant(&mut self, rule: Rule, world: &World) {
        let then = matches!(rule.action, Action::StaleRead).then(|| world.clone());
        self.0.push(Planted { rule, seen: 0, then });
    }

    /// Takes all away.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The rules, with how many requests each has seen.
    pub fn list(&self) -> Vec<Value> {
        let one = |planted: &Planted| serde_json::json!({"rule": planted.rule, "seen": planted.seen});
        self.0.iter().map(one).collect()
    }

    /// Counts a request, and says which fault hits it; the first one planted wins.
    pub fn hit(&mut self, call: &Call) -> Option<Hit> {
        let mut hit = None;
        for planted in &mut self.0 {
            let rule = &planted.rule;
            let method = rule.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&call.method));
            if !method || !glob(&rule.path.to_ascii_lowercase(), &call.path.to_ascii_lowercase()) {
                continue;
            }
            planted.seen += 1;
            let within = planted.seen >= rule.nth && (rule.times == 0 || planted.seen < rule.nth + rule.times);
            if within && hit.is_none() {
                hit = Some(Hit { action: rule.action.clone(), then: planted.then.clone() });
            }
        }
        hit
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for anything.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn stars_stand_for_anything() {
        assert!(glob("*/config/appsettings", "/s/x/config/appsettings"));
        assert!(!glob("*/config/appsettings", "/s/x/config/appsettings/list"));
        assert!(glob("*/config/*/list", "/s/config/appsettings/list"));
        assert!(glob("/a", "/a") && !glob("/a", "/ab") && glob("*", "/a"));
        assert!(!glob("/a*a", "/a"));
    }
}
