//! Places, and what became of their files.

use super::*;
