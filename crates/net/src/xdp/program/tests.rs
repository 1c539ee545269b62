//! The kernel runs the program on frames, which only root can ask of it, and the parser of received
//! frames agrees with it about each.

use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::{Wanted, program};
use crate::sys_xdp::{load_program, map_socket, socket_map, try_program};
use crate::xdp::frame::parse;
use crate::xdp::frame::tests::{GOLDEN, tagged, with};
use crate::{FrameError, OsError};

const XDP_PASS: u32 = 2;
const XDP_REDIRECT: u32 = 4;

fn wanted(destination: &str, source: Option<&str>) -> Wanted {
    Wanted {
        destination: destination.parse().unwrap(),
        source: source.map(|source| source.parse().unwrap()),
    }
}

/// A loaded program, with a socket for queue 0.
struct Loaded {
    wanted: Vec<Wanted>,
    program: OwnedFd,
    _socket: OwnedFd,
}

impl Loaded {
    /// `None`, and a line that says why, without permission to load one.
    fn new(wanted: &[Wanted]) -> Option<Loaded> {
        let map = match socket_map(1) {
            Err(OsError { code: libc::EPERM }) => {
                // Not by a macro: what those print is shown for failed tests only.
                let _ = writeln!(io::stderr(), "skipped: only root can load an XDP program");
                return None;
            }
            map => map.unwrap(),
        };
        let (family, kind) = (AddressFamily::XDP, SocketType::RAW);
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None).unwrap();
        map_socket(map.as_fd(), 0, socket.as_fd()).unwrap();
        Some(Loaded {
            wanted: wanted.to_vec(),
            program: load_program(&program(wanted, map.as_raw_fd())).unwrap(),
            _socket: socket,
        })
    }

    /// Whether the program takes the frame, on which the parser has the same view: what is a sound
    /// datagram that is wanted is taken, and what is taken is one, or refused for what the program
    /// does not look at.
    fn takes(&self, frame: &[u8]) -> bool {
        let action = try_program(self.program.as_fd(), frame).unwrap();
        assert!(
            [XDP_PASS, XDP_REDIRECT].contains(&action),
            "{action}: {frame:x?}"
        );
        let taken = action == XDP_REDIRECT;
        match parse(frame) {
            Ok(datagram) => {
                let wanted = self.wanted.iter().any(|wanted| {
                    wanted.destination == datagram.destination
                        && wanted
                            .source
                            .is_none_or(|source| source == *datagram.source.ip())
                });
                assert_eq!(taken, wanted, "{frame:x?}");
            }
            Err(FrameError::Checksum | FrameError::Length) => {}
            Err(why) => assert!(!taken, "{why}: {frame:x?}"),
        }
        taken
    }
}

#[test]
fn the_kernel_takes_what_is_wanted() {
    let (a, b) = ("239.192.7.1:14001", "239.192.7.2:14002");
    for (wanted, takes) in [
        (vec![wanted(a, None)], true),
        (vec![wanted(b, None)], false),
        (vec![wanted(b, None), wanted(a, None)], true),
        (vec![wanted("239.192.7.1:14002", None)], false),
        (vec![wanted("239.192.7.2:14001", None)], false),
        (vec![wanted(a, Some("10.77.0.1"))], true),
        (vec![wanted(a, Some("10.77.0.2"))], false),
        (
            vec![wanted(a, Some("10.77.0.2")), wanted(a, Some("10.77.0.1"))],
            true,
        ),
        (vec![], false),
    ] {
        let Some(loaded) = Loaded::new(&wanted) else {
            return;
        };
        for frame in [&GOLDEN[..], &tagged(0), &tagged(0x6000)] {
            assert_eq!(loaded.takes(frame), takes, "{wanted:?} {frame:x?}");
        }
        assert!(!loaded.takes(&tagged(5)));
    }
}

#[test]
fn the_program_and_the_parser_agree_on_every_frame() {
    let Some(loaded) = Loaded::new(&[wanted("239.192.7.1:14001", Some("10.77.0.1"))]) else {
        return;
    };
    for frame in [&GOLDEN[..], &tagged(0)] {
        for cut in 14..frame.len() {
            loaded.takes(&frame[..cut]);
        }
        let mut frame = frame.to_vec();
        for at in 0..frame.len() {
            let was = frame[at];
            for byte in 0..=255 {
                frame[at] = byte;
                loaded.takes(&frame);
            }
            frame[at] = was;
        }
    }
    // The header's checksum made to fit, as the parser looks at it and the program does not.
    for at in (14..24).chain(26..34) {
        for byte in 0..=255 {
            loaded.takes(&with(at, &[byte]));
        }
    }
}
