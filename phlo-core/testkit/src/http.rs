//! A small HTTP/1.1 server for tests: a handler answers, the server remembers what was asked. Threads and blocking sockets, so
//! that it serves a test without a runtime as well as one whose runtime is busy.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A request as the server read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query's pairs in order, decoded.
    pub query: Vec<(String, String)>,
    /// The headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; empty unless `content-length` says otherwise.
    pub body: Vec<u8>,
}

impl HttpRequest {
    /// The first value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A query parameter as a number.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.param(name)?.parse().ok()
    }

    /// The first value of a header, whose name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Whole,
    Truncated,
    Never,
}

/// What a handler answers.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    manner: Manner,
}

impl HttpResponse {
    /// An answer with this status and no body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), manner: Manner::Whole }
    }

    /// `200 OK` with JSON.
    pub fn json(value: &serde_json::Value) -> Self {
        Self::status(200).header("content-type", "application/json").body(value.to_string())
    }

    /// No answer at all: the connection stays open until the client closes it or the server ends.
    pub fn never() -> Self {
        Self { manner: Manner::Never, ..Self::status(200) }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Adds a header. `content-length` is written by the server.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Promises the whole body, sends half of it and closes the connection.
    #[must_use]
    pub fn truncated(self) -> Self {
        Self { manner: Manner::Truncated, ..self }
    }
}

type Handler = dyn Fn(&HttpRequest) -> HttpResponse + Send + Sync;

struct Shared {
    handler: Box<Handler>,
    requests: Mutex<Vec<HttpRequest>>,
    connections: Mutex<BTreeMap<u64, TcpStream>>,
    ended: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server on a free port of 127.0.0.1. Dropping it closes every connection.
pub struct HttpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Starts a server that answers each request with what `handler` makes of it. Several connections are served at once.
    ///
    /// # Panics
    /// If no port can be opened.
    pub fn start(handler: impl Fn(&HttpRequest) -> HttpResponse + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of 127.0.0.1 is free");
        let address = listener.local_addr().expect("the listener is bound");
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            requests: Mutex::default(),
            connections: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let acceptor = std::thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, &shared)
        });
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// The URL of a path, e.g. `server.url("/flights")`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far, in the order in which they arrived.
    pub fn requests(&self) -> Vec<HttpRequest> {
        lock(&self.shared.requests).clone()
    }

    /// Waits until this many requests have arrived.
    ///
    /// # Panics
    /// If that takes longer than ten seconds.
    pub async fn asked(&self, requests: usize) {
        let shared = self.shared.clone();
        wait_for("the requests to arrive", move || lock(&shared.requests).len() >= requests).await;
    }

    /// Waits until no client is connected.
    ///
    /// # Panics
    /// If that takes longer than ten seconds.
    pub async fn idle(&self) {
        let shared = self.shared.clone();
        wait_for("the clients to leave", move || lock(&shared.connections).is_empty()).await;
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then closes the others.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

/// Waits on a thread, so that it works in any runtime.
async fn wait_for(what: &'static str, done: impl Fn() -> bool + Send + 'static) {
    let (send, receive) = futures::channel::oneshot::channel();
    std::thread::spawn(move || {
        let start = Instant::now();
        while !done() && start.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = send.send(done());
    });
    assert!(receive.await == Ok(true), "waited ten seconds for {what}");
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    for (id, stream) in (0..).zip(listener.incoming()) {
        if shared.ended.load(Ordering::SeqCst) {
            break;
        }
        let Ok(stream) = stream else { continue };
        let Ok(handle) = stream.try_clone() else { continue };
        lock(&shared.connections).insert(id, handle);
        let shared = shared.clone();
        threads.push(std::thread::spawn(move || {
            // A client that goes away in the middle is the client's affair.
            let _ = serve(&stream, &shared);
            let _ = stream.shutdown(Shutdown::Both);
            lock(&shared.connections).remove(&id);
        }));
    }
    for stream in lock(&shared.connections).values() {
        let _ = stream.shutdown(Shutdown::Both);
    }
    for thread in threads {
        let _ = thread.join();
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(request) = read_request(&mut reader)? {
        lock(&shared.requests).push(request.clone());
        // A handler that fails an assertion must not leave the client waiting for an answer.
        let response = catch_unwind(AssertUnwindSafe(|| (shared.handler)(&request)))
            .unwrap_or_else(|_| HttpResponse::status(500).body("the handler of this test's server panicked"));
        if response.manner == Manner::Never {
            // Answers only the client's leaving.
            reader.read_to_end(&mut Vec::new())?;
            return Ok(());
        }
        let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
        for (name, value) in &response.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "content-length: {}\r\n\r\n", response.body.len());
        let sent = match response.manner {
            // Asked for the head alone.
            _ if request.method == "HEAD" => 0,
            Manner::Truncated => response.body.len() / 2,
            Manner::Whole | Manner::Never => response.body.len(),
        };
        writer.write_all(&[head.as_bytes(), &response.body[..sent]].concat())?;
        if response.manner == Manner::Truncated {
            return Ok(());
        }
    }
    Ok(())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

/// The next request of a connection; nothing when the client has closed it.
fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<HttpRequest>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(std::io::Error::other(format!("not a request line: {line:?}")));
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (method, path) = (method.to_owned(), path.to_owned());
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Some(HttpRequest { method, path, query, headers, body }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(server: &HttpServer, request: &str) -> String {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn it_answers_several_requests_of_a_connection_and_remembers_them() {
        let server = HttpServer::start(|request| HttpResponse::json(&serde_json::json!({"saw": request.path})));
        let two =
            "POST /a%20b?x=1+2&y=%C3%A9 HTTP/1.1\r\nX-Key: v\r\ncontent-length: 3\r\n\r\nabcGET /c HTTP/1.1\r\n\r\n";
        let answer = exchange(&server, two);
        assert_eq!(
            answer.matches("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ").count(),
            2,
            "{answer}"
        );
        assert!(answer.ends_with(r#"{"saw":"/c"}"#), "{answer}");
        let [first, second] = &server.requests()[..] else { panic!("{:?}", server.requests()) };
        assert_eq!((first.method.as_str(), first.path.as_str(), &first.body[..]), ("POST", "/a%20b", &b"abc"[..]));
        assert_eq!((first.param("x"), first.param("y"), first.header("x-key")), (Some("1 2"), Some("é"), Some("v")));
        assert_eq!(second.path, "/c");
    }

    #[test]
    fn a_truncated_answer_promises_more_than_it_sends() {
        let server = HttpServer::start(|_| HttpResponse::status(200).body("0123456789").truncated());
        assert!(exchange(&server, "GET / HTTP/1.1\r\n\r\n").ends_with("content-length: 10\r\n\r\n01234"));
    }

    #[test]
    fn dropping_it_closes_connections_that_were_never_answered() {
        let server = HttpServer::start(|_| HttpResponse::never());
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        drop(server);
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    }
}
