//! Tests of the comparison of desired and observed.
