//! Which numbers of a stream a line has brought.

use std::collections::BTreeMap;

/// Holes that are kept of a line; the numbers in others only count.
const MOST_HOLES: usize = 65_536;

/// What a packet brings to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Numbers after all that came before.
    Next,
    /// Numbers of which later ones came before.
    Late,
    /// Nothing that had not come.
    Repeated,
}

/// The numbers that a line has brought of one stream, from the first to the last.
#[derive(Debug, Default)]
pub struct Coverage {
    /// The first, and the one after the last; none before the first packet.
    span: Option<(u64, u64)>,
    /// What is missing between: the beginning of each hole, and the number after its end.
    holes: BTreeMap<u64, u64>,
    /// Numbers in holes that were not kept.
    more: u64,
}

impl Coverage {
    /// Takes in `count` numbers, at least one.
    pub fn add(&mut self, first: u64, count: u64) -> Arrival {
        let end = first + count;
        let Some((from, to)) = self.span else {
            self.span = Some((first, end));
            return Arrival::Next;
        };
        self.span = Some((from.min(first), to.max(end)));
        if first >= to {
            self.add_hole(to, first);
            return Arrival::Next;
        }
        if end <= from {
            self.add_hole(end, from);
            return Arrival::Late;
        }
        let filled = self.fill(first, end);
        match () {
            () if end > to => Arrival::Next,
            () if filled || first < from => Arrival::Late,
            () => Arrival::Repeated,
        }
    }

    fn add_hole(&mut self, first: u64, end: u64) {
        if first == end {
            return;
        }
        if self.holes.len() < MOST_HOLES {
            self.holes.insert(first, end);
        } else {
            self.more += end - first;
        }
    }

    /// Takes these numbers out of the holes; whether there were any.
    fn fill(&mut self, first: u64, end: u64) -> bool {
        let touched = self.holes.range(..end).rev();
        let touched: Vec<(u64, u64)> = touched
            .take_while(|&(_, &hole_end)| hole_end > first)
            .map(|(&hole, &hole_end)| (hole, hole_end))
            .collect();
        for &(hole, hole_end) in &touched {
            self.holes.remove(&hole);
            self.add_hole(hole, hole.max(first));
            self.add_hole(hole_end.min(end), hole_end);
        }
        !touched.is_empty()
    }

    /// The first number that it brought, and the one after the last.
    pub const fn span(&self) -> Option<(u64, u64)> {
        self.span
    }

    /// How many numbers are missing between its first and its last.
    pub fn missing(&self) -> u64 {
        self.more
            + self
                .holes
                .iter()
                .map(|(first, end)| end - first)
                .sum::<u64>()
    }

    /// In how many rows they are.
    pub fn holes(&self) -> u64 {
        self.holes.len() as u64
    }

    /// Numbers in holes that were not kept.
    pub const fn more(&self) -> u64 {
        self.more
    }
}

/// How many numbers neither of two lines brought, between the first and the last of each.
pub fn missing_on_both(a: &Coverage, b: &Coverage) -> u64 {
    let (mut left, mut right) = (a.holes.iter().peekable(), b.holes.iter().peekable());
    let mut missing = 0;
    while let (Some(&(&first, &end)), Some(&(&other_first, &other_end))) =
        (left.peek(), right.peek())
    {
        missing += end.min(other_end).saturating_sub(first.max(other_first));
        if end <= other_end {
            left.next();
        } else {
            right.next();
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn holes_are_made_and_filled() {
        let mut line = Coverage::default();
        assert_eq!(line.add(10, 5), Arrival::Next);
        assert_eq!(line.add(20, 5), Arrival::Next);
        assert_eq!((line.missing(), line.holes()), (5, 1));
        assert_eq!(line.add(16, 2), Arrival::Late);
        assert_eq!((line.missing(), line.holes()), (3, 2));
        assert_eq!(line.add(12, 3), Arrival::Repeated);
        assert_eq!(line.add(12, 20), Arrival::Next);
        assert_eq!(line.missing(), 0);
        assert_eq!(line.add(5, 2), Arrival::Late, "before the first");
        assert_eq!((line.missing(), line.span()), (3, Some((5, 32))));
    }

    fn coverage(packets: &[(u64, u64)]) -> (Coverage, BTreeSet<u64>) {
        let (mut line, mut brought) = (Coverage::default(), BTreeSet::new());
        for &(first, count) in packets {
            let new = (first..first + count).any(|seq| !brought.contains(&seq));
            let arrival = line.add(first, count);
            assert_eq!(arrival == Arrival::Repeated, !new);
            brought.extend(first..first + count);
        }
        (line, brought)
    }

    fn absent(brought: &BTreeSet<u64>) -> BTreeSet<u64> {
        let (Some(&first), Some(&last)) = (brought.first(), brought.last()) else {
            return BTreeSet::new();
        };
        (first..last).filter(|seq| !brought.contains(seq)).collect()
    }

    proptest! {
        #[test]
        fn as_with_a_set_of_numbers(
            a in proptest::collection::vec((1u64..60, 1u64..6), 1..30),
            b in proptest::collection::vec((1u64..60, 1u64..6), 1..30),
        ) {
            let ((a, in_a), (b, in_b)) = (coverage(&a), coverage(&b));
            let (absent_a, absent_b) = (absent(&in_a), absent(&in_b));
            prop_assert_eq!(a.missing(), absent_a.len() as u64);
            prop_assert_eq!(b.missing(), absent_b.len() as u64);
            let both = absent_a.intersection(&absent_b).count() as u64;
            prop_assert_eq!(missing_on_both(&a, &b), both);
        }
    }
}
