//! The agent as a user runs it.

mod bad_input;
mod command_line;
mod corpus;
mod demo;
mod enforcement;
mod graph;
mod lifecycle;
mod performance;
mod recording;
mod reload;
mod service;
mod surfaces;
mod tampering;
