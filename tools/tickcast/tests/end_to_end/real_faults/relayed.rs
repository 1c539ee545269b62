//! Lines through a relay that drops, duplicates, reorders and damages; recovery through one that
//! breaks connections.

use super::relay::{Faults, Relay};
use super::tcp_relay::TcpRelay;
use super::{TICKS, has_all, has_all_or_knows, print_all};
use crate::feed::{Feed, folder, market};
use crate::program::count;

const CLEAN: Faults = Faults {
    drop: 0.0,
    duplicate: 0.0,
    reorder: 0.0,
    damage: 0.0,
    spoil: 0.0,
};
const ORDER: Faults = Faults {
    duplicate: 0.1,
    reorder: 0.3,
    ..CLEAN
};
const DAMAGE: Faults = Faults {
    damage: 0.2,
    ..CLEAN
};
const EVERYTHING: Faults = Faults {
    drop: 0.1,
    duplicate: 0.05,
    reorder: 0.1,
    damage: 0.05,
    spoil: 0.0,
};
const HEAVY: Faults = Faults {
    drop: 0.4,
    duplicate: 0.3,
    reorder: 0.5,
    damage: 0.2,
    spoil: 0.0,
};

#[test]
fn lines_that_reorder_duplicate_and_damage() {
    let folder = folder();
    let market = market(folder.path(), TICKS);
    let lines = [
        [CLEAN, CLEAN],
        [ORDER, CLEAN],
        [CLEAN, EVERYTHING],
        [ORDER, ORDER],
        [DAMAGE, DAMAGE],
        [EVERYTHING, EVERYTHING],
        [HEAVY, HEAVY],
    ];
    for (seed, faults) in (1..).zip(lines) {
        let publishing = Feed::on_loopback();
        let subscribing = Feed {
            recovery: publishing.recovery.clone(),
            ..Feed::on_loopback()
        };
        let [a, b] = faults;
        let relays = [
            Relay::start(&publishing.line_a, &subscribing.line_a, a, seed),
            Relay::start(&publishing.line_b, &subscribing.line_b, b, !seed),
        ];
        let ended = print_all(&publishing, &subscribing, &market, &[]);
        let result = has_all(ended, &market);
        for (line, (relay, faults)) in relays.into_iter().zip(faults).enumerate() {
            let happened = relay.finish();
            let shares = [
                (faults.drop, happened.dropped),
                (faults.duplicate, happened.duplicated),
                (faults.reorder, happened.reordered),
                (faults.damage, happened.damaged),
            ];
            for (share, happened) in shares {
                assert_eq!(happened > 0, share > 0.0, "line {line}: {result}");
            }
            let refused = result["refused"][line].as_u64();
            assert_eq!(refused > Some(0), faults.damage > 0.0, "{result}");
        }
    }
}

/// Ticks that change before their checksum is taken, as in a publisher's memory or a gateway's: the
/// digests of the publisher tell.
#[test]
fn ticks_that_change_on_the_way() {
    let folder = folder();
    let market = market(folder.path(), TICKS);
    let publishing = Feed {
        line_b: "none".into(),
        ..Feed::on_loopback()
    };
    let subscribing = Feed {
        line_a: Feed::on_loopback().line_a,
        ..publishing.clone()
    };
    let faults = Faults {
        spoil: 0.05,
        ..CLEAN
    };
    let relay = Relay::start(&publishing.line_a, &subscribing.line_a, faults, 1);
    let ended = print_all(&publishing, &subscribing, &market, &[]).expect(1);
    assert!(relay.finish().spoiled > 0);
    assert!(!ended.json()["proof"]["differs"].is_null());
    ended.explains(&["differs from what was published"]);
}

#[test]
fn recovery_connections_that_break_and_stall() {
    let folder = folder();
    let market = market(folder.path(), TICKS);
    for seed in 1..=4 {
        let publishing = Feed::on_loopback();
        let relay = TcpRelay::start(&publishing.recovery, seed);
        let subscribing = Feed {
            recovery: relay.address(),
            ..publishing.clone()
        };
        let lossy = ["--drop-a", "20%", "--drop-b", "20%"];
        let ended = print_all(&publishing, &subscribing, &market, &lossy);
        let result = has_all_or_knows(ended, &market);
        assert!(relay.broken() > 0);
        assert!(count(&result, "recovery_failures") > 0, "{result}");
    }
}
