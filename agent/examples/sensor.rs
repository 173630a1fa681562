use agent::kernel::*;
fn main() {
    let t = std::time::Instant::now();
    let backend = match std::env::var("VIGIA_BACKEND").as_deref() {
        Ok("lsm") => Some(Backend::Lsm),
        Ok("fentry") => Some(Backend::Fentry),
        Ok("tracepoint") => Some(Backend::Tracepoint),
        _ => None,
    };
    let mut s = match Sensor::load(SensorConfig { backend }) {
        Ok(s) => s,
        Err(e) => {
            println!("LOAD ERROR {e}\n{e:?}");
            std::process::exit(1)
        }
    };
    println!("loaded in {:?}", t.elapsed());
    for r in s.reports() {
        println!(
            "{:<14} {:<10} {:<10} {:?} {}",
            r.capability.name(),
            r.backend.map_or("-", |b| b.name()),
            r.trust.name(),
            r.programs,
            r.reason_not_better.as_deref().unwrap_or("")
        );
    }
    let secs: u64 = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(1);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(secs);
    let mut n = 0;
    while std::time::Instant::now() < end {
        n+=s.rings.drain(&mut |r| match agent::decode::decode(r) { Ok(e)=> { let h=e.header; println!("{:<8} slot={} gen={} pid={}/{} tid={} fl={:#x} ret={} exec={:#x} cg={} uid={} cap={:#x} mnt={} pid={} comm={} | {:?}", h.kind.name(), h.slot,h.generation,h.tgid,h.ns_tgid,h.tid,h.flags.0,h.ret,h.exec_id,h.cgroup_id,h.uid,h.cap_effective,h.mnt_ns,h.pid_ns,String::from_utf8_lossy(&h.comm).trim_end_matches('\0'),e.payload)}, Err(e)=>println!("BAD {e}") });
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    println!("{n} records");
    let t = s.books.read().unwrap();
    for (k, name) in agent_common::event::EventKind::ALL {
        print!("{name}:");
        for (o, on) in agent_common::counter::Outcome::ALL {
            let v = t.get(k, o);
            if v > 0 {
                print!(" {on}={v}");
            }
        }
        println!();
    }
    println!("errors {:?}", t.errors);
    for m in t.mismatches() {
        println!("MISMATCH {m:?}");
    }
    for c in s.slots.in_use() {
        println!(
            "slot {} {} flags={} cgroups={} ns={:?}",
            c.slot,
            String::from_utf8_lossy(c.id()),
            c.state.flags.0,
            c.state.cgroups,
            c.state.namespaces
        );
    }
}
