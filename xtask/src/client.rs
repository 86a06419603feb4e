//! An HTTP/1.1 client that sees everything: answers are read piece by piece, and one that is cut short is an error.

use bytes::{Buf, Bytes, BytesMut};
use std::io::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longer heads are refused.
const MAX_HEAD: usize = 256 << 10;

/// Answers in the order in which they come.
pub(crate) struct Answers<R> {
    stream: R,
    buffer: BytesMut,
    body: Body,
}

/// The first part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// The status code.
    pub(crate) status: u16,
    /// Whether the connection may be used again.
    pub(crate) keep_alive: bool,
}

/// What is still to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// So many bytes.
    Counted(u64),
    /// The line with the size of the next chunk.
    ChunkSize,
    /// So many bytes of a chunk, and the end of its line.
    Chunk(u64),
    /// All until the connection ends.
    ToTheEnd,
}

impl<R: AsyncRead + Unpin> Answers<R> {
    /// Reads from the start of a connection.
    pub(crate) fn new(stream: R) -> Self {
        Answers { stream, buffer: BytesMut::new(), body: Body::Counted(0) }
    }

    /// The head of the next answer to a request that was not HEAD; informational ones are skipped. None if the server
    /// has closed the connection instead.
    pub(crate) async fn head(&mut self) -> Result<Option<Head>> {
        loop {
            if let Some((length, head, body)) = parse_head(&self.buffer)? {
                self.buffer.advance(length);
                if head.status >= 200 {
                    self.body = body;
                    return Ok(Some(head));
                }
            } else if self.buffer.len() > MAX_HEAD {
                return Err(invalid("the head is too long"));
            } else if !self.fill().await? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(cut_short()) };
            }
        }
    }

    /// The next bytes of the body; none at its end.
    pub(crate) async fn data(&mut self) -> Result<Option<Bytes>> {
        loop {
            match self.body {
                Body::Counted(0) => return Ok(None),
                Body::ChunkSize => {
                    if !self.chunk_size()? {
                        self.need_more().await?;
                    }
                }
                Body::Chunk(0) => match self.buffer.get(..2) {
                    Some(b"\r\n") => {
                        self.buffer.advance(2);
                        self.body = Body::ChunkSize;
                    }
                    Some(_) => return Err(invalid("a chunk that is longer than it says")),
                    None => self.need_more().await?,
                },
                Body::ToTheEnd if self.buffer.is_empty() => {
                    if !self.fill().await? {
                        self.body = Body::Counted(0);
                    }
                }
                _ if self.buffer.is_empty() => self.need_more().await?,
                Body::Counted(left) => {
                    let bytes = self.take(left);
                    self.body = Body::Counted(left - bytes.len() as u64);
                    return Ok(Some(bytes));
                }
                Body::Chunk(left) => {
                    let bytes = self.take(left);
                    self.body = Body::Chunk(left - bytes.len() as u64);
                    return Ok(Some(bytes));
                }
                Body::ToTheEnd => return Ok(Some(self.take(u64::MAX))),
            }
        }
    }

    /// The whole body, at most `most` bytes.
    pub(crate) async fn body(&mut self, most: usize) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(bytes) = self.data().await? {
            all.extend_from_slice(&bytes);
            if all.len() > most {
                return Err(invalid("the body is too long"));
            }
        }
        Ok(all)
    }

    fn take(&mut self, most: u64) -> Bytes {
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(self.buffer.len());
        self.buffer.split_to(length).freeze()
    }

    /// Reads what the size of a chunk says, or the end of the body with its trailers; says whether it is there whole.
    fn chunk_size(&mut self) -> Result<bool> {
        match httparse::parse_chunk_size(&self.buffer).map_err(|_| invalid("a chunk without a size"))? {
            httparse::Status::Partial => Ok(false),
            httparse::Status::Complete((line, 0)) => {
                let mut trailers = [httparse::EMPTY_HEADER; 64];
                match httparse::parse_headers(&self.buffer[line..], &mut trailers).map_err(invalid)? {
                    httparse::Status::Partial => Ok(false),
                    httparse::Status::Complete((length, _)) => {
                        self.buffer.advance(line + length);
                        self.body = Body::Counted(0);
                        Ok(true)
                    }
                }
            }
            httparse::Status::Complete((line, size)) => {
                self.buffer.advance(line);
                self.body = Body::Chunk(size);
                Ok(true)
            }
        }
    }

    async fn need_more(&mut self) -> Result<()> {
        if self.fill().await? { Ok(()) } else { Err(cut_short()) }
    }

    /// Reads once; false at the end of the stream.
    async fn fill(&mut self) -> Result<bool> {
        self.buffer.reserve(64 << 10);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}

/// The head at the start of `bytes`, its length, and what body follows.
fn parse_head(bytes: &[u8]) -> Result<Option<(usize, Head, Body)>> {
    let mut headers = [httparse::EMPTY_HEADER; 256];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes).map_err(invalid)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let value = |name: &str| response.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value);
    let says = |name: &str, word: &[u8]| value(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
    let status = response.code.unwrap_or_default();
    let body = match value("content-length") {
        _ if status < 200 || status == 204 || status == 304 => Body::Counted(0),
        _ if says("transfer-encoding", b"chunked") => Body::ChunkSize,
        Some(value) => Body::Counted(std::str::from_utf8(value).map_err(invalid)?.trim().parse().map_err(invalid)?),
        None => Body::ToTheEnd,
    };
    let keep_alive = response.version == Some(1) && !says("connection", b"close") && body != Body::ToTheEnd;
    Ok(Some((length, Head { status, keep_alive }, body)))
}

fn cut_short() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "the answer was cut short")
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
    }

    fn read(bytes: &[u8]) -> Result<(Option<Head>, Vec<u8>)> {
        now(async {
            let mut answers = Answers::new(bytes);
            let head = answers.head().await?;
            Ok((head, answers.body(1000).await?))
        })
    }

    #[test]
    fn knows_the_end_of_every_kind_of_body() {
        let counted = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\nt: v\r\n\r\n";
        let informed = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
        for (text, body) in [(counted, "hi"), (chunked, "hi!"), (informed, "hi")] {
            let (head, read_body) = read(text.as_bytes()).expect("valid");
            assert_eq!(head, Some(Head { status: 200, keep_alive: true }));
            assert_eq!(read_body, body.as_bytes());
            for end in 1..text.len() {
                // An informational answer alone is no answer, and no broken one.
                let cut = read(&text.as_bytes()[..end]);
                assert!(!matches!(cut, Ok((Some(_), _))), "{end} bytes of {text:?}");
            }
        }
        let (head, body) = read(b"HTTP/1.0 500 Oops\r\n\r\nuntil the end").expect("valid");
        assert_eq!(head, Some(Head { status: 500, keep_alive: false }));
        assert_eq!(body, b"until the end");
        assert_eq!(read(b"").expect("closed").0, None);
    }

    #[test]
    fn refuses_what_is_no_answer() {
        assert!(read(b"SSH-2.0-OpenSSH\r\n").is_err());
        assert!(read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\ntoo long\r\n").is_err());
    }
}
