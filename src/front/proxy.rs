//! The PROXY protocol, versions 1 and 2: how a proxy that does not end TLS tells whom it speaks for.
//!
//! Own and bounded rather than the `ppp` crate, whose last commit was in February 2025. Nothing past the header is
//! read, since what follows is the TLS handshake, and nothing is believed: the caller decides who may send one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// First twelve bytes of a version 2 header.
const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Longest version 1 line, CRLF included.
const V1_MAX_BYTES: usize = 107;
/// Shortest version 1 line: `PROXY UNKNOWN` and CRLF.
const V1_MIN_BYTES: usize = 15;
/// Longest version 2 block accepted after the fixed sixteen bytes; real proxies send well under 1 KiB.
const V2_MAX_BLOCK: usize = 2_048;

/// Why a PROXY header was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ProxyHeaderError {
    /// The connection ended or failed within the header.
    #[error("connection lost within the PROXY header: {0}")]
    Io(#[from] io::Error),
    /// The first bytes are no PROXY header at all.
    #[error("no PROXY header where one is required")]
    Missing,
    /// It begins like one and breaks the format.
    #[error("malformed PROXY header: {0}")]
    Malformed(&'static str),
    /// Larger than any real proxy sends.
    #[error("PROXY header too long")]
    TooLong,
}

/// Reads one PROXY header, and not a byte more, from `stream`.
///
/// Returns the client's address as the proxy tells it, or `None` where the proxy speaks for itself (version 2
/// `LOCAL`) or does not know (`UNKNOWN`, no address family): then nobody's address may be assumed.
///
/// # Errors
/// See [`ProxyHeaderError`]; the connection is then to be closed.
pub async fn read_proxy_header<S>(stream: &mut S) -> Result<Option<SocketAddr>, ProxyHeaderError>
where
    S: AsyncRead + Unpin,
{
    let mut line = [0_u8; V1_MAX_BYTES];
    stream.read_exact(&mut line[..V2_SIGNATURE.len()]).await?;
    if line[..V2_SIGNATURE.len()] == V2_SIGNATURE {
        return read_v2(stream).await;
    }
    if !line.starts_with(b"PROXY ") {
        return Err(ProxyHeaderError::Missing);
    }
    let mut length = V2_SIGNATURE.len();
    // Each round reads no more than what must still come, so the bytes after CRLF stay in the socket.
    let mut missing = V1_MIN_BYTES - length;
    while missing > 0 {
        let end = length + missing;
        if end > V1_MAX_BYTES {
            return Err(ProxyHeaderError::TooLong);
        }
        stream.read_exact(&mut line[length..end]).await?;
        if line[length..end - 1].contains(&b'\n') {
            return Err(ProxyHeaderError::Malformed("line feed within the line"));
        }
        length = end;
        missing = match line[..length] {
            [.., b'\r', b'\n'] => 0,
            [.., b'\n'] => {
                return Err(ProxyHeaderError::Malformed(
                    "line feed without carriage return",
                ));
            }
            [.., b'\r'] => 1,
            _ => 2,
        };
    }
    parse_v1(&line[..length - 2])
}

/// Parses a version 1 line without its CRLF.
fn parse_v1(line: &[u8]) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let line = std::str::from_utf8(line).map_err(|_| ProxyHeaderError::Malformed("not ASCII"))?;
    let mut words = line.split(' ');
    let _proxy = words.next();
    let family = words
        .next()
        .ok_or(ProxyHeaderError::Malformed("no protocol"))?;
    if family == "UNKNOWN" {
        // The rest of the line is to be ignored.
        return Ok(None);
    }
    let mut word = |what| words.next().ok_or(ProxyHeaderError::Malformed(what));
    let (source, destination) = (word("no source address")?, word("no destination address")?);
    let (source_port, destination_port) = (word("no source port")?, word("no destination port")?);
    if words.next().is_some() {
        return Err(ProxyHeaderError::Malformed("too many words"));
    }
    let address = |text: &str| -> Result<IpAddr, ProxyHeaderError> {
        let parsed = match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => return Err(ProxyHeaderError::Malformed("unknown protocol")),
        };
        parsed.ok_or(ProxyHeaderError::Malformed("bad address"))
    };
    let port = |text: &str| -> Result<u16, ProxyHeaderError> {
        let canonical = !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && (text.len() == 1 || !text.starts_with('0'));
        let parsed = if canonical { text.parse().ok() } else { None };
        parsed.ok_or(ProxyHeaderError::Malformed("bad port"))
    };
    address(destination)?;
    port(destination_port)?;
    Ok(Some(SocketAddr::new(
        address(source)?.to_canonical(),
        port(source_port)?,
    )))
}

/// Reads what follows a version 2 signature.
async fn read_v2<S>(stream: &mut S) -> Result<Option<SocketAddr>, ProxyHeaderError>
where
    S: AsyncRead + Unpin,
{
    let mut head = [0_u8; 4];
    stream.read_exact(&mut head).await?;
    let block_length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    if block_length > V2_MAX_BLOCK {
        return Err(ProxyHeaderError::TooLong);
    }
    let mut block = [0_u8; V2_MAX_BLOCK];
    let block = &mut block[..block_length];
    stream.read_exact(block).await?;
    parse_v2(head[0], head[1], block)
}

/// Parses the version, command and family bytes of version 2 and the block after them.
fn parse_v2(
    version_and_command: u8,
    family_and_protocol: u8,
    block: &[u8],
) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    match version_and_command {
        0x20 => return Ok(None), // LOCAL: the proxy speaks for itself, e.g. a health check
        0x21 => {}
        _ => return Err(ProxyHeaderError::Malformed("unknown version or command")),
    }
    let short = ProxyHeaderError::Malformed("address block too short");
    match family_and_protocol {
        0x00 => Ok(None),
        0x11 => {
            let addresses: &[u8; 12] = block.first_chunk().ok_or(short)?;
            let source = [addresses[0], addresses[1], addresses[2], addresses[3]];
            let port = u16::from_be_bytes([addresses[8], addresses[9]]);
            Ok(Some(SocketAddr::new(IpAddr::from(source), port)))
        }
        0x21 => {
            let addresses: &[u8; 36] = block.first_chunk().ok_or(short)?;
            let mut source = [0_u8; 16];
            source.copy_from_slice(&addresses[..16]);
            let port = u16::from_be_bytes([addresses[32], addresses[33]]);
            Ok(Some(SocketAddr::new(
                IpAddr::from(source).to_canonical(),
                port,
            )))
        }
        _ => Err(ProxyHeaderError::Malformed("not a TCP family")),
    }
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
