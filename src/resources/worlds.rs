//! Several worlds as one: each kind is served by the first world that knows it. So kinds of one's own join those here.

use async_trait::async_trait;

use super::{Watch, World, Written};
use crate::model::{Class, Failure, Look, Reading, Schema, Step};

/// Several worlds as one.
///
/// ```
/// use pgentra::resources::{MemoryWorld, World, Worlds};
/// let world = Worlds::new().with(MemoryWorld::new());
/// assert!(world.schema("app_settings").is_some());
/// assert!(world.schema("unheard_of").is_none());
/// ```
#[derive(Default)]
pub struct Worlds(Vec<Box<dyn World>>);

impl Worlds {
    /// No world yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with one more world behind those that it has.
    #[must_use]
    pub fn with(mut self, world: impl World + 'static) -> Self {
        self.0.push(Box::new(world));
        self
    }

    fn of(&self, kind: &str) -> Result<&dyn World, Failure> {
        let world = self.0.iter().find(|world| world.schema(kind).is_some());
        world.map(AsRef::as_ref).ok_or_else(|| {
            Failure::new(Class::Input, "no world knows the kind").detail(kind).remedy("add a world that serves it")
        })
    }
}

#[async_trait]
impl World for Worlds {
    fn schema(&self, kind: &str) -> Option<&'static Schema> {
        self.0.iter().find_map(|world| world.schema(kind))
    }

    async fn read(&self, look: Look<'_>) -> Result<Reading, Failure> {
        self.of(&look.address.kind)?.read(look).await
    }

    async fn write(&self, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        self.of(&step.address.kind)?.write(step, watch).await
    }

    async fn lost(&self, step: &Step) -> Result<Option<String>, Failure> {
        self.of(&step.address.kind)?.lost(step).await
    }

    /// An operation does not say whose it is; who does not know it has nothing to wait for.
    async fn follow(&self, operation: &str, watch: &dyn Watch) -> Result<(), Failure> {
        for world in &self.0 {
            world.follow(operation, watch).await?;
        }
        Ok(())
    }
}
