//! YAML: events become nodes.
//!
//! Lives here: collections under construction, anchors and aliases, the sizes that are bounded.
//! Does not live here: scanning (`saphyr_parser`), keys and merges (`mapping`), what a plain scalar is (`scalars`), tags (`tags`).

use std::collections::{BTreeMap, HashMap};

use model::problem::{Place, Problem};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::faults::explained;
use super::lines::Lines;
use super::mapping::{Key, MappingUnderConstruction, add_entry, key_not_text, merge};
use super::tags::{Meaning, ScalarTag, wrap_height, wrapped};
use super::{
    DEPTH_MAX, Dialect, NODES_MAX, Parsed, Problems, TREE_BYTES_MAX, indentation, scalars, tags,
};
use crate::node::{Kind, Node};

/// Reads one document.
pub(super) fn read(file: &str, text: &str, dialect: Dialect) -> Parsed {
    let mut indented = BTreeMap::new();
    loop {
        let scanned = indentation::added(text, &indented);
        let mut builder = Builder::new(Lines::new(file, text, indented.clone()), dialect);
        match drive(&mut builder, &scanned) {
            Ok(whole) => return builder.parsed(file, whole),
            Err(error) => {
                if !indentation::add_line(&mut indented, &error, text) {
                    builder.malformed(&error, text);
                    return builder.parsed(file, None);
                }
            }
        }
    }
}

/// Reads all events. None: the reading was given up, with a problem that says why.
fn drive(builder: &mut Builder<'_>, text: &str) -> Result<Option<()>, ScanError> {
    let mut parser = Parser::new_from_str(text);
    let mut documents = 0_usize;
    while let Some(next) = parser.next_event() {
        let (event, span) = next?;
        let taken = match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if 1 < documents {
                    builder.second_document(span);
                    return Ok(Some(()));
                }
                Some(())
            }
            Event::Scalar(value, style, anchor, tag) => {
                builder.scalar(&value, style, anchor, tag.as_deref(), span)
            }
            Event::SequenceStart(anchor, tag) => {
                builder.open(Contents::Sequence(Vec::new()), anchor, tag.as_deref(), span)
            }
            Event::MappingStart(anchor, tag) => {
                let contents = Contents::Mapping(MappingUnderConstruction::default());
                builder.open(contents, anchor, tag.as_deref(), span)
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close(),
            Event::Alias(anchor) => builder.alias(anchor, span),
            Event::StreamEnd => return Ok(Some(())),
            Event::Nothing | Event::StreamStart | Event::DocumentEnd => Some(()),
        };
        if taken.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(()))
}

/// How large a subtree is.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
    /// Levels below and including its own.
    height: usize,
}

impl Size {
    fn of_scalar(text: &str) -> Self {
        Self {
            nodes: 1,
            bytes: text.len(),
            height: 1,
        }
    }

    fn take_in(&mut self, child: Self) {
        self.nodes += child.nodes;
        self.bytes += child.bytes;
        self.height = self.height.max(child.height + 1);
    }
}

/// A collection of which only the beginning was read.
#[derive(Debug)]
struct Frame {
    contents: Contents,
    place: Place,
    /// The function or YAML tag before it.
    tag: Meaning,
    anchor: usize,
    size: Size,
}

#[derive(Debug)]
enum Contents {
    Sequence(Vec<Node>),
    Mapping(MappingUnderConstruction),
}

/// A finished node that aliases may repeat.
#[derive(Debug)]
struct Anchored {
    node: Node,
    size: Size,
}

#[derive(Debug)]
struct Builder<'a> {
    lines: Lines<'a>,
    dialect: Dialect,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    total: Size,
    root: Option<Node>,
    problems: Problems,
}

impl<'a> Builder<'a> {
    fn new(lines: Lines<'a>, dialect: Dialect) -> Self {
        Self {
            lines,
            dialect,
            frames: Vec::new(),
            anchors: HashMap::new(),
            total: Size::default(),
            root: None,
            problems: Problems::default(),
        }
    }

    fn parsed(self, file: &str, whole: Option<()>) -> Parsed {
        let root = self.root;
        let empty = || Node::new(Kind::Null, &Place::start_of(file));
        Parsed {
            node: whole.map(|()| root.unwrap_or_else(empty)),
            problems: self.problems.into_list(),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> Option<()> {
        let text = self.without_added_line_end(text, style, span);
        let place = match style {
            ScalarStyle::SingleQuoted => self.lines.place_of_quoted(span, '\''),
            ScalarStyle::DoubleQuoted => self.lines.place_of_quoted(span, '"'),
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => {
                self.lines.place(span)
            }
        };
        self.count(Size::of_scalar(text), &place)?;
        if self.wants_key() {
            let node = Node::string(text, &place);
            self.remember(anchor, &node, Size::of_scalar(text))?;
            let is_merge = text == "<<" && style == ScalarStyle::Plain && tag.is_none();
            let key = if is_merge {
                Key::Merge
            } else {
                Key::Named {
                    text: text.to_owned(),
                    place,
                }
            };
            self.take_key(key);
            return Some(());
        }
        let meaning = self.meaning(tag, &place);
        let kind = match (&meaning, style) {
            (Meaning::Scalar(tag), _) => self.forced(*tag, text, &place),
            // A function's argument is what it would be without the tag, but never a number or a boolean: the
            // text of `!Sub 012` is `012`, and PyYAML and js-yaml hand tags the raw scalar, too.
            (Meaning::Function(_), _) => Kind::String(text.to_owned()),
            (Meaning::Itself, ScalarStyle::Plain) if tag.is_none() => {
                scalars::plain(text, self.dialect)
            }
            (Meaning::Itself, _) => Kind::String(text.to_owned()),
        };
        let node = wrapped(&meaning, Node::new(kind, &place), &place);
        let mut size = Size::of_scalar(text);
        size.height += wrap_height(&meaning);
        self.remember(anchor, &node, size)?;
        self.place_value(node, size)
    }

    /// The scanner ends a block text at the end of the file with a line end that is not there. `js-yaml` does so, too;
    /// `PyYAML` does not.
    fn without_added_line_end<'t>(&self, text: &'t str, style: ScalarStyle, span: Span) -> &'t str {
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        if !is_block || self.dialect != Dialect::CloudFormation {
            return text;
        }
        let shorter = text.strip_suffix('\n').unwrap_or(text);
        match self.lines.last_line_without_end(span) {
            Some("") if shorter.ends_with('\n') => shorter,
            // A comment at the end is not part of the text, which then ends with a line of its own.
            Some(last) if !last.is_empty() && shorter.ends_with(last) => shorter,
            Some(_) | None => text,
        }
    }

    fn open(
        &mut self,
        contents: Contents,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> Option<()> {
        let place = self.lines.place(span);
        if DEPTH_MAX <= self.frames.len() {
            return self.too_deep(&place);
        }
        self.count(Size::of_scalar(""), &place)?;
        let meaning = self.meaning(tag, &place);
        if let Meaning::Scalar(_) = meaning {
            self.problems.push(
                Problem::error("parse::wrong-tag", "this tag is for scalars alone")
                    .at(&place)
                    .help("remove the tag"),
            );
        }
        self.frames.push(Frame {
            contents,
            place,
            tag: meaning,
            anchor,
            size: Size {
                nodes: 1,
                bytes: 0,
                height: 1,
            },
        });
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        let Some(frame) = self.frames.pop() else {
            return Some(());
        };
        let kind = match frame.contents {
            Contents::Sequence(items) => Kind::Sequence(items),
            Contents::Mapping(under_construction) => Kind::Mapping(under_construction.mapping),
        };
        let place = widened(frame.place, &kind);
        let node = wrapped(&frame.tag, Node::new(kind, &place), &place);
        let mut size = frame.size;
        size.height += wrap_height(&frame.tag);
        self.remember(frame.anchor, &node, size)?;
        if self.wants_key() {
            self.problems.push(key_not_text(&node, &node.place));
            self.take_key(Key::Unusable);
            return Some(());
        }
        self.place_value(node, size)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Option<()> {
        let place = self.lines.place(span);
        let found = self.anchors.get(&anchor).map(|anchored| anchored.size);
        if let Some(size) = found {
            // Before the copy is made.
            self.count(size, &place)?;
        }
        let wants_key = self.wants_key();
        let Some(anchored) = self.anchors.get(&anchor) else {
            self.problems.push(
                Problem::error(
                    "parse::alias-of-itself",
                    "an alias inside of its own anchor",
                )
                .at(&place)
                .because("the value would contain itself without end"),
            );
            if wants_key {
                self.take_key(Key::Unusable);
                return Some(());
            }
            return self.place_value(Node::new(Kind::Null, &place), Size::of_scalar(""));
        };
        if wants_key {
            let key = match anchored.node.scalar_text() {
                Some(text) => Key::Named { text, place },
                None => {
                    self.problems.push(key_not_text(&anchored.node, &place));
                    Key::Unusable
                }
            };
            self.take_key(key);
            return Some(());
        }
        let (node, size) = (anchored.node.clone(), anchored.size);
        self.place_value(node, size)
    }

    fn wants_key(&self) -> bool {
        matches!(
            self.frames.last(),
            Some(Frame { contents: Contents::Mapping(mapping), .. }) if mapping.key.is_none()
        )
    }

    fn take_key(&mut self, key: Key) {
        if let Some(Frame {
            contents: Contents::Mapping(mapping),
            ..
        }) = self.frames.last_mut()
        {
            mapping.key = Some(key);
        }
    }

    /// Puts a finished node where it belongs: into the innermost collection, or at the root.
    fn place_value(&mut self, node: Node, size: Size) -> Option<()> {
        if DEPTH_MAX < self.frames.len() + size.height {
            return self.too_deep(&node.place);
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Some(());
        };
        frame.size.take_in(size);
        match &mut frame.contents {
            Contents::Sequence(items) => items.push(node),
            Contents::Mapping(mapping) => match mapping.key.take() {
                Some(Key::Named { text, place }) => {
                    add_entry(mapping, text, place, node, &mut self.problems);
                }
                Some(Key::Merge) => merge(mapping, node, &mut self.problems),
                Some(Key::Unusable) | None => {}
            },
        }
        Some(())
    }

    /// Keeps a copy for aliases. Copies count like what they copy, or anchors within anchors could outgrow memory.
    fn remember(&mut self, anchor: usize, node: &Node, size: Size) -> Option<()> {
        // Zero: no anchor.
        if anchor != 0 {
            self.count(size, &node.place)?;
            let node = node.clone();
            self.anchors.insert(anchor, Anchored { node, size });
        }
        Some(())
    }

    /// Adds to what the whole tree holds; none when that is too much.
    fn count(&mut self, size: Size, place: &Place) -> Option<()> {
        self.total.nodes = self.total.nodes.saturating_add(size.nodes);
        self.total.bytes = self.total.bytes.saturating_add(size.bytes);
        if NODES_MAX < self.total.nodes || TREE_BYTES_MAX < self.total.bytes {
            return self.too_large(place);
        }
        Some(())
    }

    fn meaning(&mut self, tag: Option<&Tag>, place: &Place) -> Meaning {
        let Some(tag) = tag else {
            return Meaning::Itself;
        };
        if tag.is_yaml_core_schema() {
            match tag.suffix.as_str() {
                "str" => return Meaning::Scalar(ScalarTag::Text),
                "null" => return Meaning::Scalar(ScalarTag::Null),
                "bool" => return Meaning::Scalar(ScalarTag::Boolean),
                "int" => return Meaning::Scalar(ScalarTag::Integer),
                "float" => return Meaning::Scalar(ScalarTag::Float),
                "seq" | "map" => return Meaning::Itself,
                _others => {}
            }
        } else if tag.handle == "!"
            && let Some(function) = tags::function_of(&tag.suffix)
        {
            return Meaning::Function(function);
        } else if tag.handle.is_empty() && tag.suffix == "!" {
            // The non-specific tag: a text, whatever it looks like.
            return Meaning::Itself;
        }
        let shown = if tag.is_yaml_core_schema() {
            format!("!!{}", tag.suffix)
        } else {
            format!("{}{}", tag.handle, tag.suffix)
        };
        let problem = Problem::error("parse::unknown-tag", format!("no function has the short form `{shown}`"))
            .at(place)
            .because("CloudFormation knows the short forms of its intrinsic functions alone, and neither binary, omap, pairs, set nor timestamp");
        self.problems.push(match tags::meant(&tag.suffix) {
            Some(name) => problem.help(format!("did you mean `!{name}`?")),
            None => problem.help("quote the value if it is a text that begins with `!`"),
        });
        Meaning::Itself
    }

    fn forced(&mut self, tag: ScalarTag, text: &str, place: &Place) -> Kind {
        let number = || scalars::number(text, self.dialect);
        let kind = match tag {
            ScalarTag::Text => Some(Kind::String(text.to_owned())),
            ScalarTag::Null => scalars::is_null(text).then_some(Kind::Null),
            ScalarTag::Boolean => scalars::boolean(text, self.dialect).map(Kind::Bool),
            ScalarTag::Integer | ScalarTag::Float => number(),
        };
        kind.unwrap_or_else(|| {
            self.problems.push(
                Problem::error(
                    "parse::wrong-tag",
                    format!("`{text}` is not what its tag says"),
                )
                .at(place)
                .help("remove the tag"),
            );
            Kind::String(text.to_owned())
        })
    }

    fn second_document(&mut self, span: Span) {
        self.problems.push(
            Problem::error("parse::several-documents", "a second document in one file")
                .at(&self.lines.place(span))
                .because("only the first document of a file is read")
                .help("remove the `---` and what follows it"),
        );
    }

    fn too_deep(&mut self, place: &Place) -> Option<()> {
        self.problems.push(
            Problem::error(
                "parse::too-deep",
                format!("more than {DEPTH_MAX} levels of nesting"),
            )
            .at(place),
        );
        None
    }

    fn too_large(&mut self, place: &Place) -> Option<()> {
        self.problems.push(
            Problem::error("parse::too-large", "the file grows too large")
                .at(place)
                .because(format!(
                    "with its aliases written out, it would have more than {NODES_MAX} values or {TREE_BYTES_MAX} bytes of text"
                ))
                .help("use fewer aliases of aliases"),
        );
        None
    }

    fn malformed(&mut self, error: &ScanError, text: &str) {
        let mark = self.lines.place_of_mark(*error.marker());
        let place = self.lines.tab_behind(&mark, error.info()).unwrap_or(mark);
        let line = usize::try_from(place.line)
            .ok()
            .and_then(|line| text.lines().nth(line.saturating_sub(1)))
            .unwrap_or_default();
        self.problems.push(explained(error.info(), line).at(&place));
    }
}

/// A block mapping begins with its first key, and is marked as wide as that.
fn widened(place: Place, kind: &Kind) -> Place {
    let first = match kind {
        Kind::Mapping(mapping) => mapping.iter().next().map(|entry| &entry.key_place),
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) | Kind::Sequence(_) => {
            None
        }
    };
    match first {
        Some(first) if first.line == place.line && first.column == place.column => first.clone(),
        Some(_) | None => place,
    }
}
