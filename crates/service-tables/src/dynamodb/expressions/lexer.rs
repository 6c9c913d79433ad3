//! Cutting an expression into tokens.
//!
//! Lives here: the tokens and their places.
//! Does not live here: what they make together (`parser`).

/// A token, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind<'a>,
    /// Its first byte.
    pub start: usize,
    /// The byte after its last one.
    pub end: usize,
}

/// The kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A name or a word of the language.
    Name(&'a str),
    /// `#name`
    NamePlaceholder(&'a str),
    /// `:value`
    ValuePlaceholder(&'a str),
    /// A row of digits.
    Digits(&'a str),
    /// An operator or a mark.
    Mark(&'a str),
    /// What begins no token.
    Stray(&'a str),
}

impl<'a> Kind<'a> {
    /// As it was written.
    #[must_use]
    pub const fn text(self) -> &'a str {
        match self {
            Self::Name(text)
            | Self::NamePlaceholder(text)
            | Self::ValuePlaceholder(text)
            | Self::Digits(text)
            | Self::Mark(text)
            | Self::Stray(text) => text,
        }
    }
}

const MARKS: &[&str] = &[
    "<>", "<=", ">=", "<", ">", "=", "(", ")", "[", "]", ",", ".", "+", "-",
];

/// All tokens of an expression.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(rest) = text.get(start..) {
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        start += rest.len() - trimmed.len();
        let Some(kind) = first(trimmed) else {
            break;
        };
        let end = start + kind.text().len();
        tokens.push(Token { kind, start, end });
        start = end;
    }
    tokens
}

fn first(text: &str) -> Option<Kind<'_>> {
    let first = text.chars().next()?;
    let word = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        let length = rest
            .find(|char: char| !(char.is_ascii_alphanumeric() || char == '_'))
            .unwrap_or(rest.len());
        (length != 0).then(|| text.get(..from + length)).flatten()
    };
    if let Some(mark) = MARKS.iter().find(|mark| text.starts_with(**mark)) {
        return text.get(..mark.len()).map(Kind::Mark);
    }
    let kind = match first {
        '#' => word(1).map(Kind::NamePlaceholder),
        ':' => word(1).map(Kind::ValuePlaceholder),
        '0'..='9' => {
            let length = text
                .find(|char: char| !char.is_ascii_digit())
                .unwrap_or(text.len());
            text.get(..length).map(Kind::Digits)
        }
        'a'..='z' | 'A'..='Z' => word(0).map(Kind::Name),
        _ => None,
    };
    kind.or_else(|| text.get(..first.len_utf8()).map(Kind::Stray))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_cut_at_marks_and_spaces() {
        let texts =
            |text| -> Vec<_> { tokens(text).iter().map(|token| token.kind.text()).collect() };
        assert_eq!(
            texts("#a<=:low AND b[10].c_1<>size (d)\n"),
            [
                "#a", "<=", ":low", "AND", "b", "[", "10", "]", ".", "c_1", "<>", "size", "(", "d",
                ")"
            ]
        );
        assert_eq!(texts("a ? é # :"), ["a", "?", "é", "#", ":"]);
        assert_eq!(texts("  "), [""; 0]);
    }
}
