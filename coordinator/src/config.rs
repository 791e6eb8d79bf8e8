//! Values of the command line, checked once: addresses, durations, URLs. What is wrong is said in words for people.

use std::net::{SocketAddr, ToSocketAddrs};

/// Where the coordinator listens.
///
/// # Errors
/// When it is no address, or one that other machines could reach: without TLS and tokens anybody there could hand in
/// results.
pub fn parse_bind(text: &str) -> Result<SocketAddr, String> {
    let address = match text.parse::<SocketAddr>() {
        Ok(address) => address,
        // "localhost:7733"
        Err(_) => {
            text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()).ok_or_else(|| {
                "expected ADDRESS:PORT, for instance 127.0.0.1:7733; port 0 takes a free one".to_owned()
            })?
        }
    };
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(format!(
        "{} can be reached from other machines, and this version has no TLS and no tokens to guard it. Listen on \
         127.0.0.1 and let workers on other hosts in through an ssh tunnel: ssh -L 7733:127.0.0.1:7733 HOST",
        address.ip()
    ))
}

/// A time such as `500ms`, `30s`, `5m` or `1h30m`, in milliseconds.
///
/// # Errors
/// When it is no such time, is zero, or is longer than a day.
pub fn parse_time_ms(text: &str) -> Result<u64, String> {
    let wrong = || "expected a time such as 500ms, 30s, 5m or 1h30m".to_owned();
    let (mut total, mut rest) = (0_u64, text.trim());
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, unit) = rest.split_at(digits);
        let letters = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, next) = unit.split_at(letters);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        total = number.checked_mul(unit_ms).and_then(|ms| total.checked_add(ms)).ok_or_else(wrong)?;
        rest = next;
    }
    const DAY_MS: u64 = 86_400_000;
    if total == 0 || total > DAY_MS { Err("expected a time from 1ms to 24h".to_owned()) } else { Ok(total) }
}

/// The URL of a coordinator; `HOST:PORT` is taken for `http://HOST:PORT`.
///
/// # Errors
/// When it is no such URL.
pub fn parse_url(text: &str) -> Result<String, String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let authority =
        url.strip_prefix("http://").ok_or("expected http://HOST:PORT; other schemes are not spoken")?;
    let authority = authority.trim_end_matches('/');
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok());
    if has_port { Ok(format!("http://{authority}")) } else { Err("expected http://HOST:PORT".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::{parse_bind, parse_time_ms, parse_url};

    #[test]
    fn only_loopback_is_listened_on() {
        for good in ["127.0.0.1:0", "[::1]:7733", "127.9.9.9:80"] {
            assert!(parse_bind(good).is_ok(), "{good}");
        }
        for bad in ["0.0.0.0:0", "[::]:1", "10.0.0.1:7733", "7733", "", "127.0.0.1"] {
            assert!(parse_bind(bad).is_err(), "{bad}");
        }
        assert!(parse_bind("0.0.0.0:0").unwrap_err().contains("0.0.0.0"));
    }

    #[test]
    fn times_have_units() {
        let read: Vec<_> =
            ["500ms", "2s", "1h30m", "1m5s"].iter().map(|text| parse_time_ms(text).unwrap()).collect();
        assert_eq!(read, [500, 2000, 5_400_000, 65_000]);
        for bad in ["", "5", "s", "1d", "-1s", "0s", "1.5s", "99999999999999999999h", "25h"] {
            assert!(parse_time_ms(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_url_needs_host_and_port() {
        assert_eq!(parse_url("localhost:7733").unwrap(), "http://localhost:7733");
        assert_eq!(parse_url("http://[::1]:7733/").unwrap(), "http://[::1]:7733");
        for bad in ["", "http://host", "https://host:1", "http://:1", "http://a/b:1", "host:99999"] {
            assert!(parse_url(bad).is_err(), "{bad}");
        }
    }
}
