//! Cases of reading templates, and of ordering their resources.

use super::*;
use crate::order::Order;
use crate::parse::{self, Dialect};

fn read(text: &str) -> (Template, Vec<Problem>) {
    let parsed = parse::yaml("t.yml", text, Dialect::CloudFormation);
    assert_eq!(parsed.problems, []);
    Template::read(&parsed.node.unwrap())
}

fn shown(problems: &[Problem]) -> String {
    let line = |one: &Problem| {
        let place = one
            .place
            .as_ref()
            .map_or("-".to_owned(), ToString::to_string);
        let cause = one.cause.as_deref().unwrap_or_default();
        let help = one.help.as_deref().unwrap_or_default();
        format!("{place} {}: {} [{cause}] ({help})\n", one.code, one.title)
    };
    problems.iter().map(line).collect()
}

#[test]
fn a_whole_template_is_read() {
    let (template, problems) = read(
        "
AWSTemplateFormatVersion: 2010-09-09
Description: Pets
Metadata: {anything: [1]}
Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
Parameters:
  Stage: {Type: String, Default: dev, AllowedValues: [dev, prod], MinLength: 1, MaxLength: 9}
  Size: {Type: Number, Default: 3, MinValue: 1, MaxValue: 10}
  Image: {Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>', Default: /x, NoEcho: true}
Conditions: {IsProd: !Equals [!Ref Stage, prod]}
Mappings: {M: {a: {b: c}}}
Resources:
  Pets:
    Type: AWS::DynamoDB::Table
    DependsOn: [Role]
    Condition: IsProd
    DeletionPolicy: RetainExceptOnCreate
    UpdateReplacePolicy: Retain
    Metadata: {x: y}
    Properties: {TableName: pets}
  Role: {Type: AWS::IAM::Role, DependsOn: Pets2, Properties: }
  Pets2: {Type: Custom::Pets}
Outputs:
  Name: {Description: the name, Value: !Ref Pets, Export: {Name: !Sub '${AWS::StackName}-pets'}, Condition: IsProd}
",
    );
    assert_eq!(shown(&problems), "");
    let pets = &template.resources[&LogicalId::new("Pets")];
    assert_eq!(pets.deletion_policy, Policy::RetainExceptOnCreate);
    assert_eq!(pets.replace_policy, Policy::Retain);
    assert_eq!(pets.condition.as_ref().unwrap().name, "IsProd");
    assert_eq!(template.parameters["Size"].value_max, Some(10.0));
    assert_eq!(template.parameters["Size"].default.as_deref(), Some("3"));
    let image = ParameterType::Single(Scalar::Aws("AWS::EC2::Image::Id".to_owned()));
    assert_eq!(
        template.parameters["Image"].parameter_type,
        ParameterType::Stored(Box::new(image))
    );
    assert!(template.outputs["Name"].export.is_some());
}

#[test]
fn what_is_not_a_template_is_explained() {
    let cases = [
        "[a]",
        "Resources: [a]",
        "{}",
        "
AWSTemplateFormatVersion: 2011-01-01
Resorces: {}
Globals: {}
Rules: {}
Transform: [My::Macro]
Parameters:
  a-b: {Type: Strng}
  NoType: {Default: [a, b], Nope: 1, MinLength: x}
  Flat: x
Mappings: {M: {a: b}, N: x}
Resources:
  Flat: x
  No_Good: {Type: A::B::C}
  NoType: {Properties: {}}
  Attributes: {Type: A::B::C, Propertys: {}, DependsOn: {a: b}, DeletionPolicy: Keep, UpdateReplacePolicy: Snapshot, CreationPolicy: {}}
  Fn::ForEach::X: {}
  List: {Type: A::B::C, Properties: [a]}
Outputs:
  NoValue: {Export: {}}
  Nope: {Value: x, What: y}
",
    ];
    let all: String = cases.iter().map(|text| shown(&read(text).1)).collect();
    insta::assert_snapshot!(all, @r#"
    t.yml:1:1 template::wrong-kind: the template must be a mapping of sections, and is a list [] ()
    t.yml:1:12 template::wrong-kind: `Resources` must be a mapping, and is a list [] ()
    t.yml:1:1 template::no-resources: the template has no `Resources` [CloudFormation: at least one Resources member must be defined] (add a `Resources` section)
    t.yml:2:27 template::version: an unknown version of the template format [] (the only version is `"2010-09-09"`)
    t.yml:3:1 template::unknown-section: a template has no section `Resorces` [] (the sections are AWSTemplateFormatVersion, Description, Metadata, Parameters, Mappings, Conditions, Transform, Resources and Outputs)
    t.yml:4:1 template::unknown-section: a template has no section `Globals` [only the SAM transform knows `Globals`] (add `Transform: AWS::Serverless-2016-10-31`)
    t.yml:5:1 template::not-done: `Rules` are not checked yet [CloudFormation would check parameter values by them before it makes anything] ()
    t.yml:6:13 template::not-done: the transform `My::Macro` is not carried out [CloudFormation would rewrite the template by it] (write out what the transform adds)
    t.yml:8:3 template::name: `a-b` cannot be the name of a parameter [CloudFormation: parameter names must be alphanumeric] ()
    t.yml:8:15 template::parameter-type: no parameter type is called `Strng` [] (use String, Number, List<Number>, CommaDelimitedList, an AWS-specific type or an SSM parameter type)
    t.yml:9:29 template::unknown-key: a parameter has no `Nope` [] (it has Type, Default, AllowedValues, AllowedPattern, ConstraintDescription, Description, MinLength, MaxLength, MinValue, MaxValue and NoEcho)
    t.yml:9:49 template::wrong-kind: this limit must be a number, and is a string [] ()
    t.yml:9:3 template::parameter-type: the parameter `NoType` has no `Type` [CloudFormation: every Parameters object must contain a Type member] (add `Type: String`)
    t.yml:10:9 template::wrong-kind: the parameter `Flat` must be a mapping, and is a string [] ()
    t.yml:11:19 template::wrong-kind: `M.a` must be a mapping, and is a string [] ()
    t.yml:11:26 template::wrong-kind: the mapping `N` must be a mapping of mappings, and is a string [] ()
    t.yml:13:9 template::wrong-kind: the resource `Flat` must be a mapping, and is a string [] ()
    t.yml:14:3 template::name: `No_Good` cannot be the name of a resource [CloudFormation: resource names must be alphanumeric] ()
    t.yml:15:3 template::no-type: the resource `NoType` has no `Type` [CloudFormation: every resource must have a Type attribute of type string] (add its `Type`, as `AWS::DynamoDB::Table`)
    t.yml:16:31 template::unknown-key: a resource has no attribute `Propertys` [CloudFormation refuses the whole template] (put `Propertys` below `Properties` if it is a property of A::B::C)
    t.yml:16:57 template::wrong-kind: this must be a name, and is a mapping [] ()
    t.yml:16:81 template::policy: an unknown `DeletionPolicy`: the resource is kept [] (use Delete, Retain, RetainExceptOnCreate (for DeletionPolicy alone) or Snapshot)
    t.yml:16:108 template::not-done: no snapshots are made: the resource is kept instead [CloudFormation would make a snapshot and delete the resource] ()
    t.yml:16:118 template::not-done: `CreationPolicy` is not carried out [resources here are ready when they are made, so there is nothing to wait for] ()
    t.yml:17:3 template::not-done: `Fn::ForEach` is not carried out yet [] (write the resources out)
    t.yml:18:37 template::wrong-kind: `Properties` must be a mapping, and is a list [] ()
    t.yml:20:21 template::export: `Export` has no `Name` [] (write `Export: {Name: …}`)
    t.yml:20:3 template::output: the output `NoValue` has no `Value` [CloudFormation: every Outputs member must contain a Value object] (add its `Value`)
    t.yml:21:20 template::unknown-key: an output has no `What` [] (it has Description, Value, Condition and Export)
    "#);
}

#[test]
fn more_resources_than_the_quota_are_a_problem_and_stay_known_by_name() {
    let members: String = (0..=RESOURCES_MAX)
        .map(|number| format!("  R{number}: {{Type: A::B::C}}\n"))
        .collect();
    let (template, problems) = read(&format!("Resources:\n{members}"));
    assert_eq!(template.resources.len(), RESOURCES_MAX + 1);
    assert_eq!(problems[0].code, "template::too-many");
}

fn order(resources: &str) -> (String, String) {
    let (template, problems) = read(&format!("Resources:\n{resources}"));
    assert_eq!(problems, []);
    let order = Order::of(&template);
    let names: Vec<&str> = order.resources.iter().map(LogicalId::as_str).collect();
    (names.join(" "), shown(&order.problems))
}

#[test]
fn resources_come_after_what_they_refer_to() {
    let cases = [
        ("  A: {Type: T}\n  B: {Type: T}\n", "A B"),
        (
            "  A: {Type: T, DependsOn: B}\n  B: {Type: T}\n  C: {Type: T}\n",
            "B C A",
        ),
        (
            "  A: {Type: T, Properties: {x: [!Ref B]}}\n  B: {Type: T}\n",
            "B A",
        ),
        (
            "  A: {Type: T, Properties: {x: !GetAtt B.Arn}}\n  B: {Type: T}\n",
            "B A",
        ),
        (
            "  A: {Type: T, Properties: {x: {Fn::GetAtt: B.Arn}}}\n  B: {Type: T}\n",
            "B A",
        ),
        (
            "  A: {Type: T, Properties: {x: !Sub '${B}/${AWS::Region}'}}\n  B: {Type: T}\n",
            "B A",
        ),
        (
            "  A: {Type: T, Properties: {x: !Sub ['${B.Arn}', {}]}}\n  B: {Type: T}\n",
            "B A",
        ),
        // A variable of its own, and a literal, are no references; values of variables are.
        (
            "  A: {Type: T, Properties: {x: !Sub ['${B}${!C}', {B: !Ref D}]}}\n  B: {Type: T}\n  C: {Type: T}\n  D: {Type: T}\n",
            "B C D A",
        ),
        // Both branches count, as in the cloud.
        (
            "  A: {Type: T, Properties: {x: !If [No, !Ref B, c]}}\n  B: {Type: T}\n",
            "B A",
        ),
    ];
    for (resources, expected) in cases {
        assert_eq!(
            order(resources),
            (expected.to_owned(), String::new()),
            "{resources}"
        );
    }
}

#[test]
fn a_long_chain_that_is_written_backwards_is_put_in_order_in_no_time() {
    const LENGTH: usize = 10_000;
    let chain = |last: &str| -> String {
        let members = (0..LENGTH).map(|number| match number + 1 {
            LENGTH => format!("  R{number}: {{Type: T, DependsOn: {last}}}\n"),
            next => format!("  R{number}: {{Type: T, DependsOn: R{next}}}\n"),
        });
        format!(
            "Resources:\n  End: {{Type: T}}\n{}",
            members.collect::<String>()
        )
    };
    let order_of = |text: &str| Order::of(&read(text).0);
    let order = order_of(&chain("End"));
    let names: Vec<&str> = order.resources.iter().map(LogicalId::as_str).collect();
    assert_eq!(names.len(), LENGTH + 1);
    assert_eq!((names[0], names[1], names[LENGTH]), ("End", "R9999", "R0"));
    // All but the last two are behind the circle.
    let order = order_of(&chain("R9998"));
    assert_eq!((order.resources.len(), order.problems.len()), (1, 1));
}

#[test]
fn circles_are_shown_whole_with_their_places() {
    let (names, problems) = order(
        "  A: {Type: T, DependsOn: B}\n  B: {Type: T, Properties: {x: !Ref C}}\n  C: {Type: T, Properties: {x: !Sub '${A}'}}\n  Behind: {Type: T, DependsOn: A}\n  Self: {Type: T, Properties: {x: !Ref Self}}\n  Free: {Type: T, DependsOn: Nope}\n",
    );
    assert_eq!(names, "Free");
    insta::assert_snapshot!(problems, @r#"
    t.yml:7:30 order::unknown: `Free` depends on `Nope`, which is no resource [CloudFormation: unresolved resource dependencies [Nope] in the Resources block of the template] (add the resource, or mend the name)
    t.yml:2:27 order::circular: circular dependency between resources: [A, B, C] [`A` refers on at t.yml:2:27; `B` refers on at t.yml:3:32; `C` refers on at t.yml:4:32] (take one of the references out, or move it into a resource of its own)
    t.yml:6:35 order::circular: circular dependency between resources: [Self] [`Self` refers on at t.yml:6:35] (take one of the references out, or move it into a resource of its own)
    "#);
}
