//! The HTTP endpoint of an operator: `/metrics`, `/healthz`, `/readyz`. Not: what they say, which the agent passes in.
//!
//! One request a connection, of at most [`REQUEST_BYTES`]. Clients past `max_connections` wait in the kernel's backlog.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The most bytes of request line and headers; the answer to more is status 431.
pub const REQUEST_BYTES: usize = 16 << 10;

/// Pause after a failed accept: the usual cause, no free file descriptor, does not go away at once.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What `prometheus_client::encoding::text` writes.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";

/// Where the endpoint listens, and what clients may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections served at a time. With 0 nobody is answered.
    pub max_connections: usize,
    /// What a connection may last, from accept to the last byte of the answer.
    pub connection_timeout: Duration,
}

impl Settings {
    /// The usual limits: 64 connections of 10 seconds.
    pub const fn at(listen: SocketAddr) -> Self {
        Self { listen, max_connections: 64, connection_timeout: Duration::from_secs(10) }
    }
}

/// Why the endpoint cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error(
        "failed to listen on `{listen}`: set `admin.listen` to a free address of this node, or to `off`"
    )]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What the pages say, asked anew at every request.
pub struct Pages {
    /// The metrics, as `prometheus_client::encoding::text` writes them.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Whether the agent does its work; if not, what is missing, a sentence each.
    pub readiness: Box<dyn Fn() -> Result<(), Vec<String>> + Send + Sync>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

/// A listening endpoint.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    settings: Settings,
    pages: Arc<Pages>,
}

impl Admin {
    /// Listens. Nothing is answered before [`Admin::serve`].
    pub async fn bind(settings: Settings, pages: Pages) -> Result<Self, Error> {
        let error = |source| Error::Listen { listen: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).await.map_err(error)?;
        let listen = listener.local_addr().map_err(error)?;
        let settings = Settings { listen, ..settings };
        Ok(Self { listener, settings, pages: Arc::new(pages) })
    }

    /// The address it listens on, with the port that was taken.
    pub const fn listen(&self) -> SocketAddr {
        self.settings.listen
    }

    /// Answers until `stop` is done; then accepts no more, and ends with the last open connection.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self { listener, settings, pages } = self;
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_ended) = connections.join_next() => {}
                stream = accept(&listener), if connections.len() < settings.max_connections => {
                    let limit = settings.connection_timeout;
                    connections.spawn(answer(stream, limit, Arc::clone(&pages)));
                }
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection to the admin endpoint");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the one request of a connection.
async fn answer(stream: TcpStream, limit: Duration, pages: Arc<Pages>) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(request.method(), request.uri().path(), &pages);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(REQUEST_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(limit, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a client of the admin endpoint failed"),
        Err(_elapsed) => tracing::debug!("a client of the admin endpoint was too slow"),
    }
}

fn respond(method: &Method, path: &str, pages: &Pages) -> Response<Full<Bytes>> {
    let page: fn(&Pages) -> Response<Full<Bytes>> = match path {
        "/metrics" => |pages| page(StatusCode::OK, METRICS_TYPE, (pages.metrics)()),
        "/healthz" => |_| text(StatusCode::OK, "ok\n"),
        "/readyz" => |pages| match (pages.readiness)() {
            Ok(()) => text(StatusCode::OK, "ok\n"),
            Err(missing) => text(StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n"),
        },
        _ => return text(StatusCode::NOT_FOUND, "try /metrics, /healthz or /readyz\n"),
    };
    if method == Method::GET {
        return page(pages);
    }
    let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
    refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    refusal
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    page(status, TEXT_TYPE, body)
}

fn page(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
