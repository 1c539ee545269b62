//! `tickcast latency --pcap A B`: how long a feed takes from one capture point to another.

mod matcher;
mod windows;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, bail};
use tickcast_latency::{RUN_VERSION, Run, Setting};
use tickcast_tickfile::{Datagram, Datagrams, Feed};

use self::matcher::{Counts, Matcher, Pair, WINDOW};
use self::windows::Timeline;
use super::{Flows, Key, scan};
use crate::show;

/// The differences as they are, and what they are above the least of them.
const NAMES: [&str; 2] = ["between captures", "above the least"];

/// Clocks that are at least so far apart disagree: 1 s.
const DISAGREE_NS: u64 = 1_000_000_000;

/// The two captures, and which groups of them are held against each other.
struct Captures<'a> {
    paths: [&'a Path; 2],
    groups: Vec<([SocketAddr; 2], Option<Feed>)>,
}

/// What the first look at all pairs gives.
struct Extent {
    counts: Counts,
    /// The least and the largest difference.
    least: i64,
    most: i64,
    /// The first and the last stamp of A.
    from: u64,
    to: u64,
}

/// The time between two captures of a feed, packet by packet, as a run whose stages are
/// `between captures` and `above the least`.
///
/// # Errors
/// When a capture cannot be read, or they have no packet in common.
pub fn pcap(a: &Path, b: &Path) -> anyhow::Result<Run> {
    let captures = Captures::open([a, b])?;
    let extent = captures.extent()?;
    let mut negative = 0;
    let mut timeline = Timeline::new(extent.from, extent.to, extent.least);
    captures.each_pair(|pair| {
        negative += u64::from(pair.ns < 0);
        timeline.take(&pair);
    })?;
    let (stages, timeline, jumps) = timeline.end();
    let [name_a, name_b] = captures.names();
    Ok(Run {
        version: RUN_VERSION,
        name: format!("{name_a} to {name_b}"),
        command: std::env::args().collect::<Vec<_>>().join(" "),
        began_ns: extent.from,
        duration_ns: extent.to - extent.from,
        settings: captures.settings(&extent),
        stages,
        timeline,
        statements: captures.statements(&extent, negative, &jumps),
        ..Run::default()
    })
}

impl<'a> Captures<'a> {
    fn open(paths: [&'a Path; 2]) -> anyhow::Result<Captures<'a>> {
        let [a, b] = [scan(paths[0])?, scan(paths[1])?];
        let mut groups: Vec<_> = a.groups().filter(|group| b.has(*group)).collect();
        groups.dedup();
        let mut pairs: Vec<[SocketAddr; 2]> = groups.iter().map(|group| [*group; 2]).collect();
        if pairs.is_empty() {
            let (mut of_a, mut of_b) = (a.groups(), b.groups());
            match (of_a.next(), of_a.next(), of_b.next(), of_b.next()) {
                // A way that changes the group on its way.
                (Some(a), None, Some(b), None) => pairs.push([a, b]),
                _ => return Err(no_group(paths, &a, &b)),
            }
        }
        let feed =
            |[of_a, of_b]: [SocketAddr; 2]| a.feed(of_a).filter(|_| a.feed(of_a) == b.feed(of_b));
        Ok(Captures {
            paths,
            groups: pairs.into_iter().map(|pair| (pair, feed(pair))).collect(),
        })
    }

    fn names(&self) -> [String; 2] {
        self.paths.map(|path| {
            let name = path.file_name().unwrap_or(path.as_os_str());
            name.to_string_lossy().into_owned()
        })
    }

    /// Calls `each` with every packet that both captures have.
    fn each_pair(&self, mut each: impl FnMut(Pair)) -> anyhow::Result<Counts> {
        let mut matcher = Matcher::default();
        let mut files = [
            Datagrams::open(self.paths[0])?,
            Datagrams::open(self.paths[1])?,
        ];
        let mut ended = [false; 2];
        while ended != [true; 2] {
            for side in [0, 1] {
                let next = files[side].next();
                let next = next.with_context(|| {
                    format!("cannot read {} to its end", self.paths[side].display())
                })?;
                let Some(datagram) = next else {
                    ended[side] = true;
                    continue;
                };
                let Some(key) = self.key(side, &datagram) else {
                    matcher.counts.others[side] += 1;
                    continue;
                };
                if let Some(pair) = matcher.take(side, key, datagram.time_ns) {
                    each(pair);
                }
            }
        }
        let mut counts = matcher.end();
        for (side, file) in files.iter().enumerate() {
            counts.cut[side] = file.skipped().get("cut_packet").copied().unwrap_or(0);
            counts.ended_inside[side] = file.notice().map(ToString::to_string);
        }
        Ok(counts)
    }

    /// The key of a datagram of one of the groups, with the number of the group.
    fn key(&self, side: usize, datagram: &Datagram<'_>) -> Option<(usize, Key)> {
        let is_its = |(groups, _): &([SocketAddr; 2], _)| groups[side] == datagram.destination;
        let group = self.groups.iter().position(is_its)?;
        Some((group, Key::of(self.groups[group].1, datagram.payload)))
    }

    fn extent(&self) -> anyhow::Result<Extent> {
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        let (mut from, mut to) = (u64::MAX, 0);
        let counts = self.each_pair(|pair| {
            (least, most) = (least.min(pair.ns), most.max(pair.ns));
            (from, to) = (from.min(pair.at), to.max(pair.at));
        })?;
        if counts.matched == 0 {
            let [a, b] = self.paths.map(Path::display);
            bail!(
                "{a} and {b} have no packet in common among {} and {} of the same groups: are they \
                 of the same feed and the same minutes?",
                show::count(counts.packets[0]),
                show::count(counts.packets[1])
            );
        }
        Ok(Extent {
            counts,
            least,
            most,
            from,
            to,
        })
    }

    fn settings(&self, extent: &Extent) -> Vec<Setting> {
        let setting = |name: &str, value: String| Setting {
            name: name.into(),
            value,
        };
        let list = |texts: Vec<String>| texts.join(", ");
        let mut feeds: Vec<&str> = self
            .groups
            .iter()
            .map(|(_, feed)| feed.map_or("unknown", Feed::name))
            .collect();
        feeds.sort_unstable();
        feeds.dedup();
        vec![
            setting("capture A", self.paths[0].display().to_string()),
            setting("capture B", self.paths[1].display().to_string()),
            setting("feed", feeds.join(", ")),
            setting(
                "groups",
                list(
                    self.groups
                        .iter()
                        .map(|(groups, _)| match groups {
                            [a, b] if a == b => a.to_string(),
                            [a, b] => format!("{a} as {b}"),
                        })
                        .collect(),
                ),
            ),
            setting("packets", Self::packets(&extent.counts)),
            setting("least difference", format!("{} ns", extent.least)),
            setting("largest difference", format!("{} ns", extent.most)),
        ]
    }

    fn packets(counts: &Counts) -> String {
        let [in_a, in_b] = counts.packets.map(show::count);
        format!(
            "{} in both, {in_a} in A, {in_b} in B",
            show::count(counts.matched)
        )
    }

    /// What a reader must know before trusting a figure.
    fn statements(&self, extent: &Extent, negative: u64, jumps: &[String]) -> Vec<String> {
        let counts = &extent.counts;
        let mut statements = vec![format!(
            "samples are packets: {}; a difference is the stamp of B minus that of A, and how far their \
             clocks are apart is not known: what is sure is how much longer than the least, {} ns, a \
             packet took",
            Self::packets(counts),
            extent.least,
        )];
        if extent.least.unsigned_abs() >= DISAGREE_NS {
            statements.push(format!(
                "the least difference is {:.3} s: the clocks are apart, read the stage {} only",
                extent.least as f64 / 1e9,
                NAMES[1]
            ));
        } else if negative == counts.matched {
            statements.push(
                "every packet was at B before it was at A: the clocks differ, or B is nearer to the \
                 source; then give the captures the other way round"
                    .into(),
            );
        } else if negative > 0 {
            statements.push(format!(
                "{} packets were at B before they were at A, by their stamps: the clocks differ by at \
                 least {} ns",
                show::count(negative),
                extent.least.unsigned_abs()
            ));
        }
        statements.extend_from_slice(jumps);
        for (side, name) in ["A", "B"].into_iter().enumerate() {
            statements.extend(counts.statements(side, name));
        }
        if self.groups.iter().any(|(_, feed)| feed.is_none()) {
            statements.push(format!(
                "the feed is not known: packets with the same bytes among {} are taken for the same",
                show::count(WINDOW as u64)
            ));
        }
        statements
    }
}

fn no_group([a, b]: [&Path; 2], in_a: &Flows, in_b: &Flows) -> anyhow::Error {
    let (a, b) = (a.display(), b.display());
    anyhow::anyhow!(
        "{a} and {b} have no group in common, and not one each: {a} holds {in_a}; {b} holds {in_b}"
    )
}

#[cfg(test)]
mod tests;
