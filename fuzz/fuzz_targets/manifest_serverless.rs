//! The Serverless Framework's reader with its variables: no panic, no endless questions.

#![no_main]

use manifest::reading::{Answers, ReadRequest, Step};
use model::ids::AccountId;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let request = ReadRequest {
        manifest: "serverless.yml".to_owned(),
        text: text.to_owned(),
        folder_name: "app".to_owned(),
        stage: None,
        region: None,
        params: std::collections::BTreeMap::new(),
        account: AccountId::development(),
        now_ms: 0,
    };
    let mut answers = Answers::default();
    for _round in 0..16 {
        match manifest::serverless_framework::read(&request, &answers) {
            Step::Done(_) => return,
            Step::Needs(needs) => {
                assert!(!needs.is_empty(), "a reader asks for something");
                for need in needs {
                    assert!(answers.get(&need).is_none(), "{need:?} was answered");
                    answers.insert(need, Some("a: 1".to_owned()));
                }
            }
        }
    }
});
