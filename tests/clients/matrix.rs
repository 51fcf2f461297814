//! The matrix: every client in `drivers/` x the protocols it speaks x what people do with it, against the real server.
//!
//! A client is one file in `drivers/`; its first lines say what it is (see [`driver`]), and it is called as
//!
//! ```text
//! DRIVER ACTION LOCAL REMOTE      with PROTOCOL, HOST, PORT, LOGIN, PASSWORD, and for SSH also IDENTITY and SSH_OPTIONS
//! ```
//!
//! It exits 0 when the client did it, and 77 when the client has no way to do it, with the reason as the last line it
//! prints. Anything else is a failure. What came of it is looked for on the server, never believed. The table goes to
//! `client-matrix.md` in the target folder.

mod cells;
pub mod control;
mod driver;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::folder::succeed;
use crate::support::{Server, Shop};
use cells::{ACTIONS, Cell, Row};
use driver::Driver;

/// Rows that are run at the same time.
const WORKERS: usize = 2;

/// Where the table goes.
fn table_path() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("client-matrix.md")
}

/// Names in a variable, separated by spaces.
fn listed(variable: &str) -> Vec<String> {
    std::env::var(variable).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn every_client_does_what_people_do_with_it() {
    let full = !std::env::var("REUNITE_TESTS_FULL").unwrap_or_default().is_empty();
    // A client that cannot be installed is named by whoever tried; one that is merely absent is a failure.
    let (only, absent) = (listed("REUNITE_CLIENTS_ONLY"), listed("REUNITE_CLIENTS_ABSENT"));
    let mut drivers = driver::all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/drivers"));
    drivers.retain(|driver| (full || !driver.full) && (only.is_empty() || only.contains(&driver.file)));
    assert!(!drivers.is_empty(), "REUNITE_CLIENTS_ONLY names none of tests/clients/drivers");
    let (missing, drivers): (Vec<Driver>, Vec<Driver>) =
        drivers.into_iter().partition(|driver| absent.contains(&driver.file));

    let shop = Shop::new();
    shop.ok(["init"]);
    let identity = shop.scratch().join("identity");
    succeed(std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&identity));
    let rows: Vec<(&Driver, &str)> = drivers
        .iter()
        .flat_map(|driver| driver.protocols.iter().map(move |protocol| (driver, protocol.as_str())))
        .collect();
    for (driver, protocol) in &rows {
        let name = format!("{}-{protocol}", driver.file);
        shop.customer(&name, cells::PASSWORD);
        shop.ok(["customer", "key", &name, identity.with_extension("pub").to_str().unwrap()]);
    }
    let server = serve(&shop);
    let next = Mutex::new(rows.iter().enumerate());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some((place, (driver, protocol))) = next.lock().unwrap().next() else { return };
                    let row = Row::new(&shop, &server, &identity, driver, protocol, full);
                    let cells: Vec<Cell> = ACTIONS.iter().map(|action| row.run(*action)).collect();
                    done.lock().unwrap().push((place, cells));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(place, _)| *place);
    assert_eq!(done.len(), rows.len());
    let results: Vec<(&Driver, &str, Vec<Cell>)> =
        rows.iter().zip(done).map(|((driver, protocol), (_, cells))| (*driver, *protocol, cells)).collect();
    let table = table::markdown(&results, &missing, full);
    std::fs::write(table_path(), &table).unwrap();
    println!("{table}");
    let failures = table::failures(&results);
    assert!(failures.is_empty(), "{}\nthe table is in {}", failures.join("\n"), table_path().display());
}

/// The server with every way in, and with caps that 2,000 files from many clients do not reach.
fn serve(shop: &Shop) -> Server {
    let any = "127.0.0.1:0";
    let mut command = shop.command(["serve", "--ftp", any, "--ftps", any, "--sftp", any, "--web", any]);
    command.env("NO_COLOR", "1");
    Server::start(command)
}
