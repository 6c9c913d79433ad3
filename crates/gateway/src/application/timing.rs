//! `Server-Timing`: where a request's time went, on every response.
//!
//! Lives here: forming the header.
//! Does not live here: measuring the function's part (`invoker`).
//!
//! Contract: W3C, "Server Timing": durations are milliseconds.

use std::time::Duration;

use http::HeaderValue;
use interfaces::invoke::Timings;
use model::digits;

use crate::replies::headers::value_of_own;

/// How long the header is, as a rule at most.
const HEADER_BYTES: usize = 80;

/// The header's value. `init` is there for cold starts alone, the function's parts when it replied.
pub(super) fn header(total: Duration, timings: Option<&Timings>) -> HeaderValue {
    let mut text = String::with_capacity(HEADER_BYTES);
    let mut add = |part: &str, duration: Duration| {
        text.push_str(part);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        digits::push(&mut text, micros / 1_000);
        text.push('.');
        digits::push_padded(&mut text, micros % 1_000, 3);
    };
    match timings {
        None => add("gateway;dur=", total),
        Some(timings) => {
            let function = timings.queue + timings.init.unwrap_or_default() + timings.handler;
            add("gateway;dur=", total.saturating_sub(function));
            add(", queue;dur=", timings.queue);
            if let Some(init) = timings.init {
                add(", init;dur=", init);
            }
            add(", handler;dur=", timings.handler);
        }
    }
    value_of_own(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_part_is_what_the_function_did_not_use() {
        let timings = Timings {
            queue: Duration::from_micros(500),
            init: Some(Duration::from_millis(20)),
            handler: Duration::from_micros(1_250),
        };
        assert_eq!(
            header(Duration::from_micros(22_000), Some(&timings)),
            "gateway;dur=0.250, queue;dur=0.500, init;dur=20.000, handler;dur=1.250"
        );
        let warm = Timings {
            init: None,
            ..timings
        };
        assert_eq!(
            header(Duration::from_micros(1_000), Some(&warm)),
            "gateway;dur=0.000, queue;dur=0.500, handler;dur=1.250"
        );
        assert_eq!(header(Duration::from_micros(90), None), "gateway;dur=0.090");
    }
}
