//! Real programs and real system calls, in control groups that the tests make. The `vm` tier runs the same binary on
//! other kernels, with `VIGIA_TEST_BACKEND` naming the backend that must be in use there (`lsm` or `fentry`).

mod cgroup;
