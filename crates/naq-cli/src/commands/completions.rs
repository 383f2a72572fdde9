//! `naq completions` and `naq man`: shell completions and the manual page.

use anyhow::Result;
use clap::{Args, ValueHint};
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
    clap_complete::generate(args.shell, &mut with_hints(definition()), "naq", &mut script);
    out.bytes(&script)
}

/// A shell offers files for each value that says nothing else. Few of the values are files.
fn with_hints(command: clap::Command) -> clap::Command {
    let with_hint = |arg: clap::Arg| {
        let names = arg.get_value_names().unwrap_or_default();
        let is_path = names.iter().any(|name| ["FILE", "DIR", "PATH"].contains(&name.as_str()));
        match arg.get_value_hint() {
            ValueHint::Unknown if !is_path && arg.get_action().takes_values() => {
                arg.value_hint(ValueHint::Other)
            }
            _ => arg,
        }
    };
    command.mut_args(with_hint).mut_subcommands(with_hints)
}

/// Prints one manual page with every command.
pub(crate) fn man(out: Output) -> Result<()> {
    out.bytes(&man_page()?)
}

fn man_page() -> Result<Vec<u8>> {
    let mut command = definition();
    command.build();
    let mut page = Vec::new();
    let main = clap_mangen::Man::new(with_all_texts(command.clone()));
    main.render_title(&mut page)?;
    main.render_name_section(&mut page)?;
    main.render_synopsis_section(&mut page)?;
    main.render_description_section(&mut page)?;
    main.render_options_section(&mut page)?;
    for sub in
        command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
    {
        sections(sub, &mut page)?;
    }
    Ok(page)
}

/// Options that the short help leaves out have no text otherwise.
fn with_all_texts(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| arg.hide_short_help(false))
}

/// The options of every command are among those of `naq`, so the sections of commands leave them out.
fn with_own_options(command: clap::Command) -> clap::Command {
    with_all_texts(command).mut_args(|arg| {
        let is_shared = arg.is_global_set();
        arg.hide(is_shared)
    })
}

fn sections(command: &clap::Command, page: &mut Vec<u8>) -> Result<()> {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_uppercase();
    page.extend_from_slice(format!(".SH {}\n", name.replace('-', "\\-")).as_bytes());
    let man = clap_mangen::Man::new(with_own_options(command.clone()));
    let mut text = Vec::new();
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    // Below the command's own heading.
    page.extend_from_slice(String::from_utf8_lossy(&text).replace(".SH ", ".SS ").as_bytes());
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        sections(sub, page)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_in_the_manual_page_has_a_text_and_no_page_is_named_that_does_not_exist() {
        let page = String::from_utf8(man_page().expect("a page")).expect("text");
        let is_text = |line: &&str| !line.is_empty() && !line.starts_with(".S");
        let without: Vec<_> = page
            .split("\n.TP\n")
            .skip(1)
            .filter(|option| option.lines().filter(is_text).count() < 2)
            .collect();
        assert_eq!(without, Vec::<&str>::new());
        assert!(!page.contains("(1)"), "naq has one page");
        assert_eq!(
            page.matches(".TP\n\\fB\\-\\-nats\\-creds").count(),
            1,
            "shared options are there once"
        );
        assert!(page.contains("GATEWAY KEY ADD") && page.contains("\\-\\-sso\\-role"), "{page}");
    }
}
