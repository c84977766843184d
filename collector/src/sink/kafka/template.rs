//! Texts with variables, such as `logs-{{ name }}`, for topics and keys.

use std::str::FromStr;

use crate::record::{Container, Stream};

/// Longest name of a topic in Kafka, in characters.
const MAX_TOPIC_LEN: usize = 249;
/// Stands for what a container does not have.
const UNKNOWN: &str = "unknown";

/// A text with variables of a container and its stream. What the container does not have shows as `unknown`.
///
/// | variable | value |
/// | --- | --- |
/// | `{{ name }}` | name of the container, or the 12 digits of its id |
/// | `{{ id }}` | its id |
/// | `{{ image }}` | its image, as it was asked for |
/// | `{{ stream }}` | `stdout` or `stderr` |
/// | `{{ namespace }}`, `{{ pod }}`, `{{ container }}` | its place in Kubernetes |
/// | `{{ label.KEY }}` | its label `KEY` |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Name,
    Id,
    Image,
    Stream,
    Namespace,
    Pod,
    Container,
    Label(String),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `{{` without its `}}`.
    #[error("template `{template}` has `{{{{` without `}}}}`")]
    Unclosed {
        /// The text.
        template: String,
    },
    /// There is no such variable.
    #[error(
        "template `{template}` has an unknown variable `{variable}`; known are name, id, image, stream, namespace, \
         pod, container and label.KEY"
    )]
    Unknown {
        /// The text.
        template: String,
        /// As it was given.
        variable: String,
    },
    /// No text at all.
    #[error("a template must not be empty")]
    Empty,
    /// Text that no topic's name may have.
    #[error(
        "template `{template}` has `{character}`, which Kafka takes in no topic; use letters, digits, `.`, `_` and `-`"
    )]
    IllegalCharacter {
        /// The text.
        template: String,
        /// The character.
        character: char,
    },
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(template: &str) -> Result<Self, Self::Err> {
        if template.is_empty() {
            return Err(TemplateError::Empty);
        }
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((literal, opened)) = rest.split_once("{{") {
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            let (variable, after) = opened
                .split_once("}}")
                .ok_or_else(|| TemplateError::Unclosed { template: template.to_owned() })?;
            let variable = variable.trim();
            parts.push(Part::variable(variable).ok_or_else(|| TemplateError::Unknown {
                template: template.to_owned(),
                variable: variable.to_owned(),
            })?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self { parts })
    }
}

impl Part {
    fn variable(name: &str) -> Option<Self> {
        Some(match name {
            "name" => Self::Name,
            "id" => Self::Id,
            "image" => Self::Image,
            "stream" => Self::Stream,
            "namespace" => Self::Namespace,
            "pod" => Self::Pod,
            "container" => Self::Container,
            _ => match name.strip_prefix("label.") {
                Some(key) if !key.is_empty() => Self::Label(key.to_owned()),
                _ => return None,
            },
        })
    }

    fn value<'a>(&'a self, container: &'a Container, stream: Stream) -> Option<&'a str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Name => Some(container.display_name()),
            Self::Id => Some(container.id.as_str()),
            Self::Image => container.image.as_deref(),
            Self::Stream => Some(stream.as_str()),
            Self::Namespace => container.kubernetes.namespace.as_deref(),
            Self::Pod => container.kubernetes.pod.as_deref(),
            Self::Container => container.kubernetes.container.as_deref(),
            Self::Label(key) => container.labels.get(key).map(String::as_str),
        }
    }
}

impl Template {
    /// `{{ id }}`
    pub fn container_id() -> Self {
        Self { parts: vec![Part::Id] }
    }

    /// Whether its literal text may be in a topic's name.
    pub fn check_topic(&self) -> Result<(), TemplateError> {
        let literals = self.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(text),
            _ => None,
        });
        for text in literals {
            if let Some(character) = text.chars().find(|&character| !is_legal(character)) {
                return Err(TemplateError::IllegalCharacter { template: text.clone(), character });
            }
        }
        Ok(())
    }

    /// The text for a stream of a container.
    pub(super) fn render(&self, container: &Container, stream: Stream) -> String {
        let value = |part: &'_ Part| {
            let value = part.value(container, stream).filter(|value| !value.is_empty());
            value.unwrap_or(UNKNOWN).to_owned()
        };
        self.parts.iter().map(value).collect()
    }

    /// The name of the topic for a stream of a container: `_` for each character that Kafka does not take, cut to its
    /// longest name. Any container has a legal one.
    pub(super) fn render_topic(&self, container: &Container, stream: Stream) -> String {
        let legal = |character| if is_legal(character) { character } else { '_' };
        let text = self.render(container, stream);
        let topic: String = text.chars().map(legal).take(MAX_TOPIC_LEN).collect();
        // The two names of dots alone that Kafka refuses.
        if matches!(&*topic, "." | "..") { topic.replace('.', "_") } else { topic }
    }
}

const fn is_legal(character: char) -> bool {
    matches!(character, 'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Template, TemplateError, is_legal};
    use crate::record::{Container, ContainerId, Kubernetes, Stream};

    fn container() -> Container {
        let id = ContainerId::from_bytes(&[b'a'; 64]).unwrap();
        Container {
            name: Some("web".into()),
            image: Some("library/nginx:1.27".into()),
            labels: [("team".to_owned(), "shop".to_owned())].into(),
            kubernetes: Kubernetes { namespace: Some("prod".into()), ..Kubernetes::default() },
            ..Container::unexplained(id)
        }
    }

    fn topic(template: &str) -> String {
        template.parse::<Template>().unwrap().render_topic(&container(), Stream::Stderr)
    }

    #[test]
    fn fills_in_variables() {
        assert_eq!(topic("logs"), "logs");
        assert_eq!(topic("logs-{{ name }}"), "logs-web");
        assert_eq!(topic("{{name}}.{{  stream  }}"), "web.stderr");
        assert_eq!(topic("{{ image }}"), "library_nginx_1.27");
        assert_eq!(topic("{{ namespace }}-{{ pod }}-{{ container }}"), "prod-unknown-unknown");
        assert_eq!(topic("{{ label.team }}-{{ label.none }}"), "shop-unknown");
        assert_eq!(topic("{{ id }}"), "a".repeat(64));
        let unnamed = Container { name: None, ..container() };
        let template: Template = "{{ name }}".parse().unwrap();
        assert_eq!(template.render(&unnamed, Stream::Stdout), "aaaaaaaaaaaa");
    }

    #[test]
    fn a_key_is_not_changed_to_suit_a_topic() {
        let template: Template = "{{ image }}/{{ stream }}".parse().unwrap();
        assert_eq!(template.render(&container(), Stream::Stdout), "library/nginx:1.27/stdout");
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |text: &str| text.parse::<Template>().unwrap_err().to_string();
        assert_eq!(error(""), "a template must not be empty");
        assert_eq!(error("logs-{{ name"), "template `logs-{{ name` has `{{` without `}}`");
        for (text, variable) in [("{{ nmae }}", "nmae"), ("{{ label. }}", "label."), ("{{}}", "")] {
            let expected = format!("template `{text}` has an unknown variable `{variable}`");
            assert!(error(text).starts_with(&expected), "{text}");
        }
        let template: Template = "my logs".parse().unwrap();
        let illegal =
            TemplateError::IllegalCharacter { template: "my logs".into(), character: ' ' };
        assert_eq!(template.check_topic(), Err(illegal));
        assert_eq!("a.b_c-{{ name }}".parse::<Template>().unwrap().check_topic(), Ok(()));
    }

    proptest! {
        #[test]
        fn any_container_has_a_legal_topic(name in ".{0,300}", prefix in "[.]{0,2}") {
            let template: Template = format!("{prefix}{{{{ name }}}}").parse().unwrap();
            let container = Container { name: Some(name), ..container() };
            let topic = template.render_topic(&container, Stream::Stdout);
            prop_assert!((1..=249).contains(&topic.len()));
            prop_assert!(topic.chars().all(is_legal) && topic != "." && topic != "..");
        }
    }
}
