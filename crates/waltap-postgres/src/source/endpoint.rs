//! Where a server listens.

use std::fmt;
use std::path::{Path, PathBuf};

use waltap_error::Result;

use super::parameters::{Parameters, invalid};

/// The port of PostgreSQL unless another is named.
const DEFAULT_PORT: u16 = 5432;

/// Where servers of Debian and its kin, and of PostgreSQL's own build, put their sockets: tried in this order when no host is named.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// More hosts than this in one source are a mistake: each costs a connect timeout when all are dead.
const HOSTS_MAX: usize = 64;

/// One place where the server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The name as given: what the certificate must be for, what the password file is searched for, what messages show.
    pub(crate) host: String,
    /// What to connect to.
    pub(crate) address: Address,
    /// The port; for a socket, the number in its file's name.
    pub(crate) port: u16,
}

/// What to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// The file of a unix socket.
    Unix(PathBuf),
    /// A name to be resolved or an address.
    Tcp(String),
}

impl Endpoint {
    /// The list that the parameters describe; the socket or `localhost` when they describe none.
    pub(super) fn list(parameters: &Parameters<'_>) -> Result<Vec<Endpoint>> {
        let split =
            |name| -> Vec<&str> { parameters.get(name).map_or_else(Vec::new, |list| list.split(',').map(str::trim).collect()) };
        let (hosts, addresses, ports) = (split("host"), split("hostaddr"), split("port"));
        let count = hosts.len().max(addresses.len()).max(1);
        if count > HOSTS_MAX {
            return Err(invalid(format!("the source has more than {HOSTS_MAX} hosts")));
        }
        if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
            return Err(invalid("the source's parameter hostaddr must have as many entries as host"));
        }
        if ports.len() > 1 && ports.len() != count {
            return Err(invalid("the source must have one port for all hosts or one for each"));
        }
        let at = |list: &[&str], index: usize| list.get(index).copied().unwrap_or_default().to_owned();
        (0..count)
            .map(|index| {
                let port = match ports.get(index).or(ports.first().filter(|_| ports.len() == 1)).copied().unwrap_or_default() {
                    "" => DEFAULT_PORT,
                    // The text is not shown: in a badly written URL it may be a piece of the password.
                    text => text
                        .parse()
                        .ok()
                        .filter(|port| *port != 0)
                        .ok_or_else(|| invalid("a port of the source is not a number from 1 to 65535"))?,
                };
                Ok(Endpoint::new(at(&hosts, index), at(&addresses, index), port))
            })
            .collect()
    }

    fn new(host: String, address: String, port: u16) -> Endpoint {
        if !address.is_empty() {
            let host = if host.is_empty() { address.clone() } else { host };
            return Endpoint { host, address: Address::Tcp(address), port };
        }
        if host.is_empty() {
            let socket = SOCKET_FOLDERS.iter().find(|folder| socket_file(folder, port).exists());
            return Endpoint::new(socket.map_or_else(|| "localhost".to_owned(), |folder| (*folder).to_owned()), address, port);
        }
        if host.starts_with('/') {
            let file = socket_file(&host, port);
            return Endpoint { host, address: Address::Unix(file), port };
        }
        Endpoint { address: Address::Tcp(host.clone()), host, port }
    }

    /// The name under which password files know the host: all sockets in a default folder are `localhost`.
    pub(crate) fn password_file_host(&self) -> &str {
        match self.address {
            Address::Unix(_) if SOCKET_FOLDERS.contains(&self.host.as_str()) => "localhost",
            _ => &self.host,
        }
    }
}

impl fmt::Display for Endpoint {
    /// As in a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Unix(_) => write!(f, "{}", self.host.replace('%', "%25").replace('/', "%2F"))?,
            Address::Tcp(_) if self.host.contains(':') => write!(f, "[{}]", self.host)?,
            Address::Tcp(_) => f.write_str(&self.host)?,
        }
        write!(f, ":{}", self.port)
    }
}

fn socket_file(folder: &str, port: u16) -> PathBuf {
    Path::new(folder).join(format!(".s.PGSQL.{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Environment, text};

    fn endpoints(url: &str) -> Result<Vec<String>> {
        let environment = Environment::empty();
        let parameters = Parameters::new(text::read(url)?, &environment)?;
        Ok(Endpoint::list(&parameters)?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn hosts_and_ports_pair_up() {
        assert_eq!(endpoints("postgres://a,b:2,[::1]:3").unwrap(), ["a:5432", "b:2", "[::1]:3"]);
        assert_eq!(endpoints("host=a,b port=7").unwrap(), ["a:7", "b:7"]);
        assert_eq!(endpoints("host=/var/x port=7").unwrap(), ["%2Fvar%2Fx:7"]);
        assert_eq!(endpoints("hostaddr=10.0.0.1 host=db").unwrap(), ["db:5432"]);
        assert!(endpoints("host=a,b,c port=1,2").is_err());
        assert!(endpoints("host=a,b hostaddr=1.1.1.1").is_err());
        for port in ["0", "65536", "x", "-1"] {
            assert!(endpoints(&format!("host=a port={port}")).is_err(), "{port}");
        }
    }

    #[test]
    fn a_folder_is_a_unix_socket() {
        let endpoint = Endpoint::new("/tmp".to_owned(), String::new(), 7);
        assert_eq!(endpoint.address, Address::Unix("/tmp/.s.PGSQL.7".into()));
        assert_eq!(endpoint.password_file_host(), "localhost");
    }
}
