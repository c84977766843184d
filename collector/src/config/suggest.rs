//! Which word was meant by one that is not known.

/// The option that differs least from `word`, when that is little enough to be a slip.
pub(super) fn nearest<'a>(word: &str, options: &[&'a str]) -> Option<&'a str> {
    let limit = word.chars().count().div_ceil(3);
    // A word far longer than any option is none of them, and comparing would cost its length.
    let near = options.iter().filter(|option| word.len() <= 2 * option.len());
    let distances = near.map(|option| (distance(word, option), *option));
    distances.filter(|(distance, _)| *distance <= limit).min().map(|(_, option)| option)
}

/// Characters to insert, delete or replace to make one word of the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_exact() {
        assert_eq!(distance("", ""), 0);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("größe", "grösse"), 2);
    }

    #[test]
    fn a_slip_finds_its_word_and_another_word_does_not() {
        let options = ["brokers", "topic", "acks"];
        assert_eq!(nearest("borkers", &options), Some("brokers"));
        assert_eq!(nearest("topics", &options), Some("topic"));
        assert_eq!(nearest("ack", &options), Some("acks"));
        assert_eq!(nearest("partitions", &options), None);
        assert_eq!(nearest("", &options), None);
    }
}
