//! The reference page.

use super::model::{Field, Variant};
use crate::config::emit;

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from `collector/src/config/file/`; change it there. -->

`writetap` reads one YAML file: the one that `--config` or `WRITETAP_CONFIG` names, else
`/etc/writetap/writetap.yaml` if it exists. Without a file, and for every key left out, the defaults below apply.
`writetap validate` reports everything wrong with a file, `writetap validate --print` shows all that applies.

- *Sizes* are numbers with a unit: `512KiB`, `16MiB`, `1GiB` (powers of 1024) or `1MB` (of 1000).
- *Durations* are numbers with units: `10ms`, `2s`, `1m 30s`, `1h`.
- `${NAME}` in a value stands for an environment variable, `${NAME:-default}` for it or a default when it is unset or
  empty; `$${` is a literal `${`. What a variable holds is never read as YAML.
- Unknown and repeated keys are refused. A file has at most 1 MiB.
";

/// The page of these top-level fields.
pub(super) fn render(fields: &[Field]) -> String {
    let mut lines = Vec::new();
    for field in fields {
        section(field, &field.key, 2, &mut lines);
    }
    format!("{INTRODUCTION}{}\n", lines.join("\n"))
}

/// A heading, what it is about, the keys in it, then the sections in it.
fn section(section: &Field, path: &str, level: usize, lines: &mut Vec<String>) {
    heading(&format!("`{path}`"), level, &section.description, lines);
    body(&section.fields, path, level, lines);
    for Variant { tag, description, fields } in &section.variants {
        heading(&format!("`{path}.<name>` with `type: {tag}`"), level + 1, description, lines);
        body(fields, &format!("{path}.<name>"), level + 1, lines);
    }
}

fn heading(title: &str, level: usize, description: &str, lines: &mut Vec<String>) {
    lines.push(format!("\n{} {title}\n\n{description}", "#".repeat(level)));
}

fn body(fields: &[Field], path: &str, level: usize, lines: &mut Vec<String>) {
    let (keys, sections): (Vec<_>, Vec<_>) =
        fields.iter().partition(|field| !field.kind.is_empty());
    if !keys.is_empty() {
        lines.push(String::new());
    }
    for field in keys {
        key(field, lines);
    }
    for field in sections {
        section(field, &format!("{path}.{}", field.key), level + 1, lines);
    }
}

fn key(field: &Field, lines: &mut Vec<String>) {
    let mut facts = vec![field.kind.to_owned()];
    if let Some((least, most)) = &field.bounds {
        facts.push(format!("{least} to {most}"));
    }
    if field.is_required {
        facts.push("required".to_owned());
    }
    if let Some(default) = &field.default {
        facts.push(format!("default `{}`", emit::inline(default)));
    }
    lines.push(format!("- **`{}`** ({}). {}", field.key, facts.join(", "), field.description));
    for choice in &field.choices {
        lines.push(format!("  - `{}`: {}", choice.word, choice.description));
    }
}
