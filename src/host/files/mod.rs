//! `wasi:filesystem`, over cap-std: a guest reaches what lies below the directories that it is given, and nothing else.
//!
//! [`Descriptor`] is an open file or directory with all that can be done with it, in calls that may block; preview1 uses
//! the same.

mod at;
mod descriptor;
mod entries;
mod error;
mod functions;
mod preopen;
mod quota;
mod streams;
mod sys;
mod types;
mod work;

pub use descriptor::{Descriptor, Entries};
pub(in crate::host) use entries::DirectoryEntryStream;
pub use error::ErrorCode;
pub(in crate::host) use functions::{blocks, function};
pub use preopen::{DirSpec, Preopen};
pub use quota::Quota;
pub use types::{Advice, DescriptorFlags, DescriptorType, DirectoryEntry, MetadataHash, NewTimestamp, OpenFlags, Stat};
pub(in crate::host) use work::Background;
