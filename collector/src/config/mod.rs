//! One file of text → a complete, checked [`Config`], or everything that is wrong with it at once.
//!
//! `yaml` reads text into a `tree` that knows its places; `interpolate` fills in the environment; `structure` checks it
//! against the schema made from the types in [`mod@file`] and reads it into them; `check` looks at how fields fit together.
//! Does not touch what the settings name: no file, socket or broker is opened here.

mod check;
mod emit;
pub mod file;
mod interpolate;
mod load;
mod problem;
pub mod reference;
mod schema;
mod secret;
mod structure;
mod suggest;
mod tree;
mod units;
mod yaml;

pub use check::{Config, Identity, Sink, Tail};
pub use interpolate::Environment;
pub use load::Error;
pub use problem::{Position, Problem, Problems};
use schema::schema;
pub use secret::Secret;
pub use units::{Interval, InvalidInterval, InvalidSize, Size};

#[cfg(test)]
mod tests;
