//! Task-local storage. aya-ebpf has no type for it; the layout of a BTF map definition is open.

use aya_ebpf::bindings::{
    BPF_F_NO_PREALLOC, BPF_LOCAL_STORAGE_GET_F_CREATE, bpf_map_type::BPF_MAP_TYPE_TASK_STORAGE,
};
use aya_ebpf::helpers::generated::bpf_task_storage_get;
use core::ptr;

use crate::kernel::Task;

/// One `T` per task, freed with it.
#[repr(C)]
pub struct TaskStorage<T> {
    r#type: *const [i32; BPF_MAP_TYPE_TASK_STORAGE as usize],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; BPF_F_NO_PREALLOC as usize],
}

// SAFETY: only a definition; the kernel synchronises the map.
unsafe impl<T> Sync for TaskStorage<T> {}

impl<T> TaskStorage<T> {
    pub const fn new() -> Self {
        Self {
            r#type: ptr::null(),
            key: ptr::null(),
            value: ptr::null(),
            max_entries: ptr::null(),
            map_flags: ptr::null(),
        }
    }

    /// The task's value, if it has one.
    #[inline(always)]
    pub fn get(&self, task: Task) -> Option<*mut T> {
        self.lookup(task, 0)
    }

    /// The task's value, zeroed when it is new; `None` when the kernel has no memory for it.
    #[inline(always)]
    pub fn get_or_create(&self, task: Task) -> Option<*mut T> {
        self.lookup(task, BPF_LOCAL_STORAGE_GET_F_CREATE.into())
    }

    #[inline(always)]
    fn lookup(&self, task: Task, flags: u64) -> Option<*mut T> {
        // SAFETY: the map outlives the program; the verifier checks the task.
        let value = unsafe {
            bpf_task_storage_get(
                ptr::from_ref(self).cast_mut().cast(),
                task.cast(),
                ptr::null_mut(),
                flags,
            )
        };
        (!value.is_null()).then(|| value.cast())
    }
}
