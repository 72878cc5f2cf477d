//! What Azure and PostgreSQL take as names and values.
//!
//! A check answers what is wrong, then `; `, then what would help.

use crate::model::{Address, StoreUrl};

type Checked = Result<(), String>;

fn refuse(when: bool, why: impl FnOnce() -> String) -> Checked {
    if when { Err(why()) } else { Ok(()) }
}

fn hyphenated(text: &str) -> bool {
    !text.is_empty() && text.split('-').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// A flexible server: 3 to 63 letters, digits and single inner hyphens (resource provider's pattern).
pub(super) fn server(text: &str) -> Checked {
    refuse(!(3..=63).contains(&text.len()) || !hyphenated(text), || {
        format!("{text:?} cannot be the name of a server; use 3 to 63 letters, digits and single hyphens inside")
    })
}

/// A Function App or Web App: 2 to 60 letters, digits and inner hyphens.
pub(super) fn app(text: &str) -> Checked {
    site(text, 2..=60, "an app")
}

/// A slot: 2 to 59 letters, digits and inner hyphens; `production` is the app itself.
pub(super) fn slot(text: &str) -> Checked {
    if text.eq_ignore_ascii_case("production") {
        return Err("`production` is the app itself, not a slot; leave `slot` out".to_owned());
    }
    site(text, 2..=59, "a slot")
}

fn site(text: &str, length: std::ops::RangeInclusive<usize>, what: &str) -> Checked {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let wrong = !plain || !length.contains(&text.len()) || text.starts_with('-') || text.ends_with('-');
    refuse(wrong, || {
        let (least, most) = (length.start(), length.end());
        format!("{text:?} cannot be the name of {what}; use {least} to {most} letters, digits and inner hyphens")
    })
}

/// A resource group: 1 to 90 letters, digits, `_-.()`, not ending with a full stop.
pub(super) fn resource_group(text: &str) -> Checked {
    let plain = text.chars().all(|c| c.is_alphanumeric() || "_-.()".contains(c));
    refuse(!plain || !(1..=90).contains(&text.chars().count()) || text.ends_with('.'), || {
        format!(
            "{text:?} cannot be the name of a resource group; use 1 to 90 letters, digits and _-.() and no full stop \
             at the end"
        )
    })
}

/// Any PostgreSQL identifier: 1 to 63 bytes (NAMEDATALEN - 1), no NUL.
pub(super) fn identifier(text: &str) -> Checked {
    if text.is_empty() {
        return Err("a PostgreSQL name cannot be empty; give it at least one character".to_owned());
    }
    refuse(text.contains('\0'), || "a PostgreSQL name cannot hold a NUL; leave it out".to_owned())?;
    refuse(text.len() > 63, || format!("{text:?} has {} bytes; PostgreSQL takes names of at most 63 bytes", text.len()))
}

/// An object in a schema as a rule names it: `name`, `schema.name` or `schema.name(types)`; names in double quotes where
/// they hold dots, brackets or stars.
pub(super) fn object(text: &str) -> Checked {
    fn part(text: &str) -> Option<&str> {
        let Some(mut rest) = text.strip_prefix('"') else {
            let end = text.find(['.', '(']).unwrap_or(text.len());
            return (end > 0).then(|| &text[end..]);
        };
        loop {
            let (_, after) = rest.split_once('"')?;
            match after.strip_prefix('"') {
                Some(more) => rest = more,
                None => return (text != "\"\"").then_some(after),
            }
        }
    }
    let good = part(text).is_some_and(|rest| {
        let rest = rest.strip_prefix('.').map_or(Some(rest), part);
        rest.is_some_and(|rest| rest.is_empty() || (rest.starts_with('(') && rest.ends_with(')')))
    });
    refuse(!good || text.contains('\0'), || {
        format!("{text:?} names no object; write schema.name, with a name that holds a dot in double quotes")
    })
}

/// A role that can be made: an identifier that PostgreSQL does not keep for itself.
pub(super) fn role(text: &str) -> Checked {
    identifier(text)?;
    refuse(text.starts_with("pg_"), || {
        format!("{text:?} begins with pg_, which PostgreSQL keeps for its own roles; choose another name")
    })?;
    refuse(text == "public" || text == "none", || {
        format!("{text:?} is a reserved word where a role is expected; choose another name")
    })
}

/// An app setting: letters, digits, `.`, `_` and `:`.
pub(super) fn setting(text: &str) -> Checked {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._:".contains(c));
    refuse(text.is_empty() || !plain, || {
        format!("{text:?} cannot be the name of a setting; use letters, digits, `.`, `_` and `:`")
    })
}

/// An IPv4 address.
pub(super) fn address_v4(text: &str) -> Checked {
    refuse(text.parse::<std::net::Ipv4Addr>().is_err(), || {
        format!("{text:?} is no IPv4 address; write four numbers, such as 203.0.113.7")
    })
}

/// An environment variable.
pub(super) fn env(text: &str) -> Checked {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    refuse(text.is_empty() || !plain || text.starts_with(|c: char| c.is_ascii_digit()), || {
        "this cannot be the name of an environment variable; give the variable's name, not the secret: letters, \
         digits and _"
            .to_owned()
    })
}

/// The ARM id of a user-assigned identity.
pub(super) fn identity_id(text: &str) -> Checked {
    let parts: Vec<&str> = text.split('/').collect();
    let good = match parts.as_slice() {
        ["", subscriptions, _, groups, _, providers, provider, ty, name] => {
            subscriptions.eq_ignore_ascii_case("subscriptions")
                && groups.eq_ignore_ascii_case("resourceGroups")
                && providers.eq_ignore_ascii_case("providers")
                && provider.eq_ignore_ascii_case("Microsoft.ManagedIdentity")
                && ty.eq_ignore_ascii_case("userAssignedIdentities")
                && !name.is_empty()
        }
        _ => false,
    };
    refuse(!good, || {
        format!(
            "{text:?} is not the id of a user-assigned identity; write /subscriptions/<id>/resourceGroups/<group>/\
             providers/Microsoft.ManagedIdentity/userAssignedIdentities/<name>"
        )
    })
}

/// An address, or one of the friendly tables: `database_role.x`, `role.x`.
pub(super) fn address(text: &str) -> Checked {
    text.parse::<Address>().map(drop).map_err(|why| format!("{why}; write it as kind.name"))
}

/// A cloud by name, or the URL of its Resource Manager.
pub(super) fn cloud(text: &str) -> Checked {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let known = ["public", "usgov", "china"].contains(&text) || host.is_some_and(|host| !host.is_empty());
    refuse(!known, || {
        format!("{text:?} is not a cloud; use `public`, `usgov`, `china` or the https:// URL of a Resource Manager")
    })
}

/// A store: a directory, `azblob://account/container/prefix` or `postgres://user@host/database`.
pub(super) fn store(text: &str) -> Checked {
    text.parse::<StoreUrl>().map(drop)
}

/// The path of a probe.
pub(super) fn path(text: &str) -> Checked {
    let good =
        text.starts_with('/') && !text.starts_with("//") && !text.chars().any(|c| c.is_whitespace() || c == '\\');
    refuse(!good, || format!("{text:?} is not a path; begin it with one / and percent-encode spaces"))
}

/// The path of a follow-up: a path with places such as `{job_id}`.
pub(super) fn template(text: &str) -> Checked {
    path(text)?;
    for rest in text.split('{').skip(1) {
        refuse(!rest.contains('}'), || format!("{text:?} has a {{ that is not closed; write a place as {{job_id}}"))?;
        refuse(rest.starts_with('}'), || format!("{text:?} has a place without a name; write it as {{job_id}}"))?;
    }
    Ok(())
}

/// A Key Vault: 3 to 24 letters, digits and single inner hyphens, a letter first.
pub(super) fn vault(text: &str) -> Checked {
    let letter = text.starts_with(|c: char| c.is_ascii_alphabetic());
    refuse(!(3..=24).contains(&text.len()) || !letter || !hyphenated(text), || {
        format!(
            "{text:?} cannot be the name of a Key Vault; use 3 to 24 letters, digits and single hyphens inside, a \
             letter first"
        )
    })
}

/// A secret of a Key Vault: 1 to 127 letters, digits and hyphens.
pub(super) fn vault_secret(text: &str) -> Checked {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    refuse(!plain || !(1..=127).contains(&text.len()), || {
        format!("{text:?} cannot be the name of a secret; use 1 to 127 letters, digits and hyphens")
    })
}

/// Anything but nothing.
pub(super) fn some(text: &str) -> Checked {
    refuse(text.trim().is_empty(), || "this cannot be empty; give it a text".to_owned())
}

/// A span of time of whole weeks, days, hours, minutes and seconds: `5m`, `24h`, `1d 12h`.
pub(super) fn duration(text: &str) -> Checked {
    let shape =
        text.split_whitespace().flat_map(|part| part.split_inclusive(|c: char| c.is_ascii_alphabetic())).all(|part| {
            let digits = part.trim_end_matches(['s', 'm', 'h', 'd', 'w']);
            digits.len() + 1 == part.len() && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
        });
    let long = text.parse::<jiff::Span>().is_ok_and(jiff::Span::is_positive);
    refuse(!shape || !long, || format!("{text:?} is not a span of time; write it as 30s, 5m, 24h or 7d"))
}

/// A GUID in its usual form.
pub(super) fn guid(text: &str) -> Checked {
    refuse(text.len() != 36 || uuid::Uuid::try_parse(text).is_err(), || {
        format!("{text:?} is not a GUID; write it as 00000000-0000-0000-0000-000000000000")
    })
}

/// The check for a field of a generic table that brings none of its own; no kind stands for the friendly tables.
pub(super) fn well_known(kind: &str, field: &str) -> Option<fn(&str) -> Checked> {
    Some(match (kind, field) {
        ("", _) => return None,
        ("database_role", "name") => role,
        ("database_role", "member_of")
        | (_, "database" | "role" | "schemas" | "languages" | "future" | "exclusive") => identifier,
        (_, "only" | "except") => object,
        (_, "server") => server,
        (_, "app") => app,
        (_, "slot") => slot,
        (_, "resource_group") => resource_group,
        (_, "user_assigned") => identity_id,
        ("app_settings", "require" | "sensitive") | ("slot_settings", "app_settings") => setting,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{
        app, cloud, duration, guid, identity_id, object, resource_group, role, server, setting, slot, store, template,
        vault, vault_secret,
    };

    type Case = (fn(&str) -> Result<(), String>, &'static [&'static str], &'static [&'static str]);

    #[test]
    fn good_names_pass_and_bad_ones_do_not() {
        let cases: &[Case] = &[
            (server, &["abc", "a-b-c", "Rmhpgflex"], &["ab", "a--b", "-abc", "abc-", "a_b", "a b"]),
            (app, &["ab", "my-app", "a--b"], &["a", "my_app", "-a", "a-", "a.b"]),
            (slot, &["staging", "s2"], &["production", "Production", "a/b", "s"]),
            (resource_group, &["rmhazure_rg", "a.(b)-c", "ü"], &["", "a.", "a/b", "a b"]),
            (
                role,
                &["my-app-identity", "Ünï\"code", "a.b", "app/slots/x", "DROP TABLE x; --", "Public"],
                &["", "pg_x", "public", "none", "a\0b"],
            ),
            (
                object,
                &["a", "a.b", "a.*", "\"a.b\".c", "a.f(int, text)", "O'Brien.x y"],
                &["", ".", "a.", "a.b.c", "a(b", "\"a"],
            ),
            (setting, &["A_B.C:D", "x1"], &["", "a b", "a/b", "a=b"]),
            (template, &["/jobs/{job_id}", "/x"], &["jobs", "/{", "/{}", "/{a}/{b"]),
            (vault, &["kv-ops", "abc"], &["kv", "1kv", "kv--x", "kv_ops", "a-vault-name-that-is-too-long"]),
            (vault_secret, &["postgis-password", "-"], &["", "a_b", "a.b"]),
            (cloud, &["public", "http://localhost:1"], &["Public", "https://", "azure"]),
            (store, &["dir", "azblob://acct/state", "postgres://u@h/db"], &["", "ftp://x", "postgres://u:p@h/db"]),
            (
                duration,
                &["5m", "24h", "7d", "1d 12h", "1h30m"],
                &["", "5", "m", "5 minutes", "-5m", "0m", "5mo", "PT5M"],
            ),
            (guid, &["33333333-3333-4333-8333-333333333333"], &["", "x", "33333333333343338333333333333333"]),
            (
                identity_id,
                &["/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n"],
                &["", "n", "/subscriptions/s"],
            ),
        ];
        for (check, good, bad) in cases {
            for text in *good {
                assert_eq!(check(text), Ok(()), "{text}");
            }
            for text in *bad {
                assert!(check(text).is_err(), "{text}");
            }
        }
        assert!(role(&"x".repeat(63)).is_ok());
        assert!(role(&"x".repeat(64)).is_err());
        assert!(role(&"ü".repeat(32)).is_err(), "bytes, not characters");
    }
}
