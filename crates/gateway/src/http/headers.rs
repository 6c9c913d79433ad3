//! The headers of a request: names as sent, in order, repeats kept.
//!
//! Lives here: the list and its lookups.
//! Does not live here: reading headers from the wire (`head`).

use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers as sent. Looking up ignores case; iterating shows the sender's.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    /// All names in one allocation, one after another.
    names: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    name: Range<usize>,
    value: HeaderValue,
}

impl Headers {
    /// No headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No headers yet, with room for so many.
    #[must_use]
    pub fn with_capacity(headers: usize, name_bytes: usize) -> Self {
        Self {
            names: String::with_capacity(name_bytes),
            entries: Vec::with_capacity(headers),
        }
    }

    /// Adds a header behind the others; one of the same name stays.
    pub fn push(&mut self, name: &str, value: HeaderValue) {
        let start = self.names.len();
        self.names.push_str(name);
        self.entries.push(Entry {
            name: start..self.names.len(),
            value,
        });
    }

    /// The first value of this name, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&HeaderValue> {
        self.iter()
            .find(|(sent, _)| sent.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The first value of this name, where it is visible ASCII.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.to_str().ok()
    }

    /// All values of this name, in any case, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a HeaderValue> + 'a {
        self.iter()
            .filter(move |(sent, _)| sent.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Whether there is a header of this name, in any case.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names as sent, and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.entries.iter().map(|entry| {
            let name = self.names.get(entry.name.clone()).unwrap_or_default();
            (name, &entry.value)
        })
    }

    /// How many there are, repeats counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The same headers with names in lower case, for code that does not care about their case.
    #[must_use]
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.len());
        for (name, value) in self.iter() {
            // Names from the wire are tokens, so this drops nothing that came from a request.
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                map.append(name, value.clone());
            }
        }
        map
    }

    /// Replaces all values of this name by one, in the place of the first.
    pub(super) fn replace(&mut self, name: &str, value: HeaderValue) {
        let mut kept = Self::with_capacity(self.len(), self.names.len());
        let mut fresh = Some(value);
        for (sent, old) in self.iter() {
            if !sent.eq_ignore_ascii_case(name) {
                kept.push(sent, old.clone());
            } else if let Some(value) = fresh.take() {
                kept.push(sent, value);
            }
        }
        if let Some(value) = fresh {
            kept.push(name, value);
        }
        *self = kept;
    }
}

impl<'a> FromIterator<(&'a str, HeaderValue)> for Headers {
    fn from_iter<T: IntoIterator<Item = (&'a str, HeaderValue)>>(headers: T) -> Self {
        let mut list = Self::new();
        for (name, value) in headers {
            list.push(name, value);
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Headers {
        [("X-One", "1"), ("x-two", "2"), ("X-ONE", "3")]
            .into_iter()
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect()
    }

    fn shown(headers: &Headers) -> Vec<(String, String)> {
        headers
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_str().unwrap().to_owned()))
            .collect()
    }

    #[test]
    fn names_are_found_in_any_case_and_shown_as_sent() {
        let headers = list();
        assert_eq!(headers.text("x-one"), Some("1"));
        assert_eq!(headers.get_all("X-one").count(), 2);
        assert_eq!(headers.iter().next().map(|(name, _)| name), Some("X-One"));
        assert_eq!(headers.to_map().get_all("x-one").iter().count(), 2);
        assert!(!headers.contains("x-three"));
    }

    #[test]
    fn replacing_leaves_one_value_in_the_place_of_the_first() {
        let mut headers = list();
        headers.replace("x-one", HeaderValue::from_static("9"));
        assert_eq!(
            shown(&headers),
            [("X-One", "9"), ("x-two", "2")].map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
    }
}
