//! Rates, as stages and usage plans write them down.
//!
//! Lives here: a steady rate and a burst from their two properties.
//! Does not live here: which limit applies to what (`keys`, `rest`, `http`), counting (`gateway`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Throttle requests to your REST APIs": what a limit leaves unsaid is the
//! account's.

use model::door::Rate;
use model::limits::{GATEWAY_ACCOUNT_BURST, GATEWAY_ACCOUNT_RATE};
use serde_json::Value;

use crate::records::text_of;

/// The rate in these two members; none: neither is said.
///
/// A negative number says nothing: a tool writes `-1` for "no limit of its own".
pub(super) fn rate_in<'a>(
    said: impl Fn(&str) -> Option<&'a Value>,
    burst: &str,
    rate: &str,
) -> Option<Rate> {
    let number = |name: &str| {
        let number: f64 = said(name).and_then(text_of)?.parse().ok()?;
        (0.0 <= number).then_some(number)
    };
    let (burst, rate) = (number(burst), number(rate));
    if burst.is_none() && rate.is_none() {
        return None;
    }
    Some(Rate {
        per_1000_s: rate.map_or(GATEWAY_ACCOUNT_RATE * 1_000, |rate| whole(rate * 1_000.0)),
        burst: burst.map_or(GATEWAY_ACCOUNT_BURST, whole),
    })
}

/// The nearest whole number; what is too large for one is the largest, as such a conversion saturates.
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rate_is_read_to_the_thousandth_and_completed_from_the_account() {
        let cases = [
            (json!({}), None),
            (json!({"B": -1, "R": -1}), None),
            (json!({"B": 5, "R": 0.5}), Some((500, 5))),
            (json!({"B": "5", "R": "2"}), Some((2_000, 5))),
            (json!({"R": 1}), Some((1_000, 5_000))),
            (json!({"B": 1}), Some((10_000_000, 1))),
            (json!({"B": 0, "R": 0}), Some((0, 0))),
        ];
        for (value, expected) in cases {
            let read =
                rate_in(|name| value.get(name), "B", "R").map(|rate| (rate.per_1000_s, rate.burst));
            assert_eq!(read, expected, "{value}");
        }
    }
}
