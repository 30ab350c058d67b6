//! The ports of the local stack: five servers, each with a variable for its port.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// The longest that a listener on this machine takes to accept a connection.
const PROBE: Duration = Duration::from_millis(200);

/// The port of each server on 127.0.0.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The API: `API_PORT`
    pub api: u16,
    /// The storefront: `STOREFRONT_PORT`
    pub storefront: u16,
    /// DynamoDB: `DYNAMODB_PORT`
    pub dynamodb: u16,
    /// The Stripe stand-in: `STRIPE_PORT`
    pub stripe: u16,
    /// The other AWS stand-ins: `AWS_PORT`
    pub aws: u16,
}

impl Default for Ports {
    fn default() -> Ports {
        Ports { api: 9000, storefront: 3000, dynamodb: 8000, stripe: 12111, aws: 4566 }
    }
}

impl Ports {
    pub(super) fn from_values(values: &HashMap<String, String>) -> Result<Ports, String> {
        let mut ports = Ports::default();
        for (_, variable, port) in ports.each() {
            if let Some(value) = values.get(variable) {
                *port = value
                    .trim()
                    .parse()
                    .ok()
                    .filter(|port| *port > 0)
                    .ok_or_else(|| format!("{variable} must be a port between 1 and 65535, not {value:?}"))?;
            }
        }
        let each: Vec<(&str, u16)> = ports.each().map(|(_, variable, port)| (variable, *port)).into();
        for (index, (variable, port)) in each.iter().enumerate() {
            if let Some((other, _)) = each[..index].iter().find(|(_, taken)| taken == port) {
                return Err(format!("{other} and {variable} are both {port}; each server needs its own port"));
            }
        }
        Ok(ports)
    }

    /// Checks that every port is free, except those of the variables in `except`.
    ///
    /// # Errors
    /// A line for each port in use, with the variable that changes it.
    pub fn check(&self, except: &[&str]) -> Result<(), String> {
        let mut ports = self.clone();
        let taken: Vec<String> = ports
            .each()
            .into_iter()
            .filter(|(_, variable, port)| !except.contains(variable) && is_taken(**port))
            .map(|(server, variable, port)| {
                format!(
                    "Port {port}, which {server} needs, is taken by another program: stop that program, or set {variable} to a free port."
                )
            })
            .collect();
        match taken.is_empty() {
            true => Ok(()),
            false => Err(taken.join("\n")),
        }
    }

    /// The same URL with its server's configured port.
    pub(super) fn moved(&self, address: &str) -> String {
        let (mut from, mut to) = (Ports::default(), self.clone());
        from.each()
            .into_iter()
            .zip(to.each())
            .find_map(|((_, _, from), (_, _, to))| {
                let rest = address.strip_suffix(&format!("//localhost:{from}"))?;
                Some(format!("{rest}//localhost:{to}"))
            })
            .unwrap_or_else(|| address.to_owned())
    }

    fn each(&mut self) -> [(&'static str, &'static str, &mut u16); 5] {
        [
            ("the API", "API_PORT", &mut self.api),
            ("the storefront", "STOREFRONT_PORT", &mut self.storefront),
            ("DynamoDB", "DYNAMODB_PORT", &mut self.dynamodb),
            ("the Stripe stand-in", "STRIPE_PORT", &mut self.stripe),
            ("the AWS stand-in", "AWS_PORT", &mut self.aws),
        ]
    }
}

/// Also checks the IPv6 loopback: a listener there would receive requests to `localhost`.
fn is_taken(port: u16) -> bool {
    let ipv6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() || TcpStream::connect_timeout(&ipv6, PROBE).is_ok()
}
