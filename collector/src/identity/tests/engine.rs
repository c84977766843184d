//! An engine that says what a test wants, over the part of Docker's API that the stage uses.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

type Body = BoxBody<Bytes, Infallible>;

/// What the engine answers.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// The containers of the list.
    pub(super) list: Vec<Value>,
    /// Answers to inspection by id; any other id is not found.
    pub(super) inspect: BTreeMap<String, Value>,
    /// Sent in place of the list.
    pub(super) list_text: Option<String>,
    /// Paths that are never answered.
    pub(super) silent: Vec<&'static str>,
    /// What was asked of the event stream so far.
    pub(super) follow_queries: Vec<String>,
    /// Requests so far, query left out.
    pub(super) requests: Vec<String>,
    /// Who follows events.
    pub(super) events: Vec<mpsc::Sender<String>>,
}

/// A running engine; it stops when it is dropped.
#[derive(Debug)]
pub(super) struct Engine {
    script: Arc<Mutex<Script>>,
    /// Counts requests.
    progress: watch::Receiver<usize>,
    server: JoinHandle<()>,
    path: PathBuf,
}

impl Engine {
    /// Listens at `path`.
    pub(super) fn start(path: PathBuf, script: Script) -> Self {
        let script = Arc::new(Mutex::new(script));
        let (count, progress) = watch::channel(0);
        let listener = UnixListener::bind(&path).unwrap();
        let server = tokio::spawn(serve(listener, Arc::clone(&script), Arc::new(count)));
        Self { script, progress, server, path }
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// Sends a line to everyone who follows events, once each connection that listed does.
    pub(super) async fn send(&mut self, line: String) {
        let script = Arc::clone(&self.script);
        let count = |part| {
            let script = script.lock().unwrap();
            script.requests.iter().filter(|path| path.ends_with(part)).count()
        };
        let all_follow = |_: &usize| count("/events") >= count("/containers/json").max(1);
        self.progress.wait_for(all_follow).await.unwrap();
        let followers = self.script().events.clone();
        for follower in followers {
            // Of those that are gone by now nobody is left to hear.
            let _gone = follower.send(format!("{line}\n")).await;
        }
    }

    /// Waits until events were asked for so many times.
    pub(super) async fn followed(&mut self, times: usize) {
        let script = Arc::clone(&self.script);
        let followed = |_: &usize| script.lock().unwrap().follow_queries.len() >= times;
        self.progress.wait_for(followed).await.unwrap();
    }

    /// Waits until a path that contains `part` was asked for.
    pub(super) async fn asked(&mut self, part: &str) {
        let script = Arc::clone(&self.script);
        let asked = || script.lock().unwrap().requests.iter().any(|path| path.contains(part));
        self.progress.wait_for(|_| asked()).await.unwrap();
    }

    /// Ends like an engine that is stopped: connections break, and nobody listens.
    pub(super) async fn stop(mut self) {
        self.server.abort();
        assert!((&mut self.server).await.unwrap_err().is_cancelled());
        std::fs::remove_file(&self.path).unwrap();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    listener: UnixListener,
    script: Arc<Mutex<Script>>,
    count: Arc<watch::Sender<usize>>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (script, count) = (Arc::clone(&script), Arc::clone(&count));
        connections.spawn(async move {
            let answer = service_fn(|request| respond(request, &script, &count));
            let http = hyper::server::conn::http1::Builder::new();
            // The client closes connections as it likes.
            let _closed = http.serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}

async fn respond(
    request: Request<Incoming>,
    script: &Mutex<Script>,
    count: &watch::Sender<usize>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let (is_silent, body) = {
        let mut script = script.lock().unwrap();
        script.requests.push(path.clone());
        if path.ends_with("/events") {
            script.follow_queries.extend(request.uri().query().map(str::to_owned));
        }
        let is_silent = script.silent.iter().any(|part| path.contains(part));
        (is_silent, answer(&mut script, &path))
    };
    count.send_modify(|count| *count += 1);
    if is_silent {
        std::future::pending::<()>().await;
    }
    let missing = || json!({ "message": "No such container" }).to_string();
    let (status, body) = match body {
        Some(body) => (StatusCode::OK, body),
        None => (StatusCode::NOT_FOUND, text(missing())),
    };
    Ok(Response::builder().status(status).body(body).unwrap())
}

fn answer(script: &mut Script, path: &str) -> Option<Body> {
    if path.ends_with("/version") {
        return Some(text(json!({ "ApiVersion": "1.41" }).to_string()));
    }
    if path.ends_with("/events") {
        let (follower, lines) = mpsc::channel(16);
        script.events.push(follower);
        let frames = stream::unfold(lines, async |mut lines| {
            let line = lines.recv().await?;
            Some((Ok(Frame::data(Bytes::from(line))), lines))
        });
        return Some(StreamBody::new(frames).boxed());
    }
    if path.ends_with("/containers/json") {
        let list = || Value::from(script.list.clone()).to_string();
        return Some(text(script.list_text.clone().unwrap_or_else(list)));
    }
    let id = path.strip_suffix("/json")?.rsplit('/').next()?;
    script.inspect.get(id).map(|inspected| text(inspected.to_string()))
}

fn text(text: String) -> Body {
    Full::new(Bytes::from(text)).boxed()
}

/// A line of the event stream.
pub(super) fn event(action: &str, id: &str, attributes: &Value) -> String {
    json!({
        "Type": "container",
        "Action": action,
        "Actor": { "ID": id, "Attributes": attributes },
        "scope": "local",
        "time": 1_700_000_000,
        "timeNano": 1_700_000_000_000_000_000_i64,
    })
    .to_string()
}

/// A container of the list.
pub(super) fn listed(id: &str, name: &str, image: &str, state: &str) -> Value {
    json!({
        "Id": id,
        "Names": ["/other/alias", name],
        "Image": image,
        "ImageID": "sha256:0",
        "Labels": { "a": "b" },
        "State": state,
    })
}

/// The answer to an inspection.
pub(super) fn inspected(id: &str, name: &str, image: &str, state: &str) -> Value {
    json!({
        "Id": id,
        "Name": name,
        "State": { "Status": state },
        "Config": { "Image": image, "Labels": { "a": "b" } },
    })
}
