//! One look at the catalog of a database: objects with their access control lists, default privileges, roles.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sqlx::postgres::PgRow;

use super::acl::Acl;
use super::batch::{Parameter, Question};
use super::connect::Lease;
use super::entry::ObjectName;
use super::privilege::ObjectType;
use super::role_state::{column, oid};
use crate::model::{Class, Failure};

const ROLES: &str = include_str!("../../sql/database_grants/roles.sql");
const DEFAULTS: &str = include_str!("../../sql/database_grants/defaults.sql");
const OBJECTS: &str = include_str!("../../sql/database_grants/objects.sql");

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Schemas by name; `None` is every schema but the system's.
    pub schemas: Option<Vec<String>>,
    /// Kinds of objects inside the schemas; database and schemas are always answered.
    pub kinds: BTreeSet<ObjectType>,
    /// Only the objects with these oids.
    pub oids: Option<Vec<u32>>,
}

/// One object.
#[derive(Clone, Debug)]
pub struct Object {
    /// How it is called.
    pub name: ObjectName,
    /// Its oid, unique within its kind.
    pub oid: u32,
    /// Its owner's oid.
    pub owner: u32,
    /// Its access control list; `None` is the built-in one of its owner. Equal lists are shared.
    pub acl: Option<Arc<Acl>>,
    /// Whether it is part of an extension.
    pub extension: bool,
}

/// A row of `pg_default_acl`.
#[derive(Clone, Debug)]
pub struct DefaultAcl {
    /// The role whose objects get it.
    pub creator: String,
    /// The schema in which they do; `None` is everywhere.
    pub schema: Option<String>,
    /// Which kind of objects.
    pub kind: ObjectType,
    /// What they get.
    pub acl: Acl,
}

/// What the role that is signed in may do in another's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// It has the other's rights.
    Direct,
    /// It may become the other (`SET ROLE`).
    Become,
    /// Neither.
    None,
}

/// All roles of the server, seen from the one that is signed in.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    by_oid: HashMap<u32, String>,
    powers: BTreeMap<String, Power>,
}

impl Roles {
    /// Reads them.
    pub async fn read(lease: &mut Lease) -> Result<Self, Failure> {
        let mut roles = Self::default();
        lease.ask(&[Question::plain(ROLES)], "read the roles", |_, row| roles.take(row)).await?;
        Ok(roles)
    }

    fn take(&mut self, row: &PgRow) -> Result<(), Failure> {
        let name: String = column(row, "name")?;
        let power = match (column(row, "usage")?, column(row, "set")?) {
            (true, _) => Power::Direct,
            (false, true) => Power::Become,
            (false, false) => Power::None,
        };
        self.by_oid.insert(oid(row, "oid")?, name.clone());
        self.powers.insert(name, power);
        Ok(())
    }

    /// The name of a role, or its oid in words when it was dropped.
    pub fn name(&self, oid: u32) -> String {
        self.by_oid.get(&oid).cloned().unwrap_or_else(|| format!("unknown (OID={oid})"))
    }

    /// Whether there is a role of this name.
    pub fn has(&self, name: &str) -> bool {
        self.powers.contains_key(name)
    }

    /// What the role that is signed in may do in this one's name.
    pub fn power(&self, name: &str) -> Power {
        self.powers.get(name).copied().unwrap_or(Power::None)
    }
}

/// What one look at a database found.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The database, schemas and the objects inside, as asked for.
    pub objects: Vec<Object>,
    /// All default privileges.
    pub defaults: Vec<DefaultAcl>,
    /// All roles.
    pub roles: Roles,
    builtin: BTreeMap<ObjectType, Builtin>,
}

/// What an object without an access control list gives, by this server's version.
#[derive(Clone, Debug, Default)]
struct Builtin {
    owner: String,
    public: String,
}

impl Snapshot {
    /// Looks. One round trip with three queries, whatever the number of objects.
    pub async fn read(lease: &mut Lease, wanted: &Wanted) -> Result<Self, Failure> {
        let questions = [Question::plain(ROLES), Question::plain(DEFAULTS), objects(wanted)];
        let mut snapshot = Self::default();
        let mut known: HashMap<String, Arc<Acl>> = HashMap::new();
        let take = |query: usize, row: &PgRow| match query {
            0 => snapshot.roles.take(row),
            1 => snapshot.take_default(row),
            _ => snapshot.take_object(row, &mut known),
        };
        lease.ask(&questions, "read the catalog", take).await?;
        snapshot.objects.sort_by_key(|object| (object.name.kind, object.oid));
        Ok(snapshot)
    }

    fn take_default(&mut self, row: &PgRow) -> Result<(), Failure> {
        let (creator, schema): (Option<String>, Option<String>) = (column(row, "creator")?, column(row, "schema")?);
        let (kind, acl): (String, String) = (column(row, "kind")?, column(row, "acl")?);
        let Some(kind) = ObjectType::from_letter(&kind) else { return Ok(()) };
        let acl = parse(&acl)?;
        if let Some(creator) = creator {
            self.defaults.push(DefaultAcl { creator, schema, kind, acl });
        } else {
            let owner = acl.0.iter().find(|(name, _)| !name.is_empty());
            let owner = owner.map(|(_, held)| held.letters.clone()).unwrap_or_default();
            self.builtin.insert(kind, Builtin { owner, public: acl.letters("").to_owned() });
        }
        Ok(())
    }

    fn take_object(&mut self, row: &PgRow, known: &mut HashMap<String, Arc<Acl>>) -> Result<(), Failure> {
        let Some(kind) = ObjectType::from_letter(column(row, "kind")?) else { return Ok(()) };
        let acl = match column::<Option<&str>>(row, "acl")? {
            None => None,
            Some(text) => Some(if let Some(acl) = known.get(text) {
                Arc::clone(acl)
            } else {
                let acl = Arc::new(parse(text)?);
                known.insert(text.to_owned(), Arc::clone(&acl));
                acl
            }),
        };
        let name = ObjectName {
            kind,
            schema: column(row, "schema")?,
            name: column(row, "name")?,
            arguments: column(row, "arguments")?,
        };
        let (oid, owner, extension) = (oid(row, "oid")?, oid(row, "owner")?, column(row, "extension")?);
        self.objects.push(Object { name, oid, owner, acl, extension });
        Ok(())
    }

    /// The letters that a grantee (`PUBLIC` included) holds on an object itself, built-in ones of the owner included.
    pub fn letters<'a>(&'a self, object: &'a Object, grantee: &str) -> &'a str {
        let name = if grantee == "PUBLIC" { "" } else { grantee };
        match (&object.acl, self.builtin.get(&object.name.kind)) {
            (Some(acl), _) => acl.letters(name),
            (None, Some(builtin)) if name.is_empty() => &builtin.public,
            (None, Some(builtin)) if self.roles.name(object.owner) == name => &builtin.owner,
            (None, _) => "",
        }
    }

    /// The letters that a grantee may grant to others by a grant option.
    pub fn options<'a>(&self, object: &'a Object, grantee: &str) -> &'a str {
        object.acl.as_ref().map_or("", |acl| acl.options(grantee))
    }

    /// The privileges that an owner has by birth: what ALL means on this server's version.
    pub fn all(&self, kind: ObjectType) -> &str {
        self.builtin.get(&kind).map_or("", |builtin| builtin.owner.as_str())
    }

    /// The privileges that everybody has by birth.
    pub fn public(&self, kind: ObjectType) -> &str {
        self.builtin.get(&kind).map_or("", |builtin| builtin.public.as_str())
    }

    /// Who makes objects in each schema: the owners of what is in it, parts of extensions aside, and the schema's owner.
    /// Nobody makes objects as one of PostgreSQL's or Azure's own roles; where `pg_database_owner` owns the schema it is
    /// the database's owner who does.
    pub fn creators(&self) -> BTreeMap<&str, BTreeSet<String>> {
        let mut creators: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        for object in self.objects.iter().filter(|object| !object.extension) {
            let schema = match object.name.kind {
                ObjectType::Schema => &object.name.name,
                ObjectType::Table | ObjectType::Sequence | ObjectType::Function => &object.name.schema,
                ObjectType::Database | ObjectType::Type => continue,
            };
            creators.entry(schema).or_default().insert(object.owner);
        }
        let database = self.objects.iter().find(|object| object.name.kind == ObjectType::Database);
        let name = |owner: u32| {
            let name = self.roles.name(owner);
            let name = match (name.as_str(), database) {
                ("pg_database_owner", Some(database)) => self.roles.name(database.owner),
                _ => name,
            };
            let own = name.starts_with("pg_") || ["azure_pg_admin", "azuresu"].contains(&name.as_str());
            (!own).then_some(name)
        };
        creators.into_iter().map(|(schema, owners)| (schema, owners.into_iter().filter_map(name).collect())).collect()
    }

    /// The row of default privileges of a creator inside one schema.
    pub fn default_acl(&self, creator: &str, schema: &str, kind: ObjectType) -> Option<&Acl> {
        let found =
            |row: &&DefaultAcl| row.creator == creator && row.schema.as_deref() == Some(schema) && row.kind == kind;
        self.defaults.iter().find(found).map(|row| &row.acl)
    }

    /// The object of a kind and oid.
    pub fn object(&self, kind: ObjectType, oid: u32) -> Option<&Object> {
        let at = self.objects.binary_search_by(|object| (object.name.kind, object.oid).cmp(&(kind, oid))).ok()?;
        self.objects.get(at)
    }
}

fn objects(wanted: &Wanted) -> Question {
    let kinds: String = wanted.kinds.iter().map(|kind| kind.letter()).collect();
    let oids = |oids: &Vec<u32>| Parameter::Numbers(oids.iter().copied().map(i64::from).collect());
    let parameters = vec![
        wanted.schemas.clone().map_or(Parameter::Null, Parameter::Texts),
        Parameter::Text(kinds),
        wanted.oids.as_ref().map_or(Parameter::Null, oids),
    ];
    Question { sql: OBJECTS, parameters }
}

fn parse(text: &str) -> Result<Acl, Failure> {
    Acl::parse(text).ok_or_else(|| Failure::new(Class::Other, "cannot read an access control list").detail(text))
}

/// The objects, of those whose owner's rights the session lacks, that it may grant on all the same, by grant options.
/// `asked` holds the letters to grant per object.
pub async fn grantable(
    lease: &mut Lease,
    asked: &BTreeMap<(ObjectType, u32), String>,
) -> Result<BTreeSet<(ObjectType, u32)>, Failure> {
    let (mut kinds, mut oids, mut words): (Vec<String>, Vec<i64>, Vec<&str>) = Default::default();
    for ((kind, oid), letters) in asked {
        for (_, word) in kind.privileges().iter().filter(|(letter, _)| letters.contains(*letter)) {
            kinds.push(kind.letter().to_string());
            oids.push(i64::from(*oid));
            words.push(word);
        }
    }
    let query = sqlx::query(include_str!("../../sql/database_grants/grantable.sql")).bind(kinds).bind(oids).bind(words);
    let mut found = BTreeSet::new();
    for row in &lease.rows(query, "see who may grant").await? {
        if let (Some(kind), Some(true)) =
            (ObjectType::from_letter(&column::<String>(row, "kind")?), column(row, "may")?)
        {
            found.insert((kind, oid(row, "oid")?));
        }
    }
    Ok(found)
}
