#include "arguments.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace otto::ottoctl {
namespace {

const Option* find_option(const Command* command, std::string_view name) {
    auto named = [&](const Option& o) { return o.name == name; };
    if (auto o = std::find_if(kCommonOptions.begin(), kCommonOptions.end(), named); o != kCommonOptions.end()) return &*o;
    if (!command) return nullptr;
    auto o = std::find_if(command->options.begin(), command->options.end(), named);
    return o == command->options.end() ? nullptr : &*o;
}

/// The command whose words the operands begin with; they are taken away.
const Command* take_command(std::span<const Command> commands, std::vector<std::string>& words) {
    const Command* best = nullptr;
    std::size_t best_length = 0;
    for (const auto& c : commands) {
        auto parts = split_list(c.words, ' ');
        if (parts.size() > words.size() || parts.size() <= best_length || !std::equal(parts.begin(), parts.end(), words.begin()))
            continue;
        best = &c;
        best_length = parts.size();
    }
    words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(best_length));
    return best;
}

std::string count_of(const Command& c) {
    if (c.most == 0) return "nothing more";
    return std::string(c.operands);
}

}  // namespace

Arguments parse_arguments(std::span<const Command> commands, const std::vector<std::string>& typed) {
    Arguments out;
    // The command's words come first, so that it is known which options take a value.
    std::vector<std::string> leading;
    for (const auto& t : typed) {
        if (t.starts_with("--")) continue;
        leading.push_back(t);
    }
    auto words = leading;
    out.command = take_command(commands, words);
    std::size_t skip = leading.size() - words.size();
    for (std::size_t i = 0; i < typed.size(); ++i) {
        const auto& t = typed[i];
        if (!t.starts_with("--")) {
            if (skip > 0)
                --skip;
            else
                out.operands.push_back(t);
            continue;
        }
        auto equals = t.find('=');
        std::string name = t.substr(2, equals == std::string::npos ? std::string::npos : equals - 2);
        const auto* option = find_option(out.command, name);
        if (!option) {
            if (equals == std::string::npos)
                throw UsageError("there is no option --" + name,
                                 out.command ? "ottoctl " + std::string(out.command->words) + " --help lists them"
                                             : "ottoctl --help lists the commands");
            out.settings.push_back(t);
            continue;
        }
        if (option->value.empty()) {
            if (equals != std::string::npos) throw UsageError("--" + name + " takes no value");
            if (name == "help") out.help = true;
            out.options.emplace(name, "");
        } else if (equals != std::string::npos) {
            out.options.emplace(name, t.substr(equals + 1));
        } else {
            if (i + 1 >= typed.size() || typed[i + 1].starts_with("--"))
                throw UsageError("--" + name + " lacks its value", "--" + name + " " + std::string(option->value));
            out.options.emplace(name, typed[++i]);
        }
    }
    if (out.help) return out;
    if (!out.command)
        throw UsageError(leading.empty()
                             ? "no command was given"
                             : "there is no command '" + leading.front() + (leading.size() > 1 ? " " + leading[1] : "") + "'",
                         "ottoctl --help lists them");
    if (out.operands.size() < out.command->least || out.operands.size() > out.command->most)
        throw UsageError("ottoctl " + std::string(out.command->words) + " takes " + count_of(*out.command),
                         "ottoctl " + std::string(out.command->words) + " --help shows an example");
    return out;
}

std::optional<std::string> Invocation::option(std::string_view name) const {
    auto all = every(name);
    return all.empty() ? std::nullopt : std::optional(all.back());
}

std::vector<std::string> Invocation::every(std::string_view name) const {
    std::vector<std::string> out;
    auto [from, to] = arguments_.options.equal_range(name);
    for (; from != to; ++from) out.push_back(from->second);
    return out;
}

std::int64_t Invocation::number(std::string_view name, std::int64_t fallback, std::int64_t min, std::int64_t max) const {
    auto text = option(name);
    if (!text) return fallback;
    std::int64_t n = 0;
    auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), n);
    if (error != std::errc{} || end != text->data() + text->size() || n < min || n > max)
        throw UsageError("--" + std::string(name) + " is '" + *text + "'",
                         "it takes a whole number from " + std::to_string(min) + " to " + std::to_string(max));
    return n;
}

Millis Invocation::duration(std::string_view name, Millis fallback) const {
    auto text = option(name);
    if (!text) return fallback;
    auto parsed = app::parse_duration(*text);
    if (!parsed)
        throw UsageError("--" + std::string(name) + " is '" + *text + "'", "it takes a duration such as 90s, 15m, 24h or 7d");
    return *parsed;
}

}  // namespace otto::ottoctl
