//! The XDP program: datagrams of the groups go to the socket, everything else to the kernel.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::frame::{FRAGMENT, IPV4, NETWORK, PLAIN_HEADER, TAG, UDP};
use crate::sys_xdp::Instruction;

/// Datagrams to take: their destination and, if only those of one are wanted, their source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) destination: SocketAddrV4,
    pub(super) source: Option<Ipv4Addr>,
}

/// Codes of instructions, of `<linux/bpf.h>`: class, size or operation, and where the operand is.
mod code {
    pub(super) const LOAD_32: u8 = 0x61;
    pub(super) const LOAD_16: u8 = 0x69;
    pub(super) const LOAD_8: u8 = 0x71;
    /// The first of two instructions that load 64 bits.
    pub(super) const LOAD_MAP: u8 = 0x18;
    pub(super) const MOVE: u8 = 0xbf;
    pub(super) const MOVE_IMMEDIATE: u8 = 0xb7;
    pub(super) const ADD_IMMEDIATE: u8 = 0x07;
    pub(super) const AND_IMMEDIATE: u8 = 0x57;
    pub(super) const JUMP_IF_GREATER: u8 = 0x2d;
    /// Compares 32 bits with the immediate operand.
    pub(super) const JUMP_IF_NOT: u8 = 0x56;
    pub(super) const CALL: u8 = 0x85;
    pub(super) const EXIT: u8 = 0x95;
}

/// `BPF_PSEUDO_MAP_FD`: the immediate operand of `LOAD_MAP` is a descriptor.
const MAP_FD: u8 = 1;
/// `bpf_redirect_map`.
const REDIRECT_MAP: i32 = 51;
const XDP_PASS: i32 = 2;

// Registers: a call has its arguments in 1 to 5 and gives its result in 0.
const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
/// Where the frame begins; behind a tag, four bytes later.
const FRAME: u8 = 2;
const END: u8 = 3;
const VALUE: u8 = 4;
const PORT: u8 = 5;
const ADDRESS: u8 = 6;
/// Keeps the number of the queue.
const QUEUE: u8 = 7;

// Offsets in `struct xdp_md`.
const DATA: i16 = 0;
const DATA_END: i16 = 4;
const RX_QUEUE_INDEX: i16 = 16;

/// Headers of Ethernet, IPv4 and UDP, all of which the program looks at.
const HEADERS: i32 = 14 + 20 + 8;

/// Makes the program. `map` is the descriptor of a map from queues to sockets; what comes on a
/// queue that has no socket goes to the kernel.
pub(super) fn program(wanted: &[Wanted], map: i32) -> Vec<Instruction> {
    let mut asm = Assembler::default();
    asm.load(code::LOAD_32, QUEUE, CONTEXT, RX_QUEUE_INDEX);
    asm.load(code::LOAD_32, FRAME, CONTEXT, DATA);
    asm.load(code::LOAD_32, END, CONTEXT, DATA_END);
    asm.pass_if_short();
    asm.load(code::LOAD_16, VALUE, FRAME, 12);
    // Over a tag of no virtual network; those of one are for its own interface.
    let untagged = asm.jump_if_not(VALUE, network_order(TAG));
    asm.load(code::LOAD_16, VALUE, FRAME, 14);
    asm.immediate(code::AND_IMMEDIATE, VALUE, network_order(NETWORK));
    asm.pass_if_not(VALUE, 0);
    asm.immediate(code::ADD_IMMEDIATE, FRAME, 4);
    asm.pass_if_short();
    asm.load(code::LOAD_16, VALUE, FRAME, 12);
    asm.land(untagged);
    asm.pass_if_not(VALUE, network_order(IPV4));
    asm.load(code::LOAD_8, VALUE, FRAME, 14);
    asm.pass_if_not(VALUE, i32::from(PLAIN_HEADER));
    asm.load(code::LOAD_16, VALUE, FRAME, 14 + 6);
    asm.immediate(code::AND_IMMEDIATE, VALUE, network_order(FRAGMENT));
    asm.pass_if_not(VALUE, 0);
    asm.load(code::LOAD_8, VALUE, FRAME, 14 + 9);
    asm.pass_if_not(VALUE, i32::from(UDP));
    asm.load(code::LOAD_32, ADDRESS, FRAME, 14 + 16);
    asm.load(code::LOAD_16, PORT, FRAME, 14 + 20 + 2);
    for Wanted {
        destination,
        source,
    } in wanted
    {
        let mut others = vec![
            asm.jump_if_not(ADDRESS, i32::from_ne_bytes(destination.ip().octets())),
            asm.jump_if_not(PORT, network_order(destination.port())),
        ];
        if let Some(source) = source {
            asm.load(code::LOAD_32, VALUE, FRAME, 14 + 12);
            others.push(asm.jump_if_not(VALUE, i32::from_ne_bytes(source.octets())));
        }
        asm.redirect(map);
        others.into_iter().for_each(|other| asm.land(other));
    }
    asm.pass()
}

/// A word as it lies in a frame, as the program loads it.
fn network_order(word: u16) -> i32 {
    i32::from(u16::from_ne_bytes(word.to_be_bytes()))
}

/// A jump that does not know yet where it goes.
#[derive(Clone, Copy)]
struct Jump(usize);

/// Instructions so far, and the jumps to the end that lets a frame pass.
#[derive(Default)]
struct Assembler {
    instructions: Vec<Instruction>,
    to_pass: Vec<Jump>,
}

impl Assembler {
    fn push(&mut self, code: u8, to: u8, from: u8, offset: i16, immediate: i32) {
        self.instructions.push(Instruction {
            code,
            registers: to | from << 4,
            offset,
            immediate,
        });
    }

    fn load(&mut self, size: u8, to: u8, from: u8, offset: i16) {
        self.push(size, to, from, offset, 0);
    }

    fn immediate(&mut self, operation: u8, to: u8, immediate: i32) {
        self.push(operation, to, 0, 0, immediate);
    }

    fn jump_if_not(&mut self, register: u8, immediate: i32) -> Jump {
        self.push(code::JUMP_IF_NOT, register, 0, 0, immediate);
        Jump(self.instructions.len() - 1)
    }

    fn pass_if_not(&mut self, register: u8, immediate: i32) {
        let jump = self.jump_if_not(register, immediate);
        self.to_pass.push(jump);
    }

    /// Lets a frame pass that ends before the headers do. The kernel loads no program that does
    /// not look.
    fn pass_if_short(&mut self) {
        self.push(code::MOVE, VALUE, FRAME, 0, 0);
        self.immediate(code::ADD_IMMEDIATE, VALUE, HEADERS);
        self.push(code::JUMP_IF_GREATER, VALUE, END, 0, 0);
        self.to_pass.push(Jump(self.instructions.len() - 1));
    }

    /// Ends with what the map says for the queue; without a socket there, with a pass.
    fn redirect(&mut self, map: i32) {
        self.push(code::LOAD_MAP, CONTEXT, MAP_FD, 0, map);
        self.push(0, 0, 0, 0, 0);
        self.push(code::MOVE, 2, QUEUE, 0, 0);
        self.immediate(code::MOVE_IMMEDIATE, 3, XDP_PASS);
        self.push(code::CALL, 0, 0, 0, REDIRECT_MAP);
        self.push(code::EXIT, 0, 0, 0, 0);
    }

    /// Lets a jump go to the next instruction.
    fn land(&mut self, jump: Jump) {
        let distance = self.instructions.len() - jump.0 - 1;
        self.instructions[jump.0].offset = distance as i16;
    }

    fn pass(mut self) -> Vec<Instruction> {
        let jumps = std::mem::take(&mut self.to_pass);
        jumps.into_iter().for_each(|jump| self.land(jump));
        self.immediate(code::MOVE_IMMEDIATE, RESULT, XDP_PASS);
        self.push(code::EXIT, 0, 0, 0, 0);
        self.instructions
    }
}

#[cfg(test)]
mod tests;
