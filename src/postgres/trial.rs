//! Trials: makes an object as another role, asks who may use it, and takes it all back.

use sqlx::Row;

use super::connect::Lease;
use super::letters::LetterSet;
use super::privilege::ObjectType;
use super::statements::{trial, tried};
use crate::model::Failure;

/// Runs the statements of writes, as [`Script::statements`](super::statements::Script::statements) gives them, in one
/// transaction that is rolled back, with a short wait for locks. Sessions are not ended. Nothing stays.
///
/// # Errors
/// The first statement that was refused.
pub async fn try_statements(lease: &mut Lease, statements: &[String]) -> Result<(), Failure> {
    let doing = format!("try the statements in database {:?} as {:?}", lease.database(), lease.user());
    lease.rows_within(&tried(statements), sqlx::query("SELECT 1"), &doing).await.map(drop)
}

/// The letters that each role lacks on an object of a kind that `creator` makes in `schema` now. Nothing stays: the
/// transaction is rolled back. Fails where the session may not become the creator, or it may not create there.
pub async fn try_tomorrow(
    lease: &mut Lease,
    creator: &str,
    schema: &str,
    kind: ObjectType,
    wanted: &[(String, LetterSet)],
) -> Result<Vec<(String, LetterSet)>, Failure> {
    let name = format!("pgentra_trial_{}", uuid::Uuid::now_v7().simple());
    let script = trial(creator, schema, kind, &name);
    let (mut roles, mut words): (Vec<&str>, Vec<&str>) = Default::default();
    for (role, letters) in wanted {
        for word in kind.words(*letters) {
            roles.push(role);
            words.push(word);
        }
    }
    let query = sqlx::query(include_str!("../../sql/check/trial.sql"))
        .bind(schema)
        .bind(name.as_str())
        .bind(kind.letter().to_string())
        .bind(roles)
        .bind(words);
    let doing = format!("make one of the {} as role {creator:?}", kind.plural().unwrap_or("objects"));
    let rows = lease.rows_within(&script, query, &doing).await?;
    let mut lacks: Vec<(String, LetterSet)> = Vec::new();
    for row in rows {
        let (Ok(role), Ok(word)) = (row.try_get::<String, _>("role"), row.try_get::<String, _>("privilege")) else {
            continue;
        };
        let Some(letter) = kind.privilege(&word) else { continue };
        match lacks.iter_mut().find(|(known, _)| *known == role) {
            Some((_, letters)) => letters.insert(letter),
            None => lacks.push((role, [letter].into_iter().collect())),
        }
    }
    Ok(lacks)
}
