//! Reading the parameters of a call.
//!
//! Lives here: parameters from the query and the body, required ones, maps and tags.
//! Does not live here: the encoding (`aws_wire::query`), what a parameter means (each operation).

use aws_wire::query::Form;
use interfaces::service::ServiceCall;

use crate::refusal::Refusal;

/// The parameters of a call: SDKs put them into the body, addresses into the query.
pub(crate) fn of_call(call: &ServiceCall) -> Form {
    let query = call.path_and_query.split_once('?').map(|(_, query)| query);
    let body = std::str::from_utf8(&call.body).unwrap_or_default();
    match query {
        None => Form::parse(body),
        Some(query) if body.is_empty() => Form::parse(query),
        Some(query) => Form::parse(&format!("{query}&{body}")),
    }
}

/// A parameter that must be there.
pub(crate) fn required<'f>(form: &'f Form, name: &str) -> Result<&'f str, Refusal> {
    form.text(name).ok_or_else(|| {
        Refusal::parameter(format!("{name} Reason: no value for required parameter"))
    })
}

/// The pairs of a map from names to texts.
pub(crate) fn attributes(form: &Form, name: &str) -> Vec<(String, String)> {
    form.map(name, "key", "value")
}

/// Tags: keys and values.
pub(crate) fn tags(form: &Form, name: &str) -> Result<Vec<(String, String)>, Refusal> {
    let read = |tag: &Form| {
        let text = |name: &str| tag.text(name).unwrap_or_default().to_owned();
        (text("Key"), text("Value"))
    };
    let tags: Vec<(String, String)> = form.list(name).into_iter().map(read).collect();
    let is_repeated = |(index, (key, _)): (usize, &(String, String))| {
        tags.iter().take(index).any(|(other, _)| other == key)
    };
    if tags.iter().enumerate().any(is_repeated) {
        return Err(Refusal::parameter("Duplicated keys are not allowed."));
    }
    Ok(tags)
}
