//! Reading a publisher's store, from servers of every kind.

mod support;

use std::io::Write;
use std::time::Duration;

use support::{SESSION, blocks, refuse, reply, retransmit, serve, tick};
use tickcast_subscriber::{ConnectionError, StoreReader, Stored};
use tickcast_wire::{Reply, ReplyStatus, Tick};
use zerocopy::IntoBytes;

fn ticks(first: u64, count: u64) -> Vec<Tick> {
    (first..first + count)
        .map(|seq| tick(SESSION, seq))
        .collect()
}

#[test]
fn ticks_come_in_blocks_and_no_more_than_are_asked_for() {
    let mut store = StoreReader::new(serve(retransmit), None, 0);
    for (first, count, given) in [
        (5, 1, 1),
        (1, 1_024, 1_024),
        (9, 2_500, 2_500),
        (3, 100_000, 16_384),
    ] {
        let read = store.read(SESSION, first, count).unwrap();
        assert!(
            read == Stored::Ticks(&ticks(first, given)),
            "{first} {count}"
        );
    }
}

#[test]
fn a_server_that_allows_less_is_asked_for_less() {
    let mut store = StoreReader::new(
        serve(|request, stream| match request.count() {
            ..=100 => retransmit(request, stream),
            _ => refuse(request, stream, ReplyStatus::TooLarge, 100),
        }),
        None,
        0,
    );
    let read = store.read(SESSION, 7, 5_000).unwrap();
    assert!(read == Stored::Ticks(&ticks(7, 100)));
}

#[test]
fn refusals_are_answers() {
    let wait = Duration::from_nanos(42);
    for (status, stored) in [
        (ReplyStatus::TooOld, Stored::TooOld { oldest: 42 }),
        (ReplyStatus::NotYet, Stored::NotYet { next: 42 }),
        (
            ReplyStatus::OtherSession,
            Stored::OtherSession { current: 42 },
        ),
        (ReplyStatus::Busy, Stored::Busy { wait }),
    ] {
        let server = serve(move |request, stream| refuse(request, stream, status, 42));
        let mut store = StoreReader::new(server, None, 0);
        assert_eq!(store.read(SESSION, 7, 5).unwrap(), stored);
    }
}

#[test]
fn what_no_reader_can_go_on_with_is_an_error() {
    for status in [
        ReplyStatus::Malformed,
        ReplyStatus::Denied,
        // To a request that could not ask for less.
        ReplyStatus::TooLarge,
    ] {
        let server = serve(move |request, stream| refuse(request, stream, status, 0));
        let mut store = StoreReader::new(server, None, 0);
        let error = store.read(SESSION, 7, 1).unwrap_err();
        let ConnectionError::Refused { status: said, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(said, status);
    }
}

#[test]
fn a_server_that_answers_wrong_is_an_error_and_the_next_answer_may_be_right() {
    let mut turn = 0;
    let server = serve(move |request, stream| {
        turn += 1;
        let (session, first, count) = (request.session(), request.first_seq(), request.count());
        let header = |session| Reply::new(request, session, ReplyStatus::Ok, 0);
        match turn {
            // Ticks of another session.
            1 => reply(
                stream,
                header(session + 1).with_ticks(first, count),
                &ticks(first, count),
            ),
            // Others than were asked for.
            2 => reply(
                stream,
                header(session).with_ticks(first, count + 1),
                &ticks(first, count),
            ),
            // A bit that changes on the way.
            3 => {
                let header = header(session).with_ticks(first, count);
                let mut bytes = Vec::from(header.as_bytes());
                bytes[20] ^= 1;
                stream.write_all(&bytes).is_ok()
            }
            // A block that belongs elsewhere.
            4 => {
                let header = header(session).with_ticks(first, count);
                stream.write_all(header.as_bytes()).is_ok()
                    && blocks(stream, &header, 1, &ticks(first, count))
            }
            // The end in the middle.
            5 => {
                let header = header(session).with_ticks(first, count);
                assert!(reply(stream, header, &ticks(first, count - 1)));
                false
            }
            _ => retransmit(request, stream),
        }
    });
    let mut store = StoreReader::new(server, None, 0);
    for turn in 1..=5 {
        let error = store.read(SESSION, 3, 10).unwrap_err();
        assert!(matches!(error, ConnectionError::Io(_)), "{turn}: {error}");
    }
    assert_eq!(
        store.read(SESSION, 3, 10).unwrap(),
        Stored::Ticks(&ticks(3, 10))
    );
}
