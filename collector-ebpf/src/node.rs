//! What the probe counts for the whole node, where no container can be named.

/// A count; its value is the index in the map `NODE`.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeCounter {
    /// A container began that is not captured: the map of watched containers or of their cgroups was full.
    WatchFull = 0,
    /// A `Created`, `Gone` or `Discovery` record found no room in the ring.
    EventLost = 1,
    /// A watched container's write whose file descriptor was closed by another thread before the call returned.
    DescriptorGone = 2,
    /// A 32-bit call of a watched container that wrote something, which this probe does not read.
    Compat = 3,
    /// A write to a watched stream that was not followed to its end: too many threads were writing at once.
    CallsFull = 4,
}

impl NodeCounter {
    /// Every count, by index.
    pub const ALL: [Self; 5] =
        [Self::WatchFull, Self::EventLost, Self::DescriptorGone, Self::Compat, Self::CallsFull];

    /// The value of the metric label `reason`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::WatchFull => "watch_full",
            Self::EventLost => "event_lost",
            Self::DescriptorGone => "descriptor_gone",
            Self::Compat => "compat",
            Self::CallsFull => "calls_full",
        }
    }
}

/// What the reader of the ring is doing; the only value of the map `READER`. It decides who has to wake it.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The probe has woken it, and it has not slept since: nobody wakes it again.
    Awake = 0,
    /// It drains, and sleeps for one tick in between: it is woken when [`crate::Settings::wake_bytes`] are waiting.
    Dozing = 1,
    /// Nothing was written for a while: it is woken by the next record.
    Asleep = 2,
}
