//! Which file systems a record may lie on. SQLite's write-ahead log shares memory between processes through a mapped file,
//! and its locks must be true: network file systems promise neither, and a database on one can be damaged silently.

use std::path::Path;

/// Magic numbers of `statfs(2)`, from Linux's `magic.h` and coreutils' `stat.c`.
const NETWORK: &[(i64, &str)] = &[
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x0102_1997, "9P"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0xAAD7_AAEA, "PanFS"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x564C, "NCP"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
    (0x786F_4256, "VirtualBox's shared folders"),
    (0xBACB_ACBC, "VMware's shared folders"),
];

/// The name of the network file system with this magic number, if it is one.
pub(super) fn network_name(magic: i64) -> Option<&'static str> {
    // The number is a C `long` of 32 or 64 bits: a large one may come sign-extended.
    let found = NETWORK.iter().find(|(known, _)| *known == magic & 0xFFFF_FFFF);
    found.map(|(_, name)| *name)
}

/// The magic number of the file system that `path` lies on; `None` where the system does not say.
#[cfg(target_os = "linux")]
pub(super) fn magic_of(path: &Path) -> Option<i64> {
    let found = nix::sys::statfs::statfs(path).ok()?;
    // `__fsword_t` is as wide as a pointer.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "its width depends on the target")]
    Some(found.filesystem_type().0 as i64)
}

/// The magic number of the file system that `path` lies on; `None` where the system does not say.
#[cfg(not(target_os = "linux"))]
pub(super) fn magic_of(_path: &Path) -> Option<i64> {
    None
}

#[cfg(test)]
mod tests {
    use super::{magic_of, network_name};

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        for (magic, name) in [(0x6969, "NFS"), (0xFF53_4D42, "CIFS"), (0x0BD0_0BD0, "Lustre")] {
            assert_eq!(network_name(magic), Some(name));
        }
        // As a 32-bit `long` gives it.
        assert_eq!(network_name(i64::from(0xFF53_4D42_u32 as i32)), Some("CIFS"));
        for local in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0] {
            assert_eq!(network_name(local), None, "ext4, XFS, btrfs, tmpfs, overlayfs: {local:x}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_says_what_its_temporary_folder_lies_on() {
        let folder = tempfile::tempdir().unwrap();
        assert!(magic_of(folder.path()).is_some_and(|magic| magic != 0));
        assert_eq!(magic_of(&folder.path().join("absent")), None);
    }
}
