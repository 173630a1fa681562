use super::*;
use crate::container::{ContainerMetadata, ImageRef};
use std::fs;

#[test]
fn shipped_roles_are_read_and_none_is_forgotten() {
    let roles = RoleSet::shipped().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiles/roles");
    assert_eq!(fs::read_dir(folder).unwrap().count(), roles.iter().count());
    for entry in roles.iter().flat_map(|role| &role.forbid) {
        assert!(crate::detect::rule(&entry.rule).is_some(), "{}", entry.rule);
    }
}

#[test]
fn roles_are_recognised_by_name_title_and_command() {
    let roles = RoleSet::shipped().unwrap();
    let role = |reference: &str, title: &str, command: &[&str]| {
        let metadata = ContainerMetadata {
            image: ImageRef {
                reference: reference.into(),
                ..ImageRef::default()
            },
            labels: [("org.opencontainers.image.title".to_owned(), title.to_owned())].into(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            ..ContainerMetadata::default()
        };
        roles.of(&metadata).map(|role| role.name().to_owned())
    };
    assert_eq!(
        role("docker.io/library/postgres:16", "", &[]).as_deref(),
        Some("database")
    );
    assert_eq!(role("bitnami/postgresql", "", &[]).as_deref(), Some("database"));
    assert_eq!(role("acme/x:1", "MariaDB", &[]).as_deref(), Some("database"));
    assert_eq!(
        role("acme/x:1", "", &["/docker-entrypoint.sh", "/usr/bin/mysqld"]).as_deref(),
        Some("database")
    );
    assert_eq!(role("redis:7", "", &[]).as_deref(), Some("cache"));
    assert_eq!(role("nginx", "", &[]).as_deref(), Some("web"));
    assert_eq!(
        role("acme/jump", "", &["/usr/sbin/sshd", "-D"]).as_deref(),
        Some("ssh")
    );
    assert_eq!(role("docker:27-dind", "", &[]).as_deref(), Some("runtime"));
    assert_eq!(
        role(
            "prometheuscommunity/postgres-exporter",
            "",
            &["/bin/postgres_exporter"]
        ),
        None
    );
    assert_eq!(role("node:22", "", &["node", "server.js"]), None);
}

#[test]
fn a_role_is_what_runs_and_not_what_is_spoken_of() {
    let roles = RoleSet::shipped().unwrap();
    let role = |command: &[&str]| {
        let metadata = ContainerMetadata {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            ..ContainerMetadata::default()
        };
        roles.of(&metadata).map(|role| role.name().to_owned())
    };
    for command in [
        &["wait-for", "postgres", "--", "node", "server.js"][..],
        &["/wait-for-it.sh", "mysqld", "--", "/app/server"],
        &["node", "postgres"],
        &["sh", "-c", "pg_isready -h postgres"],
        &["gosu", "postgres", "/app/server"],
        &["tini", "--", "backup", "mysqld"],
        &["env", "DB=postgres", "/app/server"],
        &["sh"],
        &["tini", "-e", "143"],
        &[],
    ] {
        assert_eq!(role(command), None, "{command:?}");
    }
    for command in [
        &["postgres", "-D", "/data"][..],
        &["tini", "-g", "-e", "143", "--", "/usr/bin/postgres"],
        &["dumb-init", "--rewrite", "15:3", "docker-entrypoint.sh", "mysqld"],
        &["/docker-entrypoint.sh", "gosu", "postgres", "postgres"],
        &["/bin/sh", "-ec", "exec su-exec mysql mysqld --user=mysql"],
        &["bash", "/usr/local/bin/docker-entrypoint.sh", "mongod"],
        &["env", "-i", "A=b", "postgres"],
        &["bash", "-e", "-c", "PGDATA=/x postgres"],
    ] {
        assert_eq!(role(command).as_deref(), Some("database"), "{command:?}");
    }
    assert_eq!(
        role(&["dockerd-entrypoint.sh", "--tls"]).as_deref(),
        Some("runtime")
    );
    assert_eq!(role(&["httpd-foreground"]).as_deref(), Some("web"));
}
