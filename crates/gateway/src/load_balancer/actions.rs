//! What a load balancer answers without a function: redirects and fixed responses.
//!
//! Lives here: making them of a request.
//! Does not live here: errors (`pages`).
//!
//! Contract: User Guide for Application Load Balancers, "Redirect actions" and "Fixed-response actions".
//! Differs: a redirect to another listener of the same load balancer leads to where that is on this machine.

use http::{HeaderValue, StatusCode};
use model::load_balancer::FixedResponse;

use super::pages::{self, Refused};
use super::patterns::without_port;
use super::table::Leads;
use super::{Addresses, Arrived};
use crate::http::Response;

pub(super) fn redirected(
    leads: &Leads,
    addresses: &Addresses,
    arrived: &Arrived<'_>,
) -> Result<Response, Refused> {
    let redirect = &leads.redirect;
    let forwarded = &arrived.sender.forwarded;
    let request = arrived.request;
    let host = without_port(request.headers.text("host").unwrap_or_default());
    let query = request.query().unwrap_or_default();
    let kept = |text: &str| {
        text.replace("#{protocol}", forwarded.scheme.as_str())
            .replace("#{host}", host)
            .replace("#{port}", &forwarded.port)
            .replace("#{path}", arrived.path.trim_start_matches('/'))
            .replace("#{query}", query)
    };
    let here = leads.to.and_then(|number| addresses.ports.get(number));
    let (scheme, port) = match here {
        Some(port) => (addresses.scheme.as_str().to_owned(), port.to_string()),
        None => (
            kept(&redirect.protocol).to_ascii_lowercase(),
            kept(&redirect.port),
        ),
    };
    let mut location = format!(
        "{scheme}://{}:{port}{}",
        kept(&redirect.host),
        kept(&redirect.path)
    );
    let query = kept(&redirect.query);
    if !query.is_empty() {
        location.push('?');
        location.push_str(&query);
    }
    let Ok(value) = HeaderValue::from_str(&location) else {
        let reason = format!("`{location}` cannot stand in a header");
        return Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, reason));
    };
    let status = StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::FOUND);
    Ok(pages::page(status).with_header("Location", value))
}

pub(super) fn fixed(fixed: &FixedResponse) -> Response {
    let status = StatusCode::from_u16(fixed.status).unwrap_or(StatusCode::OK);
    let media_type = fixed.content_type.as_deref().unwrap_or("text/plain");
    let media_type = format!("{media_type}; charset=utf-8");
    let media_type = HeaderValue::from_str(&media_type);
    let response = Response::new(status, fixed.body.clone());
    match media_type {
        Ok(media_type) => response.with_header("Content-Type", media_type),
        Err(_) => response,
    }
}
