//! Services that hand out credentials or control, and those that nobody in a container has business with.

use super::DNS;
use super::contact::Contact;
use crate::detect::rules::lateral;
use crate::detect::{DetectContext, Finding, Rule, Severity};
use crate::event::{BootTime, FileOpen, canonical, is_internal};
use crate::profile::Protocol;
use bstr::ByteSlice;
use std::time::Duration;

/// Metadata services of clouds: AWS, Azure, GCP, OpenStack; their IPv6 forms; ECS and EKS; Alibaba; Oracle; Azure's wire.
const METADATA_SERVICES: [&str; 8] = [
    "169.254.169.254",
    "fd00:ec2::254",
    "fd20:ce::254",
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
];
/// Where pools of miners are, inside as well as outside.
const POOLS: [u16; 5] = [3333, 5555, 7777, 14_444, 45_700];
/// The same, but within a network it is many a service's.
const OUTER_POOL: u16 = 4444;
/// Who read the token uses it within this time.
const TOKEN_USE: Duration = Duration::from_secs(60);

/// When the container read the token of its service account.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Token {
    read: Option<BootTime>,
}

impl Token {
    pub(super) fn was_read(&mut self, at: BootTime) {
        self.read = Some(at);
    }

    fn is_fresh(self, now: BootTime) -> bool {
        self.read.is_some_and(|read| now.since(read) < TOKEN_USE)
    }
}

/// The token of the pod's service account is opened for reading, by the mount's path or by what its links lead to.
pub(super) fn is_token(context: &DetectContext<'_>, open: &FileOpen) -> bool {
    const FOLDER: &[u8] = b"/serviceaccount/..";
    let path: &[u8] = &open.path.bytes;
    let in_place = path.ends_with(b"/serviceaccount/token");
    let behind_links = path.ends_with(b"/token") && path.contains_str(FOLDER);
    (in_place || behind_links) && open.reads() && context.event.raw.header.ret >= 0
}

impl Contact<'_> {
    /// Services that hand out credentials or control.
    pub(super) fn control_plane(&self, token: Token) -> Option<Finding> {
        let (rule, what) = self.service().or_else(|| self.after_token(token))?;
        let summary = format!(
            "{} in {} contacted {what} at {}",
            self.context.actor(),
            self.context.container_name(),
            self.place()
        );
        let severity = if self.is_related() && self.is_meant_for(rule) {
            Severity::Low
        } else {
            rule.severity
        };
        Some(Finding::new(rule, self.address.to_string(), summary).severity(severity))
    }

    fn service(&self) -> Option<(&'static Rule, &'static str)> {
        let metadata = |text: &&str| text.parse().map(canonical) == Ok(self.address);
        // Clouds resolve names at the same addresses (168.63.129.16, and 169.254.169.254 of GCP).
        if self.port != DNS && METADATA_SERVICES.iter().any(metadata) {
            return Some((&lateral::METADATA_SERVICE, "the cloud's metadata service"));
        }
        let mut api = self.context.host.kubernetes_api.iter();
        if api.any(|api| canonical(api.ip()) == self.address && api.port() == self.port) {
            return Some((&lateral::KUBERNETES_API, "the Kubernetes API"));
        }
        match (self.proto, self.port) {
            (Protocol::Tcp, 6443) => Some((&lateral::KUBERNETES_API, "a Kubernetes API")),
            (Protocol::Tcp, 10_250 | 10_255) => Some((&lateral::KUBELET, "a kubelet")),
            (Protocol::Tcp, 2379 | 2380) => Some((&lateral::ETCD, "an etcd")),
            (Protocol::Tcp, 2375..=2377) => Some((&lateral::DOCKER_API, "a Docker API")),
            _ => None,
        }
    }

    /// Where nobody told the agent where the API is: what is contacted with the token in hand.
    fn after_token(&self, token: Token) -> Option<(&'static Rule, &'static str)> {
        let here = self.proto == Protocol::Tcp && self.port == 443 && is_internal(self.address);
        let unknown = self.context.host.kubernetes_api.is_empty();
        (here && unknown && token.is_fresh(self.context.time())).then_some((
            &lateral::KUBERNETES_API,
            "what is likely the Kubernetes API, after the pod's token was read,",
        ))
    }

    /// The peer's image shows that it is there to serve this: a client beside it is no stranger.
    fn is_meant_for(&self, rule: &Rule) -> bool {
        const CLUSTERS: &[&str] = &["k3s", "kind", "kube"];
        let words: &[&str] = if rule.id == lateral::DOCKER_API.id {
            &["docker", "dind"]
        } else if rule.id == lateral::ETCD.id {
            &["etcd", "k3s", "kind", "kube"]
        } else {
            CLUSTERS
        };
        let image = self.peer_image();
        words.iter().any(|word| image.contains(word))
    }

    /// Ports at which miners are given their work.
    pub(super) fn mining_pool(&self) -> Option<Finding> {
        let inner = self.peer.is_some() || is_internal(self.address);
        let pool = POOLS.contains(&self.port) || self.port == OUTER_POOL && !inner;
        if self.proto != Protocol::Tcp || !pool || self.is_declared() {
            return None;
        }
        let summary = format!(
            "{} in {} contacted {}, a port of mining pools",
            self.context.actor(),
            self.context.container_name(),
            self.place()
        );
        Some(Finding::new(
            &lateral::MINING_POOL,
            self.address.to_string(),
            summary,
        ))
    }
}
