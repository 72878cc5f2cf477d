//! Every row of drift is noticed at the level of the object.
