//! What archives and replays are listed by.
//!
//! Lives here: reading the filters and the page of `ListArchives` and `ListReplays`, which name them alike.
//! Does not live here: what a row shows (`archives`, `replays`), pages of other listings.

use serde_json::Value;

use crate::fault::Fault;
use crate::fields::{ARN, Fields, Text, page};

const PAGE_MAX: i64 = 100;
const STATE: Text = Text::long(1, 32);

/// What a request lists.
pub(super) struct Listing {
    prefix: Option<String>,
    /// The source that all that is listed has.
    pub(super) source: Option<String>,
    state: Option<String>,
    limit: usize,
    after: Option<String>,
}

impl Listing {
    /// Reads the members of a request, of which there are no others.
    pub(super) fn read(operation: &str, name: &Text, mut fields: Fields) -> Result<Self, Fault> {
        let prefix = fields.text("NamePrefix", name);
        let source = fields.text("EventSourceArn", &ARN);
        let state = fields.text("State", &STATE);
        let limit = fields.whole("Limit", 1, PAGE_MAX).unwrap_or(PAGE_MAX);
        let after = fields.take("NextToken");
        fields.finish()?;
        let filters = [&prefix, &source, &state];
        if 1 < filters.into_iter().flatten().count() {
            return Err(Fault::validation(format!(
                "At most one filter is allowed for {operation}. Use either : State, EventSourceArn, or NamePrefix."
            )));
        }
        Ok(Self {
            prefix,
            source,
            state,
            limit: usize::try_from(limit).unwrap_or(1),
            after: after.as_ref().and_then(Value::as_str).map(str::to_owned),
        })
    }

    /// Whether this is listed.
    pub(super) fn takes(&self, name: &str, source: &str, state: &str) -> bool {
        let is = |wanted: &Option<String>, value| wanted.as_ref().is_none_or(|it| it == value);
        let prefix = self.prefix.as_ref();
        prefix.is_none_or(|prefix| name.starts_with(prefix))
            && is(&self.source, source)
            && is(&self.state, state)
    }

    /// The page of what is listed, and what the next one begins with.
    pub(super) fn page<T>(
        &self,
        rows: impl Iterator<Item = (String, T)>,
    ) -> (Vec<T>, Option<String>) {
        page(rows, self.after.as_deref(), self.limit)
    }
}
