//! The load: which ticks leave when, and between which threads.

use std::convert::Infallible;
use std::iter;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Error};
use tickcast_net::Idle;
use tickcast_net::thread::available_cores;
use tickcast_publisher::{Prefetched, Source, SourceError, Speed, Supply};
use tickcast_tickfile::{Chunk, SyntheticConfig};
use tickcast_wire::Tick;

use crate::deployment::{self, Thread};
use crate::faults::FaultArgs;
use crate::feed::{ThreadArgs, conflict};
use crate::files;
use crate::interrupt::Interrupt;
use crate::together::{self, PlacementArgs};

/// Ticks of the synthetic market that are made before an even rate, 64 MiB of them; they are sent
/// again from the first when all are sent.
const MOST_MADE: usize = 1 << 20;
/// Ticks of a market at its own pace that are made at once, ahead of being sent.
const CHUNK: usize = 4_096;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The load and the threads it passes.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Replay this tick file, of any readable format, instead of the synthetic market.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// How fast, whoever is late: 20000/s, evenly spaced, or 1x, 10x the original pace.
    #[arg(long, value_name = "SPEED", allow_hyphen_values = true, default_value = "20000/s", value_parser = open_loop)]
    pub(crate) rate: Speed,

    /// Let the receive thread call the strategy itself, instead of a thread behind the queue.
    #[arg(long)]
    pub(crate) inline: bool,

    #[command(flatten)]
    pub(crate) faults: FaultArgs,

    /// The seed of the synthetic market and of all faults.
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = SyntheticConfig::default().seed)]
    pub(crate) seed: u64,

    /// Interface by name or address; the loopback interface by default.
    #[arg(long, value_name = "NAME")]
    pub(crate) interface: Option<String>,

    #[command(flatten)]
    pub(crate) placement: PlacementArgs,

    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
}

/// A speed with a schedule of its own.
fn open_loop(text: &str) -> Result<Speed, String> {
    match text.parse() {
        Ok(Speed::Max) => Err(
            "at full speed no tick is due before it is sent, so that nothing can \
                               be late: give a rate as in 20000/s, or a pace as in 1x"
                .into(),
        ),
        Ok(speed) => Ok(speed),
        Err(error) => Err(error.to_string()),
    }
}

impl LoadArgs {
    /// Checks what the parser of one argument cannot.
    ///
    /// # Errors
    /// When both lines drop everything, or a thread would never run.
    pub(crate) fn check<A: Args>(&self, command: &'static str) -> Result<(), Error> {
        self.faults.check::<A>(command)?;
        deployment::check(&self.plan(), available_cores().len())
            .map_err(|why| conflict::<A>(command, why))
    }

    /// How the send loop, the receive thread and the strategy wait.
    pub(crate) fn idle(&self) -> Idle {
        self.threads.idle(2 + usize::from(self.strategy_threads()))
    }

    fn strategy_threads(&self) -> u16 {
        u16::from(!self.inline)
    }

    /// The threads that have flags of their own.
    pub(crate) fn plan(&self) -> Vec<Thread> {
        self.placement.plan(self.strategy_threads(), self.idle())
    }

    /// Locks the memory that came with what was started since, if that was asked for.
    ///
    /// # Errors
    /// When no more may be locked.
    pub(super) fn lock_memory(&self) -> anyhow::Result<()> {
        if self.threads.lock_memory {
            tickcast_net::lock_memory()?;
        }
        Ok(())
    }

    /// The file to replay.
    pub(crate) fn file(&self) -> Option<&std::path::Path> {
        self.file.as_deref()
    }

    /// The load, enough for turns of at most so long; `None` when somebody asked to stop.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn open(
        &self,
        longest_turn: Duration,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Option<Load>> {
        if let Some(path) = &self.file {
            let reader = files::open(path)?;
            let name = format!("{} ({})", path.display(), reader.format().name());
            let file = Prefetched::start(reader.into_chunks())?;
            let (back, returned) = channel();
            back.send(file).context("a channel that was just made")?;
            return Ok(Some(Load {
                name,
                ticks: Ticks::Read { back, returned },
            }));
        }
        let (name, market) = together::synthetic(self.seed);
        let Speed::PerSecond(rate) = self.rate else {
            // Sent again from the first, all would be due at once: their times would go back.
            let ticks = Ticks::Paced { seed: self.seed };
            return Ok(Some(Load { name, ticks }));
        };
        let ticks = u128::from(rate) * longest_turn.as_nanos() / NANOS_PER_SECOND;
        let count = usize::try_from(ticks).unwrap_or(MOST_MADE);
        let ticks = together::make_ticks(market, count.clamp(1, MOST_MADE), interrupt);
        Ok(ticks.map(|ticks| Load {
            name,
            ticks: Ticks::Made(ticks.into()),
        }))
    }
}

/// What is sent, turn by turn.
#[derive(Debug)]
pub(super) struct Load {
    /// Where the ticks come from, for people.
    pub(super) name: String,
    ticks: Ticks,
}

#[derive(Debug)]
enum Ticks {
    /// From the first in each turn, over and over.
    Made(Arc<[Tick]>),
    /// From the first in each turn, without an end.
    Paced { seed: u64 },
    /// From where the turn before stopped.
    Read {
        back: Sender<Prefetched<Chunk>>,
        returned: Receiver<Prefetched<Chunk>>,
    },
}

impl Load {
    /// What the next turn sends, once the one before is over.
    ///
    /// # Errors
    /// When that is still sending, or no thread can be started.
    pub(super) fn turn(&self) -> anyhow::Result<TurnSource> {
        Ok(match &self.ticks {
            Ticks::Made(ticks) => TurnSource::Made {
                ticks: Arc::clone(ticks),
                at: 0,
            },
            Ticks::Paced { seed } => {
                let (_, mut market) = together::synthetic(*seed);
                let chunk = move || Ok::<_, Infallible>(market.by_ref().take(CHUNK).collect());
                TurnSource::Paced(Prefetched::start(iter::repeat_with(chunk))?)
            }
            Ticks::Read { back, returned } => {
                let file = returned.try_recv();
                TurnSource::Read(Lent {
                    file: Some(file.context("the turn before has not given the file back")?),
                    back: back.clone(),
                })
            }
        })
    }
}

/// The source of one turn.
#[derive(Debug)]
pub(super) enum TurnSource {
    Made { ticks: Arc<[Tick]>, at: usize },
    Paced(Prefetched<Vec<Tick>>),
    Read(Lent),
}

impl Source for TurnSource {
    fn peek(&mut self) -> Result<Supply<'_>, SourceError> {
        match self {
            TurnSource::Made { ticks, at } => Ok(Supply::Ticks(&ticks[*at..])),
            TurnSource::Paced(market) => market.peek(),
            TurnSource::Read(lent) => match &mut lent.file {
                Some(file) => file.peek(),
                None => Ok(Supply::End),
            },
        }
    }

    fn take(&mut self, count: usize) {
        match self {
            TurnSource::Made { ticks, at } => *at = (*at + count) % ticks.len(),
            TurnSource::Paced(market) => market.take(count),
            TurnSource::Read(lent) => lent.file.iter_mut().for_each(|file| file.take(count)),
        }
    }
}

/// A file that goes back when the turn is over.
#[derive(Debug)]
pub(super) struct Lent {
    file: Option<Prefetched<Chunk>>,
    back: Sender<Prefetched<Chunk>>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // Nobody wants it back when the run is over.
            let _ = self.back.send(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        load: LoadArgs,
    }

    fn next(source: &mut TurnSource, count: usize) -> Vec<u64> {
        let Ok(Supply::Ticks(ticks)) = source.peek() else {
            panic!("no ticks");
        };
        let ticks: Vec<u64> = ticks.iter().take(count).map(Tick::ts_event).collect();
        source.take(ticks.len());
        ticks
    }

    #[test]
    fn a_made_market_begins_anew_with_each_turn_and_has_no_end() {
        let interrupt = Interrupt::watch().unwrap();
        let args = Command::parse_from(["x", "--rate", "100/s"]).load;
        let load = args.open(Duration::from_millis(50), &interrupt);
        let load = load.unwrap().expect("nobody asked to stop");
        let mut turn = load.turn().unwrap();
        let first = next(&mut turn, 9);
        assert_eq!(first.len(), 5);
        assert_eq!(next(&mut turn, 9), first);
        assert_eq!(next(&mut load.turn().unwrap(), 9), first);
    }

    #[test]
    fn at_its_own_pace_a_made_market_never_goes_back_in_time() {
        let interrupt = Interrupt::watch().unwrap();
        let args = Command::parse_from(["x", "--rate", "10x"]).load;
        let load = args.open(Duration::from_secs(1), &interrupt);
        let load = load.unwrap().expect("nobody asked to stop");
        let mut turn = load.turn().unwrap();
        let (mut seen, mut latest) = (0, 0);
        while seen < 2 * MOST_MADE {
            while matches!(turn.peek(), Ok(Supply::NotYet)) {
                std::thread::yield_now();
            }
            let times = next(&mut turn, CHUNK);
            seen += times.len();
            // Times may step back a little, as a venue's do.
            assert!(times[0] + 1_000_000_000 > latest, "{seen} ticks");
            latest = latest.max(times[0]);
        }
    }

    #[test]
    fn a_file_goes_on_where_the_turn_before_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("market.csv");
        let mut writer = tickcast_tickfile::Writer::create(&path).unwrap();
        let (_, market) = together::synthetic(1);
        let ticks: Vec<Tick> = market.take(10).collect();
        for (seq, tick) in (1..).zip(&ticks) {
            writer.write(&tick.with_seq(seq)).unwrap();
        }
        writer.finish().unwrap();
        let interrupt = Interrupt::watch().unwrap();
        let args = Command::parse_from(["x", path.to_str().unwrap()]).load;
        let load = args.open(Duration::from_secs(1), &interrupt);
        let load = load.unwrap().expect("nobody asked to stop");
        let mut seen = Vec::new();
        for _ in 0..2 {
            let mut turn = load.turn().unwrap();
            assert!(load.turn().is_err());
            while matches!(turn.peek(), Ok(Supply::NotYet)) {
                std::thread::yield_now();
            }
            seen.extend(next(&mut turn, 5));
        }
        let expected: Vec<u64> = ticks.iter().map(Tick::ts_event).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn full_speed_has_no_schedule() {
        let said = Command::try_parse_from(["x", "--rate", "max"]).expect_err("no schedule");
        assert!(
            said.to_string().contains("give a rate as in 20000/s"),
            "{said}"
        );
        let said = Command::try_parse_from(["x", "--rate", "fast"]).expect_err("no speed");
        assert!(said.to_string().contains("--rate"), "{said}");
    }
}
