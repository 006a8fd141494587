//! `cache-api serve`: a plain HTTP/1.1 server. It knows connections and signals, and not what is served.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tower::{Service, ServiceExt};

pub use self::announcement::Announcement;

mod announcement;

/// How long to wait before accepting again where it failed; the reason, too many open files, passes as connections end.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A server that listens and answers nobody yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

/// What a client may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a request line and its headers may take to arrive, and how long a connection may idle.
    pub header_wait_max: Duration,
    /// How many bytes a request line and its headers may have.
    pub header_bytes_max: usize,
    /// How long a client may let an answer wait before it takes more of it.
    pub write_wait_max: Duration,
    /// How many connections may be open at a time; those after them wait to be accepted.
    pub connections_max: usize,
    /// How long what is in flight at the stop may take to finish.
    pub finish_wait_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_wait_max: Duration::from_secs(10),
            // Room for a form of many parameters in the URL, which S3's 1,024 bytes of key do not fill.
            header_bytes_max: 64 << 10,
            write_wait_max: Duration::from_secs(30),
            connections_max: connections_max(getrlimit(Resource::Nofile).current),
            // Whoever stops containers sends SIGKILL 30 s after SIGTERM.
            finish_wait_max: Duration::from_secs(25),
        }
    }
}

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Everything in flight was answered.
    Finished,
    /// These connections were cut off, by a second stop or because they took too long.
    CutOff {
        /// How many.
        connections: usize,
    },
}

/// Why a server cannot listen. Mend the address, or stop who has it.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody listens there.
    #[error("{address} is in use; stop the program that listens there, or write another address with --listen")]
    InUse {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The system refuses.
    #[error("cannot listen on {address}: {cause}; write another address with --listen")]
    Refused {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
}

impl Server {
    /// Listens on `address`; port 0 becomes one that is free.
    ///
    /// # Errors
    /// `InUse`, `Refused`.
    pub async fn bind(address: SocketAddr, limits: Limits) -> Result<Self, ListenError> {
        let refused = |cause: io::Error| match cause.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse { address },
            _ => ListenError::Refused { address, cause },
        };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address, limits })
    }

    /// Where it listens, by its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with `service` until the first of `stops`, then finishes what is in flight; a second one cuts it off.
    pub async fn run<S>(self, service: S, mut stops: UnboundedReceiver<()>) -> Stopped
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
    {
        let http1 = self.limits.http1();
        let service = TowerToHyperService::new(service.map_request(|request: Request<Incoming>| request.map(Body::new)));
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        loop {
            let has_room = connections.len() < self.limits.connections_max;
            tokio::select! {
                accepted = self.listener.accept(), if has_room => match accepted {
                    Ok((stream, _)) => {
                        send_at_once(&stream);
                        let stream = self.limits.watched(stream);
                        let connection = graceful.watch(http1.serve_connection(TokioIo::new(stream), service.clone()));
                        connections.spawn(async move {
                            if let Err(error) = connection.await {
                                tracing::debug!(%error, "a connection ended early");
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                Some(()) = stops.recv() => break,
            }
        }
        drop(self.listener);
        tokio::select! {
            () = graceful.shutdown() => return Stopped::Finished,
            Some(()) = stops.recv() => {}
            () = tokio::time::sleep(self.limits.finish_wait_max) => {}
        }
        while connections.try_join_next().is_some() {}
        Stopped::CutOff { connections: connections.len() }
    }
}

impl Limits {
    fn http1(self) -> http1::Builder {
        let mut http1 = http1::Builder::new();
        http1.timer(TokioTimer::new()).header_read_timeout(self.header_wait_max).max_header_size(self.header_bytes_max);
        http1
    }

    /// Ends with an error once the client has taken nothing for too long.
    fn watched(self, stream: TcpStream) -> Pin<Box<TimeoutStream<TcpStream>>> {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.write_wait_max));
        Box::pin(stream)
    }
}

/// Half of the files that the process may have open, for the cache needs the others, and as many as any machine can do with.
fn connections_max(files_max: Option<u64>) -> usize {
    const ENOUGH: u64 = 4096;
    files_max.map_or(ENOUGH, |files| (files / 2).clamp(1, ENOUGH)) as usize
}

/// A stop for every SIGINT and SIGTERM from now on.
///
/// # Errors
/// What the system says, where it does not let signals be handled.
pub fn stop_signals() -> io::Result<UnboundedReceiver<()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = interrupt.recv() => {}
                Some(()) = terminate.recv() => {}
                else => return,
            }
            tracing::info!("stopping once what is in flight is answered; a second signal cuts it off");
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Switches off the wait for more bytes to send: answers are whole when they are written.
fn send_at_once(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps its delay");
    }
}

#[cfg(test)]
mod tests;
