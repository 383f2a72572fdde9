//! `naq completions` and `naq man`: shell completions and the manual page.

use anyhow::Result;
use clap::Args;
use clap_complete::Shell;

use crate::args::definition;
use crate::output::Output;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq completions bash > ~/.local/share/bash-completion/completions/naq
  naq completions zsh > ~/.zfunc/_naq
  naq completions fish > ~/.config/fish/completions/naq.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn completions(args: &CompletionsArgs, out: Output) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut definition(), "naq", &mut script);
    out.bytes(&script)
}

/// Prints one manual page with every command.
pub(crate) fn man(out: Output) -> Result<()> {
    let mut command = definition();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for sub in
        command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
    {
        sections(sub, &mut page)?;
    }
    out.bytes(&page)
}

fn sections(command: &clap::Command, page: &mut Vec<u8>) -> Result<()> {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_uppercase();
    page.extend_from_slice(format!(".SH {name}\n").as_bytes());
    let man = clap_mangen::Man::new(command.clone());
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        sections(sub, page)?;
    }
    Ok(())
}
