//! Replies: from what a function returned, or from a fault, to what the client is sent.
//!
//! Lives here: both reply formats, header rules, the cloud's words for faults.
//! Does not live here: events (`events`), CORS headers (`cors`).

pub(crate) mod faults;
pub(crate) mod headers;
mod load_balancer;
pub(crate) mod stream;
mod url_faults;
mod v1;
mod v2;
mod wire;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use crate::http::Response;
use crate::routes::Payload;

pub(crate) use load_balancer::balanced;
pub(crate) use v1::Accepts;
pub(crate) use wire::{BadReply, shorten};

/// Padding is welcome and not required, as with the decoders of most languages.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The response that a function's return value stands for.
pub(crate) fn read(
    payload: Payload,
    returned: &Bytes,
    accepts: Accepts,
) -> Result<Response, BadReply> {
    match payload {
        Payload::Rest => v1::rest(returned, accepts),
        Payload::HttpV1 => v1::http(returned),
        Payload::HttpV2 => v2::read(returned, v2::By::HttpApi),
    }
}

/// The same, of a function URL.
pub(crate) fn of_url(returned: &Bytes) -> Result<Response, BadReply> {
    v2::read(returned, v2::By::FunctionUrl)
}

/// The bytes of a text that may be a part of what the function returned: then nothing is copied.
fn body_bytes(returned: &Bytes, text: Cow<'_, str>) -> Bytes {
    match text {
        Cow::Borrowed("") => Bytes::new(),
        Cow::Borrowed(part) if is_inside(returned, part) => returned.slice_ref(part.as_bytes()),
        Cow::Borrowed(part) => Bytes::copy_from_slice(part.as_bytes()),
        Cow::Owned(text) => Bytes::from(text),
    }
}

fn is_inside(whole: &Bytes, part: &str) -> bool {
    whole.as_ptr_range().start <= part.as_ptr()
        && part.as_bytes().as_ptr_range().end <= whole.as_ptr_range().end
}

fn decode_base64(text: &str) -> Result<Bytes, BadReply> {
    BASE64
        .decode(text)
        .map(Bytes::from)
        .map_err(|_| BadReply::Base64)
}
