//! Values of the command line, checked once: addresses, durations, URLs. What is wrong is said in words for people.

use std::net::{SocketAddr, ToSocketAddrs};

/// Where the coordinator listens. Whether it may do so unguarded is decided with the other options.
///
/// # Errors
/// When it is no address.
pub fn parse_bind(text: &str) -> Result<SocketAddr, String> {
    // "localhost:7733" is one, too
    text.parse::<SocketAddr>()
        .ok()
        .or_else(|| text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()))
        .ok_or_else(|| {
            "expected ADDRESS:PORT, for instance 127.0.0.1:7733; port 0 takes a free one".to_owned()
        })
}

/// A name or an address for the coordinator's certificate.
///
/// # Errors
/// When it is neither.
pub fn parse_tls_name(text: &str) -> Result<String, String> {
    if crate::access::is_dns_name(text) {
        return Ok(text.to_owned());
    }
    Err("expected a name or an address as workers dial it, without a port: node-7.site.org".to_owned())
}

/// A time such as `500ms`, `30s`, `5m` or `1h30m`, in milliseconds.
///
/// # Errors
/// When it is no such time, is zero, or is longer than a day.
pub fn parse_time_ms(text: &str) -> Result<u64, String> {
    let ms = read_units(text).ok_or("expected a time such as 500ms, 30s, 5m or 1h30m")?;
    if ms == 0 || ms > DAY_MS { Err("expected a time from 1ms to 24h".to_owned()) } else { Ok(ms) }
}

/// How long a token lives, such as `12h` or `30d`, in milliseconds.
///
/// # Errors
/// When it is no such time, is zero, or is longer than ten years.
pub fn parse_life_ms(text: &str) -> Result<u64, String> {
    let ms = read_units(text).ok_or("expected a time such as 12h or 30d")?;
    if ms == 0 || ms > 3653 * DAY_MS { Err("expected a time from 1s to 3653d".to_owned()) } else { Ok(ms) }
}

const DAY_MS: u64 = 86_400_000;

/// Numbers with units, added up.
fn read_units(text: &str) -> Option<u64> {
    let (mut total, mut rest) = (0_u64, text.trim());
    if rest.is_empty() {
        return None;
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
            "d" => DAY_MS,
            _ => return None,
        };
        let number: u64 = number.parse().ok()?;
        total = number.checked_mul(unit_ms).and_then(|ms| total.checked_add(ms))?;
        rest = next;
    }
    Some(total)
}

/// The URL of a coordinator; `HOST:PORT` is taken for `http://HOST:PORT`.
///
/// # Errors
/// When it is no such URL.
pub fn parse_url(text: &str) -> Result<String, String> {
    const EXPECTED: &str = "expected http://HOST:PORT or https://HOST:PORT";
    let (scheme, authority) = text.split_once("://").unwrap_or(("http", text));
    if !["http", "https"].contains(&scheme) {
        return Err(format!("{EXPECTED}; other schemes are not spoken"));
    }
    let authority = authority.trim_end_matches('/');
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok());
    if has_port { Ok(format!("{scheme}://{authority}")) } else { Err(EXPECTED.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::{parse_bind, parse_life_ms, parse_time_ms, parse_tls_name, parse_url};

    #[test]
    fn an_address_has_a_port() {
        for good in ["127.0.0.1:0", "[::1]:7733", "0.0.0.0:0", "10.0.0.1:7733"] {
            assert!(parse_bind(good).is_ok(), "{good}");
        }
        for bad in ["7733", "", "127.0.0.1"] {
            assert!(parse_bind(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_certificate_is_for_names_without_ports() {
        for good in ["node-7", "node-7.site.org", "10.0.0.1", "::1"] {
            assert!(parse_tls_name(good).is_ok(), "{good}");
        }
        for bad in ["", "node-7:7733", "https://node-7", "a b", "-"] {
            assert!(parse_tls_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_have_units() {
        let read: Vec<_> =
            ["500ms", "2s", "1h30m", "1m5s"].iter().map(|text| parse_time_ms(text).unwrap()).collect();
        assert_eq!(read, [500, 2000, 5_400_000, 65_000]);
        for bad in ["", "5", "s", "2d", "-1s", "0s", "1.5s", "99999999999999999999h", "25h"] {
            assert!(parse_time_ms(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_life_ms("1d12h"), Ok(129_600_000));
        for bad in ["", "30", "0d", "4000d"] {
            assert!(parse_life_ms(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_url_needs_host_and_port() {
        assert_eq!(parse_url("localhost:7733").unwrap(), "http://localhost:7733");
        assert_eq!(parse_url("http://[::1]:7733/").unwrap(), "http://[::1]:7733");
        assert_eq!(parse_url("https://h:1/").unwrap(), "https://h:1");
        for bad in
            ["", "http://host", "https://host", "ftp://host:1", "http://:1", "http://a/b:1", "host:99999"]
        {
            assert!(parse_url(bad).is_err(), "{bad}");
        }
    }
}
