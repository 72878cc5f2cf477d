//! Says what an error of PostgreSQL or of the way to it means, and what would help.

use sqlx::postgres::PgDatabaseError;

use crate::model::{Class, Failure};

/// The failure that an error stands for. `doing` is what could not be done, as in `cannot <doing>`.
pub(crate) fn failure(error: &sqlx::Error, doing: &str) -> Failure {
    match error {
        sqlx::Error::Database(database) => match database.try_downcast_ref::<PgDatabaseError>() {
            Some(error) => {
                let more: Vec<&str> = [error.detail(), error.hint()].into_iter().flatten().collect();
                refusal(error.code(), error.message(), &more, doing)
            }
            None => other(&format!("cannot {doing}: {}", database.message())),
        },
        sqlx::Error::Io(io) => unreachable(&format!("cannot {doing}: {io}")).remedy(match io.kind() {
            std::io::ErrorKind::ConnectionRefused => "check that the server runs and listens on this host and port",
            std::io::ErrorKind::TimedOut => FIREWALL,
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset => {
                "the server or something before it ended the connection; check its state and the firewall rules"
            }
            _ => {
                "check that the server's name resolves from here (private network, DNS) and the firewall lets it through"
            }
        }),
        sqlx::Error::Tls(cause) => Failure::new(Class::Unreachable, "the database server shows no trusted certificate")
            .detail(format!("cannot {doing}: TLS: {cause}"))
            .remedy("name the certificate authority of the server in PGSSLROOTCERT, or check the host name"),
        error => other(&format!("cannot {doing}: {error}")),
    }
}

/// What would help a connection that gets no answer.
const FIREWALL: &str = "check the firewall rules and private network of the server";

/// The failure of a connection that was not answered in time.
pub(crate) fn no_answer(doing: &str, waited: std::time::Duration) -> Failure {
    unreachable(&format!("cannot {doing}: no answer within {} s", waited.as_secs())).remedy(FIREWALL)
}

fn unreachable(detail: &str) -> Failure {
    Failure::new(Class::Unreachable, "the database server cannot be reached").detail(detail)
}

fn other(detail: &str) -> Failure {
    refused(Class::Other, MEND).detail(detail)
}

/// What PostgreSQL said, with its code, and `more` of it in lines below.
pub(crate) fn refusal(code: &str, message: &str, more: &[&str], doing: &str) -> Failure {
    let (class, remedy) = classify(code, message);
    let first = format!("{message} (SQLSTATE {code})");
    let doing = format!("cannot {doing}");
    let lines: Vec<&str> = [first.as_str(), &doing].into_iter().chain(more.iter().copied()).collect();
    refused(class, remedy).detail(lines.join("\n"))
}

/// A refusal in a few words and what would help, still without its case.
fn refused(class: Class, remedy: &str) -> Failure {
    match class {
        Class::NotSignedIn => Failure::new(class, "the database server does not let the role in").remedy(remedy),
        Class::Forbidden => Failure::new(class, "not allowed").remedy(remedy),
        Class::NotFound => Failure::new(class, "the database server does not know it").remedy(remedy),
        Class::Conflict => Failure::new(class, "the database server sees a conflict").remedy(remedy),
        Class::Busy => Failure::new(class, "the database server is busy").remedy(remedy),
        _ => Failure::new(class, "the database server refused").remedy(remedy),
    }
}

/// What would help where a refusal has no class of its own.
const MEND: &str = "mend what it names, and plan again";

/// What would help when two changed the same thing.
const AGAIN: &str = "somebody changed the same thing at the same time; try again";

/// The class of an error and what would help. Azure's texts about tokens come with 28000 or 28P01; they are told
/// apart by their words.
fn classify(code: &str, message: &str) -> (Class, &'static str) {
    let says = |words: &str| message.to_ascii_lowercase().contains(words);
    match code {
        "28000" | "28P01" => (Class::NotSignedIn, let_in(&says)),
        "42501" => (Class::Forbidden, "sign in as the owner or an administrator, or let one of them grant the right"),
        "3D000" | "42704" | "3F000" | "42P01" => {
            (Class::NotFound, "check the names in the plan file; they may have been dropped meanwhile")
        }
        "42883" if says("pgaadauth") => (
            Class::Other,
            "the function exists only in database postgres of an Azure flexible server with Entra authentication",
        ),
        "XX000" if says("concurrently") => (Class::Other, AGAIN),
        "42710" | "2BP01" => (Class::Conflict, "look at what else uses or changes it, and plan again"),
        "53300" => (Class::Busy, "end idle connections or raise max_connections, then try again"),
        "57P01" | "57P02" | "57P03" => (Class::Busy, "the server restarts or stops; try again once it runs"),
        "55P03" => (Class::Busy, "look in pg_stat_activity who holds a lock on it, and try again when that is over"),
        "57014" => (Class::Busy, "it took too long or was cancelled; try again when the server has less to do"),
        "40P01" | "40001" => (Class::Busy, AGAIN),
        _ => (Class::Other, MEND),
    }
}

/// What would help somebody who is not let in.
fn let_in(says: &dyn Fn(&str) -> bool) -> &'static str {
    if says("token has expired") {
        "sign in again; the access token is too old"
    } else if says("audience") {
        "the token is for another service or cloud; check `cloud` in the plan file"
    } else if says("oid mismatch") {
        "the role belongs to another principal; sign in as that one, or bind the role to this one's object id"
    } else if says("no pg_hba.conf entry") || says("pg_hba.conf rejects") {
        "allow this address in the server's firewall, and check that the server takes this way of signing in"
    } else if says("not permitted to log in") {
        "the role has NOLOGIN: sign in as another, or give it LOGIN back"
    } else {
        "check the role's name, its mapping to your principal, and that the server takes this way of signing in"
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
