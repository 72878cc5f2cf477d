//! The ledger as it was verified: its entries, how each is vouched for, and what is wrong with it.

use serde::{Deserialize, Serialize};

use super::record::Record;

/// The end of the ledger as the journal keeps it: how long it was, and the hash of its last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many lines there are.
    pub count: u64,
    /// SHA-256 of the last one, in hex.
    pub hash: String,
}

/// How a record is vouched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Signed with a key that is at hand.
    Signed,
    /// Signed with a key that is not at hand.
    Unchecked,
    /// Not signed.
    Unsigned,
}

/// One line of the ledger that is what it was when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 0.
    pub seq: u64,
    /// Which line of the ledger it is, from 0.
    pub line: usize,
    /// What it says.
    pub record: Record,
    /// How it is vouched for.
    pub standing: Standing,
    /// Its hash, in hex.
    pub hash: String,
}

/// Something wrong with the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The first line (from 0) that is not touched by it: evidence can only start there.
    pub resume: usize,
    /// What is wrong.
    pub what: String,
}

/// A ledger that was gone through line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The lines that are what they were, in order.
    pub entries: Vec<Entry>,
    /// What is wrong with it, in order of the lines.
    pub faults: Vec<Fault>,
    /// Its end; `None` when it is empty.
    pub head: Option<Head>,
    /// How many lines it has.
    pub lines: usize,
}

impl Ledger {
    /// The entries after the last fault and the last break: the only ones that can be evidence.
    pub fn trusted(&self) -> &[Entry] {
        let resume = self.faults.iter().map(|fault| fault.resume).max().unwrap_or_default();
        let broken = self.entries.iter().filter(|entry| matches!(entry.record, Record::Break(_)));
        let resume = broken.map(|entry| entry.line + 1).fold(resume, usize::max);
        let at = self.entries.partition_point(|entry| entry.line < resume);
        self.entries.get(at..).unwrap_or_default()
    }

    /// The faults that no break record names yet.
    pub fn new_faults(&self) -> Vec<&Fault> {
        let broken = self.entries.iter().filter(|entry| matches!(entry.record, Record::Break(_)));
        let last = broken.map(|entry| entry.line).max();
        self.faults.iter().filter(|fault| last.is_none_or(|last| fault.resume > last)).collect()
    }

    /// What damage ended the evidence before [`Self::trusted`], if any did.
    pub fn damage(&self) -> Option<String> {
        let fault = self.faults.iter().max_by_key(|fault| fault.resume).map(|fault| fault.what.clone());
        let noted = self.entries.iter().rev().find_map(|entry| match &entry.record {
            Record::Break(found) => Some(found.faults.join("; ")),
            _ => None,
        });
        fault.or(noted)
    }
}
