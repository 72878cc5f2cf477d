//! The demo app's geographic endpoints: collections as STAC and as OGC API Features, and the features of a collection.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Row};

use super::app_login::{Login, LoginError, quote};
use super::call::Reply;

/// How many features one answer holds.
const PAGE: i64 = 10;

/// `GET /api/stac/collections`: collections as STAC 1.0.0 describes them.
pub async fn stac(login: &Login) -> Result<Reply, LoginError> {
    let describe = |id: String, title: String, license: String| {
        json!({"type": "Collection", "stac_version": "1.0.0", "id": id, "title": title, "description": title,
            "license": license, "links": []})
    };
    collections(login, describe).await
}

/// `GET /api/features/collections`: the same as OGC API Features describes them.
pub async fn features(login: &Login) -> Result<Reply, LoginError> {
    collections(login, |id, title, _| json!({"id": id, "title": title, "itemType": "feature", "links": []})).await
}

async fn collections(login: &Login, describe: impl Fn(String, String, String) -> Value) -> Result<Reply, LoginError> {
    let (mut database, method) = login.connect().await?;
    let query = format!("SELECT id, title, license FROM {}.collections ORDER BY id", quote(login.settings().schema()));
    let rows = sqlx::query(AssertSqlSafe(query))
        .fetch_all(&mut database)
        .await
        .map_err(|error| LoginError::query(&error, method))?;
    drop(database.close().await);
    let text = |row: &sqlx::postgres::PgRow, at: usize| row.try_get::<String, _>(at).unwrap_or_default();
    let all: Vec<Value> = rows.iter().map(|row| describe(text(row, 0), text(row, 1), text(row, 2))).collect();
    Ok(Reply::ok(json!({"collections": all, "links": [], "auth_method": method})))
}

/// `GET /api/features/collections/{id}/items`: the first features as GeoJSON.
pub async fn items(login: &Login, collection: &str) -> Result<Reply, LoginError> {
    let (mut database, method) = login.connect().await?;
    let query = format!(
        "SELECT id, name, longitude, latitude FROM {}.features WHERE collection_id = $1 ORDER BY id LIMIT $2",
        quote(login.settings().schema())
    );
    let rows = sqlx::query(AssertSqlSafe(query))
        .bind(collection)
        .bind(PAGE)
        .fetch_all(&mut database)
        .await
        .map_err(|error| LoginError::query(&error, method))?;
    drop(database.close().await);
    let feature = |row: &sqlx::postgres::PgRow| {
        let number = |at: usize| row.try_get::<f64, _>(at).unwrap_or_default();
        json!({"type": "Feature", "id": row.try_get::<i64, _>(0).unwrap_or_default(),
            "geometry": {"type": "Point", "coordinates": [number(2), number(3)]},
            "properties": {"name": row.try_get::<String, _>(1).unwrap_or_default()}})
    };
    let all: Vec<Value> = rows.iter().map(feature).collect();
    let returned = all.len();
    Ok(Reply::ok(json!({"type": "FeatureCollection", "features": all, "numberReturned": returned, "links": [],
        "auth_method": method})))
}
