//! Which names the status listener answers to.
//!
//! A page that somebody opens in a browser on this machine can have its own name resolved to 127.0.0.1 (DNS rebinding), and then read what it
//! asks here as if it were its own. Its name stays in `Host`, so only names of this machine are answered to, and those that the configuration
//! names.

use std::net::{Ipv4Addr, Ipv6Addr};

use actix_web::dev::RequestHead;
use actix_web::http::header::HOST;

/// Names that are answered to beside `localhost` and loopback addresses, in lower case and without a port.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    /// Those that the configuration names, as it has them.
    pub fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Whether a request asks this machine. One of HTTP/1.0 may name no host: no browser sends such.
    pub fn admit(&self, request: &RequestHead) -> bool {
        let mut named = request.headers.get_all(HOST).map(|host| host.to_str().ok());
        let target = request
            .uri
            .authority()
            .map(|authority| Some(authority.as_str()));
        // Each that is there must be right: none may be asked by one name and judged by another.
        named
            .by_ref()
            .chain(target)
            .all(|host| host.is_some_and(|host| self.allow(host)))
    }

    /// The same of the text of `Host`: a name or address, and perhaps a port.
    fn allow(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(address) => {
                let Some((address, port)) = address.split_once(']') else {
                    return false;
                };
                return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
                    && address
                        .parse()
                        .is_ok_and(|address: Ipv6Addr| address.is_loopback());
            }
            None => match host.split_once(':') {
                Some((name, port)) if is_port(port) => name,
                Some(_) => return false,
                None => host,
            },
        };
        // A dot at the end says that the name is whole.
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        name == "localhost"
            || name.ends_with(".localhost")
            || name
                .parse()
                .is_ok_and(|address: Ipv4Addr| address.is_loopback())
            || self.0.contains(&name)
    }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    //! A failure means that a page in a browser on this machine reads the metrics, or that a monitor on it does not.
    use super::*;

    #[test]
    fn names_and_addresses_of_this_machine_are_answered_to_and_no_others() {
        let hosts = AllowedHosts::new(&["Monitor.Example".to_owned()]);
        for right in [
            "localhost",
            "LOCALHOST:9464",
            "localhost.",
            "a.localhost",
            "127.0.0.1",
            "127.0.0.1:9464",
            "127.1.2.3",
            "[::1]",
            "[::1]:80",
            "monitor.example",
            "monitor.example:9464",
        ] {
            assert!(hosts.allow(right), "{right}");
        }
        for wrong in [
            "",
            "example.org",
            "localhost.example.org",
            "127.0.0.1.example.org",
            "10.0.0.1",
            "0.0.0.0",
            "[::2]",
            "[::1",
            "[::1]x",
            "::1",
            "localhost:x",
            "localhost:",
            "x.monitor.example",
            "notlocalhost",
            "127.1",
            "2130706433",
        ] {
            assert!(!hosts.allow(wrong), "{wrong}");
        }
    }
}
