//! Cases of reading templates.
