//! Parses text into a tree. Only this module names the YAML library, and it exports none of the
//! library's types.
//!
//! It takes the parser's events one by one, so that one wrong key or tag does not hide the rest of
//! the file; only a syntax error stops it. Aliases are shared, never copied, and their expanded
//! size is counted, so that a small file cannot exhaust memory.

mod error;
mod keys;
mod syntax;

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use serde_yaml::granit_parser as granit;

use self::error::YamlError;
use self::keys::{MappingState, take_key};
use super::diagnostic_code::Code;
use super::node::{
    CoreTag, MapKey, NESTING_MAX, Node, NodeKind, Scalar, SourceSpan, Token, saturating_u32,
};
use super::text::{is_word, named};

/// The largest expanded size of one file with all aliases followed, in bytes. A value counts as
/// [`VALUE_COST`] plus the bytes of its text.
const EXPANDED_MAX: usize = 32 * 1024 * 1024;
const VALUE_COST: usize = 64;

#[derive(Debug)]
pub(super) struct Tree<'a> {
    /// The document; `None` if the syntax is broken, or if there is none.
    pub(super) root: Option<Node<'a>>,
    /// In the order of the file.
    pub(super) errors: Vec<YamlError>,
    /// All scalars, in the order of the file.
    pub(super) tokens: Vec<Token>,
    /// Whether the whole text could be parsed.
    pub(super) is_whole: bool,
}

/// Parses one file of at most 4 GiB.
pub(super) fn parse(text: &str) -> Tree<'_> {
    let options = granit::options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: NESTING_MAX,
        block_nesting_limit: NESTING_MAX,
        emit_comments: false,
    };
    let mut parser = granit::Parser::new_from_str_with_options(text, options);
    let mut builder = Builder::default();
    let mut is_whole = true;
    while let Some(next) = parser.next_event() {
        let outcome = match next {
            Ok((granit::Event::StreamEnd, _)) => break,
            Ok((event, span)) => builder.take(event, &span),
            Err(error) => Err(syntax::reworded(&error, text, builder.unclosed())),
        };
        if let Err(error) = outcome {
            builder.errors.push(error);
            is_whole = false;
            break;
        }
    }
    Tree {
        root: builder.root.filter(|_| is_whole),
        errors: builder.errors,
        tokens: builder.tokens,
        is_whole,
    }
}

/// A collection that is not closed yet.
struct OpenCollection<'a> {
    span: SourceSpan,
    is_flow: bool,
    anchor: usize,
    inside: Inside<'a>,
    cost: usize,
    height: usize,
}

enum Inside<'a> {
    List(Vec<Node<'a>>),
    Map {
        pairs: Vec<(MapKey<'a>, Node<'a>)>,
        seen: HashMap<Cow<'a, str>, SourceSpan>,
        next: MappingState<'a>,
    },
}

/// A value with its expanded size and depth.
struct Weighed<'a> {
    node: Node<'a>,
    cost: usize,
    height: usize,
}

#[derive(Default)]
struct Builder<'a> {
    root: Option<Node<'a>>,
    open: Vec<OpenCollection<'a>>,
    /// Anchored values by the parser's id, with cost and height.
    anchors: HashMap<usize, (Rc<Node<'a>>, usize, usize)>,
    tokens: Vec<Token>,
    errors: Vec<YamlError>,
    cost: usize,
    documents: usize,
}

impl<'a> Builder<'a> {
    /// Handles one event. An error stops the parsing.
    fn take(&mut self, event: granit::Event<'a>, span: &granit::Span) -> Result<(), YamlError> {
        let at = place(span);
        match event {
            granit::Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(YamlError::new(
                        Code::SecondDocument,
                        at,
                        "a file must contain only one document",
                    )
                    .help("move the second document to a file of its own"));
                }
            }
            granit::Event::Scalar(text, style, anchor, tag) => {
                let tag = self.tag(tag.as_deref(), span, SCALAR_TAGS);
                self.scalar(text, style, at, (anchor, tag))?;
            }
            granit::Event::SequenceStart(style, anchor, tag) => {
                self.tag(tag.as_deref(), span, &["seq"]);
                self.begin(Inside::List(Vec::new()), at, style, anchor);
            }
            granit::Event::MappingStart(style, anchor, tag) => {
                self.tag(tag.as_deref(), span, &["map"]);
                let inside = Inside::Map {
                    pairs: Vec::new(),
                    seen: HashMap::new(),
                    next: MappingState::Key,
                };
                self.begin(inside, at, style, anchor);
            }
            granit::Event::SequenceEnd | granit::Event::MappingEnd => self.end()?,
            granit::Event::Alias(id) => self.alias(id, at)?,
            granit::Event::UnresolvedAlias(name) => {
                let message = format!("{} refers to an undefined anchor", named(&name, "alias"));
                let found = YamlError::new(Code::Alias, at, message)
                    .help("define the anchor `&name` before the alias `*name`");
                self.errors.push(found);
                self.put(weigh(Node { span: at, kind: NodeKind::Broken }, 0, 0), VALUE_COST)?;
            }
            // The other events carry no values.
            _ => {}
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        text: Cow<'a, str>,
        style: granit::ScalarStyle,
        span: SourceSpan,
        (anchor, tag): (usize, Option<CoreTag>),
    ) -> Result<(), YamlError> {
        let is_plain = style == granit::ScalarStyle::Plain;
        let scalar = Scalar { text, is_plain, tag, token: self.tokens.len() };
        self.tokens.push(Token { start: span.start, end: span.end, is_key: self.wants_key() });
        if !scalar.fits_its_tag() {
            self.errors.push(YamlError::new(
                Code::Tag,
                span,
                "the value does not have the type of its tag",
            ));
        }
        let cost = scalar.text.len();
        self.finish(weigh(Node { span, kind: NodeKind::Scalar(scalar) }, cost, 0), anchor)
    }

    fn begin(
        &mut self,
        inside: Inside<'a>,
        span: SourceSpan,
        style: granit::StructureStyle,
        anchor: usize,
    ) {
        let is_flow = style == granit::StructureStyle::Flow;
        self.open.push(OpenCollection { span, is_flow, anchor, inside, cost: 0, height: 0 });
    }

    fn end(&mut self) -> Result<(), YamlError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let kind = match open.inside {
            Inside::List(items) => NodeKind::List(items),
            Inside::Map { pairs, .. } => NodeKind::Map(pairs),
        };
        let node = Node { span: open.span, kind };
        self.finish(weigh(node, open.cost, open.height + 1), open.anchor)
    }

    /// Completes a value: stores it under its anchor, and adds it to its parent.
    fn finish(&mut self, mut weighed: Weighed<'a>, anchor: usize) -> Result<(), YamlError> {
        // The contents of a collection were counted when they were added to it.
        let fresh = match &weighed.node.kind {
            NodeKind::List(_) | NodeKind::Map(_) => VALUE_COST,
            NodeKind::Scalar(_) | NodeKind::Shared(_) | NodeKind::Broken => weighed.cost,
        };
        if anchor != 0 {
            let span = weighed.node.span;
            let shared = Rc::new(weighed.node);
            self.anchors.insert(anchor, (Rc::clone(&shared), weighed.cost, weighed.height));
            weighed.node = Node { span, kind: NodeKind::Shared(shared) };
        }
        self.put(weighed, fresh)
    }

    fn alias(&mut self, id: usize, span: SourceSpan) -> Result<(), YamlError> {
        let Some((target, cost, height)) = self.anchors.get(&id).cloned() else {
            let message = "the alias is inside the value that it refers to";
            self.errors
                .push(YamlError::new(Code::Alias, span, message).help("write the value out"));
            return self.put(weigh(Node { span, kind: NodeKind::Broken }, 0, 0), VALUE_COST);
        };
        if self.open.len() + height > NESTING_MAX {
            return Err(YamlError::too_deep(span));
        }
        let context = Some((target.span, "repeated from here"));
        let repeated =
            Weighed { node: Node { span, kind: NodeKind::Shared(target) }, cost, height };
        self.put(repeated, cost).map_err(|found| YamlError {
            message: "the aliases expand to too many values".to_owned(),
            help: None,
            context,
            ..found
        })
    }

    /// Adds a value to the innermost open collection, or makes it the document. `fresh` is the part
    /// of its cost that has not been counted yet.
    fn put(&mut self, weighed: Weighed<'a>, fresh: usize) -> Result<(), YamlError> {
        let Weighed { node, cost, height } = weighed;
        self.cost = self.cost.saturating_add(fresh);
        if self.cost > EXPANDED_MAX {
            return Err(YamlError::new(Code::TooMuch, node.span, "the file has too many values")
                .help("split it into several files"));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.cost = open.cost.saturating_add(cost);
        open.height = open.height.max(height);
        match &mut open.inside {
            Inside::List(items) => items.push(node),
            Inside::Map { pairs, seen, next } => match std::mem::replace(next, MappingState::Key) {
                MappingState::Key => {
                    *next = take_key(&node, seen, &mut self.errors);
                    // Keys inside a key that is a list or a mapping are never decoded, so they stay
                    // hidden.
                    if !matches!(node.value().kind, NodeKind::Scalar(_)) {
                        hide_keys(&mut self.tokens, node.span.start);
                    }
                }
                MappingState::Value(key) => pairs.push((key, node)),
                // The keys of a dropped value are never decoded either.
                MappingState::Dropped => hide_keys(&mut self.tokens, node.span.start),
            },
        }
        Ok(())
    }

    /// The location of the innermost open bracket.
    fn unclosed(&self) -> Option<SourceSpan> {
        self.open.iter().rev().find(|open| open.is_flow).map(|open| open.span)
    }

    fn wants_key(&self) -> bool {
        self.open.last().is_some_and(
            |open| matches!(&open.inside, Inside::Map { next, .. } if matches!(next, MappingState::Key)),
        )
    }

    /// Parses a tag. One that is not in `allowed` is reported, and the value is kept without it.
    fn tag(
        &mut self,
        tag: Option<&granit::Tag>,
        span: &granit::Span,
        allowed: &[&str],
    ) -> Option<CoreTag> {
        let tag = tag?;
        let at = span.tag_span().map_or_else(|| place(span), |tag| place(&tag));
        let known = match tag.core_suffix() {
            Some(suffix) => Some(suffix),
            // The non-specific tag `!` only marks a scalar as text.
            None if tag.original() == "!" => {
                Some(if allowed.len() > 1 { "str" } else { allowed[0] })
            }
            None => None,
        };
        match known.filter(|tag| allowed.contains(tag)) {
            Some("str") => Some(CoreTag::Text),
            Some("int") => Some(CoreTag::Int),
            Some("float") => Some(CoreTag::Float),
            Some("bool") => Some(CoreTag::Bool),
            Some("null") => Some(CoreTag::Null),
            Some(_) => None,
            None => {
                let message = format!("{} is not supported", tag_word(&tag.original()));
                self.errors.push(YamlError::new(Code::Tag, at, message).help("remove the tag"));
                None
            }
        }
    }
}

/// The tag in quotes if it consists of words, else just "a tag".
fn tag_word(tag: &str) -> String {
    let is_shown = tag.split(['!', ':', '/', ',']).all(is_word);
    if is_shown { format!("the tag `{tag}`") } else { "a tag".to_owned() }
}

const SCALAR_TAGS: &[&str] = &["str", "int", "float", "bool", "null"];

/// Treats the keys from this offset on as values.
fn hide_keys(tokens: &mut [Token], start: u32) {
    for token in tokens.iter_mut().rev().take_while(|token| token.start >= start) {
        token.is_key = false;
    }
}

fn weigh(node: Node<'_>, cost: usize, height: usize) -> Weighed<'_> {
    Weighed { node, cost: cost.saturating_add(VALUE_COST), height }
}

fn place(span: &granit::Span) -> SourceSpan {
    let bytes = span.byte_range().unwrap_or(0..0);
    SourceSpan {
        start: saturating_u32(bytes.start),
        end: saturating_u32(bytes.end),
        line: saturating_u32(span.start.line()),
        column: saturating_u32(span.start.col() + 1),
    }
}
