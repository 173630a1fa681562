//! What the types cannot say, refused while the file is read so that the message has its line and column.

use super::model::{Connect, Matching, Mode};
use super::value::Port;
use crate::detect::Class;
use serde::de::{self, Deserialize, Deserializer};
use std::collections::BTreeMap;

/// Characters of a profile's name: as in Kubernetes.
const MAX_NAME: usize = 253;

pub(super) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(de::Error::custom(format!(
            "metadata.name `{}` must have 1 to {MAX_NAME} characters without spaces",
            name.escape_debug()
        )));
    }
    Ok(name)
}

pub(super) fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let digest = Option::<String>::deserialize(deserializer)?;
    match digest.as_deref().filter(|digest| !is_digest(digest)) {
        Some(wrong) => Err(de::Error::custom(format!(
            "`{}` is no digest; write sha256: and 64 hexadecimal digits",
            wrong.escape_debug()
        ))),
        None => Ok(digest),
    }
}

pub(super) fn capability<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let written = String::deserialize(deserializer)?;
    let upper = written.to_ascii_uppercase();
    let name = if upper.starts_with("CAP_") {
        upper
    } else {
        format!("CAP_{upper}")
    };
    if name.parse::<caps::Capability>().is_err() {
        return Err(de::Error::custom(format!(
            "capability `{}` is not known; write it as CAP_NET_BIND_SERVICE",
            written.escape_debug()
        )));
    }
    Ok(name)
}

pub(super) fn matching<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Matching, D::Error> {
    let matching = Matching::deserialize(deserializer)?;
    let images = matching.digest.is_some() || matching.image_id.is_some() || !matching.images.is_empty();
    if !images && matching.cgroups.is_empty() {
        return Err(de::Error::custom(
            "`match` matches nothing; give `digest`, `image_id`, `images` or `cgroups`",
        ));
    }
    Ok(matching)
}

pub(super) fn modes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Class, Mode>, D::Error> {
    let modes = BTreeMap::<Class, Mode>::deserialize(deserializer)?;
    let denies = |(class, mode): &(&Class, &Mode)| **mode == Mode::Enforce && !ENFORCEABLE.contains(class);
    match modes.iter().find(denies) {
        None => Ok(modes),
        Some((class, _)) => Err(de::Error::custom(format!(
            "profiles do not say what may be done of class `{}`, so it cannot be enforced; `drift`, `listener`, `lateral` and `credential` can",
            class.name()
        ))),
    }
}

pub(super) fn contacts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Connect>, D::Error> {
    let contacts = Vec::<Narrowed>::deserialize(deserializer)?;
    Ok(contacts.into_iter().map(|contact| contact.0).collect())
}

/// Classes whose deviations the kernel can deny.
const ENFORCEABLE: [Class; 4] = [Class::Drift, Class::Listener, Class::Lateral, Class::Credential];

/// A contact that says whom, where or by whom: one that says nothing would allow everything.
struct Narrowed(Connect);

impl<'de> Deserialize<'de> for Narrowed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let contact = Connect::deserialize(deserializer)?;
        let peer = contact.cidr.is_some() || contact.image.is_some() || contact.dns.is_some();
        if peer || contact.port != Port::Any || contact.exe.is_some() {
            return Ok(Self(contact));
        }
        Err(de::Error::custom(
            "this entry allows every contact; give `cidr`, `image`, `dns`, `port` or `exe`",
        ))
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
