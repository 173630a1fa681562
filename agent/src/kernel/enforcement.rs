//! Attaches what denies, while some container's policy asks for it.

use super::backend::{Backend, Hook};
use super::error::KernelError;
use super::feature::Features;
use super::guard::programs;
use super::kept::Kept;
use super::place::{CgroupLinks, place, unload};
use super::plan::{DENIALS, Denial, Means};
use super::refusal::explain;
use agent_common::policy::Section;
use aya::programs::ProgramError;
use aya::{Btf, Ebpf};

/// How a section of profiles can be enforced here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnforcementReport {
    /// Name of the [`Section`], or `escape.…`.
    pub section: &'static str,
    pub means: Means,
    /// What it cannot keep anybody from.
    pub gap: Option<&'static str>,
    /// Why no better way was taken; `None` when the best one was.
    pub reason: Option<String>,
}

/// A way that was taken.
#[derive(Debug)]
struct Attached {
    section: Section,
    denial: &'static Denial,
    reason: Option<String>,
    /// Why it goes with the agent although it was to stay.
    unkept: Option<String>,
}

/// What is attached.
#[derive(Debug)]
pub(super) struct Enforcement {
    features: Features,
    /// Only this backend and worse ones.
    best: Backend,
    attached: Vec<Attached>,
    kept: Kept,
    /// Programs that deny escapes, and why those go with the agent although they were to stay.
    escapes: Vec<&'static str>,
    unkept: Option<String>,
}

/// Programs without which a process that is made, moved or executes has no label: who has none is taken for the host's.
const LABELLING: [&str; 3] = ["sched_process_fork", "cgroup_attach_task", "sched_process_exec"];

impl Enforcement {
    /// Nothing yet. `best`: better backends are not to be used, or do not load.
    pub(super) fn new(features: Features, best: Backend, kept: Kept) -> Self {
        Self {
            features,
            best,
            attached: Vec::new(),
            kept,
            escapes: Vec::new(),
            unkept: None,
        }
    }

    /// Keeps what denies escapes, which is attached: whatever becomes of sections.
    pub(super) fn keep_escapes(&mut self, ebpf: &Ebpf, names: Vec<&'static str>) {
        self.unkept = self.keep(ebpf, &names).err();
        self.escapes = names;
    }

    /// What denies stays, and with it what tells whose a process is that comes later.
    fn keep(&self, ebpf: &Ebpf, names: &[&str]) -> Result<(), String> {
        let programs = programs(ebpf);
        self.kept.pin(&programs, names)?;
        self.kept.pin(&programs, &LABELLING)
    }

    /// Removes what runs before this one left; how many they were.
    pub(super) fn retire(&mut self) -> usize {
        self.kept.retire()
    }

    /// Why something goes with the agent that was to stay.
    pub(super) fn unkept(&self) -> Option<&str> {
        let sections = self.attached.iter().map(|attached| &attached.unkept);
        sections
            .chain([&self.unkept])
            .find_map(|unkept| unkept.as_deref())
    }

    pub(super) fn features(&self) -> &Features {
        &self.features
    }

    /// Attaches what denies by these sections, and detaches what denies by others.
    ///
    /// # Errors
    /// When a section can be enforced in no way: it is named, the others are. Otherwise whether anything changed.
    pub(super) fn set(
        &mut self,
        ebpf: &mut Ebpf,
        links: &mut CgroupLinks,
        wanted: &[Section],
    ) -> Result<bool, KernelError> {
        let before = self.attached.len();
        let (stay, go): (Vec<_>, Vec<_>) = std::mem::take(&mut self.attached)
            .into_iter()
            .partition(|attached| wanted.contains(&attached.section));
        let needed: Vec<&str> = stay
            .iter()
            .flat_map(|attached| attached.denial.programs())
            .chain(self.escapes.iter().copied())
            .collect();
        for Attached { denial, .. } in go {
            // One program may deny by several sections.
            let unneeded = denial
                .programs()
                .into_iter()
                .filter(|program| !needed.contains(program));
            self.kept.unpin(&unneeded.collect::<Vec<_>>());
            detach(ebpf, links, denial.hooks);
        }
        if wanted.is_empty() && self.escapes.is_empty() {
            self.kept.unpin(&LABELLING);
        }
        self.attached = stay;
        let missing: Vec<Section> = wanted
            .iter()
            .filter(|section| !self.attached.iter().any(|attached| attached.section == **section))
            .copied()
            .collect();
        if missing.is_empty() {
            return Ok(self.attached.len() != before);
        }
        let btf = Btf::from_sys_fs().map_err(|error| Box::new(error.into()))?;
        let mut refused = None;
        for section in missing {
            match self.attach(ebpf, links, &btf, section) {
                Ok(attached) => {
                    let pinned = self.keep(ebpf, &attached.denial.programs());
                    self.attached.push(Attached {
                        unkept: pinned.err(),
                        ..attached
                    });
                }
                Err(error) => refused = Some(error),
            }
        }
        if let Some(error) = refused {
            return Err(error);
        }
        Ok(true)
    }

    /// What each section could be enforced by, or why not: tried, and left as it was.
    pub(super) fn possible(
        &mut self,
        ebpf: &mut Ebpf,
        links: &mut CgroupLinks,
    ) -> Vec<(&'static str, Result<EnforcementReport, KernelError>)> {
        let before: Vec<Section> = self.attached.iter().map(|attached| attached.section).collect();
        let mut tried = Vec::new();
        for section in Section::ALL {
            let wanted: Vec<Section> = before.iter().copied().chain([section]).collect();
            let refused = self.set(ebpf, links, &wanted).err().map(Err);
            let attached = self.attached.iter().find(|attached| attached.section == section);
            let outcome = refused.or_else(|| attached.map(|attached| Ok(report(attached))));
            tried.extend(outcome.map(|outcome| (section.name(), outcome)));
        }
        if let Err(error) = self.set(ebpf, links, &before) {
            tracing::debug!(%error, "what denied before does no longer");
        }
        tried
    }

    /// What holds of each section that is enforced now.
    pub(super) fn reports(&self) -> Vec<EnforcementReport> {
        self.attached.iter().map(report).collect()
    }

    fn attach(
        &self,
        ebpf: &mut Ebpf,
        links: &mut CgroupLinks,
        btf: &Btf,
        section: Section,
    ) -> Result<Attached, KernelError> {
        let mut reasons = Vec::new();
        for denial in ways(section, self.best) {
            match self.way(ebpf, links, btf, denial.hooks) {
                Ok(()) => {
                    let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
                    return Ok(Attached {
                        section,
                        denial,
                        reason,
                        unkept: None,
                    });
                }
                Err((program, error)) => reasons.push(format!("{program}: {}", explain(&error))),
            }
        }
        if reasons.is_empty() {
            reasons.push("only security modules can, with BPF in `lsm=`".to_owned());
        }
        Err(KernelError::Unenforceable {
            section: section.name(),
            reason: reasons.join("; "),
        })
    }

    /// All hooks or none.
    fn way(
        &self,
        ebpf: &mut Ebpf,
        links: &mut CgroupLinks,
        btf: &Btf,
        hooks: &'static [Hook],
    ) -> Result<(), (&'static str, ProgramError)> {
        for (done, hook) in hooks.iter().enumerate() {
            match place(ebpf, btf, &self.features, hook) {
                Ok(link) => links.extend(link.map(|link| (hook.program, link))),
                Err(error) => {
                    detach(ebpf, links, &hooks[..=done]);
                    return Err((hook.program, error));
                }
            }
        }
        Ok(())
    }
}

fn ways(section: Section, best: Backend) -> impl Iterator<Item = &'static Denial> {
    let of_section = DENIALS.iter().filter(move |(other, _)| *other == section);
    of_section
        .flat_map(|(_, denials)| denials.iter())
        .filter(move |denial| denial.backend >= best)
}

fn report(attached: &Attached) -> EnforcementReport {
    EnforcementReport {
        section: attached.section.name(),
        means: attached.denial.means,
        gap: attached.denial.gap,
        reason: attached.reason.clone(),
    }
}

fn detach(ebpf: &mut Ebpf, links: &mut CgroupLinks, hooks: &[Hook]) {
    for hook in hooks {
        links.remove(hook.program);
        if let Some(program) = ebpf.program_mut(hook.program)
            && let Err(error) = unload(program)
        {
            tracing::debug!(program = hook.program, %error, "not unloaded");
        }
    }
}
