//! The running whole: builds the stages of a configuration, joins them and owns their tasks.

pub mod admin;
