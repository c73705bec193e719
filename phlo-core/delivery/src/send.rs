//! One attempt to deliver one message, and what its outcome means.

use std::time::Duration;

use phlo_plugin::retry::retry_after;
use phlo_plugin::{Error, Result};
use phlo_spec::{Code, Redactor};
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response};

use crate::endpoint::Endpoint;
use crate::outbox::Message;

/// A server that wants a longer wait is asked by the next run.
pub(crate) const MAX_WAIT: Duration = Duration::from_mins(5);
/// Of a refusal no more than this is read, in bytes, and shown, in characters.
const MAX_REFUSAL: usize = 4 << 10;
const SHOWN: usize = 200;

/// Why a message was not taken.
#[derive(Debug)]
pub(crate) enum Failure {
    /// And never will be.
    Refused(String),
    /// But may be later, and not before the wait that the server asks for.
    Passing { why: String, wait: Option<Duration> },
}

/// The client of one endpoint.
pub(crate) fn client(endpoint: &Endpoint) -> Result<Client> {
    Client::builder()
        .user_agent(concat!("phlo/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(endpoint.timeout)
        .timeout(endpoint.timeout)
        // A redirect must not take signature and credentials along.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|err| Error::new(Code::ConnectionFailed, "the HTTP client could not be set up").because(err))
}

/// Sends a message once.
pub(crate) async fn send(
    client: &Client,
    endpoint: &Endpoint,
    message: &Message,
    redactor: &Redactor,
) -> Result<(), Failure> {
    let broken = |err: reqwest::Error| {
        let why = if err.is_timeout() {
            format!("no answer within {}", humantime::format_duration(endpoint.timeout))
        } else if err.is_connect() {
            format!("no connection: {}", innermost(&err))
        } else {
            innermost(&err)
        };
        Failure::Passing { why: redactor.clean(&why), wait: None }
    };
    let refused = |why: &str| Failure::Refused(why.to_owned());
    // The moment of this attempt, so that a receiver can refuse what is recorded and replayed.
    let timestamp = chrono::Utc::now().timestamp();
    let mut headers = endpoint.headers.clone();
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    let id = HeaderValue::try_from(&message.id).map_err(|_| refused("its id cannot be a header"))?;
    headers.insert("webhook-id", id);
    headers.insert("webhook-timestamp", timestamp.into());
    if let Some(key) = &endpoint.key {
        let signature = key.sign(&message.id, timestamp, &message.body);
        headers.insert("webhook-signature", HeaderValue::try_from(signature).map_err(|_| refused("no signature"))?);
    }
    let request = client.post(endpoint.url.clone()).headers(headers).body(message.body.clone());
    let response = request.send().await.map_err(broken)?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let header = response.headers().get(RETRY_AFTER).and_then(|header| header.to_str().ok());
    let wait = header.and_then(retry_after);
    let why = match excerpt(response, redactor).await {
        text if text.is_empty() => status.to_string(),
        text => format!("{status}: {text}"),
    };
    Err(match status.as_u16() {
        408 | 429 | 500.. => Failure::Passing { why, wait },
        _ => Failure::Refused(why),
    })
}

/// The beginning of an answer, on one line, without secrets.
async fn excerpt(mut response: Response, redactor: &Redactor) -> String {
    let mut body = Vec::new();
    while body.len() < MAX_REFUSAL
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(MAX_REFUSAL);
    // Cleaned before it is cut: half a secret is not found.
    let text = redactor.clean(&String::from_utf8_lossy(&body));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The cause of all, which alone says something; the layers above it name the URL, which is a secret.
fn innermost(err: &dyn std::error::Error) -> String {
    match err.source() {
        Some(source) => innermost(source),
        None => err.to_string(),
    }
}
