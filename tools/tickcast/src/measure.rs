//! Latency while a subscriber runs: interval by interval into a log, and in all.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use tickcast_latency::{Histograms, HlogWriter, Report};
use tickcast_net::clock::realtime_ns;
use tickcast_subscriber::{Stopped, Subscriber};

/// The length of an interval of the log.
const INTERVAL_NS: u64 = 1_000_000_000;
/// How often it is looked whether the measuring threads have handed over what they have.
const HANDOVER: Duration = Duration::from_millis(5);
/// A thread that has not had its core for so long hands over with the next interval.
const LONGEST_HANDOVER: Duration = Duration::from_millis(200);

/// Collects histograms.
pub struct Measure {
    totals: Histograms,
    interval: Histograms,
    /// The last interval that was closed.
    last: Histograms,
    since: u64,
    hlog: Option<HlogWriter<BufWriter<File>>>,
}

impl Measure {
    /// Starts now; with an interval log if a file is named.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn start(hlog: Option<&Path>) -> anyhow::Result<Measure> {
        let since = realtime_ns();
        let hlog = hlog
            .map(|path| {
                let context = || format!("cannot write the histogram log {}", path.display());
                let file = File::create(path).with_context(context)?;
                HlogWriter::new(BufWriter::new(file), since).with_context(context)
            })
            .transpose()?;
        // They take up the stages that are recorded.
        let empty = || Histograms::new(&[]);
        Ok(Measure {
            totals: empty(),
            interval: empty(),
            last: empty(),
            since,
            hlog,
        })
    }

    /// To be called every so often: closes an interval when its time has come, and says whether it
    /// did.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn poll(&mut self, subscriber: &mut Subscriber) -> anyhow::Result<bool> {
        let is_over = realtime_ns() - self.since >= INTERVAL_NS;
        if is_over {
            take_latency(subscriber, &mut self.interval);
            self.close_interval()?;
        }
        Ok(is_over)
    }

    /// The last interval that was closed.
    pub const fn last(&self) -> &Histograms {
        &self.last
    }

    /// All intervals that were closed.
    pub const fn totals(&self) -> &Histograms {
        &self.totals
    }

    fn close_interval(&mut self) -> anyhow::Result<()> {
        let now = realtime_ns();
        if let Some(hlog) = &mut self.hlog {
            hlog.write(self.since, now, &self.interval)?;
        }
        self.totals.merge(&self.interval);
        std::mem::swap(&mut self.interval, &mut self.last);
        self.interval.clear();
        self.since = now;
        Ok(())
    }

    /// Takes in the rest and gives the figures of the whole run.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn finish(mut self, stopped: &mut Stopped) -> anyhow::Result<Report> {
        stopped.collect_latency(&mut self.interval);
        self.close_interval()?;
        Ok(Report::new(&self.totals))
    }
}

/// Takes what every thread of a subscriber has recorded up to now.
pub fn take_latency(subscriber: &mut Subscriber, into: &mut Histograms) {
    subscriber.request_latency();
    let asked = Instant::now();
    std::thread::sleep(HANDOVER);
    while subscriber.awaits_latency() && asked.elapsed() < LONGEST_HANDOVER {
        std::thread::sleep(HANDOVER);
    }
    subscriber.collect_latency(into);
}
