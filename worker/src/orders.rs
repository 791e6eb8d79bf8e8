//! What the worker was told about going on: by a signal, by the coordinator, by the end of its parent. Orders only
//! get stronger.

use tokio::sync::watch;

/// Who asked for the drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainCause {
    /// A signal: SIGTERM, SIGINT or SIGUSR1.
    Signal,
    /// The coordinator's reply to a heartbeat.
    Coordinator,
    /// The process that started this one is gone.
    ParentGone,
}

impl DrainCause {
    /// Words for the reason of a trial that is given back.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Signal => "the worker was told to stop by a signal",
            Self::Coordinator => "the coordinator drained the worker",
            Self::ParentGone => "the process that started the worker is gone",
        }
    }
}

/// How strongly the worker was told to end, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Go on.
    Work,
    /// Take no new trials, give back what runs, hand over what is finished, then leave.
    Drain(DrainCause),
    /// End now; what is finished but not handed over stays in the spool. Holds the exit code.
    Stop(u8),
}

impl Order {
    const fn strength(self) -> u8 {
        match self {
            Self::Work => 0,
            Self::Drain(_) => 1,
            Self::Stop(_) => 2,
        }
    }
}

/// Where orders are written and read. Cheap to share by reference.
#[derive(Debug)]
pub struct OrderBoard {
    order: watch::Sender<Order>,
}

impl Default for OrderBoard {
    fn default() -> Self {
        Self { order: watch::Sender::new(Order::Work) }
    }
}

impl OrderBoard {
    /// Writes `order` down unless an order at least as strong stands there. Says whether it did.
    pub fn give(&self, order: Order) -> bool {
        self.order.send_if_modified(|current| {
            let is_stronger = order.strength() > current.strength();
            if is_stronger {
                *current = order;
            }
            is_stronger
        })
    }

    /// The order that stands.
    #[must_use]
    pub fn current(&self) -> Order {
        *self.order.borrow()
    }

    /// A receiver that sees every later order.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Order> {
        self.order.subscribe()
    }

    /// Waits until the worker is to end now.
    pub(crate) async fn stopped(&self) {
        self.reaches(2).await;
    }

    async fn reaches(&self, strength: u8) {
        let mut orders = self.subscribe();
        // The sender lives in `self`, so the wait cannot fail while it is awaited.
        let _ = orders.wait_for(|order| order.strength() >= strength).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{DrainCause, Order, OrderBoard};

    #[test]
    fn orders_only_get_stronger() {
        let board = OrderBoard::default();
        assert!(board.give(Order::Drain(DrainCause::Signal)));
        assert!(!board.give(Order::Drain(DrainCause::Coordinator)));
        assert!(!board.give(Order::Work));
        assert_eq!(board.current(), Order::Drain(DrainCause::Signal));
        assert!(board.give(Order::Stop(130)));
        assert!(!board.give(Order::Stop(75)));
        assert_eq!(board.current(), Order::Stop(130));
    }
}
