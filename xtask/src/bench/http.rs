//! As much of an HTTP/1.1 client as a load generator needs.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// No answer of the measured servers comes near this.
const MAX_ANSWER: usize = 1 << 20;

/// A keep-alive connection.
pub(super) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

/// What is known of an answer that was read to its end.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    /// The status code.
    pub(super) status: u16,
    /// Whether the connection may be used again.
    pub(super) keep_alive: bool,
    /// Bytes of the whole answer.
    length: usize,
}

impl Connection {
    /// Connects to a server.
    pub(super) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = format!("GET / HTTP/1.1\r\nhost: {address}\r\naccept: */*\r\n\r\n").into_bytes();
        Ok(Self { stream, request, buffer: Vec::with_capacity(8192) })
    }

    /// Sends a request and reads the answer to its end.
    pub(super) async fn get(&mut self) -> Result<Answer> {
        self.stream.write_all(&self.request).await?;
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(Error::new(
                    ErrorKind::UnexpectedEof,
                    "the server closed the connection before its answer ended",
                ));
            }
            if let Some(answer) = whole_answer(&self.buffer)? {
                self.buffer.drain(..answer.length);
                return if self.buffer.is_empty() { Ok(answer) } else { Err(invalid("more was sent than one answer")) };
            }
            if self.buffer.len() > MAX_ANSWER {
                return Err(invalid("the answer is too long"));
            }
        }
    }
}

/// The answer at the start of `bytes`, if it is there to its end. Scanning anew after each read is well for answers
/// that come in one or two pieces.
fn whole_answer(bytes: &[u8]) -> Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes).map_err(invalid)? {
        httparse::Status::Complete(head) => head,
        httparse::Status::Partial => return Ok(None),
    };
    let value = |name: &str| response.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value);
    let says = |name: &str, word: &[u8]| value(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
    let body = if says("transfer-encoding", b"chunked") {
        chunked_length(&bytes[head..])?
    } else {
        let length = value("content-length").ok_or_else(|| invalid("the answer has no length"))?;
        let length = std::str::from_utf8(length).map_err(invalid)?.trim().parse::<usize>().map_err(invalid)?;
        (bytes.len() - head >= length).then_some(length)
    };
    let status = response.code.unwrap_or_default();
    let keep_alive = response.version == Some(1) && !says("connection", b"close");
    Ok(body.map(|body| Answer { status, keep_alive, length: head + body }))
}

/// How many bytes a chunked body takes, if it is there to its end.
fn chunked_length(bytes: &[u8]) -> Result<Option<usize>> {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match httparse::parse_chunk_size(rest).map_err(|_| invalid("a chunk without a size"))? {
            httparse::Status::Partial => return Ok(None),
            httparse::Status::Complete((line, 0)) => {
                return trailers_length(&rest[line..]).map(|t| Some(at + line + t?));
            }
            httparse::Status::Complete((line, size)) => {
                let size = usize::try_from(size).map_err(invalid)?;
                at = at
                    .checked_add(line + 2)
                    .and_then(|at| at.checked_add(size))
                    .ok_or_else(|| invalid("a huge chunk"))?;
            }
        }
    }
}

fn trailers_length(bytes: &[u8]) -> Result<Option<usize>> {
    let mut trailers = [httparse::EMPTY_HEADER; 16];
    Ok(match httparse::parse_headers(bytes, &mut trailers).map_err(invalid)? {
        httparse::Status::Complete((length, _)) => Some(length),
        httparse::Status::Partial => None,
    })
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind_of_answer_to_its_end_only() {
        let counted = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\nt: v\r\n\r\n";
        for text in [counted, chunked] {
            for end in 0..text.len() {
                assert_eq!(whole_answer(&text.as_bytes()[..end]).expect("valid"), None, "{end} bytes of {text:?}");
            }
            let answer = Answer { status: 200, keep_alive: true, length: text.len() };
            assert_eq!(whole_answer(text.as_bytes()).expect("valid"), Some(answer));
        }
    }

    #[test]
    fn sees_status_and_close_and_refuses_the_rest() {
        let closing = b"HTTP/1.1 500 Oops\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let answer = whole_answer(closing).expect("valid").expect("whole");
        assert_eq!((answer.status, answer.keep_alive), (500, false));
        assert!(whole_answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(whole_answer(b"SSH-2.0-OpenSSH\r\n").is_err());
    }
}
