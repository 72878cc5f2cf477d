//! Says what an error of PostgreSQL or of the way to it means, and what would help.

use sqlx::postgres::PgDatabaseError;

use crate::model::{Class, Failure};

/// The failure that an error stands for. `doing` is what could not be done, as in `cannot <doing>`.
pub(crate) fn failure(error: &sqlx::Error, doing: &str) -> Failure {
    let summary = format!("cannot {doing}");
    match error {
        sqlx::Error::Database(database) => match database.try_downcast_ref::<PgDatabaseError>() {
            Some(error) => refused(error, summary),
            None => Failure::new(Class::Other, summary).detail(database.message()),
        },
        sqlx::Error::Io(io) => {
            let failure = Failure::new(Class::Unreachable, summary).detail(io.to_string());
            failure.remedy(match io.kind() {
                std::io::ErrorKind::ConnectionRefused => "check that the server runs and listens on this host and port",
                std::io::ErrorKind::TimedOut => "check the firewall rules and private network of the server",
                std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset => {
                    "the server or something before it ended the connection; check its state and the firewall rules"
                }
                _ => "check that the server's name resolves from here (private network, DNS) and the firewall lets it through",
            })
        }
        sqlx::Error::Tls(cause) => Failure::new(Class::Unreachable, summary)
            .detail(format!("TLS: {cause}"))
            .remedy("name the certificate authority of the server in PGSSLROOTCERT, or check the host name"),
        other => Failure::new(Class::Other, summary).detail(other.to_string()),
    }
}

fn refused(error: &PgDatabaseError, summary: String) -> Failure {
    let (class, remedy) = classify(error.code(), error.message());
    let mut detail = format!("{} (SQLSTATE {})", error.message(), error.code());
    for more in [error.detail(), error.hint()].into_iter().flatten() {
        detail.push('\n');
        detail.push_str(more);
    }
    let failure = Failure::new(class, summary).detail(detail);
    match remedy {
        Some(remedy) => failure.remedy(remedy),
        None => failure,
    }
}

/// The class of an error and what would help. Azure's texts about tokens come with 28000 or 28P01; they are told
/// apart by their words.
fn classify(code: &str, message: &str) -> (Class, Option<&'static str>) {
    let says = |words: &str| message.to_ascii_lowercase().contains(words);
    match code {
        "28000" | "28P01" if says("token has expired") => {
            (Class::NotSignedIn, Some("sign in again; the access token is too old"))
        }
        "28000" | "28P01" if says("audience") => {
            (Class::NotSignedIn, Some("the token is for another service or cloud; check `cloud` in the plan file"))
        }
        "28000" | "28P01" if says("oid mismatch") => (
            Class::NotSignedIn,
            Some(
                "the role belongs to another principal; sign in as that one, or bind the role to this one's object id",
            ),
        ),
        "28000" if says("no pg_hba.conf entry") || says("pg_hba.conf rejects") => (
            Class::NotSignedIn,
            Some("allow this address in the server's firewall, and check that the server takes this way of signing in"),
        ),
        "28000" if says("not permitted to log in") => (Class::NotSignedIn, Some("the role has NOLOGIN")),
        "28000" | "28P01" => (
            Class::NotSignedIn,
            Some(
                "check the role's name, its mapping to your principal, and that the server takes this way of signing in",
            ),
        ),
        "42501" => (Class::Forbidden, None),
        "3D000" | "42704" | "3F000" | "42P01" => (Class::NotFound, None),
        "42883" if says("pgaadauth") => (
            Class::Other,
            Some("the function exists only in database postgres of an Azure flexible server with Entra authentication"),
        ),
        "42710" | "2BP01" => (Class::Conflict, None),
        "53300" | "57P01" | "57P02" | "57P03" | "55P03" | "40P01" | "40001" | "57014" => (Class::Busy, None),
        _ => (Class::Other, None),
    }
}

/// Whether another run of the same transaction may well go through: somebody else touched the same rows of the
/// catalog. XX000 is `tuple concurrently updated`, which has no code of its own.
pub(super) fn worth_another_try(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>()) else {
        return false;
    };
    match error.code() {
        "XX000" => error.message().contains("concurrently"),
        "23505" => error.message().contains("pg_default_acl") || error.message().contains("pg_auth_members"),
        "40001" | "40P01" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::classify;
    use crate::model::Class;

    #[test]
    fn azures_texts_are_told_apart() {
        let texts = [
            "The access token has expired. Please acquire a new token and retry",
            "The access token does not have a valid audience claim. Please acquire a new token for the resource \"x\".",
            "Service principal oid mismatch for role \"x\"",
            "no pg_hba.conf entry for host \"1.2.3.4\", user \"u\", database \"d\", no encryption",
            "password authentication failed for user \"u\"",
        ];
        let remedies: std::collections::BTreeSet<_> = texts
            .iter()
            .map(|text| {
                let (class, remedy) = classify("28000", text);
                assert_eq!(class, Class::NotSignedIn, "{text}");
                remedy
            })
            .collect();
        assert_eq!(remedies.len(), texts.len());
    }

    #[test]
    fn codes_have_classes() {
        assert_eq!(classify("3D000", "").0, Class::NotFound);
        assert_eq!(classify("42501", "").0, Class::Forbidden);
        assert_eq!(classify("57P03", "").0, Class::Busy);
        assert_eq!(classify("99999", "").0, Class::Other);
    }
}
