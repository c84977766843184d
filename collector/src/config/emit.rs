//! Values → YAML, so that reading it back gives the same values.

use serde_json::Value;

use super::tree;

/// A document of block mappings; lists stand in one line.
pub(super) fn document(value: &Value) -> String {
    let mut lines = Vec::new();
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                entry(key, value, 0, &mut lines);
            }
        }
        other => lines.push(inline(other)),
    }
    lines.join("\n") + "\n"
}

fn entry(key: &str, value: &Value, indent: usize, lines: &mut Vec<String>) {
    let key = text(key, str::to_owned);
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            lines.push(format!("{:indent$}{key}:", ""));
            for (key, value) in entries {
                entry(key, value, indent + 2, lines);
            }
        }
        other => lines.push(format!("{:indent$}{key}: {}", "", inline(other))),
    }
}

/// A value in one line.
pub(super) fn inline(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::String(string) => text(string, |string| string.replace("${", "$${")),
        Value::Array(items) => format!("[{}]", list(items.iter().map(inline).collect())),
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| {
                format!("{}: {}", text(key, str::to_owned), inline(value))
            };
            format!("{{{}}}", list(entries.iter().map(entry).collect()))
        }
        other => other.to_string(),
    }
}

/// Plain when that cannot be taken for anything else; else quoted, in JSON's way, which is YAML too.
fn text(text: &str, escape: impl Fn(&str) -> String) -> String {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-' | b':');
    let starts_plain =
        text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '/');
    if starts_plain
        && text.bytes().all(is_plain)
        && !text.ends_with(':')
        && tree::resolve(text).is_string()
    {
        return text.to_owned();
    }
    Value::from(escape(text)).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::{interpolate, tree::Content, yaml};
    use super::*;

    #[test]
    fn text_is_quoted_only_where_it_must_be() {
        let value = json!({
            "size": "16MiB", "n": 3, "yes": true, "empty": {}, "none": [],
            "list": ["127.0.0.1:9092", "1"], "map": {"a b": "x: y", "null": "$${x}"},
        });
        let expected = "\
size: 16MiB
n: 3
yes: true
empty: {}
none: []
list: [127.0.0.1:9092, \"1\"]
map:
  \"a b\": \"x: y\"
  \"null\": \"$$${x}\"
";
        assert_eq!(document(&value), expected);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(key in "\\PC{1,8}|[a-z:# -]{1,4}", word in "\\PC{0,12}|[a-z:#$\\{}~0-9.-]{0,6}") {
            let value = json!({ key.clone(): { "inner": word.clone() }, "other": [word] });
            let mut root = yaml::parse(&document(&value), &mut Vec::new()).unwrap();
            unescape(&mut root.content);
            prop_assert_eq!(root.to_json(), value);
        }
    }

    fn unescape(content: &mut Content) {
        match content {
            Content::Scalar { text, .. } => {
                if let Some(expanded) = interpolate::expand(text, &|_| None, 1000).unwrap() {
                    *text = expanded;
                }
            }
            Content::Sequence(items) => {
                for item in items {
                    unescape(&mut item.content);
                }
            }
            Content::Mapping(entries) => {
                for (_, value) in entries {
                    unescape(&mut value.content);
                }
            }
        }
    }
}
