#include "manual.h"

#include "help.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vitals::cli {
namespace {

// --- man(7)

// A line must not begin with a control character, and a dash is a minus in what people type.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n'))
      out += fmt::format("\\&{}", c);
    else
      out += c;
  }
  return out;
}

std::string manual_of(const Program& program, const Command& c) {
  auto text = fmt::format(".SS {}\n.B {}\n.PP\n{}.\n", roff(c.name), roff(synopsis(program, c)),
                          roff(c.doc));
  for (const auto& o : c.options)
    text += fmt::format(".TP\n.B {}\n{}\n", roff(spelled(o)), roff(explained(o)));
  if (!c.examples.empty()) text += ".PP\nExamples:\n.EX\n";
  for (const auto& example : c.examples) text += roff(example) + "\n";
  return text + (c.examples.empty() ? "" : ".EE\n");
}

// --- Completions

// Long and short names of an option, without their value.
std::vector<std::string> names_of(const Option& o) { return split_commas(o.names); }

std::string words(const Command& c) {
  std::vector<std::string> all = {"--help", "--version"};
  for (const auto& o : c.options)
    if (!o.positional())
      for (const auto& name : names_of(o)) all.push_back(name);
  return fmt::format("{}", fmt::join(all, " "));
}

bool takes_model(const Command& c) {
  for (const auto& o : c.options)
    if (o.positional() && o.value == "MODEL") return true;
  return false;
}

std::string bash(const Program& p) {
  std::vector<std::string> commands;
  std::string options;
  std::string values;
  for (const auto& c : p.commands) {
    commands.push_back(c.name);
    options += fmt::format("    {}) words='{}' ;;\n", c.name, words(c));
    for (const auto& o : c.options) {
      if (o.positional() || o.value.empty()) continue;
      const auto what = o.value == "FILE" ? std::string("files=yes")
                                          : fmt::format("words='{}'", fmt::join(o.choices, " "));
      for (const auto& name : names_of(o))
        values += fmt::format("    {}:{}) {} ;;\n", c.name, name, what);
    }
  }
  std::vector<std::string> with_model;
  for (const auto& c : p.commands)
    if (takes_model(c)) with_model.push_back(c.name);
  return fmt::format(
      R"~(# bash completion of {0}
_{0}() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command=${{COMP_WORDS[1]}}
  local words='' files=''
  if [ "$COMP_CWORD" = 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W '{1} --help --version' -- "$current")
    return
  fi
  case $command:$before in
{2}    *) before='' ;;
  esac
  if [ -z "$before" ] && [[ $current == -* ]]; then
    case $command in
{3}    esac
  elif [ -z "$before" ]; then
    case $command in
      {4}) words=$("${{COMP_WORDS[0]}}" list --names 2>/dev/null) files=yes ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  [ -z "$files" ] || mapfile -t -O "${{#COMPREPLY[@]}}" COMPREPLY < <(compgen -f -- "$current")
}}
complete -o filenames -F _{0} {0}
)~",
      p.name, fmt::join(commands, " "), values, options, fmt::join(with_model, "|"));
}

// Text within single quotes of a shell.
std::string single_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// In zsh's _arguments, brackets and colons have a meaning.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_option(const Option& o, const std::string& name) {
  auto text = (o.repeatable ? "*" : "") + name;
  if (!o.value.empty() && name.starts_with("--")) text += "=";
  text += "[" + zsh_text(o.doc) + "]";
  if (o.value.empty()) return single_quoted(text);
  text += ":" + zsh_text(o.value) + ":";
  if (o.value == "FILE") text += "_files";
  if (!o.choices.empty()) text += fmt::format("({})", fmt::join(o.choices, " "));
  return single_quoted(text);
}

std::string zsh(const Program& p) {
  std::string commands;
  std::string cases;
  for (const auto& c : p.commands) {
    commands += "    " + single_quoted(c.name + ":" + zsh_text(c.doc)) + "\n";
    cases += fmt::format("    {})\n      _arguments \\\n", c.name);
    for (const auto& o : c.options) {
      if (o.positional()) continue;
      for (const auto& name : names_of(o)) cases += "        " + zsh_option(o, name) + " \\\n";
    }
    cases += takes_model(c) ? "        '*:MODEL:_vitals_models'\n      ;;\n"
                            : "        '*: :'\n      ;;\n";
  }
  return fmt::format(R"~(#compdef {0}
_{0}_models() {{
  local -a names
  names=(${{(f)"$(_call_program models {0} list --names 2>/dev/null)"}})
  compadd -a names
  _files
}}
_{0}() {{
  local -a commands
  commands=(
{1}  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{2}  esac
}}
_{0} "$@"
)~",
                     p.name, commands, cases);
}

std::string fish(const Program& p) {
  auto text = fmt::format("# fish completion of {0}\ncomplete -c {0} -f\n", p.name);
  for (const auto& c : p.commands) {
    text += fmt::format("complete -c {} -n __fish_use_subcommand -a {} -d {}\n", p.name, c.name,
                        single_quoted(c.doc));
    const auto here =
        fmt::format("complete -c {} -n '__fish_seen_subcommand_from {}'", p.name, c.name);
    if (takes_model(c)) text += fmt::format("{} -F -a '({} list --names)'\n", here, p.name);
    for (const auto& o : c.options) {
      if (o.positional()) continue;
      text += here;
      for (const auto& name : names_of(o))
        text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      text += " -d " + single_quoted(o.doc);
      if (o.value == "FILE")
        text += " -r -F";
      else if (!o.value.empty())
        text +=
            fmt::format(" -x -a {}", single_quoted(fmt::format("{}", fmt::join(o.choices, " "))));
      text += "\n";
    }
  }
  return text;
}

}  // namespace

std::string manual_page(const Program& p) {
  auto text = fmt::format(".TH {} 1 \"\" \"{}\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n", p.name,
                          roff(p.version.substr(0, p.version.find('\n'))), p.name, roff(p.doc));
  for (const auto& c : p.commands) text += fmt::format(".B {}\n.br\n", roff(synopsis(p, c)));
  text += ".SH COMMANDS\n";
  for (const auto& c : p.commands) text += manual_of(p, c);
  text +=
      ".SH EXIT STATUS\n.TP\n.B 0\ndone\n.TP\n.B 1\na fault in the input: an unknown model, a "
      "wrong "
      "spec, an unreadable file\n.TP\n.B 2\nwrong usage\n.TP\n.B 3\nsomething that was asked for "
      "does "
      "not hold: \\-\\-fit finds no batch, a condition of \\-\\-fail\\-if is true\n"
      ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nwhen set and not empty, output has no colour\n"
      ".TP\n.B COLUMNS\nthe width of a terminal, before what the terminal itself tells\n";
  return text;
}

std::string completions(const Program& program, Shell shell) {
  switch (shell) {
    case Shell::bash:
      return bash(program);
    case Shell::zsh:
      return zsh(program);
    case Shell::fish:
      return fish(program);
  }
  return "";
}

}  // namespace vitals::cli
