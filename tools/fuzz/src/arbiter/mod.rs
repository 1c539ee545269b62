//! Sequences of events against the arbiter: whatever comes, in whatever order, the promise holds.

mod witness;
mod world;

use tickcast_protocol::{Line, Start};
use tickcast_wire::{PacketHeader, ReplyStatus};
use zerocopy::IntoBytes;

pub use self::witness::{Truth, Witness};
pub use self::world::{Answer, Event, World};
use crate::input::Input;
use crate::valid;

/// Most events of one input.
const EVENTS: usize = 200;

/// Sessions that there may be.
const SESSIONS: u64 = 3;

/// A world and its events, as the bytes choose them.
pub fn arbiter(data: &[u8]) {
    let mut input = Input::new(data);
    let truth = Truth {
        ticks: 1 + input.below(40),
        names_previous: input.flag(),
    };
    let start = match input.below(4) {
        0 => Start::Live,
        seq => Start::Seq(seq.min(truth.ticks)),
    };
    let mut config = World::small(start, input.flag(), input.byte() % 4 != 3);
    config.hold_ticks = [1, 4, 16, 64][input.below(4) as usize];
    config.retransmit_ticks = 1 + input.below(8);
    config.tries = 1 + input.below(4) as u32;
    config.jitter = input.below(8);
    config.jitter_seed = u64::from(input.byte());

    let mut world = World::new(truth, config);
    let mut generation = 0;
    for _ in 0..EVENTS {
        if input.is_empty() {
            break;
        }
        world.apply(&event(&mut input, &truth, &mut generation));
    }
    world.finish();
}

fn event(input: &mut Input<'_>, truth: &Truth, generation: &mut u64) -> Event {
    let line = if input.flag() { Line::B } else { Line::A };
    // Mostly the newest session, and now and then one before.
    let session = Truth::session(generation.saturating_sub(input.below(8) / 7));
    let first = 1 + input.below(truth.ticks);
    let count = 1 + input.below(8).min(truth.ticks - first);
    match input.below(16) {
        0..5 => Event::Data {
            line,
            session,
            first,
            count,
        },
        5 => Event::Differing {
            line,
            session,
            first,
            count,
        },
        6 => Event::Heartbeat {
            line,
            session,
            next: 1 + input.below(truth.ticks + 1),
        },
        7 => Event::End { line, session },
        8 => Event::Garbage {
            line,
            bytes: garbage(input, session, first),
        },
        9..12 => Event::Answer(answer(input, session)),
        12 => Event::WaitForDeadline,
        13 => Event::Wait(input.below(256)),
        14 => Event::Wait(1 << input.below(40)),
        _ => {
            *generation = (*generation + 1).min(SESSIONS - 1);
            Event::Heartbeat {
                line,
                session: Truth::session(*generation),
                next: 1,
            }
        }
    }
}

/// Bytes that nobody sent, or a packet with a byte changed.
fn garbage(input: &mut Input<'_>, session: u64, first: u64) -> Vec<u8> {
    if input.flag() {
        let count = usize::from(input.byte());
        return input.take(count).to_vec();
    }
    let header =
        PacketHeader::data(session, input.below(5) as u16, first, 1).with_ts_sent(1_000_000);
    let tick = Truth::tick(session, first);
    let mut bytes = [header.as_bytes(), tick.as_bytes(), &[0; 8]].concat();
    let at = usize::from(input.byte()) % bytes.len();
    bytes[at] ^= input.byte();
    valid::as_packet(&bytes)
}

fn answer(input: &mut Input<'_>, session: u64) -> Answer {
    match input.below(8) {
        0..3 => Answer::Served(input.below(64)),
        3 => Answer::Half(input.below(64)),
        4 | 5 => {
            let status = ReplyStatus::from_code(input.byte() % 8).unwrap_or(ReplyStatus::Malformed);
            Answer::Refused(status, input.number_near(session))
        }
        6 => Answer::Failed,
        _ => Answer::Lie(input.below(4)),
    }
}
