//! Mapping templates and paths: no panic and no endless work, whatever they and payloads say.

#![no_main]

use mapping_templates::{Input, Path, Template};
use serde_json::Map;

libfuzzer_sys::fuzz_target!(|texts: (&str, &str)| {
    let (text, body) = texts;
    let _ = Path::parse(text);
    let Ok(template) = Template::parse(text) else {
        return;
    };
    let pairs = [("a".to_owned(), body.to_owned())];
    let _ = template.render(&Input {
        body,
        path: &pairs,
        query: &pairs,
        headers: &[],
        stage_variables: &[],
        context: &Map::new(),
    });
});
