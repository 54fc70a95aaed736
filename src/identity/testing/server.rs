//! A server of documents on loopback, which can be slow, and can go away.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

/// Far more than anything takes that goes right.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct State {
    /// By path. What is not there is answered with 404.
    documents: BTreeMap<String, String>,
    /// The paths that were asked for.
    asked: Vec<String>,
    /// Whether answers wait.
    held: bool,
    /// Whether connections are closed without an answer.
    stopped: bool,
}

/// The server. Its threads end with the process.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let this = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let this = this.clone();
                thread::spawn(move || this.serve(stream));
            }
        });
        server
    }

    /// `http://` and its address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts a document at a path, or replaces it.
    pub(crate) fn set(&self, path: &str, document: impl Into<String>) {
        self.change(|state| drop(state.documents.insert(path.to_owned(), document.into())));
    }

    /// Takes all documents away.
    pub(crate) fn clear(&self) {
        self.change(|state| state.documents.clear());
    }

    /// From now on, connections are closed without an answer.
    pub(crate) fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    /// Lets answers wait, or go.
    pub(crate) fn hold(&self, held: bool) {
        self.change(|state| state.held = held);
    }

    /// The paths that were asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.0.lock().unwrap().asked.clone()
    }

    /// Waits until so much was asked for.
    #[track_caller]
    pub(crate) fn wait_until_asked(&self, count: usize) {
        let (state, changed) = &*self.state;
        let state = state.lock().unwrap();
        let (state, _) = changed.wait_timeout_while(state, PATIENCE, |state| state.asked.len() < count).unwrap();
        assert!(state.asked.len() >= count, "only {:?} was asked for", state.asked);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.0.lock().unwrap());
        self.state.1.notify_all();
    }

    fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        if stream.read_line(&mut line).is_err() {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        while stream.read_line(&mut line).is_ok_and(|read| read > 2) {}
        self.change(|state| state.asked.push(path.clone()));
        let state = self.state.1.wait_while(self.state.0.lock().unwrap(), |state| state.held).unwrap();
        if state.stopped {
            return;
        }
        let document = state.documents.get(&path).cloned();
        drop(state);
        let (status, body) = document.map_or(("404 Not Found", String::new()), |body| ("200 OK", body));
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        drop(stream.get_mut().write_all((head + &body).as_bytes()));
    }
}
