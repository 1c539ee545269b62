//! Order books, kept up order by order: in go the adds, executions, cancels, deletes and replaces
//! of a venue, out comes the best bid and offer whenever a message changed it.
//!
//! This crate knows no venue's wire format, never panics on any order of messages, and holds no
//! more than its [`Limits`] allow. It reads no clock and does no input or output.
//!
//! ```
//! use tickcast_book::{Books, Limits, Order, Side};
//!
//! let mut books = Books::new(Limits::default());
//! let order = Order { price: 24_300_000_000, size: 100, instrument: 7, side: Side::Bid };
//! let best = books.add(1, order)?.expect("the first order is the best");
//! assert_eq!(best.bid.unwrap().size, 100);
//!
//! let execution = books.reduce(1, 40)?;
//! assert_eq!(execution.order.price, 24_300_000_000);
//! assert_eq!(execution.best.unwrap().bid.unwrap().size, 60);
//! # Ok::<(), tickcast_book::BookError>(())
//! ```

mod book;
mod books;
mod error;
mod levels;
mod orders;

pub use book::{BestBidOffer, Book, Level, Side};
pub use books::{Books, Change, Limits, Order};
pub use error::BookError;
