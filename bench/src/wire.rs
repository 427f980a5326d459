//! As much of PostgreSQL's protocol as a bare client of a trusted user needs (the manual, chapter 55).

use std::io::{Error, Read, Result, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// Room for what the kernel has.
const BUFFER_BYTES: usize = 1 << 20;

/// A user that is asked for no password.
const USER: &str = "postgres";

/// What asks a server to go on with TLS, in the place of a protocol's version.
const TLS_REQUEST: u32 = 80_877_103;

/// What is wrong, in words of our own.
pub fn broken(what: &str) -> Error {
    Error::other(what.to_owned())
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Queries.
    Queries,
    /// A slot's stream.
    Replication,
}

/// A connection, with a buffer into which it is read in large gulps.
pub struct Wire {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

/// Where bytes come from and go to.
trait Stream: Write + Send {
    /// Takes what the kernel has, or waits for some, and adds it to a buffer. Says how many bytes the kernel gave.
    fn take(&mut self, buffer: &mut Vec<u8>, to: &mut usize) -> Result<usize>;
}

impl Wire {
    /// Connects to `HOST:PORT`, or to the socket in a folder, `FOLDER:PORT`. With `?AUTHORITY.pem` behind it by TLS, and the server's
    /// certificate must be of that authority.
    pub fn connect(address: &str, database: &str, purpose: Purpose) -> Result<Self> {
        let (address, authority) = match address.split_once('?') {
            Some((address, authority)) => (address, Some(authority)),
            None => (address, None),
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(|| broken("no port"))?;
        let stream: Box<dyn Stream> = if host.starts_with('/') {
            Box::new(Plain(UnixStream::connect(format!("{host}/.s.PGSQL.{port}"))?))
        } else {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            match authority {
                Some(authority) => Box::new(Encrypted::begin(stream, host, Path::new(authority))?),
                None => Box::new(Plain(stream)),
            }
        };
        let mut wire = Wire { stream, buffer: vec![0; BUFFER_BYTES], from: 0, to: 0 };
        let mut words = vec!["user", USER, "database", database, "options", "-c TimeZone=UTC"];
        if purpose == Purpose::Replication {
            words.extend(["replication", "database"]);
        }
        let mut body = 196_608_u32.to_be_bytes().to_vec();
        for word in words {
            body.extend(word.as_bytes());
            body.push(0);
        }
        body.push(0);
        wire.stream.write_all(&(body.len() as u32 + 4).to_be_bytes())?;
        wire.stream.write_all(&body)?;
        wire.stream.flush()?;
        wire.wait_for(b'Z')?;
        Ok(wire)
    }

    /// Sends a command and waits for the message that begins its answer: `W` for a stream in both directions, `H` for a COPY.
    pub fn begin(&mut self, command: &str, answer: u8) -> Result<()> {
        self.send(b'Q', &[command.as_bytes(), &[0]].concat())?;
        self.wait_for(answer)
    }

    /// Says how far everything is done.
    pub fn status(&mut self, done: u64) -> Result<()> {
        let mut body = vec![b'r'];
        for _ in 0..3 {
            body.extend(done.to_be_bytes());
        }
        // No time, and no wish for an answer.
        body.extend([0; 9]);
        self.send(b'd', &body)
    }

    fn send(&mut self, tag: u8, body: &[u8]) -> Result<()> {
        let mut message = vec![tag];
        message.extend((body.len() as u32 + 4).to_be_bytes());
        message.extend(body);
        self.stream.write_all(&message)?;
        self.stream.flush()
    }

    /// Waits for bytes, and says how many have come.
    pub fn fill(&mut self) -> Result<usize> {
        self.buffer.copy_within(self.from..self.to, 0);
        (self.from, self.to) = (0, self.to - self.from);
        if self.to == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        self.stream.take(&mut self.buffer, &mut self.to)
    }

    /// The content of the next whole CopyData of a stream that does not end.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>> {
        match self.next_message()? {
            Some((b'd', body)) => Ok(Some(body)),
            Some((_, body)) => Err(broken(&String::from_utf8_lossy(body))),
            None => Ok(None),
        }
    }

    /// The kind of the next whole message, and its content. An error of the server is one.
    pub fn next_message(&mut self) -> Result<Option<(u8, &[u8])>> {
        let waiting = &self.buffer[self.from..self.to];
        let Some((head, _)) = waiting.split_at_checked(5) else { return Ok(None) };
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if length < 4 {
            return Err(broken("a message of no length"));
        }
        if waiting.len() <= length {
            return Ok(None);
        }
        let (tag, from) = (head[0], self.from + 5);
        self.from += 1 + length;
        let body = &self.buffer[from..self.from];
        if tag == b'E' { Err(broken(&String::from_utf8_lossy(body))) } else { Ok(Some((tag, body))) }
    }

    fn wait_for(&mut self, wanted: u8) -> Result<()> {
        loop {
            match self.next_message()? {
                Some((tag, _)) if tag == wanted => return Ok(()),
                Some(_) => {}
                None => drop(self.fill()?),
            }
        }
    }
}

struct Plain<S>(S);

impl<S: Read + Write + Send> Stream for Plain<S> {
    fn take(&mut self, buffer: &mut Vec<u8>, to: &mut usize) -> Result<usize> {
        let count = self.0.read(&mut buffer[*to..])?;
        *to += count;
        if count == 0 { Err(broken("the server closed the connection")) } else { Ok(count) }
    }
}

impl<S: Write> Write for Plain<S> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

/// By TLS. The kernel is asked for as much at once as without: a record of TLS holds one message of a walsender, and to read those one by one
/// would be another way of reading.
struct Encrypted {
    stream: TcpStream,
    tls: ClientConnection,
    raw: Vec<u8>,
}

impl Encrypted {
    fn begin(mut stream: TcpStream, host: &str, authority: &Path) -> Result<Self> {
        let mut request = 8_u32.to_be_bytes().to_vec();
        request.extend(TLS_REQUEST.to_be_bytes());
        stream.write_all(&request)?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        if answer != *b"S" {
            return Err(broken("the server has no TLS"));
        }
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authority).map_err(Error::other)? {
            roots.add(certificate.map_err(Error::other)?).map_err(Error::other)?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).map_err(Error::other)?;
        let mut tls = ClientConnection::new(Arc::new(config), name).map_err(Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        Ok(Encrypted { stream, tls, raw: vec![0; BUFFER_BYTES] })
    }
}

impl Stream for Encrypted {
    fn take(&mut self, buffer: &mut Vec<u8>, to: &mut usize) -> Result<usize> {
        let count = self.stream.read(&mut self.raw)?;
        if count == 0 {
            return Err(broken("the server closed the connection"));
        }
        let mut raw = &self.raw[..count];
        while !raw.is_empty() {
            self.tls.read_tls(&mut raw)?;
            let ready = self.tls.process_new_packets().map_err(Error::other)?.plaintext_bytes_to_read();
            if buffer.len() < *to + ready {
                buffer.resize(*to + ready, 0);
            }
            self.tls.reader().read_exact(&mut buffer[*to..*to + ready])?;
            *to += ready;
        }
        Ok(count)
    }
}

impl Write for Encrypted {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.tls.writer().write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.stream)?;
        }
        Ok(())
    }
}
