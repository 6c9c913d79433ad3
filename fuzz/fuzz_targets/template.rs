//! Templates and intrinsics: no panic, whatever references say.

#![no_main]

use std::collections::BTreeMap;

use cloudformation::intrinsics::{Context, Environment, Lookup, Scope};
use cloudformation::order::Order;
use cloudformation::parse::{self, Dialect};
use cloudformation::template::{Resource, Template};
use model::ids::{AccountId, Region, StackName};

struct Anything;

impl Scope for Anything {
    fn reference(&self, resource: &Resource) -> Lookup {
        Lookup::Found(format!("{resource:?}").len().into())
    }

    fn attribute(&self, _resource: &Resource, attribute: &str) -> Lookup {
        Lookup::Found(attribute.into())
    }

    fn import(&self, export: &str) -> Lookup {
        Lookup::Missing(export.to_owned())
    }

    fn dynamic(&self, _service: &str, key: &str) -> Lookup {
        Lookup::Found(key.into())
    }
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Some(node) = parse::any("template.yaml", text, Dialect::CloudFormation).node else { return };
    let (template, _problems) = Template::read(&node);
    let environment = Environment {
        account: AccountId::development(),
        region: Region::new("us-east-1"),
        stack: StackName::new("stack"),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/stack/1".to_owned(),
    };
    let parameters = BTreeMap::new();
    let (context, _problems) = Context::new(&template, &environment, &parameters, &Anything);
    for id in Order::of(&template).resources {
        if let Some(resource) = template.resources.get(&id) {
            let _evaluated = context.evaluate(&resource.properties, &Anything);
        }
    }
});
