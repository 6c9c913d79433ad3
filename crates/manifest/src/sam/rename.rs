//! References to what the transform has given another name.
//!
//! Lives here: `Ref`, `Fn::GetAtt`, `Fn::Sub` and `DependsOn` of layers, and of `Function.Alias` and its like.
//! Does not live here: which names change (`context.renamed`).

use std::collections::BTreeMap;

use cloudformation::node::{Kind, Node};

/// Rewrites every reference below this node.
pub(super) fn references(node: &mut Node, renamed: &BTreeMap<String, String>) {
    if renamed.is_empty() {
        return;
    }
    match &mut node.kind {
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) => {}
        Kind::Sequence(items) => {
            for item in items {
                references(item, renamed);
            }
        }
        Kind::Mapping(mapping) => {
            let keys: Vec<String> = mapping.iter().map(|entry| entry.key.clone()).collect();
            for key in keys {
                let Some(value) = mapping.get_mut(&key) else {
                    continue;
                };
                match key.as_str() {
                    "Ref" => rename_text(value, renamed),
                    "DependsOn" => rename_all(value, renamed),
                    "Fn::GetAtt" => rename_attribute(value, renamed),
                    "Fn::Sub" => rename_substitution(value, renamed),
                    _ => {}
                }
                references(value, renamed);
            }
        }
    }
}

fn rename_text(node: &mut Node, renamed: &BTreeMap<String, String>) {
    if let Kind::String(text) = &mut node.kind
        && let Some(name) = renamed.get(text)
    {
        text.clone_from(name);
    }
}

fn rename_all(node: &mut Node, renamed: &BTreeMap<String, String>) {
    if let Kind::Sequence(items) = &mut node.kind {
        for item in items {
            rename_text(item, renamed);
        }
    } else {
        rename_text(node, renamed);
    }
}

/// `[Function.Alias, Name]`, `[Layer, LayerVersionArn]`, or the two with a dot between them.
fn rename_attribute(node: &mut Node, renamed: &BTreeMap<String, String>) {
    if let Kind::Sequence(items) = &mut node.kind {
        // `[Function, Alias.Name]` says the same as `[Function.Alias, Name]`.
        if let [first, second] = items.as_mut_slice()
            && let (Kind::String(target), Kind::String(attribute)) =
                (&mut first.kind, &mut second.kind)
            && let Some((companion, rest)) = attribute.split_once('.')
            && let Some(name) = renamed.get(&format!("{target}.{companion}"))
        {
            target.clone_from(name);
            *attribute = rest.to_owned();
        } else if let Some(first) = items.first_mut() {
            rename_text(first, renamed);
        }
    } else if let Kind::String(text) = &mut node.kind
        && let Some((target, attribute)) = text.rsplit_once('.')
        && let Some(name) = renamed.get(target)
    {
        *text = format!("{name}.{attribute}");
    }
}

fn rename_substitution(node: &mut Node, renamed: &BTreeMap<String, String>) {
    let template = match &mut node.kind {
        Kind::Sequence(items) => items.first_mut(),
        Kind::String(_) => Some(node),
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::Mapping(_) => None,
    };
    let Some(Kind::String(text)) = template.map(|node| &mut node.kind) else {
        return;
    };
    for (old, new) in renamed {
        for end in ["}", "."] {
            *text = text.replace(&format!("${{{old}{end}"), &format!("${{{new}{end}"));
        }
    }
}
