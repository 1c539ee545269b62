//! Two processes on the loopback interface.

use crate::feed::Feed;
use crate::stories;

#[test]
fn live() {
    stories::live(&Feed::on_loopback());
}

#[test]
fn late_join() {
    stories::late_join(&Feed::on_loopback());
}

#[test]
fn publisher_killed() {
    stories::publisher_killed(&Feed::on_loopback());
}

#[test]
fn subscriber_killed() {
    stories::subscriber_killed(&Feed::on_loopback());
}

#[test]
fn receive_buffer_too_small() {
    stories::receive_buffer_too_small(&Feed::on_loopback());
}

#[test]
fn subscriber_paused() {
    stories::subscriber_paused(&Feed::on_loopback());
}
