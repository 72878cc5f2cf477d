//! Each law that a kind declares is tried on the world in memory; the sandbox tests try the same laws on the sandbox.

use pgentra::model::{Look, Observed, Purpose, Step};
use pgentra::resources::{MemoryWorld, Trial, World};

use super::rig::{Deaf, parse};

/// What every trial's text begins with.
const HEAD: &str = r#"
version = 1
name = "trial"
[azure]
subscription = "22222222-2222-4222-8222-222222222222"
tenant = "11111111-1111-4111-8111-111111111111"
resource_group = "rmhazure_rg"
[server.rmhpgflex]
connections = [{ name = "admin", user = "pg-deployers", token = true }]
"#;

/// The steps that would make the resources of a text true now, or take them away.
async fn steps(world: &dyn World, text: &str, removal: bool) -> Vec<Step> {
    let file = parse(&format!("{HEAD}{text}"));
    let mut steps = Vec::new();
    for want in &file.desired {
        let look = Look {
            address: &want.address,
            key: &want.key,
            attributes: &want.attributes,
            purpose: Purpose::Plan,
            via: None,
        };
        // What nobody can look at yet is written blindly: then the write has to be refused.
        let reading = world.read(look).await;
        let (before, after) = match reading {
            Ok(reading) => {
                let after = reading.desired.clone().unwrap_or_else(|| want.attributes.clone());
                (if let Observed::Present(state) = reading.observed { Some(state.attributes) } else { None }, after)
            }
            Err(_) => (None, want.attributes.clone()),
        };
        steps.push(Step {
            id: want.address.to_string(),
            address: want.address.clone(),
            key: want.key.clone(),
            before,
            after: (!removal).then_some(after),
            via: None,
            undo: pgentra::model::Undo::Faithful,
            leans_on: std::collections::BTreeSet::new(),
            serial_key: None,
            restarts: 0,
        });
    }
    steps
}

/// A world with the app, the server and the database of the sandbox, as it begins.
fn sandbox_like() -> MemoryWorld {
    let text = format!(
        "{HEAD}{}",
        r#"
[resource.server_auth.rmhpgflex]
server = "rmhpgflex"
entra_auth = true
[resource.app_identity.app]
app = "rmhazuregeoapi"
[resource.database_grants.geopgflex]
server = "rmhpgflex"
database = "geopgflex"
grants = [{ role = "PUBLIC", schemas = ["geo"], schema = ["USAGE"] }]
"#
    );
    MemoryWorld::around(&parse(&text).desired)
}

#[tokio::test]
async fn the_world_in_memory_has_every_law() {
    let laws = sandbox_like().laws();
    assert!(laws.len() > 8, "the kinds declare their laws");
    for (kind, law) in laws {
        let Trial::Refused { given, refused, removal } = law.trial else { continue };
        let world = sandbox_like();
        for text in given {
            make(&world, text).await;
        }
        let before = world.state();
        let step = steps(&world, refused, removal).await.remove(0);
        let failure = world.write(&step, &Deaf).await.expect_err(law.says);
        assert_eq!(failure.class, law.class, "{kind}: {}: {failure}", law.says);
        assert!(failure.summary.starts_with(law.says), "another law refused it: {failure}");
        assert_eq!(world.state(), before, "{}", law.says);
    }
}

/// Makes the resources of a text one after the other, each looked at when its turn comes.
async fn make(world: &dyn World, text: &str) {
    for at in 0..steps(world, text, false).await.len() {
        let step = steps(world, text, false).await.remove(at);
        world.write(&step, &Deaf).await.unwrap_or_else(|failure| panic!("{}: {failure}", step.id));
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
