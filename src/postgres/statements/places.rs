//! The statements that make and drop schemas, and hand schemas and databases over.

use crate::postgres::quote::quote_ident;

use super::Script;

/// Makes a schema, for an owner or for whoever runs this.
pub fn create_schema(name: &str, owner: Option<&str>) -> Script {
    let owner = owner.map(|owner| format!(" AUTHORIZATION {}", quote_ident(owner))).unwrap_or_default();
    Script(vec![format!("CREATE SCHEMA {}{owner}", quote_ident(name))])
}

/// Hands a schema over.
pub fn own_schema(name: &str, owner: &str) -> Script {
    Script(vec![format!("ALTER SCHEMA {} OWNER TO {}", quote_ident(name), quote_ident(owner))])
}

/// Drops a schema. PostgreSQL refuses while it holds anything.
pub fn drop_schema(name: &str) -> Script {
    Script(vec![format!("DROP SCHEMA {} RESTRICT", quote_ident(name))])
}

/// Hands a database over.
pub fn own_database(name: &str, owner: &str) -> Script {
    Script(vec![format!("ALTER DATABASE {} OWNER TO {}", quote_ident(name), quote_ident(owner))])
}
