//! What is bounded.

use super::*;
