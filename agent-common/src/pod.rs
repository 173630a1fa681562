//! The one line that lets aya copy each map key and value as bytes.
#![expect(
    unsafe_code,
    reason = "aya::Pod is an unsafe marker; zerocopy has checked the layouts"
)]

use crate::behaviour::{BehaviourKey, BehaviourValue};
use crate::counter::SlotBooks;
use crate::lineage::{LongLineage, Seed, ShortLineage};
use crate::offsets::Offsets;
use crate::policy::{NetworkKey, PolicyEntry, PolicyKey};
use crate::settings::{CallRule, Settings, SyscallMask};
use crate::slot::{CgroupKey, SlotControl, SlotRef, SlotState, TaskLabel};

macro_rules! pod {
    ($($type:ty),* $(,)?) => {$(
        // SAFETY: the type derives zerocopy's FromBytes and IntoBytes: no padding, every bit pattern is valid.
        unsafe impl aya::Pod for $type {}
    )*};
}
macro_rules! global {
    ($($type:ty),* $(,)?) => {$(
        // SAFETY: `repr(C)` of integers without padding; only ever written to the object, never read back.
        unsafe impl aya::Pod for $type {}
    )*};
}
global!(Offsets, Settings, SyscallMask, CallRule);
pod!(
    BehaviourKey,
    BehaviourValue,
    LongLineage,
    NetworkKey,
    PolicyEntry,
    PolicyKey,
    Seed,
    ShortLineage,
    CgroupKey,
    SlotControl,
    SlotRef,
    SlotState,
    SlotBooks,
    TaskLabel
);
