//! One look at the catalog of a database: objects with their access control lists, default privileges, roles.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sqlx::postgres::PgRow;

use super::acl::{Acl, Grant};
use super::batch::{Parameter, Question};
use super::connect::Lease;
use super::entry::ObjectName;
use super::letters::LetterSet;
use super::privilege::ObjectType;
use super::role_state::{column, oid};
use super::roles::Roles;
use crate::model::{Class, Failure};

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Schemas by name; `None` is every schema but the system's.
    pub schemas: Option<Vec<String>>,
    /// Kinds of objects to answer whole; database and schemas always are. Of other kinds, large objects aside, only
    /// objects with an access control list of their own are answered.
    pub kinds: BTreeSet<ObjectType>,
    /// Only the objects with these oids.
    pub oids: Option<Vec<u32>>,
    /// Columns (schema, table, column) to answer though they have no list of their own.
    pub columns: BTreeSet<(String, String, String)>,
}

impl Wanted {
    fn question(&self) -> Question {
        let kinds: String = self.kinds.iter().map(|kind| kind.letter()).collect();
        let oids = |oids: &Vec<u32>| Parameter::Numbers(oids.iter().copied().map(i64::from).collect());
        let part = |of: fn(&(String, String, String)) -> &String| {
            Parameter::Texts(self.columns.iter().map(of).cloned().collect())
        };
        let parameters = vec![
            self.schemas.clone().map_or(Parameter::Null, Parameter::Texts),
            Parameter::Text(kinds),
            self.oids.as_ref().map_or(Parameter::Null, oids),
            part(|column| &column.0),
            part(|column| &column.1),
            part(|column| &column.2),
        ];
        Question { sql: include_str!("../../sql/database_grants/objects.sql"), parameters }
    }
}

/// One object.
#[derive(Clone, Debug)]
pub struct Object {
    /// How it is called.
    pub name: ObjectName,
    /// Its oid, unique within its kind; of a column the table's.
    pub oid: u32,
    /// Its owner's oid; of a column the table's.
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
#[derive(Clone, Copy, Debug, Default)]
struct Builtin {
    owner: LetterSet,
    public: LetterSet,
}

/// Roles as which nobody makes objects by hand: PostgreSQL's and Azure's own.
fn is_system(role: &str) -> bool {
    role.starts_with("pg_") || ["azure_pg_admin", "azuresu"].contains(&role)
}

impl Snapshot {
    /// Looks. One round trip with three queries, whatever the number of objects.
    pub async fn read(lease: &mut Lease, wanted: &Wanted) -> Result<Self, Failure> {
        let defaults = Question::plain(include_str!("../../sql/database_grants/defaults.sql"));
        let questions = [Roles::question(), defaults, wanted.question()];
        let mut snapshot = Self::default();
        let mut known: HashMap<String, Arc<Acl>> = HashMap::new();
        let take = |query: usize, row: &PgRow| match query {
            0 => snapshot.roles.take(row),
            1 => snapshot.take_default(row),
            _ => snapshot.take_object(row, &mut known),
        };
        lease.ask(&questions, "read the catalog", take).await?;
        snapshot.objects.sort_by(|a, b| key(a).cmp(&key(b)));
        Ok(snapshot)
    }

    fn take_default(&mut self, row: &PgRow) -> Result<(), Failure> {
        let (creator, schema): (Option<String>, Option<String>) = (column(row, "creator")?, column(row, "schema")?);
        let Some(kind) = ObjectType::from_letter(column(row, "kind")?) else { return Ok(()) };
        let acl = access_control(column(row, "acl")?)?;
        if let Some(creator) = creator {
            // Of what we have no words for (large objects, since PostgreSQL 18) nothing is planned either.
            if kind.plural().is_none() {
                return Ok(());
            }
            self.defaults.push(DefaultAcl { creator, schema, kind, acl });
        } else {
            let owner = acl.0.iter().find(|grant| !grant.grantee.is_empty());
            let owner = owner.map(|grant| grant.letters).unwrap_or_default();
            self.builtin.insert(kind, Builtin { owner, public: acl.letters("") });
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
                let acl = Arc::new(access_control(text)?);
                known.insert(text.to_owned(), Arc::clone(&acl));
                acl
            }),
        };
        let name = ObjectName {
            kind,
            schema: column(row, "schema")?,
            name: column(row, "name")?,
            inner: column(row, "inner_name")?,
        };
        let (oid, owner, extension) = (oid(row, "oid")?, oid(row, "owner")?, column(row, "extension")?);
        self.objects.push(Object { name, oid, owner, acl, extension });
        Ok(())
    }

    fn builtin(&self, kind: ObjectType) -> Builtin {
        self.builtin.get(&kind.base()).copied().unwrap_or_default()
    }

    /// Everything that an object's list gives, by grantee and grantor; the built-in one where it has none.
    pub fn grants(&self, object: &Object) -> Vec<Grant> {
        if let Some(acl) = &object.acl {
            return acl.0.clone();
        }
        let Builtin { owner, public } = self.builtin(object.name.kind);
        let name = self.roles.name(object.owner);
        let grant = |grantee: &str, letters| Grant {
            grantee: grantee.to_owned(),
            grantor: name.clone(),
            letters,
            options: LetterSet::default(),
        };
        [grant("", public), grant(&name, owner)].into_iter().filter(|grant| !grant.letters.is_empty()).collect()
    }

    /// The letters that a grantee (`PUBLIC` included) holds on an object itself, whoever granted them, built-in ones of
    /// the owner included.
    pub fn letters(&self, object: &Object, grantee: &str) -> LetterSet {
        let name = if grantee == "PUBLIC" { "" } else { grantee };
        match &object.acl {
            Some(acl) => acl.letters(name),
            None if name.is_empty() => self.builtin(object.name.kind).public,
            None if self.roles.known(object.owner) == Some(name) => self.builtin(object.name.kind).owner,
            None => LetterSet::default(),
        }
    }

    /// The letters that a grantee may grant to others by a grant option.
    pub fn options(&self, object: &Object, grantee: &str) -> LetterSet {
        object.acl.as_ref().map(|acl| acl.options(grantee)).unwrap_or_default()
    }

    /// What one grantor (`None`: the owner) gave to a grantee: letters and grant options.
    pub fn given(&self, object: &Object, grantee: &str, grantor: Option<&str>) -> (LetterSet, LetterSet) {
        let name = if grantee == "PUBLIC" { "" } else { grantee };
        match (&object.acl, grantor) {
            (Some(acl), Some(grantor)) => acl.given(name, grantor),
            (Some(acl), None) => acl.given(name, &self.roles.name(object.owner)),
            (None, None) => (self.letters(object, grantee), LetterSet::default()),
            (None, Some(_)) => Default::default(),
        }
    }

    /// The privileges that an owner has by birth: what ALL means on this server's version.
    pub fn all(&self, kind: ObjectType) -> LetterSet {
        self.builtin(kind).owner
    }

    /// The privileges that everybody has by birth.
    pub fn public(&self, kind: ObjectType) -> LetterSet {
        self.builtin(kind).public
    }

    /// Who makes objects in each schema: the owners of what is in it, parts of extensions aside, and the schema's owner.
    /// Nobody makes objects as one of PostgreSQL's or Azure's own roles; where `pg_database_owner` owns the schema it is
    /// the database's owner who does.
    pub fn creators(&self) -> BTreeMap<&str, BTreeSet<String>> {
        let mut creators: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        for object in self.objects.iter().filter(|object| !object.extension) {
            let schema = match object.name.kind.base() {
                ObjectType::Schema => &object.name.name,
                ObjectType::Table | ObjectType::Sequence | ObjectType::Function => &object.name.schema,
                _ => continue,
            };
            creators.entry(schema).or_default().insert(object.owner);
        }
        let database = self.objects.iter().find(|object| object.name.kind == ObjectType::Database);
        let name = |owner: u32| {
            let name = self.roles.known(owner)?;
            let name = match (name, database) {
                ("pg_database_owner", Some(database)) => self.roles.known(database.owner)?,
                _ => name,
            };
            (!is_system(name)).then(|| name.to_owned())
        };
        creators.into_iter().map(|(schema, owners)| (schema, owners.into_iter().filter_map(name).collect())).collect()
    }

    /// The row of default privileges of a creator inside one schema, or (`None`) anywhere.
    pub fn default_acl(&self, creator: &str, schema: Option<&str>, kind: ObjectType) -> Option<&Acl> {
        let kind = kind.base();
        let found = |row: &&DefaultAcl| row.creator == creator && row.schema.as_deref() == schema && row.kind == kind;
        self.defaults.iter().find(found).map(|row| &row.acl)
    }

    /// The letters and grant options that default privileges give: of one schema only its own row, anywhere the row of
    /// the creator or, without one, the built-in list.
    pub fn default_given(
        &self,
        creator: &str,
        schema: Option<&str>,
        kind: ObjectType,
        grantee: &str,
    ) -> (LetterSet, LetterSet) {
        let name = if grantee == "PUBLIC" { "" } else { grantee };
        match self.default_acl(creator, schema, kind) {
            Some(acl) => (acl.letters(name), acl.options(name)),
            None if schema.is_none() && name.is_empty() => (self.public(kind), LetterSet::default()),
            None if schema.is_none() && name == creator => (self.all(kind), LetterSet::default()),
            None => Default::default(),
        }
    }

    /// The object of a kind and oid; of a column besides its name.
    pub fn object(&self, kind: ObjectType, oid: u32, inner: &str) -> Option<&Object> {
        let inner = if kind == ObjectType::Column { inner } else { "" };
        let at = self.objects.binary_search_by(|object| key(object).cmp(&(kind, oid, inner))).ok()?;
        self.objects.get(at)
    }
}

/// What an object is found by.
fn key(object: &Object) -> (ObjectType, u32, &str) {
    let inner = if object.name.kind == ObjectType::Column { object.name.inner.as_str() } else { "" };
    (object.name.kind, object.oid, inner)
}

/// The access control list that a text of the catalog is.
pub(super) fn access_control(text: &str) -> Result<Acl, Failure> {
    Acl::parse(text).ok_or_else(|| {
        Failure::new(Class::Other, "cannot read an access control list")
            .remedy("run the same command again; if it stays so, report it as a bug")
            .detail(text)
    })
}

#[cfg(test)]
mod made;
#[cfg(test)]
mod tests;
