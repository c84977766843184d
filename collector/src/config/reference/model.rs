//! The schema as a tree of fields that is easy to render.

use serde_json::{Map, Value};

use crate::config::schema;
use crate::config::units::{Interval, Size};

/// A key and what may stand behind it.
#[derive(Debug, Default)]
pub(super) struct Field {
    pub(super) key: String,
    pub(super) description: String,
    /// `size`, `text`, …; empty for a section.
    pub(super) kind: &'static str,
    pub(super) bounds: Option<(String, String)>,
    pub(super) choices: Vec<Choice>,
    pub(super) default: Option<Value>,
    /// What could stand there, for a field without a default.
    pub(super) example: Option<Value>,
    pub(super) is_required: bool,
    /// The keys below, of a section.
    pub(super) fields: Vec<Field>,
    /// The forms that entries of a map may have.
    pub(super) variants: Vec<Variant>,
}

/// A word that may stand behind a key.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) word: String,
    pub(super) description: String,
}

/// One of several forms, told apart by their `type`.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) tag: String,
    pub(super) description: String,
    pub(super) fields: Vec<Field>,
}

impl Field {
    /// The fields at the top.
    pub(super) fn all(root: &Value) -> Vec<Self> {
        Model { root }.fields(root, &Value::Null)
    }
}

struct Model<'a> {
    root: &'a Value,
}

impl Model<'_> {
    /// The properties of a schema; `default` is what its object is by default.
    fn fields(&self, schema: &Value, default: &Value) -> Vec<Field> {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let properties = schema["properties"].as_object().into_iter().flatten();
        let properties = properties.filter(|(_, schema)| schema.get("const").is_none());
        properties
            .map(|(key, property)| {
                let field = self.field(key, property, default.get(key));
                Field { is_required: required.contains(&key.as_str()), ..field }
            })
            .collect()
    }

    fn field(&self, key: &str, property: &Value, inherited: Option<&Value>) -> Field {
        let target = self.target(property);
        let default = inherited.or_else(|| property.get("default")).cloned();
        let mut field = Field {
            key: key.to_owned(),
            description: description(property).or_else(|| description(target)).unwrap_or_default(),
            bounds: property.as_object().and_then(schema::bounds),
            choices: choices(target),
            example: property["examples"].get(0).cloned(),
            ..Field::default()
        };
        let entries = self.target(&target["additionalProperties"]);
        if target["properties"].is_object() {
            field.fields = self.fields(target, default.as_ref().unwrap_or(&Value::Null));
        } else if entries["oneOf"].is_array() {
            field.variants = self.variants(entries);
        } else {
            field.kind = if field.choices.is_empty() { kind(target) } else { "choice" };
        }
        field.default = default;
        field
    }

    fn variants(&self, schema: &Value) -> Vec<Variant> {
        let variants = schema["oneOf"].as_array().into_iter().flatten();
        variants
            .map(|variant| Variant {
                tag: schema::text(&variant["properties"]["type"]["const"]),
                description: description(variant).unwrap_or_default(),
                fields: self.fields(variant, &Value::Null),
            })
            .collect()
    }

    /// What a `$ref` leads to.
    fn target<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        reference.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }
}

/// The paragraph of a doc comment as one line.
fn description(schema: &Value) -> Option<String> {
    schema["description"].as_str().map(|text| text.replace('\n', " "))
}

fn choices(schema: &Value) -> Vec<Choice> {
    let constants = schema["oneOf"].as_array().into_iter().flatten();
    constants
        .map(|constant| Choice {
            word: schema::text(&constant["const"]),
            description: description(constant).unwrap_or_default(),
        })
        .collect()
}

fn kind(schema: &Value) -> &'static str {
    let empty = Map::new();
    let schema = schema.as_object().unwrap_or(&empty);
    match (schema.get("format").and_then(Value::as_str), schema.get("type").and_then(Value::as_str))
    {
        (Some(Size::FORMAT), _) => "size",
        (Some(Interval::FORMAT), _) => "duration",
        (_, Some("boolean")) => "true or false",
        (_, Some("integer")) => "number",
        (_, Some("array")) => "list of text",
        (_, Some("object")) => "map of text",
        _ => "text",
    }
}
