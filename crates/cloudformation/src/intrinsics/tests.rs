//! Cases of evaluating.
