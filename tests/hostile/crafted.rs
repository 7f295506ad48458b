//! Archives of TorchScript written by hand.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A file of a zip archive.
pub type Record = (String, Vec<u8>);

/// The pickle of a module `__torch__.M` in evaluation, whose state is a dictionary.
pub const STATE: &[u8] = b"\x80\x02c__torch__\nM\n)\x81}(X\x08\0\0\0training\x89ub.";

/// The same, whose state is a tuple for `__setstate__`.
pub const OWN_STATE: &[u8] = b"\x80\x02c__torch__\nM\n)\x81K\x01\x88\x86b.";

/// What a module begins with.
pub const HEAD: &str =
    "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  training : bool\n";

/// The files of one test.
pub struct Folder {
    folder: TempDir,
}

impl Folder {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), [b'S'; 256]).unwrap();
        Self { folder }
    }

    /// What archives try to write.
    pub fn written(&self) -> PathBuf {
        self.folder.path().join("written")
    }

    /// An expression that writes it.
    pub fn save(&self) -> String {
        format!("torch.save(torch.ones([2]), \"{}\")", self.written().display())
    }

    /// An expression that reads a secret.
    pub fn read(&self) -> String {
        let secret = self.folder.path().join("secret");
        format!("torch.from_file(\"{}\", False, 8, dtype=6)", secret.display())
    }

    pub fn archive(&self, records: &[Record]) -> PathBuf {
        self.file(&zipped(records))
    }

    pub fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("model.pt");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// `forward` with a statement in front of what it returns.
pub fn forward(statement: &str) -> String {
    let body = if statement.is_empty() { String::new() } else { format!("    {statement}\n") };
    format!(
        "  def forward(self: __torch__.M, x: Tensor) -> Tensor:\n{body}    return torch.mul(x, 2)\n"
    )
}

/// `__setstate__` with a statement.
pub fn set_state(statement: &str) -> String {
    let body = if statement.is_empty() { "pass" } else { statement };
    format!(
        "  def __getstate__(self: __torch__.M) -> Tuple[int, bool]:\n    return (1, True)\n  \
           def __setstate__(self: __torch__.M, state: Tuple[int, bool]) -> NoneType:\n    {body}\n    \
         self.training = True\n"
    )
}

/// An archive of code and the pickle of its module.
pub fn records(code: &str, pickle: &[u8]) -> Vec<Record> {
    [
        ("data.pkl", pickle),
        ("constants.pkl", b"\x80\x02)."),
        ("code/__torch__.py", code.as_bytes()),
        ("version", b"3\n"),
    ]
    .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
    .to_vec()
}

/// A zip archive of records as they are: in this order, with names that stand in it twice.
pub fn zipped(records: &[Record]) -> Vec<u8> {
    let (mut out, mut directory) = (vec![], vec![]);
    for (name, bytes) in records {
        let name = format!("m/{name}");
        let sizes = [bytes.len() as u32, bytes.len() as u32];
        let start = out.len() as u32;
        let common = |target: &mut Vec<u8>| {
            target.extend([20_u16, 0, 0, 0, 0].iter().flat_map(|n| n.to_le_bytes()));
            target.extend(crc32fast::hash(bytes).to_le_bytes());
            target.extend(sizes.iter().flat_map(|n| n.to_le_bytes()));
            target.extend((name.len() as u16).to_le_bytes());
        };
        out.extend(b"PK\x03\x04");
        common(&mut out);
        out.extend([0; 2]);
        out.extend(name.as_bytes());
        out.extend(bytes);
        directory.extend(b"PK\x01\x02\x14\x00");
        common(&mut directory);
        directory.extend([0; 12]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, count) = (out.len() as u32, records.len() as u16);
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count, count].iter().flat_map(|n| n.to_le_bytes()));
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0; 2]);
    out
}
