//! Modules of the kernel: those that are loaded, removed, and asked for.

use super::files::same_file;
use super::{Check, Stage, rows, word};
use agent::event::{Module, ModuleOp, Payload};
use agent::kernel::{Capability, Sight};
use anyhow::{Context, Result, ensure};

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Module,
        what: "finit_module of garbage",
        rows: &["module"],
        run: file,
    },
    Check {
        capability: Capability::Module,
        what: "init_module of garbage",
        rows: &["module_data"],
        run: data,
    },
    Check {
        capability: Capability::Module,
        what: "delete_module of what is not there",
        rows: &["module_removal"],
        run: removal,
    },
    Check {
        capability: Capability::Module,
        what: "a module that the kernel asks for",
        rows: &["module_autoload"],
        run: autoload,
    },
];

/// A family of sockets that no kernel has any more, and no other check asks for: Ash.
const UNUSUAL: u32 = 18;

fn changed(op: ModuleOp) -> impl FnMut(&Payload) -> Option<Module> {
    move |payload| match payload {
        Payload::Module(module) if module.op == op => Some(module.clone()),
        _ => None,
    }
}

fn file(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.file("garbage.ko")?;
    let refused = stage
        .container
        .init
        .attempt(&format!("finit-module {}", word(&path)))?;
    ensure!(refused.is_err(), "the kernel took it");
    let (_, Module { op, file, path: said }) = stage.expect(Capability::Module, |payload| match payload {
        Payload::Module(module) => Some(module.clone()),
        _ => None,
    })?;
    ensure!(op == ModuleOp::FINIT, "{op:?}");
    ensure!(said.to_text() == path.to_string_lossy(), "path {said}");
    same_file(&file, &path)
}

fn data(stage: &mut Stage<'_>) -> Result<()> {
    let refused = stage.container.init.attempt("init-module")?;
    ensure!(refused.is_err(), "the kernel took it");
    stage
        .expect(Capability::Module, changed(ModuleOp::INIT))
        .map(drop)
}

/// Seen at the call's return, whatever the backend.
fn removal(stage: &mut Stage<'_>) -> Result<()> {
    let removed = stage.container.init.attempt("delete-module vigia-none")?;
    let errno = removed.err().context("there was one")?;
    let (header, module) = stage.expect_any("delete_module", changed(ModuleOp::DELETE))?;
    ensure!(header.ret == -errno, "result {}", header.ret);
    ensure!(module.path.to_text() == "vigia-none", "{module:?}");
    Ok(())
}

/// A kernel without modules asks for none.
fn autoload(stage: &mut Stage<'_>) -> Result<()> {
    let refused = stage.container.init.attempt(&format!("family {UNUSUAL}"))?;
    ensure!(refused.is_err(), "the kernel knows the family");
    if rows::sight(stage.world.sensor.reports(), "module_autoload")? == Sight::Absent {
        return stage.silent(|payload| changed(ModuleOp::REQUEST)(payload).is_some());
    }
    let (_, module) = stage.expect(Capability::Module, changed(ModuleOp::REQUEST))?;
    ensure!(module.path.to_text() == format!("net-pf-{UNUSUAL}"), "{module:?}");
    Ok(())
}
