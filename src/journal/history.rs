//! All runs of a store, oldest first: which is open, which undid which, and what may be undone. Pure.

use std::collections::BTreeSet;

use super::{Operation, Outcome, Run, Status, StepRun};
use crate::model::Address;

/// A run and its id.
#[derive(Clone, Debug, PartialEq)]
pub struct Dated {
    /// The id.
    pub id: String,
    /// What its journal tells.
    pub run: Run,
}

/// All runs, oldest first, without the steps that change nothing.
#[derive(Clone, Debug, Default)]
pub struct History(Vec<Dated>);

impl History {
    /// A history of `runs`, oldest first. Checks and gates, which `changes` answers false for, are left out.
    pub fn new(runs: Vec<Dated>, changes: &dyn Fn(&str) -> bool) -> Self {
        let kept = |mut dated: Dated| {
            dated.run.steps.retain(|step| changes(&step.step.address.kind));
            dated
        };
        Self(runs.into_iter().map(kept).collect())
    }

    /// The runs of one plan file, where several share a store.
    pub fn of_plan(self, plan: &str) -> Self {
        Self(self.0.into_iter().filter(|dated| dated.run.plan == plan).collect())
    }

    /// All runs, oldest first.
    pub fn runs(&self) -> &[Dated] {
        &self.0
    }

    /// The run of this id.
    pub fn get(&self, id: &str) -> Option<&Dated> {
        self.0.iter().find(|dated| dated.id == id)
    }

    /// The later run that undid `id` and that was not undone itself.
    pub fn undone_by(&self, id: &str) -> Option<&Dated> {
        self.rollbacks_of(id)
            .find(|dated| dated.run.outcome == Some(Outcome::Applied) && self.undone_by(&dated.id).is_none())
    }

    /// The steps of `id` that later runs undid and that nobody brought back since. What a rollback keeps is none of them.
    pub fn undone_steps(&self, id: &str) -> BTreeSet<String> {
        let whole = |dated: &&Dated| dated.run.outcome == Some(Outcome::Applied) && self.undone_by(&dated.id).is_none();
        let steps = self.rollbacks_of(id).filter(whole).flat_map(|dated| &dated.run.steps);
        steps.map(|step| step.step.id.clone()).collect()
    }

    /// The newest run of which something was kept when it was undone.
    pub fn newest_kept(&self) -> Option<&Dated> {
        let kept = |dated: &&Dated| dated.run.operation == Operation::Apply && self.keeps(dated);
        self.0.iter().rev().find(kept)
    }

    /// Whether something of a run is still there, be it only because it was kept when the run was undone.
    pub fn keeps(&self, dated: &Dated) -> bool {
        let undone = self.undone_steps(&dated.id);
        dated.run.steps.iter().any(|step| step.stands() && !undone.contains(&step.step.id))
    }

    fn rollbacks_of(&self, id: &str) -> impl DoubleEndedIterator<Item = &Dated> {
        let of = move |dated: &&Dated| matches!(&dated.run.operation, Operation::Rollback { run } if run == id);
        self.after(id).iter().filter(of)
    }

    fn after(&self, id: &str) -> &[Dated] {
        let at = self.0.iter().position(|dated| dated.id == id).map_or(self.0.len(), |at| at + 1);
        &self.0[at..]
    }

    /// The run that has no end, or one that can be taken up again; the newest, if several.
    pub fn open(&self) -> Option<&Dated> {
        self.0.iter().rev().find(|dated| self.goes_on(dated))
    }

    /// Whether a run can be taken up again. One that has written nothing leaves nothing to finish; and one that a rollback
    /// has begun to undo would go on over what is no longer there.
    pub fn goes_on(&self, dated: &Dated) -> bool {
        is_open(&dated.run) && wrote(&dated.run) && !self.touched(&dated.id)
    }

    /// Whether a rollback has undone something of a run that nobody brought back since, wherever it got to.
    fn touched(&self, id: &str) -> bool {
        let undid = |dated: &Dated| wrote(&dated.run) || dated.run.outcome == Some(Outcome::Applied);
        self.rollbacks_of(id).any(|dated| undid(dated) && self.undone_by(&dated.id).is_none())
    }

    /// The rollback of `id` that has not come to its end.
    pub fn open_rollback_of(&self, id: &str) -> Option<&Dated> {
        self.rollbacks_of(id).rev().find(|dated| is_open(&dated.run) && wrote(&dated.run))
    }

    /// Whether a run has done something that was not undone since, by itself or by another run.
    pub fn stands(&self, dated: &Dated) -> bool {
        dated.run.steps.iter().any(|step| step.stands() && step.status != Status::Kept)
            && self.undone_by(&dated.id).is_none()
    }

    /// The newest run that can be undone: not a rollback, and something of it stands.
    pub fn newest(&self) -> Option<&Dated> {
        self.0.iter().rev().find(|dated| dated.run.operation == Operation::Apply && self.stands(dated))
    }

    /// The runs from the newest back to `id` of which something stands.
    pub fn back_to(&self, id: &str) -> Vec<&Dated> {
        let from = self.0.iter().position(|dated| dated.id == id).unwrap_or(self.0.len());
        let applies = self.0[from..].iter().rev().filter(|dated| dated.run.operation == Operation::Apply);
        applies.filter(|dated| self.stands(dated)).collect()
    }

    /// A later run whose standing steps are about what `id` changed, or lean on it.
    pub fn leaning_on(&self, id: &str) -> Option<&Dated> {
        let target = self.get(id)?;
        let ours: BTreeSet<&Address> =
            target.run.steps.iter().filter(|step| step.stands()).map(|step| &step.step.address).collect();
        let mut later = self.after(id).iter();
        later.find(|dated| {
            let leans = |address: &Address| {
                ours.contains(address)
                    || dated.run.leans.get(address).is_some_and(|on| on.iter().any(|on| ours.contains(on)))
            };
            let of_its_own = dated.run.operation == Operation::Apply && self.stands(dated);
            of_its_own && dated.run.steps.iter().filter(|step| step.stands()).any(|step| leans(&step.step.address))
        })
    }
}

fn wrote(run: &Run) -> bool {
    run.steps.iter().any(StepRun::stands)
}

fn is_open(run: &Run) -> bool {
    matches!(run.outcome, None | Some(Outcome::Stopped))
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
