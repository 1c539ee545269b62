//! What the queue of a device refuses, in a network namespace of its own, which only root can make.

mod support;

use std::process::Command;

use support::Namespace;
use tickcast_net::{Interface, MulticastSender, SendConfig, SendError};

/// The kernel says of itself that it sent what it then drops, unless it is asked.
#[test]
fn a_full_device_queue_is_an_error() {
    let Some(namespace) = Namespace::with_ends(1) else {
        return;
    };
    namespace.run(|| {
        // A queue with room for a short frame and for no other.
        let queue = "qdisc replace dev left root bfifo limit 100";
        let made = Command::new("tc").args(queue.split(' ')).status();
        assert!(made.expect("tc").success());
        let left = Interface::find("left").unwrap();
        let group = "239.192.7.1:14001".parse().unwrap();
        let sender = MulticastSender::open(&SendConfig::new(group, left)).unwrap();
        assert_eq!(sender.send(&[1; 32], 32), Ok(()));
        let refused = Err(SendError::NoBuffers { sent: 0 });
        assert_eq!(sender.send(&[1; 1_000], 1_000), refused);
        assert_eq!(sender.send(&[1; 3_000], 1_000), refused, "segmented");
        assert!(sender.is_segmented());
    });
}
