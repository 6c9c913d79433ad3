//! Reading patterns.
//!
//! Lives here: what a pattern may be, and EventBridge's words for what it may not.
//! Does not live here: its tokens (`tokens`), trying an event (`event`, `operators`).
//!
//! Contract: Amazon EventBridge User Guide, "Comparison operators for use in event patterns"; the words are those of the
//! recorded answers of `TestEventPattern`, and of aws/event-ruler, which is what EventBridge matches with.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever other token stands in a place is refused in the same words"
)]

use std::net::IpAddr;
use std::sync::Arc;

use crate::operators::{Case, Comparison, NumberText, Test, ValueTest};
use crate::tokens::{Token, Tokens};
use crate::wildcard::Wildcard;
use crate::{PatternError, Way};

/// How deep fields may nest. Events of the services nest less than twenty deep; a pattern is read recursively.
const DEPTH_MAX: usize = 100;
/// How many combinations the alternatives of a pattern may come to.
const WAYS_MAX: usize = 1_000;
/// The key that lists alternatives.
const OR: &str = "$or";
const ONE_KEY: &str = "Only one key allowed in match expression";
const TOO_MANY: &str = "Too many elements in numeric expression";
/// Names that a field inside `$or` must not have.
const RESERVED_INSIDE_OR: &[&str] = &[
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

type Read<T> = Result<T, PatternError>;

pub(crate) fn compile(text: &str) -> Read<Vec<Way>> {
    let mut reader = Reader {
        tokens: Tokens::new(text),
        path: Vec::new(),
    };
    if reader.tokens.next()? != Token::ObjectStart {
        return Err(reader.tokens.refuse("Filter is not an object"));
    }
    let mut ways = vec![Way::new()];
    reader.object(&mut ways, Within::Anything)?;
    Ok(ways)
}

struct Reader<'t> {
    tokens: Tokens<'t>,
    path: Vec<String>,
}

/// Whether an object stands below an `$or`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Anything,
    Or,
}

/// What `anything-but` is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum But {
    Prefix,
    Suffix,
    IgnoringCase,
    Wildcard,
}

impl Reader<'_> {
    fn object(&mut self, ways: &mut Vec<Way>, within: Within) -> Read<()> {
        if DEPTH_MAX <= self.path.len() {
            let reason = format!("Fields are nested more than {DEPTH_MAX} deep");
            return Err(PatternError::without_place(reason));
        }
        let mut is_empty = true;
        while let Token::Name(name) = self.tokens.next()? {
            is_empty = false;
            if name == OR {
                self.alternatives(ways)?;
                continue;
            }
            if within == Within::Or && RESERVED_INSIDE_OR.contains(&name.as_str()) {
                let reason =
                    format!("{name} is Ruler reserved fieldName which cannot be used inside {OR}.");
                return Err(self.tokens.refuse(reason));
            }
            match self.tokens.next()? {
                Token::ObjectStart => {
                    self.path.push(name);
                    self.object(ways, within)?;
                    self.path.pop();
                }
                Token::ArrayStart => {
                    self.path.push(name);
                    self.values(ways)?;
                    self.path.pop();
                }
                _ => {
                    let reason = format!("\"{name}\" must be an object or an array");
                    return Err(self.tokens.refuse(reason));
                }
            }
        }
        if is_empty {
            return Err(self.tokens.refuse("Empty objects are not allowed"));
        }
        Ok(())
    }

    fn alternatives(&mut self, ways: &mut Vec<Way>) -> Read<()> {
        let before = std::mem::take(ways);
        if self.tokens.next()? != Token::ArrayStart {
            let reason = format!("It must be an Array followed with {OR}.");
            return Err(self.tokens.refuse(reason));
        }
        let mut count = 0;
        loop {
            match self.tokens.next()? {
                Token::ArrayEnd => break,
                Token::ObjectStart => {
                    let mut alternative = before.clone();
                    self.object(&mut alternative, Within::Or)?;
                    ways.extend(alternative);
                    if WAYS_MAX < ways.len() {
                        return Err(PatternError::without_place(format!(
                            "The alternatives of {OR} come to more than {WAYS_MAX} combinations"
                        )));
                    }
                }
                _ => {
                    let reason =
                        format!("Only JSON object is allowed in array of {OR} relationship.");
                    return Err(self.tokens.refuse(reason));
                }
            }
            count += 1;
        }
        if count < 2 {
            let reason = format!("There must have at least 2 Objects in {OR} relationship.");
            return Err(self.tokens.refuse(reason));
        }
        Ok(())
    }

    fn values(&mut self, ways: &mut [Way]) -> Read<()> {
        let mut tests = Vec::new();
        loop {
            tests.push(match self.tokens.next()? {
                Token::ArrayEnd => break,
                Token::ObjectStart => self.operator()?,
                Token::Text => Test::Value(ValueTest::text(self.tokens.text()?)),
                Token::Number(text) => Test::Value(ValueTest::Number(NumberText::new(text))),
                Token::True => Test::Value(ValueTest::True),
                Token::False => Test::Value(ValueTest::False),
                Token::Null => Test::Value(ValueTest::Null),
                Token::ObjectEnd | Token::ArrayStart | Token::Name(_) => {
                    let reason = "Match value must be String, number, true, false, or null";
                    return Err(self.tokens.refuse(reason));
                }
            });
        }
        if tests.is_empty() {
            return Err(self.tokens.refuse("Empty arrays are not allowed"));
        }
        // A path that is named twice means what is said of it last.
        let path: Arc<str> = self.path.join(".").into();
        let tests: Arc<[Test]> = tests.into();
        for way in ways {
            way.insert(Arc::clone(&path), Arc::clone(&tests));
        }
        Ok(())
    }

    fn operator(&mut self) -> Read<Test> {
        let Token::Name(operator) = self.tokens.next()? else {
            return Err(self.tokens.refuse("Match expression name not found"));
        };
        let test = match operator.as_str() {
            "exists" => {
                let test = match self.tokens.next()? {
                    Token::True => Test::Exists,
                    Token::False => Test::Absent,
                    _ => {
                        let reason = "exists match pattern must be either true or false.";
                        return Err(self.tokens.refuse(reason));
                    }
                };
                self.end(ONE_KEY)?;
                return Ok(test);
            }
            "exactly" => {
                let text = self.text_for("exact")?;
                self.end(ONE_KEY)?;
                ValueTest::text(text)
            }
            "prefix" | "suffix" => self.affix(&operator)?,
            "equals-ignore-case" => {
                let text = self.text_for("equals-ignore-case")?;
                self.end(ONE_KEY)?;
                ValueTest::IgnoringCase(text.to_lowercase().into())
            }
            "wildcard" => {
                let text = self.text_for("wildcard")?;
                let wildcard = self.wildcard(&text)?;
                self.end(ONE_KEY)?;
                ValueTest::Wildcard(wildcard)
            }
            "cidr" => {
                let text = self.text_for("prefix")?;
                let (network, bits) = cidr(&text).map_err(PatternError::without_place)?;
                self.end(ONE_KEY)?;
                ValueTest::Cidr(network, bits)
            }
            "numeric" => {
                if self.tokens.next()? != Token::ArrayStart {
                    return Err(self.tokens.refuse("Value of numeric must be an array."));
                }
                let bounds = self.numeric()?;
                self.end(TOO_MANY)?;
                ValueTest::Numeric(bounds)
            }
            "anything-but" => self.anything_but()?,
            other => {
                let reason = format!("Unrecognized match type {other}");
                return Err(self.tokens.refuse(reason));
            }
        };
        Ok(Test::Value(test))
    }

    fn text_for(&mut self, operator: &str) -> Read<String> {
        if self.tokens.next()? != Token::Text {
            let reason = format!("{operator} match pattern must be a string");
            return Err(self.tokens.refuse(reason));
        }
        self.tokens.text()
    }

    fn end(&mut self, otherwise: &str) -> Read<()> {
        match self.tokens.next()? {
            Token::ObjectEnd => Ok(()),
            _ => Err(self.tokens.refuse(otherwise)),
        }
    }

    fn affix(&mut self, operator: &str) -> Read<ValueTest> {
        let (text, case) = match self.tokens.next()? {
            Token::Text => (self.tokens.text()?, Case::Matters),
            Token::ObjectStart => {
                let (name, title) = match self.tokens.next()? {
                    Token::Name(name) => (Some(name), operator),
                    _ => (None, operator),
                };
                match name.as_deref() {
                    Some("equals-ignore-case") => {}
                    Some(other) => {
                        let reason = format!("Unsupported {title} pattern: {other}");
                        return Err(self.tokens.refuse(reason));
                    }
                    None => {
                        let title = if operator == "prefix" {
                            "Prefix"
                        } else {
                            "Suffix"
                        };
                        let reason = format!("{title} expression name not found");
                        return Err(self.tokens.refuse(reason));
                    }
                }
                let text = self.text_for("equals-ignore-case")?;
                self.end(ONE_KEY)?;
                (text.to_lowercase(), Case::Ignored)
            }
            _ => {
                let reason = format!("{operator} match pattern must be a string");
                return Err(self.tokens.refuse(reason));
            }
        };
        self.end(ONE_KEY)?;
        Ok(if operator == "prefix" {
            ValueTest::Prefix(text.into(), case)
        } else {
            ValueTest::Suffix(text.into(), case)
        })
    }

    fn wildcard(&self, text: &str) -> Read<Wildcard> {
        Wildcard::read(text).map_err(|reason| self.tokens.refuse(reason))
    }

    fn numeric(&mut self) -> Read<Vec<(Comparison, f64)>> {
        if self.tokens.next()? != Token::Text {
            return Err(self.tokens.refuse("Invalid member in numeric match"));
        }
        let sign = self.tokens.text()?;
        let comparison = match sign.as_str() {
            "=" => Comparison::Equal,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            other => {
                // The cloud looks at what follows first, and at the sign then.
                self.tokens.next()?;
                let reason = format!("Unrecognized numeric range operator: {other}");
                return Err(self.tokens.refuse(reason));
            }
        };
        let name = if sign == "=" { "equals" } else { &sign };
        let low = self.bound(name)?;
        let may_go_on = matches!(comparison, Comparison::Greater | Comparison::GreaterOrEqual);
        let sign = match self.tokens.next()? {
            Token::ArrayEnd => return Ok(vec![(comparison, low)]),
            _ if !may_go_on => return Err(self.tokens.refuse(TOO_MANY)),
            Token::Text => self.tokens.text()?,
            _ => return Err(self.tokens.refuse("Bad value in numeric range")),
        };
        let upper = match sign.as_str() {
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            other => {
                let reason = format!("Bad numeric range operator: {other}");
                return Err(self.tokens.refuse(reason));
            }
        };
        let high = self.bound(&sign)?;
        if self.tokens.next()? != Token::ArrayEnd {
            let reason = "Too many terms in numeric range expression";
            return Err(self.tokens.refuse(reason));
        }
        if high <= low {
            return Err(self.tokens.refuse("Bottom must be less than top"));
        }
        Ok(vec![(comparison, low), (upper, high)])
    }

    fn bound(&mut self, sign: &str) -> Read<f64> {
        let Token::Number(text) = self.tokens.next()? else {
            let reason = format!("Value of {sign} must be numeric");
            return Err(self.tokens.refuse(reason));
        };
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| {
            self.tokens
                .refuse(format!("Cannot compare number : {text}"))
        })
    }

    fn anything_but(&mut self) -> Read<ValueTest> {
        let mut token = self.tokens.next()?;
        let mut about = None;
        if token == Token::ObjectStart {
            let Token::Name(operator) = self.tokens.next()? else {
                return Err(self.tokens.refuse("Anything-But expression name not found"));
            };
            about = Some(match operator.as_str() {
                "prefix" => But::Prefix,
                "suffix" => But::Suffix,
                "equals-ignore-case" => But::IgnoringCase,
                "wildcard" => But::Wildcard,
                other => {
                    let reason = format!("Unsupported anything-but pattern: {other}");
                    return Err(self.tokens.refuse(reason));
                }
            });
            token = self.tokens.next()?;
        }
        let tests = match token {
            Token::ArrayStart => self.several(about).map_err(PatternError::twice)?,
            Token::Text | Token::Number(_) => vec![self.one(about, token)?],
            _ => {
                let reason =
                    "Value of anything-but must be an array or single string/number value.";
                return Err(self.tokens.refuse(reason));
            }
        };
        let is_number = |test: &ValueTest| matches!(test, ValueTest::Number(_));
        if about.is_none()
            && (tests.is_empty() || tests.iter().any(is_number) && !tests.iter().all(is_number))
        {
            let reason = "Inside anything but list, either all values are number or string, mixed type is not supported";
            return Err(self.tokens.refuse(reason));
        }
        self.end(TOO_MANY)?;
        if about.is_some() {
            self.end(TOO_MANY)?;
        }
        Ok(ValueTest::Not(tests))
    }

    fn several(&mut self, about: Option<But>) -> Read<Vec<ValueTest>> {
        let mut tests = Vec::new();
        loop {
            match self.tokens.next()? {
                Token::ArrayEnd => return Ok(tests),
                token => tests.push(self.one(about, token)?),
            }
        }
    }

    fn one(&mut self, about: Option<But>, token: Token) -> Read<ValueTest> {
        let reason = match (about, token) {
            (None, Token::Text) => return Ok(ValueTest::text(self.tokens.text()?)),
            (None, Token::Number(text)) => {
                return Ok(ValueTest::Number(NumberText::new(text)));
            }
            (Some(but), Token::Text) => {
                let text = self.tokens.text()?;
                return self.but(but, text);
            }
            (None, _) => "Inside anything but list, start|null|boolean is not supported.",
            (Some(But::IgnoringCase), _) => {
                "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
            }
            (Some(But::Wildcard), _) => "wildcard match pattern must be a string",
            (Some(But::Prefix | But::Suffix), _) => "prefix/suffix match pattern must be a string",
        };
        Err(self.tokens.refuse(reason))
    }

    fn but(&self, but: But, text: String) -> Read<ValueTest> {
        let refuse_empty = || match text.is_empty() {
            true => Err(self.tokens.refuse("Null prefix/suffix not allowed")),
            false => Ok(()),
        };
        Ok(match but {
            But::Prefix => {
                refuse_empty()?;
                ValueTest::Prefix(text.into(), Case::Matters)
            }
            But::Suffix => {
                refuse_empty()?;
                ValueTest::Suffix(text.into(), Case::Matters)
            }
            But::IgnoringCase => ValueTest::IgnoringCase(text.to_lowercase().into()),
            But::Wildcard => ValueTest::Wildcard(self.wildcard(&text)?),
        })
    }
}

/// Reads a block of addresses.
fn cidr(text: &str) -> Result<(IpAddr, u8), String> {
    let parts: Vec<&str> = text.split('/').collect();
    let [address, bits] = parts.as_slice() else {
        return Err("Malformed CIDR, one '/' required".to_owned());
    };
    let Ok(bits) = bits.parse::<i32>() else {
        return Err("Malformed CIDR, mask bits must be an integer".to_owned());
    };
    if bits < 0 {
        return Err("Malformed CIDR, mask bits must not be negative".to_owned());
    }
    let Ok(network) = address.parse::<IpAddr>() else {
        return Err(format!("Nonstandard IP address: {address}"));
    };
    let (kind, end) = if network.is_ipv4() {
        ("IPv4", 32)
    } else {
        ("IPv6", 128)
    };
    match u8::try_from(bits) {
        Ok(small) if bits < end => Ok((network, small)),
        Ok(_) | Err(_) => Err(format!("{kind} mask bits must be < {end}")),
    }
}
