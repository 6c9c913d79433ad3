//! Filter policies of topics: no panic and no endless work, whatever policies and messages say.

#![no_main]

use service_topics::filter::{Candidate, FilterPolicy};

libfuzzer_sys::fuzz_target!(|texts: (&str, &str)| {
    let (policy, body) = texts;
    if let Ok(Some(policy)) = FilterPolicy::parse(policy) {
        let candidate = Candidate::of_body(body);
        let first = policy.matches(&candidate);
        assert_eq!(first, policy.matches(&candidate));
    }
});
