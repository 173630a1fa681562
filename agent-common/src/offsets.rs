//! Fields of kernel structures that the programs read. One table for both sides: the daemon resolves it
//! from the running kernel's BTF and patches it into the programs' read-only data before they load.

/// Offset of a field that the running kernel does not have; the verifier prunes what depends on it.
pub const MISSING: u32 = u32::MAX;

/// Member path that stands for the size of the structure.
pub const SIZE: &str = "$size";

macro_rules! offsets {
    ($($(#[$meta:meta])* $field:ident: $st:literal . $path:literal $(| $st2:literal . $path2:literal)*;)*) => {
        /// Byte offsets in the running kernel, [`MISSING`] where it has no such field.
        #[repr(C)]
        #[derive(Debug, Clone, Copy)]
        pub struct Offsets { $($(#[$meta])* pub $field: u32),* }

        impl Offsets {
            /// What the object file holds until the daemon patches it.
            pub const UNRESOLVED: Self = Self { $($field: MISSING),* };
            /// Structures that the table names.
            pub const STRUCTS: &'static [&'static str] = &[$($st, $($st2,)*)*];

            /// Resolves every field by `lookup(structure, member path)`, alternatives in order.
            pub fn resolve(mut lookup: impl FnMut(&str, &str) -> Option<u32>) -> Self {
                Self {
                    $($field: lookup($st, $path)$(.or_else(|| lookup($st2, $path2)))*.unwrap_or(MISSING)),*
                }
            }

            /// Fields with their offsets, for diagnosis.
            pub fn list(&self) -> impl Iterator<Item = (&'static str, u32)> + use<> {
                [$((stringify!($field), self.$field)),*].into_iter()
            }
        }
    };
}

offsets! {
    task_tgid: "task_struct"."tgid";
    task_pid: "task_struct"."pid";
    task_flags: "task_struct"."flags";
    /// Where a task says that its program is a 32-bit one: x86's status, the flags of others.
    task_status: "task_struct"."thread_info.status" | "task_struct"."thread_info.flags";
    task_group_leader: "task_struct"."group_leader";
    task_real_parent: "task_struct"."real_parent";
    /// Executions so far, inherited by fork.
    task_self_exec_id: "task_struct"."self_exec_id";
    task_start_boottime: "task_struct"."start_boottime" | "task_struct"."real_start_time";
    task_nsproxy: "task_struct"."nsproxy";
    task_cred: "task_struct"."cred";
    task_real_cred: "task_struct"."real_cred";
    task_io_uring: "task_struct"."io_uring";
    task_cgroups: "task_struct"."cgroups";
    task_mm: "task_struct"."mm";
    task_fs: "task_struct"."fs";
    task_files: "task_struct"."files";
    task_thread_pid: "task_struct"."thread_pid";
    task_ptraced: "task_struct"."ptraced";
    task_ptrace_entry: "task_struct"."ptrace_entry";
    task_comm: "task_struct"."comm";
    mm_arg_start: "mm_struct"."arg_start";
    mm_arg_end: "mm_struct"."arg_end";
    mm_exe_file: "mm_struct"."exe_file";
    nsproxy_uts: "nsproxy"."uts_ns";
    nsproxy_ipc: "nsproxy"."ipc_ns";
    nsproxy_mnt: "nsproxy"."mnt_ns";
    nsproxy_net: "nsproxy"."net_ns";
    nsproxy_time: "nsproxy"."time_ns";
    nsproxy_cgroup: "nsproxy"."cgroup_ns";
    uts_inum: "uts_namespace"."ns.inum";
    ipc_inum: "ipc_namespace"."ns.inum";
    mnt_inum: "mnt_namespace"."ns.inum";
    mnt_ns_root: "mnt_namespace"."root";
    pid_ns_inum: "pid_namespace"."ns.inum";
    net_inum: "net"."ns.inum";
    time_inum: "time_namespace"."ns.inum";
    cgroup_ns_inum: "cgroup_namespace"."ns.inum";
    user_inum: "user_namespace"."ns.inum";
    pid_level: "pid"."level";
    pid_numbers: "pid"."numbers";
    upid_nr: "upid"."nr";
    upid_ns: "upid"."ns";
    upid_size: "upid"."$size";
    cred_euid: "cred"."euid";
    cred_cap_effective: "cred"."cap_effective";
    cred_user_ns: "cred"."user_ns";
    cset_dfl_cgrp: "css_set"."dfl_cgrp";
    cset_subsys: "css_set"."subsys";
    css_cgroup: "cgroup_subsys_state"."cgroup";
    cgroup_kn: "cgroup"."kn";
    cgroup_root: "cgroup"."root";
    root_hierarchy_id: "cgroup_root"."hierarchy_id";
    kn_name: "kernfs_node"."name";
    kn_id: "kernfs_node"."id";
    kn_parent: "kernfs_node"."__parent" | "kernfs_node"."parent";
    bprm_file: "linux_binprm"."file";
    bprm_filename: "linux_binprm"."filename";
    bprm_interp: "linux_binprm"."interp";
    file_f_path: "file"."f_path";
    file_f_inode: "file"."f_inode";
    file_f_flags: "file"."f_flags";
    file_f_mode: "file"."f_mode";
    file_private_data: "file"."private_data";
    path_mnt: "path"."mnt";
    path_dentry: "path"."dentry";
    dentry_name: "dentry"."d_name.name" | "dentry"."__d_name.name";
    dentry_name_len: "dentry"."d_name.len" | "dentry"."__d_name.len";
    dentry_parent: "dentry"."d_parent";
    dentry_inode: "dentry"."d_inode";
    dentry_sb: "dentry"."d_sb";
    inode_ino: "inode"."i_ino";
    inode_generation: "inode"."i_generation";
    inode_sb: "inode"."i_sb";
    inode_mode: "inode"."i_mode";
    inode_nlink: "inode"."i_nlink";
    inode_rdev: "inode"."i_rdev";
    inode_uid: "inode"."i_uid";
    inode_size: "inode"."$size";
    sb_dev: "super_block"."s_dev";
    sb_magic: "super_block"."s_magic";
    sb_root: "super_block"."s_root";
    sb_bdev: "super_block"."s_bdev";
    ovl_vfs_inode: "ovl_inode"."vfs_inode";
    ovl_upperdentry: "ovl_inode"."__upperdentry";
    mount_mnt: "mount"."mnt";
    mount_ns: "mount"."mnt_ns";
    mount_parent: "mount"."mnt_parent";
    mount_mountpoint: "mount"."mnt_mountpoint";
    vfsmount_root: "vfsmount"."mnt_root";
    vfsmount_sb: "vfsmount"."mnt_sb";
    fs_root: "fs_struct"."root";
    fs_pwd: "fs_struct"."pwd";
    files_fdt: "files_struct"."fdt";
    fdt_fd: "fdtable"."fd";
    fdt_max_fds: "fdtable"."max_fds";
    fdt_open_fds: "fdtable"."open_fds";
    socket_sk: "socket"."sk";
    socket_type: "socket"."type";
    sk_family: "sock"."__sk_common.skc_family";
    sk_state: "sock"."__sk_common.skc_state";
    sk_num: "sock"."__sk_common.skc_num";
    sk_dport: "sock"."__sk_common.skc_dport";
    sk_daddr: "sock"."__sk_common.skc_daddr";
    sk_rcv_saddr: "sock"."__sk_common.skc_rcv_saddr";
    sk_v6_daddr: "sock"."__sk_common.skc_v6_daddr";
    sk_v6_rcv_saddr: "sock"."__sk_common.skc_v6_rcv_saddr";
    sk_net: "sock"."__sk_common.skc_net.net";
    sk_type: "sock"."sk_type";
    sk_protocol: "sock"."sk_protocol";
    sk_max_ack_backlog: "sock"."sk_max_ack_backlog";
    sk_peer_pid: "sock"."sk_peer_pid";
    unix_peer: "unix_sock"."peer";
    unix_addr: "unix_sock"."addr";
    unix_path: "unix_sock"."path";
    unix_address_len: "unix_address"."len";
    unix_address_name: "unix_address"."name";
    msghdr_name: "msghdr"."msg_name";
    pid_tasks: "pid"."tasks";
    task_pid_links: "task_struct"."pid_links";
    pid_ns_numbers: "pid_namespace"."idr.idr_rt.xa_head";
    xa_node_shift: "xa_node"."shift";
    xa_node_slots: "xa_node"."slots";
    nsproxy_pid_for_children: "nsproxy"."pid_ns_for_children";
    inode_private: "inode"."i_private";
    proc_pid: "proc_inode"."pid";
    proc_vfs_inode: "proc_inode"."vfs_inode";
    sb_type: "super_block"."s_type";
    fs_type_name: "file_system_type"."name";
    msghdr_name_len: "msghdr"."msg_namelen";
    msghdr_flags: "msghdr"."msg_flags";
    filename_name: "filename"."name";
    io_kiocb_opcode: "io_kiocb"."opcode";
    io_open_dfd: "io_open"."dfd";
    io_open_filename: "io_open"."filename";
    io_open_how: "io_open"."how";
    vma_file: "vm_area_struct"."vm_file";
    cred_cap_inheritable: "cred"."cap_inheritable";
    cred_fsuid: "cred"."fsuid";
    user_uid_map: "user_namespace"."uid_map.extent";
    siginfo_code: "kernel_siginfo"."si_code";
    skb_data: "sk_buff"."data";
    skb_head: "sk_buff"."head";
    skb_sk: "sk_buff"."sk";
    netlink_rcv: "netlink_sock"."netlink_rcv";
    subprocess_path: "subprocess_info"."path";
    subprocess_work: "subprocess_info"."work";
    work_func: "work_struct"."func";
    io_kiocb_cmd: "io_kiocb"."cmd";
    io_rename_old_dfd: "io_rename"."old_dfd";
    io_rename_new_dfd: "io_rename"."new_dfd";
    io_rename_oldpath: "io_rename"."oldpath";
    io_rename_newpath: "io_rename"."newpath";
    io_rename_flags: "io_rename"."flags";
    io_unlink_dfd: "io_unlink"."dfd";
    io_unlink_flags: "io_unlink"."flags";
    io_unlink_filename: "io_unlink"."filename";
    io_link_old_dfd: "io_link"."old_dfd";
    io_link_new_dfd: "io_link"."new_dfd";
    io_link_oldpath: "io_link"."oldpath";
    io_link_newpath: "io_link"."newpath";
    io_kiocb_file: "io_kiocb"."file";
    io_kiocb_flags: "io_kiocb"."flags";
    /// Until the file is found; the result takes no part of it.
    io_kiocb_fd: "io_kiocb"."cqe.fd";
    io_kiocb_result: "io_kiocb"."cqe.res";
    io_kiocb_ring: "io_kiocb"."ctx";
    io_kiocb_async_data: "io_kiocb"."async_data";
    /// The ring's own files: pointers to nodes since 6.13, before that the files themselves.
    ring_files: "io_ring_ctx"."file_table.data.nodes" | "io_ring_ctx"."file_table.files";
    ring_files_count: "io_ring_ctx"."file_table.data.nr" | "io_ring_ctx"."nr_user_files";
    ring_node_file: "io_rsrc_node"."file_ptr";
    io_socket_domain: "io_socket"."domain";
    io_socket_type: "io_socket"."type";
    io_socket_protocol: "io_socket"."protocol";
    io_connect_addr: "io_connect"."addr";
    io_connect_addr_len: "io_connect"."addr_len";
    io_bind_addr_len: "io_bind"."addr_len";
    /// Since 6.10 the kernel's copy of an address is there when the request is submitted.
    io_async_addr: "io_async_msghdr"."addr";
    io_async_vec: "io_async_msghdr"."vec";
    io_xattr_name: "io_xattr"."ctx.kname";
    io_xattr_filename: "io_xattr"."filename";
    io_message: "io_sr_msg"."umsg";
    io_message_flags: "io_sr_msg"."msg_flags";
    io_message_ring_flags: "io_sr_msg"."flags";
    sk_receive_queue: "sock"."sk_receive_queue";
    skb_next: "sk_buff"."next";
    skb_cb: "sk_buff"."cb";
    skb_descriptors: "unix_skb_parms"."fp";
    descriptors_count: "scm_fp_list"."count";
    descriptors_files: "scm_fp_list"."fp";
}
