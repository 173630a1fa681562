//! The agent as a user runs it.

mod command_line;
mod demo;
