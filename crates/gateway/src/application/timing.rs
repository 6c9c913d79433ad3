//! `Server-Timing`: where a request's time went, on every response.
//!
//! Lives here: forming the header.
//! Does not live here: measuring the function's part (`invoker`).
//!
//! Contract: W3C, "Server Timing": durations are milliseconds.

use std::time::Duration;

use http::HeaderValue;
use interfaces::invoke::Timings;

use crate::replies::headers::value_of;

/// The header's value. `init` is there for cold starts alone, the function's parts when it replied.
pub(super) fn header(total: Duration, timings: Option<&Timings>) -> HeaderValue {
    let Some(timings) = timings else {
        return value_of(&format!("gateway;dur={}", milliseconds(total)));
    };
    let function = timings.queue + timings.init.unwrap_or_default() + timings.handler;
    let gateway = total.saturating_sub(function);
    let init = timings
        .init
        .map(|init| format!(", init;dur={}", milliseconds(init)))
        .unwrap_or_default();
    value_of(&format!(
        "gateway;dur={}, queue;dur={}{init}, handler;dur={}",
        milliseconds(gateway),
        milliseconds(timings.queue),
        milliseconds(timings.handler)
    ))
}

fn milliseconds(duration: Duration) -> String {
    let micros = duration.as_micros();
    format!("{}.{:03}", micros / 1_000, micros % 1_000)
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
