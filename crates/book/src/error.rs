use thiserror::Error;

/// Why a message left the books as they were.
///
/// A slice of a day names orders that were added before it, and damaged input may name anything:
/// none of these is a reason to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BookError {
    /// No order with this reference rests.
    #[error("no order {reference} rests in the book; it was added before the first message seen")]
    UnknownOrder {
        /// The reference that the message names.
        reference: u64,
    },
    /// An order with this reference rests already.
    #[error("order {reference} rests in the book already")]
    DuplicateOrder {
        /// The reference that the message names.
        reference: u64,
    },
    /// No order of size 0 can rest, and nothing of size 0 can be taken off one.
    #[error("size 0 for order {reference}")]
    ZeroSize {
        /// The reference that the message names.
        reference: u64,
    },
    /// More is to be taken off an order than is left of it.
    #[error("{size} to be taken off order {reference}, of which {remaining} is left")]
    ExceedsOrder {
        /// The reference that the message names.
        reference: u64,
        /// What the message takes off.
        size: u32,
        /// What is left of the order.
        remaining: u32,
    },
    /// [`Limits::max_orders`](crate::Limits::max_orders) orders rest.
    #[error("{max_orders} orders rest in the books; raise Limits::max_orders")]
    TooManyOrders {
        /// The limit.
        max_orders: usize,
    },
    /// The instrument is not below [`Limits::max_instruments`](crate::Limits::max_instruments).
    #[error("instrument {instrument} is not below Limits::max_instruments, {max_instruments}")]
    InstrumentOutOfRange {
        /// The instrument that the message names.
        instrument: u32,
        /// The limit.
        max_instruments: u32,
    },
}
