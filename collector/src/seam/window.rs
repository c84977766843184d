//! Some lines that follow each other, and where among others they stand.

use std::iter;

use crate::record::LineKey;

/// Lines that are compared at once.
pub(super) const WINDOW: usize = 64;

/// As few lines are too little to go by, unless nothing moves.
pub(super) const LEAST: usize = 8;

/// How many of `keys` there are up to the last of `lines`: found where as many follow each other, in nearly the same
/// order. Nothing if that is nowhere, or if other places are much like it: lines that repeat themselves do not say where
/// they are.
pub(super) fn find(
    lines: &[LineKey],
    keys: impl Iterator<Item = LineKey> + Clone,
) -> Option<usize> {
    let length = lines.len();
    let wanted = sum(lines.iter().copied());
    let mut same = ends(keys.clone(), length).scan(0_u64, |sum, (end, enters, leaves)| {
        *sum = sum.wrapping_add(enters.0).wrapping_sub(leaves.map_or(0, |key| key.0));
        Some((end, *sum))
    });
    let mut same = same.by_ref().filter(|(end, sum)| *end >= length && *sum == wanted);
    let (found, _) = same.next()?;
    if same.next().is_some() {
        return None;
    }
    // Lines that come again a little later may be taken for those that they are like.
    let in_order = |end: usize| {
        let there = keys.clone().skip(end - length);
        there.zip(lines).filter(|(key, line)| key == *line).count()
    };
    let best = in_order(found);
    let mut near =
        (found.saturating_sub(LEAST).max(length)..=found + LEAST).filter(|end| *end != found);
    let is_best = 2 * best >= length && near.all(|end| in_order(end) < best);
    (is_best && is_alone(found, lines, keys)).then_some(found)
}

/// Whether two sets of lines are the same, in any order.
pub(super) fn is_same(a: impl Iterator<Item = LineKey>, b: impl Iterator<Item = LineKey>) -> bool {
    sum(a) == sum(b)
}

/// Whether the places around `found` have the less in common with `lines` the farther they are from it. One or two lines
/// too many or too few are no difference: an exchange of two lines does that.
fn is_alone(found: usize, lines: &[LineKey], keys: impl Iterator<Item = LineKey> + Clone) -> bool {
    let mut wanted: Vec<(LineKey, isize)> = lines.iter().map(|key| (*key, 0)).collect();
    wanted.sort_unstable();
    wanted.dedup_by_key(|(key, _)| *key);
    for key in lines {
        if let Ok(at) = wanted.binary_search_by_key(key, |(key, _)| *key) {
            wanted[at].1 += 1;
        }
    }
    let mut common = 0;
    for (end, enters, leaves) in ends(keys, lines.len()) {
        if let Ok(at) = wanted.binary_search_by_key(&enters, |(key, _)| *key) {
            common += usize::from(wanted[at].1 > 0);
            wanted[at].1 -= 1;
        }
        let leaves = leaves.map(|key| wanted.binary_search_by_key(&key, |(key, _)| *key));
        if let Some(Ok(at)) = leaves {
            wanted[at].1 += 1;
            common -= usize::from(wanted[at].1 > 0);
        }
        let differs = end.abs_diff(found).div_ceil(4).min(lines.len() / 4);
        if end >= lines.len() && lines.len() - common < differs {
            return false;
        }
    }
    true
}

/// For each of `keys`: how many there are up to it, itself, and the one that is `length` before it.
fn ends(
    keys: impl Iterator<Item = LineKey> + Clone,
    length: usize,
) -> impl Iterator<Item = (usize, LineKey, Option<LineKey>)> {
    let before = iter::repeat_n(None, length).chain(keys.clone().map(Some));
    (1..).zip(keys).zip(before).map(|((end, enters), leaves)| (end, enters, leaves))
}

/// Tells sets of lines apart, whatever their order: keys are random in all their bits.
fn sum(keys: impl Iterator<Item = LineKey>) -> u64 {
    keys.fold(0, |sum, key| sum.wrapping_add(key.0))
}

#[cfg(test)]
mod tests {
    use super::{WINDOW, find};
    use crate::record::{LineKey, Mode};

    fn keys(numbers: impl IntoIterator<Item = u16>) -> Vec<LineKey> {
        let key = |n: u16| LineKey::of(&n.to_le_bytes(), Mode::Ebpf);
        numbers.into_iter().map(key).collect()
    }

    fn found(lines: &[u16], among: &[u16]) -> Option<usize> {
        find(&keys(lines.iter().copied()), keys(among.iter().copied()).into_iter())
    }

    #[test]
    fn lines_are_found_in_nearly_any_order() {
        let among = [9, 8, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(found(&[1, 2, 3, 4], &among), Some(6));
        assert_eq!(found(&[2, 1, 3, 4], &among), Some(6));
        assert_eq!(found(&[2, 1, 4, 3], &among), None, "none is where it was");
        assert_eq!(found(&[1, 2, 4, 5], &among), None, "not next to each other");
        assert_eq!(found(&[9, 8], &among), Some(2));
        assert_eq!(found(&[6, 7], &among), Some(9));
        assert_eq!(found(&[], &among), None);
        assert_eq!(found(&[1], &[]), None);
        assert_eq!(found(&[1, 2], &[1]), None);
    }

    #[test]
    fn lines_that_repeat_themselves_are_nowhere() {
        assert_eq!(found(&[3, 4], &[1, 2, 3, 4, 3, 4]), None);
        assert_eq!(found(&[7, 7], &[7, 7, 7]), None);
        assert_eq!(found(&[7, 7], &[7, 7]), Some(2));
        let first = (0..WINDOW as u16).collect::<Vec<_>>();
        let mut again = first.clone();
        again[20] = 999;
        assert_eq!(found(&first, &[&first[..], &again[..]].concat()), None, "much like it");
        again[..16].iter_mut().for_each(|n| *n += 1000);
        assert_eq!(found(&first, &[&first[..], &again[..]].concat()), Some(WINDOW));
    }

    #[test]
    fn a_line_that_comes_again_a_window_later_does_not_shift_it() {
        let lines = (0..WINDOW as u16).collect::<Vec<_>>();
        let later = (1..WINDOW as u16).chain([0]).collect::<Vec<_>>();
        assert_eq!(found(&lines, &later), None);
    }
}
