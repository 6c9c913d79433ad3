//! What the client sees of the other server's answer.
//!
//! Lives here: headers that are handed back, and the changes that an HTTP API makes.
//! Does not live here: which headers are renamed or dropped (`replies::headers`), framing (`http`).

use http::{HeaderValue, StatusCode};

use super::mapping::{Act, Part};
use super::{Proxy, Style};
use crate::events::Exchange;
use crate::http::upstream::Answered;
use crate::http::{Response, ResponseBody};
use crate::replies::headers;

/// The client's response.
pub(super) fn of(proxy: &Proxy, exchange: &Exchange<'_>, answered: Answered) -> Response {
    let mut response = Response {
        status: answered.status,
        headers: Vec::with_capacity(answered.headers.len() + 4),
        body: ResponseBody::Whole(answered.body.clone()),
    };
    let changes = proxy.response.get(&answered.status.as_u16());
    let changes = changes.map(Vec::as_slice).unwrap_or_default();
    // Values come from the answer as it was, whatever other changes take away.
    let changed: Vec<_> = changes
        .iter()
        .map(|change| {
            (
                change,
                change.values(proxy.style, exchange, Some(&answered)),
            )
        })
        .collect();
    for (name, value) in answered.headers {
        let kept = match proxy.style {
            Style::Rest => headers::proxied_rest(name, value),
            Style::Http => headers::proxied_http(name, value),
        };
        response.headers.extend(kept);
    }
    for (change, values) in changed {
        match &change.of {
            Part::Header(name) => {
                if change.act != Act::Append {
                    response
                        .headers
                        .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
                }
                let set = values.into_iter().filter(|_| change.act != Act::Remove);
                for value in set {
                    if let Ok(value) = HeaderValue::from_str(&value) {
                        response.headers.push((name.to_ascii_lowercase(), value));
                    }
                }
            }
            Part::Status => {
                let status = values.first().and_then(|value| value.parse().ok());
                let status = status.and_then(|status| StatusCode::from_u16(status).ok());
                let status = status.filter(|status| !status.is_informational());
                response.status = status.unwrap_or(response.status);
            }
            Part::Query(_) | Part::Variable(_) | Part::WholePath => {}
        }
    }
    response
}
