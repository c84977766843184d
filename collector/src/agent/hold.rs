//! Bytes of a container that nobody has named yet: kept in order, within bounds.

use std::collections::VecDeque;

use crate::record::{Chunk, Stream};

/// Bounds of what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one container.
    pub container_bytes: usize,
    /// Bytes of all containers.
    pub node_bytes: usize,
}

/// What all containers hold together.
#[derive(Debug)]
pub(super) struct Budget {
    limits: Limits,
    held_bytes: usize,
}

impl Budget {
    pub(super) const fn new(limits: Limits) -> Self {
        Self { limits, held_bytes: 0 }
    }

    pub(super) const fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}

/// The chunks of one container.
#[derive(Debug, Default)]
pub(super) struct Hold {
    chunks: VecDeque<Held>,
    held_bytes: usize,
    /// What found no room since the stream's last chunk: the latest of it, without its bytes, which are in
    /// `lost_before_bytes`.
    refused: [Option<Chunk<'static>>; Stream::ALL.len()],
}

/// A chunk with a payload of its own.
#[derive(Debug)]
struct Held {
    chunk: Chunk<'static>,
    payload: Box<[u8]>,
}

impl Hold {
    /// Keeps a chunk, or refuses it: the bytes are lost then, and what is released after them says so.
    pub(super) fn push(&mut self, budget: &mut Budget, chunk: &Chunk<'_>) -> bool {
        // The bookkeeping counts: a chunk of one byte takes more than that.
        let bytes = size_of::<Held>() + chunk.payload.len();
        let Limits { container_bytes, node_bytes } = budget.limits;
        let refused = &mut self.refused[chunk.stream.index()];
        let refused_bytes = refused.map_or(0, |refused| refused.lost_before_bytes);
        let lost_before_bytes = chunk.lost_before_bytes + refused_bytes;
        if self.held_bytes + bytes > container_bytes || budget.held_bytes + bytes > node_bytes {
            let lost_before_bytes = lost_before_bytes + chunk.payload.len() as u64;
            *refused = Some(Chunk { payload: &[], lost_before_bytes, ..*chunk });
            return false;
        }
        self.held_bytes += bytes;
        budget.held_bytes += bytes;
        *refused = None;
        self.chunks.push_back(Held {
            chunk: Chunk { payload: &[], lost_before_bytes, ..*chunk },
            payload: chunk.payload.into(),
        });
        true
    }

    /// Takes word of a loss without bytes: `chunk` has none.
    pub(super) fn lose(&mut self, chunk: &Chunk<'_>) {
        let refused = &mut self.refused[chunk.stream.index()];
        let refused_bytes = refused.map_or(0, |refused| refused.lost_before_bytes);
        let lost_before_bytes = chunk.lost_before_bytes + refused_bytes;
        *refused = Some(Chunk { payload: &[], lost_before_bytes, ..*chunk });
    }

    /// Gives back every chunk in order, and their room; last an empty chunk for each stream that lost bytes after those.
    pub(super) fn release(self, budget: &mut Budget, mut take: impl FnMut(&Chunk<'_>)) {
        budget.held_bytes -= self.held_bytes;
        for Held { chunk, payload } in self.chunks {
            take(&Chunk { payload: &payload, ..chunk });
        }
        self.refused.iter().flatten().for_each(take);
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Held, Hold, Limits};
    use crate::record::{Chunk, Mode, Stream, Timestamp};

    fn chunk(payload: &[u8]) -> Chunk<'_> {
        Chunk {
            stream: Stream::Stdout,
            mode: Mode::Ebpf,
            time: Timestamp::default(),
            writer: None,
            sequence: 0,
            write_bytes: payload.len() as u32,
            offset_bytes: 0,
            lost_before_bytes: 0,
            payload,
        }
    }

    fn budget(chunks_of_one_byte: usize) -> Budget {
        let bytes = chunks_of_one_byte * (size_of::<Held>() + 1);
        Budget::new(Limits { container_bytes: bytes, node_bytes: bytes })
    }

    fn released(hold: Hold, budget: &mut Budget) -> Vec<(Vec<u8>, u64)> {
        let mut chunks = Vec::new();
        hold.release(budget, |chunk| {
            chunks.push((chunk.payload.to_vec(), chunk.lost_before_bytes));
        });
        chunks
    }

    #[test]
    fn holds_nothing_at_zero_and_says_what_it_refused() {
        let (mut hold, mut budget) = (Hold::default(), budget(0));
        assert!(!hold.push(&mut budget, &chunk(b"abc")));
        assert!(!hold.push(&mut budget, &Chunk { lost_before_bytes: 5, ..chunk(b"de") }));
        assert_eq!(released(hold, &mut budget), [(vec![], 10)]);
    }

    #[test]
    fn holds_up_to_the_limit_and_gives_the_room_back() {
        let mut budget = budget(2);
        let (mut one, mut two) = (Hold::default(), Hold::default());
        assert!(one.push(&mut budget, &chunk(b"a")));
        assert!(two.push(&mut budget, &chunk(b"b")));
        assert!(!one.push(&mut budget, &chunk(b"c")));
        assert_eq!(released(two, &mut budget), [(b"b".to_vec(), 0)]);
        assert!(one.push(&mut budget, &chunk(b"d")));
        assert!(!one.push(&mut budget, &chunk(b"ef")));
        let chunks = [(b"a".to_vec(), 0), (b"d".to_vec(), 1), (vec![], 2)];
        assert_eq!(released(one, &mut budget), chunks);
        assert_eq!(budget.held_bytes(), 0);
    }
}
