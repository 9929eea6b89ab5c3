//! `cargo xtask run`.

use std::{
    ffi::OsString,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, ExitCode},
    thread,
    time::Duration,
};

use crate::{Result, build, paths::Paths, process::step};

/// The default address.
const LISTEN: &str = "127.0.0.1:3000";

/// Arguments of `run` and `dev`.
#[derive(clap::Args)]
pub struct Args {
    /// Optimised, minified, with compressed assets
    #[arg(long)]
    pub release: bool,
    /// Fill an empty installation with demo data and serve a demo site that embeds its widget
    #[arg(long)]
    pub demo: bool,
    /// Additional arguments for `earshot serve`, after `--`
    #[arg(last = true)]
    pub extra: Vec<OsString>,
}

impl Args {
    fn has(&self, flag: &str) -> bool {
        self.extra.iter().any(|a| a.to_string_lossy().split('=').next() == Some(flag))
    }

    /// The address that the server will listen on.
    pub fn listen(&self) -> String {
        let mut args = self.extra.iter().map(|a| a.to_string_lossy());
        while let Some(arg) = args.next() {
            if arg == "--listen" {
                return args.next().unwrap_or_default().into_owned();
            }
            if let Some(value) = arg.strip_prefix("--listen=") {
                return value.to_owned();
            }
        }
        LISTEN.to_owned()
    }

    /// Starts the program.
    pub fn start(&self, paths: &Paths, program: &Path) -> Result<Child> {
        let mut serve = Command::new(program);
        serve.arg("serve").current_dir(&paths.root);
        if !self.has("--data") {
            serve.args(["--data", "data"]);
        }
        if !self.has("--listen") {
            serve.args(["--listen", LISTEN]);
        }
        if self.demo && !self.has("--demo") {
            serve.arg("--demo");
        }
        serve.args(&self.extra).spawn().map_err(|e| format!("{}: {e}", program.display()).into())
    }
}

/// Builds, starts, prints the URL, and stays until the server ends.
pub fn run(paths: &Paths, args: &Args) -> Result<ExitCode> {
    check_free(&args.listen())?;
    let program = build::program(paths, args.release)?;
    let mut server = args.start(paths, &program)?;
    announce(&mut server, &args.listen())?;
    let status = server.wait()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reports early that the port is in use: the first build takes minutes.
pub fn check_free(listen: &str) -> Result<()> {
    if let Ok(address) = listen.parse::<SocketAddr>()
        && let Err(error) = TcpListener::bind(address)
    {
        return Err(format!("cannot listen on {listen} ({error}); choose another: cargo xtask run -- --listen 127.0.0.1:3001").into());
    }
    Ok(())
}

/// Waits until the server responds and prints its URL; a server that ends meanwhile has printed the reason itself.
pub fn announce(server: &mut Child, listen: &str) -> Result<()> {
    let Ok(mut address) = listen.parse::<SocketAddr>() else { return Ok(()) };
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    if step("starting the server", || wait_for(server, address))? {
        eprintln!("\n  Earshot is at http://{address}   (Ctrl-C stops it)\n");
    }
    Ok(())
}

/// Waits until something accepts connections at `address`; `false` if `server` ended first or a minute has passed.
pub fn wait_for(server: &mut Child, address: SocketAddr) -> Result<bool> {
    for _ in 0..600 {
        if server.try_wait()?.is_some() {
            return Ok(false);
        }
        if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(false)
}
