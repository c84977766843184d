//! See `model`.
