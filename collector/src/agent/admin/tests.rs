use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Admin, Error, Pages, Settings};

/// An endpoint in a thread of its own.
struct Served {
    listen: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Served {
    fn new(change: impl FnOnce(&mut Settings), pages: Pages) -> Self {
        let mut settings = Settings::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        change(&mut settings);
        let (stop, stopped) = oneshot::channel();
        let (announce, listen) = mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            block_on(async {
                let admin = Admin::bind(settings, pages).await.unwrap();
                announce.send(admin.listen()).unwrap();
                admin.serve(async { stopped.await.unwrap() }).await;
            });
        });
        Self { listen: listen.recv().unwrap(), stop, thread }
    }

    /// A connection over which `text` was sent.
    fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.listen).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    /// Status and body of the answer to a request.
    fn ask(&self, request: &str) -> (u16, String) {
        parse(&read(self.send(&format!("{request} HTTP/1.1\r\nhost: a\r\n\r\n"))))
    }

    fn end(self) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn pages() -> Pages {
    Pages { metrics: Box::new(|| "# EOF\n".to_owned()), readiness: Box::new(|| Ok(())) }
}

fn read(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn parse(answer: &str) -> (u16, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn answers_its_three_pages_and_refuses_the_rest() {
    let served = Served::new(|_| (), pages());
    assert_eq!(served.ask("GET /metrics"), (200, "# EOF\n".to_owned()));
    assert_eq!(served.ask("GET /metrics?name=a"), (200, "# EOF\n".to_owned()));
    assert_eq!(served.ask("GET /healthz"), (200, "ok\n".to_owned()));
    assert_eq!(served.ask("GET /readyz"), (200, "ok\n".to_owned()));
    assert_eq!(served.ask("GET /").0, 404);
    assert_eq!(served.ask("GET /metrics/").0, 404);
    assert_eq!(served.ask("POST /metrics"), (405, "GET only\n".to_owned()));
    served.end();
}

#[test]
fn metrics_say_their_format() {
    let served = Served::new(|_| (), pages());
    let answer = read(served.send("GET /metrics HTTP/1.0\r\n\r\n"));
    let expected = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(answer.contains(expected), "{answer}");
    served.end();
}

#[test]
fn names_what_is_not_ready() {
    let missing = || Err(vec!["probe: not attached".to_owned(), "sink `a`: closed".to_owned()]);
    let served = Served::new(|_| (), Pages { readiness: Box::new(missing), ..pages() });
    assert_eq!(
        served.ask("GET /readyz"),
        (503, "probe: not attached\nsink `a`: closed\n".to_owned())
    );
    assert_eq!(served.ask("GET /healthz").0, 200);
    served.end();
}

#[test]
fn refuses_headers_past_the_limit() {
    let served = Served::new(|_| (), pages());
    let request = |bytes: usize| {
        let fixed = "GET /healthz HTTP/1.1\r\na: \r\n\r\n";
        fixed.replace("a: ", &format!("a: {}", "b".repeat(bytes - fixed.len())))
    };
    assert_eq!(parse(&read(served.send(&request(super::REQUEST_BYTES)))).0, 200);
    // What hyper has not read when it refuses makes the kernel reset the connection: the status may be lost on the way.
    let mut stream = TcpStream::connect(served.listen).unwrap();
    drop(stream.write_all(request(super::REQUEST_BYTES + 8).as_bytes()));
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        Ok(_) => assert_eq!(parse(&answer).0, 431),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    served.end();
}

#[test]
fn a_client_past_the_limit_waits_its_turn() {
    let served = Served::new(|settings| settings.max_connections = 1, pages());
    let first = served.send("");
    let second = served.send("GET /healthz HTTP/1.0\r\n\r\n");
    second.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert_eq!(second.peek(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(first);
    second.set_read_timeout(None).unwrap();
    assert_eq!(parse(&read(second)).0, 200);
    served.end();
}

#[test]
fn with_room_for_nobody_nobody_is_answered() {
    let served = Served::new(|settings| settings.max_connections = 0, pages());
    let mut client = served.send("GET /healthz HTTP/1.0\r\n\r\n");
    served.end();
    let error = client.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let limit = Duration::from_millis(50);
    let served = Served::new(|settings| settings.connection_timeout = limit, pages());
    assert_eq!(read(served.send("GET /healthz HT")), "");
    served.end();
}

#[test]
fn ends_when_the_last_answer_is_sent() {
    let size = 32 << 20;
    let (asked, is_asked) = mpsc::sync_channel(1);
    let metrics = move || {
        asked.send(()).unwrap();
        "m".repeat(size)
    };
    let served = Served::new(|_| (), Pages { metrics: Box::new(metrics), ..pages() });
    let client = served.send("GET /metrics HTTP/1.0\r\n\r\n");
    is_asked.recv().unwrap();
    served.stop.send(()).unwrap();
    assert_eq!(parse(&read(client)).1.len(), size);
    served.thread.join().unwrap();
    assert_eq!(TcpStream::connect(served.listen).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_taken_address_is_named_with_the_remedy() {
    let served = Served::new(|_| (), pages());
    let listen = served.listen;
    let error = block_on(Admin::bind(Settings::at(listen), pages())).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "failed to listen on `{listen}`: set `admin.listen` to a free address of this node, or to `off`"
        )
    );
    let Error::Listen { source, .. } = error;
    assert_eq!(source.kind(), ErrorKind::AddrInUse);
    served.end();
}
