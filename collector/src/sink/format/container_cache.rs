//! What a sink works out once for each container, bounded. Knows nothing of what that is.

use std::collections::HashMap;
use std::sync::Arc;

use crate::record::Container;

/// Values by container, found by the address of the [`Container`]: a compare for the container of the record before, a
/// lookup of one word for another. An entry keeps its container, so that the address is not reused.
#[derive(Debug)]
pub(in crate::sink) struct ContainerCache<T> {
    entries: Vec<(Arc<Container>, T)>,
    indexes: HashMap<usize, usize>,
    last: usize,
}

impl<T> Default for ContainerCache<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), indexes: HashMap::new(), last: 0 }
    }
}

impl<T> ContainerCache<T> {
    /// Containers held; one more empties the cache. Above what a node runs at a time: gone containers and former
    /// descriptions of a container are held as well.
    const LIMIT: usize = 1024;

    /// The value of `container`, made by `make` when there is none.
    pub(in crate::sink) fn get_or_insert_with(
        &mut self,
        container: &Arc<Container>,
        make: impl FnOnce(&Container) -> T,
    ) -> &T {
        let Self { entries, indexes, last } = self;
        if !entries.get(*last).is_some_and(|(held, _)| Arc::ptr_eq(held, container)) {
            let address = Arc::as_ptr(container).addr();
            if entries.len() >= Self::LIMIT && !indexes.contains_key(&address) {
                entries.clear();
                indexes.clear();
            }
            *last = *indexes.entry(address).or_insert_with(|| {
                entries.push((Arc::clone(container), make(container)));
                entries.len() - 1
            });
        }
        &entries[*last].1
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::ContainerCache;
    use crate::record::{Container, ContainerId};

    fn container(number: usize) -> Arc<Container> {
        let id = ContainerId::from_bytes(format!("{number:064x}").as_bytes()).unwrap();
        Arc::new(Container::unexplained(id))
    }

    #[test]
    fn makes_each_value_once() {
        let mut cache = ContainerCache::default();
        let (one, two) = (container(1), container(2));
        let mut made = Vec::new();
        for wanted in [&one, &one, &two, &one, &two] {
            let id = *cache.get_or_insert_with(wanted, |container| {
                made.push(container.id);
                container.id
            });
            assert_eq!(id, wanted.id);
        }
        assert_eq!(made, [one.id, two.id]);
    }

    #[test]
    fn holds_no_more_than_its_limit() {
        let limit = ContainerCache::<ContainerId>::LIMIT;
        let mut cache = ContainerCache::default();
        for number in 0..=limit {
            let id = *cache.get_or_insert_with(&container(number), |container| container.id);
            assert_eq!(id, container(number).id);
            assert_eq!(cache.entries.len(), if number == limit { 1 } else { number + 1 });
        }
    }
}
