//! The list of missing ranges: sorted, apart from each other, bounded.

use super::LossReason;

/// The most gaps tracked apart; one more is merged with the last, ticks between them included.
pub(super) const MAX_GAPS: usize = 256;

/// A range of seqs that others have passed and that has not arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) first: u64,
    pub(super) end: u64,
    /// When it was first seen to be missing.
    pub(super) since: u64,
    /// When every line that is worth waiting for had passed it.
    pub(super) passed: Option<u64>,
    /// When it was taken for lost by all lines: after the reorder window.
    pub(super) declared: Option<u64>,
    /// Not asked for again before this time.
    pub(super) retry_at: u64,
    pub(super) tries: u32,
    /// Not asked for together with others: a request for several of them was denied.
    pub(super) alone: bool,
    /// The request under way for it.
    pub(super) pending: Option<u64>,
    /// Set when nothing more is done for it: a notice goes out as soon as its turn comes.
    pub(super) given_up: Option<LossReason>,
}

impl Gap {
    pub(super) fn new(first: u64, end: u64, since: u64) -> Gap {
        Gap {
            first,
            end,
            since,
            passed: None,
            declared: None,
            retry_at: 0,
            tries: 0,
            alone: false,
            pending: None,
            given_up: None,
        }
    }
}

/// Missing ranges in the order of their seqs.
pub(super) struct Gaps {
    list: Vec<Gap>,
}

impl Gaps {
    pub(super) fn new() -> Gaps {
        // One more than the most, so that an insertion never allocates before the merge.
        Gaps {
            list: Vec::with_capacity(MAX_GAPS + 1),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.list.capacity() * size_of::<Gap>()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    pub(super) fn first(&self) -> Option<&Gap> {
        self.list.first()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Gap> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Gap> {
        self.list.iter_mut()
    }

    /// The first piece of `first .. end` that is missing.
    pub(super) fn missing(&self, first: u64, end: u64) -> Option<(u64, u64)> {
        let at = self.list.partition_point(|gap| gap.end <= first);
        let gap = self.list.get(at)?;
        let piece = (gap.first.max(first), gap.end.min(end));
        (piece.0 < piece.1).then_some(piece)
    }

    /// Adds a gap behind all others.
    pub(super) fn push(&mut self, gap: Gap) {
        debug_assert!(self.list.last().is_none_or(|last| last.end <= gap.first));
        if self.list.len() < MAX_GAPS {
            self.list.push(gap);
        } else if let Some(last) = self.list.last_mut() {
            last.end = if planted!(FullListDropsGap) {
                last.end
            } else {
                gap.end
            };
        }
    }

    /// Takes `first .. end` out: it has arrived, or nobody wants it any more.
    pub(super) fn fill(&mut self, first: u64, end: u64) {
        // Without a gap, or with all of them elsewhere, there is nothing to do: the usual case.
        let from = self.list.partition_point(|gap| gap.end <= first);
        let to = self.list.partition_point(|gap| gap.first < end);
        if from >= to {
            return;
        }
        let head = Gap {
            end: first,
            ..self.list[from]
        };
        let tail = Gap {
            first: end + u64::from(planted!(GapTailOneShort)),
            ..self.list[to - 1]
        };
        let keep_head = (head.first < first).then_some(head);
        let keep_tail = (end < tail.end).then_some(tail);
        let kept = usize::from(keep_head.is_some()) + usize::from(keep_tail.is_some());
        if self.list.len() - (to - from) + kept <= MAX_GAPS + 1 {
            self.list
                .splice(from..to, keep_head.into_iter().chain(keep_tail));
        }
        // A full list keeps a gap whole rather than split it: a few ticks are asked for twice.
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn missing(gaps: &Gaps) -> BTreeSet<u64> {
        gaps.iter().flat_map(|gap| gap.first..gap.end).collect()
    }

    #[test]
    fn a_fill_cuts_splits_and_removes() {
        let mut gaps = Gaps::new();
        gaps.push(Gap::new(10, 20, 0));
        gaps.push(Gap::new(30, 40, 0));
        gaps.fill(14, 16);
        assert_eq!(
            gaps.iter().map(|g| (g.first, g.end)).collect::<Vec<_>>(),
            [(10, 14), (16, 20), (30, 40)]
        );
        gaps.fill(0, 35);
        assert_eq!(
            gaps.iter().map(|g| (g.first, g.end)).collect::<Vec<_>>(),
            [(35, 40)]
        );
        gaps.fill(35, 40);
        assert!(gaps.is_empty());
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(ops in proptest::collection::vec((0u64..60, 1u64..20), 0..40)) {
            let (mut gaps, mut set, mut highest) = (Gaps::new(), BTreeSet::new(), 0);
            for (i, (at, len)) in ops.into_iter().enumerate() {
                if i % 2 == 0 {
                    let first = highest + at;
                    gaps.push(Gap::new(first, first + len, 0));
                    set.extend(first..first + len);
                    highest = first + len;
                } else {
                    let first = (highest + 10).saturating_sub(at);
                    gaps.fill(first, first + len);
                    set.retain(|seq| !(first..first + len).contains(seq));
                }
                prop_assert_eq!(missing(&gaps), set.clone());
            }
        }

        #[test]
        fn never_more_than_the_limit(n in 0u64..1000) {
            let mut gaps = Gaps::new();
            for i in 0..n {
                gaps.push(Gap::new(i * 4, i * 4 + 3, 0));
                gaps.fill(i * 4 + 1, i * 4 + 2);
            }
            prop_assert!(gaps.list.len() <= MAX_GAPS + 1);
            prop_assert!(gaps.list.capacity() == MAX_GAPS + 1);
        }
    }
}
