//! The service, closed off as far as its configuration allows.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::quote::{argument, is_plain, optional, path};
use crate::config::plan::{Plan, Transport, What};
use crate::error::{Error, Kind, Result};

/// Time for stopping the worker and removing the snapshot, beside what a hook may take. Three `lvremove` and the `lvs` between them may
/// take five minutes each: who is killed before, is so in the midst of LVM's command, and devices stay suspended.
const CLEAN_UP: Duration = Duration::from_secs(1800);

/// The user of a service that runs LVM's commands by sudo, where no other is named.
const USER: &str = "voltar";

/// Programs that go on as another user.
const CHANGE_USER: [&str; 5] = ["sudo", "doas", "su", "runuser", "setpriv"];

/// What LVM's commands write besides volumes: their history of metadata, locks, what they know of devices.
const OF_LVM: [&str; 6] =
    ["/etc/lvm/archive", "/etc/lvm/backup", "/etc/lvm/cache", "/etc/lvm/devices", "/run/lvm", "/run/lock"];

/// Folders that `ProtectHome=` closes.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];
/// Folders that `PrivateTmp=` puts others in place of.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

/// What the service is made from.
pub(super) struct Service<'a> {
    plan: &'a Plan,
    config: &'a Path,
    program: &'a Path,
    user: Option<&'a str>,
    uses_lvm: bool,
    uses_sudo: bool,
    by_sendmail: bool,
    hooks: Vec<&'a [String]>,
}

impl<'a> Service<'a> {
    /// # Errors
    ///
    /// [`Kind::Usage`] when the user can't be one, or can't run LVM's commands.
    pub(super) fn new(
        plan: &'a Plan,
        config: &'a Path,
        program: &'a Path,
        user: Option<&'a str>,
    ) -> Result<Self> {
        let uses_lvm = plan.sources.iter().any(|source| !matches!(source.what, What::Device(_)));
        let uses_sudo = uses_lvm && changes_user(&plan.lvm_command);
        if let Some(name) = user {
            if name.trim().is_empty() || !is_plain(name) || name.contains(char::is_whitespace) {
                return Err(Error::new(Kind::Usage, format!("--user: {name:?} is no name of a user")));
            }
            if uses_lvm && !uses_sudo && name != "root" {
                let message = format!(
                    "--user {name}: LVM's commands need root; with lvm_command = [\"sudo\", \"-n\", \"lvm\"] in the configuration, only they do"
                );
                return Err(Error::new(Kind::Usage, message));
            }
        }
        let hooks = plan.sources.iter().flat_map(|source| {
            let hooks = &source.options.snapshot.hooks;
            hooks.freeze.iter().chain(&hooks.thaw).map(Vec::as_slice)
        });
        let by_sendmail = plan
            .report
            .mail
            .as_ref()
            .is_some_and(|mail| matches!(mail.transport, Transport::Sendmail { .. }));
        Ok(Self {
            plan,
            config,
            program,
            user: user.filter(|name| *name != "root").or(uses_sudo.then_some(USER)),
            uses_lvm,
            uses_sudo,
            by_sendmail,
            hooks: hooks.collect(),
        })
    }

    /// The unit file.
    pub(super) fn text(&self) -> String {
        let mut unit = Unit::default();
        self.unit_section(&mut unit);
        unit.section("Service");
        self.command(&mut unit);
        self.files(&mut unit);
        self.devices(&mut unit);
        self.network(&mut unit);
        self.rights(&mut unit);
        self.kernel(&mut unit);
        unit.0
    }

    fn unit_section(&self, unit: &mut Unit) {
        let config = self.config.to_string_lossy();
        unit.say(&format!("Made by `voltar systemd` for {config}: make it anew when that changes."));
        unit.section("Unit");
        unit.set("Description", "voltar: archives of this host's volumes");
        unit.set("Documentation", "man:voltar(1)");
        let mut mounts = vec![path(&self.plan.destination.folder)];
        mounts.extend(self.images().map(path));
        unit.set("RequiresMountsFor", &mounts.join(" "));
        if self.uses_lvm {
            let modules = "modprobe@dm_snapshot.service modprobe@dm_thin_pool.service";
            unit.say("The service itself can't load modules.");
            unit.set("Wants", modules);
            unit.set("After", modules);
        }
        if !self.needs_network().is_empty() {
            unit.set("Wants", "network-online.target");
            unit.set("After", "network-online.target");
        }
    }

    fn command(&self, unit: &mut Unit) {
        let [program, config] = [self.program, self.config].map(|path| argument(&path.to_string_lossy()));
        unit.set("Type", "oneshot");
        unit.set("ExecStart", &format!("{program} run --config {config}"));
        if let Some(user) = self.user {
            unit.say("Reads block devices as a member of group disk.");
            unit.set("User", user);
            unit.set("SupplementaryGroups", "disk");
        }
        unit.say(
            "On stop the run alone is told: it stops its worker, thaws what is frozen and removes the snapshot. What is still there \
             when that takes too long is killed, and the next run cleans up.",
        );
        unit.set("KillMode", "mixed");
        let hook = self.plan.sources.iter().map(|source| source.options.snapshot.hooks.time_limit).max();
        let most = hook.filter(|_| !self.hooks.is_empty()).unwrap_or_default().saturating_add(CLEAN_UP);
        unit.set("TimeoutStopSec", &most.as_secs().to_string());
        unit.say("Guests come first. LVM's commands and hooks, which a guest may wait for, take the usual priorities.");
        unit.set("Nice", "10");
        unit.set("IOSchedulingClass", "idle");
    }

    /// Which files it can see and change.
    fn files(&self, unit: &mut Unit) {
        unit.say("It writes archives, reports, and what LVM keeps of its own.");
        unit.set("ProtectSystem", "strict");
        unit.set("ReadWritePaths", &path(&self.plan.destination.folder));
        let mut folders: Vec<&Path> = self.reports().filter_map(Path::parent).collect();
        folders.sort();
        folders.dedup();
        if !folders.is_empty() {
            unit.set("ReadWritePaths", &list(folders.into_iter().map(optional)));
        }
        if self.uses_lvm {
            unit.set("ReadWritePaths", &list(OF_LVM.iter().map(|path| optional(Path::new(path)))));
        }
        if self.by_sendmail {
            unit.say("sendmail leaves mail there.");
            unit.set("ReadWritePaths", "-/var/spool -/var/mail -/var/log");
        }
        if !self.hooks.is_empty() {
            unit.say("A hook that writes elsewhere needs a ReadWritePaths= of its own (systemctl edit voltar.service).");
        }
        let home = if self.hooks.is_empty() && !self.touches(&HOMES) { "yes" } else { "read-only" };
        unit.set("ProtectHome", home);
        unit.set("PrivateTmp", if self.touches(&TEMPORARY) { "no" } else { "yes" });
        unit.set("PrivateMounts", "yes");
        unit.set("ProtectControlGroups", "yes");
        unit.set("UMask", "0077");
        unit.say("No ProtectProc=: whether the run that took a snapshot still lives is seen in /proc.");
    }

    /// Which devices it can open.
    fn devices(&self, unit: &mut Unit) {
        let devices: Vec<&Path> = self.sources().filter(|path| path.starts_with("/dev")).collect();
        if self.uses_lvm {
            unit.say("LVM writes to physical volumes, whatever they are.");
            unit.set("DevicePolicy", "closed");
            unit.set("DeviceAllow", "/dev/mapper/control rw");
            unit.set("DeviceAllow", "block-* rw");
        } else if devices.is_empty() {
            if self.can_close_kernel() {
                unit.set("PrivateDevices", "yes");
            }
        } else {
            unit.set("DevicePolicy", "closed");
        }
        for device in devices.iter().filter(|_| !self.uses_lvm) {
            unit.set("DeviceAllow", &format!("{} r", path(device)));
        }
    }

    fn network(&self, unit: &mut Unit) {
        let reasons = self.needs_network();
        if reasons.is_empty() {
            unit.set("PrivateNetwork", "yes");
        } else {
            unit.say(&format!("The network is there for {}.", reasons.join(", ")));
            unit.set("PrivateNetwork", "no");
        }
        if self.can_close_kernel() {
            let families = if reasons.is_empty() { "" } else { " AF_INET AF_INET6" };
            unit.set("RestrictAddressFamilies", &format!("AF_UNIX AF_NETLINK{families}"));
        }
    }

    /// What root can't do in it.
    fn rights(&self, unit: &mut Unit) {
        let mut capabilities = vec!["CAP_DAC_OVERRIDE"];
        if self.uses_lvm {
            capabilities.extend(["CAP_SYS_ADMIN", "CAP_IPC_LOCK", "CAP_SYS_NICE"]);
        }
        let change_user = self.uses_sudo || self.hooks.iter().any(|hook| changes_user(hook));
        if change_user || self.by_sendmail {
            capabilities.extend(["CAP_SETUID", "CAP_SETGID"]);
        }
        if change_user {
            capabilities.extend(["CAP_AUDIT_WRITE", "CAP_SYS_RESOURCE", "CAP_KILL"]);
        }
        if self.by_sendmail {
            capabilities.extend(["CAP_CHOWN", "CAP_FOWNER"]);
        }
        let is_user_alone = self.user.is_some() && !self.gains_privileges();
        unit.set(
            "CapabilityBoundingSet",
            &if is_user_alone { String::new() } else { capabilities.join(" ") },
        );
        if self.gains_privileges() {
            unit.say(if self.uses_sudo { "sudo is set-user-ID." } else { "sendmail is set-group-ID." });
        }
        unit.set("NoNewPrivileges", if self.gains_privileges() { "no" } else { "yes" });
    }

    /// What of the kernel it can't reach.
    fn kernel(&self, unit: &mut Unit) {
        if !self.can_close_kernel() {
            unit.say("All that would close off the kernel takes new privileges away from who is not root.");
            return;
        }
        for name in ["Tunables", "Modules", "Logs"] {
            unit.set(&format!("ProtectKernel{name}"), "yes");
        }
        for name in [
            "ProtectClock",
            "ProtectHostname",
            "LockPersonality",
            "RestrictRealtime",
            "RestrictSUIDSGID",
            "RestrictNamespaces",
        ] {
            unit.set(name, "yes");
        }
        if self.hooks.is_empty() {
            unit.set("MemoryDenyWriteExecute", "yes");
        }
        unit.set("SystemCallArchitectures", "native");
        unit.say("The process that parses a disk closes itself off further, with the last four.");
        unit.set(
            "SystemCallFilter",
            "@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp",
        );
        unit.set("SystemCallErrorNumber", "EPERM");
    }

    /// Whether a program that it starts has to gain rights.
    fn gains_privileges(&self) -> bool {
        self.uses_sudo || self.by_sendmail
    }

    /// Whether what closes off the kernel can be had. For a service that does not run as root it takes new privileges away as well.
    fn can_close_kernel(&self) -> bool {
        self.user.is_none() || !self.gains_privileges()
    }

    /// Who needs the network.
    fn needs_network(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Some(mail) = &self.plan.report.mail {
            reasons.push(match &mail.transport {
                Transport::Smtp { host, .. } => format!("mail to {host}"),
                Transport::Sendmail { .. } => "sendmail, which may deliver by itself".to_owned(),
            });
        }
        for hook in self.hooks.iter().filter(|hook| !is_local(hook)) {
            let reason = format!("the hook {}", hook.first().map_or("", |program| program.as_str()));
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons
    }

    /// Paths of sources that no snapshot is taken of, and of their journals.
    fn sources(&self) -> impl Iterator<Item = &'a Path> {
        let paths = self.plan.sources.iter().flat_map(|source| match &source.what {
            What::Device(path) => [Some(path), source.options.archive.reading.journal.as_ref()],
            What::Group { .. } | What::Volume(_) => [None, None],
        });
        paths.flatten().map(PathBuf::as_path)
    }

    fn images(&self) -> impl Iterator<Item = &'a Path> {
        self.sources().filter(|path| !path.starts_with("/dev"))
    }

    fn reports(&self) -> impl Iterator<Item = &'a Path> {
        let report = &self.plan.report;
        [&report.json, &report.html, &report.metrics].into_iter().flatten().map(|path| path.as_path())
    }

    /// Whether something that it needs is in one of these folders.
    fn touches(&self, folders: &[&str]) -> bool {
        let of_mail = self.plan.report.mail.iter().flat_map(|mail| match &mail.transport {
            Transport::Smtp { login, ca_file, .. } => {
                [login.as_ref().map(|(_, password)| password), ca_file.as_ref()]
            }
            Transport::Sendmail { .. } => [None, None],
        });
        self.sources()
            .chain(self.reports())
            .chain(of_mail.flatten().map(PathBuf::as_path))
            .chain([self.plan.destination.folder.as_path(), self.config, self.program])
            .any(|path| folders.iter().any(|folder| path.starts_with(folder)))
    }
}

fn list(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

/// The name of the program that a command runs.
fn program(command: &[String]) -> &str {
    let name = command.first().and_then(|program| Path::new(program).file_name());
    name.and_then(|name| name.to_str()).unwrap_or_default()
}

fn changes_user(command: &[String]) -> bool {
    CHANGE_USER.contains(&program(command))
}

/// Whether a hook is known to stay on this host: `virsh` talks to a local socket, unless it is told where to connect to.
fn is_local(command: &[String]) -> bool {
    let elsewhere = |word: &String| word == "-c" || word.starts_with("--connect");
    matches!(program(command), "virsh" | "fsfreeze" | "sync") && !command.iter().any(elsewhere)
}

/// A unit file that is being written.
#[derive(Default)]
struct Unit(String);

impl Unit {
    fn section(&mut self, name: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "\n[{name}]");
    }

    fn set(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.0, "{name}={value}");
    }

    /// A comment, on as many lines as it takes.
    fn say(&mut self, text: &str) {
        const WIDTH: usize = 110;
        let mut line = String::from("#");
        for word in text.split_whitespace() {
            if line.len().saturating_add(word.len()) > WIDTH {
                let _ = writeln!(self.0, "{line}");
                line = String::from("#");
            }
            let _ = write!(line, " {word}");
        }
        let _ = writeln!(self.0, "{line}");
    }
}
