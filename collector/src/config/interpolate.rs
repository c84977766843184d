//! `${NAME}` and `${NAME:-default}` in values; `$${` stands for a literal `${`.
//!
//! It works on values that are parsed already, so what a variable holds cannot become YAML.

/// Looks a variable of the environment up.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Why a text could not be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("`${{` has no closing `}}`; write `$${{` for a literal `${{`")]
    Unclosed,
    #[error("`${{{name}}}` does not name a variable; write `$${{` for a literal `${{`")]
    Name { name: String },
    #[error(
        "environment variable `{name}` is not set; set it or give a default: `${{{name}:-default}}`"
    )]
    Missing { name: String },
    #[error("the environment makes this value too long")]
    TooLong,
}

/// The text with its variables filled in, of at most `limit` bytes, or everything that is wrong with it. `None` when it
/// refers to nothing.
pub(super) fn expand(
    text: &str,
    environment: &Environment<'_>,
    limit: usize,
) -> Result<Option<String>, Vec<Error>> {
    if !text.contains("${") {
        return Ok(None);
    }
    let (mut out, mut errors, mut rest) = (String::new(), Vec::new(), text);
    while let Some(start) = rest.find("${") {
        let before = &rest[..start];
        if let Some(kept) = before.strip_suffix('$') {
            out.push_str(kept);
            out.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        out.push_str(before);
        let Some(length) = rest[start..].find('}') else {
            errors.push(Error::Unclosed);
            break;
        };
        match variable(&rest[start + 2..start + length], environment) {
            Ok(value) => out.push_str(&value),
            Err(error) => errors.push(error),
        }
        rest = &rest[start + length + 1..];
        if out.len() > limit {
            break;
        }
    }
    out.push_str(rest);
    if out.len() > limit {
        errors.push(Error::TooLong);
    }
    if errors.is_empty() { Ok(Some(out)) } else { Err(errors) }
}

/// The value of what stands between the braces. As in a shell, a default also replaces an empty value.
fn variable(reference: &str, environment: &Environment<'_>) -> Result<String, Error> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if !is_name(name) {
        return Err(Error::Name { name: reference.to_owned() });
    }
    match (environment(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Error::Missing { name: name.to_owned() }),
    }
}

fn is_name(name: &str) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    name.as_bytes().first().is_some_and(is_letter)
        && name.bytes().all(|byte| is_letter(&byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("db".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICK" => Some("${HOST}: [x".to_owned()),
            _ => None,
        }
    }

    fn expanded(text: &str) -> Option<String> {
        expand(text, &environment, 100).unwrap()
    }

    #[test]
    fn references_are_filled_in() {
        assert_eq!(expanded("plain $HOST"), None);
        assert_eq!(expanded("${HOST}:9092,${HOST}").as_deref(), Some("db:9092,db"));
        assert_eq!(expanded("[${EMPTY}]").as_deref(), Some("[]"));
        assert_eq!(expanded("${HOST:-x}${EMPTY:-y}${NONE:-z}${NONE:-}").as_deref(), Some("dbyz"));
    }

    #[test]
    fn an_escaped_reference_stays_and_a_value_is_not_expanded_again() {
        assert_eq!(expanded("$${HOST} ${HOST}").as_deref(), Some("${HOST} db"));
        assert_eq!(expanded("${TRICK}").as_deref(), Some("${HOST}: [x"));
    }

    #[test]
    fn every_wrong_reference_is_reported() {
        let missing = Error::Missing { name: "NONE".to_owned() };
        let name = Error::Name { name: "1x".to_owned() };
        assert_eq!(
            expand("${NONE} ${1x} ${HOST", &environment, 100),
            Err(vec![missing, name, Error::Unclosed])
        );
    }

    #[test]
    fn a_value_grows_to_its_limit_and_no_further() {
        assert_eq!(expand("${HOST}${HOST}!", &environment, 5), Ok(Some("dbdb!".to_owned())));
        assert_eq!(expand("${HOST}${HOST}!", &environment, 4), Err(vec![Error::TooLong]));
        assert_eq!(expand("${HOST}", &environment, 2), Ok(Some("db".to_owned())));
        assert_eq!(expand("${HOST}", &environment, 1), Err(vec![Error::TooLong]));
    }
}
