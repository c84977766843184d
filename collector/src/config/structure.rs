//! Tree → [`Document`], with everything that is wrong with keys, types, choices and bounds.
//!
//! The schema finds the problems; here they get a place, and words that help.

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::Value;

use super::file::{Document, InvalidListen, InvalidStateDirectory, Listen, StateDirectory};
use super::problem::{self, Position, Problem};
use super::schema::{self, schema};
use super::suggest::nearest;
use super::tree::{Content, Node, Origin};
use super::units::{Interval, InvalidInterval, InvalidSize, Size};

/// Reads the document. `None` when there is something to mend, which `problems` then holds.
pub(super) fn read(root: &mut Node, problems: &mut Vec<Problem>) -> Option<Document> {
    let schema = schema();
    let validator = match schema::validator(&schema) {
        Ok(validator) => validator,
        Err(error) => {
            problems.push(whole(format!("the schema of this build is broken: {error}")));
            return None;
        }
    };
    drop_empty_sections(root);
    type_expanded_values(root, &validator);
    let json = root.to_json();
    let mut found = Vec::new();
    for error in validator.iter_errors(&json) {
        for leaf in leaves(&error) {
            Reader { root, schema: &schema, leaf }.describe(&mut found);
        }
    }
    if !found.is_empty() {
        // A reference to the environment that could not be filled in is no value to judge.
        found.retain(|it| problems.iter().all(|known| known.position != it.position));
        problems.append(&mut found);
        return None;
    }
    serde_json::from_value(json).map_err(|error| problems.push(whole(error.to_string()))).ok()
}

fn whole(message: String) -> Problem {
    Problem { position: Position::START, path: String::new(), message }
}

/// `capture:` with every key below it commented out means the same as no `capture:`.
fn drop_empty_sections(root: &mut Node) {
    if let Content::Mapping(sections) = &mut root.content {
        sections.retain(|(_, section)| !section.is_null());
    }
}

/// A value from the environment is text, unless its key asks for something else.
fn type_expanded_values(root: &mut Node, validator: &Validator) {
    let json = root.to_json();
    for error in validator.iter_errors(&json) {
        for leaf in
            leaves(&error).into_iter().filter(|leaf| matches!(leaf.kind(), Kind::Type { .. }))
        {
            if let Some(Content::Scalar { origin, .. }) = root.content_at(&segments(leaf))
                && *origin == Origin::Environment
            {
                *origin = Origin::Plain;
            }
        }
    }
}

/// Keys and indices down to the value an error is about.
fn segments(error: &ValidationError<'_>) -> Vec<String> {
    error.instance_path().iter().map(|segment| segment.to_string()).collect()
}

/// What an error comes down to: of a choice between sinks only the errors of the one that `type` names.
fn leaves<'e>(error: &'e ValidationError<'_>) -> Vec<&'e ValidationError<'e>> {
    let (Kind::OneOfNotValid { context } | Kind::AnyOf { context }) = error.kind() else {
        return vec![error];
    };
    let depth = error.instance_path().iter().count();
    let is_here = |inner: &ValidationError<'_>| inner.instance_path().iter().count() == depth;
    let excludes = |inner: &ValidationError<'_>| match inner.kind() {
        Kind::Constant { .. } => true,
        Kind::Required { property } => property == "type" && is_here(inner),
        Kind::Type { .. } => is_here(inner),
        _ => false,
    };
    match context.iter().find(|errors| !errors.iter().any(excludes)) {
        Some(errors) => errors.iter().flat_map(leaves).collect(),
        None => vec![error],
    }
}

/// Puts one error into words.
struct Reader<'a> {
    root: &'a Node,
    schema: &'a Value,
    leaf: &'a ValidationError<'a>,
}

impl Reader<'_> {
    fn describe(&self, problems: &mut Vec<Problem>) {
        match self.leaf.kind() {
            Kind::AdditionalProperties { unexpected } => {
                problems.extend(unexpected.iter().map(|key| self.unknown_key(key)));
            }
            Kind::OneOfNotValid { context } | Kind::AnyOf { context } => {
                problems.push(self.choice(context));
            }
            _ => problems.push(self.problem(self.message())),
        }
    }

    fn message(&self) -> String {
        match self.leaf.kind() {
            Kind::Required { property } => format!("needs the key `{}`", schema::text(property)),
            // The value itself may be a password without its quotes.
            Kind::Type { kind } => {
                let found = self.node().kind();
                let is_unquoted = matches!(found, "true or false" | "a number" | "a whole number");
                let remedy = match expected(kind) {
                    "text" if is_unquoted => "; put it in quotes",
                    _ => "",
                };
                format!("expected {}, found {found}{remedy}", expected(kind))
            }
            Kind::Format { format } => format!("{}, found {}", hint(format), self.node().quoted()),
            Kind::Minimum { .. } | Kind::Maximum { .. } => self.out_of_bounds(),
            Kind::MinItems { .. } | Kind::MaxItems { .. } => self.outside(" items"),
            Kind::MinLength { .. } | Kind::MaxLength { .. } => self.outside(" characters"),
            Kind::MinProperties { .. } | Kind::MaxProperties { .. } => self.outside(" entries"),
            Kind::Custom { message, .. } => message.clone(),
            _ => self.leaf.masked().to_string(),
        }
    }

    /// A number beyond the bounds of its field.
    fn out_of_bounds(&self) -> String {
        match self.parent_schema().and_then(Value::as_object).and_then(schema::bounds) {
            Some((least, most)) => format!("must be between {least} and {most}"),
            None => self.leaf.masked().to_string(),
        }
    }

    /// A text, list or map that is too small or too large.
    fn outside(&self, unit: &str) -> String {
        let keyword = self.leaf.kind().keyword();
        let suffix = keyword.trim_start_matches("min").trim_start_matches("max");
        let bound =
            |which: &str| self.parent_schema().and_then(|it| it.get(format!("{which}{suffix}")));
        match (bound("min"), bound("max")) {
            (Some(least), Some(most)) => format!("must have between {least} and {most}{unit}"),
            (Some(least), None) => format!("must have at least {least}{unit}"),
            (None, Some(most)) => format!("must have at most {most}{unit}"),
            (None, None) => self.leaf.masked().to_string(),
        }
    }

    fn unknown_key(&self, key: &str) -> Problem {
        let known = self.parent_schema().and_then(|it| it["properties"].as_object());
        let known: Vec<&str> = known.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let message = match nearest(key, &known) {
            Some(name) => format!("unknown key; did you mean `{name}`?"),
            None => format!("unknown key; there are {}", list(&known, "and")),
        };
        let parent = self.node();
        let position = parent.key(key).map_or(parent.position, |key| key.position);
        let path = segments(self.leaf).into_iter().chain([key.to_owned()]);
        Problem { position, path: problem::path(path), message }
    }

    /// None of several forms fits: names the values that would.
    fn choice(&self, context: &[Vec<ValidationError<'_>>]) -> Problem {
        let constants = context.iter().flatten().filter_map(|error| match error.kind() {
            Kind::Constant { expected_value } => Some((expected_value.as_str()?, segments(error))),
            _ => None,
        });
        let (options, paths): (Vec<_>, Vec<_>) = constants.unzip();
        let Some(path) = paths.into_iter().next() else {
            return self.problem(match self.node().content {
                Content::Mapping(_) => "needs the key `type`".to_owned(),
                _ => format!("expected a mapping, found {}", self.node().kind()),
            });
        };
        let node = self.root.nearest(&path);
        let message = match node.text().and_then(|text| nearest(text, &options)) {
            Some(name) => format!("found {}; did you mean `{name}`?", node.quoted()),
            None => format!("expected {}, found {}", list(&options, "or"), node.quoted()),
        };
        Problem { position: node.position, path: problem::path(path), message }
    }

    fn problem(&self, message: String) -> Problem {
        let path = problem::path(segments(self.leaf));
        Problem { position: self.node().position, path, message }
    }

    /// The value the error is about.
    fn node(&self) -> &Node {
        self.root.nearest(&segments(self.leaf))
    }

    /// The part of the schema that holds the keyword which failed.
    fn parent_schema(&self) -> Option<&Value> {
        let (parent, _) = self.leaf.schema_path().as_str().rsplit_once('/')?;
        self.schema.pointer(parent)
    }
}

fn expected(kind: &TypeKind) -> &'static str {
    let TypeKind::Single(name) = kind else {
        return "text or a whole number";
    };
    match name {
        JsonType::Object => "a mapping",
        JsonType::Array => "a list",
        JsonType::String => "text",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::Boolean => "true or false",
        JsonType::Null => "nothing",
    }
}

fn hint(format: &str) -> String {
    match format {
        Size::FORMAT => InvalidSize.to_string(),
        Interval::FORMAT => InvalidInterval.to_string(),
        Listen::FORMAT => InvalidListen.to_string(),
        StateDirectory::FORMAT => InvalidStateDirectory.to_string(),
        other => format!("expected {other}"),
    }
}

/// `a, b or c`
fn list(options: &[&str], conjunction: &str) -> String {
    match options {
        [] => "none".to_owned(),
        [only] => format!("`{only}`"),
        [first @ .., last] => format!("`{}` {conjunction} `{last}`", first.join("`, `")),
    }
}
