//! The JSON Schema of the file, made from its types, and the validator that checks a file against it.

use jsonschema::{Keyword, ValidationError, Validator};
use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Map, Value};

use super::file::{Document, Listen, StateDirectory};
use super::units::{Interval, Size};

/// Names the keyword that holds the least size or duration of a field.
const MINIMUM: &str = "x-minimum";
/// Names the keyword that holds the greatest.
const MAXIMUM: &str = "x-maximum";

/// The schema of the configuration file.
pub(super) fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(forbid_null));
    settings.into_generator().into_root_schema_for::<Document>().to_value()
}

/// A key without a value is no value: what may be absent must not be null.
fn forbid_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
}

/// Checks structure, formats and bounds against a schema of [`schema`].
pub(super) fn validator(schema: &Value) -> Result<Validator, ValidationError<'static>> {
    jsonschema::options()
        .should_validate_formats(true)
        .with_format(Size::FORMAT, |text: &str| text.parse::<Size>().is_ok())
        .with_format(Interval::FORMAT, |text: &str| text.parse::<Interval>().is_ok())
        .with_format(Listen::FORMAT, |text: &str| text.parse::<Listen>().is_ok())
        .with_format(StateDirectory::FORMAT, |text: &str| text.parse::<StateDirectory>().is_ok())
        .with_keyword(MINIMUM, |parent, limit, _| Bound::keyword(parent, limit, u128::lt))
        .with_keyword(MAXIMUM, |parent, limit, _| Bound::keyword(parent, limit, u128::gt))
        .build(schema)
}

/// The bounds of a field as text, for people: its `minimum` and `maximum` or their `x-` forms.
pub(super) fn bounds(field: &Map<String, Value>) -> Option<(String, String)> {
    let either =
        |keywords: [&str; 2]| keywords.iter().find_map(|keyword| field.get(*keyword)).map(text);
    Some((either([MINIMUM, "minimum"])?, either([MAXIMUM, "maximum"])?))
}

/// A value of the schema as it is written in the file.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Checks a size or duration against one bound.
struct Bound {
    format: String,
    limit: u128,
    is_outside: fn(&u128, &u128) -> bool,
    message: String,
}

impl Bound {
    fn keyword<'a>(
        parent: &'a Map<String, Value>,
        limit: &'a Value,
        is_outside: fn(&u128, &u128) -> bool,
    ) -> Result<Box<dyn Keyword>, ValidationError<'a>> {
        let format = parent.get("format").map(text).unwrap_or_default();
        let (limit, bounds) = quantity(&format, limit).zip(bounds(parent)).ok_or_else(|| {
            ValidationError::schema(format!("bound `{limit}` of format `{format}`"))
        })?;
        let message = format!("must be between {} and {}", bounds.0, bounds.1);
        Ok(Box::new(Self { format, limit, is_outside, message }))
    }
}

impl Keyword for Bound {
    fn validate<'i>(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) {
            Ok(())
        } else {
            Err(ValidationError::custom(self.message.as_str()))
        }
    }

    /// What is no size or duration at all is for `format` to report.
    fn is_valid(&self, instance: &Value) -> bool {
        quantity(&self.format, instance).is_none_or(|value| !(self.is_outside)(&value, &self.limit))
    }
}

/// Bytes of a size, nanoseconds of a duration.
fn quantity(format: &str, value: &Value) -> Option<u128> {
    match (format, value) {
        (Size::FORMAT, Value::Number(bytes)) => bytes.as_u64().map(u128::from),
        (Size::FORMAT, Value::String(text)) => Some(text.parse::<Size>().ok()?.bytes().into()),
        (Interval::FORMAT, Value::String(text)) => {
            Some(text.parse::<Interval>().ok()?.duration().as_nanos())
        }
        _ => None,
    }
}
