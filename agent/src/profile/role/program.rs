//! Which words of a container's command are programs: the one that it runs, and those that only start it. What follows
//! a program is its own business: `wait-for postgres -- node server.js` runs no database.

/// Inits and launchers: options, then a command.
const LAUNCHERS: [&str; 12] = [
    "tini",
    "tini-static",
    "dumb-init",
    "catatonit",
    "docker-init",
    "exec",
    "nice",
    "ionice",
    "nohup",
    "setpriv",
    "numactl",
    "stdbuf",
];
/// Switches of the user: options, a user, then a command.
const SWITCHES: [&str; 5] = ["gosu", "su-exec", "setuidgid", "s6-setuidgid", "chpst"];
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ash", "busybox"];

/// Base names of the programs, in the order in which they start each other.
pub(super) fn programs(command: &[String]) -> Vec<&str> {
    let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut programs = Vec::new();
    while let Some(at) = words.iter().position(|word| !is_assignment(word)) {
        let program = base(words[at]);
        let rest = &words[at + 1..];
        programs.push(program);
        words = match started(program, rest) {
            Some(next) => next,
            None => break,
        };
    }
    programs
}

/// The command that `program` starts; `None` when it is no program that starts others.
fn started<'a>(program: &str, rest: &[&'a str]) -> Option<Vec<&'a str>> {
    if SHELLS.contains(&program) {
        return Some(of_shell(rest));
    }
    let after = without_options(rest);
    if SWITCHES.contains(&program) {
        return Some(after.get(1..).unwrap_or_default().to_vec());
    }
    let starts = program == "env" || program.contains("entrypoint") || LAUNCHERS.contains(&program);
    starts.then(|| after.to_vec())
}

/// The text behind `-c` (also `-ec`, `-lc`), else the script that it reads.
fn of_shell<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    match rest {
        [option, text, ..] if is_option(option) && option.ends_with('c') => {
            text.split_ascii_whitespace().collect()
        }
        [option, rest @ ..] if is_option(option) => of_shell(rest),
        script => script.to_vec(),
    }
}

/// Without leading options and the values that inits take: a number, a signal, `15:3`.
fn without_options<'a, 'b>(words: &'b [&'a str]) -> &'b [&'a str] {
    let is_value = |word: &str| {
        word.starts_with("SIG") || word.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
    };
    match words {
        ["--", rest @ ..] => rest,
        [option, value, rest @ ..] if is_option(option) && is_value(value) => without_options(rest),
        [option, rest @ ..] if is_option(option) => without_options(rest),
        rest => rest,
    }
}

fn is_option(word: &str) -> bool {
    word.starts_with('-')
}

/// `NAME=value` before a program.
fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}
