//! Entries for fuzzing: any text in, no panic and no endless work out.
//!
//! Lives here: one function per parser of outside text.
//! Does not live here: corpora and the fuzzing itself.

use std::collections::BTreeMap;

use model::ids::{AccountId, Region, StackName};

use crate::intrinsics::{Context, Environment, Lookup, Scope};
use crate::order::Order;
use crate::parse::{self, Dialect};
use crate::template::{Resource, Template};

/// Parses a text in every way.
pub fn parse(text: &str) {
    for dialect in [Dialect::CloudFormation, Dialect::ServerlessFramework] {
        let _parsed = parse::any("t", text, dialect);
        let _parsed = parse::yaml("t", text, dialect);
    }
    let _parsed = parse::json("t", text);
}

/// Reads a text as a template and evaluates all of it; a text that is no template is evaluated as one property.
pub fn intrinsics(text: &str) {
    let Some(node) = parse::any("t", text, Dialect::CloudFormation).node else {
        return;
    };
    let (template, _problems) = Template::read(&node);
    let environment = Environment {
        account: AccountId::development(),
        region: Region::new("us-east-1"),
        stack: StackName::new("stack"),
        stack_id: "stack".to_owned(),
    };
    let _order = Order::of(&template);
    let (context, _problems) = Context::new(&template, &environment, &BTreeMap::new(), &Nothing);
    for resource in template.resources.values() {
        let _evaluated = context.evaluate(&resource.properties, &Nothing);
    }
    let _evaluated = context.evaluate(&node, &Nothing);
}

/// Every resource has one id and one attribute, and nothing else exists.
struct Nothing;

impl Scope for Nothing {
    fn reference(&self, resource: &Resource) -> Lookup {
        Lookup::Found(resource.logical_id.as_str().into())
    }

    fn attribute(&self, _resource: &Resource, attribute: &str) -> Lookup {
        Lookup::Found(attribute.into())
    }

    fn import(&self, _export: &str) -> Lookup {
        Lookup::Silent
    }

    fn dynamic(&self, _service: &str, _key: &str) -> Lookup {
        Lookup::Missing("nothing is stored".to_owned())
    }
}
