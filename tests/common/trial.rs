//! Tries the laws that kinds declare on any world: makes what is given, and tries what has to be refused.

use pgentra::model::{Failure, Look, Observed, Purpose, Step};
use pgentra::plan::{PlanFile, load};
use pgentra::resources::{Law, Trial, Watch, World, schemas};

/// Nobody listens to a write.
pub struct Deaf;

impl Watch for Deaf {
    fn note(&self, _: &str) {}
}

/// The plan file of a trial's text.
pub fn file(text: &str) -> PlanFile {
    let (plan, findings) = load(&format!("{HEAD}{text}"), &std::collections::BTreeMap::new(), &schemas());
    plan.unwrap_or_else(|| panic!("{findings:?}"))
}

/// Tries a law of a kind; answers how the write was refused, or `None` for a law that only the world in memory has.
pub async fn refused(world: &dyn World, kind: &str, law: &Law) -> Option<Failure> {
    let Trial::Refused { given, refused, removal } = law.trial else { return None };
    for text in given {
        make(world, text).await;
    }
    let mut steps = steps(world, refused, removal).await;
    // A friendly table makes other steps besides; a law of several kinds is tried by any of them.
    let at = steps.iter().position(|step| step.address.kind == kind).unwrap_or_default();
    let step = steps.remove(at);
    match world.write(&step, &Deaf).await {
        Err(failure) => Some(failure),
        Ok(_) => panic!("nothing refused it: {}", law.says),
    }
}

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
pub async fn steps(world: &dyn World, text: &str, removal: bool) -> Vec<Step> {
    let file = file(text);
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

/// Makes the resources of a text one after the other, each looked at when its turn comes.
async fn make(world: &dyn World, text: &str) {
    for at in 0..steps(world, text, false).await.len() {
        let step = steps(world, text, false).await.remove(at);
        world.write(&step, &Deaf).await.unwrap_or_else(|failure| panic!("{}: {failure}", step.id));
    }
}
