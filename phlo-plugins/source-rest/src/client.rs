//! One request, answered or explained: credentials, redirects, retries, and what each failure is called.

use std::future::Future;
use std::time::Duration;

use phlo_plugin::prelude::*;
use phlo_plugin::retry::{pause, retry_after};
use phlo_spec::Redactor;
use phlo_spec::event::LogLevel;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LINK, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use url::Url;

use crate::config::{Method, RestConfig, Retry, Timeouts};
use crate::link;

/// A page beyond this is refused: memory must not grow with what a server sends.
const MAX_PAGE_BYTES: usize = 256 << 20;
/// Of a refusal no more than this is read.
const MAX_REFUSAL_BYTES: usize = 64 << 10;
/// Of a refusal no more than this is shown, in characters.
const SHOWN: usize = 200;
/// A server that wants a longer wait is not waited for.
const MAX_WAIT: Duration = Duration::from_mins(5);
const MAX_REDIRECTS: usize = 10;

/// A server's answer.
pub(crate) struct Answer {
    /// What answered, after redirects.
    pub(crate) url: Url,
    /// The target of the `Link` header with `rel=next`, as it stands there.
    pub(crate) next_link: Option<String>,
    /// The body; null if there is none.
    pub(crate) json: Value,
}

/// Asks one API.
pub(crate) struct Client {
    http: reqwest::Client,
    method: Method,
    body: Option<Value>,
    headers: HeaderMap,
    home: Url,
    timeout: Timeouts,
    retry: Retry,
    /// Knows the values of this config's headers.
    redactor: Redactor,
    context: SourceContext,
}

impl Client {
    pub(crate) fn new(config: &RestConfig, context: &SourceContext) -> Result<Self> {
        let redactor = Redactor::default();
        for secret in config.headers.values() {
            redactor.add(secret.expose());
        }
        if let Some(token) = config.token() {
            redactor.add(token);
            context.redactor.add(token);
        }
        let http = reqwest::Client::builder()
            .user_agent(concat!("phlo/", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]))
            .connect_timeout(config.timeout.connect.0)
            .timeout(config.timeout.request.0)
            .gzip(true)
            // Followed here: a redirect to another host must not take the credentials along.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|err| Error::new(Code::ConnectionFailed, "the HTTP client could not be set up").because(err))?;
        Ok(Self {
            http,
            method: config.method,
            body: config.body.clone(),
            headers: config.header_map()?,
            home: config.plan()?.url,
            timeout: config.timeout.clone(),
            retry: config.retry.clone(),
            redactor,
            context: context.clone(),
        })
    }

    /// The same, for a single attempt.
    pub(crate) fn without_retries(mut self) -> Self {
        self.retry.max_attempts = 1;
        self
    }

    /// Asks, and asks again where that can help.
    pub(crate) async fn fetch(&self, url: &Url) -> Result<Answer> {
        let mut attempt = 1;
        loop {
            let err = match self.unless_cancelled(self.attempt(url)).await? {
                Ok(answer) => return Ok(answer),
                Err(err) => err,
            };
            if !err.is_retryable() || attempt >= self.retry.max_attempts {
                // The asset's `retry` would multiply the requests.
                let err = err.given_up();
                return Err(if attempt > 1 { err.with("attempts", attempt) } else { err });
            }
            let pause = pause(self.retry.delay.0, attempt, err.wait());
            let what =
                format!("{}: {err}; attempt {} of {} in {pause:.1?}", shown(url), attempt + 1, self.retry.max_attempts);
            self.warn(&what);
            self.unless_cancelled(tokio::time::sleep(pause)).await?;
            attempt += 1;
        }
    }

    async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            () = self.context.cancel.cancelled() => Err(Error::new(Code::Interrupted, "interrupted")),
            done = work => Ok(done),
        }
    }

    /// One attempt, redirects included.
    async fn attempt(&self, url: &Url) -> Result<Answer> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&url).await?;
            match self.redirect(&response, &url)? {
                Some(target) => url = target,
                None => return self.answer(url, response).await,
            }
        }
        Err(Error::new(Code::RemoteRefused, format!("the server redirects more than {MAX_REDIRECTS} times"))
            .hint("set `base_url` and `endpoint` to where the API is in the end; a login page may be in the way"))
    }

    async fn send(&self, url: &Url) -> Result<Response> {
        let trusted = self.trusts(url);
        let mut request = match self.method {
            Method::Get => self.http.get(url.clone()),
            Method::Post if trusted => self.http.post(url.clone()),
            Method::Post => {
                return Err(Error::new(Code::RemoteRefused, format!("the API leads to another host, {}", host(url)))
                    .hint("a `post` is sent to `base_url`'s host alone, because its body may be secret"));
            }
        };
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        if trusted {
            request = request.headers(self.headers.clone());
        }
        request.send().await.map_err(|err| self.broken(err, url))
    }

    /// Whether credentials may go there: where `base_url` is, or its `https` if it is `http`.
    fn trusts(&self, url: &Url) -> bool {
        let upgraded = self.home.scheme() == "http"
            && url.scheme() == "https"
            && self.home.port().is_none()
            && url.port().is_none();
        url.origin() == self.home.origin() || upgraded && url.host() == self.home.host()
    }

    /// Where the response sends us, if it does.
    fn redirect(&self, response: &Response, url: &Url) -> Result<Option<Url>> {
        let repeats = matches!(response.status().as_u16(), 307 | 308);
        if !repeats && !matches!(response.status().as_u16(), 301..=303) {
            return Ok(None);
        }
        let Some(location) = response.headers().get(LOCATION).and_then(|it| it.to_str().ok()) else { return Ok(None) };
        if self.method == Method::Post && !repeats {
            return Ok(None);
        }
        let target = url.join(location).ok().filter(|it| matches!(it.scheme(), "http" | "https"));
        let refused = || {
            Error::new(Code::RemoteRefused, format!("the server answered {} to nowhere", response.status()))
                .hint("it redirects to what is no http or https URL: check `base_url` and `endpoint`")
        };
        target.map(Some).ok_or_else(refused)
    }

    async fn answer(&self, url: Url, response: Response) -> Result<Answer> {
        let (status, headers) = (response.status(), response.headers().clone());
        if !status.is_success() {
            let (body, _) = self.body(response, &url, MAX_REFUSAL_BYTES).await.unwrap_or_default();
            return Err(self.refusal(status, &headers, &body, &url));
        }
        let (body, whole) = self.body(response, &url, MAX_PAGE_BYTES).await?;
        if !whole {
            return Err(Error::new(
                Code::MalformedData,
                format!("the page is larger than {} MiB", MAX_PAGE_BYTES >> 20),
            )
            .hint("ask for smaller ones with `pagination.page_size`"));
        }
        let next_link = headers.get_all(LINK).iter().find_map(|it| link::next(it.to_str().ok()?)).map(str::to_owned);
        if status == StatusCode::NO_CONTENT {
            return Ok(Answer { url, next_link, json: Value::Null });
        }
        // Nothing where something was promised must not pass for the end of the data.
        if body.is_empty() {
            return Err(Error::new(Code::MalformedData, format!("the server answered {status} and sent nothing"))
                .hint("try again later; an API without more data says so with an empty list or status 204")
                .retryable());
        }
        let json = serde_json::from_slice(&body).map_err(|err| {
            if err.is_eof() {
                return Error::new(Code::MalformedData, "the answer ends in the middle")
                    .with("bytes", body.len())
                    .hint("try again later; if it stays so, something between here and the API cuts long answers: ask for smaller pages")
                    .retryable()
                    .because(err);
            }
            let mut error = Error::new(Code::MalformedData, "the answer is not JSON");
            if let Some(kind) = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()) {
                error = error.with("content type", self.clean(kind));
            }
            error.with("answer", self.excerpt(&body)).hint("check `base_url` and `endpoint`").because(err)
        })?;
        Ok(Answer { url, next_link, json })
    }

    /// The body up to a limit, and whether that is all of it.
    async fn body(&self, mut response: Response, url: &Url, limit: usize) -> Result<(Vec<u8>, bool)> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|err| self.broken(err, url))? {
            if body.len() + chunk.len() > limit {
                body.extend_from_slice(&chunk[..limit - body.len()]);
                return Ok((body, false));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((body, true))
    }

    /// What a status other than success is called.
    fn refusal(&self, status: StatusCode, headers: &HeaderMap, body: &[u8], url: &Url) -> Error {
        let code = match status.as_u16() {
            401 | 403 => Code::AuthFailed,
            404 | 410 => Code::SourceNotFound,
            408 | 429 | 502..=504 => Code::RemoteBusy,
            _ => Code::RemoteRefused,
        };
        let mut error = Error::new(code, format!("the server answered {status}"));
        let excerpt = self.excerpt(body);
        if !excerpt.is_empty() {
            error = error.with("answer", excerpt);
        }
        match code {
            Code::AuthFailed if !self.trusts(url) => error.hint(format!(
                "{} is not `base_url`'s host, so neither `auth_token` nor `headers` were sent to it",
                host(url)
            )),
            Code::AuthFailed if self.headers.is_empty() => {
                error.hint("set `auth_token`, or what the API wants under `headers`")
            }
            Code::AuthFailed => error.hint("check the variable that holds `auth_token` or the value under `headers`"),
            Code::SourceNotFound => error.hint("check `base_url` and `endpoint`"),
            _ if code == Code::RemoteBusy || status.is_server_error() => {
                let hint = "try again later, or raise `retry.max_attempts` and `retry.delay`";
                let asked = headers.get(RETRY_AFTER).and_then(|header| header.to_str().ok());
                match asked.and_then(retry_after) {
                    // Whoever tries again would wait as long.
                    Some(wait) if wait > MAX_WAIT => {
                        let (wait, most) = (humantime::format_duration(wait), humantime::format_duration(MAX_WAIT));
                        error
                            .with("asks to wait", wait)
                            .hint(format!("run again after that; longer than {most} is not waited"))
                    }
                    Some(wait) => error.hint(hint).retry_after(wait),
                    None => error.hint(hint).retryable(),
                }
            }
            _ => error.hint("check `params`, `pagination` and `headers` against the API's documentation"),
        }
    }

    /// What a request without a whole answer is called.
    fn broken(&self, err: reqwest::Error, url: &Url) -> Error {
        let why = self.clean(&innermost(&err));
        if err.is_connect() {
            let host = host(url);
            let message = if err.is_timeout() {
                format!("no connection to {host} within {}", humantime::format_duration(self.timeout.connect.0))
            } else {
                format!("no connection to {host}: {why}")
            };
            return Error::new(Code::ConnectionFailed, message)
                .hint("check that the server runs and that `base_url` is right")
                .retryable();
        }
        if err.is_timeout() {
            let message = format!("no whole answer within {}", humantime::format_duration(self.timeout.request.0));
            return Error::new(Code::RemoteBusy, message)
                .hint("raise `timeout.request`, or ask for smaller pages")
                .retryable();
        }
        Error::new(Code::ConnectionFailed, format!("the answer broke off: {why}"))
            .hint("try again later; if it stays so, look at the server's log or ask for smaller pages")
            .retryable()
    }

    /// Logs what deserves a look.
    pub(crate) fn warn(&self, what: &str) {
        self.context.emitter.log(LogLevel::Warn, self.clean(what));
    }

    /// Text from outside, without secrets.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.context.redactor.clean(&self.redactor.clean(text))
    }

    /// The beginning of an answer, on one line.
    fn excerpt(&self, body: &[u8]) -> String {
        // Cleaned before it is cut: half a secret is not found.
        let text = self.clean(&String::from_utf8_lossy(body));
        cut(&text.split_whitespace().collect::<Vec<_>>().join(" "), SHOWN)
    }
}

/// A URL as it may be shown: without user, query and fragment.
pub(crate) fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), host(url), url.path())
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The beginning of a text, in characters.
pub(crate) fn cut(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The cause of all, which alone says something; the layers above it name reqwest's and hyper's parts, and the URL.
fn innermost(err: &dyn std::error::Error) -> String {
    match err.source() {
        Some(source) => innermost(source),
        None => err.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_has_no_user_and_no_query() {
        let url = Url::parse("https://user:word@a.example:8443/v1/x?key=s3cret#f").unwrap();
        assert_eq!(shown(&url), "https://a.example:8443/v1/x");
    }
}
