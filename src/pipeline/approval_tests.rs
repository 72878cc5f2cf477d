//! Approvals that do not come: what becomes of a run that has written, and of one that has not.

use super::{Approve, Planned, Ran, approved};
use crate::model::{Class, Failure};

struct Interrupts(Class);

#[async_trait::async_trait]
impl Approve for Interrupts {
    async fn approve(&self, _: &Planned, _: usize) -> Result<bool, Failure> {
        Err(Failure::new(self.0, "stopped at the question"))
    }

    fn nothing(&self, _: &Planned) -> Result<(), Failure> {
        Ok(())
    }
}

#[tokio::test]
async fn a_question_that_is_not_answered_ends_a_run_that_has_written() {
    for (class, phase) in [(Class::Interrupted, 1), (Class::Input, 1), (Class::Interrupted, 0), (Class::Input, 0)] {
        let mut ran = Ran::default();
        let answer = approved(&Interrupts(class), &Planned::default(), phase, &mut ran).await;
        assert_eq!(answer.ok(), (phase > 0).then_some(false), "before anything was written it is a failure alone");
        assert_eq!(ran.interrupted, phase > 0 && class == Class::Interrupted);
        assert_eq!(ran.failed.len(), usize::from(phase > 0 && class == Class::Input));
    }
}
