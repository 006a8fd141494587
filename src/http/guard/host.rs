//! Which names are this machine's own.

use std::net::IpAddr;

/// Whether `host`, with or without a port, is a loopback address, `localhost` or a name below it, which no name server answers
/// for. Source: RFC 6761, section 6.3.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if is_port(port) => return address.parse::<IpAddr>().is_ok_and(is_loopback_address),
            _ => return false,
        },
        None => match host.find(':').map(|colon| host.split_at(colon)) {
            Some((name, port)) if is_port(port) => name,
            Some(_) => return false,
            None => host,
        },
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit_once('.').map_or(name, |(_, last)| last);
    last.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(is_loopback_address)
}

fn is_loopback_address(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Nothing, or a colon and digits.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_few_names() {
        for own in [
            "localhost",
            "LOCALHOST:5000",
            "a.localhost",
            "localhost.",
            "127.0.0.1",
            "127.1.2.3:80",
            "[::1]",
            "[::1]:5000",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_loopback(own), "{own}");
        }
        for other in [
            "",
            "example.com",
            "localhost.example.com",
            "notlocalhost",
            "127.0.0.1.nip.io",
            "127.0.0.1@example.com",
            "localhost:80@example.com",
            "0.0.0.0:5000",
            "[::]:5000",
            "192.168.1.2",
            "::1",
            "[::1",
            "[::1]example.com",
            "localhost:x",
            "localhost:80:90",
            "2130706433",
            "127.1",
            " localhost",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
