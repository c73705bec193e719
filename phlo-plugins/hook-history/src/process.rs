//! Telling processes of one number apart.

use std::fs;

/// When a process that is alive was born: the boot, and the moment after it. Numbers of processes are given again, in a container
/// the same one after each restart; with this, a dead run is not taken for alive. `None` where the system does not tell.
pub(crate) fn born(pid: u32) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command, which may hold anything; the 22nd is the moment.
    let moment = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
    Some(format!("{} {moment}", boot.trim()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_has_one_birth_and_another_process_another() {
        let own = born(std::process::id());
        assert!(own.is_some());
        assert_eq!(own, born(std::process::id()));
        assert_ne!(own, born(1));
        // Larger than any number that Linux gives.
        assert_eq!(born(u32::MAX), None);
    }
}
