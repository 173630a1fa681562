//! Programs: one hook per file.

mod bind;
mod bpf;
mod cgroup_attach_task;
mod cgroup_mkdir;
mod cgroup_rmdir;
mod connect;
mod exec_attempt;
mod file_open;
mod inet_sock_set_state;
mod io_uring;
mod listen;
mod module;
mod mount;
mod mount_exit;
mod names;
mod net;
mod open_attempt;
mod ptrace;
mod rename;
mod sched_process_exec;
mod sched_process_fork;
mod sendmsg;
mod setns;
mod sys_exit;
mod unix_connect;
mod unlink;
