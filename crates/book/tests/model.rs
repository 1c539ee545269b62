//! The books against the plainest model there is: every order in a map, and the best found by
//! looking at all of them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tickcast_book::{BestBidOffer, BookError, Books, Level, Limits, Order, Side};

const LIMITS: Limits = Limits {
    max_orders: 12,
    max_instruments: 3,
};

#[derive(Default)]
struct Model {
    orders: BTreeMap<u64, Order>,
}

impl Model {
    fn levels(&self, instrument: u32, side: Side) -> Vec<Level> {
        let mut levels = BTreeMap::<i64, u64>::new();
        for order in self.orders.values() {
            if order.instrument == instrument && order.side == side {
                *levels.entry(order.price).or_default() += u64::from(order.size);
            }
        }
        let best_last = levels
            .into_iter()
            .map(|(price, size)| Level { price, size });
        match side {
            Side::Bid => best_last.rev().collect(),
            Side::Ask => best_last.collect(),
        }
    }

    fn best(&self, instrument: u32) -> BestBidOffer {
        BestBidOffer {
            bid: self.levels(instrument, Side::Bid).first().copied(),
            ask: self.levels(instrument, Side::Ask).first().copied(),
        }
    }

    /// Checks what an add may be refused for; the order of the checks is not promised.
    fn refuses(&self, reference: u64, order: Order) -> Vec<BookError> {
        let mut reasons = Vec::new();
        if order.size == 0 {
            reasons.push(BookError::ZeroSize { reference });
        }
        if self.orders.contains_key(&reference) {
            reasons.push(BookError::DuplicateOrder { reference });
        } else if self.orders.len() == LIMITS.max_orders {
            reasons.push(BookError::TooManyOrders {
                max_orders: LIMITS.max_orders,
            });
        }
        if order.instrument >= LIMITS.max_instruments {
            reasons.push(BookError::InstrumentOutOfRange {
                instrument: order.instrument,
                max_instruments: LIMITS.max_instruments,
            });
        }
        reasons
    }
}

#[derive(Debug, Clone)]
enum Message {
    Add(u64, Order),
    Reduce(u64, u32),
    Delete(u64),
    Replace(u64, u64, i64, u32),
}

/// Prices a cent apart, so that some are near the best and some are not, between two cents, and at
/// both ends.
fn price() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => (-60i64..60).prop_map(|cents| cents * 10_000_000),
        4 => -3i64..3,
        1 => prop_oneof![Just(i64::MIN), Just(i64::MIN + 1), Just(i64::MAX)],
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let reference = 0u64..20;
    let side = prop_oneof![Just(Side::Bid), Just(Side::Ask)];
    let order =
        (price(), 0u32..5, 0u32..4, side).prop_map(|(price, size, instrument, side)| Order {
            price,
            size,
            instrument,
            side,
        });
    prop_oneof![
        4 => (reference.clone(), order).prop_map(|(reference, order)| Message::Add(reference, order)),
        2 => (reference.clone(), 0u32..6).prop_map(|(reference, size)| Message::Reduce(reference, size)),
        1 => reference.clone().prop_map(Message::Delete),
        2 => (reference.clone(), reference, price(), 0u32..5)
            .prop_map(|(old, new, price, size)| Message::Replace(old, new, price, size)),
    ]
}

/// What the model says of a message: the instrument and order it names, or why it is refused.
fn apply(model: &mut Model, message: &Message) -> Result<Order, Vec<BookError>> {
    match *message {
        Message::Add(reference, order) => {
            let reasons = model.refuses(reference, order);
            if !reasons.is_empty() {
                return Err(reasons);
            }
            model.orders.insert(reference, order);
            Ok(order)
        }
        Message::Reduce(reference, size) => {
            let unknown = BookError::UnknownOrder { reference };
            if size == 0 {
                return Err(vec![BookError::ZeroSize { reference }, unknown]);
            }
            let Some(order) = model.orders.get_mut(&reference) else {
                return Err(vec![unknown]);
            };
            let before = *order;
            if size > before.size {
                return Err(vec![BookError::ExceedsOrder {
                    reference,
                    size,
                    remaining: before.size,
                }]);
            }
            order.size -= size;
            if order.size == 0 {
                model.orders.remove(&reference);
            }
            Ok(before)
        }
        Message::Delete(reference) => model
            .orders
            .remove(&reference)
            .ok_or(vec![BookError::UnknownOrder { reference }]),
        Message::Replace(old, new, price, size) => {
            let mut reasons = Vec::new();
            if !model.orders.contains_key(&old) {
                reasons.push(BookError::UnknownOrder { reference: old });
            }
            if new != old && model.orders.contains_key(&new) {
                reasons.push(BookError::DuplicateOrder { reference: new });
            }
            if size == 0 {
                reasons.push(BookError::ZeroSize { reference: new });
            }
            if !reasons.is_empty() {
                return Err(reasons);
            }
            let before = model.orders.remove(&old).unwrap();
            let after = Order {
                price,
                size,
                ..before
            };
            model.orders.insert(new, after);
            Ok(before)
        }
    }
}

proptest! {
    #[test]
    fn agrees_with_the_model_after_every_message(
        messages in proptest::collection::vec(message(), 0..200),
    ) {
        let mut model = Model::default();
        let mut books = Books::new(LIMITS);
        for message in &messages {
            let best_before: Vec<_> = (0..3).map(|i| model.best(i)).collect();
            let expected = apply(&mut model, message);
            let outcome = match *message {
                Message::Add(reference, order) => {
                    books.add(reference, order).map(|best| (order, best))
                }
                Message::Reduce(reference, size) => {
                    books.reduce(reference, size).map(|change| (change.order, change.best))
                }
                Message::Delete(reference) => {
                    books.delete(reference).map(|change| (change.order, change.best))
                }
                Message::Replace(old, new, price, size) => {
                    books.replace(old, new, price, size).map(|change| (change.order, change.best))
                }
            };
            match (outcome, expected) {
                (Ok((order, best)), Ok(expected)) => {
                    prop_assert_eq!(order, expected);
                    let now = model.best(order.instrument);
                    let changed = now != best_before[order.instrument as usize];
                    prop_assert_eq!(best, changed.then_some(now));
                }
                (Err(error), Err(reasons)) => prop_assert!(reasons.contains(&error)),
                (outcome, expected) => prop_assert!(false, "{outcome:?} against {expected:?}"),
            }
            prop_assert_eq!(books.resting_orders(), model.orders.len());
            for (reference, order) in &model.orders {
                prop_assert_eq!(books.order(*reference), Some(*order));
            }
            for instrument in 0..3 {
                for side in [Side::Bid, Side::Ask] {
                    let levels: Vec<Level> = books
                        .book(instrument)
                        .map(|book| book.levels(side).collect())
                        .unwrap_or_default();
                    prop_assert_eq!(levels, model.levels(instrument, side));
                }
            }
        }
    }
}

#[test]
fn an_empty_side_is_a_quote_without_a_price() {
    let mut books = Books::new(Limits::default());
    let order = Order {
        price: 5,
        size: 6,
        instrument: 0,
        side: Side::Ask,
    };
    let best = books.add(1, order).unwrap().unwrap();
    let quote = tickcast_wire::Quote::from(best);
    assert_eq!(
        quote,
        tickcast_wire::Quote::new(tickcast_wire::UNDEFINED_PRICE, 0, 5, 6)
    );
}

#[test]
fn the_deepest_level_of_many_is_found() {
    let mut books = Books::new(Limits::default());
    for price in 0..1_000 {
        let order = Order {
            price,
            size: 1,
            instrument: 0,
            side: Side::Bid,
        };
        assert!(books.add(price as u64, order).unwrap().is_some());
    }
    assert_eq!(books.delete(0).unwrap().best, None);
    assert_eq!(books.delete(500).unwrap().best, None);
    let best = books.delete(999).unwrap().best.unwrap();
    assert_eq!(best.bid.unwrap().price, 998);
    assert_eq!(books.book(0).unwrap().levels(Side::Bid).len(), 997);
}
