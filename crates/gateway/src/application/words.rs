//! What an API says in words of its own: its gateway responses, and the lines of its access log.
//!
//! Lives here: the facts of one request, handed to whoever writes.
//! Does not live here: the writing (`context`, `gateway_responses`).

use std::time::Duration;

use model::ids::AccountId;

use super::Trail;
use super::arrival::{Arrival, Head};
use super::finish::style;
use super::refusal::Refusal;
use crate::context::{Answered, Error, Facts, access_line};
use crate::gateway_responses::{Source, response_type};
use crate::http::{Response, ResponseBody};
use crate::replies::faults;
use crate::replies::headers::value_of;
use crate::routes::{Api, Located};

/// One request, as far as it has come.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) head: &'a Head,
    pub(super) arrival: &'a Arrival,
    pub(super) located: &'a Located<'a>,
    pub(super) account: &'a AccountId,
}

impl<'a> Asked<'a> {
    fn facts(self, api: &'a Api, trail: &'a Trail) -> Facts<'a> {
        let Self {
            head,
            arrival,
            located,
            account,
        } = self;
        Facts {
            api,
            hit: match located {
                Located::Route(hit) => Some(hit),
                Located::Preflight(_) | Located::Missing(_) => None,
            },
            account,
            caller: trail.caller.as_ref(),
            method: head.method.as_str(),
            path: head.path(),
            version: head.version,
            headers: &head.headers,
            source_ip: arrival.sender.source_ip,
            request_id: arrival.request_id.as_str(),
            extended_request_id: &arrival.extended_request_id,
            at: arrival.at,
            answered: None,
            error: trail.refused.as_ref().map(|refused| Error {
                response_type: response_type(refused.fault),
                message: refused.message(),
                validation: refused.validation.as_deref(),
            }),
        }
    }
}

/// The answer to a refused request, in its API's words.
pub(super) fn refused(asked: Asked<'_>, trail: &Trail, refusal: &Refusal) -> Response {
    let api = asked.located.api();
    let mut usual = faults::response(refusal.fault, style(api), refusal.said.as_deref());
    if let Some(challenge) = &refusal.challenge {
        usual = usual.with_header("www-authenticate", value_of(challenge));
    }
    let Some(api) = api else { return usual };
    let mut response = usual;
    let facts = asked.facts(api, trail);
    let source = Source {
        facts: &facts,
        query: asked.head.query(),
    };
    api.customs.apply(refusal.fault, &mut response, source);
    response
}

/// The line of the API's access log, when it keeps one.
pub(super) fn line(
    asked: Asked<'_>,
    trail: &Trail,
    response: &Response,
    latency: Duration,
) -> Option<String> {
    let api = asked.located.api()?;
    let format = api.access_log.as_ref()?;
    let facts = Facts {
        answered: Some(Answered {
            status: response.status.as_u16(),
            bytes: match &response.body {
                ResponseBody::Whole(bytes) => Some(bytes.len()),
                ResponseBody::Stream(_) | ResponseBody::Upgrade(_) => None,
            },
            latency,
            integration_latency: trail.timings.map(|timings| timings.handler),
        }),
        ..asked.facts(api, trail)
    };
    Some(access_line(format, &facts))
}
