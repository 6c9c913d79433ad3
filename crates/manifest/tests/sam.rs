//! The SAM transform, compared with what the public one made of the same templates (`sam/record.py`).
//!
//! Lives here: the comparison.
//! Does not live here: the templates (`sam/cases`), the recorded outputs (`sam/expected`).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says so by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use manifest::reading::{Answers, ReadRequest, Step};
use model::ids::AccountId;
use model::problem::Severity;
use serde_json::{Map, Value};

/// Lists without their order, and deployments without their hash, which is made of how Python prints a definition.
fn settled(value: &Value, renamed: &BTreeMap<String, String>) -> Value {
    let rename = |text: &str| {
        renamed
            .get(text)
            .cloned()
            .unwrap_or_else(|| text.to_owned())
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(text) => Value::String(rename(text)),
        Value::Array(items) => {
            let mut settled: Vec<Value> = items.iter().map(|item| settled(item, renamed)).collect();
            settled.sort_by_key(Value::to_string);
            Value::Array(settled)
        }
        Value::Object(members) => {
            let mut sorted: Vec<(String, Value)> = members
                .iter()
                .filter(|(name, _)| *name != "Transform")
                .map(|(name, member)| (rename(name), settled(member, renamed)))
                .collect();
            sorted.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(sorted.into_iter().collect::<Map<_, _>>())
        }
    }
}

fn settle(template: &Value) -> Value {
    let mut renamed = BTreeMap::new();
    for (name, resource) in template["Resources"].as_object().unwrap() {
        if resource["Type"] == "AWS::ApiGateway::Deployment" {
            renamed.insert(name.clone(), format!("{}#", &name[..name.len() - 10]));
            let description = resource["Properties"]["Description"].as_str().unwrap();
            renamed.insert(description.to_owned(), "#".to_owned());
        }
    }
    settled(template, &renamed)
}

fn transformed(name: &str, text: String) -> Value {
    let request = ReadRequest {
        manifest: "template.yaml".to_owned(),
        text,
        folder_name: "app".to_owned(),
        stage: None,
        region: None,
        params: BTreeMap::new(),
        account: AccountId::development(),
        now_ms: 0,
    };
    match manifest::sam::read(&request, &Answers::default()) {
        Step::Done(reading) => {
            let errors: Vec<_> = reading
                .problems
                .iter()
                .filter(|problem| problem.severity == Severity::Error)
                .collect();
            assert!(errors.is_empty(), "{name}: {errors:#?}");
            reading.template.unwrap().to_json()
        }
        Step::Needs(needs) => panic!("{name} needs {needs:?}"),
    }
}

#[test]
fn templates_become_what_the_public_transform_makes_of_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sam");
    let mut cases = 0;
    for entry in fs::read_dir(folder.join("cases")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let expected = fs::read_to_string(folder.join(format!("expected/{name}.json"))).unwrap();
        let expected = settle(&serde_json::from_str(&expected).unwrap());
        let ours = settle(&transformed(name, fs::read_to_string(&path).unwrap()));
        assert_eq!(
            serde_json::to_string_pretty(&ours).unwrap(),
            serde_json::to_string_pretty(&expected).unwrap(),
            "{name}"
        );
        cases += 1;
    }
    assert_eq!(cases, 13);
}
