//! A name server is asked.

use std::io::{self, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

/// Does it; `None`: not one of these.
pub(super) fn perform(words: &[&str]) -> Option<io::Result<i64>> {
    match words {
        ["ask", way, server, message] => Some(ask(way, server, &bytes(message))),
        _ => None,
    }
}

/// Asks, and waits for the answer: its length.
fn ask(way: &str, server: &str, message: &[u8]) -> io::Result<i64> {
    let mut answer = [0; 512];
    let len = match way {
        "tcp" => {
            let mut socket = TcpStream::connect(server)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            let len = u16::try_from(message.len()).map_err(io::Error::other)?;
            socket.write_all(&[&len.to_be_bytes(), message].concat())?;
            socket.read(&mut answer)?
        }
        "connected" => {
            let socket = socket()?;
            socket.connect(server)?;
            socket.send(message)?;
            socket.recv(&mut answer)?
        }
        _ => {
            let socket = socket()?;
            socket.send_to(message, server)?;
            socket.recv(&mut answer)?
        }
    };
    i64::try_from(len).map_err(io::Error::other)
}

fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Of pairs of hexadecimal digits.
fn bytes(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
