//! `wasi:filesystem`, over cap-std: a guest reaches what lies below the directories that it is given, and nothing else.
//!
//! [`Descriptor`] is an open file or directory with all that can be done with it, in calls that may block; preview1 uses
//! the same.

mod at;
mod descriptor;
mod error;
mod preopen;
mod sys;
mod types;

pub use descriptor::{Descriptor, Entries};
pub use error::ErrorCode;
pub use preopen::{DirSpec, Preopen};
pub use types::{Advice, DescriptorFlags, DescriptorType, DirectoryEntry, MetadataHash, NewTimestamp, OpenFlags, Stat};
