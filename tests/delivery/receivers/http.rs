//! Receivers that no registry has, Loki and Splunk, by what their documentation says; and a webhook's, which checks the signature.
//! One server in this process: it can be closed and opened again on its port.

use super::free_port;
use crate::scenario::{Receiver, Trial, all_arrive};
use anyhow::{Context, Result, bail};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Body of the answer to a GET.
pub(crate) fn get(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    if !head.contains(" 200 ") {
        bail!("{path}: {head}");
    }
    Ok(body.to_owned())
}

/// A request as it came.
struct Request {
    path: String,
    /// Lower case names.
    head: String,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Status, body, and the alerts that were taken.
type Answer = (u16, Value, Vec<String>);
type Handler = fn(&Request, &AtomicU64) -> Result<Answer>;

/// A server with a handler.
struct Endpoint {
    port: u16,
    handler: Handler,
    received: Arc<Mutex<Vec<String>>>,
    requests: Arc<AtomicU64>,
    running: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Endpoint {
    fn new(handler: Handler) -> Result<Self> {
        Ok(Self {
            port: free_port()?,
            handler,
            received: Arc::default(),
            requests: Arc::default(),
            running: None,
        })
    }
}

impl Receiver for Endpoint {
    fn start(&mut self) -> Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", self.port))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (handler, received, requests) = (
            self.handler,
            Arc::clone(&self.received),
            Arc::clone(&self.requests),
        );
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                // A broken connection is the client's to mend.
                let _served = serve(stream, handler, &received, &requests);
            }
        });
        self.running = Some((stop, thread));
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        if let Some((stop, thread)) = self.running.take() {
            stop.store(true, Ordering::Release);
            TcpStream::connect(("127.0.0.1", self.port))?;
            thread.join().ok().context("the endpoint panicked")?;
        }
        Ok(())
    }

    fn received(&mut self) -> Result<Vec<String>> {
        Ok(self
            .received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone())
    }
}

/// One request per connection.
fn serve(
    stream: TcpStream,
    handler: Handler,
    received: &Mutex<Vec<String>>,
    requests: &AtomicU64,
) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            bail!("cut off");
        }
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let request = Request {
        path,
        head: head.replace("\r\n", "\n"),
        body: Vec::new(),
    };
    let length = request.header("content-length").unwrap_or("0").parse()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request = Request { body, ..request };
    let (status, answer, taken) = match handler(&request, requests) {
        Ok(answer) => answer,
        Err(error) => (400, json!({ "error": error.to_string() }), Vec::new()),
    };
    received
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(taken);
    let answer = answer.to_string();
    write!(
        reader.get_mut(),
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
        answer.len()
    )?;
    Ok(())
}

fn alert_id(alert: &Value) -> Result<String> {
    let id = alert["id"].as_str().context("no id")?;
    Ok(format!("{id}-{}", alert["revision"]))
}

/// A batch of CloudEvents; every third request fails, as an overloaded receiver's would.
fn webhook(request: &Request, requests: &AtomicU64) -> Result<Answer> {
    if requests.fetch_add(1, Ordering::Relaxed) % 3 == 2 {
        return Ok((503, json!({}), Vec::new()));
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(b"s3cret")?;
    mac.update(&request.body);
    let expected: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let said = request.header("x-vigia-signature-256").context("no signature")?;
    if said != format!("sha256={expected}") {
        bail!("the signature is wrong");
    }
    if request.header("content-type") != Some("application/cloudevents-batch+json") {
        bail!("no batch of events");
    }
    let events: Vec<Value> = serde_json::from_slice(&request.body)?;
    let ids = events.iter().map(|event| {
        let id = alert_id(&event["data"])?;
        if event["id"] != id.as_str() || event["specversion"] != "1.0" {
            bail!("no event: {event}");
        }
        Ok(id)
    });
    Ok((202, json!({}), ids.collect::<Result<_>>()?))
}

fn loki(request: &Request, _requests: &AtomicU64) -> Result<Answer> {
    if request.path != "/loki/api/v1/push" || request.header("x-scope-orgid") != Some("team") {
        bail!("{}: no such place", request.path);
    }
    let push: Value = serde_json::from_slice(&request.body)?;
    let mut ids = Vec::new();
    for stream in push["streams"].as_array().context("no streams")? {
        for value in stream["values"].as_array().context("no values")? {
            value[0].as_str().context("no time")?.parse::<u64>()?;
            ids.push(alert_id(&serde_json::from_str(
                value[1].as_str().context("no line")?,
            )?)?);
        }
    }
    Ok((204, Value::Null, ids))
}

/// With indexer acknowledgement: the first question after each batch is answered with "not yet".
fn splunk(request: &Request, requests: &AtomicU64) -> Result<Answer> {
    if request.header("authorization") != Some("Splunk t0ken") {
        return Ok((403, json!({"text": "Invalid token", "code": 4}), Vec::new()));
    }
    request.header("x-splunk-request-channel").context("no channel")?;
    let number = requests.fetch_add(1, Ordering::Relaxed);
    if request.path == "/services/collector/ack" {
        let question: Value = serde_json::from_slice(&request.body)?;
        let id = question["acks"][0].to_string();
        return Ok((200, json!({ "acks": { id: number % 3 == 2 } }), Vec::new()));
    }
    let events = serde_json::Deserializer::from_slice(&request.body).into_iter::<Value>();
    let ids = events
        .map(|event| alert_id(&event?["event"]))
        .collect::<Result<_>>()?;
    Ok((200, json!({"text": "Success", "code": 0, "ackId": 7}), ids))
}

#[test]
fn a_webhook_gets_signed_events() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "s3cret\n").unwrap();
    let mut receiver = Endpoint::new(webhook).unwrap();
    let sink = format!(
        "type: webhook\nurl: http://127.0.0.1:{}/hook\nsecret_file: {}/secret",
        receiver.port,
        dir.path().display()
    );
    all_arrive("webhook", dir.path(), &sink, Trial::of_this_run(), &mut receiver).unwrap();
}

#[test]
fn loki_gets_lines() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Endpoint::new(loki).unwrap();
    let sink = format!(
        "type: loki\nurl: http://127.0.0.1:{}/\ntenant: team",
        receiver.port
    );
    all_arrive("loki", dir.path(), &sink, Trial::of_this_run(), &mut receiver).unwrap();
}

#[test]
fn splunk_acknowledges() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "t0ken").unwrap();
    let mut receiver = Endpoint::new(splunk).unwrap();
    let sink = format!(
        "type: splunk_hec\nurl: http://127.0.0.1:{}\ntoken_file: {}/token",
        receiver.port,
        dir.path().display()
    );
    all_arrive("splunk", dir.path(), &sink, Trial::of_this_run(), &mut receiver).unwrap();
}
