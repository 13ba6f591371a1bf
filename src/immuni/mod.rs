//! The way to the Immuni backend: HTTP/1.1 over mutual TLS with an authority of its own, one try at a time for the relay
//! (`sistema_ts_actors::relay`), which decides what to do with each outcome.

mod client;
mod error;
mod tls;

pub use self::client::HttpBackend;
pub use self::error::ImmuniError;
pub use self::tls::{BackendFiles, BackendTls};

use std::fmt;
use std::net::IpAddr;

/// Where the backend is: `https://host[:port][/path]`, or `http://` for a loopback address alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendAddress {
    host: String,
    port: u16,
    /// Before `/v1/otp`; empty or `/…` without a slash at its end.
    path: String,
    is_tls: bool,
}

/// Why a text is no address of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BackendAddressError {
    /// Not `https://host[:port][/path]`.
    #[error("must be https://host or https://host:port, with a path at most")]
    Form,
    /// In the clear to another machine.
    #[error("must be https: in the clear only a loopback address is taken")]
    InTheClear,
}

impl BackendAddress {
    /// Reads it.
    ///
    /// # Errors
    /// [`BackendAddressError`].
    pub fn parse(text: &str) -> Result<Self, BackendAddressError> {
        use BackendAddressError::Form;
        let (is_tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(Form),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let path = path.trim_end_matches('/');
        let is_plain = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte))
        };
        // An IPv6 address stands in brackets, and holds colons.
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']').ok_or(Form)?;
                address.parse::<std::net::Ipv6Addr>().map_err(|_| Form)?;
                let port = match after {
                    "" => None,
                    after => Some(after.strip_prefix(':').ok_or(Form)?),
                };
                (address, port)
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(Form)?,
            None if is_tls => 443,
            None => 80,
        };
        let is_address = host.parse::<IpAddr>().is_ok();
        if host.is_empty() || !(is_address || is_plain(host)) || !is_plain(path) {
            return Err(Form);
        }
        let is_loopback = host == "localhost"
            || host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        if !is_tls && !is_loopback {
            return Err(BackendAddressError::InTheClear);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            path: path.to_owned(),
            is_tls,
        })
    }

    /// Whether it is spoken to over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The value of the `Host` header: the port is told where it is not the scheme's own.
    fn host_header(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match (self.is_tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for BackendAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(formatter, "{scheme}://{}{}", self.host_header(), self.path)
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that one-time codes would go to another place than the one that is configured, or in the clear through a network.
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_meant() {
        for (text, host, port, path, header) in [
            (
                "https://immuni.example",
                "immuni.example",
                443,
                "",
                "immuni.example",
            ),
            (
                "https://immuni.example:8443/",
                "immuni.example",
                8443,
                "",
                "immuni.example:8443",
            ),
            (
                "https://immuni.example/otp/",
                "immuni.example",
                443,
                "/otp",
                "immuni.example",
            ),
            (
                "http://localhost:5000",
                "localhost",
                5000,
                "",
                "localhost:5000",
            ),
            ("http://127.0.0.1", "127.0.0.1", 80, "", "127.0.0.1"),
            ("http://[::1]:5000", "::1", 5000, "", "[::1]:5000"),
            (
                "https://[2001:db8::1]",
                "2001:db8::1",
                443,
                "",
                "[2001:db8::1]",
            ),
        ] {
            let address = BackendAddress::parse(text).unwrap();
            assert_eq!(
                (&*address.host, address.port, &*address.path),
                (host, port, path),
                "{text}"
            );
            assert_eq!(address.host_header(), header, "{text}");
        }
    }

    #[test]
    fn whatever_is_no_address_of_a_backend_is_refused() {
        for text in [
            "",
            "immuni.example",
            "ftp://immuni.example",
            "https://",
            "https://:443",
            "https://a b",
            "https://immuni.example:0",
            "https://immuni.example:99999",
            "https://user@immuni.example",
            "https://immuni.example/?x",
            "https://immuni.example/#x",
            "https://[::1",
            "https://[immuni]",
        ] {
            assert_eq!(
                BackendAddress::parse(text),
                Err(BackendAddressError::Form),
                "{text}"
            );
        }
        for text in [
            "http://immuni.example",
            "http://192.0.2.1:5000",
            "http://[2001:db8::1]",
        ] {
            assert_eq!(
                BackendAddress::parse(text),
                Err(BackendAddressError::InTheClear),
                "{text}"
            );
        }
    }
}
