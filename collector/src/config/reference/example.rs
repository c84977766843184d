//! The annotated example. Lines that begin with `#: ` are keys that are not in force.

use serde_json::Value;

use super::model::{Field, Variant};
use crate::config::emit;

const INTRODUCTION: &str = "\
# Configuration of Writetap: every key with its default. Nothing here has to be set.
# Lines that begin with `#:` are examples; remove the mark to use them. Reference: reference/config.md
# Check it with: writetap validate FILE
# yaml-language-server: $schema=reference/config.schema.json
";

/// Begins a key that is not in force.
const INACTIVE: &str = "#: ";

/// Columns of a comment.
const WIDTH: usize = 110;

/// The example with these top-level fields.
pub(super) fn render(fields: &[Field]) -> String {
    let mut writer = Writer { lines: Vec::new() };
    for field in fields {
        writer.lines.push(String::new());
        writer.field(field, 0, "");
    }
    format!("{INTRODUCTION}{}\n", writer.lines.join("\n"))
}

struct Writer {
    lines: Vec<String>,
}

impl Writer {
    /// A key with its comment; `mark` puts it out of force, and so does the lack of a default.
    fn field(&mut self, field: &Field, indent: usize, mark: &str) {
        self.comment(&comment(field), indent);
        for choice in &field.choices {
            self.comment(&format!("- {}: {}", choice.word, choice.description), indent);
        }
        let mark = if field.default.is_none() { INACTIVE } else { mark };
        if !field.variants.is_empty() {
            self.line(&format!("{}:", field.key), indent, mark);
            for (index, variant) in field.variants.iter().enumerate() {
                self.variant(variant, indent + 2, index == 0);
            }
        } else if !field.fields.is_empty() {
            self.line(&format!("{}:", field.key), indent, mark);
            for inner in &field.fields {
                self.field(inner, indent + 2, mark);
            }
        } else {
            self.line(&format!("{}: {}", field.key, value(field)), indent, mark);
        }
    }

    /// The first form is in force, under the name that it has by default.
    fn variant(&mut self, variant: &Variant, indent: usize, is_in_force: bool) {
        let Variant { tag, description, fields } = variant;
        let (name, mark) = if is_in_force { ("stdout", "") } else { (tag.as_str(), INACTIVE) };
        self.comment(description, indent);
        self.line(&format!("{name}:"), indent, mark);
        self.line(&format!("type: {tag}"), indent + 2, mark);
        for field in fields {
            self.field(field, indent + 2, mark);
        }
    }

    fn line(&mut self, line: &str, indent: usize, mark: &str) {
        self.lines.push(format!("{:indent$}{mark}{line}", ""));
    }

    fn comment(&mut self, text: &str, indent: usize) {
        let mut line = String::new();
        for word in text.split(' ') {
            if !line.is_empty() && indent + 2 + line.len() + 1 + word.len() > WIDTH {
                self.line(&line, indent, "# ");
                line.clear();
            }
            let separator = if line.is_empty() { "" } else { " " };
            line = format!("{line}{separator}{word}");
        }
        self.line(&line, indent, "# ");
    }
}

fn comment(field: &Field) -> String {
    match &field.bounds {
        Some((least, most)) => format!("{} {least} to {most}.", field.description),
        None => field.description.clone(),
    }
}

/// The default, else an example as it is written: it may refer to the environment.
fn value(field: &Field) -> String {
    match (&field.default, &field.example, field.choices.first()) {
        (Some(default), _, _) => emit::inline(default),
        (None, Some(Value::String(example)), _) if example.starts_with("${") => example.clone(),
        (None, Some(example), _) => emit::inline(example),
        (None, None, Some(choice)) => choice.word.clone(),
        (None, None, None) => String::new(),
    }
}
