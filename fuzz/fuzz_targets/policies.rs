//! Policy documents, and what they say: whatever is written is read or refused, and judged in time.
//!
//! The first line is a value that a condition key has, the rest a document.

#![no_main]

use policy::{Caller, Context, Policies, Policy, Request, judge};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (value, document) = text.split_once('\n').unwrap_or(("", text));
    let _ = service_identity::read_hostile(document);
    let Ok(policy) = Policy::read(document) else {
        return;
    };
    let mut context = Context::default();
    context.set("aws:username", value);
    context.set("aws:SourceIp", value);
    let account = "000000000000".to_owned();
    let caller = Caller::Identity {
        arn: format!("arn:aws:iam::{account}:user/{value}"),
        account,
        role: None,
    };
    let policies = Policies {
        identity: std::slice::from_ref(&policy),
        resource: Some(&policy),
        resource_account: "000000000000",
        ..Policies::default()
    };
    let _ = judge(
        &policies,
        &Request {
            action: "s3:GetObject",
            resource: value,
            caller: &caller,
            context: &context,
        },
    );
});
