//! Several worlds as one: each kind is served by the first world that knows it. So kinds of one's own join those here.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Watch, World, Written, each, in_order};
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

impl Worlds {
    /// Has the looks at these places answered by one world, or by none.
    async fn read_by(
        &self,
        server: Option<usize>,
        looks: &[Look<'_>],
        places: &[usize],
        at_once: usize,
    ) -> Vec<Result<Reading, Failure>> {
        let looks: Vec<Look<'_>> = places.iter().map(|at| looks[*at]).collect();
        match server.and_then(|at| self.0.get(at)) {
            Some(world) => world.read_all(&looks, at_once).await,
            None => each(looks.iter().map(|look| self.read(*look)).collect(), at_once).await,
        }
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

    async fn read_all(&self, looks: &[Look<'_>], at_once: usize) -> Vec<Result<Reading, Failure>> {
        let mut places: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        for (at, look) in looks.iter().enumerate() {
            let server = self.0.iter().position(|world| world.schema(&look.address.kind).is_some());
            places.entry(server).or_default().push(at);
        }
        let calls = places.iter().map(|(server, places)| self.read_by(*server, looks, places, at_once)).collect();
        let answers = each(calls, places.len()).await;
        in_order(places.into_values().collect(), answers)
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
