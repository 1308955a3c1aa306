//! Free loopback ports.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context as _, Result};

/// A loopback port that nothing listens on now. Another process can take it before it is used, so whoever starts a
/// server on it tries again with another one when that happens.
///
/// # Errors
/// When no loopback port can be bound.
pub fn free_port() -> Result<u16> {
    let [port] = free_ports()?;
    Ok(port)
}

/// As [`free_port`], several that differ from each other.
///
/// # Errors
/// When no loopback port can be bound.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    // All are held until the last one is known: the system would hand out the same port again.
    let mut held = Vec::with_capacity(N);
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("binding a free port on 127.0.0.1")?;
        *port = listener.local_addr().context("asking for the port that was bound on 127.0.0.1")?.port();
        held.push(listener);
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_are_free() {
        let ports: [u16; 8] = free_ports().unwrap();
        let distinct: std::collections::BTreeSet<_> = ports.iter().collect();
        assert_eq!(distinct.len(), ports.len());
        // Somebody else may have taken one meanwhile, and hardly all of them.
        assert!(ports.iter().any(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()), "{ports:?}");
    }
}
