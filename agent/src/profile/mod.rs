//! Profiles: what an image may do, as reviewable YAML, and what follows from it.
//!
//! [`Profile`] is the file; [`compile()`] is the single place that makes something of it that decides
//! ([`CompiledProfile`]); [`ProfileSet`] says which profile an image has; [`Learner`] writes one from what a container
//! did; [`Role`] brings rules for images known as a database, a web server, … before anything is learned.
//! All of it is pure except [`store`], which reads folders.

mod arguments;
mod check;
mod compile;
mod dns;
mod error;
mod generalise;
mod image;
mod learn;
mod lint;
mod model;
mod parse;
mod place;
mod role;
mod sensitive;
mod set;
mod standing;
pub mod store;
mod tables;
mod value;

#[cfg(test)]
mod tests;

pub use arguments::ArgumentPatterns;
pub use compile::{CompiledProfile, ConnectQuery, ExecQuery, ListenQuery, ListenVerdict, compile};
pub use dns::DnsName;
pub use error::{Place, ProfileError};
pub use image::{ImageName, ImagePattern};
pub use learn::{Contacted, Learner};
pub use lint::warnings;
pub use model::{
    Capability, Connect, Exec, Files, Listen, Matching, Mode, PathEntry, Profile, ProfileMetadata,
    ProfileState, Provenance, Source,
};
pub use parse::{MAX_PROFILE_BYTES, parse};
pub use place::UniqueKey;
pub use role::{Forbidden, Role, RoleSet};
pub use set::ProfileSet;
pub use standing::{Standing, StandingListener};
pub use tables::{NetworkEntryKey, PathEntryKey, PeerEntry, PolicyTables, PortKey, sensitive_paths};
pub use value::{AddressScope, Cidr, PathPattern, Port, Protocol};
