//! Runs the stand-in service alone: for a demo, for other languages' clients, and
//! for those who have no account.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use microcms_sim::{SchemaFormat, Sim, SimBuilder, TokenMode};

/// A stand-in for the microCMS service.
#[derive(Debug, Parser)]
#[command(name = "microcms-sim", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves until Ctrl-C.
    Serve(Serve),
}

#[derive(Debug, Args)]
struct Serve {
    /// The service's id
    #[arg(long, default_value = "demo")]
    service_id: String,
    /// Decides all generated data
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many media there are
    #[arg(long, default_value_t = 250)]
    media: u32,
    /// Length of generated files in bytes, as MIN-MAX
    #[arg(long, default_value = "200-4000", value_parser = parse_range)]
    media_size: (u64, u64),
    /// A list API and its number of contents; may be repeated
    #[arg(long, value_name = "ENDPOINT=N", value_parser = parse_contents, default_values = ["blog=120", "news=30"])]
    contents: Vec<(String, u32)>,
    /// An object API; may be repeated
    #[arg(long, value_name = "ENDPOINT", default_values = ["settings"])]
    object: Vec<String>,
    /// The API key
    #[arg(long)]
    api_key: Option<String>,
    /// The first of eight ports: management, content, images, files, foreign, admin, custom images, custom files; 0 takes any
    #[arg(long, default_value_t = 0)]
    port_base: u16,
    /// Allow any number of requests
    #[arg(long)]
    no_budgets: bool,
    /// Which answers carry a page token
    #[arg(long, value_parser = parse_token_mode, default_value = "same", value_name = "same|rotating|first-only")]
    token_mode: TokenMode,
    /// Show schemas in the form before July 2026
    #[arg(long)]
    old_schemas: bool,
    /// List media in the form before April 2026
    #[arg(long)]
    old_media: bool,
    /// One listener for all hosts, told apart by the `Host` header
    #[arg(long, value_name = "ADDRESS:PORT")]
    host_mode: Option<SocketAddr>,
    /// Speak TLS in host mode; `ca.pem` is written to this folder
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "DIR", requires = "host_mode")]
    tls_dir: Option<std::path::PathBuf>,
}

fn parse_contents(text: &str) -> Result<(String, u32), String> {
    let (endpoint, count) = text.split_once('=').ok_or("expected ENDPOINT=N")?;
    let count = count
        .parse()
        .map_err(|error| format!("`{count}` is not a number: {error}"))?;
    Ok((endpoint.to_owned(), count))
}

fn parse_range(text: &str) -> Result<(u64, u64), String> {
    let (min, max) = text.split_once('-').ok_or("expected MIN-MAX")?;
    match (min.parse(), max.parse()) {
        (Ok(min), Ok(max)) if min <= max => Ok((min, max)),
        _ => Err(format!("`{text}` is not a range of two numbers")),
    }
}

fn parse_token_mode(text: &str) -> Result<TokenMode, String> {
    match text {
        "same" => Ok(TokenMode::Same),
        "rotating" => Ok(TokenMode::Rotating),
        "first-only" => Ok(TokenMode::FirstOnly),
        _ => Err("expected same, rotating or first-only".into()),
    }
}

impl Serve {
    fn builder(&self) -> SimBuilder {
        let mut builder = Sim::builder()
            .service_id(&self.service_id)
            .seed(self.seed)
            .media(self.media)
            .media_size(self.media_size.0..=self.media_size.1)
            .token_mode(self.token_mode)
            .workers(2);
        for (endpoint, count) in &self.contents {
            builder = builder.list_api(endpoint, *count);
        }
        for endpoint in &self.object {
            builder = builder.object_api(endpoint);
        }
        if let Some(key) = &self.api_key {
            builder = builder.api_key(key);
        }
        if !self.no_budgets {
            builder = builder.with_budgets();
        }
        if self.old_schemas {
            builder = builder.schema_format(SchemaFormat::A);
        }
        if self.old_media {
            builder = builder.old_media_form();
        }
        if self.port_base > 0 {
            builder = builder.port_base(self.port_base);
        }
        if let Some(address) = self.host_mode {
            builder = builder.host_mode(address);
        }
        #[cfg(feature = "tls")]
        if let Some(dir) = &self.tls_dir {
            builder = builder.tls(dir);
        }
        builder
    }
}

/// What the operator sees: where it listens, and an environment to paste.
fn greeting(sim: &Sim) -> String {
    let (management, content) = (sim.management_url(), sim.content_url());
    let (images, files, admin) = (sim.image_host(), sim.file_host(), sim.admin_url());
    let (custom_images, custom_files) = (sim.custom_image_host(), sim.custom_file_host());
    let (id, key) = (sim.service_id(), sim.api_key());
    format!(
        "microCMS stand-in for service `{id}`\n\
         \x20 management API  {management}\n\
         \x20 content API     {content}\n\
         \x20 images          {images}\n\
         \x20 files           {files}\n\
         \x20 admin           {admin}\n\
         \x20 custom domain   {custom_images}, {custom_files} (once switched to)\n\
         \x20 API key         {key}\n\n\
         # for microcms-backup:\n\
         export MICROCMS_SERVICE_ID={id}\n\
         export MICROCMS_API_KEY={key}\n\
         export MICROCMS_BACKUP__SERVICE__MANAGEMENT_URL={management}\n\
         export MICROCMS_BACKUP__SERVICE__CONTENT_URL={content}\n\
         export MICROCMS_BACKUP__ASSETS__HOSTS={images},{files}\n\n\
         # Ctrl-C stops it\n"
    )
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Cli {
        command: Command::Serve(serve),
    } = Cli::parse();
    let sim = match serve.builder().try_start() {
        Ok(sim) => sim,
        Err(error) => {
            say_error(&format!("cannot listen: {error}"));
            return ExitCode::FAILURE;
        }
    };
    say(&greeting(&sim));
    if serve.host_mode.is_some() {
        say(&format!("# all names must lead to {}\n", sim.address()));
    }
    let stopped = tokio::signal::ctrl_c().await;
    sim.stop();
    match stopped {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&format!("cannot wait for Ctrl-C: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the greeting is what this program prints"
)]
fn say(text: &str) {
    print!("{text}");
}

#[expect(
    clippy::print_stderr,
    reason = "a program without a logger reports here"
)]
fn say_error(text: &str) {
    eprintln!("microcms-sim: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use microcms_sim::ApiKind;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        assert_eq!(parse_contents("blog=3"), Ok(("blog".into(), 3)));
        assert!(parse_contents("blog").is_err() && parse_contents("blog=x").is_err());
        assert!(parse_range("5-2").is_err());
    }

    #[test]
    fn the_greeting_can_be_pasted() {
        let sim = Serve::from_args(&["--media", "1"])
            .builder()
            .start_blocking();
        let text = greeting(&sim);
        for line in text.lines().filter(|line| line.starts_with("export ")) {
            let (name, value) = line.trim_start_matches("export ").split_once('=').unwrap();
            assert!(
                name.starts_with("MICROCMS_") && !value.is_empty() && !value.contains(' '),
                "{line}"
            );
        }
        assert_eq!(text.matches("export ").count(), 5);
        // The defaults have both kinds of APIs.
        let kinds: Vec<ApiKind> = sim
            .truth()
            .endpoints
            .into_iter()
            .map(|endpoint| endpoint.kind)
            .collect();
        assert_eq!(kinds, [ApiKind::List, ApiKind::List, ApiKind::Object]);
    }

    impl Serve {
        fn from_args(args: &[&str]) -> Self {
            let args = ["microcms-sim", "serve"].iter().chain(args);
            let Command::Serve(serve) = Cli::parse_from(args).command;
            serve
        }
    }
}
