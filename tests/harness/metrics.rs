//! The collector's metrics, as a scrape gets them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

/// One scrape.
#[derive(Debug)]
pub(crate) struct Metrics {
    samples: Vec<Sample>,
    /// Type of each family, by name.
    types: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Metrics {
    /// Of the text format.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let types = types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect();
        Ok(Self { samples: samples.map(sample).collect::<Result<_>>()?, types })
    }

    /// Every family as `name type` and the names of its labels, in order.
    pub(crate) fn families(&self) -> Vec<String> {
        let family = |(name, kind): (&String, &String)| {
            let total = format!("{name}_total");
            let sample = self.samples.iter().find(|it| it.name == *name || it.name == total);
            let labels = sample.into_iter().flat_map(|sample| sample.labels.keys());
            let words = [name, kind].into_iter().chain(labels).map(String::as_str);
            words.collect::<Vec<_>>().join(" ")
        };
        self.types.iter().map(family).collect()
    }

    /// Values of a label among the series of that name.
    pub(crate) fn values(&self, name: &str, label: &str) -> BTreeSet<&str> {
        let samples = self.samples.iter().filter(|sample| sample.name == name);
        samples.filter_map(|sample| sample.labels.get(label)).map(String::as_str).collect()
    }

    /// Sum of the series of that name that have all of these labels; 0 if there is none. Counters are whole numbers.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let has = |sample: &&Sample| {
            labels
                .iter()
                .all(|&(label, value)| sample.labels.get(label).is_some_and(|v| v == value))
        };
        let samples = self.samples.iter().filter(|sample| sample.name == name).filter(has);
        samples.map(|sample| sample.value as u64).sum()
    }

    /// A counter of a container, both streams together.
    pub(crate) fn of_container(&self, name: &str, container: &str) -> u64 {
        self.sum(name, &[("container_name", container)])
    }
}

/// `name{label="value",…} number`
fn sample(line: &str) -> Result<Sample> {
    let context = || format!("no sample: {line}");
    let (series, value) = line.rsplit_once(' ').with_context(context)?;
    let value = value.parse().with_context(context)?;
    let (name, mut rest) = series.split_once('{').unwrap_or((series, "}"));
    let mut labels = BTreeMap::new();
    while let Some((label, text)) = rest.trim_start_matches(',').split_once("=\"") {
        let (value, length) = unescape(text).with_context(context)?;
        labels.insert(label.to_owned(), value);
        rest = &text[length..];
    }
    Ok(Sample { name: name.to_owned(), labels, value })
}

/// A label's value up to its closing quote, and the length of both as written.
fn unescape(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    loop {
        match characters.next()? {
            (at, '"') => return Some((value, at + 1)),
            (_, '\\') => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            (_, other) => value.push(other),
        }
    }
}
