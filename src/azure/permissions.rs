//! What the caller may do at a scope, as its role assignments say: actions with wildcards, less those that are taken out.

use serde::Deserialize;

use crate::azure::arm::Arm;
use crate::azure::refusal::{Refusal, answer_unclear};

/// The API version of Microsoft.Authorization permissions.
const VERSION: &str = "2022-04-01";

/// What one role assignment gives. Wildcards stand for any text; case does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Permission {
    /// Actions of the control plane that are given.
    pub actions: Vec<String>,
    /// Those that are not given after all.
    pub not_actions: Vec<String>,
    /// Actions on data that are given.
    pub data_actions: Vec<String>,
    /// Those that are not given after all.
    pub not_data_actions: Vec<String>,
}

impl Permission {
    /// Whether it gives an action; `data` tells which plane it is of.
    pub fn gives(&self, action: &str, data: bool) -> bool {
        let (given, taken) =
            if data { (&self.data_actions, &self.not_data_actions) } else { (&self.actions, &self.not_actions) };
        given.iter().any(|one| fits(one, action)) && !taken.iter().any(|one| fits(one, action))
    }
}

/// Whether a pattern with `*` for any text fits an action. A wanted action may itself hold a `*`, which only a `*` covers.
fn fits(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == action };
    let Some(mut left) = action.strip_prefix(first) else { return false };
    let parts: Vec<&str> = rest.split('*').collect();
    let Some((last, middle)) = parts.split_last() else { return true };
    for part in middle {
        let Some(at) = left.find(part) else { return false };
        left = left.get(at + part.len()..).unwrap_or_default();
    }
    left.ends_with(last)
}

impl Arm {
    /// What the caller may do at a scope, one entry per role assignment that reaches it.
    ///
    /// # Errors
    /// The refusal.
    pub async fn permissions(&self, scope: &str) -> Result<Vec<Permission>, Refusal> {
        let path = format!("{}/providers/Microsoft.Authorization/permissions", scope.trim_end_matches('/'));
        let all = self.list(&path, VERSION).await?;
        let one = |value| {
            serde_json::from_value(value)
                .map_err(|error| Refusal::ours(answer_unclear(format!("permissions: {error}"))))
        };
        all.into_iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Permission, fits};

    #[test]
    fn wildcards_fit_as_in_azure() {
        let read = "Microsoft.Web/sites/config/Read";
        for pattern in
            ["*", "*/read", "microsoft.web/*", "Microsoft.Web/sites/*/read", "microsoft.web/SITES/config/read"]
        {
            assert!(fits(pattern, read), "{pattern}");
        }
        for pattern in
            ["", "*/write", "Microsoft.Web/sites/read", "Microsoft.Web/sites/config/read/*", "Microsoft.Sql/*"]
        {
            assert!(!fits(pattern, read), "{pattern}");
        }
        assert!(!fits("a/*/a", "a/a"), "an overlap is no fit");
        assert!(fits("W/query/*/read", "w/query/*/read") && !fits("W/query/t/read", "w/query/*/read"));
    }

    #[test]
    fn what_is_taken_out_is_not_given() {
        let texts = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
        let contributor = Permission {
            actions: texts(&["*"]),
            not_actions: texts(&["Microsoft.Authorization/*/write"]),
            ..Permission::default()
        };
        assert!(contributor.gives("Microsoft.Web/sites/write", false));
        assert!(!contributor.gives("Microsoft.Authorization/roleAssignments/write", false));
        assert!(!contributor.gives("Microsoft.KeyVault/vaults/secrets/getSecret/action", true));
    }
}
