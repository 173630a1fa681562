//! Tests on real containers: a private Docker daemon, containerd and Podman, and runc alone.

mod cri;
mod docker_api;
mod identity;
mod image;
mod lab;
mod podman;
mod scenario;
