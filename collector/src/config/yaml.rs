//! YAML text → tree.
//!
//! Works on the parser's events, because what is made of a configuration must be bounded and exact: a repeated key is
//! a problem rather than an overwrite, and aliases cannot multiply. Tags, and keys that are not text, are refused.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::problem::{Position, Problem};
use super::tree::{Content, Key, Node, Origin};

/// Values that a file may hold, aliases resolved.
const MAX_NODES: usize = 10_000;
/// How deep they may nest.
const MAX_DEPTH: usize = 32;

/// Reads one document; an empty one is an empty mapping. The error is what stopped the reading; `problems` gets what
/// did not.
pub(super) fn parse(text: &str, problems: &mut Vec<Problem>) -> Result<Node, Problem> {
    let mut builder =
        Builder { open: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None, problems };
    let mut parser = Parser::new_from_str(text);
    let mut documents = 0;
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| syntax(text, &error))?;
        if let Event::DocumentStart(_) = event {
            documents += 1;
            if documents > 1 {
                return Err(builder.problem(position(span), "a second document; a file holds one"));
            }
        }
        builder.take(event, position(span))?;
    }
    Ok(builder.root.filter(|root| !root.is_null()).unwrap_or_else(Node::empty))
}

fn position(span: Span) -> Position {
    Position { line: span.start.line(), column: span.start.col() + 1 }
}

fn syntax(text: &str, error: &ScanError) -> Problem {
    let mark = error.marker();
    let has_variable =
        text.lines().nth(mark.line().saturating_sub(1)).is_some_and(|line| line.contains("${"));
    let hint = if has_variable { "; within `{ }` and `[ ]`, `${…}` needs quotes" } else { "" };
    Problem {
        position: Position { line: mark.line().max(1), column: mark.col() + 1 },
        path: String::new(),
        message: format!("not YAML: {}{hint}", error.info()),
    }
}

/// A sequence or mapping whose end is not read yet.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value.
    key: Option<Key>,
}

struct Builder<'a> {
    open: Vec<Open>,
    /// Finished nodes by the parser's number for their anchor; 0 is no anchor.
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
    problems: &'a mut Vec<Problem>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, position: Position) -> Result<(), Problem> {
        match event {
            Event::Scalar(_, _, _, Some(tag))
            | Event::SequenceStart(_, Some(tag))
            | Event::MappingStart(_, Some(tag)) => {
                Err(self.problem(position, &format!("tag `{tag}`; tags have no meaning here")))
            }
            Event::Scalar(text, style, anchor, None) => {
                let origin =
                    if style == ScalarStyle::Plain { Origin::Plain } else { Origin::Quoted };
                let content = Content::Scalar { text: text.into_owned(), origin };
                self.charge(1, position)?;
                self.place(Node { position, content }, anchor)
            }
            Event::SequenceStart(anchor, None) => {
                self.begin(Content::Sequence(Vec::new()), anchor, position)
            }
            Event::MappingStart(anchor, None) => {
                self.begin(Content::Mapping(Vec::new()), anchor, position)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { node, anchor, .. }) => self.place(node, anchor),
                None => Ok(()),
            },
            Event::Alias(id) => match self.anchors.get(&id) {
                Some(node) => {
                    let node = Node { position, content: node.content.clone() };
                    if self.open.len() + node.depth() > MAX_DEPTH {
                        return Err(self.too_deep(position));
                    }
                    self.charge(node.count(), position)?;
                    self.place(node, 0)
                }
                None => Err(self.problem(position, "an alias inside the value it stands for")),
            },
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(
        &mut self,
        content: Content,
        anchor: usize,
        position: Position,
    ) -> Result<(), Problem> {
        if self.open.len() == MAX_DEPTH {
            return Err(self.too_deep(position));
        }
        self.charge(1, position)?;
        self.open.push(Open { node: Node { position, content }, anchor, key: None });
        Ok(())
    }

    /// Counts values against their limit.
    fn charge(&mut self, nodes: usize, position: Position) -> Result<(), Problem> {
        self.nodes += nodes;
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        Err(self.problem(position, &format!("more than {MAX_NODES} values, aliases resolved")))
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(Open { node: parent, key, .. }) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut parent.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping(entries) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => return self.expect_value_for(node),
            },
            Content::Scalar { .. } => {}
        }
        Ok(())
    }

    /// The node is a key: remembers it until its value comes.
    fn expect_value_for(&mut self, node: Node) -> Result<(), Problem> {
        let Content::Scalar { text, .. } = node.content else {
            return Err(self.problem(node.position, "a key that is not text"));
        };
        if let Some(first) = self.open.last().and_then(|open| open.node.key(&text)) {
            let message = format!("repeats the key `{text}` of line {}", first.position.line);
            let problem = self.problem(node.position, &message);
            self.problems.push(problem);
        }
        if let Some(open) = self.open.last_mut() {
            open.key = Some(Key { position: node.position, text });
        }
        Ok(())
    }

    fn too_deep(&self, position: Position) -> Problem {
        self.problem(position, &format!("values nest deeper than {MAX_DEPTH}"))
    }

    /// A problem at the place that is being read.
    fn problem(&self, position: Position, message: &str) -> Problem {
        let segments = self.open.iter().filter_map(|open| match (&open.node.content, &open.key) {
            (Content::Sequence(items), _) => Some(items.len().to_string()),
            (_, key) => key.as_ref().map(|key| key.text.clone()),
        });
        Problem { position, path: super::problem::path(segments), message: message.to_owned() }
    }
}
