//! The functions of `wasi:filesystem`. All that ask the system do so away from the executor's thread.

use super::streams::{FileSink, FileSource};
use super::types::{Advice, DescriptorFlags, MetadataHash, NewTimestamp, OpenFlags, Stat};
use super::work::job;
use super::{Descriptor, DirectoryEntryStream, ErrorCode, entries};
use crate::host::handles::Resource;
use crate::host::io::{InputStream, IoError, OutputStream, drop_of};
use crate::host::value::Value;
use crate::host::{Run, State, Step, Trap, arg, done, handle};
use bytes::Bytes;
use std::io;
use std::time::{Duration, SystemTime};

pub(in crate::host) fn function(interface: &str, name: &str) -> Option<Run> {
    match interface {
        "wasi:filesystem/preopens" => (name == "get-directories").then_some(get_directories),
        "wasi:filesystem/types" => object(name).or_else(|| streams(name)).or_else(|| paths(name)).or_else(|| two(name)),
        _ => None,
    }
}

/// Functions that ask the system.
pub(in crate::host) fn blocks(interface: &str, name: &str) -> bool {
    interface == "wasi:filesystem/types" && name.starts_with("[method]") && name != "[method]descriptor.get-flags"
}

/// Functions of the open file or directory itself.
fn object(name: &str) -> Option<Run> {
    Some(match name.strip_prefix("[method]descriptor.")? {
        "advise" => |s, a| {
            let (offset, length) = (arg(a, 1)?.u64()?, arg(a, 2)?.u64()?);
            let (case, _) = arg(a, 3)?.as_case()?;
            let advice = *Advice::ALL.get(case as usize).ok_or_else(|| Trap::new("an unknown advice"))?;
            unit(s, a, move |d| d.advise(offset, length, advice))
        },
        "sync-data" => |s, a| unit(s, a, |d| d.sync_data()),
        "sync" => |s, a| unit(s, a, |d| d.sync()),
        "get-flags" => |s, a| {
            let flags = descriptor(s, a)?.flags();
            done(Value::ok(flags.bits()))
        },
        "get-type" => |s, a| value(s, a, |d| d.descriptor_type().map(|ty| Value::case(ty as u32))),
        "set-size" => |s, a| {
            let size = arg(a, 1)?.u64()?;
            unit(s, a, move |d| d.set_size(size))
        },
        "set-times" => |s, a| {
            let times = (timestamp(arg(a, 1)?)?, timestamp(arg(a, 2)?)?);
            unit(s, a, move |d| d.set_times(times.0?, times.1?))
        },
        "read" => |s, a| {
            let (length, offset) = (arg(a, 1)?.u64()?, arg(a, 2)?.u64()?);
            value(s, a, move |d| {
                let bytes = d.read_at(usize::try_from(length).unwrap_or(usize::MAX), offset)?;
                let end = bytes.is_empty();
                Ok(Value::Record(vec![bytes.into(), end.into()]))
            })
        },
        "write" => |s, a| {
            let (bytes, offset): (Bytes, u64) = (arg(a, 1)?.bytes()?.clone(), arg(a, 2)?.u64()?);
            value(s, a, move |d| d.write_at(&bytes, offset).map(|written| Value::from(written as u64)))
        },
        "read-directory" => |s, a| entries::read_directory(s, handle(a, 0)?),
        "stat" => |s, a| value(s, a, |d| d.stat().map(|stat| stat_value(&stat))),
        "metadata-hash" => |s, a| value(s, a, |d| d.metadata_hash().map(hash_value)),
        _ => return None,
    })
}

/// Functions of streams, and drops.
fn streams(name: &str) -> Option<Run> {
    Some(match name {
        "[method]descriptor.read-via-stream" => |s, a| {
            let offset = arg(a, 1)?.u64()?;
            let background = s.background.clone();
            call(
                s,
                handle(a, 0)?,
                move |d| if d.is_directory() { Err(ErrorCode::IsDirectory.into()) } else { Ok(d.clone()) },
                move |s, d| {
                    s.push(Resource::InputStream(InputStream(Box::new(FileSource::new(d, background, offset)))))
                },
            )
        },
        "[method]descriptor.write-via-stream" => |s, a| {
            let offset = arg(a, 1)?.u64()?;
            write_via_stream(s, handle(a, 0)?, Some(offset))
        },
        "[method]descriptor.append-via-stream" => |s, a| write_via_stream(s, handle(a, 0)?, None),
        "[method]directory-entry-stream.read-directory-entry" => |s, a| entries::read_entry(s, handle(a, 0)?),
        "[resource-drop]descriptor" => |s, a| drop_of::<Descriptor>(s, a),
        "[resource-drop]directory-entry-stream" => |s, a| drop_of::<DirectoryEntryStream>(s, a),
        "filesystem-error-code" => |s, a| {
            let code = match s.handles.get::<IoError>(handle(a, 0)?)? {
                IoError::System(error) => Some(code(error)),
                IoError::Other(_) | IoError::Http(..) => None,
            };
            done(Value::option(code))
        },
        _ => return None,
    })
}

/// Functions of a path below a directory.
fn paths(name: &str) -> Option<Run> {
    Some(match name.strip_prefix("[method]descriptor.")? {
        "create-directory-at" => |s, a| {
            let path = text(a, 1)?;
            unit(s, a, move |d| d.create_directory_at(&path))
        },
        "stat-at" => |s, a| {
            let (follow, path) = (follow(a, 1)?, text(a, 2)?);
            value(s, a, move |d| d.stat_at(follow, &path).map(|stat| stat_value(&stat)))
        },
        "set-times-at" => |s, a| {
            let (follow, path) = (follow(a, 1)?, text(a, 2)?);
            let times = (timestamp(arg(a, 3)?)?, timestamp(arg(a, 4)?)?);
            unit(s, a, move |d| d.set_times_at(follow, &path, times.0?, times.1?))
        },
        "open-at" => |s, a| {
            let (follow, path) = (follow(a, 1)?, text(a, 2)?);
            let how = OpenFlags::from_bits(arg(a, 3)?.u64()?);
            let want = DescriptorFlags::from_bits(arg(a, 4)?.u64()?);
            call(
                s,
                handle(a, 0)?,
                move |d| d.open_at(follow, &path, how, want),
                |s, opened| s.push(Resource::Descriptor(Box::new(opened))),
            )
        },
        "readlink-at" => |s, a| {
            let path = text(a, 1)?;
            value(s, a, move |d| d.readlink_at(&path).map(Value::from))
        },
        "remove-directory-at" => |s, a| {
            let path = text(a, 1)?;
            unit(s, a, move |d| d.remove_directory_at(&path))
        },
        "symlink-at" => |s, a| {
            let (old, new) = (text(a, 1)?, text(a, 2)?);
            unit(s, a, move |d| d.symlink_at(&old, &new))
        },
        "unlink-file-at" => |s, a| {
            let path = text(a, 1)?;
            unit(s, a, move |d| d.unlink_file_at(&path))
        },
        "metadata-hash-at" => |s, a| {
            let (follow, path) = (follow(a, 1)?, text(a, 2)?);
            value(s, a, move |d| d.metadata_hash_at(follow, &path).map(hash_value))
        },
        _ => return None,
    })
}

/// Functions of two descriptors.
fn two(name: &str) -> Option<Run> {
    Some(match name.strip_prefix("[method]descriptor.")? {
        "link-at" => |s, a| {
            let (follow, old, new) = (follow(a, 1)?, text(a, 2)?, text(a, 4)?);
            let new_dir = other(s, a, 3)?;
            unit(s, a, move |d| d.link_at(follow, &old, &new_dir, &new))
        },
        "rename-at" => |s, a| {
            let (old, new) = (text(a, 1)?, text(a, 3)?);
            let new_dir = other(s, a, 2)?;
            unit(s, a, move |d| d.rename_at(&old, &new_dir, &new))
        },
        "is-same-object" => |s, a| {
            let (one, other) = (descriptor(s, a)?.clone(), other(s, a, 1)?);
            let work = move || one.is_same_object(&other).unwrap_or(false);
            Ok(job(s, work, |_, same| done(same)))
        },
        _ => return None,
    })
}

fn get_directories(state: &mut State, _: &[Value]) -> Result<Step, Trap> {
    let config = state.config.clone();
    let mut list = Vec::with_capacity(config.dirs.len());
    for dir in &config.dirs {
        let descriptor = Box::new(dir.descriptor(&state.open_files));
        let descriptor = state.push(Resource::Descriptor(descriptor))?;
        list.push(Value::Record(vec![descriptor, dir.guest.as_str().into()]));
    }
    done(Value::List(list))
}

fn write_via_stream(state: &mut State, index: u32, offset: Option<u64>) -> Result<Step, Trap> {
    let background = state.background.clone();
    call(
        state,
        index,
        |d| d.file_to_change().map(|_| d.clone()),
        move |state, d| state.push(Resource::OutputStream(OutputStream::new(FileSink::new(d, background, offset)))),
    )
}

/// Does something with a descriptor; what it gives becomes the result's value.
pub(super) fn call<T: Send + 'static>(
    state: &State,
    index: u32,
    work: impl FnOnce(&Descriptor) -> io::Result<T> + Send + 'static,
    then: impl FnOnce(&mut State, T) -> Result<Value, Trap> + Send + 'static,
) -> Result<Step, Trap> {
    let descriptor: Descriptor = state.handles.get::<Descriptor>(index)?.clone();
    Ok(job(
        state,
        move || work(&descriptor),
        move |state, given| match given {
            Ok(given) => done(Value::ok(then(state, given)?)),
            Err(error) => done(Value::err(code(&error))),
        },
    ))
}

fn value(
    state: &State,
    args: &[Value],
    work: impl FnOnce(&Descriptor) -> io::Result<Value> + Send + 'static,
) -> Result<Step, Trap> {
    call(state, handle(args, 0)?, work, |_, value| Ok(value))
}

fn unit(
    state: &State,
    args: &[Value],
    work: impl FnOnce(&Descriptor) -> io::Result<()> + Send + 'static,
) -> Result<Step, Trap> {
    let descriptor = descriptor(state, args)?.clone();
    Ok(job(
        state,
        move || work(&descriptor),
        |_, given| match given {
            Ok(()) => done(Value::ok_unit()),
            Err(error) => done(Value::err(code(&error))),
        },
    ))
}

/// A `result<_, error-code>`.
pub(super) fn result(result: io::Result<Value>) -> Value {
    match result {
        Ok(value) => Value::ok(value),
        Err(error) => Value::err(code(&error)),
    }
}

fn code(error: &io::Error) -> Value {
    Value::case(ErrorCode::of(error) as u32)
}

fn descriptor<'s>(state: &'s State, args: &[Value]) -> Result<&'s Descriptor, Trap> {
    state.handles.get(handle(args, 0)?)
}

/// A second descriptor among the arguments.
fn other(state: &State, args: &[Value], index: usize) -> Result<Descriptor, Trap> {
    state.handles.get::<Descriptor>(handle(args, index)?).cloned()
}

fn text(args: &[Value], index: usize) -> Result<String, Trap> {
    Ok(arg(args, index)?.str()?.to_owned())
}

/// `path-flags.symlink-follow`.
fn follow(args: &[Value], index: usize) -> Result<bool, Trap> {
    Ok(arg(args, index)?.u64()? & 1 != 0)
}

/// `new-timestamp`; a time that no system has is an error of the function.
fn timestamp(value: &Value) -> Result<io::Result<NewTimestamp>, Trap> {
    let (case, payload) = value.as_case()?;
    Ok(match (case, payload) {
        (0, _) => Ok(NewTimestamp::NoChange),
        (1, _) => Ok(NewTimestamp::Now),
        (_, Some(datetime)) => {
            let items = datetime.items()?;
            let (seconds, nanoseconds) = (arg(items, 0)?.u64()?, arg(items, 1)?.u32()?);
            system_time(seconds, nanoseconds).map(NewTimestamp::At)
        }
        (_, None) => return Err(Trap::new("a time without its payload")),
    })
}

fn system_time(seconds: u64, nanoseconds: u32) -> io::Result<SystemTime> {
    if nanoseconds >= 1_000_000_000 {
        return Err(ErrorCode::Invalid.into());
    }
    let since = Duration::new(seconds, nanoseconds);
    SystemTime::UNIX_EPOCH.checked_add(since).ok_or_else(|| ErrorCode::Overflow.into())
}

/// `datetime`; none for a time before 1970, which it cannot say.
fn datetime(time: Option<SystemTime>) -> Value {
    let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    Value::option(since.map(|since| Value::Record(vec![since.as_secs().into(), since.subsec_nanos().into()])))
}

fn stat_value(stat: &Stat) -> Value {
    Value::Record(vec![
        Value::case(stat.ty as u32),
        stat.links.into(),
        stat.size.into(),
        datetime(stat.accessed),
        datetime(stat.modified),
        datetime(stat.changed),
    ])
}

fn hash_value(hash: MetadataHash) -> Value {
    Value::Record(vec![hash.lower.into(), hash.upper.into()])
}
