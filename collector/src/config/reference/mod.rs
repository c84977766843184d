//! The published forms of the configuration's types: schema, reference page, annotated example.
//!
//! All are made from the JSON Schema, and that from the types in [`super::file`]; there is no second source.

mod example;
mod model;
mod page;

use model::Field;

/// The JSON Schema, for editors.
pub fn schema() -> String {
    format!("{:#}\n", super::schema())
}

/// The reference page, as Markdown.
pub fn page() -> String {
    page::render(&Field::all(&super::schema()))
}

/// A configuration with every key, its meaning and its default.
pub fn example() -> String {
    example::render(&Field::all(&super::schema()))
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn the_example_means_the_defaults() {
        let default = Config::parse("default", b"", &|_| None).unwrap();
        let example = Config::parse("example", example().as_bytes(), &|_| None).unwrap();
        assert_eq!(example, default);
    }

    #[test]
    fn every_commented_key_of_the_example_can_be_used() {
        let uncomment = |line: &str| match line.trim_start().strip_prefix("#: ") {
            Some(rest) => format!("{}{rest}", &line[..line.len() - line.trim_start().len()]),
            None => line.to_owned(),
        };
        let text = example().lines().map(uncomment).collect::<Vec<_>>().join("\n");
        // The files of `tls` and the buffers' directories need these.
        let text = text.replace("enabled: false", "enabled: true");
        let text = text.replace("type: memory", "type: disk");
        // No two buffers have one directory.
        let of_its_own = |(line, number): (&str, u32)| {
            line.replace("/writetap/buffer", &format!("/writetap/buffer{number}"))
        };
        let text = text.lines().zip(0..).map(of_its_own).collect::<Vec<_>>().join("\n");
        let environment = |name: &str| (name == "KAFKA_PASSWORD").then(|| "secret".to_owned());
        let config =
            Config::parse("example", text.as_bytes(), &environment).unwrap_or_else(|problems| {
                panic!("{problems}\n{text}");
            });
        assert_eq!(config.sinks.len(), 4);
    }

    #[test]
    fn every_field_is_explained() {
        fn check(fields: &[Field], path: &str) {
            for field in fields {
                let path = format!("{path}.{}", field.key);
                assert!(field.description.ends_with('.'), "{path}: {:?}", field.description);
                check(&field.fields, &path);
                for variant in &field.variants {
                    assert!(variant.description.ends_with('.'), "{path}: {}", variant.tag);
                    check(&variant.fields, &path);
                }
            }
        }
        check(&Field::all(&super::super::schema()), "");
    }
}
