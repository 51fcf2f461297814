//! Commands about names: directories, deletion, renaming, sizes, times.

use tokio::sync::oneshot;

use super::date::stamp;
use super::reply::Reply;
use super::session::{Session, absolute, tree_reply};
use crate::catalogue;
use crate::domain::Micros;
use crate::tree::{TreeError, TreePath};

/// Either way it is a reply.
fn either(result: Result<Reply, Reply>) -> Reply {
    result.unwrap_or_else(|refusal| refusal)
}

impl Session {
    pub(super) async fn change_directory(&mut self, name: &[u8]) -> Reply {
        let found =
            async {
                // Without a name, it is the way home.
                let path = self.resolve(if name.is_empty() { b"/" } else { name })?;
                let wanted = path.clone();
                self.with_tree(move |tree| {
                    if tree.stat(&wanted)?.directory { Ok(()) } else { Err(TreeError::NotDirectory(wanted)) }
                })
                .await?;
                Ok(path)
            };
        match found.await {
            Ok(path) => {
                if let Some(signed_in) = &mut self.signed_in {
                    signed_in.cwd = path;
                }
                Reply::new(250, "directory changed")
            }
            Err(refusal) => refusal,
        }
    }

    pub(super) async fn make_directory(&self, name: &[u8]) -> Reply {
        let made = async {
            let path = self.resolve(name)?;
            let wanted = path.clone();
            self.with_tree(move |tree| tree.make_dir(&wanted)).await?;
            Ok(Reply::path(&absolute(&path), "made"))
        };
        either(made.await)
    }

    pub(super) async fn remove_directory(&self, name: &[u8]) -> Reply {
        let removed = async {
            let path = self.resolve(name)?;
            self.with_tree(move |tree| tree.remove_dir(&path)).await?;
            Ok(Reply::new(250, "directory removed"))
        };
        either(removed.await)
    }

    pub(super) async fn delete(&self, name: &[u8]) -> Reply {
        let deleted = async {
            let path = self.resolve(name)?;
            self.with_tree(move |tree| tree.remove_file(&path)).await?;
            Ok(Reply::new(250, "removed from this list; what was received stays received"))
        };
        either(deleted.await)
    }

    pub(super) async fn rename_first(&mut self, name: &[u8]) -> Reply {
        let found = async {
            let path = self.resolve(name)?;
            let wanted = path.clone();
            self.with_tree(move |tree| tree.stat(&wanted)).await?;
            Ok(path)
        };
        match found.await {
            Ok(path) => {
                self.rename_from = Some(path);
                Reply::new(350, "and the new name?")
            }
            Err(refusal) => refusal,
        }
    }

    pub(super) async fn rename_to(&self, from: Option<TreePath>, name: &[u8]) -> Reply {
        let Some(from) = from else { return Reply::new(503, "send RNFR first") };
        let renamed = async {
            let to = self.resolve(name)?;
            self.with_tree(move |tree| tree.rename(&from, &to)).await?;
            Ok(Reply::new(250, "renamed"))
        };
        either(renamed.await)
    }

    pub(super) async fn size(&self, name: &[u8]) -> Reply {
        let found = async {
            let path = self.resolve(name)?;
            let wanted = path.clone();
            let entry = self.with_tree(move |tree| tree.stat(&wanted)).await?;
            Ok(if entry.directory {
                Reply::new(550, format!("`{path}` is a directory"))
            } else {
                Reply::new(213, entry.size.to_string())
            })
        };
        either(found.await)
    }

    pub(super) async fn modification_time(&self, name: &[u8]) -> Reply {
        let found = async {
            let path = self.resolve(name)?;
            let entry = self.with_tree(move |tree| tree.stat(&path)).await?;
            Ok(Reply::new(213, stamp(entry.mtime)))
        };
        either(found.await)
    }

    pub(super) async fn set_modification_time(&self, at: Micros, name: &[u8]) -> Reply {
        let set = async {
            let path = self.resolve(name)?;
            let (tell, told) = oneshot::channel();
            self.customer()?.tree.set_mtime_then(&path, at, move |set| drop(tell.send(set)));
            let set = told.await.unwrap_or_else(|_| Err(catalogue::Error::Closing.into()));
            set.map_err(|fault| tree_reply(&fault))?;
            let mut text = format!("Modify={}; ", stamp(at)).into_bytes();
            text.extend_from_slice(name);
            Ok(Reply::new(213, text))
        };
        either(set.await)
    }
}
