//! The lab itself: it works in every view of control groups, and leaves nothing behind.

use agent_tests::capability::{Capability, can_run};
use agent_tests::command;
use agent_tests::image::{BUSYBOX, NGINX, Set};
use agent_tests::lab::{CgroupView, Docker, Netns, Runc, hierarchies};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

const DOCKER: [Capability; 2] = [Capability::Root, Capability::Docker];

fn groups_of(name: &str) -> Vec<PathBuf> {
    hierarchies()
        .into_iter()
        .map(|root| root.join(format!("vigia-lab-{name}")))
        .filter(|path| path.exists())
        .collect()
}

fn a_container_runs_in(view: CgroupView) -> Result<()> {
    if !can_run(&DOCKER) {
        return Ok(());
    }
    let docker = Docker::start("lab", view)?;
    docker.load(Set::Busybox)?;
    let said = docker.docker(["run", "--rm", "--privileged", BUSYBOX, "echo", "hello"])?;
    assert_eq!(said, "hello");
    docker.docker(["run", "--detach", "--name", "box", BUSYBOX])?;
    let (folder, name) = (
        docker.folder().to_path_buf(),
        docker.folder().file_name().context("name")?.to_owned(),
    );
    assert!(!groups_of(&name.to_string_lossy()).is_empty());
    docker.stop();
    assert!(!folder.exists(), "{} is left", folder.display());
    assert_eq!(groups_of(&name.to_string_lossy()), Vec::<PathBuf>::new());
    Ok(())
}

#[test]
fn docker_runs_with_the_control_groups_of_the_machine() -> Result<()> {
    a_container_runs_in(CgroupView::Host)
}

#[test]
fn docker_runs_with_one_unified_hierarchy() -> Result<()> {
    a_container_runs_in(CgroupView::V2)
}

#[test]
fn docker_runs_without_unified_hierarchy() -> Result<()> {
    if can_run(&[Capability::CgroupV1]) {
        a_container_runs_in(CgroupView::V1)
    } else {
        Ok(())
    }
}

#[test]
fn service_images_serve() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Docker, Capability::Images]) {
        return Ok(());
    }
    let docker = Docker::start("lab", CgroupView::Host)?;
    docker.load(Set::Services)?;
    docker.docker(["run", "--detach", "--name", "web", NGINX])?;
    let url = format!("http://{}/", docker.address_of("web")?);
    let body = command::wait_until("nginx answers", Duration::from_secs(20), || {
        command::run(docker.in_network("busybox").args(["wget", "-qO-", &url])).ok()
    })?;
    assert_eq!(body, "ok");
    Ok(())
}

#[test]
fn runc_runs_containers_without_a_daemon() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Runc]) {
        return Ok(());
    }
    let runc = Runc::prepare("runc")?;
    let container = runc.start(&["sleep", "1000"])?;
    assert_eq!(container.id.len(), 64);
    assert_eq!(container.exec(&["echo", "hello"])?, "hello");
    let cgroups = std::fs::read_to_string(format!("/proc/{}/cgroup", container.init_pid()?))?;
    assert!(cgroups.contains(&container.id), "{cgroups}");
    Ok(())
}

#[test]
fn network_namespaces_reach_each_other() -> Result<()> {
    if !can_run(&[Capability::Root]) {
        return Ok(());
    }
    let (one, two) = (Netns::create("one")?, Netns::create("two")?);
    one.join(&two, "10.99.0.1/24", "10.99.0.2/24")?;
    command::run(
        one.command("busybox")
            .args(["ping", "-c", "1", "-w", "5", "10.99.0.2"]),
    )?;
    let path = Path::new("/run/netns").join(one.name());
    drop((one, two));
    assert!(!path.exists());
    Ok(())
}
