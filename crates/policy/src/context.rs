//! What is known of a request, by condition keys.
//!
//! Lives here: keys without regard to case, with one value or several.
//! Does not live here: which keys a service sets (the service).

use std::collections::BTreeMap;

/// The condition keys of a request, as `aws:SourceIp`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context {
    values: BTreeMap<String, Vec<String>>,
}

impl Context {
    /// Sets the only value of a key.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.set_all(key, vec![value.into()]);
    }

    /// Sets all values of a key that has several; without any the key is there, and empty.
    pub fn set_all(&mut self, key: &str, values: Vec<String>) {
        self.values.insert(key.to_ascii_lowercase(), values);
    }

    /// Takes over the keys of another that are not set here.
    pub fn add(&mut self, other: &Self) {
        for (key, values) in &other.values {
            if !self.values.contains_key(key) {
                self.values.insert(key.clone(), values.clone());
            }
        }
    }

    /// The values of a key in lower case; none when it is not there.
    pub(crate) fn values(&self, key: &str) -> Option<&[String]> {
        self.values.get(key).map(Vec::as_slice)
    }

    /// The value of a key in lower case that has one alone.
    #[must_use]
    pub fn only(&self, key: &str) -> Option<&str> {
        match self.values(key)? {
            [value] => Some(value),
            _ => None,
        }
    }
}
