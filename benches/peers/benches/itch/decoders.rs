//! The decoders, each by the interface that its library is fastest with.

use std::hint::black_box;
use std::ops::ControlFlow;

use ::itch5::{MessageHandler, Parser, messages as m};
use ::itchy::{Body, MessageStream};
use tickcast_peers::Failure;
use tickcast_tickfile::ItchMessages;

/// What a decoder read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoded {
    messages: u64,
    locates: u64,
    times: u64,
    /// Of all other fields. Ours reads numbers without a meaning where a type lacks a field, so
    /// that decoders differ in it.
    others: u64,
}

impl Decoded {
    /// Whether both read the same messages.
    pub fn agrees_with(&self, other: &Decoded) -> bool {
        let key = |it: &Decoded| (it.messages, it.locates, it.times);
        self.times == 0 || key(self) == key(other)
    }

    #[inline]
    fn head(&mut self, locate: u16, time: u64) {
        self.messages += 1;
        self.locates += u64::from(locate);
        self.times = self.times.wrapping_add(time);
    }

    #[inline]
    fn others(&mut self, reference: u64, second: u64, shares: u32, price: u32) {
        let fields = reference ^ second ^ u64::from(shares) ^ u64::from(price);
        self.others = self.others.wrapping_add(fields);
    }
}

/// Ours: a table says where the fields lie, without a branch on the type.
pub fn ours(bytes: &[u8]) -> Result<Decoded, Failure> {
    let mut decoded = Decoded::default();
    for message in ItchMessages::new(bytes) {
        decoded.head(message.locate(), message.nanos());
        decoded.others ^= u64::from(message.kind());
        decoded.others(
            message.reference(),
            message.second(),
            message.shares(),
            message.price(),
        );
    }
    Ok(black_box(decoded))
}

/// From length to length, and nothing read: the floor.
pub fn walk(mut bytes: &[u8]) -> Result<Decoded, Failure> {
    let mut decoded = Decoded::default();
    while let Some(length) = bytes.first_chunk::<2>() {
        let frame = 2 + usize::from(u16::from_be_bytes(*length));
        bytes = bytes.get(frame..).ok_or("a message that is cut")?;
        decoded.messages += 1;
    }
    Ok(black_box(decoded))
}

/// itch5: the stream calls a method for each type.
pub fn itch5(bytes: &[u8]) -> Result<Decoded, Failure> {
    let mut decoded = Decoded::default();
    Parser::new(bytes)
        .parse_stream(&mut decoded)
        .map_err(|error| format!("itch5: {error:?}"))?;
    Ok(black_box(decoded))
}

/// A method that reads the head, and the other fields that the type has.
macro_rules! on {
    ($method:ident, $type:ident $(, $message:ident => $reference:expr, $second:expr, $shares:expr,
     $price:expr)?) => {
        #[inline]
        fn $method(&mut self, message: &m::$type) -> ControlFlow<()> {
            self.head(message.stock_locate(), message.timestamp().to_u64());
            $(
                let $message = message;
                self.others($reference, $second, $shares, $price);
            )?
            ControlFlow::Continue(())
        }
    };
}

impl MessageHandler for Decoded {
    #[inline]
    fn on_reg_sho_restriction(&mut self, message: &m::RegSHORestriction) -> ControlFlow<()> {
        self.head(message.locate_code(), message.timestamp().to_u64());
        ControlFlow::Continue(())
    }

    on!(on_add_order_no_mpid_attribution, AddOrderNoMPIDAttribution,
        it => it.order_reference_number(), 0, it.shares(), it.price().into_u32());
    on!(on_add_order_with_mpid_attribution, AddOrderWithMPIDAttribution,
        it => it.order_reference_number(), 0, it.shares(), it.price().into_u32());
    on!(on_order_executed, OrderExecuted,
        it => it.order_reference_number(), it.match_number(), it.executed_shares(), 0);
    on!(on_order_executed_with_price, OrderExecutedWithPrice,
        it => it.order_reference_number(), it.match_number(), it.executed_shares(),
        it.execution_price().into_u32());
    on!(on_order_cancel, OrderCancel,
        it => it.order_reference_number(), 0, it.cancelled_shares(), 0);
    on!(on_order_delete, OrderDelete, it => it.order_reference_number(), 0, 0, 0);
    on!(on_order_replace, OrderReplace,
        it => it.original_order_reference_number(), it.new_order_reference_number(), it.shares(),
        it.price().into_u32());
    on!(on_trade, Trade,
        it => it.order_reference_number(), it.match_number(), it.shares(), it.price().into_u32());
    on!(on_cross_trade, CrossTrade,
        it => it.shares(), it.match_number(), 0, it.cross_price().into_u32());
    on!(on_broken_trade, BrokenTrade, it => it.match_number(), 0, 0, 0);
    on!(on_system_event, SystemEvent);
    on!(on_stock_directory, StockDirectory);
    on!(on_stock_trading_action, StockTradingAction);
    on!(on_market_participant_position, MarketParticipantPosition);
    on!(on_mwcb_decline_level, MWCBDeclineLevel);
    on!(on_mwcb_status, MWCBStatus);
    on!(on_quoting_period_update, QuotingPeriodUpdate);
    on!(on_luld_auction_collar, LULDAuctionCollar);
    on!(on_operational_halt, OperationalHalt);
    on!(on_net_order_imbalance_indicator, NetOrderImbalanceIndicator);
    on!(
        on_retail_price_improvement_indicator,
        RetailPriceImprovementIndicator
    );
}

/// itchy: the stream gives each message decoded, from a reader.
pub fn itchy(bytes: &[u8]) -> Result<Decoded, Failure> {
    let mut decoded = Decoded::default();
    for message in MessageStream::from_reader(bytes) {
        let message = message?;
        decoded.head(message.stock_locate, message.timestamp);
        match &message.body {
            Body::AddOrder(it) => decoded.others(it.reference, 0, it.shares, it.price.raw()),
            Body::ReplaceOrder(it) => {
                decoded.others(
                    it.old_reference,
                    it.new_reference,
                    it.shares,
                    it.price.raw(),
                );
            }
            Body::DeleteOrder { reference } => decoded.others(*reference, 0, 0, 0),
            Body::OrderCancelled {
                reference,
                cancelled,
            } => decoded.others(*reference, 0, *cancelled, 0),
            Body::OrderExecuted {
                reference,
                executed,
                match_number,
            } => decoded.others(*reference, *match_number, *executed, 0),
            Body::OrderExecutedWithPrice {
                reference,
                executed,
                match_number,
                price,
                ..
            } => decoded.others(*reference, *match_number, *executed, price.raw()),
            Body::NonCrossTrade(it) => {
                decoded.others(it.reference, it.match_number, it.shares, it.price.raw());
            }
            Body::CrossTrade(it) => {
                decoded.others(it.shares, it.match_number, 0, it.cross_price.raw());
            }
            Body::BrokenTrade { match_number } => decoded.others(*match_number, 0, 0, 0),
            other => {
                black_box(other);
            }
        }
    }
    Ok(black_box(decoded))
}
