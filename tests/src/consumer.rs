//! A consumer of events on 127.0.0.1, for programs that post to one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

/// Answers each POST with the next status of a list, the last one for ever.
#[derive(Debug)]
pub struct Consumer {
    /// Its address.
    pub url: String,
    bodies: Mutex<mpsc::Receiver<String>>,
}

impl Consumer {
    /// A consumer on a port that is free. It lives as long as the process.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/events", listener.local_addr().expect("an address"));
        let (sender, bodies) = mpsc::channel();
        let answered = Arc::new(Mutex::new(0));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (sender, answered) = (sender.clone(), Arc::clone(&answered));
                std::thread::spawn(move || answer(stream, statuses, &answered, &sender));
            }
        });
        Self { url, bodies: Mutex::new(bodies) }
    }

    /// The body of the next request. Waits for it.
    ///
    /// # Panics
    /// When none comes.
    pub fn next_body(&self) -> String {
        let bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.recv_timeout(std::time::Duration::from_secs(30)).expect("a request")
    }
}

fn answer(stream: TcpStream, statuses: &[u16], answered: &Mutex<usize>, bodies: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let mut answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
    let status = statuses[(*answered).min(statuses.len() - 1)];
    *answered += 1;
    // Whoever waits for the body must find the answer under way.
    let head = format!("HTTP/1.1 {status} Status\r\ncontent-length: 5\r\nconnection: close\r\n\r\nnoted");
    let _ = reader.get_mut().write_all(head.as_bytes());
    let _ = bodies.send(String::from_utf8_lossy(&body).into_owned());
}
