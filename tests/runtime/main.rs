//! Tests on real containers: a private Docker daemon, and runc alone.

mod docker_api;
mod identity;
mod lab;
mod scenario;
