//! `X-Amzn-Trace-Id`: taken over from the client, or made.
//!
//! Lives here: reading and forming it.
//! Does not live here: recording traces (`cloudless::telemetry`).
//!
//! Contract: AWS X-Ray Developer Guide, "Tracing header"; recorded exchanges: a root that was sent is kept, and a
//! parent and a sampling decision are added where they lack.

use model::digits;
use model::time::Timestamp;

/// Random bytes that [`Trace::read_or_make`] needs.
pub(crate) const TRACE_RANDOM_BYTES: usize = 20;

/// How long the header is that we make.
const TRACE_BYTES: usize = 74;

/// The longest header that is taken over, in bytes. What is longer is not a trace.
const TRACE_HEADER_BYTES_MAX: usize = 256;

/// The trace that a request belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace {
    /// What the event shows as `X-Amzn-Trace-Id`.
    pub(crate) event_header: String,
    /// What the function finds in `_X_AMZN_TRACE_ID`, and the client in the reply of a REST API.
    pub(crate) full: String,
}

impl Trace {
    /// The trace of a request.
    pub(crate) fn read_or_make(
        sent: Option<&str>,
        now: Timestamp,
        random: &[u8; TRACE_RANDOM_BYTES],
    ) -> Self {
        let sent = sent.filter(|sent| sent.len() <= TRACE_HEADER_BYTES_MAX);
        let field = |name: &str| {
            sent?
                .split(';')
                .filter_map(|part| part.trim().split_once('='))
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        };
        let (root_random, parent_random) = random.split_at(12);
        let sent_root = field("root").filter(|root| is_root(root));
        let (Some(sent), Some(root)) = (sent, sent_root) else {
            return Self::make(now, root_random, parent_random);
        };
        let made_parent = || hex::encode(parent_random);
        let parent = field("parent")
            .filter(|parent| is_hex(parent, 16))
            .map_or_else(made_parent, str::to_owned);
        let sampled = field("sampled")
            .filter(|sampled| matches!(*sampled, "0" | "1"))
            .unwrap_or("0");
        Self {
            event_header: sent.to_owned(),
            full: format!("Root={root};Parent={parent};Sampled={sampled}"),
        }
    }

    fn make(now: Timestamp, root: &[u8], parent: &[u8]) -> Self {
        // The time has eight digits, until the year 2106.
        let [_, _, _, _, seconds @ ..] = now.epoch_s().to_be_bytes();
        let mut full = String::with_capacity(TRACE_BYTES);
        full.push_str("Root=1-");
        digits::push_hex(&mut full, &seconds);
        full.push('-');
        digits::push_hex(&mut full, root);
        let event_header = full.clone();
        full.push_str(";Parent=");
        digits::push_hex(&mut full, parent);
        full.push_str(";Sampled=0");
        Self { event_header, full }
    }
}

fn is_root(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    parts.next() == Some("1")
        && parts.next().is_some_and(|time| is_hex(time, 8))
        && parts.next().is_some_and(|id| is_hex(id, 24))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "Root=1-3152b799-8954dae64eda91bc9a23a7e8";

    fn trace(sent: Option<&str>) -> Trace {
        Trace::read_or_make(
            sent,
            Timestamp::from_micros(0x5e67_22a7_i64 * 1_000_000),
            &[0xab; TRACE_RANDOM_BYTES],
        )
    }

    #[test]
    fn a_whole_header_is_kept() {
        let sent = format!("{ROOT};Parent=7fa8c0f79203be72;Sampled=1");
        assert_eq!(trace(Some(&sent)).full, sent);
        assert_eq!(trace(Some(&sent)).event_header, sent);
    }

    #[test]
    fn a_root_alone_gets_a_parent() {
        assert_eq!(
            trace(Some(ROOT)).full,
            format!("{ROOT};Parent=abababababababab;Sampled=0")
        );
    }

    #[test]
    fn anything_else_is_replaced() {
        let made = "Root=1-5e6722a7-abababababababababababab";
        for sent in [
            None,
            Some(""),
            Some("Root=1-2-3"),
            Some("x;y=z"),
            Some("Self=1"),
        ] {
            assert_eq!(trace(sent).event_header, made, "{sent:?}");
        }
    }
}
