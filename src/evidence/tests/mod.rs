//! Tests of the evidence room: the chain, the window, the gate, and generated histories against a slow oracle.
