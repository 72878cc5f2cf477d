//! Explains grants: which rule leads to which privileges, and what a role may do beside the old role that it replaces.

use std::collections::{BTreeMap, BTreeSet};

use super::Live;
use super::database_grants::{Asked, Wishes, tomorrow, wanted};
use super::live::text;
use crate::model::{Desired, Failure};
use crate::postgres::{Demand, Lease, LetterSet, Object, ObjectType, Snapshot, lacking, rights_of};

/// How many objects a line names.
const NAMED: usize = 3;

/// What one rule of the plan file leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruled {
    /// Where it stands in the resource: `grants.0`.
    pub path: String,
    /// The role that it is about.
    pub role: String,
    /// What it leads to, one line per privileges and kind: `SELECT on 2 tables: geo.a, geo.b`.
    pub leads_to: Vec<String>,
}

/// What a role may do once the plan file is true, beside what another may do now. Effective: through memberships,
/// `PUBLIC`, ownership and predefined roles too, as PostgreSQL's own `has_*_privilege` functions say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The role of the plan file.
    pub role: String,
    /// The role that it replaces.
    pub old: String,
    /// What it may do and the old one may not.
    pub gains: Vec<String>,
    /// What the old one may do and it may not.
    pub lacks: Vec<String>,
}

/// An explanation of one `database_grants`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantsExplained {
    /// What each rule leads to, in the order of the plan file.
    pub ruled: Vec<Ruled>,
    /// Each role beside each old one.
    pub compared: Vec<Compared>,
}

/// Looks at the catalog for an explanation. Roles among `old` that are not there are left out. Changes nothing.
///
/// # Errors
/// Those of a look.
pub async fn explain_grants(live: &Live, grants: &Desired, old: &BTreeSet<String>) -> Result<GrantsExplained, Failure> {
    let (server, database) = (text(&grants.key, "server")?, text(&grants.key, "database")?);
    let wishes = Wishes::read(&grants.attributes)?;
    let mut lease = live.databases.lease_any(server, database).await.map_err(|rejection| rejection.failure)?;
    let mut wanted = wanted(wishes.rules());
    wanted.kinds.extend(ObjectType::ALL.into_iter().filter(|kind| comparable(*kind)));
    let snapshot = Snapshot::read(&mut lease, &wanted).await?;
    let mut found = GrantsExplained { ruled: ruled(&wishes, &snapshot), compared: Vec::new() };
    let roles: BTreeSet<&String> =
        wishes.grants.iter().map(|rule| &rule.role).filter(|role| *role != "PUBLIC").collect();
    for old in old.iter().filter(|old| snapshot.roles.has(old)) {
        for role in roles.iter().filter(|role| **role != old) {
            found.compared.push(compared(&mut lease, &snapshot, &wishes, role, old).await?);
        }
    }
    Ok(found)
}

fn comparable(kind: ObjectType) -> bool {
    kind != ObjectType::Column
}

fn ruled(wishes: &Wishes, snapshot: &Snapshot) -> Vec<Ruled> {
    let one = |(rule, word): (&super::database_grants::Rule, &str)| {
        let mut told = Told::default();
        for object in &snapshot.objects {
            told.object(object, rule.letters_on(object, snapshot));
        }
        let alone = Wishes { grants: vec![rule.clone()], revokes: Vec::new(), exclusive: BTreeSet::new() };
        for ((creator, schema, kind), wants) in tomorrow(&alone, snapshot) {
            let letters = wants.have.get(&rule.role).map(|pair| pair.letters).unwrap_or_default();
            told.tomorrow(&creator, schema.as_deref(), kind, letters);
        }
        let leads_to = told.lines().into_iter().map(|line| format!("{word}{line}")).collect();
        Ruled { path: rule.path.clone(), role: rule.role.clone(), leads_to }
    };
    let grants = wishes.grants.iter().map(|rule| (rule, ""));
    grants.chain(wishes.revokes.iter().map(|rule| (rule, "no "))).map(one).collect()
}

async fn compared(
    lease: &mut Lease,
    snapshot: &Snapshot,
    wishes: &Wishes,
    role: &str,
    old: &str,
) -> Result<Compared, Failure> {
    // A role that is not there yet will have what everybody has.
    let who = if snapshot.roles.has(role) { role } else { "public" };
    let (mut gains, mut lacks) = (Told::default(), Told::default());
    let objects: Vec<&Object> = snapshot.objects.iter().filter(|object| comparable(object.name.kind)).collect();
    let all = |object: &Object| snapshot.all(object.name.kind);
    let demands = |role| objects.iter().map(move |object| Demand { role, object, letters: all(object) });
    let (theirs, ours): (Vec<_>, Vec<_>) = (demands(old).collect(), demands(who).collect());
    let (theirs, ours) = (lacking(lease, &theirs).await?, lacking(lease, &ours).await?);
    let mut rights = rights_of(lease, [old, who]).await?;
    let (old_rights, rights) = (rights.remove(old).unwrap_or_default(), rights.remove(who).unwrap_or_default());
    let mut asked = Asked::new(wishes, snapshot);
    for (object, (theirs, ours)) in objects.iter().zip(theirs.into_iter().zip(ours)) {
        let wants = asked.on(object);
        let given = [role, "PUBLIC"].into_iter().filter_map(|role| wants.have.get(role));
        let given = given.fold(LetterSet::default(), |set, pair| set.or(pair.letters));
        let taken = wants.lack.get(role).copied().unwrap_or_default();
        let (had, has) = (all(object).less(theirs), all(object).less(ours).less(taken).or(given));
        gains.object(object, has.less(had));
        lacks.object(object, had.less(has));
        let owner = snapshot.roles.name(object.owner);
        lacks.owned(object, old_rights.contains(&owner) && !rights.contains(&owner));
    }
    let will = tomorrow(wishes, snapshot);
    for (schema, creators) in snapshot.creators() {
        for (creator, kind) in creators.iter().flat_map(|creator| TOMORROW.map(|kind| (creator, kind))) {
            let had = snapshot.tomorrow(creator, Some(schema), kind, &old_rights);
            let wanted = will.iter().filter(|((by, place, of), _)| {
                by == creator && *of == kind && place.as_deref().is_none_or(|place| place == schema)
            });
            let wanted = wanted.filter_map(|(_, wants)| wants.have.get(role)).map(|pair| pair.letters);
            let has = wanted.fold(snapshot.tomorrow(creator, Some(schema), kind, &rights), LetterSet::or);
            gains.tomorrow(creator, Some(schema), kind, has.less(had));
            lacks.tomorrow(creator, Some(schema), kind, had.less(has));
        }
    }
    let mut lacks = lacks.lines();
    let others = old_rights.difference(&rights).filter(|other| *other != old);
    lacks.extend(others.map(|other| format!("membership in {other}")));
    Ok(Compared { role: role.to_owned(), old: old.to_owned(), gains: gains.lines(), lacks })
}

/// The kinds that default privileges are compared for.
const TOMORROW: [ObjectType; 3] = [ObjectType::Table, ObjectType::Sequence, ObjectType::Function];

/// Collects privileges and folds them into lines.
#[derive(Default)]
struct Told {
    now: BTreeMap<(ObjectType, Vec<&'static str>), Vec<String>>,
    owned: Vec<String>,
    tomorrow: BTreeMap<(ObjectType, Vec<&'static str>, String), BTreeSet<String>>,
}

impl Told {
    fn object(&mut self, object: &Object, letters: LetterSet) {
        let kind = object.name.kind;
        if !letters.is_empty() {
            self.now.entry((kind, kind.words(letters))).or_default().push(object.name.plain());
        }
    }

    fn owned(&mut self, object: &Object, is: bool) {
        if is {
            self.owned.push(object.name.plain());
        }
    }

    fn tomorrow(&mut self, creator: &str, schema: Option<&str>, kind: ObjectType, letters: LetterSet) {
        if !letters.is_empty() {
            let place = schema.map_or_else(|| "any schema".to_owned(), str::to_owned);
            self.tomorrow.entry((kind, kind.words(letters), creator.to_owned())).or_default().insert(place);
        }
    }

    fn lines(self) -> Vec<String> {
        let now = self.now.into_iter().map(|((kind, words), names)| {
            let plural = kind.plural().map_or_else(|| format!("{kind}s"), str::to_owned);
            let what = if names.len() == 1 { kind.to_string() } else { format!("{} {plural}", names.len()) };
            format!("{} on {what}: {}", words.join(", "), some(names))
        });
        let tomorrow = self.tomorrow.into_iter().map(|((kind, words, creator), places)| {
            let plural = kind.plural().unwrap_or("objects");
            let places = some(places.into_iter().collect());
            format!("{} on {plural} that {creator} will make in {places}", words.join(", "))
        });
        let owned = (!self.owned.is_empty()).then(|| {
            let count = self.owned.len();
            format!(
                "ALTER and DROP on {count} owned {}: {}",
                if count == 1 { "object" } else { "objects" },
                some(self.owned)
            )
        });
        now.chain(owned).chain(tomorrow).collect()
    }
}

/// The first names, and how many more there are.
fn some(mut names: Vec<String>) -> String {
    names.sort();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let names = names.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{GrantsExplained, Told, explain_grants, some};
    use crate::model::{Address, Attributes, Desired, Value};
    use crate::postgres::testing::{SERVER, SUPERUSER, server};
    use crate::resources::arm_testing::with_databases;
    use crate::resources::testing::{attributes, list};

    fn grants(database: &str) -> Desired {
        let rule = attributes([
            ("role", Value::Text(format!("{database}_app"))),
            ("schemas", list(&["s"])),
            ("schema", list(&["USAGE"])),
            ("tables", list(&["SELECT"])),
            ("future", Value::Bool(true)),
        ]);
        Desired {
            address: Address::new("database_grants", "x"),
            key: attributes([("server", Value::text(SERVER)), ("database", Value::text(database))]),
            attributes: Attributes::from([("grants".to_owned(), Value::List(vec![Value::Map(rule)]))]),
            after: BTreeSet::new(),
            place: None,
        }
    }

    #[tokio::test]
    async fn rules_and_what_the_old_role_may_besides() {
        let Some(server) = server() else { return };
        server.database("expl").await;
        let sql = "CREATE ROLE expl_owner; CREATE ROLE expl_old; CREATE ROLE expl_group; GRANT expl_group TO expl_old;
             CREATE SCHEMA s AUTHORIZATION expl_owner; SET ROLE expl_owner; CREATE TABLE s.a (i int); CREATE TABLE s.b (i int);
             GRANT USAGE ON SCHEMA s TO expl_old; GRANT SELECT, DELETE ON s.a TO expl_group;
             ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT INSERT ON TABLES TO expl_old; RESET ROLE";
        server.run("expl", sql).await;
        let live = with_databases(server.databases(&[SUPERUSER]));
        let old = BTreeSet::from(["expl_old".to_owned(), "nobody".to_owned()]);
        let GrantsExplained { ruled, compared } = explain_grants(&live, &grants("expl"), &old).await.unwrap();
        assert_eq!(ruled[0].path, "grants.0");
        let expected =
            ["USAGE on schema: s", "SELECT on 2 tables: s.a, s.b", "SELECT on tables that expl_owner will make in s"];
        assert_eq!(ruled[0].leads_to, expected);
        assert_eq!(compared.len(), 1, "a role that is not there is left out");
        assert_eq!(compared[0].gains, ["SELECT on table: s.b", "SELECT on tables that expl_owner will make in s"]);
        let lacks =
            ["DELETE on table: s.a", "INSERT on tables that expl_owner will make in s", "membership in expl_group"];
        assert_eq!(compared[0].lacks, lacks);

        let owner = BTreeSet::from(["expl_owner".to_owned()]);
        let beside = explain_grants(&live, &grants("expl"), &owner).await.unwrap().compared.remove(0);
        assert!(beside.gains.is_empty(), "{beside:?}");
        assert!(beside.lacks.contains(&"ALTER and DROP on 3 owned objects: s, s.a, s.b".to_owned()), "{beside:?}");
    }

    #[test]
    fn many_names_are_counted() {
        assert_eq!(some(["d", "c", "b", "a"].map(str::to_owned).to_vec()), "a, b, c and 1 more");
        assert!(Told::default().lines().is_empty());
    }
}
