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
/// Bytes of a version 2 header before its block: signature, version and command, family and transport, length of the block.
const V2_FIXED: usize = 16;
/// Longest version 2 block accepted after the fixed sixteen bytes; real proxies send well under 1 KiB.
const V2_MAX_BLOCK: usize = 2_048;
/// Address families of version 2; higher ones are unassigned and must be refused.
const FAMILY_UNSPECIFIED: u8 = 0;
const FAMILY_IPV4: u8 = 1;
const FAMILY_IPV6: u8 = 2;
const FAMILY_UNIX: u8 = 3;
/// Transports of version 2, but for 0, which is unspecified; higher ones are unassigned and must be refused.
const TRANSPORT_STREAM: u8 = 1;
const TRANSPORT_DATAGRAM: u8 = 2;
/// Type of the field that holds the checksum of the whole header.
const FIELD_CRC32C: u8 = 3;

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
/// Returns the client's address as the proxy tells it. The answer is `None` where the proxy speaks for itself (version 2
/// `LOCAL`), does not know (`UNKNOWN`, no address family), or tells of no TCP connection over IP (Unix sockets,
/// datagrams). Then nobody's address may be assumed, and the connection is in no network. A checksum (version 2's CRC32c) that
/// is there must be right.
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
    let mut header = [0_u8; V2_FIXED + V2_MAX_BLOCK];
    header[..V2_SIGNATURE.len()].copy_from_slice(&V2_SIGNATURE);
    stream
        .read_exact(&mut header[V2_SIGNATURE.len()..V2_FIXED])
        .await?;
    let block_length = usize::from(u16::from_be_bytes([header[14], header[15]]));
    if block_length > V2_MAX_BLOCK {
        return Err(ProxyHeaderError::TooLong);
    }
    let header = &mut header[..V2_FIXED + block_length];
    stream.read_exact(&mut header[V2_FIXED..]).await?;
    parse_v2(header)
}

/// Parses a whole version 2 header. Its checksum is filled with zeros on the way.
fn parse_v2(header: &mut [u8]) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    match header[12] {
        // LOCAL: the proxy speaks for itself, e.g. a health check. Family and block are to be ignored.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(ProxyHeaderError::Malformed("unknown version or command")),
    }
    let (family, transport) = (header[13] >> 4, header[13] & 0x0f);
    if transport > TRANSPORT_DATAGRAM {
        return Err(ProxyHeaderError::Malformed("unassigned transport"));
    }
    let addresses_length = match family {
        // Nothing says where addresses would end, so nothing behind them is read either.
        FAMILY_UNSPECIFIED => return Ok(None),
        FAMILY_IPV4 => 12,
        FAMILY_IPV6 => 36,
        FAMILY_UNIX => 216,
        _ => return Err(ProxyHeaderError::Malformed("unassigned address family")),
    };
    if header.len() < V2_FIXED + addresses_length {
        return Err(ProxyHeaderError::Malformed("address block too short"));
    }
    verify_checksum(header, V2_FIXED + addresses_length)?;
    if transport != TRANSPORT_STREAM {
        // No TCP connection came from that address.
        return Ok(None);
    }
    // Its length was checked.
    let block = &header[V2_FIXED..];
    let (address, port_at) = match family {
        FAMILY_IPV4 => {
            let source = [block[0], block[1], block[2], block[3]];
            (IpAddr::from(source), 8)
        }
        FAMILY_IPV6 => {
            let mut source = [0_u8; 16];
            source.copy_from_slice(&block[..16]);
            (IpAddr::from(source).to_canonical(), 32)
        }
        _ => return Ok(None),
    };
    let port = u16::from_be_bytes([block[port_at], block[port_at + 1]]);
    Ok(Some(SocketAddr::new(address, port)))
}

/// Walks the fields (type, length, value) behind the addresses, which begin at `at`; if one is a checksum, it must be right.
fn verify_checksum(header: &mut [u8], mut at: usize) -> Result<(), ProxyHeaderError> {
    const BROKEN: ProxyHeaderError = ProxyHeaderError::Malformed("additional field broken");
    let mut told = None;
    while at < header.len() {
        let &[kind, high, low] = header[at..].first_chunk().ok_or(BROKEN)?;
        let value = at + 3;
        at = value + usize::from(u16::from_be_bytes([high, low]));
        let value = header.get_mut(value..at).ok_or(BROKEN)?;
        if kind == FIELD_CRC32C {
            let sum: [u8; 4] = (&*value).try_into().map_err(|_| BROKEN)?;
            if told.replace(u32::from_be_bytes(sum)).is_some() {
                return Err(ProxyHeaderError::Malformed("two checksums"));
            }
            value.fill(0);
        }
    }
    match told {
        Some(sum) if sum != crc32c::crc32c(header) => {
            Err(ProxyHeaderError::Malformed("wrong checksum"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
