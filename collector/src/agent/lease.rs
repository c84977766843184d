//! A sink's end of its buffer, which may be asked back for another sink to go on with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;
use tokio::sync::oneshot;

use crate::buffer::Consumer;
use crate::record::Delivery;

/// What a sink takes from. Its end is the buffer's, unless it is asked back.
#[derive(Debug)]
pub(super) struct Lease {
    consumer: Option<Consumer>,
    is_asked: Arc<AtomicBool>,
    back: Option<oneshot::Sender<Consumer>>,
}

/// With whom to ask a lease back.
#[derive(Debug)]
pub(super) struct Lessor {
    is_asked: Arc<AtomicBool>,
    back: oneshot::Receiver<Consumer>,
}

impl Lease {
    /// Lends a buffer's end.
    pub(super) fn of(consumer: Consumer) -> (Self, Lessor) {
        let (is_asked, (back, received)) = (Arc::default(), oneshot::channel());
        let lessor = Lessor { is_asked: Arc::clone(&is_asked), back: received };
        (Self { consumer: Some(consumer), is_asked, back: Some(back) }, lessor)
    }

    /// The oldest delivery; see [`Consumer::pop`]. Nothing more once it was asked back.
    pub(super) fn pop(&mut self, timeout: Duration) -> Result<Delivery, RecvTimeoutError> {
        match &mut self.consumer {
            Some(consumer) if !self.is_asked.load(Ordering::Acquire) => consumer.pop(timeout),
            _ => Err(RecvTimeoutError::Disconnected),
        }
    }
}

impl Drop for Lease {
    /// The sink is done with all that it took, or has given it up.
    fn drop(&mut self) {
        let asked = self.back.take().filter(|_| self.is_asked.load(Ordering::Acquire));
        if let (Some(back), Some(consumer)) = (asked, self.consumer.take()) {
            // With nobody there any more, it ends here.
            let _ended = back.send(consumer);
        }
    }
}

impl Lessor {
    /// Whether it was asked back, for another thread to look.
    pub(super) fn is_asked(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_asked)
    }

    /// From now on nothing is taken.
    pub(super) fn ask(&self) {
        self.is_asked.store(true, Ordering::Release);
    }

    /// The buffer's end after the sink's: what the sink had and was not done with comes again. None if the sink ended
    /// before it was asked.
    pub(super) async fn take_back(self) -> Option<Consumer> {
        let mut consumer = self.back.await.ok()?;
        consumer.rewind();
        Some(consumer)
    }
}
