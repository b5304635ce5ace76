//! From the disk and its partitions up through all layers, until no layer has a member left.

use std::collections::HashSet;
use std::path::Path;

use super::UNKNOWN;
use super::id::{DEPTH_MOST, VolumeId};
use super::layer::{Closed, Context, Found, LAYERS, Layer, Member, Opened, VOLUMES_MOST};
use super::node::{Standing, Volume};
use crate::error::{Error, Kind, Result};
use crate::filesystem::{Contents, Signature, probe};

/// Volumes, while layers are opened.
pub(super) struct Assembly<'a> {
    path: &'a Path,
    nodes: Vec<Node>,
    warnings: Vec<String>,
}

struct Node {
    volume: Volume,
    /// Whether a layer had its turn with it.
    is_offered: bool,
    /// The first volume that it lies on.
    below: Option<usize>,
}

impl<'a> Assembly<'a> {
    /// Starts with the disk or its partitions. One that the probe does not know is not searched for
    /// a partition table: that of the disk is read already.
    pub(super) fn new(path: &'a Path, volumes: Vec<Volume>) -> Self {
        let node = |volume: Volume| Node { is_offered: volume.name() == UNKNOWN, volume, below: None };
        Self { path, nodes: volumes.into_iter().map(node).collect(), warnings: Vec::new() }
    }

    /// Opens all layers.
    pub(super) fn open(&mut self, keys: &[Vec<u8>]) {
        let context = Context::new(keys);
        while let Some((layer, indices)) = self.next() {
            self.offer(layer, &indices, &context);
        }
    }

    /// Opens one volume as a disk of its own: one that has a partition table becomes its partitions.
    pub(super) fn open_disk(&mut self, volume: Volume) {
        let index = self.nodes.len();
        self.nodes.push(Node { volume, is_offered: false, below: None });
        if let Some(layer) = LAYERS.iter().find(|layer| layer.names.contains(&UNKNOWN)) {
            self.offer(layer, &[index], &Context::new(&[]));
            if let Some(node) = self.nodes.get_mut(index) {
                node.is_offered =
                    matches!(node.volume.standing(), Standing::Opened) || node.volume.name() == UNKNOWN;
            }
        }
    }

    /// The next layer that has members, and all of them that are there so far.
    fn next(&mut self) -> Option<(&'static Layer, Vec<usize>)> {
        for layer in LAYERS {
            let mut indices = Vec::new();
            for (index, node) in self.nodes.iter_mut().enumerate() {
                let volume = &mut node.volume;
                let is_member =
                    matches!(volume.standing(), Standing::Own) && layer.names.contains(&volume.name());
                if !is_member || node.is_offered {
                    continue;
                }
                node.is_offered = true;
                if volume.depth() < DEPTH_MOST {
                    indices.push(index);
                } else if volume.name() != UNKNOWN {
                    let message = format!("it lies {DEPTH_MOST} layers deep, and deeper ones are not opened");
                    let error = volume.locate(Error::new(Kind::Limit, message));
                    volume.stand(Standing::Closed(error));
                }
            }
            if !indices.is_empty() {
                return Some((layer, indices));
            }
        }
        None
    }

    fn offer(&mut self, layer: &Layer, indices: &[usize], context: &Context<'_>) {
        let members: Vec<Member> = indices.iter().filter_map(|index| self.member(*index)).collect();
        let opened = (layer.open)(&members, context).and_then(|opened| self.check(opened));
        match opened {
            Ok(opened) => self.take(opened, indices),
            Err(error) => {
                indices.iter().for_each(|index| self.close(*index, Closed::Unreadable(error.clone())))
            }
        }
    }

    fn member(&self, index: usize) -> Option<Member> {
        let volume = &self.nodes.get(index)?.volume;
        let signature = match volume.contents() {
            Contents::Known(signature) => signature.clone(),
            Contents::Unknown => Signature { name: UNKNOWN, label: String::new(), uuid: String::new() },
        };
        Some(Member { id: volume.id().clone(), device: volume.device().clone(), signature })
    }

    /// Checks that no more volumes come than a disk may have, and none whose name is taken.
    fn check(&self, opened: Opened) -> Result<Opened> {
        if self.nodes.len().saturating_add(opened.volumes.len()) > VOLUMES_MOST {
            let message = format!("the disk has more than {VOLUMES_MOST} volumes");
            return Err(Error::new(Kind::Limit, message));
        }
        let mut ids: HashSet<&VolumeId> = self.nodes.iter().map(|node| node.volume.id()).collect();
        match opened.volumes.iter().find(|found| !ids.insert(&found.id)) {
            Some(found) => Err(Error::corrupt(format!("there are two volumes of the name {}", found.id))),
            None => Ok(opened),
        }
    }

    fn take(&mut self, opened: Opened, indices: &[usize]) {
        self.warnings.extend(opened.warnings);
        let closed: HashSet<usize> = opened.closed.iter().map(|(member, _)| *member).collect();
        for (member, why) in opened.closed {
            indices.get(member).into_iter().for_each(|index| self.close(*index, why.clone()));
        }
        let mut lost: Vec<(usize, VolumeId)> = Vec::new();
        let in_use: HashSet<usize> =
            opened.volumes.iter().flat_map(|found| found.members.iter().copied()).collect();
        for found in opened.volumes {
            let on = found.members.iter().filter_map(|member| indices.get(*member).copied());
            let on: Vec<usize> = on.collect();
            if found.device.is_err() {
                lost.extend(found.members.iter().map(|member| (*member, found.id.clone())));
            }
            self.push(found, &on);
        }
        for (member, index) in indices.iter().enumerate().filter(|(member, _)| !closed.contains(member)) {
            // A member that no volume names may have what one of the unreadable ones needs: a cache.
            let is_spare = !in_use.contains(&member);
            let mut of_member: Vec<VolumeId> =
                lost.iter().filter(|(on, _)| is_spare || *on == member).map(|(_, id)| id.clone()).collect();
            of_member.dedup();
            let standing = if of_member.is_empty() { Standing::Opened } else { Standing::Partly(of_member) };
            self.nodes.get_mut(*index).into_iter().for_each(|node| node.volume.stand(standing.clone()));
        }
    }

    fn push(&mut self, found: Found, on: &[usize]) {
        let below = on.iter().filter_map(|index| self.nodes.get(*index)).map(|node| &node.volume);
        let depth = below.clone().map(Volume::depth).max().unwrap_or(0).saturating_add(1);
        let members = below.map(|volume| volume.id().clone()).collect();
        // A device that can't be read is unknown here. Whoever reads the volume meets the same error.
        let probed = found.device.as_ref().ok().and_then(|device| probe(device).ok());
        let contents = probed.unwrap_or(Contents::Unknown);
        let volume = Volume::of_layer(self.path, found, contents, members, depth);
        let is_offered = volume.len_bytes() == 0;
        self.nodes.push(Node { volume, is_offered, below: on.first().copied() });
    }

    fn close(&mut self, index: usize, why: Closed) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        let standing = match why {
            Closed::Nothing => Standing::Own,
            Closed::Locked(note) => Standing::Locked(note),
            Closed::Unreadable(error) => Standing::Closed(node.volume.locate(error)),
        };
        node.volume.stand(standing);
    }

    /// All volumes as a tree, each behind the first that it lies on, and the layers' warnings.
    pub(super) fn end(self) -> (Vec<Volume>, Vec<String>) {
        // Each node lies on earlier ones, so one pass from the end gathers what is above each.
        let mut above: Vec<Vec<Volume>> = self.nodes.iter().map(|_| Vec::new()).collect();
        let mut roots: Vec<Vec<Volume>> = Vec::new();
        let mut nodes = self.nodes;
        while let Some(node) = nodes.pop() {
            let mut tree = vec![node.volume];
            tree.extend(above.pop().unwrap_or_default());
            match node.below.and_then(|below| above.get_mut(below)) {
                Some(siblings) => {
                    tree.append(siblings);
                    *siblings = tree;
                }
                None => roots.push(tree),
            }
        }
        (roots.into_iter().rev().flatten().collect(), self.warnings)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::device::Device;

    fn root(number: u32, name: &'static str) -> Volume {
        let device: Device = Arc::new(vec![0_u8; 4096]);
        let contents = Contents::Known(Signature { name, label: String::new(), uuid: String::new() });
        Volume::of_device(Path::new("a"), VolumeId::Whole.partition(number), device, contents)
    }

    fn found(name: &str, members: Vec<usize>, is_read: bool) -> Found {
        let device: Device = Arc::new(vec![0_u8; 512]);
        Found {
            id: VolumeId::logical("vg", name, None).unwrap(),
            kind: "linear",
            uuid: String::new(),
            len_bytes: 512,
            device: if is_read { Ok(device) } else { Err(Error::corrupt("a disk is missing")) },
            members,
            faults: Vec::new(),
        }
    }

    fn opened(volumes: Vec<Found>) -> Opened {
        Opened { volumes, ..Opened::default() }
    }

    fn assembly() -> Assembly<'static> {
        Assembly::new(Path::new("a"), vec![root(1, "LVM2_member"), root(2, "LVM2_member"), root(3, "ext4")])
    }

    fn names(volumes: &[Volume]) -> Vec<String> {
        volumes.iter().map(|volume| format!("{}{}", "-".repeat(volume.depth()), volume.id())).collect()
    }

    #[test]
    fn volumes_stand_behind_the_first_one_that_they_lie_on() {
        let mut assembly = assembly();
        let (first, second) = (found("a", vec![1], true), found("b", vec![0, 1], true));
        assembly.take(opened(vec![first, second, found("c", vec![0], true)]), &[0, 1]);
        let (volumes, _) = assembly.end();
        assert_eq!(names(&volumes), ["p1", "-vg-b", "-vg-c", "p2", "-vg-a", "p3"]);
        assert_eq!(volumes[1].members(), [VolumeId::Partition(1), VolumeId::Partition(2)]);
        let standing = |index: usize| volumes[index].standing();
        assert!(matches!(
            (standing(0), standing(3), standing(5)),
            (Standing::Opened, Standing::Opened, Standing::Own)
        ));
    }

    #[test]
    fn a_volume_that_cannot_be_read_keeps_what_it_lies_on() {
        let mut assembly = assembly();
        assembly.take(opened(vec![found("a", vec![0], true), found("b", vec![1], false)]), &[0, 1]);
        let (volumes, _) = assembly.end();
        assert!(matches!(volumes[0].standing(), Standing::Opened));
        let Standing::Partly(lost) = volumes[2].standing() else { panic!("{:?}", volumes[2].standing()) };
        assert_eq!(lost[0].to_string(), "vg-b");
        assert!(matches!(volumes[3].standing(), Standing::Lost(_)));
    }

    #[test]
    fn a_member_that_no_volume_names_is_kept_when_one_of_them_cannot_be_read() {
        for (is_read, is_kept) in [(true, false), (false, true)] {
            let mut assembly = assembly();
            assembly.take(opened(vec![found("a", vec![0], is_read)]), &[0, 1]);
            let (volumes, _) = assembly.end();
            assert_eq!(matches!(volumes[2].standing(), Standing::Partly(_)), is_kept);
        }
    }

    #[test]
    fn a_closed_member_says_why_and_one_that_holds_nothing_stays_what_it_was() {
        let mut assembly = assembly();
        let closed = vec![(0, Closed::Nothing), (1, Closed::Unreadable(Error::corrupt("no metadata")))];
        assembly.take(Opened { closed, ..Opened::default() }, &[0, 1]);
        let (volumes, _) = assembly.end();
        let Standing::Closed(error) = volumes[1].standing() else { panic!("{:?}", volumes[1].standing()) };
        assert_eq!(error.to_string(), "a: partition 2: no metadata");
        assert!(matches!(volumes[0].standing(), Standing::Own));
    }

    #[test]
    fn a_name_that_is_taken_and_too_many_volumes_are_refused() {
        let twice = assembly().check(opened(vec![found("a", vec![0], true), found("a", vec![1], true)]));
        assert_eq!(twice.unwrap_err().kind(), Kind::Corrupt);
        let many = (0..=VOLUMES_MOST).map(|number| found(&format!("a{number}"), vec![0], true));
        assert_eq!(assembly().check(opened(many.collect())).unwrap_err().kind(), Kind::Limit);
    }

    #[test]
    fn what_lies_too_deep_stays_closed() {
        let mut assembly = assembly();
        let deep = found("deep", vec![0], true);
        let signature = Signature { name: "LVM2_member", label: String::new(), uuid: String::new() };
        let volume =
            Volume::of_layer(Path::new("a"), deep, Contents::Known(signature), Vec::new(), DEPTH_MOST);
        assembly.nodes = vec![Node { volume, is_offered: false, below: None }];
        assembly.open(&[]);
        let (volumes, _) = assembly.end();
        let is_deep = |layer: &Layer| layer.names.contains(&"LVM2_member");
        let Standing::Closed(error) = volumes[0].standing() else {
            assert!(!LAYERS.iter().any(is_deep), "{:?}", volumes[0].standing());
            return;
        };
        assert_eq!(error.kind(), Kind::Limit);
    }
}
