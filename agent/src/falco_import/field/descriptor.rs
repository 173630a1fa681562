//! `fd.*` and `fs.path.*`: files and sockets.

use super::super::compare::Operand;
use super::super::deed::Deed;
use super::super::logic::Node;
use super::super::text::{Part, Subject};
use super::{NO_COUNTERPART, number, whole};

/// What the descriptor of a deed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Object {
    File,
    /// The side that is named is the server's.
    Inet {
        server: Side,
        client: Option<Side>,
    },
    Unix,
    None,
}

/// An end of a socket: its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Side {
    address: &'static str,
    port: &'static str,
}

const LOCAL: Side = Side {
    address: "event.local_address",
    port: "event.local_port",
};
const REMOTE: Side = Side {
    address: "event.remote_address",
    port: "event.remote_port",
};
/// Of a descriptor that a program is executed with.
const PEER: Side = Side {
    address: "event.peer_address",
    port: "event.peer_port",
};

fn object(deed: Deed) -> Object {
    match deed {
        Deed::Open => Object::File,
        Deed::Bind | Deed::Listen => Object::Inet {
            server: LOCAL,
            client: None,
        },
        Deed::Connect | Deed::Send => Object::Inet {
            server: REMOTE,
            client: Some(LOCAL),
        },
        Deed::Redirect => Object::Inet {
            server: PEER,
            client: None,
        },
        Deed::UnixBind | Deed::UnixConnect => Object::Unix,
        _ => Object::None,
    }
}

pub(super) fn operand(field: &str, deed: Deed) -> Operand {
    let object = object(deed);
    match field {
        "fs.path.name" | "fs.path.target" | "fs.path.source" => path_of(field, deed),
        "fd.num" if object == Object::File => number("event.ret"),
        "fd.type" | "fd.typechar" => kind(object),
        "fd.nameraw" | "fs.path.nameraw" => {
            Operand::Unknown("paths are known as the kernel resolved them only")
        }
        "fd.dev" | "fd.ino" | "fd.dev.major" | "fd.dev.minor" => Operand::Unknown(NO_COUNTERPART),
        _ => match object {
            Object::File | Object::Unix => of_path(field),
            Object::Inet { server, client } => of_socket(field, server, client, deed),
            Object::None => Operand::Absent,
        },
    }
}

/// What is named, and of two names the one that is asked for.
fn path_of(field: &str, deed: Deed) -> Operand {
    match (field, deed) {
        ("fs.path.source", Deed::Rename | Deed::Link) | ("fs.path.target", Deed::Symlink) => {
            whole("event.path")
        }
        ("fs.path.target", Deed::Rename | Deed::Link) | ("fs.path.source", Deed::Symlink) => {
            whole("event.new_path")
        }
        (
            "fs.path.name",
            Deed::Open
            | Deed::Unlink
            | Deed::Chroot
            | Deed::Chdir
            | Deed::Mknod
            | Deed::Setattr
            | Deed::UnixBind
            | Deed::UnixConnect,
        ) => whole("event.path"),
        ("fs.path.target", Deed::Mount) => whole("event.target"),
        ("fs.path.source", Deed::Mount) => whole("event.source"),
        _ => Operand::Absent,
    }
}

fn of_path(field: &str) -> Operand {
    let path = "event.path";
    match field {
        "fd.name" => whole(path),
        "fd.directory" => Operand::Text(Subject::Part(Part::directory(path))),
        "fd.filename" => Operand::Text(Subject::Part(Part::file_name(path))),
        "fd.ip" | "fd.sip" | "fd.cip" | "fd.rip" | "fd.lip" | "fd.net" | "fd.snet" | "fd.cnet"
        | "fd.rnet" | "fd.lnet" | "fd.port" | "fd.sport" | "fd.cport" | "fd.rport" | "fd.lport"
        | "fd.l4proto" => Operand::Absent,
        _ => Operand::Unknown(NO_COUNTERPART),
    }
}

fn of_socket(field: &str, server: Side, client: Option<Side>, deed: Deed) -> Operand {
    let remote = if server == LOCAL { None } else { Some(server) };
    let local = if server == LOCAL { Some(server) } else { client };
    let address =
        |side: Option<Side>| side.map_or(Operand::Absent, |side| Operand::Address(side.address.to_owned()));
    let port = |side: Option<Side>| side.map_or(Operand::Absent, |side| number(side.port));
    match field {
        // Of two ends that Falco looks at the named one is asked for.
        "fd.ip" | "fd.net" | "fd.sip" | "fd.snet" => address(Some(server)),
        "fd.cip" | "fd.cnet" => address(client),
        "fd.rip" | "fd.rnet" => address(remote),
        "fd.lip" | "fd.lnet" => address(local),
        "fd.port" | "fd.sport" => port(Some(server)),
        "fd.cport" => port(client),
        "fd.rport" => port(remote),
        "fd.lport" => port(local),
        "fd.l4proto" | "fd.rproto" | "fd.sproto" if deed != Deed::Redirect => whole("event.protocol"),
        // Sends that are told name a peer that the socket has not.
        "fd.connected" if deed == Deed::Send => Operand::Flag(Node::Never),
        "fd.name_changed" if deed == Deed::Send => Operand::Flag(Node::Always),
        "fd.name" => Operand::Unknown("the name of a socket is not kept; ask for addresses and ports"),
        "fd.directory" | "fd.filename" => Operand::Absent,
        // What Falco resolves the container has asked for itself.
        "fd.sip.name" | "fd.rip.name" if remote.is_some() => whole("event.peer_name"),
        "fd.sip.name" | "fd.cip.name" | "fd.rip.name" | "fd.lip.name" => {
            Operand::Unknown("names of this side are not known; ask for addresses")
        }
        _ => Operand::Unknown(NO_COUNTERPART),
    }
}

/// Words and letters that Falco has for kinds of descriptors.
fn kind(object: Object) -> Operand {
    let always =
        |words: &[&'static str]| Operand::Words(words.iter().map(|word| (*word, Node::Always)).collect());
    match object {
        Object::File => always(&["file", "f"]),
        Object::Unix => always(&["unix", "u"]),
        Object::Inet { server, .. } => {
            let path = server.address;
            let v6 = Node::call(format!("{path}.contains(\":\")"));
            let v4 = if server == PEER {
                // The peer of what is no such socket is empty.
                Node::call(format!("{path}.contains(\".\")"))
            } else {
                v6.clone().negated()
            };
            Operand::Words(vec![
                ("ipv4", v4.clone()),
                ("4", v4),
                ("ipv6", v6.clone()),
                ("6", v6),
            ])
        }
        Object::None => Operand::Absent,
    }
}
