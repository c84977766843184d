//! Tests of the whole that need no privileges and no network.
