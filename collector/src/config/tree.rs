//! The file as a tree whose every key and value knows its place in the text.

use serde_json::Value;

use super::problem::Position;

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) position: Position,
    pub(super) content: Content,
}

/// What a value is made of.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Scalar { text: String, origin: Origin },
    Sequence(Vec<Node>),
    Mapping(Vec<(Key, Node)>),
}

/// What decides the type of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Its look: `10` is an integer, `true` a boolean.
    Plain,
    /// It is text, being quoted or a block.
    Quoted,
    /// Its text came from the environment: it is what its key asks for.
    Environment,
}

/// A key of a mapping and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) position: Position,
    pub(super) text: String,
}

impl Node {
    /// Characters of a value that a message shows.
    const QUOTED_CHARS: usize = 60;

    /// An empty mapping: what an empty file means.
    pub(super) fn empty() -> Self {
        Self { position: Position::START, content: Content::Mapping(Vec::new()) }
    }

    /// Nothing, as after a key without a value.
    pub(super) fn is_null(&self) -> bool {
        self.to_json().is_null()
    }

    /// The value below, by key or index.
    pub(super) fn child(&self, segment: &str) -> Option<&Self> {
        match &self.content {
            Content::Mapping(entries) => {
                entries.iter().find(|(key, _)| key.text == segment).map(|(_, value)| value)
            }
            Content::Sequence(items) => items.get(segment.parse::<usize>().ok()?),
            Content::Scalar { .. } => None,
        }
    }

    /// Where a key below stands.
    pub(super) fn key(&self, name: &str) -> Option<&Key> {
        let Content::Mapping(entries) = &self.content else {
            return None;
        };
        entries.iter().map(|(key, _)| key).find(|key| key.text == name)
    }

    /// The value at a path, else the deepest one on the way to it.
    pub(super) fn nearest<S: AsRef<str>>(&self, path: &[S]) -> &Self {
        let mut node = self;
        for segment in path {
            let Some(child) = node.child(segment.as_ref()) else {
                break;
            };
            node = child;
        }
        node
    }

    /// What the value at a path is made of, to change it.
    pub(super) fn content_at(&mut self, path: &[String]) -> Option<&mut Content> {
        let Some((segment, rest)) = path.split_first() else {
            return Some(&mut self.content);
        };
        let child = match &mut self.content {
            Content::Mapping(entries) => {
                entries.iter_mut().find(|(key, _)| key.text == *segment).map(|(_, value)| value)
            }
            Content::Sequence(items) => items.get_mut(segment.parse::<usize>().ok()?),
            Content::Scalar { .. } => None,
        };
        child?.content_at(rest)
    }

    /// The text of a scalar that stands in the file itself.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, origin } if *origin != Origin::Environment => Some(text),
            _ => None,
        }
    }

    /// What kind of value it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match (&self.content, self.to_json()) {
            (Content::Sequence(_), _) => "a list",
            (Content::Mapping(_), _) => "a mapping",
            (_, Value::Null) => "nothing",
            (_, Value::Bool(_)) => "true or false",
            (_, Value::Number(number)) if number.is_f64() => "a number",
            (_, Value::Number(_)) => "a whole number",
            _ => "text",
        }
    }

    /// The value itself, for messages; not what came from the environment, which may be secret.
    pub(super) fn quoted(&self) -> String {
        match &self.content {
            Content::Scalar { origin: Origin::Environment, .. } => {
                "a value from the environment".to_owned()
            }
            Content::Scalar { text, .. } if !self.is_null() => {
                let mut start = text.chars();
                let shown: String = start.by_ref().take(Self::QUOTED_CHARS).collect();
                let rest = if start.as_str().is_empty() { "" } else { "…" };
                format!("`{}{rest}`", shown.escape_debug())
            }
            _ => self.kind().to_owned(),
        }
    }

    /// This value and all below it.
    pub(super) fn count(&self) -> usize {
        1 + match &self.content {
            Content::Scalar { .. } => 0,
            Content::Sequence(items) => items.iter().map(Self::count).sum(),
            Content::Mapping(entries) => entries.iter().map(|(_, value)| value.count()).sum(),
        }
    }

    /// How deep it nests; a scalar has 0.
    pub(super) fn depth(&self) -> usize {
        let deepest = match &self.content {
            Content::Scalar { .. } => return 0,
            Content::Sequence(items) => items.iter().map(Self::depth).max(),
            Content::Mapping(entries) => entries.iter().map(|(_, value)| value.depth()).max(),
        };
        1 + deepest.unwrap_or(0)
    }

    /// The same without places.
    pub(super) fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar { text, origin: Origin::Plain } => resolve(text),
            Content::Scalar { text, .. } => Value::from(text.as_str()),
            Content::Sequence(items) => items.iter().map(Self::to_json).collect(),
            Content::Mapping(entries) => {
                entries.iter().map(|(key, value)| (key.text.clone(), value.to_json())).collect()
            }
        }
    }
}

/// The value of a plain scalar under the core schema of YAML 1.2, so that `on`, `off`, `yes` and `no` are text.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(integer) = text.parse::<i64>() {
        return Value::from(integer);
    }
    let is_number = text.bytes().any(|byte| byte.is_ascii_digit());
    match text.parse::<f64>() {
        // `8.0` and `1e3` are whole numbers, up to where a float tells each from the next.
        Ok(float) if is_number && float.fract() == 0.0 && float.abs() < 2_f64.powi(53) => {
            Value::from(float as i64)
        }
        Ok(float) if is_number && float.is_finite() => Value::from(float),
        _ => Value::from(text),
    }
}
