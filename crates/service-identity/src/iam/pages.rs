//! Long answers, in pages.
//!
//! Lives here: `Marker`, `MaxItems` and `IsTruncated` of every list.
//! Does not live here: what is listed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Request;
use crate::wire::{Fault, Node};

/// `MaxItems`: without a wish, and the most.
const ITEMS: usize = 100;
const ITEMS_MAX: usize = 1_000;

/// A page of items, each under the name by which they are sorted, as members of an answer. A marker names the last item of
/// the page before: what was added or removed meanwhile disturbs nothing.
pub(super) fn page(
    request: Request<'_>,
    list: &'static str,
    items: impl IntoIterator<Item = (String, Node)>,
) -> Result<Vec<(&'static str, Node)>, Fault> {
    let most = match request.form.text("MaxItems") {
        None => ITEMS,
        Some(text) => text
            .parse::<usize>()
            .ok()
            .filter(|most| (1..=ITEMS_MAX).contains(most))
            .ok_or_else(|| {
                Fault::invalid(format!(
                    "1 validation error detected: Value '{text}' at 'maxItems' failed to satisfy constraint: Member must \
                     have value between 1 and {ITEMS_MAX}"
                ))
            })?,
    };
    let after = request.form.text("Marker").map(read).transpose()?;
    let mut items = items
        .into_iter()
        .filter(|(name, _)| after.as_ref().is_none_or(|after| after < name));
    let mut last = None;
    let mut page = Vec::new();
    for (name, node) in items.by_ref().take(most) {
        last = Some(name);
        page.push(node);
    }
    let is_truncated = items.next().is_some();
    let mut answer = vec![
        ("IsTruncated", Node::text(is_truncated)),
        (list, Node::List(page)),
    ];
    if let Some(last) = last.filter(|_| is_truncated) {
        answer.push(("Marker", Node::Text(URL_SAFE_NO_PAD.encode(last))));
    }
    Ok(answer)
}

fn read(marker: &str) -> Result<String, Fault> {
    let bytes = URL_SAFE_NO_PAD.decode(marker).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Fault::invalid(format!("Invalid Marker: {marker}")))
}
