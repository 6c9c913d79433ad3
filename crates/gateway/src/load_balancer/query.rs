//! The query string of a request, as load balancers see it: nothing is decoded.
//!
//! Lives here: its pairs.
//! Does not live here: query strings of APIs, which are decoded (`events::query`).

/// Names with their values, as sent. A name without `=` has an empty value.
pub(crate) fn pairs(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.unwrap_or_default().split('&');
    pairs
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}
