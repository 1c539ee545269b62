use crate::book::{BestBidOffer, Book, Side};
use crate::error::BookError;
use crate::orders::Orders;

/// How much the books may hold. What goes beyond is refused with a typed error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Orders that rest at one time, over all instruments; default 16,777,216, at most
    /// 4,294,967,295. An order takes 43 to 86 bytes.
    pub max_orders: usize,
    /// Instruments are numbered below this; default 65,536, at most 2,147,483,648. An instrument
    /// takes 128 bytes, 256 more for each side that orders came to, and its levels that are far
    /// from the best.
    pub max_instruments: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_orders: 1 << 24,
            max_instruments: 1 << 16,
        }
    }
}

/// A resting order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Price, `× 1e-9`.
    pub price: i64,
    /// What is left of it, in units of the instrument; not 0.
    pub size: u32,
    /// The instrument: an index, so best numbered densely.
    pub instrument: u32,
    /// The side it rests on.
    pub side: Side,
}

/// What a message did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The order that the message names, as it was before the message.
    pub order: Order,
    /// The best bid and offer of its instrument after the message, if the message changed a price
    /// or a size in it.
    pub best: Option<BestBidOffer>,
}

/// The order books of many instruments, kept up order by order.
///
/// Orders are known by a reference that is unique over all instruments. Each method takes one
/// message of the venue; on an error the books are as they were before.
#[derive(Debug, Clone)]
pub struct Books {
    limits: Limits,
    orders: Orders,
    books: Vec<Book>,
}

impl Books {
    /// Empty books.
    #[must_use]
    pub fn new(limits: Limits) -> Books {
        Books {
            limits: Limits {
                max_orders: limits.max_orders.min(u32::MAX as usize),
                max_instruments: limits.max_instruments.min(1 << 31),
            },
            orders: Orders::new(),
            books: Vec::new(),
        }
    }

    /// A new order rests. Gives the best bid and offer if it changed.
    ///
    /// # Errors
    /// [`ZeroSize`](BookError::ZeroSize), [`DuplicateOrder`](BookError::DuplicateOrder),
    /// [`TooManyOrders`](BookError::TooManyOrders),
    /// [`InstrumentOutOfRange`](BookError::InstrumentOutOfRange).
    #[inline]
    pub fn add(&mut self, reference: u64, order: Order) -> Result<Option<BestBidOffer>, BookError> {
        if order.size == 0 {
            return Err(BookError::ZeroSize { reference });
        }
        self.make_room_for(order.instrument)?;
        let Some(at) = self.orders.find_free(reference) else {
            return Err(BookError::DuplicateOrder { reference });
        };
        let max_orders = self.limits.max_orders;
        if self.orders.len() >= max_orders {
            return Err(BookError::TooManyOrders { max_orders });
        }
        self.orders.insert(at, reference, order);
        let book = &mut self.books[order.instrument as usize];
        let changed = book.change(order.side, order.price, order.size.into());
        Ok(changed.then(|| book.best()))
    }

    /// `size` is taken off a resting order: an execution, or a cancel of a part. An order with
    /// nothing left leaves the book.
    ///
    /// # Errors
    /// [`UnknownOrder`](BookError::UnknownOrder), [`ExceedsOrder`](BookError::ExceedsOrder),
    /// [`ZeroSize`](BookError::ZeroSize).
    #[inline]
    pub fn reduce(&mut self, reference: u64, size: u32) -> Result<Change, BookError> {
        if size == 0 {
            return Err(BookError::ZeroSize { reference });
        }
        let Some(at) = self.orders.find(reference) else {
            return Err(BookError::UnknownOrder { reference });
        };
        let order = self.orders.order(at);
        match order.size.checked_sub(size) {
            None => {
                return Err(BookError::ExceedsOrder {
                    reference,
                    size,
                    remaining: order.size,
                });
            }
            Some(0) => self.orders.remove(at),
            Some(rest) => self.orders.resize(at, rest),
        }
        Ok(self.take_off(order, size))
    }

    /// A resting order leaves the book.
    ///
    /// # Errors
    /// [`UnknownOrder`](BookError::UnknownOrder).
    #[inline]
    pub fn delete(&mut self, reference: u64) -> Result<Change, BookError> {
        let Some(at) = self.orders.find(reference) else {
            return Err(BookError::UnknownOrder { reference });
        };
        let order = self.orders.order(at);
        self.orders.remove(at);
        Ok(self.take_off(order, order.size))
    }

    /// A resting order leaves the book and one with another reference, price and size takes its
    /// place, on the same side of the same instrument. `old` and `new` may be equal.
    ///
    /// # Errors
    /// [`UnknownOrder`](BookError::UnknownOrder) for `old`,
    /// [`DuplicateOrder`](BookError::DuplicateOrder) and [`ZeroSize`](BookError::ZeroSize) for
    /// `new`.
    #[inline]
    pub fn replace(
        &mut self,
        old: u64,
        new: u64,
        price: i64,
        size: u32,
    ) -> Result<Change, BookError> {
        if size == 0 {
            return Err(BookError::ZeroSize { reference: new });
        }
        let Some(at) = self.orders.find(old) else {
            return Err(BookError::UnknownOrder { reference: old });
        };
        let order = self.orders.order(at);
        let replacement = Order {
            price,
            size,
            ..order
        };
        self.orders.remove(at);
        let Some(to) = self.orders.find_free(new) else {
            // As it was: nothing else was inserted since it was removed.
            self.orders.insert(at, old, order);
            return Err(BookError::DuplicateOrder { reference: new });
        };
        self.orders.insert(to, new, replacement);

        let book = &mut self.books[order.instrument as usize];
        let before = book.best_of(order.side);
        let was_best = book.change(order.side, order.price, -i64::from(order.size));
        let is_best = book.change(order.side, price, size.into());
        let changed = (was_best | is_best) && book.best_of(order.side) != before;
        Ok(Change {
            order,
            best: changed.then(|| book.best()),
        })
    }

    /// Brings into the cache what a message that names this order and instrument is likely to
    /// need. It changes nothing, and either may be unknown: call it some messages ahead, so that
    /// the memory is there when the message is taken.
    #[inline]
    pub fn touch(&self, reference: u64, instrument: u32) {
        self.orders.touch(reference);
        if let Some(book) = self.books.get(instrument as usize) {
            book.touch();
        }
    }

    /// The resting order with this reference.
    #[must_use]
    pub fn order(&self, reference: u64) -> Option<Order> {
        self.orders.find(reference).map(|at| self.orders.order(at))
    }

    /// How many orders rest, over all instruments.
    #[must_use]
    pub fn resting_orders(&self) -> usize {
        self.orders.len()
    }

    /// The book of an instrument; `None` if no order of it or of a higher one was ever added.
    #[must_use]
    pub fn book(&self, instrument: u32) -> Option<&Book> {
        self.books.get(instrument as usize)
    }

    #[inline]
    fn make_room_for(&mut self, instrument: u32) -> Result<(), BookError> {
        let index = instrument as usize;
        if index < self.books.len() {
            return Ok(());
        }
        let max_instruments = self.limits.max_instruments;
        if instrument >= max_instruments {
            return Err(BookError::InstrumentOutOfRange {
                instrument,
                max_instruments,
            });
        }
        self.books.resize_with(index + 1, Book::default);
        Ok(())
    }

    /// Inlined, since a call would hand over what it takes and gives by way of memory.
    #[inline(always)]
    fn take_off(&mut self, order: Order, size: u32) -> Change {
        // `add` made the book of every order that rests.
        let book = &mut self.books[order.instrument as usize];
        let changed = book.change(order.side, order.price, -i64::from(size));
        Change {
            order,
            best: changed.then(|| book.best()),
        }
    }
}
