//! What the demo app can be told to do wrong, and that it serves what the guide's app serves.

use serde_json::{Value, json};

use crate::stand::Stand;

/// The sessions of the old role.
fn sessions(stand: &Stand) -> String {
    stand.admin("postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'geoapp'")
}

#[tokio::test]
async fn the_app_does_wrong_what_it_is_told_to() {
    let stand = Stand::up().await;
    stand.apply("plan.toml").ends(0);
    let method = async || stand.health().await["database"]["auth_method"].clone();
    let tell = |trouble: &str| stand.run(&["sandbox", "app", trouble]).ends(0);
    assert_eq!((method().await, sessions(&stand).as_str()), (json!("managed_identity"), "0"));

    tell("fail");
    stand.run(&["verify", "plan.toml"]).ends(10).says(&["answered 500"]);
    tell("fall-back");
    assert_eq!(method().await, "password");
    stand.run(&["verify", "plan.toml"]).ends(10).says(&["database.auth_method is \"password\""]);
    // An open session of the pool, while all that is new goes by token.
    tell("leak");
    assert_eq!((method().await, sessions(&stand).as_str()), (json!("managed_identity"), "1"));
    // It outlasts a restart, as the setting that makes it does.
    stand.control("POST", "settings", json!({"site": "rmhazuregeoapi", "key": "OTHER", "value": "1"})).await;
    for _ in 0..200 {
        if sessions(&stand) == "1" && method().await == "managed_identity" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(sessions(&stand), "1");
    tell("recover");
    assert_eq!(sessions(&stand), "0");
    stand.run(&["verify", "plan.toml"]).ends(0);

    tell("lose-identity");
    stand.run(&["sandbox", "app", "lose-identity"]).ends(1).says(&["the site has no identity"]);
    assert_eq!(method().await, "password");
    stand.run(&["verify", "plan.toml"]).ends(10);
    // The new identity has another object id, which the role is bound to.
    stand.apply("plan.toml").ends(0);
    assert_eq!(method().await, "managed_identity");
    stand.run(&["sandbox", "app", "fail", "--site", "nobody"]).ends(1).says(&["no such site"]);

    // Without a password there is nothing to leak. The world cannot tell the app what to do.
    stand.control("POST", "settings", json!({"site": "rmhazuregeoapi", "key": "POSTGIS_PASSWORD"})).await;
    method().await;
    stand.run(&["sandbox", "app", "leak"]).ends(1).says(&["has no password"]);
    let refused = stand.app("POST", "/_sandbox/trouble", json!({"fail": true})).await;
    assert_eq!((refused.0, method().await), (404, json!("managed_identity")));
}

#[tokio::test]
async fn collections_are_served_as_stac_and_as_ogc_features() {
    let stand = Stand::up().await;
    stand.health().await;
    let (status, stac) = stand.app("GET", "/api/stac/collections", Value::Null).await;
    let first = &stac["collections"][0];
    assert_eq!((status, &first["type"], &first["stac_version"]), (200, &json!("Collection"), &json!("1.0.0")));
    for member in ["id", "title", "description", "license"] {
        assert!(first[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {first}");
    }
    let (_, features) = stand.app("GET", "/api/features/collections", Value::Null).await;
    assert_eq!(features["collections"][0]["itemType"], "feature");
    let ids = |list: &Value| list["collections"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    let (stac_ids, feature_ids): (Vec<Value>, Vec<Value>) = (ids(&stac), ids(&features));
    assert_eq!(stac_ids, feature_ids);
    assert_eq!(stac_ids.len().to_string(), stand.owner("SELECT count(*) FROM geo.collections"));

    let mut found = 0;
    for id in stac_ids.iter().filter_map(Value::as_str) {
        let (status, items) = stand.app("GET", &format!("/api/features/collections/{id}/items"), Value::Null).await;
        assert_eq!((status, &items["type"]), (200, &json!("FeatureCollection")));
        for feature in items["features"].as_array().unwrap() {
            found += 1;
            assert_eq!((&feature["type"], &feature["geometry"]["type"]), (&json!("Feature"), &json!("Point")));
            let place = feature["geometry"]["coordinates"].as_array().unwrap();
            let (longitude, latitude) = (place[0].as_f64().unwrap(), place[1].as_f64().unwrap());
            assert!(longitude.abs() <= 180.0 && latitude.abs() <= 90.0 && longitude != 0.0, "{feature}");
        }
    }
    assert!(found > 0, "no collection has a feature");
    let quoted = "/api/features/collections/x%27%20OR%20%271%27=%271/items";
    assert_eq!(stand.app("GET", quoted, Value::Null).await.1["numberReturned"], 0);
}
