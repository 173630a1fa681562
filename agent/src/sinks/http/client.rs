//! One client for all: credentials, time-outs, and what an answer means for the alerts.

use crate::config::{Credentials, HttpSink};
use crate::sink::SinkError;
use crate::sinks::failure::{chain, excerpt, retry};
use crate::sinks::{secret, tls};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use std::time::Duration;

/// Of an answer that is read; receivers answer with a few hundred bytes per alert at most.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// Sends to one receiver.
#[derive(Debug)]
pub(super) struct HttpClient {
    client: Client,
    url: String,
    credentials: Credentials,
}

/// A body and how it is to be read.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) content_type: &'static str,
    pub(super) bytes: Vec<u8>,
    /// Beside those of the configuration.
    pub(super) headers: Vec<(&'static str, String)>,
}

impl HttpClient {
    pub(super) fn new(config: &HttpSink) -> Result<Self, SinkError> {
        let action = || format!("reach {}", config.url);
        let tls = if config.url.starts_with("https:") {
            tls::client_config(&config.tls)
        } else {
            tls::without_roots()
        };
        let client = Client::builder()
            .timeout(config.timeout)
            .connect_timeout(config.timeout.min(Duration::from_secs(10)))
            .pool_idle_timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("vigia/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(&config.headers).map_err(|error| retry(action(), error))?)
            // No proxy of the environment: where alerts go is what the configuration says.
            .no_proxy()
            .tls_backend_preconfigured(tls.map_err(|error| retry(action(), error))?)
            .build()
            .map_err(|error| retry(action(), chain(&error)))?;
        Ok(Self {
            client,
            url: config.url.trim_end_matches('/').to_owned(),
            credentials: config.credentials.clone(),
        })
    }

    /// Posts to the configured address and this path behind it. Returns what the receiver answered.
    ///
    /// # Errors
    /// As [`judge`] says, and when there is no answer.
    pub(super) async fn post(&self, path: &str, body: Body) -> Result<Vec<u8>, SinkError> {
        let url = format!("{}{path}", self.url);
        let mut request = self
            .client
            .request(Method::POST, &url)
            .header(CONTENT_TYPE, body.content_type)
            .body(body.bytes);
        for (name, value) in body.headers {
            request = request.header(name, value);
        }
        self.send(&format!("post to {url}"), request).await
    }

    /// Whether the receiver answers at this path: with anything but a failure of its own or a refusal of the credentials.
    ///
    /// # Errors
    /// When it does not.
    pub(super) async fn get(&self, path: &str) -> Result<(), SinkError> {
        let url = format!("{}{path}", self.url);
        let request = self.client.request(Method::GET, &url);
        match self.send(&format!("reach {url}"), request).await {
            Err(SinkError::Reject { .. }) | Ok(_) => Ok(()),
            Err(retry) => Err(retry),
        }
    }

    async fn send(&self, action: &str, request: RequestBuilder) -> Result<Vec<u8>, SinkError> {
        let request = self.authorized(request).map_err(|error| retry(action, error))?;
        let answer = request
            .send()
            .await
            .map_err(|error| retry(action, chain(&error.without_url())))?;
        let status = answer.status();
        let body = read(answer).await;
        judge(status, action, &body)?;
        Ok(body)
    }

    fn authorized(&self, request: RequestBuilder) -> std::io::Result<RequestBuilder> {
        let value = match &self.credentials {
            Credentials::None => return Ok(request),
            Credentials::Token { scheme, file } => format!("{scheme} {}", secret::read(file)?),
            Credentials::Basic {
                username,
                password_file,
            } => {
                let pair = format!("{username}:{}", secret::read(password_file)?);
                format!("Basic {}", STANDARD.encode(pair))
            }
        };
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| std::io::Error::other("the secret holds characters that no header may carry"))?;
        value.set_sensitive(true);
        Ok(request.header(AUTHORIZATION, value))
    }
}

/// What an answer means: taken, never taken, or worth another try. Wrong credentials and addresses are put right by people; until
/// then alerts wait.
///
/// # Errors
/// For anything but success.
pub(super) fn judge(status: StatusCode, action: &str, body: &[u8]) -> Result<(), SinkError> {
    if status.is_success() {
        return Ok(());
    }
    let said = excerpt(body);
    let separator = if said.is_empty() { "" } else { ": " };
    let reason = format!("{status}{separator}{said}");
    match status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            Err(SinkError::Reject { reason })
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(retry(action, format!("{reason} (are the credentials right?)")))
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            Err(retry(action, format!("{reason} (is the url right?)")))
        }
        status if status.is_redirection() => Err(retry(
            action,
            format!("{reason} (redirects are not followed: write the address it leads to)"),
        )),
        _ => Err(retry(action, reason)),
    }
}

/// The answer, or what came of it.
async fn read(mut answer: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    body
}

fn headers(configured: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::with_capacity(configured.len());
    for (name, value) in configured {
        let key = HeaderName::try_from(name).map_err(|_| format!("`{name}` is no name of a header"))?;
        let value = HeaderValue::try_from(value)
            .map_err(|_| format!("the value of the header `{name}` cannot be sent"))?;
        map.insert(key, value);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_rejected(status: u16) -> bool {
        let status = StatusCode::from_u16(status).unwrap();
        matches!(judge(status, "post", b"no"), Err(SinkError::Reject { .. }))
    }

    #[test]
    fn only_what_the_alert_itself_is_to_blame_for_is_given_up() {
        for status in [400, 413, 422] {
            assert!(is_rejected(status), "{status}");
        }
        for status in [301, 401, 403, 404, 405, 408, 429, 500, 502, 503] {
            assert!(!is_rejected(status), "{status}");
            assert!(judge(StatusCode::from_u16(status).unwrap(), "post", b"").is_err());
        }
    }

    #[test]
    fn a_refusal_names_what_to_look_at() {
        let error = judge(StatusCode::UNAUTHORIZED, "post to http://x", b"bad\ntoken").unwrap_err();
        assert_eq!(
            error.to_string(),
            "post to http://x: 401 Unauthorized: bad token (are the credentials right?)"
        );
    }
}
