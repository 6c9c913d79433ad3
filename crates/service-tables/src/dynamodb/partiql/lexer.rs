//! Cutting a statement into tokens.
//!
//! Lives here: the tokens, comments, quotes and their doubling.
//! Does not live here: what they make together (`parser`, `terms`).
//!
//! Contract: PartiQL Specification, "Syntax"; Amazon DynamoDB Developer Guide, "PartiQL - a SQL-compatible query language":
//! names stand bare or in double quotes, texts in single ones, and a doubled quote inside stands for one.

use std::borrow::Cow;

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A bare name or a word of the language.
    Word(&'a str),
    /// A name in double quotes.
    Name(Cow<'a, str>),
    /// A text in single quotes.
    Text(Cow<'a, str>),
    /// A number without its sign.
    Number(&'a str),
    /// An operator or a mark.
    Mark(&'static str),
}

/// Longer ones first.
const MARKS: [&str; 25] = [
    "<<", ">>", "<>", "!=", "<=", ">=", "||", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",",
    ".", ":", ";", "+", "-", "*", "/", "?",
];

/// The statement cannot be cut: it ends within quotes or a comment, or something stands in it that begins no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// All tokens of a statement.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Unreadable> {
    let mut tokens = Vec::new();
    let mut rest = skip(text)?;
    while !rest.is_empty() {
        let (token, after) = first(rest)?;
        tokens.push(token);
        rest = skip(after)?;
    }
    Ok(tokens)
}

/// What follows spaces and comments.
fn skip(text: &str) -> Result<&str, Unreadable> {
    let mut rest = text.trim_start();
    loop {
        rest = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").ok_or(Unreadable)?.1
        } else {
            return Ok(rest);
        }
        .trim_start();
    }
}

fn first(text: &str) -> Result<(Token<'_>, &str), Unreadable> {
    if let Some(rest) = text.strip_prefix('\'') {
        let (quoted, after) = quoted(rest, '\'')?;
        return Ok((Token::Text(quoted), after));
    }
    if let Some(rest) = text.strip_prefix('"') {
        let (quoted, after) = quoted(rest, '"')?;
        return Ok((Token::Name(quoted), after));
    }
    let digit = |char: char| char.is_ascii_digit();
    let number = text.starts_with(digit)
        || (text.starts_with('.') && text.get(1..).is_some_and(|rest| rest.starts_with(digit)));
    if number {
        let (number, after) = split(text, number_bytes(text))?;
        return Ok((Token::Number(number), after));
    }
    if let Some(mark) = MARKS.iter().find(|mark| text.starts_with(**mark)) {
        let (_, after) = split(text, mark.len())?;
        return Ok((Token::Mark(mark), after));
    }
    let bytes = text
        .find(|char: char| !(char.is_alphanumeric() || char == '_' || char == '$'))
        .unwrap_or(text.len());
    if bytes == 0 {
        return Err(Unreadable);
    }
    let (word, after) = split(text, bytes)?;
    Ok((Token::Word(word), after))
}

fn split(text: &str, bytes: usize) -> Result<(&str, &str), Unreadable> {
    text.split_at_checked(bytes).ok_or(Unreadable)
}

/// What stands up to the closing quote, and what follows that.
fn quoted(text: &str, quote: char) -> Result<(Cow<'_, str>, &str), Unreadable> {
    let mut from = 0;
    let mut doubled = false;
    loop {
        let rest = text.get(from..).ok_or(Unreadable)?;
        let end = from + rest.find(quote).ok_or(Unreadable)?;
        let after = text.get(end + 1..).ok_or(Unreadable)?;
        if !after.starts_with(quote) {
            let inner = text.get(..end).ok_or(Unreadable)?;
            let inner = if doubled {
                let pair = [quote, quote].iter().collect::<String>();
                Cow::Owned(inner.replace(&pair, &quote.to_string()))
            } else {
                Cow::Borrowed(inner)
            };
            return Ok((inner, after));
        }
        doubled = true;
        from = end + 2;
    }
}

/// Bytes of the number that a text begins with: digits, a fraction, an exponent.
fn number_bytes(text: &str) -> usize {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest.bytes().take_while(u8::is_ascii_digit).count()
    };
    let byte = |at: usize| text.as_bytes().get(at).copied();
    let mut end = digits(0);
    if byte(end) == Some(b'.') {
        end = digits(end + 1);
    }
    if matches!(byte(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(byte(end + 1), Some(b'+' | b'-')));
        let after = digits(end + 1 + sign);
        // A letter without digits behind it begins a word.
        if end + 1 + sign < after {
            end = after;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Token<'_>]) {
        assert_eq!(tokens(text).as_deref(), Ok(expected), "{text}");
    }

    #[test]
    fn a_statement_is_cut_at_marks_and_spaces() {
        check(
            "SELECT a.b[1] FROM\"x y\"<<.5",
            &[
                Token::Word("SELECT"),
                Token::Word("a"),
                Token::Mark("."),
                Token::Word("b"),
                Token::Mark("["),
                Token::Number("1"),
                Token::Mark("]"),
                Token::Word("FROM"),
                Token::Name("x y".into()),
                Token::Mark("<<"),
                Token::Number(".5"),
            ],
        );
    }

    #[test]
    fn numbers_end_where_no_digit_follows() {
        check("1.5e-3", &[Token::Number("1.5e-3")]);
        check("1 e5", &[Token::Number("1"), Token::Word("e5")]);
        check("1ex", &[Token::Number("1"), Token::Word("ex")]);
        check("1.", &[Token::Number("1.")]);
    }

    #[test]
    fn a_doubled_quote_stands_for_one() {
        check("'it''s'", &[Token::Text("it's".into())]);
        check("\"a\"\"b\"", &[Token::Name("a\"b".into())]);
        check("''", &[Token::Text("".into())]);
    }

    #[test]
    fn comments_are_skipped() {
        check(
            "1 -- one\n/* two */ 2",
            &[Token::Number("1"), Token::Number("2")],
        );
        check("-- nothing", &[]);
    }

    #[test]
    fn what_does_not_end_or_begin_is_unreadable() {
        for text in ["'a", "\"a", "'a''", "/* a", "#", "a & b", "`x`"] {
            assert_eq!(tokens(text), Err(Unreadable), "{text}");
        }
    }
}
