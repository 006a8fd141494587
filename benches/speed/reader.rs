//! A client of a connection that stays. It reads an answer's head, and of its body no more than the length.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A piece of a large body that is read at a time.
const PIECE_BYTES: usize = 256 << 10;

/// A connection.
pub struct Reader {
    address: String,
    stream: TcpStream,
    piece: Vec<u8>,
}

/// An answer whose body was thrown away.
#[derive(Debug)]
pub struct Head(String);

impl Reader {
    pub async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a connection");
        Self { address: address.to_owned(), stream, piece: vec![0; PIECE_BYTES] }
    }

    /// Asks for `target`, and reads the whole answer.
    pub async fn get(&mut self, target: &str) -> Head {
        self.get_with(target, "").await
    }

    /// As [`Reader::get`], with lines of the head besides, each with its end.
    pub async fn get_with(&mut self, target: &str, lines: &str) -> Head {
        let request = format!("GET {target} HTTP/1.1\r\nhost: {}\r\n{lines}\r\n", self.address);
        self.stream.write_all(request.as_bytes()).await.expect("a connection that stays");
        let mut come = 0;
        let head_bytes = loop {
            come += self.read(come).await;
            let end = self.piece[..come].windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
        };
        let head = Head(String::from_utf8_lossy(&self.piece[..head_bytes]).into_owned());
        let mut left = head.body_bytes().saturating_sub(come - head_bytes);
        while left > 0 {
            left = left.saturating_sub(self.read(0).await);
        }
        head
    }

    /// Reads some bytes into the piece, from `at` on.
    async fn read(&mut self, at: usize) -> usize {
        let read = self.stream.read(&mut self.piece[at..]).await.expect("a connection that stays");
        assert_ne!(read, 0, "an answer was cut short");
        read
    }
}

impl Head {
    /// What a header says; nothing where it is missing.
    pub fn header(&self, name: &str) -> &str {
        let headers = self.0.lines().filter_map(|line| line.split_once(": "));
        let mut values = headers.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        values.next().unwrap_or_default()
    }

    pub fn status(&self) -> u16 {
        let digits = self.0.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        digits.and_then(|digits| digits.parse().ok()).expect("a status line")
    }

    pub fn is_not_modified(&self) -> bool {
        self.status() == 304
    }

    /// The length that it gives for the body; 0 where it gives none.
    pub fn body_bytes(&self) -> usize {
        self.header("content-length").parse().unwrap_or(0)
    }

    /// Sees that the answer was one to `what`, and no problem.
    pub fn assert_is_well(&self, what: &str) {
        assert_eq!(self.status(), 200, "{what}: {}", self.0);
    }

    /// Sees that the answer was a body of this length, from where `cache_status` says.
    pub fn assert_is(&self, body_bytes: usize, cache_status: &str) {
        assert_eq!(self.status(), 200, "{}", self.0);
        assert_eq!(self.body_bytes(), body_bytes, "{}", self.0);
        assert!(self.header("cache-status").contains(cache_status), "{cache_status} is not what this says: {}", self.0);
    }
}
