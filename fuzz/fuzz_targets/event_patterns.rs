//! Event patterns, paths and templates: no panic and no endless work, whatever they say, and an index agrees with its patterns.

#![no_main]

use std::sync::Arc;

use patterns::{Event, Facts, Index, Path, Pattern, Template};
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|texts: (&str, &str)| {
    let (pattern, event) = texts;
    let event: Value = serde_json::from_str(event).unwrap_or_default();
    if let Ok(path) = Path::parse(pattern) {
        let _ = path.find(&event);
    }
    let facts = Facts {
        rule_arn: "arn",
        rule_name: "rule",
        ingested_at: "now",
        event: &event,
    };
    if let Ok(template) = Template::read(pattern, [("a", "$.a"), ("b", "$.b[*]")]) {
        let _ = template.fill(&facts);
    }
    let Ok(pattern) = Pattern::parse(pattern) else {
        return;
    };
    let event = Event::of(&event);
    let holds = pattern.holds(&event);
    let index = Index::of(vec![((), Arc::new(pattern))]);
    assert_eq!(index.matching(&event).len(), usize::from(holds));
});
