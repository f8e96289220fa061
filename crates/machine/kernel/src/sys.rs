//! System calls that have no safe spelling: prlimit(2) of another process without setting it, bpf(2), the
//! device-mapper ioctls. The only unsafe code of this crate.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `BPF_PROG_GET_NEXT_ID`, `BPF_PROG_GET_FD_BY_ID`, `BPF_OBJ_GET_INFO_BY_FD` and `BPF_PROG_QUERY` (linux/bpf.h).
const PROG_GET_NEXT_ID: libc::c_long = 11;
const PROG_GET_FD_BY_ID: libc::c_long = 13;
const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const PROG_QUERY: libc::c_long = 16;
/// Most programs that one cgroup may have attached under one type (BPF_CGROUP_MAX_PROGS), and more.
const MOST_ATTACHED: usize = 256;

/// Soft and hard value of a limit of process `pid`; `u64::MAX` is infinity.
pub(crate) fn prlimit(pid: i32, resource: u32) -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the new limit is null, so nothing is set; `limit` is a valid rlimit64 that the kernel may write to for
    // the length of the call.
    let answer = unsafe { libc::prlimit64(pid, resource, std::ptr::null(), &raw mut limit) };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// bpf(2) over an attribute that the kernel may write to.
fn bpf<T>(command: libc::c_long, attribute: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: `attribute` is a valid, initialised, repr(C) prefix of union bpf_attr of exactly the size that is passed;
    // pointers in it are valid for the length of the call (each caller keeps the buffer they point to).
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attribute), size_of::<T>()) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(answer)
}

/// The part of union bpf_attr that BPF_PROG_QUERY uses.
#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

/// Numbers of the programs that are attached to the cgroup itself.
pub(crate) fn attached(cgroup: BorrowedFd<'_>, attach_type: u32) -> io::Result<Vec<u32>> {
    let mut ids = [0_u32; MOST_ATTACHED];
    let mut query = Query {
        target: cgroup.as_raw_fd().unsigned_abs(),
        attach_type,
        ids: u64::try_from(ids.as_mut_ptr().expose_provenance()).unwrap_or(0),
        count: u32::try_from(MOST_ATTACHED).unwrap_or(0),
        ..Query::default()
    };
    bpf(PROG_QUERY, &mut query)?;
    let count = usize::try_from(query.count).unwrap_or(usize::MAX);
    ids.get(..count).map(<[u32]>::to_vec).ok_or_else(|| io::Error::other("more programs than were asked for"))
}

/// The part of union bpf_attr that BPF_*_GET_NEXT_ID and BPF_*_GET_FD_BY_ID use.
#[repr(C)]
#[derive(Default)]
struct ById {
    id: u32,
    next: u32,
    open_flags: u32,
}

/// The number of the loaded program behind `id`; `None` behind the last.
pub(crate) fn next_program(id: u32) -> io::Result<Option<u32>> {
    let mut attribute = ById { id, ..ById::default() };
    match bpf(PROG_GET_NEXT_ID, &mut attribute) {
        Ok(_) => Ok(Some(attribute.next)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A program that is held open, so that its number stays its own.
pub(crate) fn program(id: u32) -> io::Result<OwnedFd> {
    let descriptor = bpf(PROG_GET_FD_BY_ID, &mut ById { id, ..ById::default() })?;
    let descriptor = i32::try_from(descriptor).map_err(|_| io::Error::other("no file descriptor"))?;
    // SAFETY: the kernel just made this descriptor for this call, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The first fields of struct bpf_prog_info, up to the name.
#[repr(C)]
#[derive(Default)]
struct ProgramInfo {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    jited_length: u32,
    translated_length: u32,
    jited: u64,
    translated: u64,
    load_time: u64,
    uid: u32,
    map_count: u32,
    maps: u64,
    name: [u8; 16],
}

/// The part of union bpf_attr that BPF_OBJ_GET_INFO_BY_FD uses.
#[repr(C)]
struct InfoByFd {
    descriptor: u32,
    length: u32,
    info: u64,
}

/// Type, tag and name of a program.
pub(crate) fn program_info(program: &OwnedFd) -> io::Result<(u32, [u8; 8], [u8; 16])> {
    let mut info = ProgramInfo::default();
    let mut attribute = InfoByFd {
        descriptor: program.as_raw_fd().unsigned_abs(),
        length: u32::try_from(size_of::<ProgramInfo>()).unwrap_or(0),
        info: u64::try_from((&raw mut info).expose_provenance()).unwrap_or(0),
    };
    bpf(OBJ_GET_INFO_BY_FD, &mut attribute)?;
    Ok((info.kind, info.tag, info.name))
}

/// DM_LIST_DEVICES and DM_TABLE_STATUS: `_IOWR(0xfd, 2 and 12, struct dm_ioctl)`.
pub(crate) const DM_LIST_DEVICES: libc::c_ulong = 0xc138_fd02;
pub(crate) const DM_TABLE_STATUS: libc::c_ulong = 0xc138_fd0c;

/// A device-mapper ioctl over `buffer`, which begins with struct dm_ioctl whose data_size is the buffer's length.
pub(crate) fn device_mapper(control: BorrowedFd<'_>, request: libc::c_ulong, buffer: &mut [u8]) -> io::Result<()> {
    let stated = buffer.get(12..16).and_then(|field| field.try_into().ok()).map(u32::from_ne_bytes);
    if buffer.len() < 312 || stated.and_then(|size| usize::try_from(size).ok()) != Some(buffer.len()) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: the kernel reads and writes at most data_size bytes, which is the buffer's length (checked above), and
    // the buffer outlives the call. Both requests take a pointer to struct dm_ioctl.
    let answer = unsafe { libc::ioctl(control.as_raw_fd(), request, buffer.as_mut_ptr()) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
