//! The program as it is run: whole feeds over real sockets, in one process, in two, and in two
//! network namespaces. Each test has groups and ports of its own, so they run side by side.

mod account;
mod captures;
#[allow(dead_code, reason = "the attack on the recovery server uses the rest")]
mod certificates;
mod demo;
mod deployment;
mod faults;
mod feed;
mod interrupts;
mod latency;
mod live;
mod loopback;
mod loss;
mod namespaces;
mod program;
mod proof;
mod real_faults;
mod state;
mod stories;
mod strategies;
mod tls;
mod verify;
mod veth;
mod wrong;
mod xdp;
