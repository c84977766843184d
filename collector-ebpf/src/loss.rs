//! Why bytes of a watched stream did not reach the ring. The only list of reasons: metric labels come from it.

/// A reason; its value is the index of [`crate::Counters::lost_bytes`].
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossReason {
    /// The ring buffer was full: the collector did not keep up.
    RingFull = 0,
    /// The ring was under pressure and this container had used up its share of it; or it had used up what it may add of class
    /// `daemon`.
    RateLimited = 1,
    /// The writer's memory could not be read when the call returned (unmapped or changed meanwhile, or never resident).
    Fault = 2,
    /// The write was larger than the probe copies of one call.
    TooLarge = 3,
    /// The call has no user buffer: sendfile, splice, tee, vmsplice, `copy_file_range`, `io_uring` with registered buffers.
    Unseen = 4,
}

impl LossReason {
    /// Every reason, by index.
    pub const ALL: [Self; 5] =
        [Self::RingFull, Self::RateLimited, Self::Fault, Self::TooLarge, Self::Unseen];

    /// The value of the metric label `reason`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::RateLimited => "rate_limited",
            Self::Fault => "fault",
            Self::TooLarge => "too_large",
            Self::Unseen => "unseen",
        }
    }
}
