//! What is remembered, for how long, and what is said of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Cache, Change};
use crate::identity::Metrics;
use crate::identity::report::{Action, Described};
use crate::record::{Container, ContainerId};

const GRACE: Duration = Duration::from_secs(10);
const SETTLE: Duration = Duration::from_secs(1);

fn cache(limit: usize) -> Cache {
    Cache::new(limit, GRACE, SETTLE, Metrics::default())
}

fn id(digit: char) -> ContainerId {
    digit.to_string().repeat(64).parse().unwrap()
}

fn container(digit: char, name: &str) -> Container {
    Container { name: Some(name.into()), ..Container::unexplained(id(digit)) }
}

fn live(container: Container) -> Described {
    Described { container, live: true }
}

fn stopped(container: Container) -> Described {
    Described { container, live: false }
}

fn known(container: Container) -> Change {
    Change::Known(Arc::new(container))
}

fn remembered(cache: &Cache) -> String {
    ['a', 'b', 'c'].into_iter().filter(|&digit| cache.get(&id(digit)).is_some()).collect()
}

#[test]
fn what_happened_around_a_list_is_newer_than_it() {
    let (mut cache, start) = (cache(9), Instant::now());
    cache.event(Action::Start, container('a', "a"), start);
    let asked = start + SETTLE;
    let now = asked + Duration::from_nanos(1);
    cache.event(Action::Create, container('b', "b"), now);
    cache.event(Action::Rename, container('a', "new"), now);
    let list = vec![live(container('a', "a")), live(container('c', "c"))];
    assert_eq!(cache.listed(list, asked, now), [known(container('c', "c"))]);
    assert_eq!(**cache.get(&id('a')).unwrap(), container('a', "new"));

    // The next list has them as they are.
    let asked = now + SETTLE;
    let list = vec![live(container('a', "new")), stopped(container('c', "c"))];
    assert_eq!(cache.listed(list, asked, asked), [Change::Gone(id('b')), Change::Gone(id('c'))]);
}

#[test]
fn what_ended_just_before_a_list_is_not_brought_back_by_it() {
    let (mut cache, now) = (cache(9), Instant::now());
    cache.event(Action::Start, container('a', "a"), now);
    assert_eq!(cache.event(Action::Die, container('a', "a"), now), Some(Change::Gone(id('a'))));
    let lagging = || vec![live(container('a', "a"))];
    let soon = now + SETTLE.saturating_sub(Duration::from_nanos(1));
    assert_eq!(cache.listed(lagging(), soon, soon), []);
    // A list that still has it later is right, and the event was of an earlier run.
    let later = now + SETTLE;
    assert_eq!(cache.listed(lagging(), later, later), [known(container('a', "a"))]);
}

#[test]
fn a_list_corrects_what_events_hide_and_keeps_what_it_does_not_tell() {
    let (mut cache, start) = (cache(9), Instant::now());
    let image = Some("bb:1".to_owned());
    let event = Container { image: image.clone(), ..container('a', "a") };
    assert_eq!(cache.event(Action::Create, event.clone(), start), Some(known(event.clone())));
    assert_eq!(cache.event(Action::Start, event, start), None);
    let mut labelled = container('a', "a");
    labelled.labels.insert("name".into(), "hidden".into());
    let complete = Container { image, ..labelled.clone() };
    let now = start + SETTLE;
    assert_eq!(cache.listed(vec![live(labelled)], now, now), [known(complete.clone())]);
    assert_eq!(cache.listed(vec![live(complete.clone())], now, now), []);
    // A later event does not hide it again.
    assert_eq!(cache.event(Action::Die, container('a', "a"), now), Some(Change::Gone(id('a'))));
    assert_eq!(cache.event(Action::Start, container('a', "a"), now), Some(known(complete)));
}

#[test]
fn a_late_answer_or_event_changes_nothing() {
    let (mut cache, now) = (cache(9), Instant::now());
    cache.event(Action::Start, container('a', "a"), now);
    assert_eq!(cache.inspected(live(container('a', "old")), now), None);
    let nameless = Container::unexplained(id('a'));
    assert_eq!(cache.event(Action::Start, nameless, now), None);
    cache.event(Action::Destroy, container('a', "a"), now);
    assert_eq!(cache.event(Action::Die, container('a', "a"), now), None);
    assert_eq!(**cache.get(&id('a')).unwrap(), container('a', "a"));
    assert_eq!(cache.next_expiry(), Some(now + GRACE));
}

#[test]
fn removed_containers_are_forgotten_after_their_grace() {
    let (mut cache, now) = (cache(9), Instant::now());
    assert_eq!(cache.next_expiry(), None);
    cache.event(Action::Start, container('a', "a"), now);
    cache.event(Action::Die, container('a', "a"), now);
    assert_eq!(cache.next_expiry(), None);
    let removed = now + Duration::from_secs(1);
    cache.event(Action::Destroy, container('a', "a"), removed);
    assert_eq!(cache.next_expiry(), Some(removed + GRACE));
    cache.expire(removed + GRACE.saturating_sub(Duration::from_nanos(1)));
    assert_eq!(remembered(&cache), "a");
    cache.expire(removed + GRACE);
    assert_eq!(remembered(&cache), "");
}

#[test]
fn at_the_limit_the_longest_dead_goes_first_and_no_live_one() {
    let now = Instant::now();
    let at = |second| now + Duration::from_secs(second);
    for (limit, expected) in [(0, ""), (1, "a"), (2, "ac"), (3, "abc")] {
        let mut cache = cache(limit);
        cache.event(Action::Start, container('a', "a"), now);
        cache.event(Action::Start, container('b', "b"), now);
        cache.event(Action::Die, container('b', "b"), at(1));
        let change = cache.event(Action::Start, container('c', "c"), at(2));
        assert_eq!(change, Some(known(container('c', "c"))), "{limit}");
        assert_eq!(remembered(&cache), expected, "{limit}");
    }
    // A removed one before a stopped one, though it was removed later; and no stopped one for a stopped one.
    let mut cache = cache(2);
    cache.inspected(stopped(container('a', "a")), at(0));
    cache.event(Action::Start, container('b', "b"), at(1));
    cache.event(Action::Destroy, container('b', "b"), at(2));
    cache.inspected(stopped(container('c', "c")), at(3));
    assert_eq!(remembered(&cache), "ac");
    cache.inspected(stopped(container('b', "b")), at(4));
    assert_eq!(remembered(&cache), "ac");
}

#[test]
fn a_start_tells_the_image_that_a_list_left_open() {
    let (mut cache, now) = (cache(9), Instant::now());
    assert_eq!(cache.listed(vec![stopped(container('a', "a"))], now, now), []);
    let image = |image: &str| Container { image: Some(image.into()), ..container('a', "a") };
    assert_eq!(cache.event(Action::Start, image("bb:1"), now), Some(known(image("bb:1"))));
    assert_eq!(cache.event(Action::Start, image("bb:2"), now), None);
}
