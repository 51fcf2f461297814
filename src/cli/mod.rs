//! The command line: what was typed, and one file per command.
//!
//! Data goes to stdout, the rest to stderr. Exit codes are a contract with other programs: 0 done, 1 failed, 2 wrong use,
//! 3 timed out. What a command does to pictures stands in the modules below this one; here is only how it is asked for.

mod customer;
mod decide;
mod demo;
mod explain;
mod folder;
mod import;
mod init;
mod password;
mod report;
mod retire;
mod review;
mod scan;
mod serve;
mod status;
mod token;
mod user;
mod wait;
mod webhook;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Gives people their lost pictures back.
#[derive(Debug, Parser)]
#[command(name = "reunite", version, max_term_width = 110)]
pub struct Cli {
    /// The data folder: where everything lives
    #[arg(long, global = true, env = "REUNITE_DATA", default_value = "reunite-data", value_name = "DIR")]
    data: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See the whole story on this machine: pictures lost, uploaded in a mess, and back again
    Demo(demo::Args),
    /// Make the data folder and its settings file
    Init,
    /// Make and change the accounts that customers upload with
    #[command(subcommand)]
    Customer(customer::Command),
    /// Make and change the accounts of those who work for the shop, for the pages
    #[command(subcommand)]
    User(user::Command),
    /// Let programs of the shop ask for things: tokens, and what each may do
    #[command(subcommand)]
    Token(token::Command),
    /// Tell programs of the shop of each original that is put back or taken away
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Bring in the shop's records and their thumbnails; importing again updates, never duplicates
    Import(import::Args),
    /// Bring in which records the shop's orders need; importing again updates, never duplicates
    ImportOrders(import::orders::Args),
    /// Take in a folder that lies on this machine, and decide it
    Scan(scan::Args),
    /// Receive, match and put back until a signal asks for the end
    Serve(serve::Args),
    /// Wait until nothing received is undecided; exit code 3 when the time is over
    Wait(wait::Args),
    /// How things stand, in counts
    Status(status::Args),
    /// What came back, what is missing, and why
    Report(report::Args),
    /// Say what files would match, and why; changes nothing
    Match(explain::Args),
    /// Decide what the program must not decide by itself
    #[command(subcommand)]
    Review(review::Command),
    /// Put an upload's picture on a record by hand
    Attach(decide::AttachArgs),
    /// Take the picture off a record by hand
    Detach(decide::DetachArgs),
    /// Give records up that nobody will send a picture for, or look for them again
    Retire(retire::RetireArgs),
}

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what was asked.
    Done,
    /// The time given was over before what it waited for came.
    TimedOut,
}

/// Runs the command that was typed.
///
/// # Errors
/// When the command fails; the chain of causes is for the person who typed it.
pub fn run(cli: Cli) -> anyhow::Result<Outcome> {
    let data = &cli.data;
    if data.exists() {
        folder::check(data)?;
    }
    match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Init => init::run(data),
        Command::Customer(command) => customer::run(data, command),
        Command::User(command) => user::run(data, command),
        Command::Token(command) => token::run(data, command),
        Command::Webhook(command) => webhook::run(data, command),
        Command::Import(args) => import::run(data, &args),
        Command::ImportOrders(args) => import::orders::run(data, &args),
        Command::Scan(args) => scan::run(data, &args),
        Command::Serve(args) => serve::run(data, &args),
        Command::Wait(args) => wait::run(data, &args),
        Command::Status(args) => status::run(data, &args),
        Command::Report(args) => report::run(data, &args),
        Command::Match(args) => explain::run(data, &args),
        Command::Review(command) => review::run(data, command),
        Command::Attach(args) => decide::attach(data, &args),
        Command::Detach(args) => decide::detach(data, &args),
        Command::Retire(args) => retire::run(data, args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
