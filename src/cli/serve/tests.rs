use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::*;

const LONG_BYTES: usize = 32 << 20;

/// A running server: `/` answers at once, `/slow` says that it was `asked` and answers when it is `released`.
struct Running {
    address: SocketAddr,
    stop: UnboundedSender<()>,
    asked: Arc<Notify>,
    released: Arc<Notify>,
    stopped: JoinHandle<Stopped>,
}

impl Running {
    async fn start(limits: Limits) -> Self {
        let server = Server::bind(([127, 0, 0, 1], 0).into(), limits).await.unwrap();
        let address = server.address();
        let (asked, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = {
            let (asked, released) = (asked.clone(), released.clone());
            async move || {
                asked.notify_one();
                released.notified().await;
                "slow"
            }
        };
        let router = Router::new().route("/", get(async || "quick")).route("/slow", get(slow));
        // More than the buffers of both ends take.
        let router = router.route("/long", get(async || "x".repeat(LONG_BYTES)));
        let (stop, stops) = unbounded_channel();
        let stopped = tokio::spawn(server.run(router, stops));
        Self { address, stop, asked, released, stopped }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request and leaves the connection open.
    async fn ask(&self, path: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n").as_bytes()).await.unwrap();
        stream
    }
}

/// Reads until the server closes the connection.
async fn read_to_end(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is cut off may end in a reset, after what was sent.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn what_is_in_flight_at_the_stop_is_answered() {
    let running = Running::start(Limits::default()).await;
    let unused = running.connect().await;
    let mut idle = running.ask("/").await;
    idle.read_exact(&mut [0; 12]).await.unwrap();
    let slow = running.ask("/slow").await;
    running.asked.notified().await;
    running.stop.send(()).unwrap();
    // Connections without a request in flight end at once, which shows that the stop has come through.
    read_to_end(unused).await;
    read_to_end(idle).await;
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
    running.released.notify_one();
    let answer = read_to_end(slow).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("slow"), "{answer}");
    assert_eq!(running.stopped.await.unwrap(), Stopped::Finished);
}

#[tokio::test]
async fn a_second_stop_cuts_off_what_is_in_flight() {
    let running = Running::start(Limits::default()).await;
    let slow = running.ask("/slow").await;
    running.asked.notified().await;
    running.stop.send(()).unwrap();
    running.stop.send(()).unwrap();
    assert_eq!(running.stopped.await.unwrap(), Stopped::CutOff { connections: 1 });
    assert_eq!(read_to_end(slow).await, "");
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut_off() {
    let running = Running::start(Limits { finish_wait_max: Duration::from_millis(50), ..Limits::default() }).await;
    let slow = running.ask("/slow").await;
    running.asked.notified().await;
    running.stop.send(()).unwrap();
    assert_eq!(running.stopped.await.unwrap(), Stopped::CutOff { connections: 1 });
    assert_eq!(read_to_end(slow).await, "");
}

#[tokio::test]
async fn a_client_that_dawdles_over_its_headers_is_cut_off() {
    let running = Running::start(Limits { header_wait_max: Duration::from_millis(50), ..Limits::default() }).await;
    let mut dawdler = running.connect().await;
    dawdler.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    assert!(!read_to_end(dawdler).await.contains("200 OK"));
    let other = running.ask("/").await;
    assert!(read_to_end(other).await.starts_with("HTTP/1.1 200 OK"), "the others are served");
}

#[tokio::test]
async fn headers_without_an_end_are_refused() {
    let running = Running::start(Limits { header_bytes_max: 8 << 10, ..Limits::default() }).await;
    let mut endless = running.connect().await;
    endless.write_all(format!("GET / HTTP/1.1\r\nx: {}\r\n", "x".repeat(8 << 10)).as_bytes()).await.unwrap();
    let answer = read_to_end(endless).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn an_address_in_use_is_said_to_be() {
    let running = Running::start(Limits::default()).await;
    let error = Server::bind(running.address, Limits::default()).await.unwrap_err();
    assert!(matches!(error, ListenError::InUse { .. }), "{error}");
    assert!(error.to_string().starts_with(&format!("{} is in use; stop the program", running.address)), "{error}");
}

/// A client that stops reading is cut off, and what its answer holds is let go.
#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off() {
    let running = Running::start(Limits { write_wait_max: Duration::from_millis(50), ..Limits::default() }).await;
    let lazy = running.ask("/long").await;
    running.stop.send(()).unwrap();
    // The stop waits for what is in flight, and this is as long as nobody ends it.
    assert_eq!(running.stopped.await.unwrap(), Stopped::Finished);
    assert!(read_to_end(lazy).await.len() < LONG_BYTES, "all of it was sent");
}

#[tokio::test]
async fn connections_beyond_the_most_wait_for_their_turn() {
    let running = Running::start(Limits { connections_max: 1, ..Limits::default() }).await;
    let mut first = running.ask("/").await;
    first.read_exact(&mut [0; 12]).await.unwrap();
    let mut second = running.ask("/").await;
    let early = tokio::time::timeout(Duration::from_millis(100), second.read_exact(&mut [0; 12])).await;
    assert!(early.is_err(), "answered while the first is open");
    drop(first);
    second.read_exact(&mut [0; 12]).await.unwrap();
}

#[test]
fn the_cache_keeps_half_of_the_files_for_itself() {
    assert_eq!([Some(1024), Some(1_048_576), Some(1), None].map(connections_max), [512, 4096, 1, 4096]);
}
