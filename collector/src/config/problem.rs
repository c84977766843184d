//! What is wrong with a configuration, and where.

use std::fmt;

/// A place in the file, both counted from 1; columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The first character of the file.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing to mend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it is.
    pub position: Position,
    /// The key from the top, as `sinks.out.brokers[0]`; empty when it is about the file as a whole.
    pub path: String,
    /// What is wrong and what would be right. Holds no value that came from the environment.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, path, message } = self;
        write!(f, "{position}: ")?;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        f.write_str(message)
    }
}

/// Keys and indices from the top as one text: `sinks.out.brokers[0]`.
pub(super) fn path<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> String {
    let mut path = String::new();
    for segment in segments {
        let segment = segment.as_ref();
        if segment.bytes().all(|byte| byte.is_ascii_digit()) {
            path.extend(["[", segment, "]"]);
        } else {
            path.extend([if path.is_empty() { "" } else { "." }, segment]);
        }
    }
    path
}

/// Everything wrong with one file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    source: String,
    problems: Vec<Problem>,
}

impl Problems {
    /// Problems that are shown of one file.
    const SHOWN: usize = 100;

    /// The problems of the file called `source`.
    pub(super) fn new(source: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self { source: source.to_owned(), problems }
    }
}

impl std::ops::Deref for Problems {
    type Target = [Problem];

    fn deref(&self) -> &[Problem] {
        &self.problems
    }
}

/// A line a problem, each as `file:line:column: key: message`; of very many the first.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, problems } = self;
        for (index, problem) in problems.iter().take(Self::SHOWN).enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{source}:{problem}")?;
        }
        match problems.len().checked_sub(Self::SHOWN) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last line shown of a file with this many problems.
    fn last_line(count: usize) -> String {
        let problem = |line| Problem {
            position: Position { line, column: 1 },
            path: path(["a", "0", "b"]),
            message: "wrong".to_owned(),
        };
        let problems = Problems::new("x", (1..=count).map(problem).collect()).to_string();
        problems.lines().last().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_hundred_problems_are_shown_and_the_rest_is_counted() {
        assert_eq!(last_line(0), "");
        assert_eq!(last_line(1), "x:1:1: a[0].b: wrong");
        assert_eq!(last_line(100), "x:100:1: a[0].b: wrong");
        assert_eq!(last_line(101), "and 1 more");
    }
}
