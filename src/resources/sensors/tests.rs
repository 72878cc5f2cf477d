//! Tests of the sensors against a real server and the double of Azure.
