//! The SAM and CloudFormation reader: no panic.

#![no_main]

use manifest::reading::{Answers, ReadRequest};
use model::ids::AccountId;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let request = ReadRequest {
        manifest: "template.yaml".to_owned(),
        text: text.to_owned(),
        folder_name: "app".to_owned(),
        stage: None,
        region: None,
        params: std::collections::BTreeMap::new(),
        account: AccountId::development(),
        now_ms: 0,
    };
    let _step = manifest::sam::read(&request, &Answers::default());
});
