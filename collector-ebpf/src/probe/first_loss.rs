//! Why the first bytes of a call were lost: what the call is counted under.

use collector_ebpf::LossReason;

/// Why the first bytes of a call were lost, if any were: 0, or the [`LossReason`] plus 1. A number and no enum, so that its
/// bound is checked where the verifier sees it.
#[derive(Clone, Copy)]
pub(super) struct FirstLoss(u64);

impl FirstLoss {
    /// Nothing was lost.
    pub(super) const NONE: Self = Self(0);

    /// Something was lost.
    pub(super) const fn new(reason: LossReason) -> Self {
        Self(reason as u64 + 1)
    }

    /// This one, or `later` where nothing was lost so far.
    #[inline(always)]
    pub(super) const fn or(self, later: LossReason) -> Self {
        if self.0 == 0 { Self::new(later) } else { self }
    }

    /// Whether nothing was lost.
    #[inline(always)]
    pub(super) const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The index of the reason; there has to be one.
    #[inline(always)]
    pub(super) const fn index(self) -> usize {
        self.0 as usize - 1
    }
}
