//! `containers`: the containers of this node and how their output is read.

use std::io::Write;

use serde_json::{Map, Value};

use super::Context;
use super::outcome::{Failure, Outcome};
use crate::agent::{self, Listed};
use crate::record::Runtime;

/// How to print them.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, context: &Context<'_>, out: &mut dyn Write) -> Outcome {
    let config = context.config()?;
    let containers = agent::containers(&config).map_err(|error| Failure::Failed(error.into()))?;
    let text = if options.json { json(&containers) } else { table(&containers) };
    out.write_all(text.as_bytes())?;
    Ok(())
}

/// Attributes as the records name them; absent rather than empty.
fn json(containers: &[Listed]) -> String {
    let mut text = String::new();
    for Listed { container, capture } in containers {
        let attributes = [
            ("container.id", Some(container.id.as_str())),
            ("container.name", container.name.as_deref()),
            ("container.image.name", container.image.as_deref()),
            ("container.runtime.name", container.runtime.map(Runtime::as_str)),
            ("capture", Some(capture)),
        ];
        let known = attributes.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let object: Map<String, Value> =
            known.map(|(name, value)| (name.to_owned(), value.into())).collect();
        text.push_str(&Value::from(object).to_string());
        text.push('\n');
    }
    text
}

fn table(containers: &[Listed]) -> String {
    let header = ["CONTAINER ID", "NAME", "IMAGE", "RUNTIME", "CAPTURE"].map(str::to_owned);
    let rows = containers.iter().map(|Listed { container, capture }| {
        [
            container.id.short().to_owned(),
            printable(container.name.as_deref()),
            printable(container.image.as_deref()),
            printable(container.runtime.map(Runtime::as_str)),
            printable(Some(capture)),
        ]
    });
    let rows: Vec<[String; 5]> = std::iter::once(header).chain(rows).collect();
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A container chooses its own name: control characters in it must not reach a terminal.
fn printable(text: Option<&str>) -> String {
    text.map_or("-".to_owned(), |text| text.escape_debug().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Container, ContainerId};

    fn listed() -> [Listed; 2] {
        let id = |digit: &str| digit.repeat(ContainerId::LEN).parse().unwrap();
        let named = Container {
            name: Some("we\x1bb".to_owned()),
            image: Some("nginx:1".to_owned()),
            runtime: Some(Runtime::Docker),
            ..Container::unexplained(id("a"))
        };
        [
            Listed { container: named, capture: "syscall".to_owned() },
            Listed { container: Container::unexplained(id("b")), capture: "pending".to_owned() },
        ]
    }

    #[test]
    fn the_table_is_aligned_and_shows_no_control_characters() {
        let expected = "\
CONTAINER ID  NAME       IMAGE    RUNTIME  CAPTURE
aaaaaaaaaaaa  we\\u{1b}b  nginx:1  docker   syscall
bbbbbbbbbbbb  -          -        -        pending
";
        assert_eq!(table(&listed()), expected);
        assert_eq!(table(&[]), "CONTAINER ID  NAME  IMAGE  RUNTIME  CAPTURE\n");
    }

    #[test]
    fn json_names_what_is_known() {
        let text = json(&listed());
        let objects: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects[0]["container.name"], "we\x1bb");
        assert_eq!(objects[1]["container.id"], "b".repeat(64));
        assert_eq!(objects[1].get("container.name"), None);
        assert_eq!(objects.len(), 2);
    }
}
