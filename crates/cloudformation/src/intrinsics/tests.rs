//! Cases of evaluating: each function with good and with bad arguments.

use std::collections::BTreeMap;

use proptest::prelude::{prop, proptest};
use serde_json::{Value, json};

use super::*;
use crate::order::Order;
use crate::parse::{self, Dialect};
use crate::template::Unbuilt;

/// Knows one of everything.
pub(crate) struct Fixed;

impl Scope for Fixed {
    fn reference(&self, resource: &Resource) -> Lookup {
        Lookup::Found(json!(format!("{}-id", resource.logical_id)))
    }

    fn attribute(&self, resource: &Resource, attribute: &str) -> Lookup {
        match attribute {
            "Arn" => Lookup::Found(json!(format!("arn:{}", resource.logical_id))),
            "Nested.Part" => Lookup::Found(json!(["x", "y"])),
            _others => Lookup::Missing("it has Arn and Nested.Part".to_owned()),
        }
    }

    fn import(&self, export: &str) -> Lookup {
        match export {
            "shared-vpc" => Lookup::Found(json!("vpc-1")),
            _others => Lookup::Missing("no stack exports it".to_owned()),
        }
    }

    fn dynamic(&self, service: &str, key: &str) -> Lookup {
        match (service, key) {
            ("ssm", "/a/b:1") => Lookup::Found(json!("from-ssm")),
            ("secretsmanager", "db:SecretString:password") => Lookup::Found(json!("hidden")),
            ("ssm", "hush") => Lookup::Silent,
            _others => Lookup::Missing("it does not exist".to_owned()),
        }
    }
}

const TEMPLATE: &str = "
Parameters:
  Name: {Type: String, Default: pets}
  Count: {Type: Number, Default: 3}
  Names: {Type: CommaDelimitedList, Default: 'a, b,c'}
  Stage: {Type: String, Default: dev, AllowedValues: [dev, prod]}
Mappings:
  Sizes:
    dev: {memory: 128, zones: [a, b]}
    eu-west-1: {memory: 256}
Conditions:
  IsDev: !Equals [!Ref Stage, dev]
  IsProd: !Equals [!Ref Stage, prod]
  Neither: !And [!Condition IsDev, Condition: IsProd]
  Either: !Or [!Condition IsDev, !Condition IsProd, !Not [!Condition IsDev]]
  OfMap: !Equals [!FindInMap [Sizes, !Ref Stage, memory], '128']
Resources:
  Table: {Type: A::B::C}
  ProdOnly: {Type: A::B::C, Condition: IsProd}
";

fn environment() -> Environment {
    Environment {
        account: AccountId::development(),
        region: Region::new("eu-west-1"),
        stack: StackName::new("shop-dev"),
        stack_id: "arn:stack".to_owned(),
    }
}

/// Evaluates `text` as the value of a property, among the template above.
fn evaluate(text: &str) -> Evaluated {
    let parsed = parse::yaml("t.yml", TEMPLATE, Dialect::CloudFormation);
    assert_eq!(parsed.problems, []);
    let (template, problems) = Template::read(&parsed.node.unwrap());
    assert_eq!(problems, []);
    let environment = environment();
    let (context, problems) = Context::new(&template, &environment, &BTreeMap::new(), &Fixed);
    assert_eq!(problems, []);
    let parsed = parse::yaml("v.yml", text, Dialect::CloudFormation);
    assert_eq!(parsed.problems, [], "{text}");
    context.evaluate(&parsed.node.unwrap(), &Fixed)
}

fn check(text: &str, expected: Value) {
    let evaluated = evaluate(text);
    assert_eq!(evaluated.problems, [], "{text}");
    assert_eq!(evaluated.value, Some(expected), "{text}");
    assert!(!evaluated.failed);
}

fn shown(problems: &[Problem]) -> String {
    let line = |one: &Problem| {
        let place = one
            .place
            .as_ref()
            .map_or("-".to_owned(), ToString::to_string);
        let cause = one.cause.as_deref().unwrap_or_default();
        let help = one.help.as_deref().unwrap_or_default();
        format!(
            "{place} {:?} {}: {} [{cause}] ({help})\n",
            one.severity, one.code, one.title
        )
    };
    problems.iter().map(line).collect()
}

#[test]
fn references_give_parameters_resources_and_pseudo_parameters() {
    check("!Ref Name", json!("pets"));
    check("!Ref Count", json!("3"));
    check("!Ref Names", json!(["a", "b", "c"]));
    check("!Ref Table", json!("Table-id"));
    check("!Ref AWS::AccountId", json!("000000000000"));
    check("!Ref AWS::Region", json!("eu-west-1"));
    check("!Ref AWS::StackName", json!("shop-dev"));
    check("!Ref AWS::StackId", json!("arn:stack"));
    check("!Ref AWS::Partition", json!("aws"));
    check("!Ref AWS::URLSuffix", json!("amazonaws.com"));
    check("!Ref AWS::NotificationARNs", json!([]));
}

#[test]
fn attributes_have_two_forms_and_nested_names() {
    check("!GetAtt Table.Arn", json!("arn:Table"));
    check("Fn::GetAtt: [Table, Arn]", json!("arn:Table"));
    check("Fn::GetAtt: Table.Arn", json!("arn:Table"));
    check("!GetAtt Table.Nested.Part", json!(["x", "y"]));
    check("Fn::GetAtt: [Table, Nested, Part]", json!(["x", "y"]));
    check(
        "Fn::GetAtt: [Table, !Select [0, [Arn]]]",
        json!("arn:Table"),
    );
}

#[test]
fn substitution_puts_values_into_texts() {
    check(
        "!Sub 'arn:${AWS::Partition}:s3:::${Name}-${Count}/${Table.Arn}'",
        json!("arn:aws:s3:::pets-3/arn:Table"),
    );
    check("!Sub '${!Name} ${!}'", json!("${Name} ${}"));
    check("!Sub 'a $ {b} ${'", json!("a $ {b} ${"));
    check(
        "!Sub ['${Name} ${own} ${Table}', {Name: mine, own: !Ref Count}]",
        json!("mine 3 Table-id"),
    );
    check("!Sub ['${a.b}', {a.b: x}]", json!("x"));
}

#[test]
fn a_name_in_a_text_is_marked_where_it_stands() {
    let cases = [
        ("!Sub ${Name}${Nope}", "1:13+7"),
        ("!Sub 'é${Nope}'", "1:8+7"),
        ("!Sub \"${Name} ${Nope}\"", "1:15+7"),
        ("Fn::Sub: '${Nope}'", "1:11+7"),
        ("!Sub\n  - x${Nope}\n  - {a: b}", "2:6+7"),
        // Escapes and block texts: the text as a whole.
        ("!Sub \"\\t${Nope}\"", "1:1+16"),
        ("!Sub |\n  ${Nope}", "1:1+6"),
    ];
    for (text, expected) in cases {
        let problems = evaluate(text).problems;
        let place = problems[0].place.as_ref().unwrap();
        let found = format!("{}:{}+{}", place.line, place.column, place.width);
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn lists_are_joined_split_and_picked_from() {
    check(
        "!Join ['-', [a, !Ref Name, 3, true]]",
        json!("a-pets-3-true"),
    );
    check("!Join ['', !Ref Names]", json!("abc"));
    check("!Join [',', [a, !Ref AWS::NoValue, b]]", json!("a,b"));
    check("!Split ['-', a-b--c]", json!(["a", "b", "", "c"]));
    check("!Select [1, [a, b]]", json!("b"));
    check("!Select ['2', !Ref Names]", json!("c"));
    check("!Select [0, !Split [',', 'x,y']]", json!("x"));
    check("!Length [a, b]", json!(2));
    check("!Length\n  Ref: Names", json!(3));
}

#[test]
fn conditions_choose() {
    check("!If [IsDev, a, b]", json!("a"));
    check("!If [IsProd, a, !If [Either, c, d]]", json!("c"));
    check("!If [Neither, a, b]", json!("b"));
    check("!If [OfMap, a, b]", json!("a"));
    check(
        "{a: !If [IsProd, x, !Ref AWS::NoValue], b: 1}",
        json!({"b": 1}),
    );
    check("[a, !If [IsProd, x, !Ref AWS::NoValue]]", json!(["a"]));
    // What is not taken is not evaluated.
    check("!If [IsProd, !Ref ProdOnly, none]", json!("none"));
    // A policy's own `Condition` is data.
    check(
        "{Condition: {StringEquals: {a: b}}}",
        json!({"Condition": {"StringEquals": {"a": "b"}}}),
    );
}

#[test]
fn mappings_are_looked_up() {
    check("!FindInMap [Sizes, dev, memory]", json!(128));
    check("!FindInMap [Sizes, !Ref AWS::Region, memory]", json!(256));
    check("!FindInMap [Sizes, dev, zones]", json!(["a", "b"]));
    check(
        "!FindInMap [Sizes, x, y, {DefaultValue: !Ref Name}]",
        json!("pets"),
    );
}

#[test]
fn the_rest_of_the_functions() {
    check("!Base64 hello", json!("aGVsbG8="));
    check("Fn::Base64: !Sub '${Name}'", json!("cGV0cw=="));
    check(
        "!GetAZs ''",
        json!(["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
    );
    check(
        "!GetAZs us-east-1",
        json!(["us-east-1a", "us-east-1b", "us-east-1c"]),
    );
    check("!ImportValue shared-vpc", json!("vpc-1"));
    check("!ImportValue\n  Fn::Sub: shared-vpc", json!("vpc-1"));
    check(
        "!ToJsonString {a: !Ref Name, b: [1, true]}",
        json!(r#"{"a":"pets","b":[1,true]}"#),
    );
    // The documentation's own example.
    check(
        "!Cidr ['192.168.0.0/24', 6, 5]",
        json!([
            "192.168.0.0/27",
            "192.168.0.32/27",
            "192.168.0.64/27",
            "192.168.0.96/27",
            "192.168.0.128/27",
            "192.168.0.160/27"
        ]),
    );
    check(
        "!Cidr ['2001:db8::/56', 2, 64]",
        json!(["2001:db8::/64", "2001:db8:0:1::/64"]),
    );
}

#[test]
fn dynamic_references_are_resolved() {
    check("'{{resolve:ssm:/a/b:1}}'", json!("from-ssm"));
    check(
        "'x{{resolve:secretsmanager:db:SecretString:password}}y{{resolve:ssm:/a/b:1}}'",
        json!("xhiddenyfrom-ssm"),
    );
    check(
        "!Sub ['{{resolve:ssm:/a/b:${one}}}', {one: 1}]",
        json!("from-ssm"),
    );
    check("'{{resolve:'", json!("{{resolve:"));
}

#[test]
fn data_stays_as_it_is() {
    check(
        "{a: [1, 2.5, null, true, ''], $ref: x}",
        json!({"a": [1, 2.5, null, true, ""], "$ref": "x"}),
    );
    check("{Ref: a, other: b}", json!({"Ref": "a", "other": "b"}));
}

const BAD_ARGUMENTS: &[&str] = &[
    "!Ref Nme",
    "!Ref name",
    "!Ref [a]",
    "!Ref ProdOnly",
    "!GetAtt Table",
    "!GetAtt Nope.Arn",
    "!GetAtt Table.Nope",
    "!GetAtt ProdOnly.Arn",
    "!Sub [a]",
    "!Sub {a: b}",
    "!Sub '${Nope} ${a b} ${Names} ${AWS::NoValue}'",
    "!Join [a, b]",
    "!Join ['', [{a: b}]]",
    "!Select [a, [b]]",
    "!Select [1, [b]]",
    "!Select [0, b]",
    "!Split ['', a]",
    "!Split a",
    "!If [Nope, a, b]",
    "!If [IsDev, a]",
    "!Equals [a, b]",
    "!FindInMap [Sizes, x, memory]",
    "!FindInMap [Sizes]",
    "!Base64 [a]",
    "!GetAZs [a]",
    "!ImportValue nope",
    "!Cidr ['10.0.0.0/30', 6, 5]",
    "!Length abc",
    "!ToJsonString abc",
    "!Transform {Name: AWS::Include, Parameters: {Location: a.yml}}",
    "{Fn::ForEach: [a]}",
    "{Fn::Nope: a}",
    "{Fn::Sub: a, b: c}",
    "!RefAll AWS::EC2::VPC::Id",
    "'{{resolve:ssm:nope}}'",
    "'{{resolve:s3:nope}}'",
    "[!Ref A, !Ref B]",
    "!Join ['', [!Ref A]]",
];

#[test]
fn what_is_not_built_here_is_not_said_to_be_refused_by_the_cloud() {
    let text = "Resources:\n  M: {Type: A::B::C, DependsOn: MRole, Properties: {A: !Ref MRole, B: !GetAtt MRole.Arn, C: !Ref m}}\n";
    let parsed = parse::yaml("t.yml", text, Dialect::CloudFormation);
    let (mut template, _) = Template::read(&parsed.node.unwrap());
    let unbuilt = |prefix: &str, because: &str, may_be_misspelt| Unbuilt {
        prefix: prefix.to_owned(),
        because: because.to_owned(),
        may_be_misspelt,
    };
    template.unbuilt = vec![
        unbuilt("M", "M would bring it", false),
        unbuilt("", "a plugin may", true),
    ];
    let problems = Order::of(&template).problems;
    assert!(shown(&problems).ends_with("which is no resource [M would bring it] ()\n"));
    let environment = environment();
    let (context, _) = Context::new(&template, &environment, &BTreeMap::new(), &Fixed);
    let properties = &template.resources[&model::ids::LogicalId::new("M")].properties;
    let problems = context.evaluate(properties, &Fixed).problems;
    let said = problems
        .iter()
        .map(|it| (it.cause.as_deref(), it.help.as_deref()));
    assert_eq!(
        said.collect::<Vec<_>>(),
        [
            (Some("M would bring it"), None),
            (Some("M would bring it"), None),
            (Some("a plugin may"), Some("did you mean `M`?")),
        ]
    );
}

#[test]
fn bad_arguments_are_explained() {
    let mut all = String::new();
    for text in BAD_ARGUMENTS {
        let evaluated = evaluate(text);
        assert!(evaluated.failed, "{text}");
        all.push_str(&shown(&evaluated.problems));
    }
    insta::assert_snapshot!(all, @r#"
    v.yml:1:1 Error intrinsics::invalid: no parameter or resource is called `Nme` [CloudFormation: unresolved resource dependencies in the template] (add it to `Resources` or `Parameters`, or mend the name)
    v.yml:1:1 Error intrinsics::invalid: no parameter or resource is called `name` [CloudFormation: unresolved resource dependencies in the template] (did you mean `Name`?)
    v.yml:1:1 Error intrinsics::invalid: `Ref` takes a name, and this is a list [CloudFormation: every Ref object must have a single String value] ()
    v.yml:1:1 Error intrinsics::invalid: `ProdOnly` does not exist, since the condition `IsProd` does not hold [CloudFormation: unresolved resource dependencies in the template] (put the reference into `Fn::If: [IsProd, …]`)
    v.yml:1:1 Error intrinsics::invalid: `Fn::GetAtt` takes a resource's name and an attribute's [CloudFormation: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute] (write `!GetAtt Resource.Attribute`)
    v.yml:1:1 Error intrinsics::invalid: no parameter or resource is called `Nope` [CloudFormation: instance of Fn::GetAtt references undefined resource Nope] (add it to `Resources` or `Parameters`, or mend the name)
    v.yml:1:1 Error intrinsics::invalid: `Table` (A::B::C) has no attribute `Nope` [it has Arn and Nested.Part] ()
    v.yml:1:1 Error intrinsics::invalid: `ProdOnly` does not exist, since the condition `IsProd` does not hold [CloudFormation: unresolved resource dependencies in the template] (put the reference into `Fn::If: [IsProd, …]`)
    v.yml:1:1 Error intrinsics::invalid: `Fn::Sub` takes a text, or a text and a mapping of values [CloudFormation: one or more Fn::Sub intrinsic functions don't specify expected arguments; specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string] ()
    v.yml:1:1 Error intrinsics::invalid: `Fn::Sub` takes a text, or a text and a mapping of values [CloudFormation: one or more Fn::Sub intrinsic functions don't specify expected arguments; specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string] ()
    v.yml:1:7 Error intrinsics::invalid: no parameter or resource is called `Nope` [CloudFormation: unresolved resource dependencies in the template] (add it to `Resources` or `Parameters`, or mend the name)
    v.yml:1:15 Error intrinsics::invalid: `${a b}` does not hold a name [CloudFormation: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons] (write `${!a b}` if the text itself is meant)
    v.yml:1:22 Error intrinsics::invalid: `${Names}` does not stand for a text [its value is a list] (join a list with `Fn::Join` first)
    v.yml:1:31 Error intrinsics::invalid: `${AWS::NoValue}` has no value [] ()
    v.yml:1:1 Error intrinsics::invalid: `Fn::Join` takes a delimiter and a list of texts [CloudFormation: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined] ()
    v.yml:1:1 Error intrinsics::invalid: `Fn::Join` takes a delimiter and a list of texts [CloudFormation: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined] ()
    v.yml:1:1 Error intrinsics::invalid: `Fn::Select` takes an index and a list [CloudFormation: Fn::Select requires a list argument with two elements: an integer index and a list] ()
    v.yml:1:1 Error intrinsics::invalid: no value at index 1: the list has 1 [CloudFormation: Fn::Select cannot select nonexistent value at index 1] ()
    v.yml:1:1 Error intrinsics::invalid: `Fn::Select` takes an index and a list [CloudFormation: Fn::Select requires a list argument with two elements: an integer index and a list] ()
    v.yml:1:1 Error intrinsics::invalid: `Fn::Split` takes a delimiter and a text [CloudFormation: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split] ()
    v.yml:1:1 Error intrinsics::invalid: `Fn::Split` takes a delimiter and a text [CloudFormation: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split] ()
    v.yml:1:6 Error intrinsics::invalid: no condition is called `Nope` [CloudFormation: unresolved condition dependency Nope] (add it to `Conditions`, or mend the name)
    v.yml:1:1 Error intrinsics::invalid: `Fn::If` takes a condition's name and two values [CloudFormation: Fn::If requires a list argument with three elements] (write `!If [Condition, value, otherwise]`, with `!Ref AWS::NoValue` for nothing)
    v.yml:1:1 Error intrinsics::invalid: `Fn::Equals` is for the section `Conditions` alone [] (declare a condition, and use it in `Fn::If`)
    v.yml:1:1 Error intrinsics::invalid: `Mappings` has no `Sizes.x.memory` [CloudFormation: unable to get mapping for Sizes::x::memory] (add the keys to `Mappings`, or give a `DefaultValue`)
    v.yml:1:1 Error intrinsics::invalid: `Fn::FindInMap` takes a map's name and two keys [CloudFormation: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value] ()
    v.yml:1:1 Error intrinsics::invalid: `Fn::Base64` takes a text [CloudFormation: every Fn::Base64 object must have a String-typed value] ()
    v.yml:1:1 Error intrinsics::invalid: `Fn::GetAZs` takes a region's name [] (write `!GetAZs ''` for the region of the stack)
    v.yml:1:1 Error intrinsics::invalid: no export is called `nope` [no stack exports it] (deploy the stack that exports it first)
    v.yml:1:1 Error intrinsics::invalid: `Fn::Cidr` cannot cut this block into so many blocks of this size [] (write `!Cidr [10.0.0.0/16, 6, 8]`: a block, how many, and the host bits of each)
    v.yml:1:1 Error intrinsics::invalid: `Fn::Length` takes a list [CloudFormation: Fn::Length only accepts values of type list] ()
    v.yml:1:1 Error intrinsics::invalid: `Fn::ToJsonString` takes a mapping or a list [] ()
    v.yml:1:1 Error intrinsics::invalid: `Fn::Transform` is not carried out here [CloudFormation would run a macro, or include a file from a bucket] (write out what it would put here)
    v.yml:1:1 Error intrinsics::invalid: `Fn::ForEach` is not carried out yet [] (write the loop out)
    v.yml:1:1 Error intrinsics::invalid: no intrinsic function is called `Fn::Nope` [CloudFormation refuses the whole template] (see the intrinsic function reference for their names)
    v.yml:1:2 Error intrinsics::invalid: `Fn::Sub` must stand alone in its mapping [a function takes the place of its whole mapping] (move the other keys out)
    v.yml:1:1 Error intrinsics::invalid: `Fn::RefAll` is for the section `Rules` alone [] (use conditions instead)
    v.yml:1:1 Error intrinsics::invalid: `{{resolve:ssm:nope}}` has no value [it does not exist] (make it, and save the template again: `aws --endpoint-url http://127.0.0.1:4566 ssm put-parameter --name nope --type String --value …`)
    v.yml:1:1 Error intrinsics::invalid: `{{resolve:s3:nope}}` names nothing to resolve [] (write {{resolve:ssm:name}}, {{resolve:ssm-secure:name}} or {{resolve:secretsmanager:id:SecretString:key}})
    v.yml:1:2 Error intrinsics::invalid: no parameter or resource is called `A` [CloudFormation: unresolved resource dependencies in the template] (add it to `Resources` or `Parameters`, or mend the name)
    v.yml:1:10 Error intrinsics::invalid: no parameter or resource is called `B` [CloudFormation: unresolved resource dependencies in the template] (add it to `Resources` or `Parameters`, or mend the name)
    v.yml:1:13 Error intrinsics::invalid: no parameter or resource is called `A` [CloudFormation: unresolved resource dependencies in the template] (add it to `Resources` or `Parameters`, or mend the name)
    "#);
    let silent = evaluate("'{{resolve:ssm:hush}}'");
    assert!(silent.failed && silent.problems.is_empty());
}

fn context_problems(text: &str, given: &[(&str, &str)]) -> String {
    let parsed = parse::yaml("t.yml", text, Dialect::CloudFormation);
    assert_eq!(parsed.problems, []);
    let (template, _) = Template::read(&parsed.node.unwrap());
    let given = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let environment = environment();
    let (context, problems) = Context::new(&template, &environment, &given, &Fixed);
    let values = json!(context.parameters);
    format!("{}{values}\n", shown(&problems))
}

#[test]
fn broken_conditions_are_explained_and_leave_the_others_alone() {
    insta::assert_snapshot!(context_problems("
Conditions:
  A: !Not [!Condition B]
  B: !Not [!Condition A]
  C: !Equals [a]
  D: !Condition Nope
  E: !Equals [!Ref Table, a]
  F: text
  G: !And [!Condition C]
  H: !Not [!Condition C]
  Good: !Equals [a, a]
Resources:
  Table: {Type: A::B::C}
", &[]), @r#"
    t.yml:4:12 Error intrinsics::invalid: conditions refer to one another in a circle: A, B [CloudFormation: circular dependencies between conditions] ()
    t.yml:5:6 Error intrinsics::invalid: `Fn::Equals` takes two values [CloudFormation: every Fn::Equals object requires a list of 2 string parameters] ()
    t.yml:6:6 Error intrinsics::invalid: no condition is called `Nope` [CloudFormation: unresolved condition dependency Nope] (add it to `Conditions`, or mend the name)
    t.yml:7:15 Error intrinsics::invalid: a condition cannot refer to the resource `Table` [conditions are evaluated before any resource is made] (refer to parameters, mappings and other conditions)
    t.yml:8:6 Error intrinsics::invalid: the condition `F` is neither true nor false [CloudFormation: every Conditions member must contain a condition function] (use Fn::Equals, Fn::And, Fn::Or, Fn::Not or Condition)
    t.yml:9:6 Error intrinsics::invalid: `Fn::And` takes 2 to 10 conditions [CloudFormation: every Fn::And object requires a list of at least 2 and at most 10 boolean parameters] ()
    {}
    "#);
}

#[test]
fn parameters_get_values_stand_ins_and_checks() {
    insta::assert_snapshot!(context_problems("
Parameters:
  Bucket: {Type: String, MinLength: 8}
  Vpc: {Type: AWS::EC2::VPC::Id}
  Subnets: {Type: List<AWS::EC2::Subnet::Id>}
  Size: {Type: Number, MinValue: 5}
  Kind: {Type: String, AllowedValues: [x, y]}
  Secret: {Type: String, NoEcho: true, AllowedPattern: '[0-9]+', Default: abc, ConstraintDescription: digits alone}
  Pattern: {Type: String, AllowedPattern: '[a-z]+', Default: abc}
  Java: {Type: String, AllowedPattern: '(?=a)a', Default: a}
  Image: {Type: AWS::SSM::Parameter::Value<String>, Default: /a/b:1}
  Missing: {Type: 'AWS::SSM::Parameter::Value<List<String>>', Default: /no}
  High: {Type: Number, MaxValue: 3, Default: 4}
  Text: {Type: Number, Default: abc}
  Empty: {Type: CommaDelimitedList, Default: ''}
  Wrong: {Type: String, AllowedValues: [x, y], Default: x}
Resources: {}
", &[("Wrong", "z"), ("Stranger", "a"), ("Size", "7")]), @r#"
    - Error parameters::unknown: the template has no parameter `Stranger` [CloudFormation: parameters [Stranger] do not exist in the template] (mend the name, or do not give it a value)
    t.yml:3:3 Warning parameters::missing: the parameter `Bucket` has no value: `bucketxx` stands in for it [CloudFormation would ask for it] (give it a value by `--param Bucket=…`, or a `Default`)
    t.yml:4:3 Warning parameters::missing: the parameter `Vpc` has no value: `vpc-0123456789abcdef0` stands in for it [CloudFormation would ask for it] (give it a value by `--param Vpc=…`, or a `Default`)
    t.yml:5:3 Warning parameters::missing: the parameter `Subnets` has no value: `subnet-0123456789abcdef0,subnet-0123456789abcdef0,subnet-0123456789abcdef0` stands in for it [CloudFormation would ask for it] (give it a value by `--param Subnets=…`, or a `Default`)
    t.yml:7:3 Warning parameters::missing: the parameter `Kind` has no value: `x` stands in for it [CloudFormation would ask for it] (give it a value by `--param Kind=…`, or a `Default`)
    t.yml:8:3 Error parameters::invalid: `Secret` is `…`, which does not match `[0-9]+` [its template says: digits alone] (give it another value by `--param Secret=…`)
    t.yml:10:40 Warning parameters::pattern: the pattern `(?=a)a` is not checked [it uses what only Java's regular expressions have, or is malformed] ()
    t.yml:12:3 Warning parameters::missing: `Missing` has the value of the stored parameter `/no`, which does not exist: `/no` stands in for it [it does not exist] (make it, and save the template again: `aws --endpoint-url http://127.0.0.1:4566 ssm put-parameter --name /no --type String --value …`)
    t.yml:13:3 Error parameters::invalid: `High` is 4, which is out of its range [] (give it another value by `--param High=…`)
    t.yml:14:3 Error parameters::invalid: `Text` is `abc`, which is not a number [] (give it another value by `--param Text=…`)
    t.yml:16:3 Error parameters::invalid: `Wrong` is `z`, which is not one of [x, y] [] (give it another value by `--param Wrong=…`)
    {"Bucket":"bucketxx","Empty":[],"Image":"from-ssm","Java":"a","Kind":"x","Missing":["/no"],"Pattern":"abc","Size":"7","Subnets":["subnet-0123456789abcdef0","subnet-0123456789abcdef0","subnet-0123456789abcdef0"],"Vpc":"vpc-0123456789abcdef0"}
    "#);
}

#[test]
fn what_grows_without_end_is_stopped() {
    let long = "x".repeat(4_000);
    let many = "${Name}".repeat(100_000);
    let text = format!("Parameters: {{Name: {{Type: String, Default: {long}}}}}\nResources: {{}}");
    let parsed = parse::yaml("t.yml", &text, Dialect::CloudFormation);
    let (template, _) = Template::read(&parsed.node.unwrap());
    let environment = environment();
    let (context, _) = Context::new(&template, &environment, &BTreeMap::new(), &Fixed);
    let node = Node::string(many, &Place::start_of("t"));
    let mut mapping = Mapping::default();
    mapping.set("Fn::Sub", &Place::start_of("t"), node);
    let evaluated = context.evaluate(
        &Node::new(Kind::Mapping(mapping), &Place::start_of("t")),
        &Fixed,
    );
    assert_eq!(evaluated.problems.len(), 1);
    assert!(evaluated.failed);
}

proptest! {
    #[test]
    fn no_jumble_of_functions_makes_the_evaluator_panic(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "!Ref ", "!GetAtt ", "!Sub ", "!Join ", "!Select ", "!If ", "!Split ", "!Cidr ", "!FindInMap ", "!Length ",
                "[", "]", ", ", "a", "Table", "Name", "IsDev", "0", "-1", "'${Table.Arn}'", "'${'", "{", "}", ": ", "10.0.0.0/8",
                "'{{resolve:ssm:a}}'", "Fn::Sub", "\n  ", "''", "AWS::NoValue", "Sizes", "dev",
            ]),
            0..24,
        )
    ) {
        crate::fuzz::intrinsics(&parts.concat());
    }
}
