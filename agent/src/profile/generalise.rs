//! What is accidental in a path: process ids and names made up for one run.

use super::PathPattern;

/// The pattern for a path that was observed: accidental components become `*`.
pub(super) fn path(bytes: &[u8]) -> Option<PathPattern> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut previous = "";
    let components: Vec<String> = text
        .split('/')
        .map(|component| {
            let general = component_of(previous, component);
            previous = component;
            general
        })
        .collect();
    components.join("/").parse().ok()
}

fn component_of(parent: &str, component: &str) -> String {
    let digits = !component.is_empty() && component.bytes().all(|byte| byte.is_ascii_digit());
    if digits && (matches!(parent, "proc" | "task" | "fd") || component.len() >= 3) {
        return "*".to_owned();
    }
    match component.rsplit_once(['.', '-', '_']) {
        Some((stem, suffix)) if is_random(suffix) => {
            let separator = &component[stem.len()..=stem.len()];
            format!("{}{separator}*", globset::escape(stem))
        }
        _ if is_random(component) => "*".to_owned(),
        _ => globset::escape(component),
    }
}

/// `tmp.Xq3Zp0`, `build-8f14e45f`: letters of both cases or hexadecimal digits mixed with digits.
fn is_random(word: &str) -> bool {
    let count = |of: fn(&u8) -> bool| word.as_bytes().iter().filter(|byte| of(byte)).count();
    let (digits, upper, lower) = (
        count(u8::is_ascii_digit),
        count(u8::is_ascii_uppercase),
        count(u8::is_ascii_lowercase),
    );
    if digits + upper + lower != word.len() {
        return false;
    }
    let mixed = word.len() >= 6 && digits >= 1 && upper >= 1 && lower >= 1;
    let hexadecimal = word.len() >= 8 && digits >= 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    mixed || hexadecimal || (digits >= 5 && digits == word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accidental_parts_become_stars_and_others_stay() {
        let general = |text: &str| path(text.as_bytes()).unwrap().as_str().to_owned();
        assert_eq!(general("/proc/4711/exe"), "/proc/*/exe");
        assert_eq!(general("/tmp/tmp.Xq3Zp0aB/run"), "/tmp/tmp.*/run");
        assert_eq!(general("/tmp/build-8f14e45f"), "/tmp/build-*");
        assert_eq!(
            general("/usr/lib/postgresql/15/bin/postgres"),
            "/usr/lib/postgresql/15/bin/postgres"
        );
        assert_eq!(general("/usr/bin/python3.11"), "/usr/bin/python3.11");
        assert_eq!(
            general("/usr/lib/x86_64-linux-gnu/a"),
            "/usr/lib/x86_64-linux-gnu/a"
        );
        assert_eq!(general("/srv/[a]/b"), "/srv/[[]a[]]/b");
    }
}
