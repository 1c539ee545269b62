//! What there is to be read by HTTP.

use std::net::IpAddr;
use std::sync::Arc;

use super::latest::Latest;
use super::metrics;
use super::snapshot::Snapshot;

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");

/// Scripts, styles and data come from this server alone, and nobody frames the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Which pages a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Has {
    /// `/metrics`.
    pub(super) metrics: bool,
    /// The page, and what it reads.
    pub(super) page: bool,
}

/// A request, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// The field `Host`.
    pub(super) host: Option<&'a str>,
}

/// Makes replies.
pub(super) struct Pages {
    has: Has,
    /// Names other than `localhost` are refused: a page of another site could have had its name
    /// point here.
    local: bool,
    latest: Arc<Latest>,
    /// Texts of the latest snapshot that were asked for, so that asking often costs little.
    made: Made,
}

#[derive(Default)]
struct Made {
    of: Arc<Snapshot>,
    metrics: Option<Arc<[u8]>>,
    json: Option<Arc<[u8]>>,
}

/// A reply: its head, and its body unless only the head was asked for.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) head: Vec<u8>,
    pub(super) body: Arc<[u8]>,
}

impl Pages {
    pub(super) fn new(has: Has, local: bool, latest: Arc<Latest>) -> Pages {
        Pages {
            has,
            local,
            latest,
            made: Made::default(),
        }
    }

    /// The reply to a request.
    pub(super) fn reply(&mut self, request: Request<'_>) -> Reply {
        if self.local && !request.host.is_none_or(is_local) {
            return refusal("421 Misdirected Request", "this address is not served here");
        }
        if !["GET", "HEAD"].contains(&request.method) {
            return refusal("405 Method Not Allowed", "only GET and HEAD are known");
        }
        let path = request.path.split('?').next().unwrap_or_default();
        let mut reply = self.page(path).unwrap_or_else(|| self.unknown());
        if request.method == "HEAD" {
            reply.body = Arc::default();
        }
        reply
    }

    fn page(&mut self, path: &str) -> Option<Reply> {
        let (kind, body): (_, Arc<[u8]>) = match path {
            "/metrics" if self.has.metrics => (metrics::CONTENT_TYPE, self.metrics()),
            "/" if self.has.page => ("text/html; charset=utf-8", PAGE.as_bytes().into()),
            "/page.js" if self.has.page => {
                ("text/javascript; charset=utf-8", SCRIPT.as_bytes().into())
            }
            "/page.css" if self.has.page => ("text/css; charset=utf-8", STYLE.as_bytes().into()),
            "/snapshot.json" if self.has.page => ("application/json", self.json()),
            _ => return None,
        };
        Some(reply("200 OK", kind, body))
    }

    fn unknown(&self) -> Reply {
        let known = match (self.has.metrics, self.has.page) {
            (true, true) => "/, /snapshot.json and /metrics",
            (true, false) => "/metrics",
            _ => "/ and /snapshot.json",
        };
        refusal("404 Not Found", &format!("there is {known}"))
    }

    fn metrics(&mut self) -> Arc<[u8]> {
        let made = self.made();
        let text = || metrics::text(&made.of).unwrap_or_default().into_bytes();
        Arc::clone(made.metrics.get_or_insert_with(|| text().into()))
    }

    fn json(&mut self) -> Arc<[u8]> {
        let made = self.made();
        let text = || serde_json::to_vec(&*made.of).unwrap_or_default();
        Arc::clone(made.json.get_or_insert_with(|| text().into()))
    }

    /// What was made of the latest snapshot so far.
    fn made(&mut self) -> &mut Made {
        let latest = self.latest.get();
        if !Arc::ptr_eq(&latest, &self.made.of) {
            self.made = Made {
                of: latest,
                ..Made::default()
            };
        }
        &mut self.made
    }
}

/// Whether it is this host that is meant.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    name.is_some_and(|name| {
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
    })
}

/// Says why there is nothing else.
pub(super) fn refusal(status: &str, why: &str) -> Reply {
    let body = format!("{why}\n").into_bytes();
    reply(status, "text/plain; charset=utf-8", body.into())
}

fn reply(status: &str, kind: &str, body: Arc<[u8]>) -> Reply {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
         Content-Security-Policy: {POLICY}\r\n\r\n",
        body.len()
    );
    let head = head.into_bytes();
    Reply { head, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Has = Has {
        metrics: true,
        page: true,
    };

    fn ask(has: Has, method: &str, path: &str, host: Option<&str>) -> (String, usize) {
        let mut pages = Pages::new(has, true, Arc::default());
        let reply = pages.reply(Request { method, path, host });
        let head = String::from_utf8(reply.head).unwrap();
        let status = head.lines().next().unwrap().to_owned();
        (status, reply.body.len())
    }

    #[test]
    fn every_page_is_there_if_it_was_asked_for() {
        let pages = ["/", "/page.js", "/page.css", "/snapshot.json", "/metrics"];
        for (has, known) in [
            (ALL, 5),
            (Has { page: false, ..ALL }, 1),
            (
                Has {
                    metrics: false,
                    ..ALL
                },
                4,
            ),
        ] {
            let found = pages.iter().filter(|path| {
                let (status, length) = ask(has, "GET", path, Some("localhost:9"));
                assert!(length > 0, "{path}");
                status == "HTTP/1.1 200 OK"
            });
            assert_eq!(found.count(), known, "{has:?}");
        }
        assert_eq!(ask(ALL, "GET", "/metrics?x=1", None).0, "HTTP/1.1 200 OK");
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for (method, path, host, status) in [
            ("GET", "/x", None, "404"),
            ("GET", "", None, "404"),
            ("POST", "/", None, "405"),
            ("GET", "/", Some("evil.example"), "421"),
            ("GET", "/", Some("localhost.evil.example:80"), "421"),
            ("GET", "/", Some("[::1"), "200"),
            ("GET", "/", Some("[::1]:80"), "200"),
            ("GET", "/", Some("127.0.0.1:80"), "200"),
            ("GET", "/", Some("LOCALHOST"), "200"),
        ] {
            let (line, _) = ask(ALL, method, path, host);
            assert!(
                line.starts_with(&format!("HTTP/1.1 {status} ")),
                "{host:?}: {line}"
            );
        }
        assert_eq!(ask(ALL, "HEAD", "/", None), ("HTTP/1.1 200 OK".into(), 0));
    }

    #[test]
    fn a_new_snapshot_is_seen() {
        let latest = Arc::new(Latest::default());
        let mut pages = Pages::new(ALL, true, Arc::clone(&latest));
        let before = pages.json();
        assert!(Arc::ptr_eq(&before, &pages.json()));
        latest.set(Snapshot {
            next_seq: 7,
            ..Snapshot::default()
        });
        let after: serde_json::Value = serde_json::from_slice(&pages.json()).unwrap();
        assert_eq!(after["next_seq"], 7);
    }
}
