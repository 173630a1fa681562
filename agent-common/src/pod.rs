//! The one line that lets aya copy each map key and value as bytes.
#![expect(
    unsafe_code,
    reason = "aya::Pod is an unsafe marker; zerocopy has checked the layouts"
)]

use crate::behaviour::{BehaviourKey, BehaviourValue};
use crate::lineage::LineageEntry;
use crate::slot::{CgroupKey, SlotControl, SlotRef, SlotState, TaskLabel};

macro_rules! pod {
    ($($type:ty),* $(,)?) => {$(
        // SAFETY: the type derives zerocopy's FromBytes and IntoBytes: no padding, every bit pattern is valid.
        unsafe impl aya::Pod for $type {}
    )*};
}
pod!(
    BehaviourKey,
    BehaviourValue,
    LineageEntry,
    CgroupKey,
    SlotControl,
    SlotRef,
    SlotState,
    TaskLabel
);
