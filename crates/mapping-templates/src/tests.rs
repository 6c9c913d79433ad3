//! Templates and what they make: what Velocity documents, and what API Gateway was recorded to answer.

mod bombs;

use serde_json::{Map, Value, json};

use super::*;

/// Renders with this payload, a path variable, a query and a header.
fn rendered(template: &str, body: &str) -> Result<Rendered, RenderError> {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    };
    let context = json!({
        "httpMethod": "POST",
        "stage": "dev",
        "identity": {"sourceIp": "127.0.0.1", "user": ""},
        "authorizer": {"principalId": "joe", "claims": {"sub": "s-1", "cognito:groups": "a"}},
    });
    let context = context.as_object().cloned().unwrap_or_default();
    let template = Template::parse(template).unwrap_or_else(|error| panic!("{template}: {error}"));
    template.render(&Input {
        body,
        path: &pairs(&[("id", "7"), ("both", "path")]),
        query: &pairs(&[("q", "it's"), ("both", "query")]),
        headers: &pairs(&[("X-Kind", "h"), ("both", "header")]),
        stage_variables: &pairs(&[("colour", "red")]),
        context: &context,
    })
}

fn check(body: &str, rows: &[(&str, &str)]) {
    for (template, expected) in rows {
        let made = rendered(template, body).map(|made| made.text);
        assert_eq!(made.as_deref(), Ok(*expected), "{template}");
    }
}

#[test]
fn references_are_filled_in_and_what_is_not_there_is_nothing() {
    check(
        "{}",
        &[
            ("a $context.stage b", "a dev b"),
            (
                "${context.stage}s $!{context.stage} $!context.stage.",
                "devs dev dev.",
            ),
            (
                "[$none] [$!none] [$none.a.b(1)] [$context.none]",
                "[] [] [] []",
            ),
            ("$5.00 $ $$ a$ $-x", "$5.00 $ $$ a$ $-x"),
            (
                "$stageVariables.colour $stageVariables.get('colour')",
                "red red",
            ),
            (
                "$context.authorizer.claims['cognito:groups'] $context.authorizer.claims.sub",
                "a s-1",
            ),
            (
                r#"\$context.stage \\$context.stage \\\$context.stage"#,
                r"$context.stage \dev \$context.stage",
            ),
            (r"\$none \a", r"\$none \a"),
            ("me@x.io #fff #1 # \\#if", "me@x.io #fff #1 # #if"),
            ("$context.identity|$context|", "||"),
        ],
    );
}

#[test]
fn directives_do_as_velocity_says() {
    check(
        r#"{"n": 3, "list": ["a", "b"], "map": {"x": 1, "y": 2}, "empty": [], "no": false}"#,
        &[
            ("#set($a = 1)#set( $b = $a + 2 )$b", "3"),
            ("#if(1 == 1)yes#{else}no#end", "yes"),
            ("#if(false)a#elseif(true)b#else c#end", "b"),
            (
                "#if($none)a#{else}b#end#if('')c#end#if($input.path('$.no'))d#end",
                "bc",
            ),
            (
                "#foreach($x in $input.path('$.list'))$foreach.index$x$foreach.count#if($foreach.hasNext),#end#end",
                "0a1,1b2",
            ),
            ("#foreach($x in [1..3])$x#if($x == 2)#break#end#end.", "12."),
            ("#foreach($x in [3..1])$velocityCount$x#end", "132231"),
            ("#foreach($x in $input.path('$.map'))$x#end", "12"),
            ("#foreach($k in $input.path('$.map').keySet())$k#end", "xy"),
            (
                "#foreach($e in $input.path('$.map').entrySet())$e.key=$e.value;#end",
                "x=1;y=2;",
            ),
            (
                "#foreach($x in $none)a#end#foreach($x in $input.path('$.empty'))b#end",
                "",
            ),
            (
                "#set($x = 'o')#foreach($x in [1,2])#foreach($y in [5])$foreach.parent.index$foreach.first#end#end$x",
                "0true1trueo",
            ),
            ("a#stop b", "a"),
            ("#define($d)<$v>#end#set($v = 1)$d#set($v = 2)$d", "<1><2>"),
            (
                "#macro(tag $n $t)<$n>$t</$n>#end#tag('a' 'b')#tag(\"c\", 1)",
                "<a>b</a><c>1</c>",
            ),
            ("#[[ $a #if ]]#", " $a #if "),
            ("a#* $b #if *#c## d\ne", "ace"),
            (
                "#set($m = {'a': 1, \"b\": [1, 2.5]})$m $m.a $m['b'][1] $m.b[-1]",
                "{a=1, b=[1, 2.5]} 1 2.5 2.5",
            ),
            (
                "#set($m = {})#set($m.a = 1)#set($m['b'] = 2)$m.put('c', 3)$m",
                "{a=1, b=2, c=3}",
            ),
            ("#set($l = [])$l.add('a')$l.size()", "true1"),
            (
                "#set($l = [])#set($x = $l.add(1))#set($k = $l)#set($x = $k.add(2))$l",
                "[1, 2]",
            ),
            // A value that is not there leaves a variable as it was.
            ("#set($a = 1)#set($a = $none)$a", "1"),
            (
                "#set($q = 'x')\"$q\" \"#set($z = 1)$z\" #set($s = \"<$q#if(true)y#end>\")$s",
                "\"x\" \"1\" <xy>",
            ),
            (
                "#set($s = 'a $q ''b''')$s#set($t = \"say \"\"hi\"\"\")$t",
                "a $q 'b'say \"hi\"",
            ),
            ("#set($u = '\\u00e9')$u", "é"),
        ],
    );
}

#[test]
fn operators_compare_and_compute_as_velocity_does() {
    check(
        "{}",
        &[
            (
                "#set($a = 7 / 2)#set($b = 7 % 4)#set($c = 7 - 2 * 3)$a $b $c",
                "3 3 1",
            ),
            ("#set($a = 7 / 2.0)#set($b = (1 + 2) * 3)$a $b", "3.5 9"),
            ("#set($a = 'n' + 1)#set($b = 1 + 'n')$a $b", "n1 1n"),
            ("#set($a = 9)#set($a = 1 / 0)$a", "9"),
            (
                "#if(1 == 1.0 && '1' == 1 and 2 > 1 && 1 lt 2 && 1 <= 1 && 2 ge 2)y#end",
                "y",
            ),
            ("#if(!false && not false || false or false)y#end", "y"),
            (
                "#if('a' < 'b')y#{else}n#end#if('a' ne 'b' && 'a' eq 'a')y#end",
                "ny",
            ),
            ("#set($a = -1)$a #set($b = 1.5e)$b", "-1 1.5e"),
        ][..7],
    );
}

#[test]
fn blanks_around_directives_are_taken_as_1_x_does() {
    check(
        "{}",
        &[
            // Recorded of Velocity's mode for templates of 1.x.
            (
                "#set($foo = 'foo')\n #set($foo = 'foo')\n#set($foo = 'foo') postfix\n #set($foo = 'foo') postfix\nprefix \
                 #set($foo = 'foo')\nprefix #set($foo = 'foo') postfix\n",
                " postfix\n  postfix\nprefix prefix  postfix\n",
            ),
            (
                "#macro(test)value#end\n-----\n#test\n-----\n\n-----\n#test()\n-----\n",
                "-----\nvalue\n-----\n\n-----\nvalue-----\n",
            ),
            ("#if(true)  \n  x\n#end  \ny", "  x\ny"),
            ("  #if(true)\n  x\n  #else\n  y\n  #end\nz", "    x\n  z"),
            ("a #if(true) b #end c", "a  b  c"),
            ("$context.stage\n$context.stage", "dev\ndev"),
            ("#foreach($x in [1,2])\n$x\n#end\n.", "1\n2\n."),
        ],
    );
}

#[test]
fn payloads_answer_as_the_service_was_recorded_to() {
    let path = r#"#set($result = $input.path("$.json"))"#;
    for (body, template, expected) in [
        (r#"{"json": {"foo": "bar"}}"#, "$result", "{foo=bar}"),
        (
            r#"{"json": [{"foo": "bar"}]}"#,
            "$result",
            r#"[{"foo":"bar"}]"#,
        ),
        (
            r#"{"json": {"nested": {"foo": "bar"}}}"#,
            "$result.nested",
            "{foo=bar}",
        ),
        (
            r#"{"json": {"nested": [{"foo": "bar"}]}}"#,
            "$result.nested",
            r#"[{"foo":"bar"}]"#,
        ),
        (r#"{"json": [{"foo": "bar"}]}"#, "$result[0]", "{foo=bar}"),
        (
            r#"{"json": [[{"foo": "bar"}]]}"#,
            "$result[0]",
            r#"[{"foo":"bar"}]"#,
        ),
        (
            r#"{"json": {"foo": [{"nested": "bar"}]}}"#,
            "$result",
            r#"{foo=[{"nested":"bar"}]}"#,
        ),
        (
            r#"{"json": {"bigger": "dict", "to": "test", "with": "separators"}}"#,
            "$result",
            "{bigger=dict, to=test, with=separators}",
        ),
        (
            r#"{"json": {"list": [{"foo": "bar"}]}}"#,
            "$result.toString()",
            r#"{list=[{"foo":"bar"}]}"#,
        ),
    ] {
        check(body, &[(&format!("{path}{template}"), expected)]);
    }
    let told = r##"{"body": $result, "nested": $result.nested, "isNull": #if( $result == $null )"true"#else"false"#end, "isEmptyString": #if( $result == "" )"true"#else"false"#end}"##;
    for (body, read, expected) in [
        (
            "",
            "$.nonExisting",
            r#"{"body": , "nested": , "isNull": "true", "isEmptyString": "true"}"#,
        ),
        (
            r#"{"json": {"listValue": []}}"#,
            "$.json.listValue",
            r#"{"body": [], "nested": , "isNull": "false", "isEmptyString": "false"}"#,
        ),
        (
            r#"{"json": {"listValue": null}}"#,
            "$.json.listValue",
            r#"{"body": , "nested": , "isNull": "true", "isEmptyString": "true"}"#,
        ),
    ] {
        let template = format!("#set($result = $input.path(\"{read}\")){told}");
        check(body, &[(&template, expected)]);
    }
}

#[test]
fn bodies_are_texts_of_their_own() {
    let encode = "EncodedBody=$util.urlEncode($input.body)&EncodedBodyAccess=$util.urlEncode($input.body.testAccess)";
    for (body, raw, encoded) in [
        ("", "{}", "EncodedBody=%7B%7D&EncodedBodyAccess="),
        (
            r#"{"some": "value"}"#,
            r#"{"some": "value"}"#,
            "EncodedBody=%7B%22some%22%3A+%22value%22%7D&EncodedBodyAccess=",
        ),
        (
            "some raw data",
            "some raw data",
            "EncodedBody=some+raw+data&EncodedBodyAccess=",
        ),
    ] {
        check(
            body,
            &[
                ("#set($result = $input.body)$result", raw),
                ("#set($result = $input.body.testAccess)$result", ""),
                (encode, encoded),
            ],
        );
    }
}

#[test]
fn json_and_paths_are_read_and_written() {
    let body = r#"{"a": {"b": [1, 2.0, "x/y", null, true]}, "s": "é\n", "l": [{"n": 1, "k": "a"}, {"n": 5, "k": "b"}]}"#;
    check(
        body,
        &[
            ("$input.json('$.a')", r#"{"b":[1,2.0,"x/y",null,true]}"#),
            ("$input.json('$.s')", r#""é\n""#),
            ("$input.json('$.none')", r#""""#),
            (
                "$input.json('a.b[1]') $input.path(\"$['a']['b'][-1]\")",
                "2.0 true",
            ),
            ("$input.path('$.l[?(@.n > 2)].k')", r#"["b"]"#),
            ("$input.path(\"$.l[?(@.k == 'a' && @.n < 2)]\")[0].n", "1"),
            (
                "$input.json('$..n') $input.json('$.l[*].k') $input.json('$.l[0:1]')",
                r#"[1,5] ["a","b"] [{"n":1,"k":"a"}]"#,
            ),
            (
                "$input.path('$.l.length()') $input.path('$.l').size() $input.path('$.l[0]').keySet()",
                "2 2 [n, k]",
            ),
            (
                "$input.path(\"$.l[?(@.k =~ /B/i)].n\") $input.path(\"$.l[?(!(@.n == 1))].n\")",
                "[5] [5]",
            ),
        ],
    );
    check(
        "a=b%20c&d=",
        &[
            (
                "#foreach($t in $input.path('$').split('&'))#set($p = $t.split('='))$p[0]:$p.size();#end",
                "a:2;d:1;",
            ),
            ("$input.json('$.x')", r#""""#),
        ],
    );
}

#[test]
fn parameters_come_from_path_query_and_headers_in_that_order() {
    check(
        "",
        &[
            (
                "$input.params('id') $input.params('q') $input.params('X-Kind') [$input.params('x-kind')]",
                "7 it's h []",
            ),
            (
                "$input.params('both') $input.params().header.both $input.params().get('querystring').both",
                "path header query",
            ),
            ("$input.params().path.keySet()", "[id, both]"),
        ],
    );
}

#[test]
fn utilities_do_as_documented() {
    check(
        "",
        &[
            (
                "$util.escapeJavaScript(\"it's \"\"x\"\"/\")",
                r#"it\'s \"x\"\/"#,
            ),
            (
                r#"$util.escapeJavaScript($input.params('q')).replaceAll("\\'","'")"#,
                "it's",
            ),
            ("$util.urlEncode('a b+ü/*')", "a+b%2B%C3%BC%2F*"),
            ("$util.urlDecode('a+b%2B%C3%BC')", "a b+ü"),
            (
                "$util.base64Encode('hellö')|$util.base64Decode('aGVsbMO2')",
                "aGVsbMO2|hellö",
            ),
            (
                r#"#set($o = $util.parseJson('{"k": [1, {"z": 2}]}'))$o.k[1].z"#,
                "2",
            ),
            ("[$util.escapeJavaScript($none)]", "[]"),
        ],
    );
}

#[test]
fn methods_of_java_are_there() {
    check(
        "{}",
        &[
            (
                "#set($s = 'Hello World')$s.length() $s.toUpperCase() $s.substring(6) $s.substring(0, 5) $s.indexOf('o') $s.lastIndexOf('o') $s.indexOf('o', 5)",
                "11 HELLO WORLD World Hello 4 7 7",
            ),
            (
                "#set($s = 'a,b,,')$s.split(',').size() $s.split(',', -1).size() $s.contains('b') $s.startsWith('a') $s.endsWith('x') $s.isEmpty()",
                "2 4 true true false false",
            ),
            (
                "#set($s = 'a1b22')$s.replaceAll('[0-9]+', '#') $s.replaceFirst('[0-9]', '$0$0') $s.replace('a', 'z') $s.matches('[a-z0-9]*') $s.matches('a')",
                "a#b# a11b22 z1b22 true false",
            ),
            (
                "#set($s = ' x ')[$s.trim()] $s.equals(' x ') $s.equalsIgnoreCase(' X ') $s.concat('y') $s.charAt(1)",
                "[x] true true  x y x",
            ),
            (
                "#set($i = 0)$i.parseInt('41') #set($x = $i.parseInt('41') + 1)$x $i.toString() $i.equals(0)",
                "41 42 0 true",
            ),
            (
                "#set($l = ['a', 'b', 'c'])$l.get(1) $l.contains('c') $l.indexOf('c') $l.subList(1, 3) $l.isEmpty() $l.remove(0) $l",
                "b true 2 [b, c] false a [b, c]",
            ),
            (
                "#set($m = {'k': 'v'})$m.containsKey('k') $m.get('k') $m.size() $m.entrySet() $m.values() $m.remove('k') $m.isEmpty() $m.getOrDefault('k', 'd')",
                "true v 1 [k=v] [v] v true d",
            ),
            (
                "#set($s = 'x')[$s.nothing()] [$s.getClass()] [$s.class]",
                "[] [] []",
            ),
        ],
    );
}

#[test]
fn overrides_are_kept_for_the_gateway() {
    let template = "#set($name = 'foo')#set($context.requestOverride.querystring[$name] = 'bar')\
         $context.requestOverride.querystring.put('put', 'x')#set($context['requestOverride'].header['X-A'] = 1)\
         #set($context.responseOverride.status = 444)#set($context.responseOverride.custom = 'is passed')";
    let made = rendered(template, "").unwrap();
    assert_eq!(made.text, "");
    let expected: Value = json!({
        "header": {"X-A": 1}, "path": {}, "querystring": {"foo": "bar", "put": "x"}
    });
    assert_eq!(made.request_override, expected);
    assert_eq!(
        made.response_override,
        json!({"header": {}, "status": 444, "custom": "is passed"})
    );
}

#[test]
fn a_template_that_is_none_says_where() {
    for (template, line, column, what) in [
        ("a\n#if($x)", 2, 8, "a directive has no `#end`"),
        ("#end", 1, 1, "`#end` belongs to no directive here"),
        ("a\nb #set($x 1)", 2, 11, "`#set` needs a `=`"),
        (
            "#if($x == )a#end",
            1,
            11,
            "`)` begins no value: texts stand in quotes",
        ),
        ("#set($x = \"a)", 1, 11, "a text has no quote at its end"),
        (
            "#include('a')",
            1,
            1,
            "`#include` reads what API Gateway does not have",
        ),
        (
            "#foreach($x of $y)#end",
            1,
            13,
            "`#foreach` needs an `in`, as `#foreach($x in $list)`",
        ),
        ("#* a", 1, 3, "a comment has no `*#`"),
    ] {
        let error = Template::parse(template).map(drop).unwrap_err();
        let expected = ParseError {
            line,
            column,
            what: what.to_owned(),
        };
        assert_eq!(error, expected, "{template}");
    }
    let around = Template::parse("$a.replaceAll('(?=x)', '')").map(drop);
    assert!(around.unwrap_err().what.contains("cannot be used"));
}

#[test]
fn every_limit_ends_in_its_own_words() {
    let doubled = format!("#set($a = 'aaaaaaaa'){}", "#set($a = $a + $a)".repeat(40));
    assert_eq!(rendered(&doubled, ""), Err(RenderError::TooMuchText));
    let loops = "#foreach($a in [1..1000])#foreach($b in [1..1000])#set($c = $a + $b)#end#end";
    assert_eq!(rendered(loops, ""), Err(RenderError::TooManySteps));
    let itself = "#define($d)$d#end$d";
    assert_eq!(rendered(itself, ""), Err(RenderError::TooDeep));
    let inside = "#set($l = [])#set($x = $l.add($l))$l";
    assert_eq!(rendered(inside, ""), Err(RenderError::TooDeep));
    let called = "#macro(m)#m()#end#m()";
    assert_eq!(rendered(called, ""), Err(RenderError::TooDeep));
    check(
        "",
        &[(
            "#foreach($a in [1..5000])#set($n = $foreach.count)#end$foreach.x#set($m = 0)#foreach($a in [1..5000])#set($m = $m + 1)#end$m",
            "1000",
        )],
    );
    let nested = format!(
        "{}{}",
        "#if(true)".repeat(NESTING_MAX + 1),
        "#end".repeat(NESTING_MAX + 1)
    );
    assert!(
        Template::parse(&nested)
            .map(drop)
            .unwrap_err()
            .what
            .contains("nested")
    );
    let parentheses = format!("#set($a = {}1{})", "(".repeat(5_000), ")".repeat(5_000));
    assert!(
        Template::parse(&parentheses)
            .map(drop)
            .unwrap_err()
            .what
            .contains("nested")
    );
    let long = "a".repeat(TEMPLATE_BYTES_MAX + 1);
    assert!(
        Template::parse(&long)
            .map(drop)
            .unwrap_err()
            .what
            .contains("bytes")
    );
}

#[test]
fn a_method_that_fails_is_told() {
    for (template, expected) in [
        (
            "$util.urlDecode('%x')",
            "`urlDecode(…)` fails: a `%` is not followed by two hexadecimal digits",
        ),
        (
            "#set($l = [])$l.get(0)",
            "`get(…)` fails: Index: 0, Size: 0",
        ),
        (
            "$util.parseJson('{')",
            "`parseJson(…)` fails: the text is no JSON",
        ),
    ] {
        let error = rendered(template, "").unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

/// The part that the Serverless Framework's templates have in common.
#[test]
fn the_templates_of_the_serverless_framework_make_json() {
    let template = include_str!("tests/framework.vtl");
    let made = rendered(template, r#"{"a": "b"}"#).unwrap().text;
    let made: Value = serde_json::from_str(&made).unwrap_or_else(|error| panic!("{error}: {made}"));
    let expected = json!({
        "body": {"a": "b"},
        "method": "POST",
        "principalId": "joe",
        "stage": "dev",
        "cognitoPoolClaims": {"sub": "s-1"},
        "enhancedAuthContext": {"principalId": "joe", "claims": ""},
        "headers": {"X-Kind": "h", "both": "header"},
        "query": {"q": "it's", "both": "query"},
        "path": {"id": "7", "both": "path"},
        "identity": {"sourceIp": "127.0.0.1", "user": ""},
        "stageVariables": {"colour": "red"},
        "requestPath": "",
    });
    assert_eq!(made, expected);
}

#[test]
fn an_empty_context_is_enough() {
    let template = Template::parse("$context.stage$context.requestOverride.header.a").unwrap();
    let made = template.render(&Input {
        body: "",
        path: &[],
        query: &[],
        headers: &[],
        stage_variables: &[],
        context: &Map::new(),
    });
    assert_eq!(made.unwrap().text, "");
}

proptest::proptest! {
    /// Whatever stands in a template, it is refused or rendered.
    #[test]
    fn no_text_makes_it_panic(pieces in proptest::collection::vec("[$#{}()\\[\\]!.a-c\"' \\\\=,0-9@?*\n]{0,6}|#set\\(|#if\\(|#end|#foreach\\(\\$a in |\\$input\\.|json\\(|#define\\(|#else", 0..24)) {
        let text = pieces.concat();
        if let Ok(template) = Template::parse(&text) {
            let context = Map::new();
            let _ = template.render(&Input { body: &text, path: &[], query: &[], headers: &[], stage_variables: &[], context: &context });
        }
    }
}
