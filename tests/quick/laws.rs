//! Each law that a kind declares is tried on the world in memory; the sandbox tests try the same laws on the sandbox.

use pgentra::resources::{MemoryWorld, World};

use super::trial::{Deaf, file, refused, steps};

/// A world with the app, the server and the database of the sandbox, as it begins.
fn sandbox_like() -> MemoryWorld {
    let text = r#"
[resource.server_auth.rmhpgflex]
server = "rmhpgflex"
entra_auth = true
[resource.app_identity.app]
app = "rmhazuregeoapi"
[resource.password_setting.password]
app = "rmhazuregeoapi"
list = "settings"
names = ["POSTGIS_PASSWORD"]
irreversible = true
[resource.database_grants.geopgflex]
server = "rmhpgflex"
database = "geopgflex"
grants = [{ role = "PUBLIC", schemas = ["geo"], schema = ["USAGE"] }]
"#;
    MemoryWorld::around(&file(text).desired)
}

#[tokio::test]
async fn the_world_in_memory_has_every_law() {
    let laws = sandbox_like().laws();
    assert!(laws.len() > 8, "the kinds declare their laws");
    for (kind, law) in laws {
        let world = sandbox_like();
        let Some(failure) = refused(&world, kind, &law).await else { continue };
        assert_eq!(failure.class, law.class, "{kind}: {}: {failure}", law.says);
        assert!(failure.summary.starts_with(law.says), "another law refused it: {failure}");
    }
}

#[tokio::test]
async fn two_operations_on_one_server_at_once_are_refused() {
    let world = sandbox_like();
    let text = r#"
[resource.server_auth.rmhpgflex]
server = "rmhpgflex"
entra_auth = true
"#;
    let step = steps(&world, text, false).await.remove(0);
    let (one, other) = futures::join!(world.write(&step, &Deaf), world.write(&step, &Deaf));
    assert!(one.is_ok());
    assert_eq!(other.unwrap_err().class, pgentra::model::Class::Busy);
}
