//! `/metrics`, `/livez`, `/readyz` (and `/healthz`), `/version`. Read-only; listens on loopback unless told otherwise.

use super::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Why metrics cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error(
        "metrics.listen: cannot listen on {address}: {source}\n  help: stop what listens there, or set \
         `metrics.listen` (VIGIA_METRICS__LISTEN) to another port"
    )]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("metrics: {0}")]
    Serve(#[source] io::Error),
}

/// Whether the agent does what it is there for.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicU8>);

/// What [`Readiness`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Ready {
    /// The programs are not attached yet.
    Starting,
    /// Everything that is required is attached.
    Yes,
    /// The agent runs, but something that is required is not attached.
    Blind,
    /// The kernel programs are attached and do not answer.
    Silent,
    /// The agent detaches.
    Stopping,
}

impl Ready {
    const ALL: [Self; 5] = [
        Self::Starting,
        Self::Yes,
        Self::Blind,
        Self::Silent,
        Self::Stopping,
    ];

    /// In words.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Starting => "kernel programs are not attached",
            Self::Yes => "ok",
            Self::Blind => {
                "a required capability is blind, or somebody changed the sensor: see `agent status` and `agent check`"
            }
            Self::Silent => "kernel programs do not answer: the agent may be blind",
            Self::Stopping => "the agent stops",
        }
    }
}

impl Readiness {
    /// From now on.
    pub fn set(&self, ready: Ready) {
        self.0.store(ready as u8, Ordering::Release);
    }

    /// The same, unless the agent stops.
    pub fn change(&self, ready: Ready) {
        let update = |now| (now != Ready::Stopping as u8).then_some(ready as u8);
        // Refused: it stays as it is.
        let _stopping = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, update);
    }

    /// As it is now.
    #[must_use]
    pub fn get(&self) -> Ready {
        let number = usize::from(self.0.load(Ordering::Acquire));
        Ready::ALL.get(number).copied().unwrap_or(Ready::Starting)
    }

    /// True when everything that is required is attached.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.get() == Ready::Yes
    }
}

/// Takes the port.
///
/// # Errors
/// When it is in use or may not be bound.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, HttpError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| HttpError::Listen { address, source })
}

/// Serves until `stop`.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    stop: CancellationToken,
) -> Result<(), HttpError> {
    let router = Router::new()
        .route("/metrics", get(render))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/healthz", get(ready))
        .route(
            "/version",
            get(|| async { concat!("{\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}\n") }),
        )
        .with_state((metrics, readiness));
    let server = async { axum::serve(listener, router).await };
    tokio::select! {
        // A scraper that keeps its connection open must not delay the end, so there is no graceful part.
        () = stop.cancelled() => Ok(()),
        ended = server => ended.map_err(HttpError::Serve),
    }
}

async fn render(State((metrics, _)): State<(Arc<Metrics>, Readiness)>) -> Response {
    match metrics.render() {
        Ok(text) => (
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
            text,
        )
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn ready(State((_, readiness)): State<(Arc<Metrics>, Readiness)>) -> (StatusCode, String) {
    let ready = readiness.get();
    let status = if ready == Ready::Yes {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, format!("{}\n", ready.reason()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn request(address: SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn ready_only_when_programs_are_attached() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let in_use = bind(address).await.unwrap_err().to_string();
        assert!(
            in_use.contains(&address.to_string()) && in_use.contains("metrics.listen"),
            "{in_use}"
        );
        let (tasks, readiness) = (crate::shutdown::Tasks::new(), Readiness::default());
        let server = serve(
            listener,
            Arc::new(Metrics::new().unwrap()),
            readiness.clone(),
            tasks.token(),
        );
        tasks.spawn("metrics", async move { Ok(server.await?) });
        assert!(request(address, "/livez").await.starts_with("HTTP/1.1 200"));
        assert!(request(address, "/readyz").await.starts_with("HTTP/1.1 503"));
        for (ready, status) in [(Ready::Yes, 200), (Ready::Blind, 503), (Ready::Stopping, 503)] {
            readiness.set(ready);
            let answer = request(address, "/readyz").await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
            assert!(answer.contains(ready.reason()), "{answer}");
        }
        assert!(
            request(address, "/metrics")
                .await
                .contains("vigia_spool_degraded 0")
        );
        assert!(
            tasks
                .drain(std::time::Duration::from_secs(2))
                .await
                .hung
                .is_empty()
        );
    }
}
