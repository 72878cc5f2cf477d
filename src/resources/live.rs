//! The live system as the kinds see it.

use crate::postgres::Databases;

/// What kinds read from and write to.
pub struct Live {
    /// All databases of the plan file's servers.
    pub databases: Databases,
}
