//! Text → [`Config`], step by step.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::check::{self, Config};
use super::emit;
use super::interpolate::{self, Environment};
use super::problem::{self, Position, Problem, Problems};
use super::structure;
use super::tree::{Content, Node, Origin};
use super::yaml;

/// Bytes of the largest file, and of all that the environment may put into it.
const MAX_BYTES: usize = 1 << 20;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("failed to read configuration `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its content is wrong.
    #[error("the configuration is wrong\n{0}")]
    Invalid(Problems),
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path, environment: &Environment<'_>) -> Result<Self, Error> {
        let read = || {
            let mut bytes = Vec::new();
            let limit = MAX_BYTES as u64 + 1;
            std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(&path.display().to_string(), &bytes, environment).map_err(Error::Invalid)
    }

    /// The configuration of those who have none: everything to stdout, and nothing is left behind.
    pub fn embedded(environment: &Environment<'_>) -> Result<Self, Error> {
        Self::parse("built-in defaults", b"state: {directory: off}", environment)
            .map_err(Error::Invalid)
    }

    /// Everything that applies, as a file; passwords are masked.
    pub fn to_yaml(&self) -> String {
        // A document holds only maps with text keys, and those become JSON.
        emit::document(&serde_json::to_value(&self.document).unwrap_or_default())
    }

    /// Checks the content of the file called `source`. Empty content means the defaults: everything to stdout.
    pub fn parse(
        source: &str,
        bytes: &[u8],
        environment: &Environment<'_>,
    ) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        match read(bytes, environment, &mut problems) {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(Problems::new(source, problems)),
        }
    }
}

/// `None` when `problems` says why.
fn read(
    bytes: &[u8],
    environment: &Environment<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Config> {
    let tree = decode(bytes).and_then(|text| yaml::parse(text, problems));
    let mut root = tree.map_err(|problem| problems.push(problem)).ok()?;
    let mut expansion = Expansion { environment, room: MAX_BYTES, path: Vec::new(), problems };
    expansion.expand(&mut root);
    let document = structure::read(&mut root, problems)?;
    check::check(document, &root, environment, problems)
}

/// The text of a file, without the mark that some editors put before it.
fn decode(bytes: &[u8]) -> Result<&str, Problem> {
    let at = |before: &[u8], message: &str| {
        let before = String::from_utf8_lossy(before);
        let last_line = before.rsplit('\n').next().unwrap_or_default();
        let position =
            Position { line: before.split('\n').count(), column: last_line.chars().count() + 1 };
        Problem { position, path: String::new(), message: message.to_owned() }
    };
    if bytes.len() > MAX_BYTES {
        return Err(at(&[], &format!("larger than {MAX_BYTES} bytes")));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| at(&bytes[..error.valid_up_to()], "not UTF-8 text"))?;
    // The parser takes a NUL for the end of the text, and would not see what follows.
    let is_control =
        |character: char| character.is_control() && !matches!(character, '\t' | '\n' | '\r');
    match text.find(is_control) {
        Some(offset) => {
            Err(at(&bytes[..offset], "a control character; write it as an escape in double quotes"))
        }
        None => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
    }
}

/// Fills in the environment all over a tree.
struct Expansion<'a> {
    environment: &'a Environment<'a>,
    /// Bytes that may still come from the environment.
    room: usize,
    path: Vec<String>,
    problems: &'a mut Vec<Problem>,
}

impl Expansion<'_> {
    fn expand(&mut self, node: &mut Node) {
        let position = node.position;
        match &mut node.content {
            Content::Scalar { text, origin } => {
                match interpolate::expand(text, self.environment, self.room) {
                    Ok(None) => {}
                    Ok(Some(expanded)) => {
                        self.room -= expanded.len();
                        *text = expanded;
                        *origin = Origin::Environment;
                    }
                    Err(errors) => {
                        for error in errors {
                            self.problem(position, error.to_string());
                        }
                    }
                }
            }
            Content::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.expand_below(index.to_string(), item);
                }
            }
            Content::Mapping(entries) => {
                for (key, value) in entries {
                    self.expand_below(key.text.clone(), value);
                }
            }
        }
    }

    fn expand_below(&mut self, segment: String, node: &mut Node) {
        self.path.push(segment);
        self.expand(node);
        self.path.pop();
    }

    fn problem(&mut self, position: Position, message: String) {
        let path = problem::path(&self.path);
        self.problems.push(Problem { position, path, message });
    }
}
