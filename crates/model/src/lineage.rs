//! Which functions an event has called on its way: the `Lineage` of a trace header.
//!
//! Lives here: reading it, counting a call in, joining those of a batch.
//! Does not live here: stopping a function that is called in a loop (`invoker`), carrying traces from service to service.
//!
//! Contract: AWS Lambda Developer Guide, "Use Lambda recursive loop detection to prevent infinite loops"; AWS X-Ray Developer
//! Guide, "Tracing header": `Root=…;Parent=…;Sampled=0;Lineage=a87bd80c:1|68fd508a:5`, which counts the earlier calls of each
//! function. SDKs in functions send the header of the event on with whatever they send.

use crate::digits;

/// How often a function may be called in one chain of requests.
///
/// Contract: the same guide: "approximately 16 times"; whoever counted found 16.
pub const CALLS_IN_CHAIN_MAX: u32 = 16;
/// What helps whoever meets it.
pub const HELP: &str = "have it send on to another resource than the one that calls it, or set its `RecursiveLoop` to `Allow`";
/// Functions that are counted. A chain through more of them drops those that were called least.
const FUNCTIONS_MAX: usize = 32;
const MEMBER: &str = "Lineage=";

/// The calls that led to an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lineage {
    /// Functions, and how often each was called.
    calls: Vec<(FunctionMark, u32)>,
}

/// Stands for a function in a lineage: short, and without its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FunctionMark(u32);

impl FunctionMark {
    /// That of a function, by its ARN without any qualifier: FNV-1a, in 32 bits.
    #[must_use]
    pub fn of(function_arn: &str) -> Self {
        let hash = function_arn.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        Self(hash)
    }
}

impl Lineage {
    /// That of a trace header. What cannot be read counts for nothing.
    #[must_use]
    pub fn of_trace(trace: &str) -> Self {
        let member = trace.split(';').find_map(|member| {
            let member = member.trim();
            member.strip_prefix(MEMBER)
        });
        let listed = member.into_iter().flat_map(|member| member.split('|'));
        let calls = listed.filter_map(|one| {
            // Newer headers put a version before it: `1:fe460cdd:0`.
            let (rest, earlier) = one.rsplit_once(':')?;
            let mark = rest.rsplit(':').next().unwrap_or(rest);
            let mark = u32::from_str_radix(mark, 16).ok()?;
            let earlier: u32 = earlier.parse().ok()?;
            Some((FunctionMark(mark), earlier.saturating_add(1)))
        });
        Self {
            calls: calls.take(FUNCTIONS_MAX).collect(),
        }
    }

    /// How often a function was called.
    #[must_use]
    pub fn calls_of(&self, function: FunctionMark) -> u32 {
        let mut calls = self.calls.iter();
        let found = calls.find(|(mark, _)| *mark == function);
        found.map_or(0, |(_, calls)| *calls)
    }

    /// Counts another call of a function.
    pub fn count(&mut self, function: FunctionMark) {
        let calls = self.calls_of(function).saturating_add(1);
        self.set(function, calls);
    }

    /// What a batch has behind it whose events have these lineages: of each function, the most.
    pub fn join(&mut self, other: &Self) {
        for (mark, calls) in &other.calls {
            self.set(*mark, self.calls_of(*mark).max(*calls));
        }
    }

    fn set(&mut self, function: FunctionMark, calls: u32) {
        if let Some(there) = self.calls.iter_mut().find(|(mark, _)| *mark == function) {
            there.1 = calls;
            return;
        }
        if FUNCTIONS_MAX <= self.calls.len() {
            let fewest = self.calls.iter().map(|(_, calls)| *calls).min();
            let place = self.calls.iter().position(|one| Some(one.1) == fewest);
            self.calls.remove(place.unwrap_or_default());
        }
        self.calls.push((function, calls));
    }

    /// A trace header with this lineage in place of its own.
    #[must_use]
    pub fn on(&self, trace: &str) -> String {
        let mut traced = without(trace);
        for ((mark, calls), place) in self.calls.iter().zip(0..) {
            let before = match place {
                0 if traced.is_empty() => MEMBER,
                0 => ";Lineage=",
                _ => "|",
            };
            traced.push_str(before);
            digits::push_hex(&mut traced, &mark.0.to_be_bytes());
            traced.push(':');
            digits::push(&mut traced, u64::from(calls.saturating_sub(1)));
        }
        traced
    }
}

/// A trace header without its lineage: where it goes on, loops are not followed.
#[must_use]
pub fn without(trace: &str) -> String {
    if !trace.contains(MEMBER) {
        return trace.to_owned();
    }
    let members = trace.split(';');
    let others: Vec<&str> = members
        .filter(|member| !member.trim_start().starts_with(MEMBER))
        .collect();
    others.join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str =
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    #[test]
    fn each_call_of_a_function_is_counted_and_the_first_counts_none_before_it() {
        let function = FunctionMark::of("arn:aws:lambda:us-east-1:000000000000:function:f");
        let mut trace = TRACE.to_owned();
        for call in 0..3 {
            let mut lineage = Lineage::of_trace(&trace);
            assert_eq!(lineage.calls_of(function), call);
            lineage.count(function);
            trace = lineage.on(&trace);
            assert!(trace.starts_with(TRACE) && trace.ends_with(&format!(":{call}")));
        }
        assert_eq!(without(&trace), TRACE);
    }

    #[test]
    fn both_ways_in_which_headers_are_written_are_read() {
        for member in ["a87bd80c:1|68fd508a:5", "1:a87bd80c:1|1:68fd508a:5"] {
            let lineage = Lineage::of_trace(&format!("{TRACE};Lineage={member}"));
            let calls = [0xa87b_d80c, 0x68fd_508a, 7].map(|it| lineage.calls_of(FunctionMark(it)));
            assert_eq!(calls, [2, 6, 0]);
        }
        for broken in ["", "Lineage=", "Lineage=x:y|::|1", "Lineage=1"] {
            assert_eq!(Lineage::of_trace(broken), Lineage::default());
        }
    }

    #[test]
    fn a_batch_has_the_most_calls_of_its_events_behind_it() {
        let mut batch = Lineage::of_trace("Lineage=0000000a:1|0000000b:4");
        batch.join(&Lineage::of_trace("Lineage=0000000c:0|0000000a:3"));
        assert_eq!(batch.on(""), "Lineage=0000000a:3|0000000b:4|0000000c:0");
    }

    #[test]
    fn a_long_chain_drops_the_functions_that_were_called_least() {
        let mut lineage = Lineage::default();
        let looping = FunctionMark(u32::MAX);
        for mark in 0..100 {
            lineage.count(FunctionMark(mark));
            lineage.count(looping);
        }
        assert_eq!(lineage.calls_of(looping), 100);
        assert_eq!(lineage.calls.len(), FUNCTIONS_MAX);
    }
}
