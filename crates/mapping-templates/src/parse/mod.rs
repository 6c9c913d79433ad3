//! Reading templates.
//!
//! Lives here: text, directives, comments, and which blanks around a directive belong to it.
//! Does not live here: expressions and references (`expression`), carrying anything out (`render`).
//!
//! Contract: Apache Velocity 1.7; its successor's recorded outputs of the mode that keeps blanks as 1.x did: a directive takes
//! the blanks and the line break behind its closing parenthesis, and a `#set` alone on its line the blanks before it.

mod cursor;
mod expression;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::tree::{Block, Macro, Node, Parity, Program};
use crate::{ParseError, TEMPLATE_BYTES_MAX};
use cursor::Cursor;

/// Directives that read other files, or texts as templates: API Gateway has no use for them, and we refuse them.
const REFUSED: [&str; 3] = ["include", "parse", "evaluate"];

/// Reads a whole template.
pub(crate) fn program(text: &str) -> Result<Program, ParseError> {
    let mut parser = Parser {
        cursor: Cursor::new(text),
        macros: BTreeMap::new(),
    };
    if TEMPLATE_BYTES_MAX < text.len() {
        return Err(parser.cursor.error(format!(
            "it has {} bytes, and API Gateway takes {TEMPLATE_BYTES_MAX}",
            text.len()
        )));
    }
    let (block, end) = parser.block(Within::Template)?;
    debug_assert!(end == End::OfText, "a template ends where its text does");
    Ok(Program {
        block,
        macros: parser.macros,
    })
}

/// Reads what stands in a text of double quotes.
fn interpolated(text: &str, from: &Cursor<'_>) -> Result<Block, ParseError> {
    let mut parser = Parser {
        cursor: from.inside(text)?,
        macros: BTreeMap::new(),
    };
    Ok(parser.block(Within::Template)?.0)
}

/// What a block stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Template,
    /// Between a directive and its `#end`.
    Directive,
    /// The same, where `#else` and `#elseif` may follow.
    If,
}

/// What ended a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    OfText,
    OfBlock,
    Else,
    ElseIf,
}

pub(super) struct Parser<'a> {
    cursor: Cursor<'a>,
    macros: BTreeMap<String, Arc<Macro>>,
}

/// Nodes, with text that is still growing.
#[derive(Default)]
struct Pieces {
    nodes: Block,
    text: String,
}

impl Pieces {
    fn push(&mut self, node: Node) {
        self.flush();
        self.nodes.push(node);
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.nodes.push(Node::Text(text.into()));
        }
    }

    fn done(mut self) -> Block {
        self.flush();
        self.nodes
    }
}

impl Parser<'_> {
    fn block(&mut self, within: Within) -> Result<(Block, End), ParseError> {
        self.cursor.enter()?;
        let mut pieces = Pieces::default();
        let end = loop {
            let plain = self.cursor.until(&['$', '#', '\\']);
            pieces.text.push_str(plain);
            let ended = match self.cursor.peek() {
                None => Some(self.text_ended(within)?),
                Some('\\') => {
                    self.backslashes(&mut pieces)?;
                    None
                }
                Some('$') => {
                    self.dollar(&mut pieces)?;
                    None
                }
                Some(_) => self.hash(&mut pieces, within)?,
            };
            if let Some(end) = ended {
                break end;
            }
        };
        self.cursor.leave();
        Ok((pieces.done(), end))
    }

    fn text_ended(&self, within: Within) -> Result<End, ParseError> {
        match within {
            Within::Template => Ok(End::OfText),
            Within::Directive | Within::If => {
                Err(self.cursor.error("a directive has no `#end`".to_owned()))
            }
        }
    }

    fn dollar(&mut self, pieces: &mut Pieces) -> Result<(), ParseError> {
        match self.reference()? {
            Some(reference) => pieces.push(Node::Reference(reference)),
            None => {
                pieces.text.push('$');
                self.cursor.skip(1);
            }
        }
        Ok(())
    }

    /// Backslashes mean something in front of a reference or a directive alone.
    fn backslashes(&mut self, pieces: &mut Pieces) -> Result<(), ParseError> {
        let count = self.cursor.count('\\');
        self.cursor.skip(count);
        let parity = if count.is_multiple_of(2) {
            Parity::Even
        } else {
            Parity::Odd
        };
        if self.cursor.peek() == Some('$')
            && let Some(reference) = self.reference()?
        {
            pieces.push(Node::Escaped(count / 2, parity, reference));
            return Ok(());
        }
        let directive = self.cursor.directive_name();
        let is_directive = directive.is_some_and(|name| self.is_known(&name));
        if self.cursor.peek() == Some('#') && is_directive {
            pieces.text.push_str(&"\\".repeat(count / 2));
            if parity == Parity::Odd {
                pieces.text.push('#');
                self.cursor.skip(1);
            }
            return Ok(());
        }
        pieces.text.push_str(&"\\".repeat(count));
        Ok(())
    }

    fn is_known(&self, name: &str) -> bool {
        const KNOWN: [&str; 11] = [
            "set", "if", "elseif", "else", "end", "foreach", "define", "macro", "break", "stop",
            "include",
        ];
        KNOWN.contains(&name) || REFUSED.contains(&name) || self.macros.contains_key(name)
    }

    /// A comment, a text that is left alone, a directive, or a `#` that is none of these.
    fn hash(&mut self, pieces: &mut Pieces, within: Within) -> Result<Option<End>, ParseError> {
        if self.cursor.starts_with("##") {
            self.cursor.until(&['\n']);
            self.cursor.skip(1);
            return Ok(None);
        }
        if self.cursor.starts_with("#*") {
            self.cursor.skip(2);
            let closed = self.cursor.behind("*#");
            closed.ok_or_else(|| self.cursor.error("a comment has no `*#`".to_owned()))?;
            return Ok(None);
        }
        if self.cursor.starts_with("#[[") {
            self.cursor.skip(3);
            let plain = self.cursor.behind("]]#");
            let plain =
                plain.ok_or_else(|| self.cursor.error("a `#[[` has no `]]#`".to_owned()))?;
            pieces.text.push_str(plain);
            return Ok(None);
        }
        let Some(name) = self.cursor.directive_name() else {
            pieces.text.push('#');
            self.cursor.skip(1);
            return Ok(None);
        };
        self.directive(&name, pieces, within)
    }

    fn directive(
        &mut self,
        name: &str,
        pieces: &mut Pieces,
        within: Within,
    ) -> Result<Option<End>, ParseError> {
        match name {
            "set" => self.set(pieces)?,
            "if" => {
                self.cursor.skip_directive();
                let node = self.conditional()?;
                pieces.push(node);
            }
            "foreach" => {
                self.cursor.skip_directive();
                let node = self.foreach()?;
                pieces.push(node);
            }
            "define" => {
                self.cursor.skip_directive();
                let name = self.name_in_parentheses()?;
                let body = self.body()?;
                pieces.push(Node::Define(name, Arc::new(body)));
            }
            "macro" => {
                self.cursor.skip_directive();
                self.declare()?;
            }
            "break" | "stop" => {
                self.cursor.skip_directive();
                pieces.push(if name == "break" {
                    Node::Break
                } else {
                    Node::Stop
                });
            }
            "else" | "elseif" | "end"
                if within == Within::Template || (within == Within::Directive && name != "end") =>
            {
                return Err(self
                    .cursor
                    .error(format!("`#{name}` belongs to no directive here")));
            }
            "else" | "end" => {
                self.cursor.skip_directive();
                self.cursor.skip_line_end();
                return Ok(Some(if name == "else" {
                    End::Else
                } else {
                    End::OfBlock
                }));
            }
            "elseif" => {
                self.cursor.skip_directive();
                return Ok(Some(End::ElseIf));
            }
            name if REFUSED.contains(&name) => {
                return Err(self
                    .cursor
                    .error(format!("`#{name}` reads what API Gateway does not have")));
            }
            name if self.macros.contains_key(name) => {
                self.cursor.skip_directive();
                let arguments = if self.cursor.peek_past_blanks() == Some('(') {
                    self.arguments_apart()?
                } else {
                    Vec::new()
                };
                pieces.push(Node::Call(name.into(), arguments));
            }
            _ => {
                pieces.text.push('#');
                self.cursor.skip(1);
            }
        }
        Ok(None)
    }

    fn set(&mut self, pieces: &mut Pieces) -> Result<(), ParseError> {
        let begins_line = self.cursor.begins_line();
        self.cursor.skip_directive();
        self.open()?;
        let target = self.reference()?;
        let target = target.ok_or_else(|| {
            self.cursor
                .error("`#set` begins with a reference, as `$name`".to_owned())
        })?;
        self.cursor.skip_space();
        if !self.cursor.eat("=") {
            return Err(self.cursor.error("`#set` needs a `=`".to_owned()));
        }
        let value = self.expression()?;
        let took_line = self.close()?;
        // Alone on its line it takes the blanks before it, too.
        let kept = pieces.text.trim_end_matches([' ', '\t']).len();
        if took_line && begins_line {
            pieces.text.truncate(kept);
        }
        pieces.push(Node::Set(target, value));
        Ok(())
    }

    fn conditional(&mut self) -> Result<Node, ParseError> {
        let mut arms = Vec::new();
        loop {
            self.open()?;
            let condition = self.expression()?;
            self.close()?;
            let (block, end) = self.block(Within::If)?;
            arms.push((condition, block));
            match end {
                End::ElseIf => {}
                End::Else => {
                    let otherwise = self.body()?;
                    return Ok(Node::If(arms, Some(otherwise)));
                }
                End::OfBlock | End::OfText => return Ok(Node::If(arms, None)),
            }
        }
    }

    fn foreach(&mut self) -> Result<Node, ParseError> {
        self.open()?;
        self.cursor.skip_space();
        let name = self.variable()?;
        self.cursor.skip_space();
        if !self.cursor.eat_word("in") {
            return Err(self
                .cursor
                .error("`#foreach` needs an `in`, as `#foreach($x in $list)`".to_owned()));
        }
        let list = self.expression()?;
        self.close()?;
        let body = self.body()?;
        Ok(Node::Foreach(name, list, body))
    }

    fn name_in_parentheses(&mut self) -> Result<Arc<str>, ParseError> {
        self.open()?;
        self.cursor.skip_space();
        let name = self.variable()?;
        self.close()?;
        Ok(name)
    }

    fn declare(&mut self) -> Result<(), ParseError> {
        self.open()?;
        self.cursor.skip_space();
        let name = self.cursor.identifier();
        if name.is_empty() {
            return Err(self.cursor.error("a macro needs a name".to_owned()));
        }
        let mut parameters = Vec::new();
        loop {
            self.cursor.skip_space();
            self.cursor.eat(",");
            self.cursor.skip_space();
            if self.cursor.peek() != Some('$') {
                break;
            }
            parameters.push(self.variable()?);
        }
        self.close()?;
        // Its own name is known inside it, so that it may call itself.
        let empty = Macro {
            parameters: Vec::new(),
            body: Vec::new(),
        };
        self.macros.insert(name.clone(), Arc::new(empty));
        let body = self.body()?;
        self.macros
            .insert(name, Arc::new(Macro { parameters, body }));
        Ok(())
    }

    /// What follows up to `#end`.
    fn body(&mut self) -> Result<Block, ParseError> {
        Ok(self.block(Within::Directive)?.0)
    }
}
