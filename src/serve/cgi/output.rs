//! Standard output of a guest: a head, then the body of the response.

use super::head::{Head, MAX_HEAD, Malformed, Scan, length, parse};
use crate::host::http::Exchange;
use crate::host::io::{Sink, StreamError};
use bytes::Bytes;
use std::task::{Context, Poll};

/// Collects the head, and hands what follows to the body as it comes.
#[derive(Debug)]
pub(super) struct Output {
    stage: Stage,
    body: Exchange,
}

/// Bytes of a body that wait for the guest to end before the head leaves without a length.
const FIRST: usize = 4096;

#[derive(Debug)]
enum Stage {
    /// What has arrived of the head.
    Head(Vec<u8>, Scan),
    /// The head is there, until it is taken.
    Body(Option<Head>),
    /// Nothing more is taken; why, until that is taken.
    Refused(Option<Malformed>),
}

impl Output {
    pub(super) fn new(body: Exchange) -> Output {
        Output { stage: Stage::Head(Vec::new(), Scan::default()), body }
    }

    /// The head, once it is there.
    pub(super) fn take(&mut self) -> Option<Result<Head, Malformed>> {
        match &mut self.stage {
            Stage::Head(..) => None,
            Stage::Body(head) => head.take().map(Ok),
            Stage::Refused(why) => why.take().map(Err),
        }
    }

    /// Whether the head is to leave before more is written: the first bytes shall not wait until the queue is full. Less
    /// may still go out in one piece, with its length, if the guest ends soon.
    fn is_due(&self) -> bool {
        matches!(self.stage, Stage::Body(Some(Head::Response(..)))) && self.body.queued() > FIRST
    }

    fn refuse(&mut self, why: Malformed) -> Result<(), StreamError> {
        self.stage = Stage::Refused(Some(why));
        Err(StreamError::Closed)
    }
}

impl Sink for Output {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.stage {
            Stage::Body(_) if self.is_due() => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Stage::Body(_) => self.body.poll_ready(cx),
            Stage::Head(..) | Stage::Refused(_) => Poll::Ready(()),
        }
    }

    fn space(&mut self) -> Result<u64, StreamError> {
        match &self.stage {
            // Never none: a head that is full is refused. Never little either: there are programs that take no notice of
            // a short write, and would lose the rest.
            Stage::Head(bytes, _) => Ok(MAX_HEAD.saturating_sub(bytes.len()).max(FIRST) as u64),
            Stage::Body(_) => {
                let space = self.body.space()?;
                Ok(if space == 0 || self.is_due() { 0 } else { space.max(FIRST as u64) })
            }
            Stage::Refused(_) => Err(StreamError::Closed),
        }
    }

    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        let (head, scan) = match &mut self.stage {
            Stage::Head(head, scan) => (head, scan),
            Stage::Body(_) => return self.body.write(bytes),
            Stage::Refused(_) => return Err(StreamError::Closed),
        };
        // A small guest must not make the host keep more than a head of it twice.
        let before = head.len();
        head.extend_from_slice(&bytes[..bytes.len().min(MAX_HEAD + 1 - before)]);
        let Some((end, body)) = scan.end(head) else {
            return if head.len() > MAX_HEAD { self.refuse(Malformed::TooLarge) } else { Ok(()) };
        };
        match parse(&head[..end]) {
            Ok(head) => {
                match &head {
                    Head::Response(_, fields) => self.body.expect(length(fields), false),
                    // What follows it is not for anybody (6.2.2).
                    Head::LocalRedirect(_) => self.body.discard(),
                }
                self.stage = Stage::Body(Some(head));
                // The body begins in what was written now: the line before was not empty.
                let rest = bytes.slice(body - before..);
                if rest.is_empty() { Ok(()) } else { self.body.write(rest) }
            }
            Err(why) => self.refuse(why),
        }
    }
}

/// Keeps what is written, up to a limit; then writes fail.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) bytes: Vec<u8>,
}

/// More is not collected.
const MAX_COLLECTED: usize = 64 * 1024;

impl Sink for Collected {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn space(&mut self) -> Result<u64, StreamError> {
        match MAX_COLLECTED - self.bytes.len() {
            0 => Err(StreamError::Closed),
            space => Ok(space as u64),
        }
    }

    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        if bytes.len() > MAX_COLLECTED - self.bytes.len() {
            return Err(StreamError::Closed);
        }
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pieces: &[&[u8]]) -> (Option<Result<Head, Malformed>>, Vec<u8>) {
        let body = Exchange::default();
        let mut output = Output::new(body.clone());
        for piece in pieces {
            // A refusal is looked at below.
            let _ = output.write(Bytes::copy_from_slice(piece));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = body.take() {
            bytes.extend_from_slice(&chunk);
        }
        (output.take(), bytes)
    }

    #[test]
    fn the_body_is_what_follows_the_head_however_it_is_cut() {
        let text = b"Status: 200\r\nX-A: 1\r\n\r\n\r\nbody\n\n";
        for cut in 0..=text.len() {
            let (head, body) = written(&[&text[..cut], &text[cut..]]);
            assert!(matches!(head, Some(Ok(Head::Response(..)))), "{head:?} at {cut}");
            assert_eq!(body, b"\r\nbody\n\n", "at {cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(written(&bytes).1, b"\r\nbody\n\n");
    }

    #[test]
    fn a_head_has_a_limit() {
        let line = b"X-A: 0123456789012345678901234567890123456789012345678901234567\n";
        let many = line.repeat(MAX_HEAD / line.len());
        assert_eq!(many.len(), MAX_HEAD);
        let (head, _) = written(&[&many[line.len()..], b"Status: 200\n\n", b"body"]);
        assert!(matches!(head, Some(Ok(_))), "{head:?}");
        let (head, body) = written(&[&many, line, b"\n", b"body"]);
        assert_eq!((head, body), (Some(Err(Malformed::TooLarge)), Vec::new()));
        let mut at_once = many.clone();
        at_once.extend_from_slice(b"Status: 200\n\nbody");
        assert_eq!(written(&[&at_once]).0, Some(Err(Malformed::TooLarge)));
    }

    #[test]
    fn a_guest_that_has_written_some_waits_until_its_head_is_taken() {
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        let mut output = Output::new(Exchange::default());
        output.write(Bytes::from_static(b"Status: 200\n\n")).expect("open");
        output.write(Bytes::from(vec![b'x'; FIRST])).expect("open");
        assert!(output.poll_ready(cx).is_ready());
        output.write(Bytes::from_static(b"x")).expect("open");
        assert!(output.poll_ready(cx).is_pending());
        assert_eq!(output.space().expect("open"), 0);
        assert!(matches!(output.take(), Some(Ok(Head::Response(..)))));
        assert!(output.poll_ready(cx).is_ready());
        assert!(output.space().expect("open") > 0);
    }

    #[test]
    fn nothing_follows_a_local_redirect() {
        let (head, body) = written(&[b"Location: /x\n\nbody", b"more"]);
        assert!(matches!(head, Some(Ok(Head::LocalRedirect(_)))), "{head:?}");
        assert_eq!(body, b"");
    }
}
