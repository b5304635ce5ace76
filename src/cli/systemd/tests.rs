//! The units that a configuration comes to.

use std::fs;

use super::{quote, *};
use crate::config::plan::Plan;

const PATH: &str = "/etc/voltar/voltar.toml";

fn plan(text: &str) -> Plan {
    config::parse(text, Path::new(PATH)).unwrap_or_else(|error| panic!("{error}"))
}

fn service(plan: &Plan, user: Option<&str>) -> String {
    Service::new(plan, Path::new(PATH), Path::new("/usr/local/bin/voltar"), user).unwrap().text()
}

/// The service of a source, with more below it.
fn of(source: &str, more: &str) -> String {
    let text = format!("[[source]]\n{source}\n[destination]\nfolder = \"/BACKUPS\"\n{more}");
    service(&plan(&text), None)
}

/// The last value of a setting that stands once.
fn value<'a>(unit: &'a str, name: &str) -> &'a str {
    let values: Vec<&str> =
        unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect();
    assert_eq!(values.len(), 1, "{name} in\n{unit}");
    values[0]
}

const VOLUME: &str = "volume = \"vg0/web\"";
const IMAGE: &str = "image = \"/srv/images/web.img\"";

#[test]
fn the_units_in_contrib_are_those_of_the_example() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib");
    let made = [
        ("voltar.service", service(&plan(config::EXAMPLE), None)),
        ("voltar.timer", timer(AT_NIGHT).unwrap()),
    ];
    for (name, made) in made {
        let kept = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert_eq!(
            kept, made,
            "contrib/{name} is not what `voltar systemd` makes of contrib/voltar.toml:\n{made}"
        );
    }
}

#[test]
fn the_network_is_there_for_who_needs_it_alone() {
    let mail = "[report.mail]\nfrom = \"a@b\"\nto = [\"c@d\"]\n";
    let smtp = format!("{mail}[report.mail.smtp]\nhost = \"mail.example.org\"\n");
    let hook = |hook: &str| format!("{VOLUME}\nfreeze = {hook}");
    let cases = [
        (VOLUME.to_owned(), "", "yes"),
        (IMAGE.to_owned(), "", "yes"),
        (hook("[\"virsh\", \"domfsfreeze\", \"web1\"]"), "", "yes"),
        (hook("[\"virsh\", \"--connect=qemu+ssh://x/\", \"domfsfreeze\", \"web1\"]"), "", "no"),
        (hook("[\"/usr/bin/ssh\", \"db1\", \"sync\"]"), "", "no"),
        (VOLUME.to_owned(), smtp.as_str(), "no"),
        (VOLUME.to_owned(), mail, "no"),
    ];
    for (source, more, expected) in cases {
        let unit = of(&source, more);
        assert_eq!(value(&unit, "PrivateNetwork"), expected, "{source}\n{more}");
        assert_eq!(value(&unit, "RestrictAddressFamilies").contains("AF_INET"), expected == "no");
        assert_eq!(unit.contains("network-online.target"), expected == "no");
    }
}

#[test]
fn images_alone_need_no_capability_of_lvm_and_no_device() {
    let unit = of(IMAGE, "");
    assert_eq!(value(&unit, "CapabilityBoundingSet"), "CAP_DAC_OVERRIDE");
    assert_eq!(value(&unit, "PrivateDevices"), "yes");
    assert_eq!(value(&unit, "ReadWritePaths"), "/BACKUPS");
    assert_eq!(value(&unit, "RequiresMountsFor"), "/BACKUPS /srv/images/web.img");
    let unit = of("device = \"/dev/sdb\"", "");
    assert_eq!(value(&unit, "DeviceAllow"), "/dev/sdb r");
    assert_eq!(value(&unit, "DevicePolicy"), "closed");
}

#[test]
fn lvm_can_write_what_it_keeps_of_its_own() {
    let unit = of(VOLUME, "");
    assert!(unit.contains("\nReadWritePaths=-/etc/lvm/archive -/etc/lvm/backup -/etc/lvm/cache "));
    assert!(unit.contains("\nDeviceAllow=/dev/mapper/control rw\nDeviceAllow=block-* rw\n"));
    assert!(value(&unit, "CapabilityBoundingSet").contains("CAP_SYS_ADMIN"));
    assert!(!unit.contains("\nPrivateDevices="));
    // Snapshots of runs that live, under other rights, must be seen to be theirs.
    assert!(!unit.contains("\nProtectProc=") && !unit.contains("\nPrivateIPC="));
}

#[test]
fn who_has_to_gain_rights_can() {
    let sudo = plan(&format!(
        "lvm_command = [\"sudo\", \"-n\", \"lvm\"]\n[[source]]\n{VOLUME}\n[destination]\nfolder = \"/BACKUPS\"\n"
    ));
    for (user, expected) in [(None, "voltar"), (Some("backup"), "backup")] {
        let unit = service(&sudo, user);
        assert_eq!(value(&unit, "User"), expected);
        assert_eq!(value(&unit, "NoNewPrivileges"), "no");
        // systemd.exec(5) names the settings that imply NoNewPrivileges=.
        for name in [
            "SystemCallFilter",
            "SystemCallArchitectures",
            "RestrictAddressFamilies",
            "RestrictNamespaces",
            "PrivateDevices",
            "ProtectKernelTunables",
            "ProtectKernelModules",
            "ProtectKernelLogs",
            "ProtectClock",
            "ProtectHostname",
            "MemoryDenyWriteExecute",
            "RestrictRealtime",
            "RestrictSUIDSGID",
            "LockPersonality",
            "DynamicUser",
        ] {
            assert!(!unit.contains(&format!("\n{name}=")), "{name}");
        }
    }
    let unit = of(VOLUME, "[report.mail]\nfrom = \"a@b\"\nto = [\"c@d\"]\n");
    assert_eq!(value(&unit, "NoNewPrivileges"), "no");
    assert!(unit.contains("\nReadWritePaths=-/var/spool "));
    assert_eq!(value(&of(VOLUME, ""), "NoNewPrivileges"), "yes");
}

#[test]
fn lvm_needs_root_or_sudo() {
    let path = Path::new(PATH);
    let volume = plan(&format!("[[source]]\n{VOLUME}\n[destination]\nfolder = \"/BACKUPS\"\n"));
    for user in ["backup", "", "a b", "a\nb", "%u"] {
        assert!(Service::new(&volume, path, path, Some(user)).is_err(), "{user:?}");
    }
    assert!(!service(&volume, Some("root")).contains("\nUser="));
    let image = plan(&format!("[[source]]\n{IMAGE}\n[destination]\nfolder = \"/BACKUPS\"\n"));
    let unit = service(&image, Some("backup"));
    assert_eq!(value(&unit, "User"), "backup");
    assert_eq!(value(&unit, "CapabilityBoundingSet"), "");
}

#[test]
fn what_lies_in_a_home_or_a_temporary_folder_is_still_there() {
    let cases = [
        ("/BACKUPS", "yes", "yes"),
        ("/home/backups", "read-only", "yes"),
        ("/root/backups", "read-only", "yes"),
        ("/var/tmp/backups", "yes", "no"),
        ("/homes", "yes", "yes"),
    ];
    for (folder, home, temporary) in cases {
        let unit =
            service(&plan(&format!("[[source]]\n{VOLUME}\n[destination]\nfolder = \"{folder}\"\n")), None);
        assert_eq!((value(&unit, "ProtectHome"), value(&unit, "PrivateTmp")), (home, temporary), "{folder}");
    }
    let needed = [
        format!("[[source]]\n{IMAGE}\njournal = \"/home/journal.img\"\n"),
        format!(
            "[[source]]\n{IMAGE}\n[report.mail]\nfrom = \"a@b\"\nto = [\"c@d\"]\n\
             [report.mail.smtp]\nhost = \"mail.example.org\"\nca_file = \"/home/ca.pem\"\n"
        ),
    ];
    for text in needed {
        let unit = service(&plan(&format!("{text}[destination]\nfolder = \"/BACKUPS\"\n")), None);
        assert_eq!(value(&unit, "ProtectHome"), "read-only", "{text}");
    }
    let journal = format!("[[source]]\n{IMAGE}\njournal = \"/dev/vg0/journal\"\n");
    let unit = service(&plan(&format!("{journal}[destination]\nfolder = \"/BACKUPS\"\n")), None);
    assert_eq!(value(&unit, "DeviceAllow"), "/dev/vg0/journal r");
    // ssh has its keys there.
    assert_eq!(
        value(&of(&format!("{VOLUME}\nfreeze = [\"ssh\", \"db1\", \"sync\"]"), ""), "ProtectHome"),
        "read-only"
    );
}

#[test]
fn a_stop_waits_for_the_hooks_and_the_snapshot() {
    let unit = of(&format!("{VOLUME}\nfreeze = [\"dump\"]\nhook_time_limit = \"30m\""), "");
    assert_eq!(value(&unit, "TimeoutStopSec"), (30 * 60 + 1800).to_string());
    assert_eq!(value(&of(VOLUME, ""), "TimeoutStopSec"), "1800");
    assert_eq!(value(&unit, "KillMode"), "mixed");
}

#[test]
fn words_are_written_so_that_systemd_reads_them_back() {
    let cases = [
        ("/BACKUPS", "/BACKUPS"),
        ("/with space", "\"/with space\""),
        ("/50%", "/50%%"),
        ("/a\"b\\c", "\"/a\\\"b\\\\c\""),
        ("/dollar$x", "/dollar$x"),
        ("/ä;#", "\"/ä;#\""),
    ];
    for (text, expected) in cases {
        assert_eq!(quote::path(Path::new(text)), expected);
    }
    assert_eq!(quote::argument("/dollar$x"), "/dollar$$x");
    assert_eq!(quote::optional(Path::new("/with space")), "\"-/with space\"");
}

#[test]
fn a_time_that_would_be_another_setting_is_refused() {
    for wrong in ["", " ", "daily\nOnBootSec=1", "%i"] {
        assert_eq!(timer(wrong).unwrap_err().kind(), Kind::Usage, "{wrong:?}");
    }
    assert!(timer("Mon..Fri *-*-* 22:30").unwrap().contains("\nOnCalendar=Mon..Fri *-*-* 22:30\n"));
}
