//! Templates that are small, and would take a machine's memory, stack or time.

use super::*;

/// Renders on a thread with as much stack as the gateway's have.
fn ended(template: &str, body: &str) -> Result<Rendered, RenderError> {
    let (template, body) = (template.to_owned(), body.to_owned());
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let thread = thread.spawn(move || rendered(&template, &body)).unwrap();
    thread.join().unwrap()
}

#[test]
fn overrides_that_hold_one_list_in_many_places_count_in_each() {
    let template = "#set($a=['x'])#foreach($i in [1..40])#set($a=[$a,$a])#end\
                    #set($context.responseOverride.header.x=$a)";
    assert_eq!(ended(template, ""), Err(RenderError::TooMuchText));
}

#[test]
fn a_document_that_holds_itself_is_not_descended_into_for_ever() {
    let template = "#set($p=$input.path('$'))#set($q=$p.put('s',$p))$input.json('$..x')";
    assert_eq!(
        ended(template, r#"{"a":1}"#),
        Err(RenderError::TooManySteps)
    );
    let deep = format!("{}{{\"x\":1}}{}", "[".repeat(120), "]".repeat(120));
    let found = ended("$input.json('$..x')", &deep).map(|made| made.text);
    assert_eq!(found.as_deref(), Ok("[1]"));
}

#[test]
fn ranges_count_as_what_they_take() {
    let template = "#foreach($i in [1..1000])#foreach($j in [1..300])#set($x=[1..10000])#end#end";
    assert_eq!(ended(template, ""), Err(RenderError::TooMuchText));
}

#[test]
fn members_named_many_times_count_each_time() {
    let template = "#set($n=\"'a'\")#foreach($i in [1..12])#set($n=\"$n,$n\")#end\
                    $input.path(\"$[*][$n]\").size()";
    let body = format!("[{}0]", r#"{"a":1},"#.repeat(20_000));
    assert_eq!(ended(template, &body), Err(RenderError::TooManySteps));
}

#[test]
fn moving_and_copying_what_lists_hold_takes_steps() {
    let long = "#set($l=[1..10000])#foreach($i in [1..6])#set($q=$l.addAll($l))#end";
    let all = "#foreach($i in [1..1000])#foreach($j in [1..100])";
    for work in [
        "#set($q=$l.add(0,1))#set($q=$l.remove(0))",
        "#foreach($x in $l)#break#end",
    ] {
        let template = format!("{long}{all}{work}#end#end");
        assert_eq!(
            ended(&template, ""),
            Err(RenderError::TooManySteps),
            "{work}"
        );
    }
}

#[test]
fn comparing_long_texts_takes_steps() {
    let long = "#set($s='0123456789')#foreach($i in [1..18])#set($s=\"$s$s\")#end#set($t=\"${s}0\")#set($s=\"${s}0\")";
    let template = format!("{long}#foreach($i in [1..1000])#if($s==$t)#end#end");
    assert_eq!(ended(&template, ""), Err(RenderError::TooManySteps));
}

#[test]
fn large_patterns_take_as_much_as_they_search() {
    let long = "#set($s='aaaaaaaaaaaaaaaa')#foreach($i in [1..17])#set($s=\"$s$s\")#end";
    let template = format!("{long}$s.replaceAll('(a|aa|b){{1,300}}z','').length()");
    assert_eq!(ended(&template, ""), Err(RenderError::TooManySteps));
    let body = format!("[\"{}\"]", "a".repeat(1_100_000));
    let template = "$input.path('$[?(@ =~ /(a|aa|b){1,300}z/)]').size()";
    assert_eq!(ended(template, &body), Err(RenderError::TooManySteps));
    let small = ended("$input.body.replaceAll('\"','').length()", &body);
    assert_eq!(small.map(|made| made.text).as_deref(), Ok("1100002"));
}

#[test]
fn blocks_and_expressions_inside_one_another_fit_the_stack() {
    let ifs = |inner: &str| format!("{}{inner}{}", "#if(true)".repeat(60), "#end".repeat(60));
    let template = format!("#macro(m){}#end#m()", ifs("#m()"));
    assert_eq!(ended(&template, ""), Err(RenderError::TooDeep));
    let brackets = format!("{}\"$d\"{}", "[".repeat(50), "]".repeat(50));
    let template = format!("#define($d)#set($x={brackets})#end$d");
    assert_eq!(ended(&template, ""), Err(RenderError::TooDeep));
    let made = ended(&ifs("deep"), "").map(|made| made.text);
    assert_eq!(made.as_deref(), Ok("deep"));
}

#[test]
fn entries_within_entries_end_with_the_rendering() {
    let template = "#set($m={'k':1})#foreach($i in [1..1000])#foreach($j in [1..50])\
                    #foreach($e in $m.entrySet())#set($x=$m.put('k',$e))#end#end#end$m.k.key";
    let made = ended(template, "").map(|made| made.text);
    assert_eq!(made.as_deref(), Ok("k"));
}

#[test]
fn what_is_searched_again_for_each_place_that_fits_counts_each_time() {
    let body = "a".repeat(100_000);
    for call in [
        "replaceAll('[a-z].*x|[a-z]','b').length()",
        "replaceAll('[a-z](.*x)?','b').length()",
        "split('[a-z].*x|[a-z]').size()",
        "replaceAll('[a-z](?:.{0,200}x)?','b').length()",
        // It would be quick: which of the two is read far behind is not looked at.
        "replaceAll('a|\\s+$','b').length()",
    ] {
        let template = format!("$input.body.{call}");
        assert_eq!(
            ended(&template, &body),
            Err(RenderError::TooManySteps),
            "{call}"
        );
    }
    for (call, made) in [
        ("replaceAll('a','bc').length()", "200000"),
        ("replaceAll('[a-z]','b').length()", "100000"),
        ("replaceAll('a+(x)','b').length()", "100000"),
        ("replaceAll('[^a]+','b').length()", "100000"),
        ("split('a+').size()", "1"),
    ] {
        let template = format!("$input.body.{call}");
        let found = ended(&template, &body).map(|made| made.text);
        assert_eq!(found.as_deref(), Ok(made), "{call}");
    }
}

#[test]
fn a_long_rendering_is_told_from_a_short_one() {
    let render = |text: &str, body: &str| {
        let template = Template::parse(text).unwrap();
        let context = Map::new();
        let input = Input {
            body,
            path: &[],
            query: &[],
            headers: &[],
            stage_variables: &[],
            context: &context,
        };
        let short = template.render_short(&input);
        if let Ok(Some(made)) = &short {
            assert_eq!(template.render(&input).as_ref(), Ok(made));
        }
        short.map(|made| made.is_some())
    };
    assert_eq!(
        render("{\"a\": $input.json('$.a')}", r#"{"a":1}"#),
        Ok(true)
    );
    let long = format!("[{}0]", "1,".repeat(100_000));
    assert_eq!(render("$input.json('$')", &long), Ok(false));
    let many = "#foreach($i in [1..1000])#foreach($j in [1..1000])$i#end#end";
    assert_eq!(render(many, ""), Ok(false));
    assert!(render("$util.urlDecode('%zz')", "").is_err());
}
