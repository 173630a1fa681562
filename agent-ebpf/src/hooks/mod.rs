//! Programs: one hook per file.

mod bind;
mod cgroup_attach_task;
mod cgroup_mkdir;
mod cgroup_rmdir;
mod connect;
mod file_open;
mod inet_sock_set_state;
mod listen;
mod net;
mod sched_process_exec;
mod sched_process_fork;
mod sendmsg;
mod sys_exit;
