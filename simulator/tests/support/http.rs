//! HTTP without an SDK, for what an SDK hides or would never send.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// The header that every SDK sends; the signature is not verified.
const AUTHORIZATION: &str = "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00\r\n";

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    head: String,
    /// The body, as it came.
    pub(crate) body: String,
}

impl Answer {
    /// A header of the answer.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The error code and the HTTP status.
    pub(crate) fn error(&self) -> (u16, &str) {
        (self.status, self.header("x-amzn-errortype").unwrap_or_default())
    }
}

/// Sends bytes on a connection of their own, and returns the bytes that come back until the connection is closed.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// A call as an SDK would sign it.
pub(crate) fn call(address: SocketAddr, method: &str, target: &str, body: &str) -> Answer {
    send(address, method, target, AUTHORIZATION, body)
}

/// A request with these headers, each ended by CRLF.
pub(crate) fn send(address: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> Answer {
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: simulator\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = String::from_utf8(exchange(address, request.as_bytes())).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
