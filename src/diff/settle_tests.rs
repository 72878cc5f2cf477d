//! Tests of the rule that settles a step.
