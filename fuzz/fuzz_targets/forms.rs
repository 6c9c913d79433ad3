//! Requests of the query protocol, a line for the query and the rest for the body: whoever asks what one is about sees what is
//! carried out.

#![no_main]

use aws_wire::query::{Form, skim};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (query, body) = text.split_once('\n').unwrap_or((text, ""));
    let form = Form::parse(&format!("{query}&{body}"));
    for name in ["Action", "QueueUrl", "a"] {
        assert_eq!(skim(&[query, body], name).as_deref(), form.text(name));
        let _ = (form.list(name), form.texts(name), form.map(name, "key", "value"));
    }
});
