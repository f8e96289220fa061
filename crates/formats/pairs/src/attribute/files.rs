//! V11: file permissions and mutable state.

use super::attributes;

attributes! { FILES:
    /// Lines `PATH<tab>MODE`, mode octal with four digits | lines `PATH<tab>MODE UID GID`.
    DIRECTORY_MODES = 1101 V11 "directory_modes", "StateDirectoryMode, CacheDirectoryMode, LogsDirectoryMode, RuntimeDirectoryMode, ConfigurationDirectoryMode" | "statx";
    /// Of a socket unit: lines `PATH<tab>MODE` of SocketMode | lines `PATH<tab>MODE UID GID`.
    SOCKET_MODE = 1102 V11 "socket_mode", "SocketMode" | "statx";
    /// FragmentPath and DropInPaths, one a line | lines `PATH<tab>MODE UID GID SHA256`.
    UNIT_FILES = 1103 V11 "unit_files", "FragmentPath, DropInPaths" | "statx, SHA-256";
    /// Of a socket unit: `yes` where SocketUser or SocketGroup is set, else `no`; who, is not told | as [`SOCKET_MODE`].
    SOCKET_OWNER = 1104 V11 "socket_owner", "SocketUser, SocketGroup" | "";
    /// Of a path: what tmpfiles.d says, `MODE UID GID`; absent where it says nothing | `MODE UID GID FLAGS SHA256`: flags among immutable append verity or `-`, SHA256 `-` for what is no file.
    PATH = 1110 V11 "path", "tmpfiles.d" | "statx, SHA-256";
    /// Of the host: files in directories of programs that give privileges (setuid, setgid, capabilities) or that everybody may write, lines `PATH<tab>MODE UID GID CAPABILITY`, sorted; CAPABILITY is the attribute security.capability in hexadecimal, `-` for none; `none`. File systems of a server are left out.
    PRIVILEGED_FILES = 1151 V11 "privileged_files", "" | "statx, security.capability";
    /// Of the host: mounts of file systems labelled COS_*, lines `LABEL<tab>MOUNTPOINT<tab>OPTIONS`; `none`.
    LABELLED_MOUNTS = 1150 V11 "labelled_mounts", "" | "mountinfo, /dev/disk/by-label";
}
