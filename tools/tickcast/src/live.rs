//! Live views of a running subscriber: on the terminal, as a web page, and for Prometheus. All of
//! them draw the same [`Snapshot`](snapshot::Snapshot), once a second, in threads of their own.

mod activity;
mod http;
mod latest;
mod log;
mod metrics;
mod pages;
#[cfg(test)]
mod sample;
mod snapshot;
mod tui;
mod watch;
mod words;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::bail;
use clap::Args;

pub use self::activity::Activity;
pub use self::log::LogWriter;
pub use self::watch::{Seen, Watched};

use self::http::Server;
use self::latest::Latest;
use self::pages::{Has, Pages};
use self::tui::Tui;
use self::watch::Watch;
use crate::interrupt::Interrupt;

/// Which live views there are to be.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Live views")]
pub struct LiveArgs {
    /// Show rates, health, gaps, latency and queues on the terminal while it runs; q ends it.
    #[arg(long, conflicts_with = "json")]
    pub tui: bool,

    /// Serve the same as one web page, as at 127.0.0.1:9500; port 0 for any that is free.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    pub web: Option<SocketAddr>,

    /// Serve metrics for Prometheus under /metrics, as at 127.0.0.1:9501.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    pub prometheus: Option<SocketAddr>,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let expected = "expected an address and port as in 127.0.0.1:9500";
    text.parse().map_err(|_| expected.into())
}

impl LiveArgs {
    const fn is_none(&self) -> bool {
        !self.tui && self.web.is_none() && self.prometheus.is_none()
    }
}

/// The live views that were asked for. They end when it is dropped, and the terminal is as before.
pub struct Live {
    activity: Arc<Activity>,
    watch: Watch,
    latest: Arc<Latest>,
    _tui: Option<Tui>,
    servers: Vec<(Has, Server)>,
}

impl Live {
    /// Starts what was asked for; `None` when nothing was. `interrupt` is asked to stop when
    /// somebody ends the terminal's view.
    ///
    /// # Errors
    /// When there is no terminal, or an address cannot be listened at.
    pub fn start(
        args: &LiveArgs,
        watched: Watched,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Option<Live>> {
        if args.is_none() {
            return Ok(None);
        }
        if args.tui && !io::stdout().is_terminal() {
            bail!(
                "--tui draws on a terminal, and stdout is none; --web shows the same in a browser"
            );
        }
        let latest = Arc::new(Latest::default());
        let mut servers = Vec::new();
        for (address, has) in asked(args) {
            let ip = address.ip();
            if !ip.is_loopback() {
                tracing::warn!(
                    "{address} can be reached from other hosts, and whoever reaches it may read: \
                     there is no authentication"
                );
            }
            let pages = Pages::new(has, ip.is_loopback(), Arc::clone(&latest));
            servers.push((has, Server::start(address, pages)?));
        }
        for url in urls(&servers) {
            tracing::info!("{url}");
        }
        let tui = args.tui.then(|| Tui::start(Arc::clone(&latest), interrupt));
        Ok(Some(Live {
            activity: Arc::default(),
            watch: Watch::start(watched, Instant::now()),
            latest,
            _tui: tui.transpose()?,
            servers,
        }))
    }

    /// Where the strategy is to tell of itself.
    pub fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.activity)
    }

    /// Prints where the views are, for people.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn introduce(&self, out: &mut dyn Write) -> io::Result<()> {
        urls(&self.servers).try_for_each(|url| writeln!(out, "  {url}"))
    }

    /// From now on another subscriber is shown, whose counts begin with nothing.
    pub fn begin_anew(&mut self) {
        self.watch.begin_anew(Instant::now());
    }

    /// Shows what a subscriber tells at the end of an interval.
    pub fn show(&mut self, seen: Seen<'_>) {
        let snapshot = self.watch.look(seen, &self.activity, Instant::now());
        self.latest.set(snapshot);
    }
}

/// The addresses to serve at, with what is there: one server for both if they are one address.
fn asked(args: &LiveArgs) -> Vec<(SocketAddr, Has)> {
    let has = |metrics, page| Has { metrics, page };
    match (args.web, args.prometheus) {
        (Some(web), Some(prometheus)) if web == prometheus && web.port() != 0 => {
            vec![(web, has(true, true))]
        }
        (web, prometheus) => {
            let web = web.map(|address| (address, has(false, true)));
            let prometheus = prometheus.map(|address| (address, has(true, false)));
            web.into_iter().chain(prometheus).collect()
        }
    }
}

fn urls(servers: &[(Has, Server)]) -> impl Iterator<Item = String> {
    servers.iter().flat_map(|(has, server)| {
        let address = server.address();
        let page = has.page.then(|| format!("live page: http://{address}/"));
        let metrics = has
            .metrics
            .then(|| format!("metrics: http://{address}/metrics"));
        page.into_iter().chain(metrics)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(web: &str, prometheus: &str) -> LiveArgs {
        LiveArgs {
            tui: false,
            web: address(web).ok(),
            prometheus: address(prometheus).ok(),
        }
    }

    #[test]
    fn one_address_is_one_server() {
        let both = "127.0.0.1:9500";
        assert_eq!(asked(&args(both, both)).len(), 1);
        assert_eq!(asked(&args(both, "127.0.0.1:9501")).len(), 2);
        assert_eq!(asked(&args("[::1]:0", "[::1]:0")).len(), 2);
        assert_eq!(asked(&args(both, "none")).len(), 1);
        assert!(args("", "").is_none());
    }

    #[test]
    fn addresses_have_a_port() {
        assert!(
            address("localhost:1")
                .unwrap_err()
                .contains("127.0.0.1:9500")
        );
        assert!(address("127.0.0.1").is_err());
    }
}
