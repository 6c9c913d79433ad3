//! Cases of reading: what comes out, where it stands, what is refused.

use proptest::prelude::{prop, proptest};
use proptest::prop_assert_eq;
use serde_json::json;

use super::*;
use crate::node::Kind;

fn cloudformation(text: &str) -> Parsed {
    yaml("t.yml", text, Dialect::CloudFormation)
}

fn check(text: &str, expected: serde_json::Value) {
    let parsed = cloudformation(text);
    assert_eq!(parsed.problems, [], "{text}");
    assert_eq!(parsed.node.unwrap().to_json(), expected, "{text}");
}

fn check_place(text: &str, path: &[&str], expected: &str) {
    let parsed = any("t", text, Dialect::CloudFormation);
    let node = parsed.node.unwrap();
    let found = node.at_path(path.iter().copied()).unwrap();
    let place = &found.place;
    assert_eq!(
        format!("{}:{}+{}", place.line, place.column, place.width),
        expected,
        "{text}"
    );
}

fn problems(parsed: &Parsed) -> String {
    let line = |problem: &Problem| {
        let place = problem.place.as_ref().unwrap();
        format!(
            "{}:{}+{} {}: {} [{}] ({})\n",
            place.line,
            place.column,
            place.width,
            problem.code,
            problem.title,
            problem.cause.as_deref().unwrap_or_default(),
            problem.help.as_deref().unwrap_or_default()
        )
    };
    parsed.problems.iter().map(line).collect()
}

#[test]
fn short_forms_become_their_long_forms() {
    check("a: !Ref B", json!({"a": {"Ref": "B"}}));
    check("a: !Condition B", json!({"a": {"Condition": "B"}}));
    check(
        "a: !GetAtt B.C.D",
        json!({"a": {"Fn::GetAtt": ["B", "C.D"]}}),
    );
    check(
        "a: !GetAtt [B, C]",
        json!({"a": {"Fn::GetAtt": ["B", "C"]}}),
    );
    check("a: !Sub 012", json!({"a": {"Fn::Sub": "012"}}));
    check(
        "a: !If [c, !Sub '${x}', !Ref AWS::NoValue]",
        json!({"a": {"Fn::If": ["c", {"Fn::Sub": "${x}"}, {"Ref": "AWS::NoValue"}]}}),
    );
    check(
        "a: !Transform {Name: AWS::Include}",
        json!({"a": {"Fn::Transform": {"Name": "AWS::Include"}}}),
    );
    check(
        "a: !Base64\n  Fn::Sub: x",
        json!({"a": {"Fn::Base64": {"Fn::Sub": "x"}}}),
    );
    check("a: !Sub |\n  x\n  y\n", json!({"a": {"Fn::Sub": "x\ny\n"}}));
}

#[test]
fn yaml_1_1_and_1_2_disagree_on_plain_scalars() {
    let cases = [
        ("yes", json!(true), json!("yes")),
        ("Off", json!(false), json!("Off")),
        ("y", json!("y"), json!("y")),
        ("True", json!(true), json!(true)),
        ("~", json!(null), json!(null)),
        ("012", json!(10), json!(12)),
        ("089", json!("089"), json!(89)),
        ("0o14", json!("0o14"), json!(12)),
        ("0x1F", json!(31), json!(31)),
        ("-0b11", json!(-3), json!(-3)),
        ("1_000", json!(1000), json!(1000)),
        ("1e3", json!("1e3"), json!(1000.0)),
        ("1.5e+3", json!(1500.0), json!(1500.0)),
        ("3.", json!(3.0), json!(3.0)),
        (".5", json!(0.5), json!(0.5)),
        (".", json!("."), json!(".")),
        (".inf", json!(".inf"), json!(".inf")),
        ("10:30", json!("10:30"), json!("10:30")),
        ("2012-10-17", json!("2012-10-17"), json!("2012-10-17")),
        ("-", json!([null]), json!([null])),
        ("--5", json!("--5"), json!("--5")),
        ("1_", json!("1_"), json!("1_")),
        ("18446744073709551615", json!(u64::MAX), json!(u64::MAX)),
        ("'yes'", json!("yes"), json!("yes")),
        ("\"12\"", json!("12"), json!("12")),
        ("! 12", json!("12"), json!("12")),
        ("!!str 12", json!("12"), json!("12")),
        ("!!int '12'", json!(12), json!(12)),
    ];
    for (text, in_1_1, in_1_2) in cases {
        for (dialect, expected) in [
            (Dialect::CloudFormation, in_1_1),
            (Dialect::ServerlessFramework, in_1_2),
        ] {
            let parsed = yaml("t.yml", text, dialect);
            assert_eq!(parsed.problems, [], "{text}");
            assert_eq!(
                parsed.node.unwrap().to_json(),
                expected,
                "{text} {dialect:?}"
            );
        }
    }
}

#[test]
fn numbers_keep_their_text() {
    let parsed = cloudformation("Version: 2.0\nId: 012345670123");
    let node = parsed.node.unwrap();
    assert_eq!(node.get("Version").unwrap().scalar_text().unwrap(), "2.0");
    assert_eq!(
        node.get("Id").unwrap().scalar_text().unwrap(),
        "012345670123"
    );
}

#[test]
fn keys_keep_their_text() {
    check(
        "200: a\non: b\n2.0: c\n\"q\": d",
        json!({"200": "a", "on": "b", "2.0": "c", "q": "d"}),
    );
}

#[test]
fn anchors_and_merge_keys_are_written_out() {
    check(
        "a: &d {x: 1, y: 2}\nb:\n  <<: *d\n  y: 3\nc:\n  y: 4\n  <<: [*d, {z: 5, x: 9}]\nd: *d",
        json!({"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"y": 4, "x": 1, "z": 5},
            "d": {"x": 1, "y": 2}}),
    );
    check("- &k a\n- *k : b", json!(["a", {"a": "b"}]));
}

#[test]
fn every_node_knows_its_place() {
    let text = "Resources:\n  Pets:\n    Type: 'AWS::X'\n    Größe: !Sub \"é${x}\" # no\n    List:\n      - a\n      - {b: 12}\n    Text: |\n      long\n      text\n    Get: !GetAtt A.B\n    If: !If\n      - c\n    Last: multi\n      line\n";
    let cases: &[(&[&str], &str)] = &[
        (&[], "1:1+9"),
        (&["Resources"], "2:3+4"),
        (&["Resources", "Pets", "Type"], "3:11+8"),
        (&["Resources", "Pets", "Größe"], "4:12+12"),
        (&["Resources", "Pets", "Größe", "Fn::Sub"], "4:12+12"),
        (&["Resources", "Pets", "List"], "6:7+1"),
        (&["Resources", "Pets", "List", "0"], "6:9+1"),
        (&["Resources", "Pets", "List", "1"], "7:9+1"),
        (&["Resources", "Pets", "List", "1", "b"], "7:13+2"),
        (&["Resources", "Pets", "Text"], "9:7+4"),
        (&["Resources", "Pets", "Get", "Fn::GetAtt", "1"], "11:10+11"),
        (&["Resources", "Pets", "If"], "12:9+3"),
        (&["Resources", "Pets", "If", "Fn::If", "0"], "13:9+1"),
        (&["Resources", "Pets", "Last"], "14:11+5"),
    ];
    for (path, expected) in cases {
        check_place(text, path, expected);
    }
}

#[test]
fn json_nodes_know_their_places() {
    let text = "{\n  \"ä\": \"b\\u00e9\", \"n\": -1.50e2,\n\t\"l\": [true, {\"Ref\": \"X\"}]\n}";
    check_place(text, &["ä"], "2:8+9");
    check_place(text, &["n"], "2:24+7");
    check_place(text, &["l"], "3:7+1");
    check_place(text, &["l", "1", "Ref"], "3:22+3");
    let parsed = json("t.json", text);
    let node = parsed.node.unwrap();
    assert_eq!(
        node.to_json(),
        json!({"ä": "bé", "n": -150.0, "l": [true, {"Ref": "X"}]})
    );
    assert_eq!(node.get("n").unwrap().scalar_text().unwrap(), "-1.50e2");
}

#[test]
fn names_and_first_characters_decide_on_the_reader() {
    let json_only = "{\"a\":\t[1,\n2]}";
    for file in ["t.json", "t.template", "t", "t.yaml"] {
        let parsed = any(file, json_only, Dialect::CloudFormation);
        assert_eq!(parsed.problems, [], "{file}");
    }
    let flow = any("t.yml", "{a: b}", Dialect::CloudFormation);
    assert_eq!(flow.node.unwrap().to_json(), json!({"a": "b"}));
    let broken = any("t.template", "{\"a\": 1,}", Dialect::CloudFormation);
    assert_eq!(broken.problems[0].code, "parse::json");
}

#[test]
fn indentation_means_nothing_between_brackets_and_quotes() {
    check(
        "a:\n    b: [{\n    c: d\n  }, e\n]\n    f: \"x\n y\n\"\n    g: {\nh: i}\n",
        json!({"a": {"b": [{"c": "d"}, "e"], "f": "x y ", "g": {"h": "i"}}}),
    );
    check_place("a:\n  b: [{\n c: d}]\n", &["a", "b", "0", "c"], "3:5+1");
    check_place(
        "a:\n  b: [{\n c: 'd e' # no\n}]\n",
        &["a", "b", "0", "c"],
        "3:5+5",
    );
}

#[test]
fn a_block_text_has_the_line_ends_of_its_file() {
    check("a: |\n  x", json!({"a": "x"}));
    check("a: |\n  x\n", json!({"a": "x\n"}));
    check("a: |\n  x\n# no", json!({"a": "x\n"}));
    check("a: |\n  x\n  ", json!({"a": "x\n"}));
    check("a: >\n  x\n  y", json!({"a": "x y"}));
    check("a: |+\n  x\n\n", json!({"a": "x\n\n"}));
    let js = yaml("t.yml", "a: |\n  x", Dialect::ServerlessFramework);
    assert_eq!(js.node.unwrap().to_json(), json!({"a": "x\n"}));
}

#[test]
fn an_empty_file_is_null() {
    for text in ["", "# only a comment", "---\n", "\u{feff}"] {
        let parsed = cloudformation(text);
        assert_eq!(parsed.problems, [], "{text}");
        assert_eq!(parsed.node.unwrap().kind, Kind::Null);
    }
}

#[test]
fn malformed_yaml_is_explained() {
    let cases = [
        "a:\n\tb: c",
        "a: b: c",
        "a: @b",
        "a: *b",
        "a: [1",
        "a: b\n---\nc: d",
        "a: 1\nb: 2\na: 3",
        "a: !Reff b",
        "a: !ref b",
        "a: !!binary eA==",
        "? [a]\n: b",
        "<<: 1",
        "a: &x [*x]",
        "a: !!int b",
        "a: b\0c",
        "a:\n  b: c\n\td: e",
        "- a\nb: c",
    ];
    let mut all = String::new();
    for text in cases {
        all.push_str(&problems(&cloudformation(text)));
    }
    insta::assert_snapshot!(all, @r#"
    2:2+1 parse::tab: a tab in the indentation [YAML counts spaces alone, since tabs have no agreed width] (indent with spaces)
    1:5+1 parse::yaml: a `: ` where no key can end [the line continues the value before it, or holds two keys] (mend the indentation, or quote the value if the `: ` belongs to it)
    1:4+1 parse::yaml: a plain text cannot begin with this character [unexpected character: `@'] (quote the text)
    1:4+1 parse::yaml: an alias of an anchor that does not exist [] (anchors (`&name`) must stand before their aliases (`*name`); quote the value if it is a text that begins with `*`)
    1:5+1 parse::yaml: not well-formed YAML: while parsing a flow sequence, expected ',' or ']' [] (mend the text here, or what is left open before it)
    2:1+3 parse::several-documents: a second document in one file [only the first document of a file is read] (remove the `---` and what follows it)
    3:1+1 parse::duplicate-key: the key `a` stands here twice [it has a value at t.yml:1:1 already; some tools take the first, some the last, some refuse] (remove or rename one of them)
    1:4+7 parse::unknown-tag: no function has the short form `!Reff` [CloudFormation knows the short forms of its intrinsic functions alone, and neither binary, omap, pairs, set nor timestamp] (quote the value if it is a text that begins with `!`)
    1:4+6 parse::unknown-tag: no function has the short form `!ref` [CloudFormation knows the short forms of its intrinsic functions alone, and neither binary, omap, pairs, set nor timestamp] (did you mean `!Ref`?)
    1:4+13 parse::unknown-tag: no function has the short form `!!binary` [CloudFormation knows the short forms of its intrinsic functions alone, and neither binary, omap, pairs, set nor timestamp] (quote the value if it is a text that begins with `!`)
    1:3+1 parse::key-not-text: a key must be a text [a list stands where a key is expected] (quote the key if it is a text that begins with `{` or `[`)
    1:5+1 parse::merge: `<<` takes a mapping, or a list of mappings [] (put an alias of a mapping here, as `<<: *defaults`)
    1:8+2 parse::alias-of-itself: an alias inside of its own anchor [the value would contain itself without end] ()
    1:4+7 parse::wrong-tag: `b` is not what its tag says [] (remove the tag)
    1:5+1 parse::yaml: not well-formed YAML: found unprintable character [] (mend the text here, or what is left open before it)
    3:1+1 parse::tab: a tab in the indentation [YAML counts spaces alone, since tabs have no agreed width] (indent with spaces)
    2:1+1 parse::yaml: not well-formed YAML: while parsing a block collection, did not find expected '-' indicator [] (mend the text here, or what is left open before it)
    "#);
}

#[test]
fn malformed_json_is_explained() {
    let cases = [
        "{\"a\": 1,}",
        "{'a': 1}",
        "{\"a\" 1}",
        "{\"a\": tru}",
        "{\"a\": 012}",
        "[1 2]",
        "{\"a\": \"b\n\"}",
        "{\"a\": \"\\x\"}",
        "{\"a\": \"\\ud800\"}",
        "{} {}",
        "// c\n{}",
        "{\"a\": 1, \"a\": 2}",
        "",
        "[",
        "{\"a\": \"",
    ];
    let mut all = String::new();
    for text in cases {
        all.push_str(&problems(&json("t.json", text)));
    }
    insta::assert_snapshot!(all, @r#"
    1:9+1 parse::json: not well-formed JSON: a key is expected here [] (keys stand in double quotes, and no comma follows the last value)
    1:2+1 parse::json: not well-formed JSON: a key is expected here [] (keys stand in double quotes, and no comma follows the last value)
    1:6+1 parse::json: not well-formed JSON: a colon is expected here [] (put a `:` between key and value)
    1:7+1 parse::json: not well-formed JSON: `tru` is no value of JSON [] (put texts in double quotes)
    1:7+1 parse::json: not well-formed JSON: `012` is no number of JSON [] (quote it if it is a text)
    1:4+1 parse::json: not well-formed JSON: a comma or the closing bracket is expected here [] (put a `,` between two values, or close the bracket)
    1:9+1 parse::json: not well-formed JSON: a line end or control character in a text [] (close the quote, or write the character as an escape (`\n`))
    1:9+1 parse::json: not well-formed JSON: an escape that JSON does not have [] (write a backslash as `\\`)
    1:14+1 parse::json: not well-formed JSON: half of a surrogate pair [] (write both halves, or the character itself)
    1:4+1 parse::json: not well-formed JSON: more text after the end of the value [] (remove what follows the last bracket)
    1:1+1 parse::json: not well-formed JSON: a comment [] (JSON has no comments: remove it, or keep the file as YAML)
    1:10+3 parse::duplicate-key: the key `a` stands here twice [it has a value at t.json:1:2 already; some tools take the first, some the last, some refuse] (remove or rename one of them)
    1:1+1 parse::json: not well-formed JSON: the file ends where a value is expected [] (put a value here)
    1:2+1 parse::json: not well-formed JSON: the file ends where a value is expected [] (put a value here)
    1:8+1 parse::json: not well-formed JSON: the file ends inside a text [] (close the quote)
    "#);
}

#[test]
fn bombs_are_defused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
    }
    let mut staircase = "a0: &a0 [x]\n".to_owned();
    for level in 1..200 {
        staircase.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    let deep_flow = "[".repeat(100_000);
    let deep_block = (0..2_000)
        .map(|level| format!("{}a:\n", " ".repeat(level)))
        .collect::<String>();
    let deep_functions = "!Sub ".repeat(3) + &"!Base64 [".repeat(60);
    for (text, code) in [
        (bomb.as_str(), "parse::too-large"),
        (&staircase, "parse::too-deep"),
        (&deep_flow, "parse::too-deep"),
        (&deep_block, "parse::too-deep"),
        (&"x".repeat(TEXT_BYTES_MAX + 1), "parse::too-long"),
    ] {
        let parsed = cloudformation(text);
        assert_eq!(parsed.node, None);
        assert_eq!(parsed.problems.last().unwrap().code, code);
    }
    assert_eq!(cloudformation(&deep_functions).node, None);
    assert_eq!(json("t.json", &deep_flow).problems.len(), 1);
}

#[test]
fn many_keys_take_linear_time() {
    let unique: String = (0..100_000).map(|key| format!("k{key}: v\n")).collect();
    let parsed = cloudformation(&unique);
    assert_eq!(parsed.problems, []);
    let same = "a: b\n".repeat(100_000);
    assert_eq!(cloudformation(&same).problems.len(), PROBLEMS_MAX);
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(text in "\\PC*") {
        for dialect in [Dialect::CloudFormation, Dialect::ServerlessFramework] {
            let _ = yaml("t", &text, dialect);
        }
        let _ = json("t", &text);
    }

    #[test]
    fn no_jumble_of_yaml_makes_a_reader_panic(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "a", ": ", "- ", "\n", "  ", "\t", "!Ref ", "!GetAtt ", "&x ", "*x", "<<: ", "[", "]", "{", "}", ",",
                "\"", "'", "|", ">", "?", "#", "---", "...", "%", "\r\n", "é", "!!int ", "1", "0x", "\\", "\0", "\u{feff}",
                "|2-\n", "!<", "!a!b ", "\u{85}", "\u{2028}",
            ]),
            0..40,
        )
    ) {
        let _ = any("t", &parts.concat(), Dialect::CloudFormation);
    }

    #[test]
    fn json_reads_back_as_serde_reads_it(text in "[\\[\\]{},:\"0-9a-c\\\\u. -]{0,30}") {
        let ours = json("t", &text).node.map(|node| node.to_json());
        if let Ok(theirs) = serde_json::from_str::<serde_json::Value>(&text)
            && ours.is_some()
        {
            prop_assert_eq!(ours.unwrap(), theirs);
        } else {
            prop_assert_eq!(ours.is_some(), serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }
}
