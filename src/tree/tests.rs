use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::Micros;
use crate::spool::scratch::{ALICE, Scratch, path};
use crate::spool::{Endpoint, Start};

fn names(scratch: &Scratch, at: &str) -> Vec<Vec<u8>> {
    scratch.tree().list(&path(at)).unwrap().into_iter().map(|entry| entry.name).collect()
}

#[test]
fn directories_come_into_being_when_a_file_needs_them() {
    let scratch = Scratch::new();
    assert!(matches!(scratch.tree().list(&path("a")), Err(TreeError::NotFound(_))));
    scratch.put("a/b/c.jpg", b"c").unwrap();
    assert_eq!(names(&scratch, "/"), [b"a"]);
    assert_eq!(names(&scratch, "a/b"), [b"c.jpg"]);
    assert_eq!(names(&scratch, "a/b/c.jpg"), [b"c.jpg"], "of a file, that file");
    assert!(scratch.tree().stat(&path("a")).unwrap().directory);
    assert!(scratch.tree().stat(&path("/")).unwrap().directory);
}

#[test]
fn a_file_is_no_directory_and_a_directory_no_file() {
    let scratch = Scratch::new();
    let tree = scratch.tree();
    scratch.put("a/b", b"b").unwrap();
    assert!(matches!(scratch.put("a/b/c", b""), Err(TreeError::NotDirectory(at)) if at == path("a/b")));
    assert!(matches!(scratch.put("a", b""), Err(TreeError::IsDirectory(_))));
    assert!(matches!(scratch.put("/", b""), Err(TreeError::Root)));
    assert!(matches!(tree.make_dir(&path("a/b/c")), Err(TreeError::NotDirectory(_))));
    assert!(matches!(tree.make_dir(&path("a")), Err(TreeError::Exists(_))));
    assert!(matches!(tree.remove_dir(&path("a/b")), Err(TreeError::NotDirectory(_))));
    assert!(matches!(tree.remove_file(&path("a")), Err(TreeError::IsDirectory(_))));
    assert!(matches!(tree.open_read(&path("a")), Err(TreeError::IsDirectory(_))));
    assert!(matches!(tree.remove_dir(&path("a")), Err(TreeError::NotEmpty(_))));
    assert!(matches!(tree.remove_dir(&path("/")), Err(TreeError::Root)));
}

#[test]
fn a_directory_that_came_meanwhile_keeps_its_name() {
    let scratch = Scratch::new();
    let mut incoming = scratch.begin("a", Start::New).unwrap();
    incoming.write(b"bytes").unwrap();
    scratch.tree().make_dir(&path("a")).unwrap();
    assert!(matches!(incoming.finish(), Err(TreeError::IsDirectory(_))));
    assert_eq!((scratch.count("uploads"), scratch.spool_files().len()), (0, 0));
}

#[test]
fn removing_a_name_keeps_what_was_received() {
    let scratch = Scratch::new();
    let upload = scratch.put("a.jpg", b"bytes").unwrap();
    scratch.tree().remove_file(&path("a.jpg")).unwrap();
    assert!(names(&scratch, "/").is_empty());
    assert_eq!(scratch.upload(upload).path, b"a.jpg");
    assert!(matches!(scratch.tree().remove_file(&path("a.jpg")), Err(TreeError::NotFound(_))));
    let again = scratch.put("a.jpg", b"bytes").unwrap();
    assert_ne!(again, upload);
}

/// rclone removes a file whose upload failed before it closes it; what comes of the transfer then stands under no name.
#[test]
fn a_name_that_is_removed_while_its_file_comes_in_does_not_come_back() {
    for size in [10_usize, 3 << 20] {
        for whole in [true, false] {
            let scratch = Scratch::new();
            let tree = scratch.tree();
            let mut incoming = scratch.begin("d/a.jpg", Start::New).unwrap();
            incoming.write(&vec![7; size]).unwrap();
            tree.remove_file(&path("d/a.jpg")).unwrap();
            let nothing_there = |tree: &crate::tree::Tree| {
                assert!(matches!(tree.stat(&path("d/a.jpg")), Err(TreeError::NotFound(_))), "{size} {whole}");
                assert!(matches!(tree.remove_file(&path("d/a.jpg")), Err(TreeError::NotFound(_))));
                assert!(matches!(tree.rename(&path("d/a.jpg"), &path("b")), Err(TreeError::NotFound(_))));
            };
            nothing_there(&tree);
            if whole {
                incoming.write(b"the rest").unwrap();
                let upload = incoming.finish().unwrap();
                assert_eq!((scratch.upload(upload).path, scratch.count("partials")), (b"d/a.jpg".to_vec(), 0));
            } else {
                incoming.interrupt().unwrap();
                assert_eq!(scratch.count("partials"), 1, "what was received is kept");
            }
            nothing_there(&tree);
            scratch.put("d/a.jpg", b"another").unwrap();
            assert_eq!(scratch.get("d/a.jpg"), b"another");
        }
    }
}

#[test]
fn a_file_takes_the_place_of_a_file_that_stays_received() {
    let scratch = Scratch::new();
    let old = scratch.put("a.jpg", b"old").unwrap();
    scratch.put("b.jpg", b"new").unwrap();
    scratch.tree().rename(&path("b.jpg"), &path("a.jpg")).unwrap();
    assert_eq!(scratch.get("a.jpg"), b"new");
    assert_eq!(names(&scratch, "/"), [b"a.jpg"]);
    assert_eq!(scratch.upload(old).size, 3);
}

#[test]
fn a_directory_moves_with_all_that_is_in_it() {
    let scratch = Scratch::new();
    let tree = scratch.tree();
    let upload = scratch.put("a/b/c.jpg", b"c").unwrap();
    tree.rename(&path("a"), &path("x/y")).unwrap();
    assert_eq!(scratch.get("x/y/b/c.jpg"), b"c");
    assert_eq!(scratch.upload(upload).path, b"a/b/c.jpg", "the path as it was uploaded");
    assert!(matches!(tree.rename(&path("x"), &path("x/y/z")), Err(TreeError::IntoItself(_))));
    assert!(matches!(tree.rename(&path("x"), &path("/")), Err(TreeError::Root)));
    tree.make_dir(&path("d")).unwrap();
    assert!(matches!(tree.rename(&path("x"), &path("d")), Err(TreeError::Exists(_))));
    tree.rename(&path("d"), &path("d")).unwrap();
}

#[test]
fn a_rename_cannot_put_names_beyond_the_limits() {
    let scratch = Scratch::new();
    scratch.put(&format!("a/{}f", "d/".repeat(90)), b"deep").unwrap();
    let deeper = path(&format!("{}a", "e/".repeat(20)));
    let refused = scratch.tree().rename(&path("a"), &deeper).unwrap_err();
    assert!(matches!(refused, TreeError::BadName(BadPath::TooDeep(112))), "{refused}");
    assert_eq!(names(&scratch, "/"), [b"a"], "nothing half was made on the way");
}

#[test]
fn names_are_bytes() {
    let scratch = Scratch::new();
    let hostile: Vec<Vec<u8>> = vec![
        b" lead and trail ".to_vec(),
        b"quote\"'`$(x)".to_vec(),
        b"new\nline\r\n".to_vec(),
        b"caf\xe9.jpg".to_vec(),
        b"caf\xe8.jpg".to_vec(),
        "caf\u{e9}.jpg".into(),
        "cafe\u{301}.jpg".into(),
        "\u{1f600}.jpg".into(),
        b"CON".to_vec(),
        b"con".to_vec(),
        b"...".to_vec(),
        b"-rf".to_vec(),
        b"%00".to_vec(),
        vec![b'n'; 255],
        (1..=255u8).filter(|byte| *byte != b'/').collect(),
    ];
    for name in &hostile {
        let at = TreePath::resolve(&path("in"), name).unwrap();
        let mut incoming = scratch.spool.begin(ALICE, &at, Endpoint::Sftp, Start::New).unwrap();
        incoming.write(name).unwrap();
        let upload = incoming.finish().unwrap();
        assert_eq!(scratch.upload(upload).path, [b"in/", name.as_slice()].concat());
    }
    let mut expected = hostile.clone();
    expected.sort();
    assert_eq!(names(&scratch, "in"), expected);
    for name in &hostile {
        let at = TreePath::resolve(&path("in"), name).unwrap();
        assert_eq!(scratch.tree().stat(&at).unwrap().size, name.len() as u64);
    }
    for file in scratch.spool_files() {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'), "{name}");
    }
}

#[test]
fn setting_a_time_changes_nothing_else() {
    let scratch = Scratch::new();
    let upload = scratch.put("d/a.jpg", b"a").unwrap();
    for at in ["d", "d/a.jpg"] {
        scratch.tree().set_mtime(&path(at), Micros(-7)).unwrap();
        assert_eq!(scratch.tree().stat(&path(at)).unwrap().mtime, Micros(-7));
    }
    assert_eq!(scratch.upload(upload).mtime, None);
    assert!(matches!(scratch.tree().set_mtime(&path("x"), Micros(0)), Err(TreeError::NotFound(_))));
}

/// A listing must not ask for each entry: it is one walk along one index, in its order.
#[test]
fn a_listing_is_one_index_scan() {
    let scratch = Scratch::new();
    let connection = rusqlite::Connection::open(scratch.catalogue.path()).unwrap();
    let sql = format!("EXPLAIN QUERY PLAN {}", crate::catalogue::listing_statement());
    let mut statement = connection.prepare(&sql).unwrap();
    let plan: Vec<String> = statement.query_map((1, 0), |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap();
    assert!(plan[0].starts_with("SEARCH e USING INDEX"), "{plan:?}");
    assert!(!plan.iter().any(|step| step.contains("SCAN") || step.contains("TEMP B-TREE")), "{plan:?}");
}

#[derive(Clone, Debug)]
enum Act {
    Put(String, Vec<u8>),
    Cut(String, Vec<u8>),
    Append(String, Vec<u8>),
    MakeDir(String),
    RemoveDir(String),
    RemoveFile(String),
    Rename(String, String),
}

fn act() -> impl Strategy<Value = Act> {
    let at = || "[ab](/[ab]){0,2}";
    let bytes = || proptest::collection::vec(any::<u8>(), 1..8);
    prop_oneof![
        3 => (at(), bytes()).prop_map(|(at, bytes)| Act::Put(at, bytes)),
        1 => (at(), bytes()).prop_map(|(at, bytes)| Act::Cut(at, bytes)),
        1 => (at(), bytes()).prop_map(|(at, bytes)| Act::Append(at, bytes)),
        1 => at().prop_map(Act::MakeDir),
        1 => at().prop_map(Act::RemoveDir),
        1 => at().prop_map(Act::RemoveFile),
        3 => (at(), at()).prop_map(|(from, to)| Act::Rename(from, to)),
    ]
}

/// A tree as a map from paths to what is there: simple enough to be seen to be right.
#[derive(Clone, Default, Debug)]
struct Model {
    nodes: BTreeMap<TreePath, Node>,
    uploads: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Directory,
    File { current: Option<Vec<u8>>, partial: Option<Vec<u8>> },
}

impl Model {
    fn is_file(&self, at: &TreePath) -> bool {
        matches!(self.nodes.get(at), Some(Node::File { .. }))
    }

    fn is_directory(&self, at: &TreePath) -> bool {
        matches!(self.nodes.get(at), Some(Node::Directory))
    }

    fn above(at: &TreePath) -> Vec<TreePath> {
        (1..at.depth()).map(|depth| TreePath::from_parts(at.parts()[..depth].to_vec())).collect()
    }

    fn make_above(&mut self, at: &TreePath) {
        for directory in Model::above(at) {
            self.nodes.insert(directory, Node::Directory);
        }
    }

    /// Does it if the rules allow it, and says whether they did.
    fn apply(&mut self, act: &Act) -> bool {
        match act {
            Act::Put(at, bytes) => self.transfer(&path(at), |_, _| (Some(bytes.clone()), None)),
            Act::Cut(at, bytes) => self.transfer(&path(at), |current, _| (current, Some(bytes.clone()))),
            Act::Append(at, bytes) => self.transfer(&path(at), |current, partial| {
                (Some([partial.or(current).unwrap_or_default(), bytes.clone()].concat()), None)
            }),
            Act::MakeDir(at) => {
                let at = path(at);
                let possible = !self.nodes.contains_key(&at) && !Model::above(&at).iter().any(|up| self.is_file(up));
                if possible {
                    self.make_above(&at);
                    self.nodes.insert(at, Node::Directory);
                }
                possible
            }
            Act::RemoveDir(at) => {
                let at = path(at);
                let empty = !self.nodes.keys().any(|node| node.is_within(&at) && *node != at);
                self.is_directory(&at) && empty && self.nodes.remove(&at).is_some()
            }
            Act::RemoveFile(at) => self.is_file(&path(at)) && self.nodes.remove(&path(at)).is_some(),
            Act::Rename(from, to) => self.rename(&path(from), &path(to)),
        }
    }

    fn transfer(
        &mut self,
        at: &TreePath,
        change: impl Fn(Option<Vec<u8>>, Option<Vec<u8>>) -> (Option<Vec<u8>>, Option<Vec<u8>>),
    ) -> bool {
        if self.is_directory(at) || Model::above(at).iter().any(|up| self.is_file(up)) {
            return false;
        }
        self.make_above(at);
        let (current, partial) = match self.nodes.remove(at) {
            Some(Node::File { current, partial }) => change(current, partial),
            _ => change(None, None),
        };
        self.uploads += usize::from(partial.is_none());
        self.nodes.insert(at.clone(), Node::File { current, partial });
        true
    }

    fn rename(&mut self, from: &TreePath, to: &TreePath) -> bool {
        let Some(node) = self.nodes.get(from).cloned() else { return false };
        if from == to {
            return true;
        }
        let onto_file = node != Node::Directory && self.is_file(to);
        let blocked = Model::above(to).iter().any(|up| self.is_file(up));
        if to.is_within(from) || blocked || (self.nodes.contains_key(to) && !onto_file) {
            return false;
        }
        let moving: Vec<TreePath> = self.nodes.keys().filter(|at| at.is_within(from)).cloned().collect();
        let moved: Vec<_> =
            moving.iter().map(|at| (at.moved(from, to).unwrap(), self.nodes.remove(at).unwrap())).collect();
        self.nodes.extend(moved);
        self.make_above(to);
        true
    }
}

fn perform(scratch: &Scratch, act: &Act) -> bool {
    let send = |at: &str, start, bytes: &[u8], whole: bool| -> Result<(), TreeError> {
        let mut incoming = scratch.begin(at, start)?;
        incoming.write(bytes)?;
        if whole { incoming.finish().map(|_| ()) } else { incoming.interrupt() }
    };
    let tree = scratch.tree();
    let done = match act {
        Act::Put(at, bytes) => send(at, Start::New, bytes, true),
        Act::Cut(at, bytes) => send(at, Start::New, bytes, false),
        Act::Append(at, bytes) => send(at, Start::Append, bytes, true),
        Act::MakeDir(at) => tree.make_dir(&path(at)),
        Act::RemoveDir(at) => tree.remove_dir(&path(at)),
        Act::RemoveFile(at) => tree.remove_file(&path(at)),
        Act::Rename(from, to) => tree.rename(&path(from), &path(to)),
    };
    done.is_ok()
}

/// Everything a client can see, by walking.
fn walk(scratch: &Scratch, at: &TreePath, seen: &mut BTreeMap<TreePath, Node>) {
    for entry in scratch.tree().list(at).unwrap() {
        let mut parts = at.parts().to_vec();
        parts.push(entry.name.clone());
        let here = TreePath::from_parts(parts);
        assert_eq!(scratch.tree().stat(&here).unwrap(), entry);
        if entry.directory {
            seen.insert(here.clone(), Node::Directory);
            walk(scratch, &here, seen);
            continue;
        }
        let current = entry.upload.map(|_| scratch.get(&String::from_utf8(here.to_bytes()).unwrap()));
        // Of a partial a client sees only its size.
        let partial = entry.partial.then(|| vec![0; entry.size as usize]);
        seen.insert(here, Node::File { current, partial });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_tree_is_a_map_of_paths(acts in proptest::collection::vec(act(), 1..40)) {
        let scratch = Scratch::new();
        let mut model = Model::default();
        for act in &acts {
            prop_assert_eq!(perform(&scratch, act), model.apply(act), "{:?}", act);
        }
        let mut seen = BTreeMap::new();
        walk(&scratch, &TreePath::root(), &mut seen);
        for node in model.nodes.values_mut() {
            if let Node::File { partial: Some(partial), .. } = node {
                partial.fill(0);
            }
        }
        prop_assert_eq!(seen, model.nodes);
        prop_assert_eq!(scratch.count("uploads"), model.uploads as i64, "no upload is ever lost");
        let before = scratch.spool_files().len();
        let scratch = scratch.restarted();
        prop_assert_eq!(scratch.recovered.orphans, 0);
        prop_assert_eq!(scratch.spool_files().len(), before, "a restart changes nothing");
    }
}
